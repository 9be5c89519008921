// Package report prints results and errors as text or JSON. It uses no colour and no escape codes:
// what it prints can be piped, logged and read aloud. Errors keep one order everywhere: what failed,
// what to do, where to read, and the technical cause last.
package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// A write that fails is not reported: there is nowhere left to say it.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// Progress prints one line when an action ends.
func Progress(w io.Writer, ev engine.Event) {
	if ev.State != engine.Started {
		say(w, "%s: %s", inWords(ev.State), Ended(ev))
	}
}

// Ended is an action that ended, what came out and how long it took, on one line.
func Ended(ev engine.Event) string {
	out := ev.Action.Say
	if ev.Undo && ev.Action.UndoSays != "" {
		out = ev.Action.UndoSays
	}
	if ev.Detail != "" {
		out += ", " + oneLine(ev.Detail)
	}
	if took := ev.Took.Round(100 * time.Millisecond); took > 0 {
		out += fmt.Sprintf(", %.1f s", took.Seconds())
	}
	return out
}

func inWords(s engine.State) string {
	if s == engine.Undone {
		return "taken back"
	}
	return string(s)
}

// Preview prints what a run would do.
func Preview(w io.Writer, r ui.Review) {
	say(w, "This would be done, in this order:")
	for i, a := range r.Actions {
		say(w, "%3d. %s", i+1, a.Say)
	}
	if len(r.Warnings) > 0 {
		say(w, "")
	}
	for _, n := range r.Warnings {
		say(w, "note: %s", n)
	}
	for _, c := range r.Changes {
		say(w, "\n%s: %s", c.Path, c.Summary())
		if d := c.Diff(); d != "" {
			say(ui.Verbatim(w), "\n%s", strings.TrimRight(d, "\n"))
		}
	}
	say(w, "\nNothing was touched.")
}

// Result prints what was made and what is left to do.
func Result(w io.Writer, r *engine.Result, next []ui.NextStep) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	made(t, r)
	_ = t.Flush()
	if len(next) > 0 {
		say(w, "")
		Next(w, next)
	}
}

// Next prints what is left to the person.
func Next(w io.Writer, next []ui.NextStep) {
	if len(next) == 0 {
		return
	}
	say(w, "Next:")
	for i, n := range next {
		say(w, "%2d. %s", i+1, n.Say)
		for _, more := range []string{n.Command, n.Link} {
			if more != "" {
				say(w, "      %s", more)
			}
		}
	}
}

// made prints what was made, a line each.
func made(t io.Writer, r *engine.Result) {
	switch {
	case r.Plan.Job == setup.RemindOfEnd: // it has no credential
	case r.Token.ID != "":
		say(t, "Token:\t%s", tokenWords(r))
	default:
		say(t, "Credential:\t%s of %s", r.Plan.Credential.Kind, r.Plan.Entity())
	}
	for _, x := range r.Targets {
		say(t, "Secret:\t%s, %s", x.Target, InWords(x.Proof))
		if !x.Note.IsZero() {
			say(t, "\t%s", x.Note)
		}
	}
	for _, f := range r.Written() {
		file := "already as it should be"
		switch {
		case f.Request != "":
			file = "proposed in " + f.Request
		case f.Changed:
			file = "written"
		}
		say(t, "File:\t%s, %s", f.Path, file)
	}
	if x := r.Renewal; x != nil {
		say(t, "Schedule:\t%s, %s", x.Plan.Name, setup.Scheduled(x.Plan.Pipeline.Cron))
		made(t, x)
	}
}

// tokenWords describes the token; its value is never part of it.
func tokenWords(r *engine.Result) string {
	p := r.Plan
	out := fmt.Sprintf("%s, %s for %s, role %s", r.Token.ID, p.Credential.Kind, p.Entity(), p.Credential.Role)
	if !r.Token.EndAt.IsZero() {
		out += ", until " + display.Day(r.Token.EndAt)
	}
	return out
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

// Exists lists what a run that did not finish left in the world, one line each. events are the
// actions with their present states; those whose outcome is not clear are named as such.
func Exists(r *engine.Result, events []engine.Event) (out []string) {
	out = exists(r)
	if r.Renewal != nil {
		out = append(out, exists(r.Renewal)...)
	}
	for _, ev := range events {
		if ev.Action.Undo != nil && (ev.State == engine.Failed || ev.State == engine.Started) && (ev.Action.Stands == nil || ev.Action.Stands()) {
			out = append(out, "not certain whether it took effect: "+ev.Action.Say)
		}
	}
	return out
}

func exists(r *engine.Result) (out []string) {
	if tokenStands(r) {
		out = append(out, "token "+tokenWords(r))
	}
	for _, t := range r.Targets {
		if t.State == engine.Done {
			out = append(out, "secret "+t.Target.String())
		}
	}
	for _, f := range r.Written() {
		if f.Changed {
			out = append(out, "file "+f.Path)
		}
	}
	return out
}

// stored reports whether some target holds the token.
func stored(r *engine.Result) bool {
	return slices.ContainsFunc(r.Targets, func(t engine.TargetResult) bool { return t.State == engine.Done })
}

func tokenStands(r *engine.Result) bool { return r.Token.ID != "" && !r.TokenRevoked }

// Standing prints what Exists lists.
func Standing(w io.Writer, r ui.Review) {
	all := Exists(r.Result, r.Run.Actions())
	if len(all) == 0 {
		say(w, "Nothing of this run is left behind.")
		return
	}
	say(w, "What exists now:")
	for _, line := range all {
		say(w, "  - %s", line)
	}
}

// Failure prints why a run failed, what exists now, how to go on, and how to delete the token by hand.
func Failure(w io.Writer, r ui.Review, err error) {
	Error(w, err)
	Standing(w, r)
	if command := r.GoesOn(); command != "" {
		say(w, "Go on with: %s", command)
	}
	if tokenStands(r.Result) && !stored(r.Result) {
		say(w, "The token's value is gone with this run. If no pipeline uses it, delete it with:")
		say(w, "  %s", deleteCommand(r.Result))
	}
}

// deleteCommand is how the astro CLI deletes the token. All its parts are ids.
func deleteCommand(r *engine.Result) string {
	p := r.Plan
	switch p.Credential.Kind {
	case setup.DeploymentToken:
		return "astro deployment token delete " + r.Token.ID + " --deployment-id " + p.Deployment.ID
	case setup.WorkspaceToken:
		return "astro workspace token delete " + r.Token.ID + " --workspace-id " + p.Workspace.ID
	case setup.OrganizationToken, setup.DeploymentKey:
	}
	return "astro organization token delete " + r.Token.ID
}
