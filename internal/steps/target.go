package steps

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	newEnvironment = "environment"
)

// targetsAt are the secrets that the credential needs at a place, one for each variable.
func targetsAt(p *setup.Plan, store, address string) (out []setup.Target) {
	for _, v := range p.Credential.Kind.Variables() {
		out = append(out, setup.Target{Store: store, Address: address, Secret: v, Variable: v})
	}
	return out
}

func target(d Deps) flow.Step {
	return flow.Step{
		ID: "target", Name: "Secret in", Flag: "target", Env: env("target"), Needs: []string{"repo", "credential"},
		Title: "Where is the secret kept?",
		Help:  "The narrower the place, the fewer runs can use the secret.",
		More: "A secret of the repository can be used by every run of it, on any branch. One of an environment can be used only by runs that " +
			"name the environment, and only as its rules allow: certain branches, after somebody's approval. One of a group or an organization is open to many repositories.\n\n" +
			"A secrets backend keeps the secret outside of the platform: runs prove who they are and fetch it.\n\n" +
			"On the review, \"Copies in\" keeps it in more places; a rotation writes them all.",
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choices{}, err
			}
			places, failed := d.places(ctx, x, p.Repository)
			var cs flow.Choices
			add := func(pl providers.Place) {
				value := cmp.Or(pl.Store, p.Platform) + ":" + pl.Address
				cs.Default = cmp.Or(cs.Default, value)
				cs.Items = append(cs.Items, flow.Choice{Value: value, Label: pl.Name, Note: pl.Note})
			}
			for _, pl := range places {
				add(pl)
			}
			if x.Info().Environments {
				cs.Items = append(cs.Items, flow.Choice{Value: newEnvironment, Label: text("A new environment"), Note: text("it is made for you")})
			}
			for _, id := range d.Backends {
				if !slices.Contains(x.Info().Backends, id) {
					continue
				}
				store, err := d.Store(ctx, p, id)
				if err != nil { // what seemed to be a log-in is none
					continue
				}
				b, ok := store.(providers.Backend)
				if !ok {
					continue
				}
				pl := b.Place(p.Repository)
				if fetch.Possible(p.Platform, id) {
					pl.Note = text("runs read it there by themselves; %s keeps no secret", x.Info().Name)
				}
				add(pl)
			}
			cs.Settled = len(cs.Items) == 1 || len(cs.Items) == 2 && x.Info().Environments
			return cs, failed
		},
		// A target is written STORE:ADDRESS.
		Parse: func(_ context.Context, p setup.Plan, s string) (flow.Choice, error) {
			if s == newEnvironment { // it is not among the choices
				return flow.Choice{}, errors.New("there are no environments on this platform; leave --environment out")
			}
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choice{}, err
			}
			var stores []string
			if _, ok := x.(providers.Store); ok {
				stores = append(stores, p.Platform)
			}
			stores = append(stores, x.Info().Backends...)
			store, address, ok := strings.Cut(s, ":")
			if !ok || !slices.Contains(stores, store) {
				return flow.Choice{}, errors.New("write it as STORE:ADDRESS; the stores of this platform are " + strings.Join(stores, ", "))
			}
			if err := d.check(setup.Target{Store: store, Address: address, Secret: setup.TokenVariable}); err != nil {
				return flow.Choice{}, err
			}
			return flow.Choice{Value: s, Label: display.Clean(address)}, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Value == newEnvironment {
				p.NewEnvironment = true
				return nil
			}
			store, address, _ := strings.Cut(c.Value, ":")
			p.Targets, p.Pipeline.Reader = targetsAt(p, store, address), setup.Reader{}
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
			p.Targets = targetsAt(p, p.Platform, address)
			return err
		},
	}
}

func secretName(d Deps) flow.Step {
	return flow.Step{
		ID: "secret-name", Name: "Secret name", Flag: "secret-name", Env: env("secret-name"), Kind: flow.Input, Quiet: true, Needs: []string{"target", "environment", "name"},
		Title: "What is the secret called?",
		Help:  "The pipeline passes it to the Astro CLI as ASTRO_API_TOKEN, whatever it is called here.",
		When:  func(p setup.Plan) bool { return p.Credential.Kind != setup.DeploymentKey },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			own := setup.TokenVariable + "_" + strings.ToUpper(strings.ReplaceAll(slug(p.Name), "-", "_"))
			taken, err := d.taken(ctx, p, own)
			if taken {
				return flow.Choices{Default: own, Note: text("Another setup of this repository may use %s.", setup.TokenVariable)}, err
			}
			return flow.Choices{Default: setup.TokenVariable}, err
		},
		Check: setup.CheckSecretName,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			for i := range p.Targets {
				p.Targets[i].Secret = c.Value
			}
			return d.check(p.Targets...)
		},
	}
}

// taken reports whether the setup needs a secret of its own name: it has one already, or it is new and
// the usual name is in use at the target, maybe by another setup of this repository, whose pipeline
// must not lose its token.
func (d Deps) taken(ctx context.Context, p setup.Plan, own string) (bool, error) {
	others := false
	for _, f := range d.found() {
		if part := pipeline.Part(f.Content, p.Name); part != nil {
			return bytes.Contains(part, []byte(own)), nil
		}
		others = others || len(pipeline.Setups(f.Content)) > 0
	}
	t := p.Target()
	t.Secret = setup.TokenVariable
	if d.Shadows != nil && d.Shadows(p, t) {
		return true, nil
	}
	if !others {
		return false, nil
	}
	x, err := d.Store(ctx, p, t.Store)
	if err != nil {
		return false, err
	}
	state, err := x.Stat(ctx, t)
	return state.Exists, err
}
