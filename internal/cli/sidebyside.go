package cli

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
)

// each calls do for all items, several at a time, and stops to begin new ones when ctx ends.
func each[T any](ctx context.Context, items []T, do func(T)) {
	apply.Each(ctx, items, func(x T) error { do(x); return nil }, func(time.Duration) {}, func(T) {})
}

// sideBySide does all of it at the same time. The error is the first in the order of the list, not of time.
func sideBySide(all ...func() error) error {
	failed := make([]error, len(all))
	var open sync.WaitGroup
	for i, do := range all {
		open.Go(func() { failed[i] = do() })
	}
	open.Wait()
	if i := slices.IndexFunc(failed, func(err error) bool { return err != nil }); i >= 0 {
		return failed[i]
	}
	return nil
}

// lookAt looks at all setups of which nothing is wrong so far. The error says that it was broken off.
func (w *world) lookAt(ctx context.Context, items []*applied, look func(*applied) error) (err error) {
	fine := slices.DeleteFunc(slices.Clone(items), func(x *applied) bool { return x.err != nil })
	all := apply.Each(ctx, fine, func(x *applied) error { x.err = look(x); return x.err }, w.app.trying(ctx), func(x *applied) {
		if x.err != nil {
			x.Decision, err = apply.Decision{Verdict: apply.Wrong}, x.err
		}
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case !all:
		return err
	}
	return nil
}

// trying tells that something is tried again after a pause.
func (a *app) trying(ctx context.Context) func(time.Duration) {
	return func(pause time.Duration) { a.waiting(ctx, "another try", pause) }
}
