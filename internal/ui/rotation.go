package ui

import (
	"context"
	"iter"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
)

// Health is the state of a setup's credential, from "nothing to do" upwards.
type Health int

// The states.
const (
	Fine Health = iota
	Busy        // something was begun and is not finished
	Due         // the token should be replaced
	Bad         // a person has to look at it
)

// Setup is a setup as a list shows it.
type Setup struct {
	Name       string
	Workspace  display.Text
	Credential display.Text
	Made, Ends time.Time // of the token; a zero end never comes, unless Made is zero too: then nothing is known
	Used       time.Time // last; zero: never
	Targets    []string
	Health     Health
	Says       display.Text // the health in words: "due on 2027-01-22"
	// Begun says that something was begun on it and is not finished; TakeBack is the command that takes that
	// back, "" when it can only go on.
	Begun    bool
	TakeBack string
}

// Rotation leads through the replacement of tokens: a setup is picked, its plan is shown and
// confirmed, then it is carried out.
type Rotation struct {
	Title   string // "Replace a token"
	Sandbox bool
	None    string // what is said when there is nothing to do: "Nothing is unfinished."
	// Find lists the setups for which it can be done, the most urgent first. It may take seconds.
	Find func(context.Context) ([]Setup, error)
	// Plan prepares what the person confirms, by the name of the setup. It may take seconds.
	Plan func(context.Context, string) (*Replacement, error)
}

// Replacement is the rotation of one setup.
type Replacement struct {
	Setup Setup
	// Begun says that it was confirmed before: it goes on.
	Begun bool
	// First says that it is a set-up that was broken off: there is no old token.
	First bool
	// Leaked says that the old token dies first. The outage is accepted by typing the setup's name.
	Leaked bool
	Facts  []Fact // what is replaced, by what, where; a fact without a name belongs to the one before
	// Course lists the acts to come, and those that are done.
	Course []engine.Event
	GiveUp []string // targets that the person asked to give up before it goes on
	// Go carries it out as far as it goes now; an event's key says which act it is about.
	Go func(context.Context) iter.Seq[engine.Event]
	// Halt says why Go has ended.
	Halt func() Halt
	// Used asks when the old token was last used; zero is never.
	Used func(context.Context) (time.Time, error)
	// Forget gives a target up: what it holds will stop working.
	Forget func(ctx context.Context, target string) error
	// Resume is the command that goes on with it once it was begun.
	Resume string
}

// Ended says what a replacement that is over came to.
func (p Replacement) Ended(h Halt) string {
	if h.TakenBack {
		return p.it() + " of " + p.Setup.Name + " is taken back; nothing of it is left"
	}
	return "Every target holds the new token, and it is the only one"
}

// Afterwards says what is left to the person when it is over.
func (p Replacement) Afterwards(h Halt) string {
	switch {
	case h.TakenBack:
		return "There is nothing left to do here."
	case p.First:
		return "Commit and push the files of the setup, where that was not done."
	}
	return "There is nothing left to do: the pipelines take the new token by themselves."
}

// Without says what becomes of a replacement, one of whose targets is given up.
func (p Replacement) Without() string {
	return p.it() + " then goes on without it; with no target left, it is taken back."
}

func (p Replacement) it() string {
	if p.First {
		return "The set-up"
	}
	return "The rotation"
}

// Halt says why a rotation does not go on by itself: it waits, it failed, or it is done.
type Halt struct {
	Says  string    // of waiting: what for
	Why   string    // of waiting: what that means
	InUse bool      // the old token is still being used, although every target has the new one
	Since time.Time // when the waiting began
	Until time.Time // when it goes on; zero: it does not wait
	Err   error     // what failed
	Stuck []string  // the targets that may hold an old token, and can be given up
	Facts []Fact    // of done: what exists now
	// TakenBack, of done: no target was left, and nothing of the operation is.
	TakenBack bool
	// Resume is the command that goes on later, "" when there is nothing to go on with; Status the one that
	// says what is left.
	Resume, Status string
}

// Waits reports whether it goes on by itself after a time.
func (h Halt) Waits() bool { return !h.Until.IsZero() }

// Acts are the acts of a run as its events tell them: an act that is done again takes the place of its
// last time, and one that was not foreseen comes before those that are still to come.
type Acts []engine.Event

// Take learns of an event.
func (a Acts) Take(ev engine.Event) Acts {
	next := len(a)
	for i := range a {
		if a[i].Action.Key == ev.Action.Key {
			a[i] = ev
			return a
		}
		if a[i].State == engine.Planned {
			next = min(next, i)
		}
	}
	return append(a[:next:next], append(Acts{ev}, a[next:]...)...)
}
