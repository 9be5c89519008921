package cli

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// replacing is the rotation of one setup, under way.
type replacing struct {
	g      *guide
	c      candidate
	begin  rotation.Begin
	driver *rotation.Driver
	login  []engine.Action        // that give its runs another log-in, before anything else
	note   []engine.Action        // that note the places of the secret; what fails there is shown, and keeps nothing up
	waits  string                 // what it waits for, in words, while it does
	wrote  map[int]rotation.Event // how each target was last written, by target
	halt   ui.Halt
	yield  func(engine.Event) bool // of the present Go
	deaf   bool                    // nobody listens any more
}

func (r *replacing) tell(ev engine.Event) {
	if !r.deaf {
		r.deaf = !r.yield(ev)
	}
}

// goOn carries the rotation out as far as it goes now.
func (r *replacing) goOn(ctx context.Context) iter.Seq[engine.Event] {
	return func(yield func(engine.Event) bool) {
		r.yield, r.deaf = yield, false
		r.halt = r.end(ctx, r.advance(ctx))
	}
}

// advance begins where nothing has begun yet, and does what can be done now.
func (r *replacing) advance(ctx context.Context) rotation.Halt {
	stop := func(err error) rotation.Halt { return rotation.Halt{Act: rotation.Act{Kind: rotation.Stop}, Err: err} }
	if err := r.open(ctx); err != nil {
		return stop(err)
	}
	if err := engine.Tell(engine.NewRun(r.login).Go(ctx), r.tell); err != nil {
		return stop(err)
	}
	r.login = nil
	if !r.driver.State().Active() && r.begin.Op != "" {
		start := time.Now()
		r.tell(engine.Event{Action: engine.Action{Key: checking, Say: checking}, State: engine.Started})
		err := r.check(ctx)
		ev := engine.Event{Action: engine.Action{Key: checking, Say: checking}, State: engine.Done, Took: time.Since(start)}
		if err != nil {
			ev.State, ev.Err = engine.Failed, err
		}
		r.tell(ev)
		if err == nil {
			err = r.driver.Begin(r.begin)
		}
		if err != nil {
			return stop(err)
		}
		if err := engine.Tell(engine.NewRun(r.note).Go(ctx), r.tell); err != nil && ctx.Err() != nil {
			return stop(err)
		}
	}
	return r.driver.Go(ctx)
}

// open makes the driver, which takes the journal.
func (r *replacing) open(ctx context.Context) (err error) {
	if r.driver == nil {
		r.driver, err = r.g.w.driver(ctx, r.c, r.see)
	}
	return err
}

// check asks once more, because what was shown may have stood on the screen for long.
func (r *replacing) check(ctx context.Context) error {
	c := r.c
	if err := r.g.w.look(ctx, &c); err != nil {
		return err
	}
	if !slices.EqualFunc(c.old, r.c.old, func(a, b astro.Token) bool { return a.ID == b.ID }) {
		return hint.New("the tokens of "+c.name+" are no longer those that were shown", "See what there is now: "+r.g.app.again("status"), "")
	}
	c.unfinished, c.carried = r.c.unfinished, r.c.carried // as it was confirmed
	return r.g.w.preflight(ctx, c)
}

// see passes an act on. What ends the waiting is an act that changes something.
func (r *replacing) see(ev rotation.Event) {
	looks := ev.Act.Kind == rotation.Verify || ev.Act.Kind == rotation.List || ev.Act.Kind == rotation.Mark
	if r.waits != "" && !looks {
		r.tell(engine.Event{Action: engine.Action{Key: r.waits, Say: r.waits}, State: engine.Done})
		r.waits = ""
	}
	out := acted(ev)
	if !ev.Ended {
		out.State = engine.Started
	} else if ev.Act.Kind == rotation.Write {
		r.wrote[ev.Act.Target] = ev
		if ev.Err == nil {
			out.Detail = proven(ev.Detail)
		}
	}
	r.tell(out)
}

// proven says in words how sure a write is, and what else the store told (providers.Receipt.Said).
func proven(said string) string {
	proof, note, more := strings.Cut(strings.TrimPrefix(said, "proof: "), "; ")
	out := report.InWords(providers.Proof(proof))
	if more {
		out += "; " + note
	}
	return out
}

