package tui

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// The actions of the made-up removal.
const (
	cutting  = "pipeline:remove"
	dropping = "secret:remove"
	deleting = "token:delete"
	noting   = "note:remove"
)

// removal is the made-up end of a setup; it counts what is done.
func (w *world) removal(name string) ui.Removal {
	return ui.Removal{Title: "Remove a setup", Name: name, Sandbox: true, Plan: func(context.Context) (ui.Review, error) {
		file := ".github/workflows/astro-" + name + ".yml"
		action := func(key, say, detail string) engine.Action {
			return engine.Action{Key: key, Say: say, Do: func(context.Context) (string, error) {
				if w.gate != nil {
					w.gate(key)
				}
				w.log(key)
				return detail, w.failing[key]
			}}
		}
		actions := []engine.Action{
			action(cutting, "Take the part of "+name+" out of "+file, "the file is deleted"),
			action(dropping, "Remove the secret github:acme/etl/ASTRO_API_TOKEN", ""),
			action(deleting, "Delete the token clx0000000000000000000001", ""),
			action(noting, "Take the setup out of astro-ci.yaml", "3 lines removed"),
		}
		return ui.Review{
			Removes: name, Actions: actions, Run: engine.NewRun(actions),
			Facts: []ui.Fact{
				{Name: "Credential", Value: clean("Deployment API token for etl-prod")},
				{Name: "Token", Value: clean("clx0000000000000000000001, last used 2026-11-22 10:00")},
				{Name: "Pipeline", Value: clean("%s, on main of acme/etl", file)},
			},
			Warnings: []display.Text{clean("Pipelines that use the secret fail from then on.")},
			Stays: []display.Text{
				clean("Runs of the pipeline go on until the change of %s is pushed to main, and fail: they have no token any more", file),
				clean("The custom role DEPLOYMENT_DEPLOYER, which other tokens may have"),
			},
			Next: func() []ui.NextStep {
				return []ui.NextStep{
					{Say: "Commit the change", Command: "git add " + file + " astro-ci.yaml && git commit -m 'Remove the Astro setup " + name + "'"},
					{Say: "Push it, or open a pull request into main; until then runs start and fail", Command: "git push"},
				}
			},
			Resume: func() string { return "astro-ci remove " + name },
		}, w.reviewErr
	}}
}

// still is what the desk shows of times, the same everywhere.
func (d *desk) still() {
	rows := map[screen][]engine.Event{}
	switch s := d.m.screen.(type) {
	case *progress:
		rows[s] = s.rows
	case *failed:
		rows[s] = s.after.rows
	case *done:
		rows[s] = s.rows
	}
	for _, all := range rows {
		for i := range all {
			if s := all[i].State; s == engine.Done || s == engine.Failed || s == engine.Undone {
				all[i].Took = 300 * time.Millisecond
			}
		}
	}
}

// ends are the screens of a removal, each in the state that people see first.
func ends(t *testing.T, show func(d *desk, name string)) {
	x := newHouse(3, 0)
	x.begin(0)
	d := x.sit(t)
	d.press("x")
	show(d, "overview-not-now")
	d.press("enter", "down", "down", "down", "enter")
	show(d, "one-not-now")
	d.press("esc", "down", "down", "x")
	show(d, "remove")
	d.write("etl-00")
	d.press("enter")
	show(d, "remove-no")
	x.failing[deleting] = errors.New("the network is gone")
	x.gate = func(key string) {
		if key == dropping {
			show(d, "removing")
		}
	}
	d.write("2")
	d.press("enter")
	x.gate = nil
	show(d, "remove-failed")
	delete(x.failing, deleting)
	d.press("enter")
	show(d, "removed")
}

func TestRemoval(t *testing.T) {
	t.Parallel()
	x := newHouse(3, 0)
	d := x.sit(t)
	d.press("down", "down", "x")
	d.wants("Remove the setup etl-002", "1 Take the part of etl-002", "4 Take the setup out of astro-ci.yaml", "What stays", "custom role", "fail from then on", "Type etl-002 to remove it", "esc overview")
	for _, not := range []string{"", "y", "es", "q"} {
		d.write(not)
		d.press("enter")
		d.wants("Nothing was done. Type etl-002")
	}
	d.press("esc")
	d.wants("› ! etl-002", "3 setups")
	if len(x.ran()) > 0 || d.quit || d.m.out.Confirmed {
		t.Fatalf("quit %v, ran %v without the name", d.quit, x.ran())
	}
	d.press("x")
	d.write("etl-002")
	d.press("enter")
	d.wants("✓ The setup etl-002 is removed", "✓ Take the part of etl-002 out", "the file is deleted", "What stays", "What is left to you", "1 Commit the change", "git add .github/workflows/astro-etl-002.yml astro-ci.yaml && git commit", "git push", "enter overview")
	if got := strings.Join(x.ran(), " "); got != strings.Join([]string{cutting, dropping, deleting, noting}, " ") {
		t.Errorf("ran %s", got)
	}
	d.press("enter")
	d.wants("3 setups", "› ! etl-002") // of the made-up overview
	if d.quit || d.m.out.Err != nil {
		t.Errorf("quit %v, %v", d.quit, d.m.out.Err)
	}
}

