package steps

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func platform(d Deps) flow.Step {
	var ids []string
	for _, p := range d.Platforms {
		ids = append(ids, p.ID)
	}
	return flow.Step{
		ID: "platform", Name: "Platform", Flag: "platform", Env: env("platform"), Words: ids, Quiet: d.Platform != "" && d.Opened(d.Platform) != nil,
		Title: "Which CI platform runs the pipeline?",
		Help:  "It was looked for in the remotes and the files of the git repository.",
		More:  "The platform runs the pipeline after a push, and keeps its secrets. The code may lie elsewhere: AWS CodeBuild and Jenkins, for example, build what is on GitHub.",
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Default: d.Platform}
			for _, p := range d.Platforms {
				c := flow.Choice{Value: p.ID, Label: text("%s", p.Name)}
				if p.ID == d.Platform {
					c.Note = text("found in the repository, %s", d.Repos[p.ID])
				}
				cs.Items = append(cs.Items, c)
			}
			return cs, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Platform = c.Value
			return nil
		},
	}
}

func repo(d Deps) flow.Step {
	return flow.Step{
		ID: "repo", Name: "Repository", Flag: "repo", Env: env("repo"), Kind: flow.Input, Needs: []string{"platform"}, Quiet: true,
		Title: "Which repository?",
		Help:  "The secret is stored for this repository, and the pipeline file belongs into it.",
		Ready: func(ctx context.Context, p setup.Plan) error {
			_, err := d.Open(ctx, p.Platform)
			return err
		},
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			if r := d.Repos[p.Platform]; !r.IsZero() {
				return flow.Choices{Default: r.String()}, nil
			}
			return flow.Choices{}, nil
		},
		Check: func(s string) error {
			if s == "" {
				return setup.ErrEmpty
			}
			return nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			x, err := d.platformOf(*p)
			if err != nil {
				return err
			}
			p.Repository, err = x.ParseRepo(c.Value)
			return err
		},
	}
}
