package line

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// review shows everything and asks for the word yes. It returns true after a run, and false when an
// answer was reopened.
func (t *talk) review(ctx context.Context) (confirmed bool, err error) {
	t.say("")
	t.say("Review")
	answers := t.walk.Answers()
	for i, a := range answers {
		source := ""
		if a.Source.String() != "" {
			source = ", " + a.Source.String()
		}
		t.say("%d. %s: %s%s", i+1, a.Step.Name, a.Choice.Label, source)
	}
	t.say("Checking that all of it can be done. Nothing is created yet.")
	r, failed := t.session.Review(ctx, t.walk.Plan())
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	how := "Nothing is created yet. Type yes to do it, d to see the files, a number to change that answer, or b to go back. Enter alone means no."
	if failed != nil {
		report.Error(t, failed)
		how = "Type a number to change that answer, r to try again, b to go back, or q to leave."
		if t.session.Denied(failed) {
			how = "Type a number to change that answer, r to try again, h to write it down for somebody who has the rights, b to go back, or q to leave."
		}
	} else {
		t.outcome.Review = &r
		t.preview(r)
	}
	t.say("%s", how)
	for {
		text, err := t.ask(ctx)
		n, notNumber := strconv.Atoi(text)
		switch {
		case err != nil:
			return false, err
		case text == "b":
			if t.back() {
				return false, nil
			}
		case notNumber == nil && n >= 1 && n <= len(answers):
			t.walk.Reopen(answers[n-1].Step.ID)
			return false, nil
		case failed != nil && text == "r":
			return false, nil
		case t.session.Denied(failed) && text == "h":
			if t.handOver(ctx) {
				return false, errLeave
			}
			t.say("%s", how)
		case failed == nil && text == "d":
			t.diff(r)
			t.say("%s", how)
		case failed == nil && strings.EqualFold(text, "yes"):
			t.outcome.Confirmed = true
			t.outcome.Err = t.run(ctx, r)
			return true, nil
		case failed == nil && text != "?":
			t.say("Nothing was done: that needs the word yes.")
			t.say("%s", how)
		default:
			t.say("%s", how)
		}
	}
}

// handOver writes down what somebody with the rights has to do.
func (t *talk) handOver(ctx context.Context) bool {
	files, err := t.session.HandOver(ctx, t.walk.Plan())
	if err != nil {
		report.Error(t, err)
		return false
	}
	for _, f := range files {
		t.say("Written: %s", f)
	}
	return true
}

// preview says what yes would do.
func (t *talk) preview(r ui.Review) {
	t.say("This will be done, in this order:")
	for _, a := range r.Actions {
		t.say("- %s", a.Say)
	}
	for _, c := range r.Changes {
		t.say("The file %s: %s.", c.Path, c.Summary())
	}
	for _, n := range r.Warnings {
		t.say("Note: %s", n)
	}
}

func (t *talk) diff(r ui.Review) {
	for _, c := range r.Changes {
		if d := strings.TrimRight(c.Diff(), "\n"); d != "" {
			t.quote(d)
		} else {
			t.say("%s stays as it is.", c.Path)
		}
	}
}

// run performs the actions and returns the failure that the person left standing.
func (t *talk) run(ctx context.Context, r ui.Review) error {
	t.say("")
	for {
		failed := engine.Tell(r.Run.Go(ctx), t.progress(r))
		if failed == nil {
			t.say("")
			t.say("Done.")
			report.Result(t, r.Result, r.Next())
			return nil
		}
		report.Error(t, failed)
		for {
			again, undo := t.afterFailure(ctx, r)
			if again {
				break
			}
			if !undo {
				return failed
			}
			if err := engine.Tell(r.Run.Undo(ctx), t.taken); err != nil {
				report.Error(t, err)
				failed = errors.Join(failed, err)
				continue
			}
			t.say("Everything that was made was taken back.")
			return failed
		}
		t.say("")
	}
}

// afterFailure says what exists and asks what to do about it. Where nobody can answer any more,
// things stay as they are.
func (t *talk) afterFailure(ctx context.Context, r ui.Review) (again, undo bool) {
	report.Standing(t, r)
	if ctx.Err() != nil {
		return false, false
	}
	options := "Type 1 to try again, 2 to take back what was made, or 3 to leave it as it is."
	left := len(r.Run.Left()) > 0
	if !left {
		options = "Type 1 to try again, or 3 to leave it as it is."
	}
	t.say("%s", options)
	for {
		text, err := t.ask(ctx)
		switch {
		case err != nil || text == "3":
			t.say("It was left as it is.")
			if command := r.GoesOn(); command != "" {
				t.say("Go on with:")
				t.say("  %s", command)
			}
			return false, false
		case text == "1":
			return true, false
		case text == "2" && left:
			return false, true
		}
		t.say("%s", options)
	}
}

// progress says one line for each action that ended: "3 of 8, done: …".
func (t *talk) progress(r ui.Review) func(engine.Event) {
	return func(ev engine.Event) {
		for i, a := range r.Actions {
			if a.Key == ev.Action.Key && ev.State != engine.Started {
				t.say("%d of %d, %s: %s", i+1, len(r.Actions), ev.State, report.Ended(ev))
			}
		}
	}
}

// taken says one line for each effect that was taken back, or could not be.
func (t *talk) taken(ev engine.Event) {
	if ev.Action.UndoSays != "" {
		ev.Action.Say = ev.Action.UndoSays
	}
	report.Progress(t, ev)
}
