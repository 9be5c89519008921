package rotation

import (
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
)

// DueAt is when two thirds of the token's life are over, to the second; that is when it is to be replaced.
func DueAt(t astro.Token) time.Time {
	if t.EndAt.IsZero() {
		return t.CreatedAt
	}
	return t.CreatedAt.Add(t.EndAt.Sub(t.CreatedAt) / 3 * 2).Truncate(time.Second)
}

// Due says in words whether a token is to be replaced.
func Due(t astro.Token, now time.Time) (words string, due bool) {
	switch {
	case t.ID == "":
		return "its token is gone", true
	case t.EndAt.IsZero():
		return "its token never expires", true
	case t.Expired(now):
		return "its token expired on " + t.EndAt.Format(time.DateOnly), true
	case !now.Before(DueAt(t)):
		return "two thirds of its life are over; it ends on " + t.EndAt.Format(time.DateOnly), true
	}
	return "due on " + DueAt(t).Format(time.DateOnly) + ", ends on " + t.EndAt.Format(time.DateOnly), false
}
