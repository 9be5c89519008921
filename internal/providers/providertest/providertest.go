// Package providertest is the contract that every store must pass. A provider's test describes how
// to reach its strict embedded server; the suite does the rest.
package providertest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// World is one provider on a fresh embedded server.
type World struct {
	Store providers.Store
	// As is the same store with another log-in.
	As func(v *secret.Value) providers.Store
	// Deny takes the right to write secrets away from the log-in.
	Deny func()
	// Open reads what the server holds for a target.
	Open func(t setup.Target) (*secret.Value, error)
	// Told is what stands beside the value of a target, as one text; nil where the store keeps nothing.
	Told func(t setup.Target) string
	// Faults of the server, and the path pattern of the request that writes a target; nil for a local
	// store.
	Faults *fault.Set
	Write  func(t setup.Target) (method, path string)
	// Blind says that the service does not tell who may write before a write; Check has a note then.
	Blind bool
	// Log is everything the store's debug log said.
	Log *testkit.Log
}

// NewWorld is a world around an embedded server, without the parts that know the provider.
func NewWorld(s *embedded.Server) *World {
	return &World{Faults: &s.Faults, Deny: s.Deny, Log: &testkit.Log{}}
}

// NewLog is an empty log, for a world without a server.
func NewLog() *testkit.Log { return &testkit.Log{} }

// Wire is the network for a provider under test: no pause between tries, and everything that is said
// about requests ends up in the world's log.
func (w *World) Wire() httpx.Options {
	return httpx.Options{
		Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 },
		Debug: func(line string) { w.Log.WriteString(line + "\n") },
	}
}

// Lost is a fault: the request is carried out once, and its answer is lost.
func Lost(method, path string) fault.Fault {
	return fault.Fault{Method: method, Path: path, Kind: fault.CutApplied, Times: 1}
}

