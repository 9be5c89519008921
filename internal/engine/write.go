package engine

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// write is the writing of one target, and what is known about the target before and after it.
type write struct {
	store  providers.Store
	result *TargetResult
	index  int // among the targets of the plan
	of     *builder
	asked  bool            // before is known
	before providers.State // as it was before the first try
	meta   providers.Meta  // of the last try
	tried  atomic.Bool     // a write was started: from then on the target may hold the token
}

func (w *write) target() setup.Target { return w.result.Target }

// action writes the value that next returns.
func (w *write) action(next func() (*secret.Value, providers.Meta)) Action {
	t := w.target()
	a := Action{
		Key: "secret:" + t.String(), Say: "Write the secret " + t.String(), Apart: true,
		Do: func(ctx context.Context) (string, error) {
			detail, err := w.do(ctx, next)
			if err != nil {
				w.result.State = Failed
			}
			return detail, err
		},
	}
	if rm, ok := w.store.(providers.Remover); ok {
		a.UndoSays = "Remove the secret " + t.String()
		if _, ok := w.store.(providers.Historian); ok {
			a.UndoSays = "Remove the secret " + t.String() + ", or put its earlier value back"
		}
		a.Stands = func() bool { return w.tried.Load() }
		a.Undo = func(ctx context.Context) (string, error) { return w.undo(ctx, rm) }
	}
	return a
}

// look finds out what the target holds, as long as nothing was written to it.
func (w *write) look(ctx context.Context) error {
	if w.tried.Load() {
		return nil
	}
	st, err := w.store.Stat(ctx, w.target())
	if err == nil {
		w.before, w.asked = st, true
	}
	return err
}

func (w *write) do(ctx context.Context, next func() (*secret.Value, providers.Meta)) (string, error) {
	if !w.asked {
		if err := w.look(ctx); err != nil {
			return "", err
		}
	}
	v, meta := next()
	w.meta = meta
	// A store that clearly refused holds nothing new; after any other outcome, and as long as there is
	// none, it may.
	writing := rotation.Record{Kind: rotation.RecWriting, Target: w.index, Token: w.of.result.Token.ID}
	if w.of.book != nil {
		if err := w.of.book.Record(writing); err != nil {
			return "", err
		}
		ctx = httpx.Announce(ctx, w.of.book.Announce(writing))
	}
	before := w.tried.Swap(true)
	rec, err := w.store.Put(ctx, w.target(), v, meta)
	if httpx.Refused(err) {
		w.tried.Store(before)
	}
	if err != nil {
		return "", err
	}
	w.result.State, w.result.Version, w.result.Proof, w.result.Note = Done, rec.Version, rec.Proof, rec.Note
	if err := w.of.book.Record(rotation.Record{Kind: rotation.RecWritten, Target: w.index, Token: w.of.result.Token.ID, Version: rec.Version}); err != nil {
		return "", err
	}
	if rec.Created {
		return "created, " + rec.Said(), nil
	}
	return "replaced, " + rec.Said(), nil
}

func (w *write) undo(ctx context.Context, rm providers.Remover) (string, error) {
	changed, err := w.changed(ctx)
	if err != nil {
		return "", err
	}
	if !changed {
		return "it was not written", nil
	}
	if h, ok := w.store.(providers.Historian); ok && w.before.Exists && w.before.Version != "" {
		return w.restore(ctx, h)
	}
	if w.before.Exists {
		return "", hint.New("remove the secret "+w.target().String(),
			"A secret of this name was there before, and its old value cannot be read back. Write the right value again.", w.store.Info().Docs)
	}
	if err := rm.Remove(ctx, w.target()); err != nil {
		return "", err
	}
	w.result.State = Undone
	return w.target().String(), w.of.book.Record(rotation.Record{Kind: rotation.RecForgot, Target: w.index})
}

// restore puts the value back that the target had before the first try.
func (w *write) restore(ctx context.Context, h providers.Historian) (string, error) {
	old, err := h.Earlier(ctx, w.target(), w.before.Version)
	if err != nil {
		return "", err
	}
	meta := w.meta
	meta.TokenID, meta.ExpiresAt = "", time.Time{} // those of the earlier value are not known
	if _, err := w.store.Put(ctx, w.target(), old, meta); err != nil {
		return "", err
	}
	w.result.State = Undone
	return w.target().String() + " has its earlier value again", w.of.book.Record(rotation.Record{Kind: rotation.RecForgot, Target: w.index})
}

// changed reports whether the target differs from what it was before the first try.
func (w *write) changed(ctx context.Context) (bool, error) {
	if !w.tried.Load() {
		return false, nil
	}
	now, err := w.store.Stat(ctx, w.target())
	if err != nil {
		return false, err
	}
	switch {
	case now.Exists != w.before.Exists:
		return true, nil
	case !now.Exists:
		return false, nil
	case now.Version != "" && w.before.Version != "": // times can be whole seconds, and of more than this secret
		return now.Version != w.before.Version, nil
	}
	// Where the store does not say, the worse is assumed.
	return now.UpdatedAt.IsZero() || !now.UpdatedAt.Equal(w.before.UpdatedAt), nil
}

// mayHold is an error when the target may hold the new token: deleting the token then would leave
// the pipeline with a dead one.
func (w *write) mayHold(ctx context.Context) error {
	const next = "The token stays. Write another value into the secret first, then delete the token on Astro."
	changed, err := w.changed(ctx)
	if err != nil {
		return hint.Wrap(err, "look whether "+w.target().String()+" holds the new token", next, "")
	}
	if changed && w.result.State != Undone {
		return hint.New(w.target().String()+" may hold the new token", next, w.store.Info().Docs)
	}
	return nil
}
