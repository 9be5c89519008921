package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// resume goes on with what the journals say is not finished.
func (a *app) resume(ctx context.Context, f rotateFlags, names []string) (err error) {
	all, err := a.journals()
	if err != nil {
		return err
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(k known) bool { return k.name == name }) {
			return usageError{hint.New(fmt.Sprintf("this computer has begun nothing for a setup %q", display.Clean(name)),
				"astro-ci status lists what it knows. What another computer has begun is finished by: astro-ci rotate "+display.Clean(name).String(), "")}
		}
	}
	var todo []candidate
	for _, k := range all {
		switch {
		case len(names) > 0 && !slices.Contains(names, k.name):
		case k.err != nil:
			return k.err
		case k.state.Active():
			todo = append(todo, candidate{name: k.name, state: k.state, plan: k.state.Plan})
		}
	}
	if len(todo) == 0 {
		a.tell("Nothing is unfinished.")
		return a.outcomes(nil)
	}
	if len(f.forget) > 0 && len(todo) > 1 {
		return whichSetup(namesOf(todo), "It is the one whose target is given up.")
	}
	if a.guided(f) {
		return a.rotateByAsking(ctx, f, names, true)
	}
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	out := w.together(ctx, f, todo, func(_ candidate, b *rotation.Book, _ *rotation.Driver) error { return a.forget(ctx, f, b) })
	if len(f.forget) > 0 || f.abort {
		for _, c := range todo {
			s, err := a.setupOf(c.name)
			if err == nil {
				err = w.renote(ctx, s, a.show)
			}
			a.unnoted(err)
		}
	}
	return a.outcomes(out)
}

// renote keeps in astro-ci.yaml where a setup's secret is when a target was given up, or one that was to be added was not.
func (w *world) renote(ctx context.Context, s rotation.State, show func(engine.Event)) error {
	p := s.Setup()
	if s.Active() {
		p = s.Plan.Clone()
		p.Targets = nil
		for i, t := range s.Plan.Targets {
			if !s.Targets[i].Forgotten {
				p.Targets = append(p.Targets, t)
			}
		}
	}
	if len(p.Targets) == 0 { // nothing is left of it
		return nil
	}
	return w.noteNow(ctx, p, show)
}

// forget gives targets up.
func (a *app) forget(ctx context.Context, f rotateFlags, b *rotation.Book) error {
	for _, name := range f.forget {
		p := b.State().Plan
		i, err := targetOf(p, name)
		if err != nil {
			return err
		}
		if b.State().Targets[i].Forgotten {
			continue
		}
		if err := a.typed(ctx, f.confirm, p.Name, "What "+p.Targets[i].String()+" holds will stop working. Type the name of the setup to give it up"); err != nil {
			return err
		}
		if err := b.Record(rotation.Record{Kind: rotation.RecForgot, Target: i}); err != nil {
			return err
		}
	}
	return nil
}

// targetOf finds a target by its name, or as it was given, where that says which one.
func targetOf(p setup.Plan, name string) (int, error) {
	var all []string
	var found []int
	for i, t := range p.Targets {
		if t.String() == name {
			return i, nil
		}
		if at := t.Store + ":" + t.Address; at == name || at+"="+t.Secret == name {
			found = append(found, i)
		}
		all = append(all, t.String())
	}
	if len(found) == 1 {
		return found[0], nil
	}
	what := fmt.Sprintf("%q is no target of %s", display.Clean(name), p.Name)
	if len(found) > 1 {
		what = fmt.Sprintf("%q is several targets of %s", display.Clean(name), p.Name)
	}
	return 0, usageError{hint.New(what, "Give one of: "+strings.Join(all, ", ")+".", "")}
}
