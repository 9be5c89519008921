package cli

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// work opens the journal of a setup and goes on as far as it goes.
func (w *world) work(ctx context.Context, f rotateFlags, c candidate, before func(*rotation.Book, *rotation.Driver) error) outcome {
	return w.together(ctx, f, []candidate{c}, func(_ candidate, b *rotation.Book, d *rotation.Driver) error { return before(b, d) })[0]
}

// together goes on with several setups: first with each of them as far as it goes now, then with those that wait,
// in the order of their times. So the waits overlap, and none of them keeps what is ready.
func (w *world) together(ctx context.Context, f rotateFlags, all []candidate, before func(candidate, *rotation.Book, *rotation.Driver) error) []outcome {
	out := make([]outcome, len(all))
	tasks := make([]*task, len(all))
	var waiting []int
	end := func(i int, o outcome) {
		out[i] = o
		if x := tasks[i]; x.driver != nil && x.driver.State().Op != "" {
			out[i].Targets = targetsOf(x.driver.State(), x.last)
		}
	}
	went := func(i int) {
		if x := tasks[i]; w.waits(f, x.halt.Act) {
			x.tell(w.app)
			waiting = append(waiting, i)
		} else {
			end(i, w.halted(ctx, x.c, x.halt, x.show))
		}
	}
	for i, c := range all {
		whose := ""
		if len(all) > 1 {
			whose = c.name + ": "
		}
		tasks[i] = w.task(c, whose)
		if err := w.start(ctx, f, tasks[i], before); err != nil {
			end(i, w.failed(c.name, err))
		} else {
			went(i)
		}
	}
	for len(waiting) > 0 {
		slices.SortStableFunc(waiting, func(i, j int) int {
			// What renews goes last: its old token may be the log-in of this very run.
			return cmp.Or(tasks[i].rank()-tasks[j].rank(), tasks[i].halt.Act.Until.Compare(tasks[j].halt.Act.Until))
		})
		i := waiting[0]
		waiting = waiting[1:]
		if err := w.app.wait(ctx, tasks[i]); err != nil {
			end(i, w.failed(tasks[i].c.name, err))
			continue
		}
		tasks[i].halt = tasks[i].driver.Go(ctx)
		went(i)
	}
	return out
}

// task is a setup whose operation goes on.
type task struct {
	c      candidate
	driver *rotation.Driver
	halt   rotation.Halt
	last   map[int]rotation.Event // how each target was last written, by target
	see    func(rotation.Event)
	show   func(engine.Event)
}

// rank is 1 for what renews another setup.
func (x *task) rank() int {
	if x.c.plan.Job == setup.RotateTokens {
		return 1
	}
	return 0
}

// task is a setup to go on with. whose is what its lines begin with.
func (w *world) task(c candidate, whose string) *task {
	x := &task{c: c, last: map[int]rotation.Event{}, see: func(rotation.Event) {}, show: func(engine.Event) {}}
	if !c.quiet {
		x.see, x.show = w.app.seen(whose), w.app.show
	}
	return x
}

// start goes on for the first time.
func (w *world) start(ctx context.Context, f rotateFlags, x *task, before func(candidate, *rotation.Book, *rotation.Driver) error) (err error) {
	x.driver, err = w.driver(ctx, x.c, func(ev rotation.Event) {
		if ev.Ended && ev.Act.Kind == rotation.Write {
			x.last[ev.Act.Target] = ev
		}
		x.see(ev)
	})
	if err == nil {
		err = before(x.c, x.driver.Book, x.driver)
	}
	switch {
	case err != nil:
		return err
	case f.abort:
		x.halt = x.driver.Abort(ctx)
	default:
		x.halt = x.driver.Go(ctx)
	}
	return nil
}

// waits reports whether an act is one that is waited for here, and not left for another day.
func (w *world) waits(f rotateFlags, act rotation.Act) bool {
	return act.Kind == rotation.Wait && (f.wait || w.app.sandbox || act.Why == rotation.Settling)
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
	return "a request to Astro or to a store had no answer and may still take effect; it goes on at " + at
}

// seen tells about acts that ended, each line after whose it is. A look that finds what the last one found is not
// told again.
func (a *app) seen(whose string) func(rotation.Event) {
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
			a.tell("%s%s", whose, said)
		}
		last[ev.Say] = said
	}
}

// tell says what a setup waits for.
func (x *task) tell(a *app) {
	if !x.c.quiet {
		a.tell("%s: %s", x.c.name, waiting(x.halt.Act))
	}
}

// wait waits until a setup can go on. On a terminal a line counts down.
func (a *app) wait(ctx context.Context, x *task) error {
	until := x.halt.Act.Until
	var err error
	if a.fullScreen() && !x.c.quiet {
		err = a.countdown(ctx, until, func(left string) string { return left + " left; Ctrl-C leaves, astro-ci resume goes on" })
	} else {
		err = providers.Pause(ctx, time.Until(until))
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
