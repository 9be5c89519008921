package tui

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// house is a made-up overview over made-up rotations.
type house struct {
	*turning
	without []setup.Ref
	err     error
	wrong   int // what is found of every setup
	untold  int
	bare    bool     // nothing but rotations can be done
	begun   []string // what follows the overview, in words
}

func newHouse(setups, workspaces int) *house {
	x := &house{turning: newTurning(setups)}
	if setups > 4 {
		x.setups[4].Health, x.setups[4].Says = ui.Bad, clean("its token is gone")
		x.setups[4].Made, x.setups[4].Ends = x.setups[4].Ends.AddDate(-9, 0, 0), noon.AddDate(0, 0, -1)
	}
	for i := range workspaces {
		x.without = append(x.without, setup.Ref{ID: fmt.Sprintf("ws%d", i), Name: clean("Team %02d", i)})
	}
	return x
}

func (x *house) home() ui.Home {
	h := ui.Home{
		Title: "Overview", Sandbox: true,
		Find: func(context.Context) (ui.Overview, error) {
			return ui.Overview{Setups: x.setups, Without: x.without}, x.err
		},
		Rotation: func(name string) ui.Rotation {
			r := x.rotation()
			r.Find = func(context.Context) ([]ui.Setup, error) { return []ui.Setup{{Name: name}}, x.findErr }
			return r
		},
	}
	if x.bare {
		return h
	}
	begin := func(what string) func(context.Context, string) error {
		return func(_ context.Context, name string) error {
			x.begun = append(x.begun, what+" "+name)
			return nil
		}
	}
	h.Verify = func(_ context.Context, name string) (ui.Verified, error) {
		return ui.Verified{Wrong: x.wrong, Untold: x.untold, Facts: []ui.Fact{
			{Name: "Token", Value: clean("clx0000000000000000000001 is on Astro, role DEPLOYMENT_ADMIN")},
			{Name: "Target", Value: clean("github:acme/%s/ASTRO_API_TOKEN", name)},
			{Value: clean("holds what astro-ci wrote last")},
		}}, x.planErr
	}
	h.SetUp = func(_ context.Context, all []setup.Ref) error {
		x.begun = append(x.begun, fmt.Sprint("set up ", all))
		return nil
	}
	h.Again, h.Removal = begin("again"), x.removal
	return h
}

// begin says of a setup that something was begun on it and is not finished.
func (x *house) begin(i int) {
	x.setups[i].Begun, x.setups[i].TakeBack = true, "astro-ci resume "+x.setups[i].Name+" --abort"
}

func (x *house) sit(t testing.TB) *desk {
	return seat(t, x.world, forHome(t.Context(), x.home(), Options{}))
}

// homes are the screens of the overview, each in the state that people see first.
func homes(t *testing.T, show func(d *desk, name string)) {
	d := newHouse(12, 7).sit(t)
	show(d, "overview")
	d.press("?")
	show(d, "overview-help")
	d.press("esc")
	d.press("/")
	d.write("etl-00")
	show(d, "overview-filter")
	d.press("enter", "enter")
	show(d, "one")
	d.press("v")
	show(d, "verify")
	d.press("esc", "tab", "space", "down", "down", "space")
	show(d, "workspaces")
	show(newHouse(0, 3).sit(t), "overview-empty")
	x := newHouse(1, 0)
	x.err = hint.New("no log-in", "Log in first: astro-ci login", "")
	show(x.sit(t), "overview-error")
}

func TestOverview(t *testing.T) {
	t.Parallel()
	x := newHouse(12, 7)
	d := x.sit(t)
	d.wants("12 setups", "7 Workspaces without a credential", "✗ 1 needs you", "! 3 due", "● 1 unfinished", "s set up", "a again", "x remove")
	d.press("down", "down", "r")
	d.wants("Replace the token of etl-002", "esc overview")
	d.press("esc")
	d.wants("› ! etl-002")
	d.press("r", "y", "enter")
	d.wants("Waiting for runs")
	d.press("esc")
	d.wants("› ! etl-002", "12 setups")
	d.press("v")
	d.wants("What Astro and the stores say of etl-002", "holds what astro-ci wrote last")
	d.press("enter", "enter")
	d.wants("› Rotate", "Verify", "Again", "Remove", "vault:secret/astro/etl/ASTRO_API_TOKEN")
	d.press("down", "down", "enter")
	if !d.quit || d.m.after == nil || d.m.after(t.Context()) != nil || !slices.Equal(x.begun, []string{"again etl-002"}) {
		t.Errorf("quit %v, began %v", d.quit, x.begun)
	}
}

