// Package httpx is the one way to the network. Every credential gets its own transport, bound to
// one exact origin: a request to any other scheme, host or port is refused, and so is every
// redirect, because both would carry the credential (and, on 307 and 308, the body) elsewhere.
//
// Retries go by method class: what reads or sets is retried, what creates never is. All clients of a
// process keep below the limits of a host together, and leave one alone that does not answer. HTTP/2 is
// off, since its debug switch prints headers. The debug log shows method, host, path and status only.
package httpx

import (
	"bytes"
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
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// MaxRetryAfter is the longest pause a server may ask for; a longer one is an error.
const MaxRetryAfter = 5 * time.Minute

const (
	maxTries = 4
	baseWait = 500 * time.Millisecond
	maxWait  = 30 * time.Second
	maxBody  = 8 << 20
	// tryTime is the longest that one try may take, with the whole answer.
	tryTime = time.Minute
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
	// Limits are what the service allows by its own word.
	Limits []Limit
	// Hosts is shared by all clients of a process; nil: for this one alone.
	Hosts *Hosts
	// Jitter returns a number in [0,1) for the pause between tries.
	Jitter func() float64
	// Waiting is told about every pause before a retry, and about each of a second or more that keeps
	// below the limits; ctx ends with the request. It may be nil.
	Waiting func(ctx context.Context, service string, pause time.Duration)
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
		MaxIdleConnsPerHost:   atOnce,
		TLSNextProto:          map[string]func(string, *tls.Conn) http.RoundTripper{},
	}
}

// NewTransport returns a transport with the rules of this package.
func NewTransport(o Options) http.RoundTripper {
	if o.Hosts == nil {
		o.Hosts = &Hosts{}
	}
	return &transport{o, o.Hosts.of(o.Service, o.Origin.Host)}
}

type transport struct {
	Options
	host *host
}

// unclearHeader marks an answer to a request whose earlier tries got no clear answer: whatever it
// says, one of them may have had its effect.
const unclearHeader = "X-Astro-Ci-Unclear"

// notSentError says that a request never left.
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
	tell := t.teller(req.Context())
	var last *http.Response
	unclear := false // an earlier try may have had its effect
	resp, err := backoff.Retry(req.Context(), func() (*http.Response, error) {
		last = nil
		resp, err := t.once(req)
		if err != nil {
			if unsent, ok := errors.AsType[*notSentError](err); ok && unclear {
				return nil, backoff.Permanent(unsent.error) // this try did not leave, an earlier one did
			}
			if !temporary(err) {
				return nil, backoff.Permanent(err)
			}
			unclear = true
			return nil, err
		}
		if unclear {
			resp.Header.Set(unclearHeader, "1")
		}
		wait := retryAfter(resp.Header, time.Now())
		if wait == 0 && resp.StatusCode == http.StatusTooManyRequests {
			wait = time.Second // most limits are per second, and some services do not say how long
		}
		if limited(resp) {
			t.host.asked(wait)
		}
		if !limited(resp) && resp.StatusCode < 500 || tries == 1 {
			return resp, nil
		}
		unclear = unclear || resp.StatusCode >= 500
		last = whole(resp)
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
		backoff.WithNotify(func(_ error, pause time.Duration) { tell(pause) }))
	var again *statusRetry
	if errors.As(err, &again) && last != nil {
		return last, nil // out of tries: the caller gets the answer as it is
	}
	if err != nil && temporary(err) {
		err = &passingError{err}
	}
	return resp, err
}

// teller tells about pauses of a request.
func (t *transport) teller(ctx context.Context) func(time.Duration) {
	return func(pause time.Duration) {
		if t.Waiting != nil {
			t.Waiting(ctx, t.Service, pause)
		}
	}
}

// once performs one try.
func (t *transport) once(req *http.Request) (*http.Response, error) {
	leave, err := t.host.enter(req.Context(), classOf(req.Method), t.Limits, t.teller(req.Context()))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(req.Context(), tryTime)
	over := sync.OnceFunc(func() { cancel(); leave() })
	resp, err := t.send(req.WithContext(ctx))
	if err != nil {
		if ctx.Err() != nil && req.Context().Err() == nil {
			err = fmt.Errorf("no answer within %s", tryTime)
		}
		if req.Context().Err() == nil && temporary(err) {
			t.host.answered(err.Error())
		}
		over()
		return nil, err
	}
	failure := ""
	if resp.StatusCode >= 500 && resp.StatusCode != http.StatusNotImplemented {
		failure = strconv.Itoa(resp.StatusCode) + " " + http.StatusText(resp.StatusCode)
	}
	t.host.answered(failure)
	resp.Body = &limitedBody{Reader: io.LimitReader(resp.Body, maxBody), Closer: resp.Body, over: over}
	return resp, nil
}

// send sends one try.
func (t *transport) send(req *http.Request) (*http.Response, error) {
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
		_ = resp.Body.Close()
		return nil, &RedirectError{Service: t.Service, From: t.Origin.Scheme + "://" + t.Origin.Host, To: to, Status: resp.StatusCode, location: location}
	}
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

// limitedBody is an answer that is cut off where it gets too long.
type limitedBody struct {
	io.Reader
	io.Closer
	over func() // the try is over
}

func (b *limitedBody) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && err != io.EOF && temporary(err) {
		err = &passingError{err}
	}
	return n, err
}

func (b *limitedBody) Close() error {
	defer b.over()
	return b.Closer.Close()
}

// limited reports whether the service says that there were too many requests; GitHub says it with a 403.
func limited(r *http.Response) bool {
	return r.StatusCode == http.StatusTooManyRequests || r.StatusCode == http.StatusForbidden && retryAfter(r.Header, time.Now()) > 0
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

// whole reads the beginning of an answer and ends it, so that it does not stay open during a pause.
func whole(r *http.Response) *http.Response {
	raw, _ := io.ReadAll(io.LimitReader(r.Body, 64<<10)) // an error's text is of use, not more
	_ = r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(raw))
	return r
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

// Unsent is a network over which nothing is sent: every request fails at once, for this reason.
func Unsent(reason error) http.RoundTripper { return unsent{&notSentError{reason}} }

type unsent struct{ error }

func (u unsent) RoundTrip(*http.Request) (*http.Response, error) { return nil, u.error }
