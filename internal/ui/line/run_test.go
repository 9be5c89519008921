package line_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
)

// upToYes answers every question with its default and confirms.
var upToYes = []string{"", "", "", "yes"}

func failing(t *testing.T, w *world, then ...string) (*terminal, error) {
	t.Helper()
	term := newTerminal(append(slices.Clone(upToYes), then...)...)
	out, err := term.run(t.Context(), t, w)
	if err != nil || !out.Confirmed || out.Review == nil {
		t.Errorf("%+v, %v", out, err)
	}
	return term, out.Err
}

func TestFailureTakenBack(t *testing.T) {
	t.Parallel()
	w := &world{fail: map[string]error{"secret": errBoom}}
	term, failed := failing(t, w, "x", "1", "2")
	if !errors.Is(failed, errBoom) || !slices.Equal(w.did, []string{"token", "undo secret", "undo token"}) {
		t.Errorf("%v, did %v", failed, w.did)
	}
	golden(t, "taken-back", term.transcript.String())
}

func TestFailureThatPasses(t *testing.T) {
	t.Parallel()
	w := &world{fail: map[string]error{"secret": errBoom}, passes: true}
	if _, failed := failing(t, w, "1"); failed != nil || !slices.Equal(w.did, []string{"token", "secret", "file"}) {
		t.Errorf("%v, did %v", failed, w.did)
	}
}

func TestFailureLeft(t *testing.T) {
	t.Parallel()
	for _, answer := range []string{"3", "q"} {
		w := &world{fail: map[string]error{"secret": errBoom}}
		if _, failed := failing(t, w, answer); !errors.Is(failed, errBoom) || !slices.Equal(w.did, []string{"token"}) {
			t.Errorf("%s: %v, did %v", answer, failed, w.did)
		}
	}
}

// Where nobody answers any more the outcome still says what failed.
func TestFailureWithNobodyThere(t *testing.T) {
	t.Parallel()
	w := &world{fail: map[string]error{"secret": errBoom}}
	if term, failed := failing(t, w); !errors.Is(failed, errBoom) || !strings.Contains(term.printed.String(), "It was left as it is.") {
		t.Errorf("%v", failed)
	}
}

func TestNothingToTakeBack(t *testing.T) {
	t.Parallel()
	w := &world{fail: map[string]error{"token": hint.New("the token was refused", "Ask for the right.", "")}}
	term, failed := failing(t, w, "2", "undo", "3")
	if failed == nil {
		t.Error("no failure")
	}
	if !strings.Contains(term.printed.String(), "not certain") {
		t.Errorf("a create without an answer is passed over:\n%s", term.transcript.String())
	}
}

func TestUndoThatFails(t *testing.T) {
	t.Parallel()
	w := &world{fail: map[string]error{"file": errBoom, "undo secret": hint.New("the store does not answer", "Try again.", "")}}
	term, failed := failing(t, w, "2", "2", "3")
	if !errors.Is(failed, errBoom) || !strings.Contains(failed.Error(), "does not answer") {
		t.Errorf("%v", failed)
	}
	if n := strings.Count(term.printed.String(), "taken back: Take the new token back"); n != 1 {
		t.Errorf("the token was taken back %d times", n)
	}
	golden(t, "undo-fails", term.transcript.String())
}

// A cancelled run stops, says what stands, and asks nothing.
func TestCancelledRun(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	w := &world{}
	term := newTerminal(upToYes...)
	term.see = func(printed string) {
		if strings.Contains(printed, "done: Create a Workspace API token") {
			cancel()
		}
	}
	out, err := term.run(ctx, t, w)
	if err != nil || !out.Confirmed || out.Err == nil || !slices.Equal(w.did, []string{"token"}) {
		t.Errorf("%+v, %v, did %v", out, err, w.did)
	}
	if s := term.printed.String(); !strings.Contains(s, "token tok1") || strings.HasSuffix(s, "> \n") {
		t.Errorf("what stands is not said, or something is asked:\n%s", s)
	}
}
