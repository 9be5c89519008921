package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// outcome is what became of one setup.
type outcome struct {
	Setup     string     `json:"setup"`
	State     string     `json:"state"` // done, waiting, failed, aborted, not due
	Token     string     `json:"token,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Until     *time.Time `json:"until,omitempty"` // of waiting
	Why       string     `json:"why,omitempty"`
	Error     string     `json:"error,omitempty"`
	Resume    string     `json:"resume,omitempty"` // the command that goes on
	Targets   []written  `json:"targets,omitempty"`
	err       error
}

// outcomes prints what became of the setups; something that remains is no success.
func (a *app) outcomes(out []outcome) error {
	var failed error
	remains := false
	for _, o := range out {
		failed = errors.Join(failed, o.err)
		remains = remains || o.Resume != ""
	}
	if a.json != "" {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		if err := e.Encode(append([]outcome{}, out...)); err != nil {
			return err
		}
	} else {
		for _, o := range out {
			a.outcome(o)
		}
	}
	switch {
	case failed != nil:
		left := false // by Ctrl-C or a signal, which is said once
		for _, o := range out {
			if gone := errors.Is(o.err, context.Canceled); o.err != nil && (!gone || !left) {
				report.Error(a.err, o.err)
				left = left || gone
			}
		}
		if remains && !errors.Is(failed, context.Canceled) {
			failed = partError{failed}
		}
		return errors.Join(errShown, failed)
	case remains:
		return errors.Join(errShown, partError{errors.New("it is not finished")})
	}
	return nil
}

func (a *app) outcome(o outcome) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format+"\n", args...) }
	switch o.State {
	case "done":
		end := ""
		if o.ExpiresAt != nil {
			end = ", until " + display.Day(*o.ExpiresAt)
		}
		say("%s is done: every target holds the token %s%s, and it is the only one.", o.Setup, o.Token, end)
	case "waiting":
		say("%s: %s.", o.Setup, o.Why)
	case "aborted":
		say("%s is taken back; nothing of it is left.", o.Setup)
	case "not due":
		say("%s is not due: %s.", o.Setup, o.Why)
	case "failed":
		say("%s is not finished.", o.Setup)
	}
	if o.Resume != "" {
		say("Go on with: %s", o.Resume)
	}
}
