package providers

import (
	"errors"
	"net/http"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Advice is what to do about an error of a request, and where to read about it.
type Advice struct{ Doing, Next, Link string }

// Explain adds to an error of a request to a provider what to do about it. advise knows the answers of
// this one provider; what it says nothing about gets the words that fit everywhere.
func Explain(err error, info Info, advise func(s *httpx.StatusError) Advice) error {
	var h *hint.Error
	if err == nil || errors.As(err, &h) {
		return err
	}
	var s *httpx.StatusError
	if !errors.As(err, &s) {
		return hint.Wrap(err, info.ID+": send a request", httpx.Unreached(err, info.Name), "")
	}
	a := advise(s)
	if a.Next == "" {
		a.Next = next(s.Status, info.Name)
	}
	if a.Link == "" {
		a.Link = info.Docs
	}
	if a.Doing == "" {
		a.Doing = "send a request"
	}
	return &hint.Error{Doing: info.ID + ": " + a.Doing, Next: a.Next, Link: a.Link, Err: err}
}

func next(status int, name string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "The log-in to " + name + " is missing, expired or revoked. Log in again."
	case status == http.StatusForbidden:
		return "Your log-in may not do this. Ask somebody who administers it."
	case status == http.StatusNotFound:
		return "It does not exist, or your log-in cannot see it. Check the name."
	case status == http.StatusConflict:
		return "Somebody else changed it at the same time. Try again."
	case status == http.StatusTooManyRequests:
		return name + " asks for fewer requests. Wait a few minutes and try again."
	case status >= http.StatusInternalServerError:
		return name + " has trouble answering. Try again, and look at its status page if it stays."
	}
	return name + " refused a value; its message says which one."
}

// CheckSecretName reports what is wrong with the name of a secret for a provider, which calls it what.
func CheckSecretName(id, what, name, docs string) error {
	return hint.Wrap(setup.CheckSecretName(name), id+": "+what, "Choose another name with --secret-name.", docs)
}