// Subject is a provider under test.
type Subject struct {
	New     func(t *testing.T) *World
	Targets []setup.Target // one of each kind, all writable; the last part of the suite uses the first
	Missing setup.Target   // in a repository or project that does not exist; none for stores without such
	Meta    providers.Meta // whose pipeline reads the secret; the zero one for the repository of the first target
	// Local says that the store is on this computer: no server, no log-in, no rights that could be missing.
	Local   bool
	Hostile []setup.Target // addresses and names that must be refused before anything is sent
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	meta := providers.Meta{Setup: "etl", TokenID: "token", Repository: setup.Repository{Host: "github.com", Path: strings.Split(s.Targets[0].Address, "#")[0]}}
	if !s.Meta.Repository.IsZero() {
		meta = s.Meta
	}
	put := func(ctx context.Context, w *World, target setup.Target, v *secret.Value) (providers.Receipt, error) {
		return w.Store.Put(ctx, target, v, meta)
	}
	holds := func(t *testing.T, w *World, target setup.Target, v *secret.Value) {
		t.Helper()
		if got, err := w.Open(target); err != nil || !got.Equal(v) {
			t.Errorf("%s does not hold the value: %v", target, err)
		}
	}
	// check looks at an error as a person would, and for the secret in it.
	check := func(t *testing.T, w *World, err error, v *secret.Value) {
		t.Helper()
		if err == nil {
			t.Fatal("no error")
		}
		if !strings.HasPrefix(err.Error(), w.Store.Info().ID+": ") && !strings.Contains(err.Error(), w.Store.Info().ID+": ") {
			t.Errorf("the error does not name the provider: %v", err)
		}
		testkit.MustNotLeak(t, v, []byte(err.Error()), []byte(hint.Of(err).Next), w.Log.Bytes())
	}

	for _, target := range s.Targets {
		t.Run("put twice replaces/"+target.String(), func(t *testing.T) {
			w := s.New(t)
			if _, err := w.Store.Check(t.Context(), target); err != nil {
				t.Fatal(err)
			}
			if st, err := w.Store.Stat(t.Context(), target); err != nil || st.Exists {
				t.Fatalf("before: %+v, %v", st, err)
			}
			glance := func(exists bool, version string) {
				t.Helper()
				if g, ok := w.Store.(providers.Glancer); ok {
					if st, _, err := g.Glance(t.Context(), target); err != nil || st.Exists != exists || exists && version != "" && st.Version != "" && st.Version != version {
						t.Errorf("at a glance: %+v, want %v %s, %v", st, exists, version, err)
					}
				}
			}
			glance(false, "")
			var first providers.Receipt
			var old *secret.Value
			for i := range 2 {
				v := testkit.Canary(t)
				rec, err := put(t.Context(), w, target, v)
				if err != nil {
					t.Fatal(err)
				}
				if rec.Created != (i == 0) || rec.Proof == "" {
					t.Errorf("write %d: %+v", i, rec)
				}
				holds(t, w, target, v)
				if st, err := w.Store.Stat(t.Context(), target); err != nil || !st.Exists || rec.Version != "" && st.Version != rec.Version {
					t.Errorf("after %+v: %+v, %v", rec, st, err)
				}
				glance(true, rec.Version)
				testkit.MustNotLeak(t, v, w.Log.Bytes())
				if i == 0 {
					first, old = rec, v
				}
			}
			if h, ok := w.Store.(providers.Historian); ok {
				if got, err := h.Earlier(t.Context(), target, first.Version); err != nil || !got.Equal(old) {
					t.Errorf("the first value, by %q: %v", first.Version, err)
				}
				if _, err := h.Earlier(t.Context(), target, "999999"); err == nil {
					t.Error("a version that is not there is read")
				}
			}
			rm, ok := w.Store.(providers.Remover)
			if !ok {
				return
			}
			for range 2 { // gone already is no error
				if err := rm.Remove(t.Context(), target); err != nil {
					t.Error(err)
				}
			}
			if st, err := w.Store.Stat(t.Context(), target); err != nil || st.Exists {
				t.Errorf("removed: %+v, %v", st, err)
			}
			glance(false, "")
		})
	}

	t.Run("what stands beside it is of the newest write", func(t *testing.T) {
		w := s.New(t)
		if w.Told == nil {
			return
		}
		for _, target := range s.Targets {
			ends := time.Date(2031, 2, 3, 0, 0, 0, 0, time.UTC)
			for _, c := range []struct {
				id    string
				ends  time.Time
				no    []string
				wants []string
			}{
				{"cmfirst", ends, nil, []string{"etl", "cmfirst", "2031-02-03"}},
				{"cmsecond", ends.AddDate(1, 0, 0), []string{"cmfirst", "2031"}, []string{"etl", "cmsecond", "2032-02-03"}},
				{"", time.Time{}, []string{"cmsecond", "2032"}, []string{"etl"}}, // an earlier value is put back
			} {
				m, v := meta, testkit.Canary(t)
				m.TokenID, m.ExpiresAt = c.id, c.ends
				if r, err := w.Store.Put(t.Context(), target, v, m); err != nil || !r.Note.IsZero() {
					t.Fatalf("%s: %+v, %v", target, r, err)
				}
				told := w.Told(target)
				for _, want := range c.wants {
					if !strings.Contains(told, want) {
						t.Errorf("%s: %q does not tell %s", target, told, want)
					}
				}
				for _, no := range c.no {
					if strings.Contains(told, no) {
						t.Errorf("%s: %q still tells %s", target, told, no)
					}
				}
				testkit.MustNotLeak(t, v, []byte(told))
			}
		}
	})

	first := s.Targets[0]
	if s.Missing.Secret != "" {
		t.Run("not there", func(t *testing.T) {
			w := s.New(t)
			_, err := w.Store.Check(t.Context(), s.Missing)
			check(t, w, err, testkit.Canary(t))
		})
	}
	t.Run("hostile names are refused before anything is sent", func(t *testing.T) {
		for _, target := range s.Hostile {
			w := s.New(t)
			v := testkit.Canary(t)
			_, err := w.Store.Check(t.Context(), target)
			check(t, w, err, v)
			if b, ok := w.Store.(providers.Backend); ok {
				_, err = put(t.Context(), w, target, v)
				check(t, w, err, v)
				_, err = b.Stat(t.Context(), target)
				check(t, w, err, v)
				check(t, w, b.Remove(t.Context(), target), v)
			}
			if g, ok := w.Store.(providers.Glancer); ok {
				_, _, err := g.Glance(t.Context(), target)
				check(t, w, err, v)
			}
			if h, ok := w.Store.(providers.Historian); ok {
				_, err := h.Earlier(t.Context(), target, "1")
				check(t, w, err, v)
			}
			if w.Faults == nil {
				continue
			}
			if n := len(w.Faults.Seen()); n != 0 {
				t.Errorf("%q: %d requests were sent", target.String(), n)
			}
		}
	})
	t.Run("values that do not fit", func(t *testing.T) {
		w := s.New(t)
		for name, raw := range map[string]string{"empty": "", "too large": strings.Repeat("x", w.Store.Info().MaxValue+1), "line break": "canary-with\nline", "zero byte": "canary-with\x00zero"} {
			if _, err := put(t.Context(), w, first, secret.New([]byte(raw))); err == nil {
				t.Errorf("%s: accepted", name)
			}
		}
		if _, err := w.Open(first); err == nil {
			t.Error("something was stored")
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		w := s.New(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		v := testkit.Canary(t)
		_, err := put(ctx, w, first, v)
		check(t, w, err, v)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	if s.Local {
		return
	}
	t.Run("wrong log-in", func(t *testing.T) {
		w := s.New(t)
		w.Store = w.As(testkit.Canary(t))
		_, err := w.Store.Check(t.Context(), first)
		check(t, w, err, testkit.Canary(t))
		if hint.Of(err).Next == "" {
			t.Error("nothing is said about what to do")
		}
	})
	t.Run("missing right", func(t *testing.T) {
		for _, target := range s.Targets {
			w := s.New(t)
			w.Deny()
			access, err := w.Store.Check(t.Context(), target)
			if w.Blind && err == nil {
				if access.Note.IsZero() {
					t.Errorf("%s: the check saw nothing and says nothing", target)
				}
			} else {
				check(t, w, err, testkit.Canary(t))
				if hint.Of(err).Next == "" {
					t.Errorf("%s: nothing is said about what to do", target)
				}
			}
			v := testkit.Canary(t)
			_, err = put(t.Context(), w, target, v)
			check(t, w, err, v)
			if hint.Of(err).Next == "" {
				t.Errorf("%s: nothing is said about what to do", target)
			}
		}
	})
	t.Run("faults that pass", func(t *testing.T) {
		for name, f := range map[string]fault.Fault{
			"500":                      {Status: 500},
			"503 after it was applied": {Kind: fault.FailApplied, Status: 503},
			"cut before":               {Kind: fault.CutBefore},
			"cut after it was applied": {Kind: fault.CutApplied},
			"429":                      {Status: 429},
			"429 with Retry-After":     {Status: 429, Header: http.Header{"Retry-After": {"0"}}},
		} {
			w := s.New(t)
			f.Method, f.Path = w.Write(first)
			f.Times, f.Body = 2, madeUp
			w.Faults.Add(f)
			v := testkit.Canary(t)
			if _, err := put(t.Context(), w, first, v); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			holds(t, w, first, v)
		}
	})
	t.Run("faults that stay", func(t *testing.T) {
		for name, f := range map[string]fault.Fault{
			"500": {Status: 500}, "cut": {Kind: fault.CutBefore}, "429": {Status: 429}, "403": {Status: 403}, "404": {Status: 404}, "409": {Status: 409}, "422": {Status: 422},
			"a pause of a day": {Status: 429, Header: http.Header{"Retry-After": {"86400"}}},
		} {
			w := s.New(t)
			f.Method, f.Path = w.Write(first)
			f.Times, f.Body = 99, madeUp
			w.Faults.Add(f)
			v := testkit.Canary(t)
			_, err := put(t.Context(), w, first, v)
			if err == nil {
				t.Errorf("%s: no error", name)
				continue
			}
			check(t, w, err, v)
		}
	})
}

// madeUp is the body of an injected refusal, in the forms of all services at once.
const madeUp = `{"type":"error","message":"made up","error":{"message":"made up"}}`
