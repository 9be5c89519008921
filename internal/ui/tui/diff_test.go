package tui

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
)

// Colours change no sign of a line, and none is wider than its room.
func FuzzSyntax(f *testing.F) {
	f.Add("  - run: echo \"$A\" # a ${{ secrets.B }} c", 12)
	f.Add("key: 'v' // x", 3)
	f.Add("工作区: 👩‍🚀 # é", 5)
	th := newTheme(true, false)
	f.Fuzz(func(t *testing.T, line string, w int) {
		line = "+" + display.Clean(line).String()
		if w < 2 || w > 300 {
			return
		}
		var got strings.Builder
		for _, l := range th.added(line, w) {
			if ansi.StringWidth(l) > w {
				t.Errorf("%q is wider than %d", l, w)
			}
			got.WriteString(ansi.Strip(l))
		}
		if want := strings.ReplaceAll(ansi.Hardwrap(line, w, true), "\n", ""); got.String() != want {
			t.Errorf("%q became %q", want, got.String())
		}
	})
}

// What stands out of a line has a style of its own.
func TestSyntax(t *testing.T) {
	t.Parallel()
	th := newTheme(true, false)
	for line, parts := range map[string][]string{
		"+  name: deploy # now":        {th.accent.Render("  name: "), th.dim.Render(" # now")},
		"+  TOKEN: ${{ secrets.A }}":   {th.accent.Render("  TOKEN: "), th.warn.Render("${{ secrets.A }}")},
		"+export A=\"$B\" // not YAML": {th.warn.Render("$B"), th.dim.Render(" // not YAML")},
	} {
		got := strings.Join(th.added(line, 80), "\n")
		for _, p := range parts {
			if !strings.Contains(got, p) {
				t.Errorf("%q lacks %q", got, p)
			}
		}
	}
}

// The terminal's own bar goes forward only, and says when a run failed.
func TestBar(t *testing.T) {
	t.Parallel()
	w := broken("secret:put")
	d := onReview(t, w)
	last := -1
	w.gate = func(key string) {
		b := d.m.View().ProgressBar
		if b == nil || b.Value < last || b.Value > 99 {
			t.Errorf("at %s: %+v after %d", key, b, last)
			return
		}
		last = b.Value
	}
	if d.m.View().ProgressBar != nil {
		t.Error("there is a bar before anything is done")
	}
	d.press("y", "enter")
	if last < 1 {
		t.Errorf("the bar ended at %d", last)
	}
	if d.m.View().ProgressBar != nil {
		t.Error("the bar stays when nothing is done any more")
	}
}
