package steps

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func organization(d Deps) flow.Step {
	return flow.Step{
		ID: "organization", Name: "Organization", Flag: "organization", Env: env("organization"), Explicit: true,
		Title: "Which Organization?",
		Help:  "Everything else is looked up inside it.",
		More:  "An Organization holds Workspaces, and is what a contract with Astronomer is about. The ones that your log-in sees are listed; another log-in may see others.",
		Load: func(ctx context.Context, _ setup.Plan) (flow.Choices, error) {
			page, err := d.Astro.Organizations(ctx)
			return choices(page, func(o astro.Organization) flow.Choice { return flow.Choice{Value: o.ID, Label: o.Name} }), err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Organization = setup.Ref{ID: c.Value, Name: c.Label}
			return nil
		},
	}
}