// Several Workspaces are picked and set up one after the other; without a pick it is the one under the cursor.
func TestPickingWorkspaces(t *testing.T) {
	t.Parallel()
	x := newHouse(1, 7)
	d := x.sit(t)
	d.press("tab", "space", "down", "down", "enter")
	d.wants("[x] Team 00", "[ ] Team 01", "[x] Team 02", "s set up these 2")
	d.press("s")
	if !d.quit || d.m.after(t.Context()) != nil || !slices.Equal(x.begun, []string{"set up [Team 00 Team 02]"}) {
		t.Errorf("quit %v, began %v", d.quit, x.begun)
	}
	x = newHouse(1, 40)
	d = x.sit(t)
	d.press("tab", "/")
	d.write("team 33")
	d.press("enter", "s")
	if !d.quit || d.m.after(t.Context()) != nil || !slices.Equal(x.begun, []string{"set up [Team 33]"}) {
		t.Errorf("quit %v, began %v", d.quit, x.begun)
	}
}

// Where both titles have no room, that of the present page stands alone: a shorter one would say something else.
func TestTitlesOfTheOverviewOnASmallScreen(t *testing.T) {
	t.Parallel()
	d := newHouse(6, 1).sit(t)
	d.size(40, 12)
	d.wants("6 setups")
	if strings.Contains(d.text(), "1 Workspace") {
		t.Errorf("it is not said what about the Workspace:\n%s", d.text())
	}
	d.press("tab")
	d.wants("1 Workspace without a credential")
	d.size(80, 24)
	d.wants("6 setups   1 Workspace without a credential")
}

// What cannot be done is neither offered nor done.
func TestActionsThatAreNotThere(t *testing.T) {
	t.Parallel()
	x := newHouse(3, 2)
	x.bare = true
	d := x.sit(t)
	for _, words := range []string{"set up", "verify", "again", "remove"} {
		if strings.Contains(d.text(), words) {
			t.Errorf("%q is offered:\n%s", words, d.text())
		}
	}
	d.press("s", "v", "a", "x", "tab", "s", "tab")
	if d.quit || d.m.after != nil {
		t.Error("something was done")
	}
	d.wants("3 setups")
}

func TestOverviewErrors(t *testing.T) {
	t.Parallel()
	x := newHouse(2, 0)
	x.err = errors.New("the network is gone")
	d := x.sit(t)
	d.wants("✗ The network is gone")
	x.err = nil
	d.press("r")
	d.wants("2 setups")
	x.planErr = errors.New("the store is gone")
	d.press("v")
	d.wants("✗ The store is gone")
	d.press("esc")
	d.wants("2 setups")
	x.findErr = errors.New("the journal is gone")
	d.press("r")
	d.wants("✗ The journal is gone")
	d.press("b", "q")
	if !d.quit || d.m.after != nil {
		t.Errorf("quit %v", d.quit)
	}
	d = newHouse(0, 0).sit(t)
	d.wants("There is no setup yet")
}

// Ten thousand setups are moved through and searched; only those that can be seen are drawn.
func TestManySetups(t *testing.T) {
	t.Parallel()
	d := newHouse(10_000, 0).sit(t)
	d.press("end")
	d.wants("10000 of 10000", "› ✓ etl-9999")
	d.press("/")
	d.write("etl-8765")
	d.wants("1 of 10000", "› ✓ etl-8765")
	o, ok := d.m.screen.(*overview)
	if from, to := o.table.shown(); !ok || to-from != 1 {
		t.Errorf("rows %d to %d", from, to)
	}
	d.press("esc")
	d.wants("› ✓ etl-8765", "8766 of 10000")
}

