// Package hint holds the one error type that is shown to people: what failed, what to do
// next and where to read about it, in that order.
//
// Only the place that knows the remedy adds a hint; everything above it passes the error on.
package hint

import (
	"errors"
	"fmt"
	"strings"
)

// Error says what failed (Doing and Err), what to do (Next) and where to read (Link, may be empty).
type Error struct {
	Doing string // what was being done: "write secret ASTRO_API_TOKEN of acme/etl"
	Next  string // one or two sentences in plain words
	Link  string // https address of a page that explains it
	Err   error  // the cause; nil when Doing says it all
}

// Error is the one-line form: "doing: cause".
func (e *Error) Error() string {
	if e.Err == nil {
		return e.Doing
	}
	return fmt.Sprintf("%s: %v", e.Doing, e.Err)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// New returns an error without a deeper cause.
func New(doing, next, link string) error {
	return &Error{Doing: doing, Next: next, Link: link}
}

// Wrap adds a hint to err. A nil err stays nil, and an err that already carries a hint keeps
// that hint: the innermost place knows best.
func Wrap(err error, doing, next, link string) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*Error](err); ok {
		return &Error{Doing: doing, Next: inner.Next, Link: inner.Link, Err: err}
	}
	return &Error{Doing: doing, Next: next, Link: link, Err: err}
}

// And returns err with one thing more to do; what err is made of stays known to errors.Is and errors.As, as
// far as it lies below the innermost hint.
func And(err error, next string) error {
	h := Innermost(err)
	if h == nil {
		return &Error{Doing: err.Error(), Next: next}
	}
	return &Error{Doing: before(err, h), Next: strings.TrimSpace(h.Next + " " + next), Link: h.Link, Err: h.Err}
}

// Instead is Wrap with an advice that takes the place of the one that err carries: for somebody else than it was
// written for.
func Instead(err error, doing, next, link string) error {
	h := Innermost(err)
	if h == nil {
		return Wrap(err, doing, next, link)
	}
	return &Error{Doing: doing + ": " + before(err, h), Next: next, Link: link, Err: h.Err}
}

// before is the text of err without the cause that its innermost hint, h, wraps.
func before(err error, h *Error) string {
	if h.Err == nil {
		return err.Error()
	}
	return strings.TrimSuffix(err.Error(), ": "+h.Err.Error())
}

// Innermost returns the hint that is closest to the cause, or nil.
func Innermost(err error) (out *Error) {
	for {
		h, ok := errors.AsType[*Error](err)
		if !ok {
			return out
		}
		out, err = h, h.Err
	}
}

// Of returns the hint that err carries, or one made of its text alone.
func Of(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Doing: err.Error()}
}
