package cli

import (
	"context"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
)

// each calls do for all items, several at a time, and stops to begin new ones when ctx ends.
func each[T any](ctx context.Context, items []T, do func(T)) {
	apply.Each(ctx, items, func(x T) error { do(x); return nil }, func(time.Duration) {}, func(T) {})
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
