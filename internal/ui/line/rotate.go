package line

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// Rotate leads a person through rotations. The outcome says whether one was confirmed; what became of it,
// the rotation itself knows.
func Rotate(ctx context.Context, r ui.Rotation, o Options) (ui.Outcome, error) {
	c, stop := newConsole(o)
	defer stop()
	t := &turn{console: c, rotation: r}
	err := t.lead(ctx)
	if errors.Is(err, errLeave) {
		err = nil
	}
	return t.outcome, err
}

// turn is one conversation about rotations.
type turn struct {
	*console
	rotation ui.Rotation
	outcome  ui.Outcome
}

func (t *turn) lead(ctx context.Context) error {
	t.say("%s", t.rotation.Title)
	if t.rotation.Sandbox {
		t.say("This is the sandbox: nothing real is touched.")
	}
	t.say("Type an answer and press Enter. q leaves. Nothing is done before you confirm.")
	for {
		t.say("Looking at the setups and their tokens.")
		all, err := t.rotation.Find(ctx)
		if err != nil {
			return err
		}
		if len(all) == 0 {
			t.say("%s", t.rotation.None)
			return nil
		}
		name, err := t.pick(ctx, all)
		if err != nil {
			return err
		}
		again, err := t.replace(ctx, name, len(all) > 1)
		if !again || err != nil {
			return err
		}
	}
}

// pick asks which setup, where there are several.
func (t *turn) pick(ctx context.Context, all []ui.Setup) (string, error) {
	if len(all) == 1 {
		return all[0].Name, nil
	}
	t.say("")
	t.say("Which setup?")
	for i, s := range all {
		used := "never used"
		if !s.Used.IsZero() {
			used = "last used " + s.Used.Local().Format("2006-01-02 15:04")
		}
		t.say("%d. %s: %s, %s", i+1, s.Name, s.Says, used)
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

// replace carries one rotation out, after it was confirmed. It returns true when another setup is wanted.
func (t *turn) replace(ctx context.Context, name string, others bool) (again bool, err error) {
	t.say("Checking your rights and the targets of %s.", name)
	p, err := t.rotation.Plan(ctx, name)
	if err != nil {
		return false, err
	}
	if !p.Begun {
		if yes, err := t.confirm(ctx, p, others); !yes || err != nil {
			return others, err
		}
	}
	t.outcome.Confirmed = true
	for _, target := range p.GiveUp {
		if err := t.forget(ctx, p, target); err != nil {
			return false, err
		}
	}
	for {
		for ev := range p.Go(ctx) {
			report.Progress(t, ev)
		}
		switch h := p.Halt(); {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case h.Waits():
			if left, err := t.waits(ctx, h, others); left || err != nil {
				return left, err
			}
		case h.Err != nil:
			report.Error(t, h.Err)
			if err := t.afterwards(ctx, p, h); err != nil {
				return false, err
			}
		default:
			t.say("")
			t.say("Every target holds the new token, and it is the only one.")
			for _, f := range h.Facts {
				t.fact(f)
			}
			return others, nil
		}
	}
}

// fact says a fact; one without a name belongs to the one before.
func (t *turn) fact(f ui.Fact) {
	if f.Name == "" {
		t.say("  %s", f.Value)
		return
	}
	t.say("%s: %s", f.Name, f.Value)
}

// confirm shows what would be done and asks for the word yes, or for the setup's name.
func (t *turn) confirm(ctx context.Context, p *ui.Replacement, others bool) (bool, error) {
	t.say("")
	t.say("Replace the token of %s", p.Setup.Name)
	for _, f := range p.Facts {
		t.fact(f)
	}
	t.say("This will be done, in this order:")
	for _, ev := range p.Course {
		t.say("- %s", ev.Action.Say)
	}
	word, how := "yes", "Nothing is done yet. Type yes to begin, or q to leave. Press Enter for no."
	if p.Leaked {
		word, how = p.Setup.Name, "Pipelines that use the old token fail until they have the new one. Type "+p.Setup.Name+" to accept that, or q to leave."
	}
	if others {
		how += " b shows the other setups."
	}
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case text == "b" && others:
			return false, nil
		case text == word, !p.Leaked && strings.EqualFold(text, word):
			return true, nil
		case text != "?":
			t.say("Nothing was done: that needs the word %s.", word)
		}
	}
}

// waits says what it waits for and asks whether to stay. It returns true for another setup.
func (t *turn) waits(ctx context.Context, h ui.Halt, others bool) (left bool, err error) {
	t.say("")
	t.say("%s, until %s.", h.Says, h.Until.Local().Format("2006-01-02 15:04:05"))
	t.say("%s", h.Why)
	how := "Type w to wait here, or q to leave. Later, " + h.Resume + " goes on, and " + h.Status + " says what is left."
	if others {
		how += " b shows the other setups."
	}
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		switch {
		case err != nil:
			return false, err
		case text == "b" && others:
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

// afterwards asks what to do about a failure; nil is to try again.
func (t *turn) afterwards(ctx context.Context, p *ui.Replacement, h ui.Halt) error {
	for i, target := range h.Stuck {
		t.say("%d. Give up %s: what it holds will stop working", i+1, target)
	}
	how := "Type r to try again, or q to leave."
	if len(h.Stuck) > 0 {
		how = "Type r to try again, a number to give that target up, or q to leave."
	}
	for {
		t.say("%s", how)
		text, err := t.ask(ctx)
		if err != nil || text == "r" {
			return err
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(h.Stuck) {
			return t.forget(ctx, p, h.Stuck[n-1])
		}
	}
}

// forget gives a target up, after the name of the setup was typed.
func (t *turn) forget(ctx context.Context, p *ui.Replacement, target string) error {
	t.say("What %s holds will stop working. Type %s to give it up, or q to leave.", target, p.Setup.Name)
	for {
		text, err := t.ask(ctx)
		if err != nil {
			return err
		}
		if text == p.Setup.Name {
			return p.Forget(ctx, target)
		}
		t.say("Nothing was done: that needs the name %s.", p.Setup.Name)
	}
}
