package ui

import (
	"fmt"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
)

// needsYou is said of a setup that a person has to look at.
const needsYou = "needs you"

// State is the health in words that need no sign beside them: "needs you: its token is gone".
func (s Setup) State() string {
	if s.Health == Bad {
		return needsYou + ": " + s.Says.String()
	}
	return s.Says.String()
}

// Facts are all that is known of a setup.
func (s Setup) Facts(now time.Time) []Fact {
	used := "by no run yet"
	if !s.Used.IsZero() {
		used = Ago(s.Used, now) + ", at " + s.Used.Local().Format("15:04 on 2006-01-02")
	}
	out := []Fact{{"State", display.Clean(s.State())}, {"Workspace", s.Workspace}, {"Credential", s.Credential}, {"Life", display.Clean(s.Life(now))}, {"Last used", display.Clean(used)}}
	name := "Targets"
	for _, t := range s.Targets {
		out = append(out, Fact{name, display.Clean(t)})
		name = ""
	}
	return out
}

// Life says how much of the token's life is left, and when it ends: "90 days left, until 2027-01-22".
func (s Setup) Life(now time.Time) string {
	if s.Ends.IsZero() {
		return s.Left(now)
	}
	return s.Remaining(now) + ", until " + display.Day(s.Ends)
}

// Remaining is Left as a part of a sentence: "90 days left".
func (s Setup) Remaining(now time.Time) string {
	left := s.Left(now)
	if left == expired || left == gone || left == none {
		return left
	}
	return left + " left"
}

const expired, gone, none = "expired", "gone", "none yet"

// Left says how much of the token's life is left: "90 days".
func (s Setup) Left(now time.Time) string {
	d := s.Ends.Sub(now)
	switch {
	case s.Made.IsZero() && s.Health == Busy:
		return none
	case s.Made.IsZero():
		return gone
	case s.Ends.IsZero():
		return "no end"
	case d <= 0:
		return expired
	case d < time.Hour:
		return Count(max(1, int(d.Minutes())), "minute")
	case d < 48*time.Hour:
		return Count(int(d.Hours()), "hour")
	}
	return Count(int(d.Round(24*time.Hour).Hours()/24), "day")
}

// LastUsed says when the token of a setup was last used by a run.
func LastUsed(at time.Time) string {
	if at.IsZero() {
		return "used by no run yet"
	}
	return "last used " + display.Minute(at)
}

// Ago says how long ago something was: "2 hours ago", or "never".
func Ago(at, now time.Time) string {
	d := now.Sub(at)
	switch {
	case at.IsZero():
		return "never"
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return Count(int(d.Minutes()), "minute") + " ago"
	case d < 48*time.Hour:
		return Count(int(d.Hours()), "hour") + " ago"
	}
	return Count(int(d.Hours()/24), "day") + " ago"
}

// Count is a number of things: "1 setup", "2 setups".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
