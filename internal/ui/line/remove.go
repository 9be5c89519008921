package line

import (
	"context"
	"errors"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// Remove leads a person through the end of a setup. The outcome says whether it was confirmed and how it ended.
func Remove(ctx context.Context, r ui.Removal, o Options) (ui.Outcome, error) {
	e := &ending{removal: r}
	err := converse(o, r.Title, r.Sandbox, func(c *console) error { e.console = c; return e.lead(ctx) })
	return e.outcome, err
}

// ending is one conversation about the end of a setup.
type ending struct {
	*console
	removal ui.Removal
	home    bool // it began at the overview, which it leads back to
	outcome ui.Outcome
}

// lead returns nil when it is over, or when the person went back.
func (e *ending) lead(ctx context.Context) error {
	r, err := e.plan(ctx)
	if err != nil || r == nil {
		return err
	}
	e.outcome.Review = r
	if yes, err := e.confirm(ctx, *r); !yes || err != nil {
		return err
	}
	e.outcome.Confirmed = true
	for {
		failed := engine.Tell(r.Run.Go(ctx), func(ev engine.Event) { report.Progress(e, ev) })
		e.outcome.Err = failed
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case failed == nil:
			e.say("")
			e.say(ui.Removed+".", r.Removes)
			report.Next(e, r.Next())
			if e.home {
				return e.pause(ctx)
			}
			return nil
		}
		again, err := e.retry(ctx, failed, e.back())
		if errors.Is(err, errLeave) && r.GoesOn() != "" {
			e.say("What is done stays done. Go on with: %s", r.GoesOn())
		}
		if !again {
			return err
		}
	}
}

// plan finds what would be done; nil when the person went back instead.
func (e *ending) plan(ctx context.Context) (*ui.Review, error) {
	for {
		e.say("%s%s.", ui.Tracing, e.removal.Name)
		r, failed := e.removal.Plan(ctx)
		if failed == nil {
			return &r, nil
		}
		if !e.home {
			return nil, failed
		}
		if again, err := e.retry(ctx, failed, e.back()); !again {
			return nil, err
		}
	}
}

// back is where one goes from something that failed: to the overview, or nowhere.
func (e *ending) back() func() bool {
	if !e.home {
		return nil
	}
	return func() bool { return true }
}

// confirm shows what would be done and what stays, and asks for the setup's name.
func (e *ending) confirm(ctx context.Context, r ui.Review) (bool, error) {
	e.say("")
	e.say("Remove the setup %s", r.Removes)
	e.facts(r.Facts)
	e.say("This will be done, in this order:")
	for _, a := range r.Actions {
		e.say("- %s", a.Say)
	}
	if len(r.Stays) > 0 {
		e.say("%s:", ui.Stays)
	}
	for _, s := range r.Stays {
		e.say("- %s.", s)
	}
	for _, w := range r.Warnings {
		e.say("%s", w)
	}
	how := "Nothing is done yet. Type " + r.Removes + " to remove it, or q to leave."
	if e.home {
		how = "Nothing is done yet. Type " + r.Removes + " to remove it, b for the overview, or q to leave."
	}
	for {
		e.say("%s", how)
		text, err := e.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case literal(text) == r.Removes && (text != "b" || !e.home):
			return true, nil
		case text == "b" && e.home:
			return false, nil
		case text != "?":
			e.say("Nothing was done: that needs the name %s.", r.Removes)
		}
	}
}
