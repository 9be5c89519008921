// Package httpx is the one way to the network. Every credential gets its own transport, bound to
// one exact origin: a request to any other scheme, host or port is refused, and so is every
// redirect, because both would carry the credential (and, on 307 and 308, the body) elsewhere.
//
// Retries go by method class: what reads or sets is retried, what creates never is. HTTP/2 is off,
// since its debug switch prints headers. The debug log shows method, host, path and status only.
package httpx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/time/rate"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// MaxRetryAfter is the longest pause a server may ask for; a longer one is an error.
const MaxRetryAfter = 5 * time.Minute

const (
	maxTries = 4
	baseWait = 500 * time.Millisecond
	maxWait  = 30 * time.Second
	maxBody  = 8 << 20
)

// Auth puts a credential on a request.
type Auth func(*http.Request) error

// Bearer authenticates with "Authorization: Bearer VALUE".
func Bearer(v *secret.Value) Auth {
	return func(r *http.Request) error {
		return v.Use(func(b []byte) error {
			r.Header.Set("Authorization", "Bearer "+string(b))
			return nil
		})
	}
}

// Basic authenticates with a user's name and a value, by "Authorization: Basic".
func Basic(user string, v *secret.Value) Auth {
	return func(r *http.Request) error {
		return v.Use(func(b []byte) error {
			r.SetBasicAuth(user, string(b))
			return nil
		})
	}
}

// NoAuth sends no credential. The rules of a credential hold all the same: the body may be one.
func NoAuth(*http.Request) error { return nil }

// Options make a transport.
type Options struct {
	Service string            // "astro", "github": starts every error
	Origin  *url.URL          // scheme and host are what counts
	Auth    Auth              // nil: no credential; then https redirects are followed
	Base    http.RoundTripper // from NewBase
	Agent   string            // User-Agent; empty leaves the caller's own
	// Limits are the requests a second that the service allows, by method; a method that is not
	// named is not limited.
	Limits map[string]rate.Limit
	// Jitter returns a number in [0,1) for the pause between tries.
	Jitter func() float64
	// Waiting is told about every pause before a retry; may be nil.
	Waiting func(service string, pause time.Duration)
	// Debug receives one line for each request; may be nil.
	Debug func(line string)
}

// NewBase returns the transport below all others: time-outs, TLS 1.2 or newer, HTTP/1.1, and the
// proxy function given (nil: none). roots may be nil for the system's own.
func NewBase(roots *x509.CertPool, proxy func(*http.Request) (*url.URL, error)) *http.Transport {
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   5 * time.Second,
		ResponseHeaderTimeout: 15 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   4,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// NewTransport returns a transport with the rules of this package.
func NewTransport(o Options) http.RoundTripper {
	limits := map[string]*rate.Limiter{}
	for method, l := range o.Limits {
		// In no second can more than rate and burst together pass: five thirds of the rate.
		limits[method] = rate.NewLimiter(l, max(1, int(l)*2/3))
	}
	return &transport{o, limits}
}

type transport struct {
	Options
	limits map[string]*rate.Limiter
}

// unclearHeader marks an answer to a request whose earlier tries got no clear answer: whatever it
// says, one of them may have had its effect.
const unclearHeader = "X-Astro-Ci-Unclear"

// notSentError says that a request was not sent because it could not be announced.
type notSentError struct{ error }

func (e *notSentError) Unwrap() error { return e.error }

// statusRetry is the error by which a try asks for another one; it never leaves this file.
type statusRetry struct{ status int }

func (s *statusRetry) Error() string { return fmt.Sprintf("status %d", s.status) }

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Scheme != t.Origin.Scheme || req.URL.Host != t.Origin.Host {
		return nil, fmt.Errorf("%s: refused to send a request to %s://%s, which is not %s://%s", t.Service, req.URL.Scheme, req.URL.Host, t.Origin.Scheme, t.Origin.Host)
	}
	req = req.Clone(req.Context())
	req.Header.Del("Authorization")
	if t.Auth != nil {
		if err := t.Auth(req); err != nil {
			return nil, fmt.Errorf("%s: credential: %w", t.Service, err)
		}
	}
	if t.Agent != "" {
		req.Header.Set("User-Agent", t.Agent)
	}
	tries := uint(maxTries)
	if !repeatable(req) {
		tries = 1
	}
	var last *http.Response
	unclear := false // an earlier try may have had its effect
	resp, err := backoff.Retry(req.Context(), func() (*http.Response, error) {
		discard(last)
		last = nil
		resp, err := t.once(req)
		if err != nil {
			if !temporary(err) {
				return nil, backoff.Permanent(err)
			}
			unclear = true
			return nil, err
		}
		if unclear {
			resp.Header.Set(unclearHeader, "1")
		}
		if resp.StatusCode != http.StatusTooManyRequests && resp.StatusCode < 500 || tries == 1 {
			return resp, nil
		}
		unclear = unclear || resp.StatusCode >= 500
		last = resp
		wait := retryAfter(resp.Header, time.Now())
		if wait == 0 && resp.StatusCode == http.StatusTooManyRequests {
			wait = time.Second // most limits are per second, and some services do not say how long
		}
		if wait > MaxRetryAfter {
			return nil, backoff.Permanent(&statusRetry{resp.StatusCode})
		}
		if wait > 0 {
			return nil, errors.Join(&statusRetry{resp.StatusCode}, &backoff.RetryAfterError{Duration: wait})
		}
		return nil, &statusRetry{resp.StatusCode}
	},
		backoff.WithMaxTries(tries), backoff.WithMaxElapsedTime(0),
		backoff.WithBackOff(&jittered{random: t.Jitter}),
		backoff.WithNotify(func(_ error, pause time.Duration) {
			if t.Waiting != nil {
				t.Waiting(t.Service, pause)
			}
		}))
	var again *statusRetry
	if errors.As(err, &again) && last != nil {
		return last, nil // out of tries: the caller gets the answer as it is
	}
	if err != nil {
		discard(last)
		return nil, err
	}
	return resp, nil
}

