// Package report prints results and errors as text or JSON. It uses no colour and no escape codes:
// what it prints can be piped, logged and read aloud.
package report

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/ui"
)

func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// Error prints what failed, what to do, and where to read, in that order.
func Error(w io.Writer, err error) {
	var missing *flow.MissingError
	if errors.As(err, &missing) {
		missingAnswers(w, missing)
		return
	}
	for _, one := range split(err) {
		h := hint.Of(one)
		say(w, "error: %s", one)
		if h.Next != "" {
			say(w, "  what to do: %s", h.Next)
		}
		if h.Link != "" {
			say(w, "  read: %s", h.Link)
		}
	}
}

// split takes errors apart that were joined, so that each gets its own lines.
func split(err error) []error {
	if h := new(hint.Error); errors.As(err, &h) && error(h) == err {
		return []error{err}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok && !strings.Contains(fmt.Sprintf("%T", err), "fmt.") {
		var out []error
		for _, e := range joined.Unwrap() {
			out = append(out, split(e)...)
		}
		return out
	}
	return []error{err}
}

func missingAnswers(w io.Writer, m *flow.MissingError) {
	say(w, "error: %d answers are needed", len(m.Items))
	if len(m.Items) == 1 {
		say(w, "error: an answer is needed")
	}
	t := tabwriter.NewWriter(w, 0, 4, 3, ' ', 0)
	say(t, "  \tflag\tvariable\tkey in astro-ci.yaml")
	for _, i := range m.Items {
		say(t, "  %s\t--%s\t%s\t%s", i.Step.Name, i.Step.Flag, i.Step.Env, i.Step.ID)
	}
	_ = t.Flush()
	for _, i := range m.Items {
		if i.Problem != nil {
			h := hint.Of(i.Problem)
			say(w, "  %s. %s", i.Problem, h.Next)
			continue
		}
		var names []string
		for _, c := range i.Choices.Items {
			names = append(names, c.Value)
		}
		if len(names) > 0 && len(names) <= 8 {
			say(w, "  --%s is one of: %s", i.Step.Flag, strings.Join(names, ", "))
		}
	}
	say(w, "  what to do: give them, or leave --no-input away to be asked.")
}

// Progress prints one line when an action ends.
func Progress(w io.Writer, ev engine.Event) {
	if ev.State == engine.Started {
		return
	}
	what := ev.Action.Say
	if ev.State == engine.Undone {
		what = ev.Action.UndoSays
	}
	line := fmt.Sprintf("%-7s %s", ev.State, what)
	if ev.Detail != "" {
		line += " (" + ev.Detail + ")"
	}
	say(w, "%s", line)
}

// Preview prints what a run would do.
func Preview(w io.Writer, r ui.Review) {
	say(w, "This would be done, in this order:")
	for i, a := range r.Actions {
		say(w, "%3d. %s", i+1, a.Say)
	}
	for _, n := range r.Warnings {
		say(w, "note: %s", n)
	}
	say(w, "\n%s: %s", r.Change.Path, r.Change.Summary())
	if d := r.Change.Diff(); d != "" {
		say(w, "\n%s", strings.TrimRight(d, "\n"))
	}
	say(w, "\nNothing was touched.")
}

// Result prints what was made and what is left to do.
func Result(w io.Writer, r *engine.Result, next []ui.NextStep) {
	p := r.Plan
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	say(t, "Token\t%s for %s, %s", p.Credential.Kind, p.Entity(), r.Token.ID)
	say(t, "Role\t%s, until %s", p.Credential.Role, r.Token.EndAt.Format(time.DateOnly))
	for _, x := range r.Targets {
		say(t, "Secret\t%s, %s", x.Target, InWords(x.Proof))
	}
	changed := "already as it should be"
	if r.FileChanged {
		changed = "written"
	}
	say(t, "File\t%s, %s", r.File.Path, changed)
	_ = t.Flush()
	say(w, "\nNext:")
	for i, n := range next {
		say(w, "%2d. %s", i+1, n.Say)
		for _, more := range []string{n.Command, n.Link} {
			if more != "" {
				say(w, "      %s", more)
			}
		}
	}
}

// InWords says honestly how far a secret was proved.
func InWords(p providers.Proof) string {
	switch p {
	case providers.Written:
		return "written; the store accepted it"
	case providers.Metadata:
		return "written; the store's own record confirms the time"
	case providers.ReadBack:
		return "written, read again and equal"
	case providers.Run:
		return "written, and a run used it"
	}
	return "not written"
}

// Failure prints why a run failed, what stands now, and how to take it back.
func Failure(w io.Writer, r ui.Review, err error) {
	Error(w, err)
	left := r.Run.Left()
	if len(left) == 0 {
		say(w, "Nothing of this run is left behind.")
		return
	}
	say(w, "This may stand now:")
	for _, a := range left {
		say(w, "  - %s: to be taken back with: %s", a.Key, a.UndoSays)
	}
	if id := r.Result.Token.ID; id != "" && !r.Result.TokenRevoked {
		p := r.Result.Plan
		say(w, "The token is %s. Its value is gone with this run. Delete it with:", id)
		say(w, "  astro %s token delete %s", strings.ToLower(p.Credential.Kind.Scope()), id)
	}
}
