package steps

import (
	"context"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func workspace(d Deps) flow.Step {
	return flow.Step{
		ID: "workspace", Name: "Workspace", Flag: "workspace", Env: env("workspace"), Explicit: true,
		Needs: []string{"organization", "job", "credential"},
		Title: "Which Workspace?",
		Help:  "Each Workspace gets a token of its own, so that a leak in one does not open the others.",
		More:  "A Workspace holds Deployments, and the people who work on them. For the next one, press a in the overview, or use astro-ci setup --like SETUP: everything else stays as it is here.",
		When: func(p setup.Plan) bool {
			return p.Credential.Kind != setup.OrganizationToken || p.Job != setup.ManageUsers
		},
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			page, err := d.Astro.Workspaces(ctx, p.Organization.ID)
			if err == nil && len(page.Items) == 0 {
				err = hint.New("the Organization "+p.Organization.String()+" has no Workspace that you can see",
					"Ask an Organization Owner to add you to a Workspace.", "https://www.astronomer.io/docs/astro/manage-workspaces")
			}
			cs := choices(page, func(w astro.Workspace) flow.Choice {
				c := flow.Choice{Value: w.ID, Label: w.Name, Data: w}
				switch {
				case len(d.Made[w.ID]) > 1:
					c.Note = text("%s are for this one already", strings.Join(d.Made[w.ID], " and "))
				case len(d.Made[w.ID]) == 1:
					c.Note = text("%s is for this one already", d.Made[w.ID][0])
				case w.ID == d.LikeIn:
					c.Note = text("%s is for this one already", d.Like)
				case w.CICDEnforced:
					c.Note = text("CI/CD is enforced")
				}
				return c
			})
			if d.Like != "" { // what is repeated is repeated for one that has none yet
				has := func(c flow.Choice) int {
					if c.Value == d.LikeIn || len(d.Made[c.Value]) > 0 {
						return 1
					}
					return 0
				}
				slices.SortStableFunc(cs.Items, func(x, y flow.Choice) int { return has(x) - has(y) })
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Workspace = setup.Ref{ID: c.Value, Name: c.Label}
			w, _ := c.Data.(astro.Workspace)
			p.CICDDefault = w.CICDEnforced
			return nil
		},
	}
}

func deployment(d Deps) flow.Step {
	return flow.Step{
		ID: "deployment", Name: "Deployment", Flag: "deployment", Env: env("deployment"), Explicit: true,
		Needs: []string{"organization", "workspace", "job"},
		Title: "Which Deployment?",
		Help:  "The pipeline deploys to this one, by its id.",
		More:  "A Deployment is one Airflow. Names can change and can be there twice, ids cannot: the pipeline file holds the id.",
		When:  func(p setup.Plan) bool { return p.Job.OnDeployment() || p.Credential.Kind.Deployment() },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			page, err := d.Astro.Deployments(ctx, p.Organization.ID, p.Workspace.ID)
			if err == nil && len(page.Items) == 0 {
				err = hint.New("the Workspace "+p.Workspace.String()+" has no Deployment",
					"Choose another Workspace, a job or a credential that needs no Deployment, or create one first.", "https://www.astronomer.io/docs/astro/create-deployment")
			}
			cs := choices(page, func(x astro.Deployment) flow.Choice {
				c := flow.Choice{Value: x.ID, Label: x.Name, Data: x}
				if !x.DAGDeploys {
					c.Note = text("DAG-only deploys are off")
				}
				if x.Status != "HEALTHY" {
					c.Note = text("%s", x.Status)
				}
				return c
			})
			named := d.named()
			for _, c := range cs.Items {
				if slices.Contains(named, c.Value) {
					cs.Default, cs.Note = c.Value, text("A pipeline file of the repository names %s.", c.Label)
					break
				}
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			x, seen := c.Data.(astro.Deployment)
			if p.Job == setup.DeployDAGs && seen && !x.DAGDeploys {
				return hint.New("the Deployment "+x.Name.String()+" does not take DAG-only deploys",
					"Turn DAG deploys on in the Deployment's settings, choose another one, or choose the job Deploy code.", "https://www.astronomer.io/docs/astro/deploy-dags")
			}
			p.Deployment = setup.Ref{ID: c.Value, Name: c.Label}
			p.DAGDeploys, p.CICDEnforced = x.DAGDeploys, x.CICDEnforced
			return nil
		},
	}
}
