package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Issuer is what the engine needs from Astro.
type Issuer interface {
	// CheckCreate asks whether the caller may create such a token, without creating one.
	CheckCreate(ctx context.Context, s setup.Setup) (note string, err error)
	CreateToken(ctx context.Context, s setup.Setup, marker string) (astro.Token, *secret.Value, error)
	// Prove calls Astro with the new token itself and compares what Astro recorded with s.
	Prove(ctx context.Context, s setup.Setup, t astro.Token, v *secret.Value) (detail string, err error)
	// FindTokens lists the tokens whose description is exactly marker.
	FindTokens(ctx context.Context, organization, marker string) ([]astro.Token, error)
	// DeleteToken deletes a token; one that is gone already is no error.
	DeleteToken(ctx context.Context, organization, id string) error
}

// Deps are the hands of the engine.
type Deps struct {
	Issuer Issuer
	Stores map[string]providers.Store // by provider id
	Files  *pipeline.Files            // the repository's working tree
	// NewID returns an identifier that no other run has: it marks this run's token, so that a
	// token whose answer was lost can be found again.
	NewID func() string
	// Live is told about every secret value as soon as it exists (for the redacting writers).
	Live func(*secret.Value)
}

// TargetResult is what happened to one target.
type TargetResult struct {
	Target  setup.Target
	State   State
	Version string
	Proof   providers.Proof
}

// Result is what a set-up left behind.
type Result struct {
	Plan         setup.Plan
	Token        astro.Token // zero until it was created
	Targets      []TargetResult
	File         providers.File
	FileChanged  bool
	TokenRevoked bool
}

// SetUp builds the actions of a first set-up and the result they fill in. It validates the whole
// plan again and refuses one with faults, so that no front end has to be trusted.
func SetUp(p setup.Plan, platform providers.Platform, d Deps) ([]Action, *Result, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, hint.Wrap(err, "check the plan", "Correct the answers named above.", "")
	}
	file, err := platform.Pipeline(p)
	if err != nil {
		return nil, nil, err
	}
	res := &Result{Plan: p, File: file}
	var actions []Action
	add := func(a Action) { actions = append(actions, a) }

	add(Action{
		Key: "check:astro", Read: true, Say: fmt.Sprintf("Check that you may create a %s with role %s", p.Credential.Kind, p.Credential.Role),
		Do: func(ctx context.Context) (string, error) { return d.Issuer.CheckCreate(ctx, p.Setup) },
	})
	for _, t := range p.Targets {
		store, ok := d.Stores[t.Store]
		if !ok {
			return nil, nil, hint.New(fmt.Sprintf("store %q is not known", t.Store), "Run astro-ci setup --help for the list.", "")
		}
		add(Action{
			Key: "check:" + t.String(), Read: true, Say: "Check that " + t.String() + " can be written",
			Do: func(ctx context.Context) (string, error) {
				acc, err := store.Check(ctx, t)
				return acc.Note.String(), err
			},
		})
	}
	add(Action{
		Key: "check:file", Read: true, Say: "Check that " + file.Path + " can be written",
		Do: func(context.Context) (string, error) { return "", d.Files.Check(file, p.Name, p.ReplaceEdits) },
	})

	marker := p.Marker(d.NewID())
	// orphans deletes what an earlier, ambiguous create may have left. No target can hold such a
	// token: its value never arrived.
	orphans := func(ctx context.Context) (n int, err error) {
		found, err := d.Issuer.FindTokens(ctx, p.Organization.ID, marker)
		if err != nil {
			return 0, err
		}
		for _, t := range found {
			if err := d.Issuer.DeleteToken(ctx, p.Organization.ID, t.ID); err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	var value *secret.Value
	tried, refused := false, false
	var held func(context.Context) error // an error says which target may hold the token
	add(Action{
		Key:      "token:create",
		Say:      fmt.Sprintf("Create a %s for %s: role %s, %d days", p.Credential.Kind, p.Entity(), p.Credential.Role, p.Credential.ExpiresInDays),
		UndoSays: "Take the new token back",
		Stands:   func() bool { return !refused },
		Do: func(ctx context.Context) (string, error) {
			if tried {
				if _, err := orphans(ctx); err != nil {
					return "", err
				}
			}
			tried = true
			t, v, err := d.Issuer.CreateToken(ctx, p.Setup, marker)
			refused = httpx.Refused(err)
			if err != nil {
				return "", err
			}
			res.Token, value = t, v
			if d.Live != nil {
				d.Live(v)
			}
			return fmt.Sprintf("%s, expires %s", t.ID, t.EndAt.Format(time.DateOnly)), nil
		},
		Undo: func(ctx context.Context) (string, error) {
			if res.Token.ID == "" {
				n, err := orphans(ctx)
				return fmt.Sprintf("%d found on Astro and deleted", n), err
			}
			if err := held(ctx); err != nil {
				return "", err
			}
			if err := d.Issuer.DeleteToken(ctx, p.Organization.ID, res.Token.ID); err != nil {
				return "", err
			}
			res.TokenRevoked = true
			return res.Token.ID, nil
		},
	})
	add(Action{
		Key: "token:prove", Read: true, Say: "Ask Astro with the new token itself",
		Do: func(ctx context.Context) (string, error) { return d.Issuer.Prove(ctx, p.Setup, res.Token, value) },
	})

	writes := make([]*write, len(p.Targets))
	res.Targets = make([]TargetResult, len(p.Targets))
	for i, t := range p.Targets {
		res.Targets[i] = TargetResult{Target: t, State: Planned}
		writes[i] = &write{store: d.Stores[t.Store], result: &res.Targets[i]}
		add(writes[i].action(func() (*secret.Value, providers.Meta) {
			return value, providers.Meta{Setup: p.Name, Repository: p.Repository, TokenID: res.Token.ID, ExpiresAt: res.Token.EndAt}
		}))
	}
	held = func(ctx context.Context) error {
		for _, w := range writes {
			if err := w.mayHold(ctx); err != nil {
				return err
			}
		}
		return nil
	}

	var written pipeline.Change
	add(Action{
		Key: "pipeline:write", Say: "Write " + file.Path, UndoSays: "Put " + file.Path + " back as it was",
		Do: func(context.Context) (string, error) {
			c, err := d.Files.Write(file, p.Name, p.ReplaceEdits)
			if err != nil {
				return "", err
			}
			written, res.FileChanged = c, c.Changed()
			if !c.Changed() {
				return "already as it should be", nil
			}
			return c.Summary(), nil
		},
		Undo: func(context.Context) (string, error) {
			if !written.Changed() {
				return "it was not changed", nil
			}
			res.FileChanged = false
			return file.Path, d.Files.Restore(written)
		},
	})
	return actions, res, nil
}

// Tell drains the events of a run into see and returns the first failure.
func Tell(events func(func(Event) bool), see func(Event)) error {
	var failed error
	for ev := range events {
		if see != nil {
			see(ev)
		}
		if ev.State == Failed {
			failed = errors.Join(failed, ev.Err)
		}
	}
	return failed
}
