package steps

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func organization(d Deps) flow.Step {
	return flow.Step{
		ID: "organization", Name: "Organization", Flag: "organization", Env: env("organization"), Explicit: true,
		Title: "Which Organization?",
		Help:  "Everything else is looked up inside it.",
		Load: func(ctx context.Context, _ setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Organizations(ctx)
			var cs flow.Choices
			for _, o := range all {
				cs.Items = append(cs.Items, flow.Choice{Value: o.ID, Label: o.Name})
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Organization = setup.Ref{ID: c.Value, Name: c.Label}
			return nil
		},
	}
}
