package steps

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func credential() flow.Step {
	return flow.Step{
		ID: "credential", Name: "Credential", Flag: "credential", Env: env("credential"), Explicit: true, Needs: []string{"job"},
		Words: words(setup.DeploymentToken, setup.WorkspaceToken, setup.OrganizationToken, setup.DeploymentKey),
		Title: "Which credential?",
		Help:  "A token that reaches less can lose less. Choose the smallest one that does the job.",
		More: "A Deployment API token reaches one Deployment, a Workspace API token one Workspace, an Organization API token all of them. " +
			"Each is made here, with a role and an end. One token for each Workspace is better than one for all.\n\n" +
			"A Deployment API key is the older kind, an id and a secret. Astro makes no new ones.\n\n" +
			"A repository on GitHub can do without a token as well: Astro has a GitHub integration of its own, which is set up in Astro.\n\n" +
			"The pipeline finds it in its environment: a token in ASTRO_API_TOKEN, a key in ASTRONOMER_KEY_ID and ASTRONOMER_KEY_SECRET.",
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			var cs flow.Choices
			for _, a := range astro.Kinds(p.Job) {
				cs.Items = append(cs.Items, flow.Choice{Value: string(a.Kind), Label: text("%s", a.Kind), Note: text("%s", a.Reason), Recommended: a.Recommended})
				if a.Recommended {
					cs.Default, cs.Note = string(a.Kind), text("%s", a.Reason)
				}
			}
			return cs, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Credential.Kind = setup.Kind(c.Value)
			return nil
		},
	}
}
