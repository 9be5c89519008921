package httpx_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

type service struct {
	*httpx.Client
	canary string
	log    strings.Builder
	pauses []time.Duration
}

// serve starts a server and a client for it that pauses for no time at all between tries.
func serve(t *testing.T, h http.HandlerFunc) *service {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL + "/v1")
	s := &service{canary: "canary" + rand.Text()}
	s.Client = httpx.NewClient(base, httpx.Options{
		Service: "test", Auth: httpx.Bearer(secret.New([]byte(s.canary))), Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test",
		Jitter:  func() float64 { return 0 },
		Waiting: func(_ context.Context, _ string, d time.Duration) { s.pauses = append(s.pauses, d) },
		Debug:   func(line string) { s.log.WriteString(line + "\n") },
	})
	return s
}

func TestRetriesGoByMethod(t *testing.T) {
	for method, want := range map[string]int32{http.MethodGet: 4, http.MethodPut: 4, http.MethodDelete: 4, http.MethodPost: 1} {
		for name, fail := range map[string]http.HandlerFunc{
			"500": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
			"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
			"cut": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		} {
			var seen atomic.Int32
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				seen.Add(1)
				if b, _ := io.ReadAll(r.Body); method != http.MethodGet && string(b) != `{"a":1}` {
					t.Errorf("%s %s: body %q", method, name, b)
				}
				fail(w, r)
			})
			var body any
			if method != http.MethodGet {
				body = map[string]int{"a": 1}
			}
			_, err := s.Do(t.Context(), httpx.Call{Method: method, Path: "/x", Body: body})
			if err == nil {
				t.Fatalf("%s %s: no error", method, name)
			}
			if seen.Load() != want {
				t.Errorf("%s %s: sent %d times, want %d", method, name, seen.Load(), want)
			}
			var unclear *httpx.AmbiguousError
			if got := errors.As(err, &unclear); got != (method != http.MethodGet && name != "429") {
				t.Errorf("%s %s: ambiguous is %v", method, name, got)
			}
			if strings.Contains(err.Error()+s.log.String(), s.canary) {
				t.Errorf("%s %s: the credential shows", method, name)
			}
		}
	}
}

