// Package ui holds what the two interactive front ends, the terminal wizard (tui) and the numbered
// prompts (line), have in common: the session that they lead a person through. Neither knows
// Astro or a platform; they know questions, a review, a run and its result.
package ui

import (
	"context"
	"errors"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Fact is something found before the first question: "Logged in to Astro as ada@example.com".
type Fact struct {
	Name  string       // "Astro"
	Value display.Text // "ada@example.com, from astro auth token"
}

// Session is one set-up, from the first question to the result.
type Session struct {
	Title string // "Set up a pipeline"
	Then  string // what comes when it is over: "next Workspace"; "" for nothing
	From  string // where it was begun, and leads back to: "overview"; "" for nowhere
	// Sandbox is set when no account is touched; every screen says so.
	Sandbox bool
	// Find looks for what can be found without asking (log-in, repository, platform). It is called
	// before the first question, again when the person wants to try again, and may take seconds.
	Find func(context.Context) ([]Fact, error)
	// Walk holds the questions. Find may be what makes it usable: read it only afterwards.
	Walk func() *flow.Walk
	// Review prepares what the person confirms. It may take seconds.
	Review func(context.Context, setup.Plan) (Review, error)
	// HandOver writes down what somebody with the rights has to do, and returns the paths of what it wrote. It
	// is offered when Review failed with a DeniedError; nil: never.
	HandOver func(context.Context, setup.Plan) ([]string, error)
}

// DeniedError is an error of Review after which somebody else can still do the set-up: who has the rights.
type DeniedError struct{ Err error }

func (e DeniedError) Error() string { return e.Err.Error() }
func (e DeniedError) Unwrap() error { return e.Err }

// Denied reports whether a session can hand over what failed with err.
func (s Session) Denied(err error) bool {
	_, ok := errors.AsType[DeniedError](err)
	return ok && s.HandOver != nil
}

// Review is shown before anything is created; its Run performs exactly its Actions.
type Review struct {
	Actions  []engine.Action
	Checked  []engine.Checked  // those of the actions that were done for the review
	Warnings []display.Text    // what a careful colleague would say
	Changes  []pipeline.Change // of the pipeline files
	Run      *engine.Run
	Result   *engine.Result
	// Next says what to do after the run succeeded: commit, push, open a pull request.
	Next func() []NextStep
	// Resume is the command that goes on with what a failed run left unfinished, "" when nothing is; nil is
	// the same.
	Resume func() string
	// Removes is the setup that a removal takes back, Facts what is known of it, and Stays what is not taken
	// back; "" and nothing for a set-up.
	Removes string
	Facts   []Fact
	Stays   []display.Text
}

// GoesOn is Resume, which may be nil.
func (r Review) GoesOn() string {
	if r.Resume == nil {
		return ""
	}
	return r.Resume()
}

// NextStep is one thing left to the person.
type NextStep struct {
	Say     string // "Commit the workflow file"
	Command string // what to type, or ""
	Link    string // where to click, or ""
}

// Outcome is how a session ended.
type Outcome struct {
	// Confirmed is false when the person left before anything was created.
	Confirmed bool
	// Review is the last one shown; its Result says what exists now. nil when there was none.
	Review *Review
	// Back says that the person goes on with what comes next or goes back to where the session was begun,
	// and has not left.
	Back bool
	// Err is the failure of the run that the person left standing, or nil.
	Err error
}
