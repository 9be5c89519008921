package providers

import (
	"context"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Phase is how far a run is.
type Phase string

// The phases of a run.
const (
	RunQueued  Phase = "queued"
	RunWaiting Phase = "waiting" // for a person
	Running    Phase = "running"
	RunPassed  Phase = "passed"
	RunFailed  Phase = "failed" // or was cancelled
)

// Over reports whether the run has ended.
func (p Phase) Over() bool { return p == RunPassed || p == RunFailed }

// RunRef is one run that was started.
type RunRef struct {
	ID   string
	Link string // where a person sees it
}

// RunState is what a platform says about a run.
type RunState struct {
	Phase Phase
	Says  display.Text // the platform's own word, or what is waited for; may be empty
}

// Runner starts runs of a pipeline file and tells how they go. The file has to be on the branch, and has
// to allow to be started by hand.
type Runner interface {
	// Start starts a run. It is never tried twice: two runs would be two deploys.
	Start(ctx context.Context, r setup.Repository, file, branch string) (RunRef, error)
	Look(ctx context.Context, r setup.Repository, id string) (RunState, error)
	// Failure is the step that failed, and the last lines that its job printed.
	Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error)
}

// Pause waits; an end of the context ends it.
func Pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// colours are the escape sequences by which a terminal is coloured.
var colours = pattern.New(`\x1b\[[0-9;]*[A-Za-z]`)

// Tail is the end of a log: as many of its last lines, without colours.
func Tail(log string, lines int) (last []display.Text) {
	log = strings.TrimRight(colours.ReplaceAllString(log, ""), "\r\n")
	if log == "" {
		return nil
	}
	all := strings.Split(log, "\n")
	for _, l := range all[max(0, len(all)-lines):] {
		last = append(last, display.Clean(l))
	}
	return last
}