// A POST that may be sent again is, with a body and without one.
func TestRepeatablePost(t *testing.T) {
	for _, body := range []any{nil, map[string]int{"a": 1}} {
		var seen atomic.Int32
		s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if seen.Add(1) == 1 {
				panic(http.ErrAbortHandler)
			}
			w.WriteHeader(http.StatusNoContent)
		})
		if _, err := s.Do(t.Context(), httpx.Call{Method: http.MethodPost, Path: "/x", Body: body, Repeatable: true}); err != nil || seen.Load() != 2 {
			t.Errorf("body %v: sent %d times, %v", body, seen.Load(), err)
		}
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	var seen atomic.Int32
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if seen.Add(1) == 1 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"ok":true}`)
	})
	var out struct{ OK bool }
	if _, err := s.Do(t.Context(), httpx.Call{Method: http.MethodGet, Path: "/x", Out: &out}); err != nil || !out.OK {
		t.Fatal(err)
	}
	if len(s.pauses) != 1 {
		t.Errorf("told about %d pauses", len(s.pauses))
	}

	seen.Store(0)
	long := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.Header().Set("Retry-After", "86400")
		w.WriteHeader(http.StatusTooManyRequests)
	})
	if _, err := long.Do(t.Context(), httpx.Call{Method: http.MethodGet, Path: "/x"}); httpx.Status(err) != http.StatusTooManyRequests || seen.Load() != 1 {
		t.Errorf("a pause of a day: %v after %d tries", err, seen.Load())
	}
}

func TestRedirectsAreRefused(t *testing.T) {
	var leaked atomic.Bool
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { leaked.Store(true) }))
	t.Cleanup(other.Close)
	for _, code := range []int{301, 302, 303, 307, 308} {
		for _, to := range []string{other.URL + "/x", "/v1/elsewhere"} {
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(r.URL.Path, "elsewhere") {
					leaked.Store(true)
				}
				http.Redirect(w, r, to, code)
			})
			for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodPost} {
				_, err := s.Do(t.Context(), httpx.Call{Method: method, Path: "/x", Body: 1})
				var re *httpx.RedirectError
				if !errors.As(err, &re) || re.Status != code {
					t.Errorf("%s %d to %s: %v", method, code, to, err)
				}
			}
		}
	}
	if leaked.Load() {
		t.Error("a redirect was followed")
	}
}

func TestOtherOriginsAreRefused(t *testing.T) {
	origin, _ := url.Parse("https://api.example.com")
	tr := httpx.NewTransport(httpx.Options{Service: "test", Origin: origin, Auth: func(*http.Request) error {
		t.Error("the credential was put on a request to another origin")
		return nil
	}})
	for _, to := range []string{"https://api.example.com:8443/", "http://api.example.com/", "https://sub.api.example.com/", "https://api.example.com.evil.example/"} {
		req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, to, nil)
		if resp, err := tr.RoundTrip(req); err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s was asked", to)
		}
	}
}

func TestAnswersThatAreNoAnswers(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"html": func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>sign in</html>") },
		"not json": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"ok":`)
		},
	} {
		s := serve(t, h)
		var out struct{}
		_, err := s.Do(t.Context(), httpx.Call{Method: http.MethodPost, Path: "/x", Out: &out})
		if _, ok := errors.AsType[*httpx.AmbiguousError](err); !ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestErrorSaysWhatTheServiceSaid(t *testing.T) {
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.EscapedPath() != "/v1/a%2Fb" || r.Header.Get("User-Agent") != "astro-ci/test" {
			t.Errorf("asked %s as %s", r.URL.EscapedPath(), r.UserAgent())
		}
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"message":"no\u001b[2J","requestId":"r1","statusCode":400,"fieldErrors":[{"field":"name","message":"too long"}]}`)
	})
	_, err := s.Do(t.Context(), httpx.Call{Method: http.MethodGet, Path: "/a%2Fb"})
	if want := "test: GET /a%2Fb: 400 Bad Request: no[2J; name: too long (request r1)"; err.Error() != want {
		t.Errorf("got  %q\nwant %q", err, want)
	}
}

// An error is known by the most exact name that the service gives it.
func TestErrorHasTheServicesName(t *testing.T) {
	var body string
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		fmt.Fprint(w, body)
	})
	for raw, want := range map[string][2]string{
		`{"error":{"code":409,"message":"it is there","status":"ALREADY_EXISTS"}}`:                                    {"ALREADY_EXISTS", "it is there"},
		`{"error":{"code":"Conflict","message":"it is there","innererror":{"code":"ObjectIsDeletedButRecoverable"}}}`: {"ObjectIsDeletedButRecoverable", "it is there"},
		`{"error":{"code":"Forbidden","message":"it is there","innererror":null}}`:                                    {"Forbidden", "it is there"},
		`{"error":"it is there"}`: {"", "it is there"},
		`{"error":{"code":7}}`:    {"", `{"code":7}`},
		`{"__type":"com.amazonaws#Throttling","Message":"it is there"}`: {"Throttling", "it is there"},
	} {
		body = raw
		_, err := s.Do(t.Context(), httpx.Call{Method: http.MethodGet, Path: "/x"})
		if got, ok := errors.AsType[*httpx.StatusError](err); !ok || got.Code != want[0] || got.Message.String() != want[1] {
			t.Errorf("%s: %+v", raw, err)
		}
	}
}

// A refusal that comes after a try without a clear answer says nothing about that try.
func TestARefusalAfterAnUnclearTryIsNone(t *testing.T) {
	var n atomic.Int32
	first := http.StatusBadGateway
	s := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if n.Add(1) == 1 {
			w.WriteHeader(first)
			return
		}
		w.WriteHeader(http.StatusForbidden)
	})
	if _, err := s.Do(t.Context(), httpx.Call{Method: http.MethodPut, Path: "/x"}); httpx.Status(err) != http.StatusForbidden || httpx.Refused(err) {
		t.Errorf("after a 502: %v, refused %v", err, httpx.Refused(err))
	}
	n.Store(0)
	first = http.StatusTooManyRequests
	if _, err := s.Do(t.Context(), httpx.Call{Method: http.MethodPut, Path: "/x"}); httpx.Status(err) != http.StatusForbidden || !httpx.Refused(err) {
		t.Errorf("after a 429: %v, refused %v", err, httpx.Refused(err))
	}
}

type base func(*http.Request) (*http.Response, error)

func (b base) RoundTrip(r *http.Request) (*http.Response, error) { return b(r) }
