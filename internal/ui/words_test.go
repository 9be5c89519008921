package ui_test

import (
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/ui"
)

func TestLeft(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	lives := func(d time.Duration) ui.Setup { return ui.Setup{Made: now, Ends: now.Add(d)} }
	for _, x := range []struct {
		setup ui.Setup
		want  string
	}{
		{lives(90 * 24 * time.Hour), "90 days left"},
		{lives(48 * time.Hour), "2 days left"},
		{lives(47*time.Hour + 59*time.Minute), "47 hours left"},
		{lives(time.Hour), "1 hour left"},
		{lives(59 * time.Minute), "59 minutes left"},
		{lives(time.Second), "1 minute left"},
		{lives(0), "expired"},
		{ui.Setup{Made: now}, "no end left"},
		{ui.Setup{}, "gone"},
		{ui.Setup{Health: ui.Busy}, "none yet"},
	} {
		if got := x.setup.Remaining(now); got != x.want {
			t.Errorf("%+v: %q, want %q", x.setup, got, x.want)
		}
	}
}