// The list takes the lines that the details of no setup need, and keeps them while the cursor moves.
func TestTheListTakesWhatTheDetailsDoNotNeed(t *testing.T) {
	t.Parallel()
	x := newHouse(22, 0)
	for i := range x.setups {
		x.setups[i].Health, x.setups[i].Says = ui.Fine, clean("due on 2026-12-01")
		x.setups[i].Name, x.setups[i].Targets = fmt.Sprintf("etl-%03d", i), x.setups[i].Targets[:1]
	}
	d := x.sit(t)
	d.size(80, 24)
	o, ok := d.m.screen.(*overview)
	if !ok {
		t.Fatal("no overview")
	}
	from, to := o.table.shown()
	for range x.setups {
		lines := strings.Split(d.text(), "\n")
		i := slices.IndexFunc(lines, func(l string) bool { return strings.Contains(l, " of 22, / finds one") })
		if i < 1 || strings.TrimSpace(lines[i-1]) == "" || strings.Contains(d.text(), "…\n") {
			t.Fatalf("lines are empty, or what is said of it is cut:\n%s", d.text())
		}
		if now, end := o.table.shown(); end-now != to-from {
			t.Fatalf("the list had %d rows and has %d", to-from, end-now)
		}
		d.press("down")
	}
}

// The help of the overview explains what is seen there, and names the keys that have no room at the bottom.
func TestHelpOfTheOverview(t *testing.T) {
	t.Parallel()
	d := newHouse(12, 7).sit(t)
	d.size(80, 40)
	d.press("?")
	d.wants("✓        in order", "!        due: ", "●        begun and not finished", "✗        needs you", "due on   the day", "ends in  how long", "↑↓ pgup pgdn  move", "enter         more")
	d.press("esc", "tab")
	d.wants("space enter pick", "Space or enter picks one or several")
	d.press("?")
	d.wants("↑↓ pgup pgdn  move")
	if strings.Contains(d.text(), "due on") {
		t.Errorf("what is not there is explained:\n%s", d.text())
	}
}

// Names from outside may be long, wide, or run from right to left; every line keeps its width.
func TestStrangeSetups(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"工作区数据基盤の長い名前です工作区データ基盤の長い名前です工作区データ基盤の長い名前です", "👩‍🚀🧑🏽‍🚀 crew", "e\u0301\u0302\u0303tl", "שלום עולם", "\x1b[31mred\x1b[0m\r\nline", strings.Repeat("x", 300),
	} {
		x := newHouse(3, 3)
		for i := range x.setups {
			x.setups[i].Workspace, x.setups[i].Says = display.Clean(name), display.Clean(name)
			x.setups[i].Targets = []string{display.Clean(name).String()}
			x.without[i].Name = display.Clean(name)
		}
		d := x.sit(t)
		for _, keys := range [][]string{{}, {"enter"}, {"esc", "tab"}} {
			d.press(keys...)
			for w := 1; w < 160; w += 7 {
				d.size(w, 5+w/4)
				for l := range strings.SplitSeq(d.text(), "\n") {
					if ansi.StringWidth(l) > w {
						t.Fatalf("%d cells at width %d: %q", ansi.StringWidth(l), w, l)
					}
				}
			}
		}
	}
}

// hearth is a house for random keys.
func hearth(t *testing.T, rnd *rand.Rand) *desk {
	x := newHouse(rnd.IntN(30), rnd.IntN(20))
	x.bare = rnd.IntN(4) == 0
	x.leaked = rnd.IntN(5) == 0
	if len(x.setups) > 0 && rnd.IntN(3) == 0 {
		x.begin(rnd.IntN(len(x.setups)))
	}
	if rnd.IntN(3) == 0 {
		x.failing[deleting] = errors.New("broken: " + deleting)
	}
	if rnd.IntN(4) == 0 {
		x.halts[0] = stuck()
	}
	d := x.sit(t)
	if len(x.setups) > 0 && !x.bare && rnd.IntN(2) == 0 {
		d.press("x")
		d.write(x.setups[0].Name)
	}
	return d
}

// One key on a long list, from the key to the drawn frame.
func BenchmarkOverview(b *testing.B) {
	for _, n := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("rows=%d", n), func(b *testing.B) {
			d := newHouse(n, 0).sit(b)
			for b.Loop() {
				d.send(stroke("down"))
			}
		})
	}
}
