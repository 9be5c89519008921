package tui

import (
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// calendar draws a life that begins now: until it is due for renewal, until its end, and the dates. Nothing
// where there is no room for them.
func (t theme) calendar(now time.Time, life time.Duration, w int) []string {
	const narrowest, widest = 33, 60
	if w < narrowest {
		return nil
	}
	w = min(w, widest)
	due := w * 2 / 3
	date := func(after time.Duration) string { return display.Day(now.Add(after)) }
	ends := func(left, right string, at int) string {
		at = min(at, w-ansi.StringWidth(right))
		if at < ansi.StringWidth(left)+gap {
			left = ""
		}
		return t.dim.Render(t.pad(left, at) + right)
	}
	// The sign at the end of these words stands above the place where the bar changes.
	renew := "renew from " + date(setup.Due(life)) + " " + t.g.below
	return []string{
		ends("today", renew, due+1-ansi.StringWidth(renew)),
		t.accent.Render(strings.Repeat(t.g.full, due)) + t.warn.Render(strings.Repeat(t.g.gone, w-due)),
		ends(date(0), "ends "+date(life), w),
	}
}
