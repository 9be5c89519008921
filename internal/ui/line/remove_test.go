package line_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// removal is the end of a setup, made of fakes.
func (x *house) removal(name string) ui.Removal {
	return ui.Removal{Title: "Remove a setup", Name: name, Sandbox: true, Plan: func(context.Context) (ui.Review, error) {
		action := func(say string) engine.Action {
			return engine.Action{Key: say, Say: say, Do: func(context.Context) (string, error) {
				if err := x.failing(say); err != nil {
					return "", err
				}
				x.did = append(x.did, say)
				return "", nil
			}}
		}
		actions := []engine.Action{action("Remove the secret"), action("Delete the token")}
		return ui.Review{
			Removes: name, Actions: actions, Run: engine.NewRun(actions),
			Facts:    []ui.Fact{{Name: "Token", Value: text("clx1, never used")}},
			Warnings: []display.Text{text("Pipelines that use the secret fail from then on.")},
			Stays:    []display.Text{text("The custom role")},
			Next:     func() []ui.NextStep { return []ui.NextStep{{Say: "Push it", Command: "git push"}} },
			Resume:   func() string { return "astro-ci remove " + name },
		}, x.failing("removal")
	}}
}

func (x *house) end(t *testing.T, script ...string) (string, ui.Outcome, error) {
	t.Helper()
	term := newTerminal(script...)
	out, err := line.Remove(t.Context(), x.removal("etl"), line.Options{In: term, Out: term})
	term.close()
	term.plain(t)
	if !out.Confirmed && len(x.did) > 0 {
		t.Errorf("%v happened without the name", x.did)
	}
	return term.transcript.String(), out, err
}

// A setup is removed by its name alone; what stays is said before, and what is left to do after.
func TestRemove(t *testing.T) {
	t.Parallel()
	said, out, err := newHouse(1, 0).end(t, "yes", "?", "etl")
	if err != nil || !out.Confirmed || out.Err != nil {
		t.Errorf("%+v, %v", out, err)
	}
	golden(t, "removal", said)
	for _, script := range [][]string{{"q"}, {"", "b", "ETL", "q"}} {
		said, out, err := newHouse(1, 0).end(t, script...)
		if err != nil || out.Confirmed || !strings.Contains(said, "or q to leave.") {
			t.Errorf("left: %+v, %v", out, err)
		}
	}
}

// What fails is tried again from there, or left; then the command that goes on is said.
func TestARemovalThatFails(t *testing.T) {
	t.Parallel()
	x := newHouse(1, 0)
	x.fails["Delete the token"] = 2
	said, out, err := x.end(t, "etl", "r", "r")
	if err != nil || out.Err != nil || !slices.Equal(x.did, []string{"Remove the secret", "Delete the token"}) || strings.Count(said, "error: no answer to Delete the token") != 2 {
		t.Errorf("%+v, %v, did %v:\n%s", out, err, x.did, said)
	}
	x = newHouse(1, 0)
	x.fails["Delete the token"] = 1
	said, out, err = x.end(t, "etl", "q")
	if err != nil || out.Err == nil || !strings.Contains(said, "What is done stays done. Go on with: astro-ci remove etl") {
		t.Errorf("%+v, %v:\n%s", out, err, said)
	}
	x = newHouse(1, 0)
	x.fails["removal"] = 1
	if _, out, err := x.end(t, "etl"); err == nil || hint.Of(err).Next == "" || out.Confirmed {
		t.Errorf("%+v, %v", out, err)
	}
	x = newHouse(1, 0)
	x.fails["removal"], x.fails["Remove the secret"] = 1, 1
	if _, err := x.says(t, []string{"1", "4", "r", "etl-1", "b", "q"}, "error: no answer to removal", "Type r to try again, b to go back, or q to leave.", "error: no answer to Remove the secret"); err != nil {
		t.Error(err)
	}
}

// What has to wait for something that was begun says why, and what to do first.
func TestNotWhileSomethingIsUnfinished(t *testing.T) {
	t.Parallel()
	x := newHouse(3, 0)
	x.all[2].Begun = true
	if _, err := x.says(t, []string{"3", "4", "3", "b", "q"}, "1. Resume: ", "3. Again: not before it is resumed", "4. Remove: not before it is resumed",
		"etl-3 was begun and is not finished. Resume it first; then it can be removed.\n", "then it can be repeated.\n"); err != nil || len(x.begun) > 0 {
		t.Errorf("began %v, %v", x.begun, err)
	}
}
