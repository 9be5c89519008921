package tui

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestDone(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.press("y", "enter")
	d.wants("✓ The pipeline has its own token", "clx0000000000000000000001", "2027-02-21, after 90 days",
		"the store's own record shows the new version", "git push")
	if d.quit {
		t.Fatal("the result was not shown")
	}
	d.press("enter")
	if !d.quit || !d.m.out.Confirmed || d.m.out.Err != nil || d.m.out.Review.Result.Token.ID == "" {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
}

// A legacy key is not called a token.
func TestDoneWithALegacyKey(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.press("y", "enter")
	last, ok := d.m.screen.(*done)
	if !ok {
		t.Fatal("the result is not shown")
	}
	last.review.Result.Plan.Credential.Kind = setup.DeploymentKey
	d.wants("✓ The pipeline has its Deployment API key")
}

func broken(key string) *world {
	w := newWorld()
	w.failing[key] = hint.Wrap(errors.New("403"), "github: write secret", "Ask for the admin role.", "https://docs.github.com")
	return w
}

func TestFailureThenAgain(t *testing.T) {
	t.Parallel()
	w := broken("secret:put")
	d := onReview(t, w)
	d.press("y", "enter")
	d.wants("✗ Failed: github: write secret", "Ask for the admin role.", "What exists now", "not certain", "Take the new token back", "› Try again from here")
	if d.m.out.Err == nil {
		t.Error("the outcome holds no failure")
	}
	w.failing["secret:put"] = nil
	d.press("enter")
	d.wants("The pipeline has its own token")
	want := []string{"check:astro", "token:create", "token:prove", "secret:put", "secret:put", "pipeline:write"}
	if !slices.Equal(w.ran(), want) || d.m.out.Err != nil {
		t.Errorf("ran %v, error %v", w.ran(), d.m.out.Err)
	}
}

func TestFailureThenUndo(t *testing.T) {
	t.Parallel()
	w := broken("secret:put")
	d := onReview(t, w)
	d.press("y", "enter", "down", "enter")
	d.wants("Everything that was made was taken back", "✓ Take the new token back", "› Back to the review")
	if got := w.ran()[4:]; !slices.Equal(got, []string{"undo:secret:put", "undo:token:create"}) {
		t.Errorf("undid %v", got)
	}
	d.press("enter")
	d.wants("Do all of this now?", "› No")
	if d.m.out.Confirmed || d.m.out.Err != nil {
		t.Errorf("nothing exists, but the outcome is %+v", d.m.out)
	}
}

func TestUndoThatFails(t *testing.T) {
	t.Parallel()
	w := broken("secret:put")
	w.failing["undo:token:create"] = hint.New("delete the token", "Delete it on Astro.", "")
	d := onReview(t, w)
	d.press("y", "enter", "down", "enter")
	d.wants("Delete the token", "Delete it on Astro.", "What exists now", "› Try again")
	d.press("down", "enter")
	if !d.quit || !d.m.out.Confirmed || d.m.out.Err == nil {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
}

func TestFailureBeforeAnythingExists(t *testing.T) {
	t.Parallel()
	d := onReview(t, broken("check:astro"))
	d.press("y", "enter")
	d.wants("Nothing. No token, no secret and no file was made.", "Back to the review")
	if strings.Contains(d.text(), "Take back") {
		t.Error("it offers to take nothing back")
	}
}

// Ctrl-C lets the open action finish and starts no other; what exists is then shown.
func TestInterruptFinishesTheOpenAction(t *testing.T) {
	t.Parallel()
	w := newWorld()
	d := onReview(t, w)
	w.gate = func(key string) {
		if key == "token:create" {
			d.send(stroke("ctrl+c"))
			d.wants("Stopping as soon as the open request is answered")
		}
	}
	d.press("y", "enter")
	if got := w.ran(); !slices.Equal(got, []string{"check:astro", "token:create"}) {
		t.Fatalf("ran %v", got)
	}
	d.wants("What exists now", "✓ Create a Deployment API token", "Try again from here")
	if d.quit || !errors.Is(d.m.out.Err, engine.ErrCancelled) {
		t.Errorf("quit %v, error %v", d.quit, d.m.out.Err)
	}
	d.press("enter") // on from there
	d.wants("The pipeline has its own token")
}

func TestSecondInterruptLeaves(t *testing.T) {
	t.Parallel()
	w := newWorld()
	d := onReview(t, w)
	var err error
	w.gate = func(key string) {
		if key != "token:create" {
			return
		}
		d.press("ctrl+c")
		if d.quit {
			t.Error("the first Ctrl-C left")
		}
		d.press("ctrl+c")
		d.m.finish() // must not wait for the open action
		err = d.m.out.Err
	}
	d.press("y", "enter")
	if !d.quit || !errors.Is(err, engine.ErrCancelled) || !strings.Contains(hint.Of(err).Doing, "Create a Deployment API token") {
		t.Errorf("quit %v, error %v", d.quit, err)
	}
}

func TestInterruptBeforeTheConfirm(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.press("y", "ctrl+c")
	if !d.quit || d.m.out.Confirmed || len(d.w.ran()) > 0 {
		t.Errorf("quit %v, outcome %+v, ran %v", d.quit, d.m.out, d.w.ran())
	}
}

// A signal, or the end of the session's context, stops the run after the open action and leaves.
func TestSignalStopsAndLeaves(t *testing.T) {
	t.Parallel()
	for _, end := range []any{signalMsg{}, endedMsg{}} {
		w := newWorld()
		d := onReview(t, w)
		w.gate = func(key string) {
			if key == "token:create" {
				d.send(end)
			}
		}
		d.press("y", "enter")
		d.m.finish()
		if got := w.ran(); !d.quit || !slices.Equal(got, []string{"check:astro", "token:create"}) {
			t.Errorf("%T: quit %v, ran %v", end, d.quit, got)
		}
		if !errors.Is(d.m.out.Err, engine.ErrCancelled) || !d.m.out.Confirmed {
			t.Errorf("%T: outcome %+v", end, d.m.out)
		}
	}
}

// When the screen breaks down in the middle of a run, the open action is finished and no other is
// started.
func TestFinishDrains(t *testing.T) {
	t.Parallel()
	w := newWorld()
	d := onReview(t, w)
	d.press("y")
	d.clock = d.clock.Add(time.Second)
	d.send(stroke("enter"))
	for len(w.ran()) == 0 {
		d.step()
	}
	d.m.finish()
	if got := w.ran(); !slices.Equal(got, []string{"check:astro"}) || !errors.Is(d.m.out.Err, engine.ErrCancelled) {
		t.Errorf("ran %v, error %v", got, d.m.out.Err)
	}
}

// A fault in an action is a failure like any other: what exists is shown, and can be taken back.
func TestPanicInAnAction(t *testing.T) {
	t.Parallel()
	w := newWorld()
	d := onReview(t, w)
	w.gate = func(key string) {
		if key == "secret:put" {
			panic("a value that nobody must see")
		}
	}
	d.press("y", "enter")
	d.wants("✗ Failed: Write the secret", "a fault in astro-ci itself", "What exists now", "› Try again from here")
	if strings.Contains(d.text(), "nobody must see") || d.m.out.Err == nil {
		t.Errorf("error %v:\n%s", d.m.out.Err, d.text())
	}
	d.press("down", "enter")
	d.wants("Everything that was made was taken back")
}

func TestTheRunsContextSaysWhy(t *testing.T) {
	t.Parallel()
	run := engine.NewRun([]engine.Action{{Key: "a", Do: func(context.Context) (string, error) { return "", nil }}})
	r := newRunner(t.Context(), run.Go)
	r.cancel()
	msg, _ := r.pull().(eventMsg)
	if !errors.Is(msg.ev.Err, engine.ErrCancelled) || !r.stopped {
		t.Errorf("error %v, stopped %v", msg.ev.Err, r.stopped)
	}
	r.end()
}
