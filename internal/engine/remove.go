package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Removal is how a setup is taken back.
type Removal struct {
	Actions []Action
	Stays   []string      // what is not taken back, and why
	Files   []*FileResult // that the actions change; what became of each as soon as its action is done
}

// Remove builds the actions that take a setup back: its part of the pipeline file first, so that no run
// looks for the secret any more, then the secrets, then the tokens. Each can be done again, so that a
// removal which was broken off is simply begun once more. tokens are the ids of all tokens that are the
// setup's own.
func Remove(p setup.Plan, platform providers.Platform, tokens []string, d Deps) (out Removal, err error) {
	b := &builder{plan: p, platform: platform, Deps: d, result: &Result{Plan: p}}
	stays := func(what string) { out.Stays = append(out.Stays, what) }
	if !p.Pipeline.Own && p.Pipeline.File != "" {
		if cli := &p.Pipeline.CLI; cli.SHA256["linux_amd64"] == "" { // only where the parts stand matters
			cli.SHA256 = map[string]string{"linux_amd64": strings.Repeat("0", 64)}
		}
		file, err := platform.Pipeline(p)
		if err != nil {
			return out, err
		}
		out.Files = append(out.Files, b.drop("pipeline:remove", file))
	}
	policy, _, err := Grant(platform, p)
	if err != nil {
		return out, err
	}
	if policy.Path != "" {
		out.Files = append(out.Files, b.drop("policy:remove", policy))
		stays("what " + policy.Path + " had allowed in " + b.Stores[p.Target().Store].Info().Name + " stays allowed until somebody takes it back")
	}
	b.unschedule()
	targets := p.Targets
	if p.Job == setup.RotateTokens {
		targets = append(slices.Clone(targets), p.LoginTarget())
		if x, ok := platform.(providers.Scheduler); ok && x.Scheduled().Then != "" {
			stays("what was made by hand on " + platform.Info().Name + " for the schedule")
		}
	}
	if p.SelfRotation.Every.Rotates() {
		stays("the setup that renews it: astro-ci remove " + setup.RenewalName(p.Name))
	}
	for _, t := range targets {
		store, ok := b.Stores[t.Store]
		if !ok {
			return out, hint.New(fmt.Sprintf("store %q is not known", t.Store), "Run astro-ci setup --help for the list.", "")
		}
		rm, ok := store.(providers.Remover)
		if !ok {
			stays("the secret " + t.String() + ", which can only be removed by hand: " + store.Info().Docs)
			continue
		}
		b.add(Action{
			Key: "secret:remove:" + t.String(), Say: "Remove the secret " + t.String(), Apart: true,
			Do: func(ctx context.Context) (string, error) {
				state, err := store.Stat(ctx, t)
				if err == nil && !state.Exists {
					return "it is gone already", nil
				}
				if err != nil {
					return "", err
				}
				return "", rm.Remove(ctx, t)
			},
		})
	}
	for _, id := range tokens {
		b.add(Action{
			Key: "token:delete:" + id, Say: "Delete the token " + id,
			Do: func(ctx context.Context) (string, error) { return "", b.Issuer.DeleteToken(ctx, p.Organization.ID, id) },
		})
	}
	if n := b.Note; n.Path != "" {
		r := &FileResult{Path: n.Path}
		out.Files = append(out.Files, r)
		b.add(Action{
			Key: "note:remove", Say: "Take the setup out of " + n.Path,
			Do: func(context.Context) (string, error) { return r.summary(b.Files.Edit(n.Path, n.Edit)) },
		})
	}
	if d.Book != nil {
		b.add(Action{
			Key: "journal:removed", Say: "Record that the setup is no more",
			Do: func(context.Context) (string, error) {
				book, err := d.Book(p.Name)
				if err != nil {
					return "", err
				}
				return "", book.Record(rotation.Record{Kind: rotation.RecRemoved})
			},
		})
	}
	if p.Credential.Role != "" && len(p.NewRole) > 0 {
		stays("the custom role " + p.Credential.Role + ", which other tokens may have")
	}
	out.Actions = b.actions
	return out, nil
}

// drop takes the setup's part out of a file.
func (b *builder) drop(key string, file providers.File) *FileResult {
	r := &FileResult{Path: file.Path}
	b.add(Action{
		Key: key, Say: "Take the part of " + b.plan.Name + " out of " + file.Path,
		Do: func(context.Context) (string, error) {
			return r.summary(b.Files.Cut(file, b.plan.Name, b.plan.ReplaceEdits))
		},
	})
	return r
}

// summary takes a change down, and says it.
func (r *FileResult) summary(c pipeline.Change, err error) (string, error) {
	r.Changed, r.Gone = err == nil && c.Changed(), c.Gone
	switch {
	case err != nil:
		return "", err
	case !c.Changed():
		return "it is not there", nil
	}
	return c.Summary(), nil
}