// end says what an operation came to that does not go on by itself.
func (r *replacing) end(ctx context.Context, halt rotation.Halt) (out ui.Halt) {
	o := r.g.w.halted(ctx, r.c, halt, r.tell)
	if errors.Is(o.err, engine.ErrCancelled) {
		o.err = nil // the person left
	}
	out.Resume, out.Status, out.Err = o.Resume, r.g.app.again("status"), o.err
	r.g.out = slices.DeleteFunc(r.g.out, func(x outcome) bool { return x.Setup == o.Setup })
	if o.State != "failed" || o.err != nil || o.Resume != "" {
		r.g.out = append(r.g.out, o)
	}
	if halt.Act.Kind == rotation.Wait {
		r.waiting(&out, halt.Act)
		r.waits = halt.Act.Why.Say()
		r.tell(engine.Event{Action: engine.Action{Key: r.waits, Say: r.waits}, State: engine.Started})
		return out
	}
	if r.waits != "" && halt.Err == nil {
		r.tell(engine.Event{Action: engine.Action{Key: r.waits, Say: r.waits}, State: engine.Done})
		r.waits = ""
	}
	if r.driver == nil {
		return out
	}
	s := r.driver.State()
	if s.Active() {
		for _, x := range targetsOf(s, r.wrote) {
			if s.Attempts > 0 && (x.State == "failed" || x.State == "planned") {
				out.Stuck = append(out.Stuck, x.Target)
			}
		}
		return out
	}
	if s.Ended == "" {
		return out
	}
	out.Facts, out.TakenBack = r.receipt(o, s), o.State == "aborted"
	if out.TakenBack && out.Err == nil {
		out.Err = r.g.w.renote(ctx, s, nil)
	}
	return out
}

// waiting says what an operation waits for. Times are taken without the monotonic clock, which stands
// while a computer sleeps.
func (r *replacing) waiting(out *ui.Halt, act rotation.Act) {
	s := r.driver.State()
	out.Until = act.Until.Round(0)
	out.Since = out.Until.Add(-s.Drain)
	switch act.Why {
	case rotation.Draining:
		out.Says = "Waiting for runs that may still use the old token"
		out.Why = "Every target has held the new token since " + display.Minute(s.Cut) + ". A run that began before may have read the old one, so both work until then. Nothing stops working."
	case rotation.InUse:
		out.InUse = true
		out.Says = "The old token is still being used"
		out.Why = "It was used after every target had the new one, at " + display.Minute(s.Cut) + ". Something may hold a copy: a long run, another pipeline, a person. " +
			"It is kept until it has not been used for " + short(s.Drain) + ". The new token works already."
	case rotation.Settling, rotation.Broken, rotation.TooMany:
		out.Since = out.Until.Add(-s.Quiet)
		out.Says = "Waiting for a request that has no answer yet"
		out.Why = "It could still have an effect; nothing else is written in that time."
	}
}

// receipt says what exists now.
func (r *replacing) receipt(o outcome, s rotation.State) (out []ui.Fact) {
	say := func(name, format string, args ...any) {
		out = append(out, ui.Fact{Name: name, Value: display.Clean(fmt.Sprintf(format, args...))})
	}
	say("Setup", "%s", o.Setup)
	if o.State == "aborted" {
		say("Token", "none of this operation is left")
		return out
	}
	say("Token", "%s, the only one of this setup", o.Token)
	say("For", "%s, role %s", s.Plan.Entity(), s.Plan.Credential.Role)
	if o.ExpiresAt != nil {
		say("Expires", "%s", display.Day(*o.ExpiresAt))
	}
	for i, x := range targetsOf(s, r.wrote) {
		name := map[bool]string{true: "Secret"}[i == 0]
		switch {
		case x.State == "given up":
			say(name, "%s, given up: what it holds has stopped working", x.Target)
		case x.Detail != "":
			say(name, "%s", x.Target)
			say("", "%s", proven(x.Detail))
		default:
			say(name, "%s, written before this went on", x.Target)
		}
	}
	name := "Deleted"
	for _, id := range s.Old {
		if id != s.Last {
			say(name, "%s", id)
			name = ""
		}
	}
	return out
}

// used asks when one of the old tokens was last used.
func (r *replacing) used(ctx context.Context) (last time.Time, err error) {
	for _, id := range r.driver.State().Old {
		t, err := r.g.w.astro.Token(ctx, r.c.plan.Organization.ID, id)
		if err != nil {
			return last, err
		}
		if t.Used().After(last) {
			last = t.Used()
		}
	}
	return last, nil
}

// forget gives a target up; the name of the setup was typed.
func (r *replacing) forget(ctx context.Context, target string) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	f := r.g.flags
	f.forget, f.confirm = []string{target}, r.c.name
	if err := r.g.app.forget(ctx, f, r.driver.Book); err != nil {
		return err
	}
	return r.g.w.renote(ctx, r.driver.State(), nil)
}
