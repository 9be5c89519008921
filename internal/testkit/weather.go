package testkit

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Weather lets a fifth of the requests fail, in every way that networks and services have.
type Weather struct {
	Base http.RoundTripper
	Late sync.WaitGroup // requests that arrive after their connection broke

	mu     sync.Mutex
	chance *rand.Rand
}

// NewWeather returns the weather in front of base; base may be set later.
func NewWeather(base http.RoundTripper, chance *rand.Rand) *Weather {
	return &Weather{Base: base, chance: chance}
}

// ErrCut is how a connection breaks.
var ErrCut = errors.New("the connection broke")

// IntN is a number in [0,n) from the weather's own chance.
func (w *Weather) IntN(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.chance.IntN(n)
}

// Shuffle brings n things into an order of chance.
func (w *Weather) Shuffle(n int, swap func(i, j int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chance.Shuffle(n, swap)
}

// RoundTrip implements http.RoundTripper.
func (w *Weather) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.IntN(5) != 0 {
		return w.Base.RoundTrip(r)
	}
	return w.Fail(r)
}

// Fail lets a request fail in one of the ways.
func (w *Weather) Fail(r *http.Request) (*http.Response, error) {
	answer := func(status int, h http.Header) (*http.Response, error) {
		h.Set("Content-Type", "application/json")
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(`{"message":"no"}`)), Request: r}, nil
	}
	switch w.IntN(6) {
	case 0:
		return answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}})
	case 1:
		return answer(http.StatusServiceUnavailable, http.Header{})
	case 2: // the connection breaks before anything happens
		return nil, ErrCut
	case 3: // it has its effect, and the answer is lost
		w.send(r)
		return nil, ErrCut
	case 4: // it has its effect, and an error is answered
		w.send(r)
		return answer(http.StatusBadGateway, http.Header{})
	}
	again, at := copyOf(r), time.Duration(w.IntN(100))*time.Second
	w.Late.Go(func() {
		time.Sleep(at)
		w.send(again)
	})
	return nil, ErrCut
}

func (w *Weather) send(r *http.Request) {
	resp, err := w.Base.RoundTrip(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// copyOf is a request that can be sent when the first one is over.
func copyOf(r *http.Request) *http.Request {
	c := r.Clone(context.WithoutCancel(r.Context()))
	if r.GetBody != nil {
		c.Body, _ = r.GetBody()
	} else if r.Body != nil {
		raw, _ := io.ReadAll(r.Body)
		r.Body, c.Body = io.NopCloser(strings.NewReader(string(raw))), io.NopCloser(strings.NewReader(string(raw)))
	}
	return c
}
