package rotation

import (
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// DueAt is when the token is to be replaced, to the second.
func DueAt(t astro.Token) time.Time {
	if t.EndAt.IsZero() {
		return t.CreatedAt
	}
	return t.CreatedAt.Add(setup.Due(t.EndAt.Sub(t.CreatedAt))).Truncate(time.Second)
}

// Due says in words whether a token is to be replaced.
func Due(t astro.Token, now time.Time) (words string, due bool) {
	switch {
	case t.ID == "":
		return "its token is gone", true
	case t.EndAt.IsZero():
		return "its token never expires", true
	case t.Expired(now):
		return "its token expired on " + display.Day(t.EndAt), true
	case !now.Before(DueAt(t)):
		return "two thirds of its life are over; it ends on " + display.Day(t.EndAt), true
	}
	return "due on " + display.Day(DueAt(t)) + ", ends on " + display.Day(t.EndAt), false
}
