package cli

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// rest writes the files of a set-up that was broken off, and sets up what renews its token where that is
// missing.
func (w *world) rest(ctx context.Context, p setup.Plan, show func(engine.Event)) error {
	platform, err := w.openAt(ctx, p.Platform, p.Repository.Host)
	if err != nil {
		return err
	}
	stores, err := w.stores(ctx, p)
	if err != nil {
		return err
	}
	d := engine.Deps{
		Issuer: w.astro, Stores: stores, Files: w.files, NewID: rand.Text, Live: w.app.redactor.Add, Quiet: w.app.quietTime(), Note: w.note(p),
	}
	actions, _, err := engine.Rest(p, platform, d)
	if err == nil {
		err = engine.Tell(engine.NewRun(actions).Go(ctx), show)
	}
	if err != nil || p.SelfRotation.IsZero() {
		return err
	}
	missing, begun, err := w.unrenewed(ctx, p, platform)
	switch {
	case err != nil:
		return err
	case begun.Active():
		name := setup.RenewalName(p.Name)
		return w.work(ctx, rotateFlags{wait: true}, candidate{name: name, state: begun, plan: begun.Plan, quiet: true}, nothing).err
	case !missing:
		return nil
	}
	p.SelfRotation.Login, d.Book = w.platformLogin, w.openBook
	if actions, _, err = engine.Renew(w.withLogin(p), platform, d); err != nil {
		return err
	}
	return engine.Tell(engine.NewRun(actions).Go(ctx), show)
}

func nothing(*rotation.Book, *rotation.Driver) error { return nil }

// unrenewed says whether what renews a setup's token still has to be set up, or what was begun of that. Of a
// reminder that is not known: it has no token, and is written again.
func (w *world) unrenewed(ctx context.Context, p setup.Plan, platform providers.Platform) (missing bool, begun rotation.State, err error) {
	if !p.SelfRotation.Every.Rotates() {
		return p.SelfRotation.Every == setup.Reminder, begun, nil
	}
	renewal := engine.Renewal(p, platform)
	dir, err := w.app.journalDir()
	if err == nil {
		begun, err = read(dir, renewal.Name)
	}
	if err != nil || begun.Active() || begun.Last != "" {
		return false, begun, err
	}
	all, err := w.astro.TokensAt(ctx, renewal.Setup)
	return err == nil && !slices.ContainsFunc(all, func(t astro.Token) bool {
		return setup.ParseMark(t.Description.String()).Setup == renewal.Name && !t.Expired(time.Now())
	}), begun, err
}