// What fails is tried again from there, and what is done stays done; from anywhere one comes back to the overview.
func TestARemovalThatFails(t *testing.T) {
	t.Parallel()
	x := newHouse(1, 0)
	x.reviewErr = errors.New("the store is gone")
	d := x.sit(t)
	d.press("x")
	d.wants("✗ The store is gone")
	d.press("b")
	d.wants("1 setup")
	d.press("x")
	x.reviewErr = nil
	d.press("r")
	x.failing[deleting] = errors.New("the network is gone")
	d.write("etl-000")
	d.press("enter")
	d.wants("✗ The network is gone", "Where it stands", "✓ Remove the secret", "✗ Delete the token", "○ Take the setup out", "› Try again", "Overview", "astro-ci remove etl-000 goes on")
	if d.m.out.Err == nil {
		t.Error("the outcome holds no failure")
	}
	d.press("enter")
	d.wants("✗ The network is gone")
	delete(x.failing, deleting)
	d.press("enter")
	d.wants("✓ The setup etl-000 is removed")
	if got := strings.Join(x.ran(), " "); got != strings.Join([]string{cutting, dropping, deleting, deleting, deleting, noting}, " ") || d.m.out.Err != nil {
		t.Errorf("ran %s, %v", got, d.m.out.Err)
	}
	x.failing[cutting] = errors.New("it was edited by hand")
	d.press("enter", "x")
	d.write("etl-000")
	d.press("enter")
	d.wants("✗ It was edited by hand")
	d.press("down", "enter")
	d.wants("1 setup")
}

// A removal by its command has no overview to go back to.
func TestRemovalAlone(t *testing.T) {
	t.Parallel()
	alone := func(w *world) *desk { return seat(t, w, forRemoval(t.Context(), w.removal("etl"), Options{})) }
	d := alone(newWorld())
	d.wants("Remove the setup etl", "esc leave")
	d.press("esc")
	if !d.quit || d.m.out.Confirmed || len(d.w.ran()) > 0 {
		t.Errorf("quit %v, outcome %+v, ran %v", d.quit, d.m.out, d.w.ran())
	}
	d = alone(newWorld())
	d.send(tea.PasteMsg{Content: "etl\n"})
	d.press("enter")
	d.wants("✓ The setup etl is removed", "enter leave")
	d.press("enter")
	if !d.quit || !d.m.out.Confirmed || d.m.out.Err != nil {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
	w := newWorld()
	w.reviewErr = errors.New("there is no setup")
	d = alone(w)
	d.press("esc")
	d.wants("✗ There is no setup")
	d.press("q")
	if !d.quit || d.m.out.Err == nil {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
}

// Keys that were typed before the plan was there, or twice, agree to nothing.
func TestRemovalIsNotTypedAhead(t *testing.T) {
	t.Parallel()
	x := newHouse(1, 0)
	d := x.sit(t)
	d.clock = d.clock.Add(time.Second)
	for _, name := range []string{"x", "e", "t", "l", "-", "0", "0", "0", "enter", "enter"} {
		d.send(stroke(name))
	}
	d.settle()
	d.wants("Type etl-000 to remove it")
	d.send(stroke("enter"))
	d.settle()
	d.write("etl-000")
	d.send(stroke("enter")) // within the grace
	d.settle()
	d.wants("Type etl-000 to remove it")
	if len(x.ran()) > 0 {
		t.Fatalf("ran %v", x.ran())
	}
	for range 4 {
		d.clock = d.clock.Add(150 * time.Millisecond)
		d.send(stroke("enter"))
		d.settle()
	}
	d.wants("Type etl-000 to remove it") // one that bounces never counts
	d.press("enter")
	d.wants("✓ The setup etl-000 is removed")
	d.send(stroke("enter"))
	d.settle()
	d.wants("✓ The setup etl-000 is removed")
}

// What has to wait for something that was begun is not offered, and says why and what to do first.
func TestNotWhileSomethingIsUnfinished(t *testing.T) {
	t.Parallel()
	x := newHouse(2, 0)
	x.begin(0)
	d := x.sit(t)
	d.wants("r resume", "v verify")
	for _, words := range []string{"a again", "x remove"} {
		if strings.Contains(d.text(), words) {
			t.Errorf("%q is offered:\n%s", words, d.text())
		}
	}
	d.press("x")
	d.wants("etl-000 was begun and is not finished. Resume it first; then it can be removed. To take it back", "instead: astro-ci resume etl-000 --abort", "2 setups")
	d.press("a")
	d.wants("then it can be repeated")
	d.press("down")
	d.wants("x remove")
	if strings.Contains(d.text(), "not finished.") {
		t.Errorf("it is still said:\n%s", d.text())
	}
	d.press("up", "enter")
	d.wants("› Resume", "Again   not before it is resumed", "Remove  not before it is resumed")
	d.press("down", "down", "enter")
	d.wants("then it can be repeated")
	d.press("up")
	if d.quit || len(x.begun) > 0 || strings.Contains(d.text(), "then it can be") {
		t.Errorf("quit %v, began %v:\n%s", d.quit, x.begun, d.text())
	}
}
