package steps

import (
	"context"

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
		When: func(p setup.Plan) bool {
			return p.Credential.Kind != setup.OrganizationToken || p.Job != setup.ManageUsers
		},
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Workspaces(ctx, p.Organization.ID)
			if err == nil && len(all) == 0 {
				err = hint.New("the Organization "+p.Organization.String()+" has no Workspace that you can see",
					"Ask an Organization Owner to add you to a Workspace.", "https://www.astronomer.io/docs/astro/manage-workspaces")
			}
			var cs flow.Choices
			for _, w := range all {
				c := flow.Choice{Value: w.ID, Label: w.Name, Data: w}
				if w.CICDEnforced {
					c.Note = text("CI/CD is enforced")
				}
				cs.Items = append(cs.Items, c)
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Workspace = setup.Ref{ID: c.Value, Name: c.Label}
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
		When:  func(p setup.Plan) bool { return p.Job.Deploys() || p.Credential.Kind == setup.DeploymentToken },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Deployments(ctx, p.Organization.ID, p.Workspace.ID)
			if err == nil && len(all) == 0 {
				err = hint.New("the Workspace "+p.Workspace.String()+" has no Deployment",
					"Go back and choose another Workspace, or create a Deployment first.", "https://www.astronomer.io/docs/astro/create-deployment")
			}
			var cs flow.Choices
			for _, x := range all {
				c := flow.Choice{Value: x.ID, Label: x.Name, Data: x}
				if !x.DAGDeploys {
					c.Note = text("DAG-only deploys are off")
				}
				if x.Status != "HEALTHY" {
					c.Note = text("%s", x.Status)
				}
				cs.Items = append(cs.Items, c)
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			x, _ := c.Data.(astro.Deployment)
			if p.Job == setup.DeployDAGs && !x.DAGDeploys {
				return hint.New("the Deployment "+x.Name.String()+" does not take DAG-only deploys",
					"Turn DAG deploys on in the Deployment's settings, choose another one, or choose the job Deploy code.", "https://www.astronomer.io/docs/astro/deploy-dags")
			}
			p.Deployment = setup.Ref{ID: c.Value, Name: c.Label}
			p.DAGDeploys, p.CICDEnforced = x.DAGDeploys, x.CICDEnforced
			return nil
		},
	}
}

func role(d Deps) flow.Step {
	return flow.Step{
		ID: "role", Name: "Role", Flag: "role", Env: env("role"), Explicit: true,
		Needs: []string{"organization", "job", "credential"},
		Title: "Which role does the token get?",
		Help:  "The role is all that the token may do inside its scope. Choose the smallest one that does the job.",
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Roles(ctx, p.Organization.ID)
			if err != nil {
				return flow.Choices{}, err
			}
			best, reason := astro.BestRole(p.Job, p.Credential.Kind, all)
			cs := flow.Choices{Default: best, Note: text("%s", reason)}
			for _, r := range all {
				if r.ScopeType != p.Credential.Kind.Scope() {
					continue
				}
				c := flow.Choice{Value: r.Name, Label: text("%s", r.Name), Note: r.Description, Recommended: r.Name == best}
				if r.Custom {
					c.Note = text("custom role. %s", r.Description)
				}
				cs.Items = append(cs.Items, c)
			}
			return cs, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Credential.Role = c.Value
			return nil
		},
	}
}
