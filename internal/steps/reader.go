package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// fetched reports whether runs of the plan read the secret from a backend by themselves.
func fetched(p setup.Plan) bool {
	return len(p.Targets) > 0 && p.Target().Store != p.Platform && fetch.Possible(p.Platform, p.Target().Store)
}

// reader is what the backend of the plan proposes.
func (d Deps) reader(ctx context.Context, p setup.Plan) (setup.Reader, error) {
	store, err := d.Store(ctx, p, p.Target().Store)
	if err != nil {
		return setup.Reader{}, err
	}
	if x, ok := store.(providers.Readable); ok {
		return x.Reader(ctx, p)
	}
	return setup.Reader{}, nil
}

// readBy are the questions for how a run reads the secret from its backend.
func readBy(d Deps) []flow.Step {
	role := flow.Step{
		ID: "reader", Name: "Read as", Flag: "reader", Env: env("reader"), Kind: flow.Input, Needs: []string{"target", "name", "platform"},
		Title: "As whom does a run read the secret?",
		Help:  "The platform vouches for the run, and the backend lets it read this one secret: the CI system itself keeps none. A file says what somebody who administers the backend has to allow once.",
		When:  fetched,
		Ready: func(ctx context.Context, p setup.Plan) error {
			_, err := d.reader(ctx, p) // it may refuse, whatever role was given
			return err
		},
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			r, err := d.reader(ctx, p)
			question, example := fetch.Role(p.Target().Store)
			return flow.Choices{Default: r.Role, Note: text("%s For example: %s", question, example)}, err
		},
		Check: notEmpty,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Reader.Role = c.Value
			return nil
		},
	}
	server := flow.Step{
		ID: "reader-server", Name: "Read from", Flag: "reader-server", Env: env("reader-server"), Kind: flow.Input, Quiet: true, Needs: []string{"target"},
		Title: "Where do runs reach the backend?",
		Help:  "An address, a region of AWS, or a connection of Azure DevOps. Runs may see it elsewhere than this computer does.",
		When:  func(p setup.Plan) bool { return len(p.Targets) > 0 && fetch.Placed(p.Platform, p.Target().Store) },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			if fetch.Connects(p.Platform, p.Target().Store) {
				return flow.Choices{Note: text("The name of a service connection of the project, of the type Azure Resource Manager.")}, nil
			}
			r, err := d.reader(ctx, p)
			return flow.Choices{Default: r.Server}, err
		},
		Check: notEmpty,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Reader.Server = strings.TrimRight(c.Value, "/")
			return nil
		},
	}
	namespace := flow.Step{
		ID: "reader-namespace", Name: "Namespace", Flag: "reader-namespace", Env: env("reader-namespace"), Kind: flow.Input, Quiet: true, Optional: true, Needs: []string{"target"},
		Title: "Which namespace of Vault?",
		Help:  "Empty for the root namespace.",
		When:  func(p setup.Plan) bool { return fetched(p) && p.Target().Store == "vault" },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			r, err := d.reader(ctx, p)
			return flow.Choices{Default: r.Namespace}, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Reader.Namespace = strings.Trim(c.Value, "/")
			return nil
		},
	}
	runs := flow.Step{
		ID: "reader-runs", Name: "Runs known as", Flag: "reader-runs", Env: env("reader-runs"), Kind: flow.Input, Quiet: true, Needs: []string{"target", "repo"},
		Title: "By which ids does the platform know the runs?",
		Help:  "The backend is told them, so that it lets no other runs in.",
		When:  func(p setup.Plan) bool { return fetched(p) && fetch.ByIDs(p.Platform) != "" },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Note: text("Write them as %s.", fetch.ByIDs(p.Platform))}
			x, err := d.platformOf(p)
			if err != nil {
				return cs, err
			}
			who, ok := x.(providers.Identifier)
			if !ok {
				return cs, nil
			}
			cs.Default, err = who.Identify(ctx, p.Repository)
			if err != nil && ctx.Err() == nil { // a person may know them
				return flow.Choices{Note: text("%s %s", err, cs.Note)}, nil
			}
			return cs, err
		},
		Check: notEmpty,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Reader.Runs = strings.TrimSpace(c.Value)
			return nil
		},
	}
	return []flow.Step{server, namespace, role, runs}
}

func notEmpty(s string) error {
	if strings.TrimSpace(s) == "" {
		return setup.ErrEmpty
	}
	return nil
}

// also is the question for copies: the same credential in more places, for other pipelines.
func also(d Deps) flow.Step {
	return flow.Step{
		ID: "also", Name: "Copies in", Flag: "also", Env: env("also"), Kind: flow.Input, Quiet: true, Optional: true, Needs: []string{"target", "secret-name"},
		Title: "Where else is the secret kept?",
		Help:  "Copies for other pipelines and tools, as STORE:ADDRESS with commas between them. A rotation writes them all. Leave it empty for none.",
		When:  func(p setup.Plan) bool { return p.Credential.Kind != setup.DeploymentKey },
		Check: func(s string) error {
			all, err := copies(s, setup.TokenVariable)
			for _, t := range all {
				if len(d.Stores) > 0 && !slices.Contains(d.Stores, t.Store) {
					return fmt.Errorf("%q is no store; there are %s", t.Store, strings.Join(d.Stores, ", "))
				}
			}
			return cmp.Or(err, d.check(all...))
		},
		Says: func(_ setup.Plan, c flow.Choice) display.Text {
			if c.Value == "" {
				return text("none")
			}
			return c.Label
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			all, err := copies(c.Value, p.Target().Secret)
			if err = cmp.Or(err, d.check(all...)); err != nil {
				return err
			}
			p.Targets = append(slices.Clone(p.Targets[:min(1, len(p.Targets))]), all...) // none while it is reopened
			return nil
		},
	}
}

// copies reads targets that are written STORE:ADDRESS, or STORE:ADDRESS=NAME for one of another name.
func copies(s, name string) (out []setup.Target, err error) {
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		t, err := ParseTarget(part, name)
		if err != nil {
			return nil, err
		}
		out = append(out, t)
	}
	return out, nil
}

// ParseTarget reads a target that is written STORE:ADDRESS, or STORE:ADDRESS=NAME when its secret has
// another name than the one given.
func ParseTarget(s, name string) (setup.Target, error) {
	store, address, ok := strings.Cut(s, ":")
	if i := strings.LastIndex(address, "="); i >= 0 && setup.CheckSecretName(address[i+1:]) == nil {
		address, name = address[:i], address[i+1:]
	}
	if !ok || store == "" || address == "" {
		return setup.Target{}, errors.New(display.Clean(s).String() + " is not a place; write it as STORE:ADDRESS")
	}
	return setup.Target{Store: store, Address: address, Secret: name}, nil
}
