package tui

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// The help says of ctrl+c what is true on each screen.
func TestHelpSaysWhatCtrlCDoes(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"question": "leave; nothing is created before you confirm", "review": "leave; nothing is created before you confirm",
		"progress": "stop after the open request", "failed": "leave; what exists stays as it is", "undone": "leave; nothing exists of it",
		"done": "leave; everything is created", "handed-over": "leave; what is written down stays",
		"overview": "leave; nothing is changed before you confirm", "replace": "leave; nothing is changed before you confirm",
		"rotating": "leave after the open request", "draining": "leave; later, astro-ci resume etl-000 goes on",
		"halted": "leave; what is done stays done", "receipt": "leave; everything is done",
	}
	scenes(t, func(d *desk, name string) {
		words, ok := want[name]
		if !ok || d.m.help {
			return
		}
		delete(want, name)
		d.send(stroke("f1"))
		if text := strings.Join(strings.Fields(d.text()), " "); !strings.Contains(text, "ctrl+c "+words) {
			t.Errorf("the help of %s does not say ctrl+c %s:\n%s", name, words, d.text())
		}
		d.send(stroke("f1"))
	})
	if len(want) > 0 {
		t.Errorf("never seen: %v", want)
	}
}

// Every screen names the help, and a way back or out, however small it is; on a high screen the keys take two lines.
func TestKeysThatAreNeverLeftOut(t *testing.T) {
	t.Parallel()
	scenes(t, func(d *desk, name string) {
		w0, h0 := d.m.w, d.m.h
		defer d.size(w0, h0)
		for _, size := range [][2]int{{120, 40}, {80, 24}, {60, 20}, {40, 15}} {
			d.size(size[0], size[1])
			if d.m.help {
				continue
			}
			foot := ansi.Strip(strings.Join(d.m.footer(d.m.inner()), "\n"))
			out := strings.Contains(foot, "esc ") || strings.Contains(foot, "q leave") || strings.Contains(foot, "ctrl+c") || strings.Contains(foot, "enter leave")
			if !out || !strings.HasSuffix(foot, "? help") && !strings.HasSuffix(foot, "f1 help") {
				t.Errorf("%s at %v names %q", name, size, foot)
			}
			if strings.Contains(foot, scrolls) && !strings.Contains(d.text(), "below") && size[1] == 40 {
				t.Errorf("%s at %v offers to scroll what is whole:\n%s", name, size, d.text())
			}
		}
	})
	d := onReview(t, newWorld())
	for _, size := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		d.size(size[0], size[1])
		d.wants("d files", "esc back", "q leave", "number or letter change it", "? help")
	}
	h := newHouse(3, 2).sit(t)
	for _, size := range [][2]int{{120, 40}, {80, 24}, {60, 20}} {
		h.size(size[0], size[1])
		h.wants("s set up", "x remove", "enter more", "/ find", "tab Workspaces", "q leave", "? help")
	}
}

// The help is longer than a small screen; it scrolls to its end.
func TestHelpScrolls(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.size(40, 15)
	d.press("?", "end")
	d.wants("ctrl+c")
	d.press("down", "esc")
	d.wants("What will the pipeline do?", "› Deploy code")
}

