package tui

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui"
)

func onReview(t *testing.T, w *world) *desk {
	t.Helper()
	d := begin(t, w)
	d.toReview()
	return d
}

func TestConfirmStandsOnNo(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.wants("Do all of this now?", "› No", "What will be done", "Worth knowing")
	d.press("enter", "enter")
	d.wants("Nothing was created.")
	if got := d.w.ran(); len(got) > 0 || d.m.out.Confirmed {
		t.Fatalf("ran %v, confirmed %v without a Yes", got, d.m.out.Confirmed)
	}
	d.press("y", "n", "enter")
	d.press("right", "left", "enter")
	if got := d.w.ran(); len(got) > 0 {
		t.Fatalf("ran %v after No", got)
	}
	d.press("tab")
	d.wants("› Yes")
	d.press("enter")
	if len(d.w.ran()) != 5 || !d.m.out.Confirmed {
		t.Errorf("ran %v, confirmed %v", d.w.ran(), d.m.out.Confirmed)
	}
}

func TestReopenAndReturn(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	before := d.w.walk.Plan()
	d.press("6")
	d.wantAt("role")
	d.press("esc") // back to the review, with the old answer
	if _, ok := d.m.screen.(*review); !ok || d.w.walk.Plan().Credential.Role != before.Credential.Role {
		t.Fatalf("the old answer is lost:\n%s", d.text())
	}
	d.press("6", "up", "enter")
	if got := d.w.walk.Plan().Credential.Role; got != "DEPLOYMENT_ADMIN" {
		t.Errorf("role %q", got)
	}
	d.wants("DEPLOYMENT_ADMIN", "Do all of this now?")
	// The only answer to a question can be looked at as well.
	d.press("1")
	d.wantAt("organization")
	d.press("enter")
	d.wants("Do all of this now?")
}

func TestReopenWithTheCursor(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.press("up", "up")
	d.wants("change this answer")
	d.press("enter")
	d.wantAt("target")
	d.press("up", "enter")
	if got := d.w.walk.Plan().Target().Address; got != "acme/etl" {
		t.Errorf("target %q", got)
	}
}

func TestAChangedAnswerForgetsWhatBuildsOnIt(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.press("3", "down", "enter") // another credential: Workspace, Deployment and Role are asked again
	d.wantAt("workspace")
	d.press("esc")
	d.wantAt("credential")
	d.toReview()
	d.press("esc")
	d.wantAt("target")
}

func TestReviewError(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.reviewErr = errors.New("you may not create tokens here")
	d := begin(t, w)
	for range 7 {
		d.press("enter")
	}
	d.wants("You may not create tokens here")
	d.press("b")
	d.wantAt("target")
	d.press("enter")
	// Another answer may help, also one that was not asked.
	d.wants("You may not create tokens here", "9 Branch")
	d.press("9")
	d.wantAt("branch")
	d.press("enter")
	d.wants("You may not create tokens here")
	w.reviewErr = nil
	d.press("r")
	d.wants("Do all of this now?")
}

func TestDiff(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.size(40, 9)
	d.press("d")
	d.wants("+name: astro")
	seen := d.text()
	d.press("pgdown", "end")
	if d.text() == seen {
		t.Error("the change does not scroll")
	}
	d.wants("_DEPLOYER main") // a long line is wrapped, not cut
	d.press("esc")
	if _, ok := d.m.screen.(*review); !ok || !strings.Contains(d.text(), "No") {
		t.Errorf("esc left the review:\n%s", d.text())
	}
}

func TestReviewScrolls(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.size(60, 16)
	d.wants("more lines below", "Do all of this now?")
	d.press("end")
	d.wants("d shows every line", "Do all of this now?")
	for range 12 {
		d.press("up")
	}
	d.wants("› 1 Organization")
}

// mayNot is a world in which somebody else has the rights.
func mayNot() *world {
	w := newWorld()
	w.reviewErr = ui.DeniedError{Err: hint.New("github: you may read acme/etl, not write its secrets", "Ask for the admin role.", "https://docs.github.com")}
	return w
}

// Who lacks a right writes down what has to be done, or goes back; what failed otherwise is not handed over.
func TestHandOver(t *testing.T) {
	t.Parallel()
	w := mayNot()
	w.handErr = hint.New("write the hand-over: the folder holds something else", "Give a new folder.", "")
	d := onReview(t, w)
	d.wants("you may read acme/etl", "h hand it over")
	d.press("h")
	d.wants("the folder holds something else", "r try again")
	w.handErr = nil
	d.press("r")
	d.wants("It is written down", "astro-ci-ws1/README.md", "no secret in it")
	d.press("b")
	d.wants("Where is the secret kept?")
	d.press("enter", "h", "enter")
	if want := slices.Repeat([]string{"hand over ws1"}, 3); !d.quit || d.m.out.Confirmed || !slices.Equal(w.ran(), want) {
		t.Errorf("quit %v, confirmed %v, ran %v", d.quit, d.m.out.Confirmed, w.ran())
	}
	w = newWorld()
	w.reviewErr = errors.New("the network is down")
	d = onReview(t, w)
	if d.press("h"); strings.Contains(d.text(), "hand it over") || len(w.ran()) != 0 {
		t.Errorf("it was handed over: %s", d.text())
	}
}
