package steps

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func job(d Deps) flow.Step {
	return flow.Step{
		ID: "job", Name: "Job", Flag: "job", Env: env("job"),
		Words: words(setup.DeployCode, setup.DeployDAGs, setup.ManageDeployments, setup.PreviewDeployments, setup.ManageUsers),
		Title: "What will the pipeline do?",
		Help:  "The job decides which rights the token needs. It gets those and no others.",
		More: "Deploy code builds the image of the Astro project and sends it with the DAGs. Most pipelines do that.\n\n" +
			"Deploy DAGs only sends the dags folder and builds nothing; the Deployment has to allow it.\n\n" +
			"Manage Deployments as code creates, updates and deletes Deployments from files in the repository.\n\n" +
			"Preview pull requests gives each of them a Deployment of its own, and deletes it with the request.\n\n" +
			"Manage users invites people and changes their roles from files in the repository.",
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Default: string(setup.DeployCode), Items: []flow.Choice{
				{Value: string(setup.DeployCode), Label: text("Deploy code"), Note: text("image and DAGs of one Deployment")},
				{Value: string(setup.DeployDAGs), Label: text("Deploy DAGs only"), Note: text("no image is built")},
				{Value: string(setup.ManageDeployments), Label: text("Manage Deployments as code"), Note: text("create, update and delete them")},
				{Value: string(setup.PreviewDeployments), Label: text("Preview pull requests"), Note: text("a Deployment for each, deleted with it; GitHub and GitLab")},
				{Value: string(setup.ManageUsers), Label: text("Manage users"), Note: text("invite people, change roles")},
			}}
			if j, by, ok := pipeline.JobOf(d.commands()); ok {
				cs.Default, cs.Note = string(j), text("Line %d of %s runs: %s", by.Line, by.File, by)
			}
			return cs, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Job = setup.Job(c.Value)
			if p.Job == setup.DeployDAGs {
				p.Pipeline.Deploy = setup.DAGs
			}
			return nil
		},
	}
}
