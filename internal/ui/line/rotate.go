package line

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// Rotate leads a person through rotations. The outcome says whether one was confirmed; what became of it,
// the rotation itself knows.
func Rotate(ctx context.Context, r ui.Rotation, o Options) (ui.Outcome, error) {
	t := &turn{rotation: r}
	err := converse(o, r.Title, r.Sandbox, func(c *console) error { t.console = c; return t.lead(ctx) })
	return t.outcome, err
}

// turn is one conversation about rotations.
type turn struct {
	*console
	rotation ui.Rotation
	home     bool   // it began at the overview, which it leads back to
	aside    string // what b leads to while nothing is under way; "" for nothing
	outcome  ui.Outcome
}

// lead returns nil when there is no other setup to go to.
func (t *turn) lead(ctx context.Context) error {
	for {
		t.say("Looking at the setups and their tokens.")
		all, err := t.rotation.Find(ctx)
		if err != nil {
			if again, err := t.stopped(ctx, err); !again {
				return err
			}
			continue
		}
		if len(all) == 0 {
			t.say("%s", t.rotation.None)
			return nil
		}
		name, err := t.pick(ctx, all)
		if err != nil {
			return err
		}
		switch {
		case len(all) > 1:
			t.aside = "the other setups"
		case t.home:
			t.aside = "the overview"
		}
		if err := t.replace(ctx, name); err != nil || len(all) == 1 {
			return err
		}
	}
}

// stopped is what follows something that could not be loaded: from the overview one tries again or goes back
// there, else it is over.
func (t *turn) stopped(ctx context.Context, failed error) (again bool, err error) {
	if !t.home {
		return false, failed
	}
	again, err = t.retry(ctx, failed, func() bool { return true })
	if !again {
		t.outcome.Err = failed
	}
	return again, err
}

// orAside says what b leads to.
func (t *turn) orAside() string {
	if t.aside == "" {
		return ""
	}
	return " b shows " + t.aside + "."
}

// pick asks which setup, where there are several.
func (t *turn) pick(ctx context.Context, all []ui.Setup) (string, error) {
	if len(all) == 1 {
		return all[0].Name, nil
	}
	t.say("")
	t.say("Which setup?")
	for i, s := range all {
		t.say("%d. %s: %s, %s", i+1, s.Name, s.Says, ui.LastUsed(s.Used))
	}
	for {
		t.say("Type its number or its name.")
		text, err := t.ask(ctx)
		if err != nil {
			return "", err
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(all) {
			return all[n-1].Name, nil
		}
		for _, s := range all {
			if s.Name == text {
				return s.Name, nil
			}
		}
	}
}

// replace carries one rotation out, after it was confirmed. nil means that it is over, or that the person
// turned to what stands aside.
func (t *turn) replace(ctx context.Context, name string) error {
	t.say("Checking your rights and the targets of %s.", name)
	p, err := t.rotation.Plan(ctx, name)
	if err != nil {
		again, err := t.stopped(ctx, err)
		if again {
			return t.replace(ctx, name)
		}
		return err
	}
	if !p.Begun {
		if yes, err := t.confirm(ctx, p); !yes || err != nil {
			return err
		}
	}
	t.outcome.Confirmed = true
	for _, target := range p.GiveUp {
		if err := t.forget(ctx, p, target); err != nil {
			return err
		}
	}
	for {
		for ev := range p.Go(ctx) {
			report.Progress(t, ev)
		}
		left, h := false, p.Halt()
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case h.Waits():
			left, err = t.waits(ctx, h)
		case h.Err != nil:
			report.Error(t, h.Err)
			left, err = t.afterwards(ctx, p, h)
		default:
			t.say("")
			t.say("%s.", p.Ended(h))
			t.facts(h.Facts)
			t.say("%s", p.Afterwards(h))
			if t.home {
				return t.pause(ctx)
			}
			return nil
		}
		if left || err != nil {
			return err
		}
	}
}

// confirm shows what would be done and asks for the word yes, or for the setup's name.
func (t *turn) confirm(ctx context.Context, p *ui.Replacement) (bool, error) {
	t.say("")
	t.say("Replace the token of %s", p.Setup.Name)
	t.facts(p.Facts)
	t.say("This will be done, in this order:")
	for _, ev := range p.Course {
		t.say("- %s", ev.Action.Say)
	}
	word, how := "yes", "Nothing is done yet. Type yes to begin, or q to leave. Enter alone means no."
	if p.Leaked {
		word, how = p.Setup.Name, "Pipelines that use the old token fail until they have the new one. Type "+p.Setup.Name+" to accept that, or q to leave."
	}
	how += t.orAside()
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case text == "b" && t.aside != "":
			return false, nil
		case text == word, !p.Leaked && strings.EqualFold(text, word):
			return true, nil
		case text != "?":
			t.say("Nothing was done: that needs the word %s.", word)
		}
	}
}

// waits says what it waits for and asks whether to stay. left means that the person turned aside.
func (t *turn) waits(ctx context.Context, h ui.Halt) (left bool, err error) {
	t.say("")
	t.say("%s, until %s.", h.Says, display.Second(h.Until))
	t.say("%s", h.Why)
	how := "Type w to wait here, or q to leave. Later, " + h.Resume + " goes on, and " + h.Status + " says what is left."
	how += t.orAside()
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case text == "b" && t.aside != "":
			return true, nil
		case text != "w":
			continue
		}
		timer := time.NewTimer(time.Until(h.Until))
		defer timer.Stop()
		select {
		case <-timer.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}

// afterwards asks what to do about a failure: to try again, or, with left, to turn aside.
func (t *turn) afterwards(ctx context.Context, p *ui.Replacement, h ui.Halt) (left bool, err error) {
	for i, target := range h.Stuck {
		t.say("%d. Give up %s: what it holds will stop working", i+1, target)
	}
	how := "Type r to try again, or q to leave."
	if len(h.Stuck) > 0 {
		how = "Type r to try again, a number to give that target up, or q to leave."
	}
	how += t.orAside()
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		if err != nil || text == "r" {
			return false, err
		}
		if text == "b" && t.aside != "" {
			return true, nil
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(h.Stuck) {
			return false, t.forget(ctx, p, h.Stuck[n-1])
		}
	}
}

// forget gives a target up, after the name of the setup was typed.
func (t *turn) forget(ctx context.Context, p *ui.Replacement, target string) error {
	t.say("What %s holds will stop working. %s Type %s to give it up, or q to leave.", target, p.Without(), p.Setup.Name)
	if err := t.typed(ctx, p.Setup.Name); err != nil {
		return err
	}
	return p.Forget(ctx, target)
}