// once performs one try.
func (t *transport) once(req *http.Request) (*http.Response, error) {
	if l := t.limits[req.Method]; l != nil {
		if err := l.Wait(req.Context()); err != nil {
			return nil, err
		}
	}
	if req.GetBody != nil {
		body, err := req.GetBody()
		if err != nil {
			return nil, err
		}
		req.Body = body
	}
	if f, ok := req.Context().Value(announceKey{}).(func() error); ok && req.Method != http.MethodGet {
		if err := f(); err != nil {
			return nil, &notSentError{err}
		}
	}
	start := time.Now()
	resp, err := t.Base.RoundTrip(req)
	if t.Debug != nil {
		outcome := "no answer"
		if err == nil {
			outcome = strconv.Itoa(resp.StatusCode)
		}
		t.Debug(fmt.Sprintf("%s %s %s%s -> %s (%s)", t.Service, req.Method, req.URL.Host, req.URL.EscapedPath(), outcome, time.Since(start).Round(time.Millisecond)))
	}
	if err != nil {
		return nil, err
	}
	if t.Auth != nil && resp.StatusCode >= 300 && resp.StatusCode < 400 && resp.StatusCode != http.StatusNotModified {
		to := "elsewhere"
		var location *url.URL
		if u, err := resp.Location(); err == nil {
			to, location = u.Scheme+"://"+u.Host, u
		}
		discard(resp)
		return nil, &RedirectError{Service: t.Service, From: t.Origin.Scheme + "://" + t.Origin.Host, To: to, Status: resp.StatusCode, location: location}
	}
	resp.Body = &limitedBody{Reader: io.LimitReader(resp.Body, maxBody), Closer: resp.Body}
	return resp, nil
}

// RedirectError says that a server wanted to send a credential elsewhere.
type RedirectError struct {
	Service, From, To string
	Status            int
	location          *url.URL
}

// Location is the whole address, nil when there is none. It may be a key to what lies there, so it is
// no part of the text.
func (e *RedirectError) Location() *url.URL { return e.location }

func (e *RedirectError) Error() string {
	return fmt.Sprintf("%s: %s answered with a redirect (%d) to %s, which is not followed with a credential", e.Service, e.From, e.Status, e.To)
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// repeatable reports whether sending the request twice has the effect of sending it once.
func repeatable(req *http.Request) bool {
	again := req.Context().Value(repeatableKey{}) != nil
	switch req.Method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete:
		again = true
	}
	return again && (req.Body == nil || req.Body == http.NoBody || req.GetBody != nil)
}

// temporary reports whether another try may help: network trouble does, a refusal to follow a
// redirect or a cancelled context does not.
func temporary(err error) bool {
	var redirect *RedirectError
	var cert *tls.CertificateVerificationError
	var unsent *notSentError
	return !errors.As(err, &unsent) && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) &&
		!errors.As(err, &redirect) && !errors.As(err, &cert)
}

func discard(r *http.Response) {
	if r != nil {
		_, _ = io.CopyN(io.Discard, r.Body, 64<<10)
		_ = r.Body.Close()
	}
}

// retryAfter reads Retry-After (seconds or a date), else x-ratelimit-reset when nothing remains.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.Atoi(v); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, at.Sub(now))
	}
	if h.Get("X-Ratelimit-Remaining") == "0" {
		if s, err := strconv.ParseInt(h.Get("X-Ratelimit-Reset"), 10, 64); err == nil {
			return max(0, time.Unix(s, 0).Sub(now))
		}
	}
	return 0
}

// jittered is exponential back-off with full jitter from the caller's own source of chance, so
// that a simulated run can be replayed.
type jittered struct {
	random func() float64
	n      int
}

func (j *jittered) Reset() { j.n = 0 }

func (j *jittered) NextBackOff() time.Duration {
	ceiling := min(maxWait, baseWait<<min(j.n, 10))
	j.n++
	share := 0.5
	if j.random != nil {
		share = j.random()
	}
	return time.Duration(float64(ceiling) * share)
}
