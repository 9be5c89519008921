package httpx_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// far is a service in virtual time, to which several clients of one process speak.
type far struct {
	hosts  httpx.Hosts
	mu     sync.Mutex
	sent   []time.Time
	pauses []time.Duration
	answer func(r *http.Request) (*http.Response, error)
}

func status(code int, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: io.NopCloser(strings.NewReader(""))}
}

func (f *far) client(limits ...httpx.Limit) *httpx.Client {
	return httpx.NewClient(&url.URL{Scheme: "https", Host: "api.example.com"}, httpx.Options{
		Service: "test", Auth: httpx.NoAuth, Limits: limits, Hosts: &f.hosts, Jitter: func() float64 { return 0 },
		Waiting: func(_ context.Context, _ string, d time.Duration) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.pauses = append(f.pauses, d)
		},
		Base: base(func(r *http.Request) (*http.Response, error) {
			f.mu.Lock()
			f.sent = append(f.sent, time.Now())
			answer := f.answer
			f.mu.Unlock()
			if answer == nil {
				return status(http.StatusNoContent), nil
			}
			return answer(r)
		}),
	})
}

func (f *far) be(answer func(*http.Request) (*http.Response, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answer = answer
}

func call(t *testing.T, c *httpx.Client, method string) error {
	t.Helper()
	_, err := c.Do(t.Context(), httpx.Call{Method: method, Path: "/x"})
	return err
}

// In no time of a limit's length do more requests leave than the service allows, whichever client sends them.
func TestClientsKeepBelowALimitTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := []httpx.Limit{{Of: httpx.Writes, N: 10, Per: time.Second}, {Of: httpx.Sets, N: 60, Per: time.Minute}}
		f := &far{}
		var wait sync.WaitGroup
		for range 10 {
			c := f.client(limits...)
			for range 20 {
				wait.Go(func() { _ = call(t, c, http.MethodPut) })
			}
		}
		wait.Wait()
		if len(f.sent) != 200 {
			t.Fatalf("%d requests left", len(f.sent))
		}
		for _, l := range limits {
			for i := range f.sent {
				n := 0
				for _, at := range f.sent[i:] {
					if at.Sub(f.sent[i]) < l.Per {
						n++
					}
				}
				if n > l.N {
					t.Fatalf("%d requests within %s", n, l.Per)
				}
			}
		}
		if len(f.pauses) == 0 {
			t.Error("nobody was told that it takes long")
		}
		for _, p := range f.pauses {
			if p < time.Second {
				t.Errorf("told about a pause of %s", p)
			}
		}
		// What no limit is about does not wait.
		start := time.Now()
		if err := call(t, f.client(limits...), http.MethodGet); err != nil || time.Since(start) > 0 {
			t.Errorf("a read waited %s: %v", time.Since(start), err)
		}
	})
}

// Whoever gives up gives the place back, and nothing is unclear about a request that never left.
func TestWaitingCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{}
		c := f.client(httpx.Limit{Of: httpx.Creates, N: 1, Per: time.Hour})
		if err := call(t, c, http.MethodPost); err != nil {
			t.Fatal(err)
		}
		for range 50 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			_, err := c.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/x"})
			cancel()
			var unclear *httpx.AmbiguousError
			if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &unclear) {
				t.Fatal(err)
			}
		}
		start := time.Now()
		if err := call(t, c, http.MethodPost); err != nil || time.Since(start) > 2*time.Hour {
			t.Errorf("it waited for those who had gone: %s, %v", time.Since(start), err)
		}
		if len(f.sent) != 2 {
			t.Errorf("%d requests left", len(f.sent))
		}
	})
}

