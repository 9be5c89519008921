// Package apply compares the setups that astro-ci.yaml names with what there is, says what has to be done,
// and goes through many of them side by side. How one is looked at, and acted on, is the command line's matter.
package apply

import (
	"fmt"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Verdict is what has to be done with a setup.
type Verdict string

// The verdicts.
const (
	Create Verdict = "create" // there is no token yet
	Keep   Verdict = "keep"   // everything is as it should be
	Rotate Verdict = "rotate" // its token is due
	Change Verdict = "change" // it is there, and not what the file says
	Finish Verdict = "finish" // it was begun and is not finished
	Orphan Verdict = "orphan" // it belongs to this repository, and the file does not name it
	Wrong  Verdict = "wrong"  // the file says what cannot be done
)

// Have is what there is of a setup.
type Have struct {
	Journal rotation.State
	// Tokens are those on Astro that targets may hold, by the journal or by their marks, oldest first.
	Tokens []astro.Token
	// Unfinished says that a rotation elsewhere has left something over; Swept, that every target was seen
	// to hold the newest token, so that only the others are left to be deleted.
	Unfinished, Swept bool
	// Missing are targets that hold nothing.
	Missing []setup.Target
	// Files are paths of pipeline files that differ from what the setup would write.
	Files []string
}

// Decision is a verdict with its reasons.
type Decision struct {
	Verdict Verdict
	Why     []string // in words
	// Token says that a new token is needed; otherwise only files are written.
	Token bool
	// Notes are what a person should know; nothing is done about it.
	Notes []string
}

// Decide compares one setup with what there is of it.
func Decide(want setup.Plan, have Have, now time.Time) (d Decision) {
	if have.Journal.Active() {
		return Decision{Verdict: Finish, Why: []string{"it was begun and is not finished"}, Token: true}
	}
	live := slices.DeleteFunc(slices.Clone(have.Tokens), func(t astro.Token) bool { return t.Expired(now) })
	if len(live) == 0 {
		d = Decision{Verdict: Create, Why: []string{"there is no token"}, Token: true}
		if n := len(have.Tokens); n > 0 {
			d.Why = []string{"its token expired on " + display.Day(have.Tokens[n-1].EndAt)}
		}
		return d
	}
	d.Why = differences(want, live[len(live)-1])
	for _, t := range have.Missing {
		d.Why = append(d.Why, "there is no secret "+t.String())
	}
	if known := have.Journal.Setup(); have.Journal.Last != "" {
		for _, t := range without(want.Targets, known.Targets) {
			d.Why = append(d.Why, t.String()+" does not hold it yet")
		}
		for _, t := range without(known.Targets, want.Targets) {
			d.Notes = append(d.Notes, "it is in "+t.String()+" as well, which the file does not name; astro-ci targets remove "+want.Name+" "+t.String())
		}
	}
	if len(d.Why) > 0 {
		d.Verdict, d.Token = Change, true
		return d
	}
	newest := live[len(live)-1]
	words, due := rotation.Due(newest, now)
	switch {
	case have.Unfinished && have.Swept && !due:
		return Decision{Verdict: Finish, Why: []string{"a rotation was begun elsewhere and is not finished"}, Token: true, Notes: d.Notes}
	case have.Unfinished:
		return Decision{Verdict: Rotate, Why: []string{"a rotation elsewhere was broken off"}, Token: true, Notes: d.Notes}
	case due:
		return Decision{Verdict: Rotate, Why: []string{words}, Token: true, Notes: d.Notes}
	case len(have.Files) == 0:
		d.Verdict, d.Why = Keep, []string{words}
		return d
	}
	d.Verdict = Change
	for _, f := range have.Files {
		d.Why = append(d.Why, "the file "+f+" is not as it should be")
	}
	return d
}

// differences says where a token is not what the setup asks for.
func differences(want setup.Plan, t astro.Token) (out []string) {
	on, c := t.On(), want.Credential
	switch {
	case t.Scope != c.Kind.Scope():
		kind, _ := setup.KindOf(t.Scope)
		out = append(out, fmt.Sprintf("it is a %s, not a %s", kind, c.Kind))
	case on.EntityID != "" && on.EntityID != want.Entity().ID:
		out = append(out, "its token is for "+on.EntityID+", not for "+want.Entity().String())
	case on.Role != c.Role:
		out = append(out, "its role is "+on.Role+", not "+c.Role)
	}
	if t.Days != c.ExpiresInDays {
		out = append(out, fmt.Sprintf("it lives %d days, not %d", t.Days, c.ExpiresInDays))
	}
	return out
}

// without are the targets of a that b does not have.
func without(a, b []setup.Target) (out []setup.Target) {
	for _, t := range a {
		if !slices.ContainsFunc(b, func(o setup.Target) bool { return o.String() == t.String() }) {
			out = append(out, t)
		}
	}
	return out
}
