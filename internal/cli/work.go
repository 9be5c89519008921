package cli

import (
	"cmp"
	"context"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// work opens the journal of a setup and goes on as far as it goes.
func (w *world) work(ctx context.Context, f rotateFlags, c candidate, before func(*rotation.Book, *rotation.Driver) error) (out outcome) {
	see, last := func(rotation.Event) {}, map[int]rotation.Event{}
	show := func(engine.Event) {}
	if !c.quiet {
		see, show = w.app.seen(), w.app.show
	}
	d, err := w.driver(ctx, c, func(ev rotation.Event) {
		if ev.Ended && ev.Act.Kind == rotation.Write {
			last[ev.Act.Target] = ev
		}
		see(ev)
	})
	defer func() {
		if d != nil && d.State().Op != "" {
			out.Targets = targetsOf(d.State(), last)
		}
	}()
	if err == nil {
		err = before(d.Book, d)
	}
	if err != nil {
		return w.failed(c.name, err)
	}
	var halt rotation.Halt
	if f.abort {
		halt = d.Abort(ctx)
	} else {
		halt = d.Go(ctx)
	}
	for halt.Act.Kind == rotation.Wait && (f.wait || w.app.sandbox || halt.Act.Why == rotation.Settling) {
		pause := w.app.wait
		if c.quiet {
			pause = quietly
		}
		if err := pause(ctx, halt.Act); err != nil {
			return w.failed(c.name, err)
		}
		halt = d.Go(ctx)
	}
	return w.halted(ctx, c, halt, show)
}

// driver opens the journal of a setup and the stores of its plan: of the one that an unfinished operation began
// with, which the file that lists the setups may no longer say.
func (w *world) driver(ctx context.Context, c candidate, see func(rotation.Event)) (*rotation.Driver, error) {
	b, err := w.openBook(c.name)
	if err != nil {
		return nil, err
	}
	plan := c.plan
	if s := b.State(); s.Active() {
		plan = s.Plan
	}
	stores, err := w.stores(ctx, plan)
	if err != nil {
		return nil, err
	}
	return rotation.New(b, rotation.Deps{Issuer: w.astro, Stores: stores, Now: time.Now, Live: w.app.redactor.Add, See: see}), nil
}

// failed is what became of a setup that an error stopped.
func (w *world) failed(name string, err error) outcome {
	return outcome{Setup: name, State: "failed", err: err, Error: hint.Of(err).Error(), Resume: w.app.goesOn(name, setup.RenewalName(name))}
}

// halted is what became of a setup whose operation does not go on by itself. A set-up gets its files.
func (w *world) halted(ctx context.Context, c candidate, halt rotation.Halt, show func(engine.Event)) outcome {
	out := outcome{Setup: c.name}
	switch {
	case halt.Act.Kind == rotation.Wait:
		out.State, out.Until, out.Why, out.Resume = "waiting", &halt.Act.Until, waiting(halt.Act), w.app.again("resume "+c.name)
		return out
	case halt.Err != nil:
		return w.failed(c.name, halt.Err)
	case halt.Ended == rotation.RecAborted:
		out.State = "aborted"
		return out
	}
	state := w.book(c.name).State()
	out.State, out.Token = "done", state.Last
	if t, err := w.astro.Token(ctx, c.plan.Organization.ID, out.Token); err == nil && !t.EndAt.IsZero() {
		out.ExpiresAt = &t.EndAt
	}
	if state.Mode == rotation.FirstSetup {
		if err := w.rest(ctx, c.plan, show); err != nil {
			out := w.failed(c.name, err)
			out.Resume = cmp.Or(out.Resume, w.app.again("apply "+c.name)) // what is there stays
			return out
		}
	}
	return out
}

func waiting(act rotation.Act) string {
	at := display.Second(act.Until)
	switch act.Why {
	case rotation.Draining:
		return "runs may still use the old token; it is deleted after " + at
	case rotation.InUse:
		return "the old token is still being used; it is deleted once it was not used until " + at
	case rotation.Settling, rotation.Broken, rotation.TooMany:
	}
	return "a request may still have an effect; going on at " + at
}

// seen tells about acts that ended. A look that finds what the last one found is not told again.
func (a *app) seen() func(rotation.Event) {
	last := map[string]string{}
	return func(ev rotation.Event) {
		if a.json != "" || !ev.Ended {
			return
		}
		said := "done: " + ev.Say
		if ev.Err != nil {
			said = "failed: " + ev.Say
		} else if ev.Detail != "" {
			said += ", " + ev.Detail
		}
		looks := ev.Act.Kind == rotation.Verify || ev.Act.Kind == rotation.List
		if !looks || last[ev.Say] != said {
			a.tell("%s", said)
		}
		last[ev.Say] = said
	}
}

// quietly waits for the time of an act.
func quietly(ctx context.Context, act rotation.Act) error {
	if providers.Pause(ctx, time.Until(act.Until)) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// wait waits for the time of an act. On a terminal a line counts down.
func (a *app) wait(ctx context.Context, act rotation.Act) error {
	a.tell("%s", waiting(act))
	var err error
	if a.fullScreen() {
		err = a.countdown(ctx, act.Until, func(left string) string { return left + " left; Ctrl-C leaves, astro-ci resume goes on" })
	} else {
		err = providers.Pause(ctx, time.Until(act.Until))
	}
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// preflight asks, before a token exists, whether it can be made and stored, and whether somebody else is
// at work.
func (w *world) preflight(ctx context.Context, c candidate) error {
	_, busy := w.app.times()
	if t := c.working(time.Now(), busy); t.ID != "" {
		return hint.New("somebody else works on "+c.name+": the token "+t.ID+" was made "+short(time.Since(t.CreatedAt))+" ago, and not from here",
			"Wait until they are done, or for "+short(busy)+" if they broke off. What they made is not touched.", "")
	}
	if _, err := w.astro.CheckCreate(ctx, c.plan); err != nil {
		return err
	}
	stores, err := w.stores(ctx, c.plan)
	if err != nil {
		return err
	}
	for _, t := range c.plan.Targets {
		if _, err := stores[t.Store].Check(ctx, t); err != nil {
			return err
		}
	}
	return nil
}
