package steps

import (
	"context"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// keyFlag is the flag that reads the key from stdin; it stands for both halves.
const keyFlag = "key-stdin"

func keyID(d Deps) flow.Step {
	return keyHalf(d, "key-id", "Key id", setup.KeyIDVariable, "What is the id of the Deployment API key?",
		func(p *setup.Plan, c flow.Choice) { p.Key.ID = c.Secret })
}

func keySecret(d Deps) flow.Step {
	return keyHalf(d, "key-secret", "Key secret", setup.KeySecretVariable, "What is the secret of the Deployment API key?",
		func(p *setup.Plan, c flow.Choice) { p.Key.Secret = c.Secret })
}

func keyHalf(d Deps, id, name, variable, title string, put func(*setup.Plan, flow.Choice)) flow.Step {
	return flow.Step{
		ID: id, Name: name, Flag: keyFlag, Env: variable, Kind: flow.Secret, Needs: []string{"credential"},
		Title: title,
		Help:  "What you type is not shown. " + astro.KeysEnded,
		When:  func(p setup.Plan) bool { return p.Credential.Kind == setup.DeploymentKey && !d.KeyGiven },
		Check: func(s string) error {
			if s == "" {
				return setup.ErrEmpty
			}
			return nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if d.Live != nil {
				d.Live(c.Secret)
			}
			put(p, c)
			return nil
		},
	}
}

const (
	replaceKey = "replace"
	keepKey    = "keep"
)

var keyNames = pattern.New(`ASTRONOMER_KEY_(ID|SECRET)`)

// legacyKey asks what becomes of a Deployment API key that the repository uses until now.
func legacyKey(d Deps) flow.Step {
	return flow.Step{
		ID: "legacy-key", Name: "Old key", Flag: "legacy-key", Env: env("legacy-key"), Explicit: true, Needs: []string{"repo", "target", "environment", "credential"},
		Title: "What becomes of the Deployment API key that is in use here?",
		Help:  astro.KeysEnded,
		More: "When the token takes its place, the pipeline file that names the key names the token instead, and the secrets of the key are removed. On Astro the key goes on working " +
			"until somebody deletes it there.\n\nWhen it is left as it is, nothing about the key is touched, and the token gets a pipeline file of its own.",
		When: func(p setup.Plan) bool {
			return p.Credential.Kind == setup.DeploymentToken && p.Target().Store == p.Platform
		},
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			found, err := d.legacy(ctx, p)
			if err != nil || found.IsZero() {
				return flow.Choices{Moot: true}, err
			}
			where := strings.Join(found.Files, ", ")
			if where == "" {
				where = "the stored secrets"
			}
			take := flow.Choice{Value: replaceKey, Label: text("Put the new token in its place"), Note: text("in %s; the old secrets are removed", where), Data: found, Recommended: true}
			return flow.Choices{Default: replaceKey, Note: text("It was found in %s.", where), Items: []flow.Choice{
				take, {Value: keepKey, Label: text("Leave it as it is"), Note: text("a pipeline file of its own is written for the token")},
			}}, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Value != replaceKey {
				return nil
			}
			p.Retire, _ = c.Data.(setup.Legacy)
			p.Pipeline.Own = len(p.Retire.Files) > 0
			// A job that does not name an environment sees nothing of it.
			at := p.Target().Address
			if p.Pipeline.Own && at != p.Repository.Path && !slices.ContainsFunc(p.Retire.Secrets, func(t setup.Target) bool { return t.Address == at }) {
				return hint.New("the job that uses the old key does not see the secrets of "+at, "Keep the secret where the old key is: go back and choose the repository.", "")
			}
			return nil
		},
	}
}

// legacy looks for a Deployment API key in the platform's pipeline files and among the secrets
// beside the target and of the repository.
func (d Deps) legacy(ctx context.Context, p setup.Plan) (out setup.Legacy, err error) {
	x, err := d.platformOf(p)
	if err != nil {
		return out, err
	}
	if _, ok := x.(providers.Modernizer); ok && p.Repository == d.Repos[p.Platform] {
		files, err := d.Files(x.PipelineGlobs())
		if err != nil {
			return out, err
		}
		for _, f := range files {
			if keyNames.Match(f.Content) {
				out.Files = append(out.Files, f.Path)
			}
		}
	}
	lister, ok := x.(providers.Lister)
	if !ok {
		return out, nil
	}
	at := []string{p.Target().Address}
	places, _ := d.places(ctx, x, p.Repository) // a platform may keep no secrets of a repository
	if own := p.Repository.Path; own != at[0] && slices.ContainsFunc(places, func(pl providers.Place) bool { return pl.Address == own }) {
		at = append(at, own)
	}
	for _, address := range at {
		t := setup.Target{Store: p.Platform, Address: address}
		names, err := lister.List(ctx, t)
		if err != nil {
			return out, err
		}
		for _, n := range names {
			if keyNames.MatchString(n) {
				t.Secret = n
				out.Secrets = append(out.Secrets, t)
			}
		}
	}
	return out, nil
}