// On answers that would be lost, q leaves when it is pressed twice; where there are none, at once.
func TestQLeaves(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("q", "down")
	d.press("q")
	if d.quit {
		t.Fatal("two q with another key between left")
	}
	for _, size := range [][2]int{{120, 40}, {80, 24}, {40, 12}, {30, 9}, {80, 10}} {
		d.size(size[0], size[1])
		d.wants("Press q again to leave.")
	}
	d.press("q")
	if !d.quit || d.m.out.Confirmed || d.m.out.Back {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
	d = onReview(t, newWorld())
	d.press("d", "q")
	d.wants("Do all of this now?")
	d.press("q", "q")
	if !d.quit {
		t.Error("q does not leave the review")
	}
	w := newWorld()
	w.workspaces = 40
	d = begin(t, w)
	d.press("enter", "enter", "/", "q", "q")
	if d.quit || d.at() != "workspace" {
		t.Error("a q that is text left")
	}
}

// A set-up that was begun from the overview leads back to it: before the first answer, and when it is over.
func TestBackToTheOverview(t *testing.T) {
	t.Parallel()
	from := func() *desk {
		w := newWorld()
		s := w.session()
		s.From = "overview"
		return seat(t, w, forSetUp(t.Context(), s, Options{}))
	}
	d := from()
	d.wants("esc overview", "q leave")
	d.press("esc")
	if !d.quit || !d.m.out.Back {
		t.Errorf("start: quit %v, outcome %+v", d.quit, d.m.out)
	}
	d = from()
	d.press("enter", "esc")
	if !d.quit || !d.m.out.Back || d.m.out.Confirmed {
		t.Errorf("first question: quit %v, outcome %+v", d.quit, d.m.out)
	}
	for _, key := range []string{"enter", "esc", "q"} {
		d = from()
		d.press("enter")
		d.toReview()
		d.press("y", "enter")
		d.wants("enter overview", "q leave")
		d.press(key)
		if !d.quit || d.m.out.Back != (key != "q") || !d.m.out.Confirmed {
			t.Errorf("%s: quit %v, outcome %+v", key, d.quit, d.m.out)
		}
	}
	d = begin(t, newWorld()) // from nowhere
	d.press("esc")
	if d.quit {
		t.Error("esc left a set-up that came from nowhere")
	}
}

// Where esc leads nowhere it does nothing.
func TestEscLeadsNowhere(t *testing.T) {
	t.Parallel()
	for name, d := range map[string]*desk{"overview": newHouse(2, 1).sit(t), "setups": newTurning(3).sit(t), "replace": newTurning(1).sit(t), "start": sit(t, newWorld())} {
		d.press("esc")
		if d.quit || strings.Contains(d.text(), "esc ") {
			t.Errorf("%s: quit %v:\n%s", name, d.quit, d.text())
		}
		d.press("q")
		if !d.quit {
			t.Errorf("%s: q did not leave", name)
		}
	}
}

// The answers are numbered without gaps, whatever was asked, and each is reopened by what stands beside it.
func TestKeysOfAnswers(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	d.wants("7 Expiry", "8 Secret in")
	w := newWorld()
	all := w.steps()
	all[3].When = func(setup.Plan) bool { return false } // no Workspace
	d = sit(t, w)
	w.walk = flow.NewWalk(setup.Plan{}, all, nil)
	d.press("enter")
	d.toReview()
	d.wants("6 Expiry", "7 Secret in")
	d.press("7")
	d.wantAt("target")
}

// The lines of each file are shown by themselves, with the number of the file.
func TestDiffOfTwoFiles(t *testing.T) {
	t.Parallel()
	d := onReview(t, newWorld())
	r, _ := d.m.screen.(*review)
	long := strings.Repeat("a: b\n", 60)
	r.loaded.Changes = append(r.loaded.Changes, pipeline.Change{Path: "same.yml", Existed: true, Before: []byte("x"), After: []byte("x")}, pipeline.Change{Path: "astro-ci.yaml", After: []byte(long)})
	d.size(80, 24)
	if n := strings.Count(strings.Join(r.actions(d.m, 60), "\n"), "Files"); n != 1 {
		t.Errorf("%d headings over the files", n)
	}
	d.press("d")
	d.wants("File 1 of 2: .github/workflows/astro-etl-prod.yml", "+name: astro", "other file")
	if strings.Contains(d.text(), "a: b") || strings.Contains(d.text(), "scroll") {
		t.Errorf("the second file is there already, or a short one scrolls:\n%s", d.text())
	}
	d.press("right")
	d.wants("File 2 of 2: astro-ci.yaml", "+a: b", "more lines below", "pgdn scroll")
	d.press("right", "?")
	d.wants("pgdn", "other file")
	d.press("esc", "end", "left")
	d.wants("File 1 of 2", "+name: astro")
}

// The date of the renewal points at the place where the bar changes, however wide it is.
func TestCalendarPointsAtTheChange(t *testing.T) {
	t.Parallel()
	th := newTheme(true, false)
	for w := 33; w < 80; w++ {
		var lines []string
		for _, l := range th.calendar(noon, 90*24*time.Hour, w) {
			lines = append(lines, ansi.Strip(l))
		}
		at := slices.Index([]rune(lines[0]), '↓')
		if bar := []rune(lines[1]); at < 0 || bar[at] != '─' || bar[at-1] != '━' {
			t.Errorf("at %d:\n%s", w, strings.Join(lines, "\n"))
		}
	}
}

// A rotation that waits says when it was looked at last.
func TestLookNowSaysWhen(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	x.halts = []ui.Halt{draining()}
	d := x.sit(t)
	d.press("y", "enter")
	d.clock = noon.Add(75*time.Minute + 1*time.Second)
	d.press("r")
	d.wants("Looked at 13:15:02.")
}

// What is cut ends with one sign for that.
func TestOneEllipsis(t *testing.T) {
	t.Parallel()
	for w := 1; w < 20; w++ {
		th := newTheme(true, false)
		got := ansi.Strip(th.shortened("It is the least that", w))
		if strings.Count(got, "…") != 1 || ansi.StringWidth(got) > max(1, w) {
			t.Errorf("%d: %q", w, got)
		}
	}
}

// The lines below a short list of setups say what the columns have no room for.
func TestDetailsTakeTheRoomThereIs(t *testing.T) {
	t.Parallel()
	d := newHouse(1, 0).sit(t)
	d.size(40, 15)
	d.wants("State", "waiting until", "Workspace")
	d.press("enter")
	d.wants("State", "waiting until")
	d.press("esc")
	d.size(60, 20)
	d.wants("vault:secret/astro/etl/ASTRO_API_TOKEN")
}

// A check says first what came of it.
func TestVerdict(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		wrong, untold int
		says, plain   string
	}{
		{0, 0, "✓ Everything is as astro-ci wrote it", "+ Everything"},
		{1, 1, "✗ 1 thing needs you", "X 1 thing"},
		{2, 0, "✗ 2 things need you", "X 2 things"},
		{0, 1, "! Nothing is known to be wrong, but of 1 thing it cannot be told", "! Nothing"},
	} {
		x := newHouse(1, 0)
		x.wrong, x.untold = c.wrong, c.untold
		d := x.sit(t)
		d.press("v")
		d.wants(c.says, "esc back")
		d.m.th = newTheme(true, true)
		d.wants(c.plain)
	}
}

