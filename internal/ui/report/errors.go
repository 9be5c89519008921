package report

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
)

// lineLength is how many characters what failed and its cause may have to share a line.
const lineLength = 100

// problem is one failure as people read it.
type problem struct {
	what   string   // what failed
	faults []string // where several things are wrong: each of them
	next   string
	link   string
	cause  string // the technical cause, when it is too long to stand in what
}

// Error prints what failed, what to do, and where to read, in that order. Errors that were joined
// follow one another; missing answers are listed all at once.
func Error(w io.Writer, err error) {
	if missing, ok := errors.AsType[*flow.MissingError](err); ok {
		Missing(w, missing.Items)
		return
	}
	label := "error: "
	if errors.Is(err, engine.ErrCancelled) || errors.Is(err, context.Canceled) {
		label = "" // the person knows
	}
	for _, p := range explain(err) {
		say(w, "%s%s", label, strings.ReplaceAll(p.what, "\n", "\n  "))
		for _, f := range p.faults {
			say(w, "  - %s", f)
		}
		for _, l := range [][2]string{{"what to do", p.next}, {"read", p.link}, {"cause", p.cause}} {
			if l[1] != "" {
				say(w, "  %s: %s", l[0], l[1])
			}
		}
	}
}

// explain takes err apart: joined errors one by one, and of each the words for people and the
// technical cause.
func explain(err error) []problem {
	for e := err; e != nil && e.Error() == err.Error(); e = cause(e) {
		if all := joined(e); all != nil {
			var out []problem
			for _, one := range all {
				out = append(out, explain(one)...)
			}
			return out
		}
	}
	full := err.Error()
	p := problem{what: full}
	if missing, ok := errors.AsType[*flow.MissingError](err); ok {
		p.next = missingNext(missing.Items)
	}
	// The innermost hint knows best, and what it wraps is the technical cause. A list of faults is
	// what failed, not why.
	for e := err; e != nil; e = cause(e) {
		if all := joined(e); all != nil {
			p.what, p.cause = strings.TrimSuffix(full, ": "+e.Error()), ""
			for _, one := range all {
				if f := oneLine(one.Error()); !slices.Contains(p.faults, f) {
					p.faults = append(p.faults, f)
				}
			}
			break
		}
		if h, ok := any(e).(*hint.Error); ok {
			p.next, p.link = h.Next, h.Link
			if h.Err != nil {
				p.cause = h.Err.Error()
				p.what = strings.TrimSuffix(full, ": "+p.cause)
			} else {
				p.what, p.cause = full, ""
			}
		}
	}
	if p.cause != "" && utf8.RuneCountInString(full) <= lineLength && !strings.Contains(p.cause, "\n") {
		p.what, p.cause = full, ""
	}
	p.what, p.next, p.link, p.cause = plain(p.what), oneLine(p.next), oneLine(p.link), oneLine(p.cause)
	return []problem{p}
}

// cause is what an error wraps, also where it was joined with nothing else.
func cause(err error) error {
	if j, ok := any(err).(interface{ Unwrap() []error }); ok && len(j.Unwrap()) == 1 {
		return j.Unwrap()[0]
	}
	return errors.Unwrap(err)
}

// joined returns the errors, two or more, that errors.Join put together, or nil.
func joined(err error) []error {
	j, ok := any(err).(interface{ Unwrap() []error })
	if !ok || len(j.Unwrap()) < 2 {
		return nil
	}
	var texts []string
	for _, e := range j.Unwrap() {
		texts = append(texts, e.Error())
	}
	if strings.Join(texts, "\n") != err.Error() {
		return nil // fmt.Errorf with several %w: one sentence
	}
	return j.Unwrap()
}

// sentence is the whole problem on one line, for JSON.
func (p problem) sentence() string {
	out := oneLine(p.what)
	if len(p.faults) > 0 {
		out += ": " + strings.Join(p.faults, "; ")
	}
	if p.cause != "" {
		out += ": " + p.cause
	}
	return out
}

// plain cleans an error's text; line breaks stay.
func plain(s string) string {
	return strings.ReplaceAll(display.Block(strings.TrimRight(s, "\n")), "\t", " ")
}

// oneLine is plain text without line breaks.
func oneLine(s string) string { return strings.ReplaceAll(plain(s), "\n", " ") }
