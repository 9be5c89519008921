// Package doctor judges what is known of the tools, log-ins, rights, policies and setups on one computer:
// of each thing whether it is as it should be, and what to do about it. It is pure: who asks is the command
// line's matter, and what nobody could tell is unknown, never ok.
package doctor

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// State is what a row says.
type State string

// The states.
const (
	OK      State = "ok"
	Stale   State = "stale"   // somebody has to do something
	Unknown State = "unknown" // it could not be found out
)

// Group is what a row is about.
type Group string

// The groups, in the order in which they are shown.
const (
	Tools    Group = "tools"
	LogIns   Group = "log-ins"
	Rights   Group = "rights"
	Policies Group = "policies"
	Drift    Group = "drift"
)

// Groups are all of them, in order.
func Groups() []Group { return []Group{Tools, LogIns, Rights, Policies, Drift} }

// Row is one thing that was looked at.
type Row struct {
	Group   Group  `json:"group"`
	Subject string `json:"subject"`
	State   State  `json:"state"`
	Reason  string `json:"reason"`
	Next    string `json:"next"` // what to do; "" when there is nothing to do
}

// Person reports whether one of the rows needs somebody.
func Person(rows []Row) bool {
	return slices.ContainsFunc(rows, func(r Row) bool { return r.State == Stale })
}

// Sort puts the groups into their order, keeps that of the rows within, and leaves out what is there twice.
func Sort(rows []Row) (out []Row) {
	seen := map[Row]bool{}
	for _, g := range Groups() {
		for _, r := range rows {
			if r.Group == g && !seen[r] {
				seen[r] = true
				out = append(out, r)
			}
		}
	}
	return out
}

// Failed is the row of something that could not be done. An answer that says no is stale; none at all,
// one that asks for patience, and a log-in that is missing leave it unknown.
func Failed(g Group, subject string, err error) Row {
	h := hint.Of(err)
	r := Row{Group: g, Subject: subject, State: Stale, Reason: strings.ReplaceAll(h.Error(), "\n", "; "), Next: h.Next}
	if Unreached(err) || errors.Is(err, providers.ErrNoLogin) || errors.Is(err, astro.ErrNoLogin) {
		r.State = Unknown
	}
	return r
}

// Unreached reports whether an error says nothing about the thing itself: the service was not reached, or
// had trouble.
func Unreached(err error) bool {
	if s := httpx.Status(err); s != 0 {
		return s == http.StatusTooManyRequests || s == http.StatusRequestTimeout || s >= http.StatusInternalServerError
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return true
	}
	_, down := errors.AsType[*httpx.DownError](err)
	return down
}