// A command that is longer than a line is still one command when it is copied from the screen.
func TestCommandsStayWhole(t *testing.T) {
	t.Parallel()
	const long = `cd '/home/ada/it'\''s here' && git add .github/workflows/astro.yml && git commit -m 'Deploy to Astro from  GitHub Actions' -m "it's so"`
	for w := 45; w < 120; w++ {
		lines := command(long, w)
		for i, l := range lines {
			if ansi.StringWidth(l) > w || i < len(lines)-1 && !strings.HasSuffix(l, ` \`) {
				t.Fatalf("%d: %q", w, lines)
			}
		}
		if got := strings.ReplaceAll(strings.Join(lines, "\n"), " \\\n", " "); got != long {
			t.Fatalf("%d: %q", w, got)
		}
	}
	if lines := command(long, len(long)); len(lines) != 1 {
		t.Errorf("it fits and is broken: %q", lines)
	}
	d := onReview(t, newWorld())
	d.press("y", "enter")
	d.wants("git add .github/workflows/astro-etl-prod.yml && git commit -m 'Deploy to Astro from GitHub Actions'")
}

// What is recommended is said once, and why only beside it.
func TestRecommendedIsSaidOnce(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("enter")
	d.wantAt("credential")
	for i := range 3 {
		if n := strings.Count(d.text(), "ecommended"); n != 1 {
			t.Errorf("at choice %d it is said %d times:\n%s", i, n, d.text())
		}
		d.press("down")
	}
}

// An answer whose label does not tell it is told in words of its own.
func TestSaysOfAnAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld()
	all := w.steps()
	all[6].Says = func(p setup.Plan, _ flow.Choice) display.Text { return clean("%d days", p.Credential.ExpiresInDays) }
	d := sit(t, w)
	w.walk = flow.NewWalk(setup.Plan{}, all, nil)
	d.press("enter")
	d.toReview()
	d.wants(fmt.Sprintf("7 Expiry%8s90 days", ""))
}
