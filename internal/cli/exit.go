package cli

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// The exit codes, decided here and nowhere else.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitMissing   = 3 // an answer is missing
	exitLogin     = 4 // not logged in, or not allowed
	exitPart      = 5 // done in part
	exitPerson    = 6 // something needs a person
	exitCancelled = 130
)

// usageError is wrong use of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// unansweredError says that nobody has said what only a person can say: a confirmation, or a choice.
type unansweredError struct{ error }

func (e unansweredError) Unwrap() error { return e.error }

// whichSetup says that nobody has said which setup is meant; all are those that there are. or is another way to say
// it, may be empty.
func whichSetup(all []string, or string) error {
	next := "Name one of them: " + display.Clean(strings.Join(all, ", ")).String() + "."
	if len(all) == 0 {
		next = "There is none here yet; astro-ci setup makes one."
	}
	return unansweredError{hint.New("it is not said which setup is meant", strings.TrimSpace(next+" "+or), "")}
}

const lookFirst = ", or look at it first with --dry-run."

// unconfirmed says that --yes is missing.
func unconfirmed(what string) error {
	return unansweredError{hint.New(what+" needs a confirmation", "Add --yes"+lookFirst, "")}
}

// partError says that a run failed and that something of it stands.
type partError struct{ error }

func (e partError) Unwrap() error { return e.error }

// errPerson says that a look found something that needs a person; the look itself went well.
var errPerson = errors.New("something needs a person")

func exitCode(err error) int {
	var usage usageError
	var part partError
	var missing *flow.MissingError
	var unanswered unansweredError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errPerson):
		return exitPerson
	case errors.As(err, &part):
		return exitPart
	case errors.Is(err, engine.ErrCancelled), errors.Is(err, context.Canceled):
		return exitCancelled
	case errors.As(err, &missing) && missing.Wrong(), errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &missing), errors.As(err, &unanswered), errors.Is(err, line.ErrEnded):
		return exitMissing
	case errors.Is(err, astro.ErrNoLogin), errors.Is(err, providers.ErrNoLogin):
		return exitLogin
	}
	switch httpx.Status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitLogin
	}
	return exitFailed
}
