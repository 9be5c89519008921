package cli

import (
	"context"
	"crypto/rand"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
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
		Issuer: w.astro, Stores: stores, Files: w.files, NewID: rand.Text, Live: w.app.redactor.Add, Quiet: w.app.quiet, Note: w.note(p),
	}
	actions, _, err := engine.Rest(p, platform, d)
	if err == nil {
		err = engine.Tell(engine.NewRun(actions).Go(ctx), show)
	}
	if err != nil || p.SelfRotation.IsZero() {
		return err
	}
	all, err := w.astro.TokensAt(ctx, engine.Renewal(p, platform).Setup)
	if err != nil || !w.bare(p, all) {
		return err
	}
	p.SelfRotation.Login, d.Book = w.platformLogin, w.openBook
	if actions, _, err = engine.Renew(p, platform, d); err != nil {
		return hint.And(err, "Then go on with: "+w.app.again("apply "+p.Name))
	}
	return engine.Tell(engine.NewRun(actions).Go(ctx), show)
}

// bare reports whether what renews a setup's token still has to be set up. all are the tokens for its place. Of a
// reminder that is not known: it has no token, and is written again.
func (w *world) bare(p setup.Plan, all []astro.Token) bool {
	if !p.SelfRotation.Every.Rotates() {
		return p.SelfRotation.Every == setup.Reminder
	}
	name := setup.RenewalName(p.Name)
	dir, err := w.app.journalDir()
	if err == nil {
		if s, err := read(dir, name); err == nil && (s.Active() || s.Last != "") {
			return false
		}
	}
	return !slices.ContainsFunc(all, func(t astro.Token) bool {
		return setup.ParseMark(t.Description.String()).Setup == name && !t.Expired(time.Now())
	})
}
