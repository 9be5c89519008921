package ui

import (
	"context"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Overview is what there is: the setups, and what could have one.
type Overview struct {
	Setups []Setup
	// Without are the Workspaces that no pipeline has a credential for.
	Without []setup.Ref
}

// Home is the overview, and what can be done from it. An action that is nil is not offered.
type Home struct {
	Title   string
	Sandbox bool
	// Find looks at everything. It may take seconds.
	Find func(context.Context) (Overview, error)
	// Rotation replaces the token of one setup.
	Rotation func(name string) Rotation
	// Verify asks Astro and the stores about one setup, and says what it found.
	Verify func(ctx context.Context, name string) (Verified, error)
	// Removal takes one setup back.
	Removal func(name string) Removal
	// These begin when the overview has closed: a set-up, for each of these Workspaces or for none in
	// particular; the same setup for another Workspace.
	SetUp func(ctx context.Context, workspaces []setup.Ref) error
	Again func(ctx context.Context, name string) error
}

// Verified is what Astro and the stores say of a setup.
type Verified struct {
	Facts  []Fact
	Wrong  int // how many things need somebody
	Untold int // and of how many it cannot be told
}

// Verdict sums it up, with the sign that it has.
func (v Verified) Verdict() (Health, string) {
	switch {
	case v.Wrong == 1:
		return Bad, "1 thing " + needsYou
	case v.Wrong > 1:
		return Bad, fmt.Sprintf("%d things need you", v.Wrong)
	case v.Untold > 0:
		return Due, "Nothing is known to be wrong, but of " + Count(v.Untold, "thing") + " it cannot be told"
	}
	return Fine, "Everything is as astro-ci wrote it"
}

// What is said while something is looked at.
const (
	Looking = "Looking at the setups, the tokens and the Workspaces"
	Asking  = "Asking Astro and the stores about " // a setup
	Answer  = "What Astro and the stores say of "  // a setup
)

// Need is how many setups need somebody, of one kind.
type Need struct {
	Health Health
	Says   string // "2 need you"
}

// Needs are those of the setups, the gravest first.
func (o Overview) Needs() (out []Need) {
	for _, x := range []struct {
		of        Health
		one, many string
	}{{Bad, needsYou, "need you"}, {Due, "due", "due"}, {Busy, "unfinished", "unfinished"}} {
		n, says := 0, x.many
		for _, s := range o.Setups {
			if s.Health == x.of {
				n++
			}
		}
		if n == 1 {
			says = x.one
		}
		if n > 0 {
			out = append(out, Need{x.of, fmt.Sprintf("%d %s", n, says)})
		}
	}
	return out
}

// Action is something that can be done with a setup. Just one of Rotation, Verify, Removal and After is set.
type Action struct {
	Key, Does string // "r", "rotate"
	Note      string // "a new token, without a broken run"
	Not       string // why it cannot be done now, and what to do first; "": it can be
	Rotation  func() Rotation
	Removal   func() Removal
	Verify    func(context.Context) (Verified, error)
	After     func(context.Context) error // begins when the overview has closed
}

// Title is what it does, as the beginning of a line.
func (a Action) Title() string { return strings.ToUpper(a.Does[:1]) + a.Does[1:] }

// Actions are what can be done with a setup.
func (h Home) Actions(s Setup) (out []Action) {
	after := func(f func(context.Context, string) error) func(context.Context) error {
		return func(ctx context.Context) error { return f(ctx, s.Name) }
	}
	if h.Rotation != nil {
		a := Action{Key: "r", Does: "rotate", Note: "a new token, without a broken run", Rotation: func() Rotation { return h.Rotation(s.Name) }}
		if s.Begun || s.Health == Busy {
			a.Does, a.Note = "resume", "go on with what was begun"
		}
		out = append(out, a)
	}
	if h.Verify != nil {
		out = append(out, Action{Key: "v", Does: "verify", Note: "ask Astro and the stores", Verify: func(ctx context.Context) (Verified, error) { return h.Verify(ctx, s.Name) }})
	}
	if h.Again != nil {
		out = append(out, s.later(Action{Key: "a", Does: "again", Note: "the same for another Workspace", After: after(h.Again)}, "repeated"))
	}
	if h.Removal != nil {
		out = append(out, s.later(Action{Key: "x", Does: "remove", Note: "the token, its secrets and its file", Removal: func() Removal { return h.Removal(s.Name) }}, "removed"))
	}
	return out
}

// later puts an action off while something that was begun on the setup is not finished.
func (s Setup) later(a Action, done string) Action {
	if !s.Begun {
		return a
	}
	a.Note = "not before it is resumed"
	a.Not = s.Name + " was begun and is not finished. Resume it first; then it can be " + done + "."
	if s.TakeBack != "" {
		a.Not += " To take it back instead: " + s.TakeBack
	}
	return a
}
