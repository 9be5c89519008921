package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

var update = flag.Bool("update", false, "write the golden files anew")

// scenes are all screens, each in the state that people see first.
func scenes(t *testing.T, show func(d *desk, name string)) {
	d := sit(t, newWorld())
	show(d, "start")
	d.press("enter")
	show(d, "question")
	d.press("?")
	show(d, "help")
	d.press("esc", "enter")
	show(d, "question-recommended")

	w := newWorld()
	w.workspaces = 40
	d = begin(t, w)
	d.press("enter", "enter", "/")
	d.write("team 1")
	show(d, "filter")
	d.press("enter", "enter")
	show(d, "question-remark")
	d.press("enter")
	show(d, "input")
	d.press("backspace", "backspace", "enter")
	show(d, "input-invalid")

	w = broken("secret:put")
	d = onReview(t, w)
	show(d, "review")
	d.press("up")
	show(d, "review-answer")
	d.press("d")
	show(d, "review-change")
	w.gate = func(key string) {
		if key == "secret:put" {
			show(d, "progress")
		}
	}
	d.press("esc", "y", "enter")
	show(d, "failed")
	w.gate = nil
	d.press("down", "enter")
	show(d, "undone")

	w = newWorld()
	w.loadErr["workspace"] = broken("x").failing["x"]
	d = begin(t, w)
	d.press("enter", "enter")
	show(d, "error")

	d = onReview(t, mayNot())
	show(d, "denied")
	d.press("h")
	show(d, "handed-over")

	d = onReview(t, newWorld())
	d.press("y", "enter")
	show(d, "done")
	turns(t, show)
	homes(t, show)
	ends(t, show)
}

func TestGolden(t *testing.T) {
	t.Parallel()
	for _, size := range [][2]int{{40, 15}, {80, 24}, {120, 34}} {
		scenes(t, func(d *desk, name string) {
			w, h := d.m.w, d.m.h
			d.size(size[0], size[1])
			defer d.size(w, h)
			d.still()
			compare(t, fmt.Sprintf("%s-%d.txt", name, size[0]), d.text()+"\n")
		})
	}
}

func compare(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it, then run with -update:\n%s\nwant:\n%s", name, got, want)
	}
}

// Every screen fits every window: no line is wider, none is too many.
func TestEverySizeFits(t *testing.T) {
	t.Parallel()
	scenes(t, func(d *desk, name string) {
		w0, h0 := d.m.w, d.m.h
		defer d.size(w0, h0)
		for _, w := range []int{1, 7, 20, 40, 71, 72, 80, 136, 500} {
			for _, h := range []int{1, 3, 5, 9, 20, 200} {
				d.size(w, h)
				lines := strings.Split(d.text(), "\n")
				if len(lines) > h {
					t.Errorf("%s at %dx%d: %d lines", name, w, h, len(lines))
				}
				for _, l := range lines {
					if ansi.StringWidth(l) > w {
						t.Errorf("%s at %dx%d: a line of %d cells: %q", name, w, h, ansi.StringWidth(l), l)
					}
				}
			}
		}
	})
}

// A screen says the same in every colour, and without any; the colours of light and dark terminals differ.
func TestColours(t *testing.T) {
	t.Parallel()
	check := func(d *desk, name string) {
		text, dark := d.text(), d.m.draw()
		d.m.dark, d.m.th = false, newTheme(false, false)
		d.size(d.m.w, d.m.h)
		light := d.m.draw()
		d.m.dark, d.m.th = true, newTheme(true, false)
		d.size(d.m.w, d.m.h)
		if light == dark || ansi.Strip(light) != text {
			t.Errorf("%s: a light terminal shows:\n%s", name, light)
		}
		var plain strings.Builder
		w := colorprofile.Writer{Forward: &plain, Profile: colorprofile.ASCII}
		if _, err := w.WriteString(dark); err != nil {
			t.Fatal(err)
		}
		if colour.MatchString(plain.String()) || !colour.MatchString(dark) || ansi.Strip(plain.String()) != text {
			t.Errorf("%s: NO_COLOR shows:\n%q", name, plain.String())
		}
	}
	scenes(t, check)
}

// colour is a sequence that sets one.
var colour = regexp.MustCompile(`\x1b\[[0-9;:]*\b[345][0-9][;:m]`)

// Without Unicode no screen shows anything but ASCII.
func TestASCII(t *testing.T) {
	t.Parallel()
	scenes(t, func(d *desk, name string) {
		d.m.ascii = true
		d.m.th = newTheme(true, true)
		d.size(d.m.w, d.m.h)
		for _, r := range d.text() {
			if r > 0x7e || r < ' ' && r != '\n' {
				t.Errorf("%s shows %q:\n%s", name, r, d.text())
				return
			}
		}
		d.m.ascii = false
		d.m.th = newTheme(true, false)
		d.size(d.m.w, d.m.h)
	})
}
