package steps

import (
	"context"
	"errors"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	newEnvironment = "environment"
)

// targetsAt are the secrets that the credential needs at an address, one for each variable.
func targetsAt(p *setup.Plan, address string) (out []setup.Target) {
	for _, v := range p.Credential.Kind.Variables() {
		out = append(out, setup.Target{Store: p.Platform, Address: address, Secret: v, Variable: v})
	}
	return out
}

func target(d Deps) flow.Step {
	return flow.Step{
		ID: "target", Name: "Secret in", Flag: "target", Env: env("target"), Needs: []string{"repo", "credential"},
		Title: "Where is the secret kept?",
		Help:  "An environment can ask for a review before a run may use the secret. A repository secret is open to every workflow of the repository.",
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choices{}, err
			}
			places, err := x.Places(ctx, p.Repository)
			if err != nil {
				return flow.Choices{}, err
			}
			var cs flow.Choices
			for i, pl := range places {
				if i == 0 {
					cs.Default = pl.Address
				}
				cs.Items = append(cs.Items, flow.Choice{Value: pl.Address, Label: pl.Name, Note: pl.Note})
			}
			if !x.Info().Environments {
				return cs, nil
			}
			cs.Items = append(cs.Items, flow.Choice{Value: newEnvironment, Label: text("A new environment"), Note: text("it is made for you")})
			return cs, nil
		},
		// A target is written STORE:ADDRESS; the platform's own store is the only one so far.
		Parse: func(_ context.Context, p setup.Plan, s string) (flow.Choice, error) {
			if s == newEnvironment { // it is not among the choices
				return flow.Choice{}, errors.New("there are no environments on this platform; leave --environment out")
			}
			address, ok := strings.CutPrefix(s, p.Platform+":")
			if !ok {
				return flow.Choice{}, errors.New("write it as " + p.Platform + ":ADDRESS, for example " + p.Platform + ":" + p.Repository.Path)
			}
			return flow.Choice{Value: address, Label: display.Clean(address)}, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Value == newEnvironment {
				p.NewEnvironment = true
				return nil
			}
			p.Targets = targetsAt(p, c.Value)
			return nil
		},
	}
}

func environment(d Deps) flow.Step {
	return flow.Step{
		ID: "environment", Name: "Environment", Flag: "environment", Env: env("environment"), Kind: flow.Input, Needs: []string{"target", "repo"},
		Title: "What is the environment called?",
		Help:  "It is created when it is not there yet. Reviewers can be added to it later.",
		When:  func(p setup.Plan) bool { return p.NewEnvironment },
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			return flow.Choices{Default: "production"}, nil
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
			address, err := x.Environment(p.Repository, c.Value)
			p.Targets = targetsAt(p, address)
			return err
		},
	}
}

func secretName() flow.Step {
	return flow.Step{
		ID: "secret-name", Name: "Secret name", Flag: "secret-name", Env: env("secret-name"), Kind: flow.Input, Quiet: true, Needs: []string{"target"},
		Title: "What is the secret called?",
		Help:  "The pipeline passes it to the Astro CLI as ASTRO_API_TOKEN, whatever it is called here.",
		When:  func(p setup.Plan) bool { return p.Credential.Kind != setup.DeploymentKey },
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			return flow.Choices{Default: setup.TokenVariable}, nil
		},
		Check: setup.CheckSecretName,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			for i := range p.Targets {
				p.Targets[i].Secret = c.Value
			}
			return nil
		},
	}
}