// A service that fails again and again is left alone for a while; then one request is let through, and the
// others when that one has succeeded.
func TestAHostThatIsDownIsLeftAlone(t *testing.T) {
	for name, fails := range map[string]func(*http.Request) (*http.Response, error){
		"503": func(*http.Request) (*http.Response, error) { return status(http.StatusServiceUnavailable), nil },
		"cut": func(*http.Request) (*http.Response, error) { return nil, errors.New("the connection broke") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &far{answer: fails}
				one, other := f.client(), f.client()
				for range 5 {
					if err := call(t, one, http.MethodPost); err == nil {
						t.Fatal("no error")
					}
				}
				start := time.Now()
				err := call(t, other, http.MethodPut)
				down, ok := errors.AsType[*httpx.DownError](err)
				var unclear *httpx.AmbiguousError
				if !ok || len(f.sent) != 5 || errors.As(err, &unclear) || time.Since(start) > 0 {
					t.Fatalf("%d requests left: %v", len(f.sent), err)
				}
				if left := time.Until(down.Until); left <= 0 || left > time.Minute || down.Failed != 5 {
					t.Errorf("%+v", down)
				}
				next := hint.Of(err).Next
				if at := down.Until.Local().Format(time.DateTime); !strings.Contains(err.Error(), at) || !strings.Contains(next, at) || !strings.Contains(err.Error(), down.Last) || !strings.Contains(err.Error(), "api.example.com") {
					t.Errorf("it says %q, and next %q", err, next)
				}
				// Another host is not concerned.
				elsewhere := httpx.NewClient(&url.URL{Scheme: "https", Host: "other.example.com"}, httpx.Options{Service: "test", Auth: httpx.NoAuth, Hosts: &f.hosts, Base: base(func(*http.Request) (*http.Response, error) {
					return status(http.StatusNoContent), nil
				})})
				if err := call(t, elsewhere, http.MethodPut); err != nil {
					t.Error(err)
				}
				// The one that is let through fails: the others still are not sent.
				time.Sleep(time.Until(down.Until))
				if err := call(t, one, http.MethodPost); errors.As(err, &down) || len(f.sent) != 6 {
					t.Errorf("none was let through: %v", err)
				}
				if err := call(t, other, http.MethodPost); !errors.As(err, &down) || len(f.sent) != 6 {
					t.Errorf("a second one was let through: %v", err)
				}
				// While it is open the others are not sent either; after it they are.
				time.Sleep(time.Until(down.Until))
				f.be(func(*http.Request) (*http.Response, error) {
					time.Sleep(10 * time.Second)
					return status(http.StatusNoContent), nil
				})
				var wait sync.WaitGroup
				wait.Go(func() {
					if err := call(t, one, http.MethodPost); err != nil {
						t.Error(err)
					}
				})
				time.Sleep(time.Second)
				if err := call(t, other, http.MethodPost); !errors.As(err, &down) {
					t.Errorf("it did not wait for the first: %v", err)
				}
				wait.Wait()
				if err := call(t, other, http.MethodPost); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A refusal is no failure of the service, and one success between failures is enough.
func TestRefusalsAreNoFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		f := &far{answer: func(*http.Request) (*http.Response, error) {
			n++
			return status([]int{500, 500, 500, 500, 404, 409, 401, 501}[n%8]), nil
		}}
		c := f.client()
		for range 100 {
			if _, down := errors.AsType[*httpx.DownError](call(t, c, http.MethodPost)); down {
				t.Fatal("it is left alone")
			}
		}
	})
}

// What had no clear answer stays unclear when the next try is not sent any more.
func TestADownHostLeavesUnclearWhatWasSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(*http.Request) (*http.Response, error) { return status(http.StatusBadGateway), nil }}
		c := f.client()
		for range 3 {
			_ = call(t, c, http.MethodPost)
		}
		err := call(t, c, http.MethodPut)
		var unclear *httpx.AmbiguousError
		if _, down := errors.AsType[*httpx.DownError](err); !down || !errors.As(err, &unclear) || len(f.sent) != 5 {
			t.Errorf("%d requests left: %v", len(f.sent), err)
		}
	})
}

// A pause that a service asks for is kept by all, a longer one than five minutes is an error at once; GitHub
// asks for it with a 403.
func TestAPauseIsForAll(t *testing.T) {
	for _, code := range []int{http.StatusTooManyRequests, http.StatusForbidden} {
		synctest.Test(t, func(t *testing.T) {
			f := &far{answer: func(*http.Request) (*http.Response, error) { return status(code, "Retry-After", "90"), nil }}
			one, other := f.client(), f.client()
			if err := call(t, one, http.MethodPost); httpx.Status(err) != code || len(f.sent) != 1 {
				t.Fatalf("a create is not sent again: %d times, %v", len(f.sent), err)
			}
			f.be(nil)
			start := time.Now()
			if err := call(t, other, http.MethodGet); err != nil || time.Since(start) != 90*time.Second {
				t.Errorf("%d: the other went on after %s: %v", code, time.Since(start), err)
			}
			if len(f.pauses) != 1 || f.pauses[0] != 90*time.Second {
				t.Errorf("told about %v", f.pauses)
			}
			f.be(func(*http.Request) (*http.Response, error) { return status(code, "Retry-After", "3600"), nil })
			if err := call(t, one, http.MethodGet); httpx.Status(err) != code {
				t.Error(err)
			}
			n := len(f.sent)
			if _, down := errors.AsType[*httpx.DownError](call(t, other, http.MethodGet)); !down || len(f.sent) != n {
				t.Error("an hour is waited for")
			}
		})
	}
}

// A 403 without a pause is a refusal like any other.
func TestAForbiddenIsNotSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{answer: func(*http.Request) (*http.Response, error) { return status(http.StatusForbidden), nil }}
		if err := call(t, f.client(), http.MethodPut); httpx.Status(err) != http.StatusForbidden || len(f.sent) != 1 {
			t.Errorf("sent %d times: %v", len(f.sent), err)
		}
	})
}
