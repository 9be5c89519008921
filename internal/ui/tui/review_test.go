package tui

import (
	"errors"
	"strings"
	"testing"
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
	d.wants("nobody can read the secret", "Do all of this now?")
	for range 12 {
		d.press("up")
	}
	d.wants("› 1 Organization")
}
