package providertest

import (
	"errors"
	"io/fs"
	"net/http"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Open is an open request to merge, as the server has it.
type Open struct {
	Title, Base string
	Files       map[string]string // that differ from the base
}

// ProposeWorld is a platform that keeps repositories, over a server that can be looked into.
type ProposeWorld struct {
	Faults   *fault.Set
	Proposer providers.Proposer
	Commit   func(branch, path, text string) // by somebody else
	Open     func() []Open
	Guard    func(branch string) // no push for the log-in any more
}

// Propose runs the suite of pull and merge requests on the repository.
func Propose(t *testing.T, repo setup.Repository, build func(t *testing.T) *ProposeWorld) {
	const path = ".ci/deploy now.yml"
	proposal := providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: path, Content: []byte("a: ü\n"), Title: "Deploy to Astro", Body: "Made by astro-ci."}
	one := func(t *testing.T, w *ProposeWorld, text string) {
		t.Helper()
		all := w.Open()
		if len(all) != 1 || all[0].Base != "main" || all[0].Title != proposal.Title || len(all[0].Files) != 1 || all[0].Files[path] != text {
			t.Errorf("open are %+v", all)
		}
	}
	t.Run("a request with this file only", func(t *testing.T) {
		t.Parallel()
		w := build(t)
		w.Commit("main", "README.md", "hello")
		if _, err := w.Proposer.Content(t.Context(), repo, "main", path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("a file that is not there: %v", err)
		}
		q, err := w.Proposer.Propose(t.Context(), repo, proposal)
		if err != nil || !q.New || q.Link == "" {
			t.Fatalf("%+v, %v", q, err)
		}
		one(t, w, "a: ü\n")
		again, err := w.Proposer.Propose(t.Context(), repo, proposal)
		if err != nil || again.New || again.Number != q.Number || again.Link != q.Link {
			t.Errorf("again: %+v, %v", again, err)
		}
		next := proposal
		next.Content = []byte("a: 2\n")
		if changed, err := w.Proposer.Propose(t.Context(), repo, next); err != nil || changed.Number != q.Number {
			t.Errorf("another content: %+v, %v", changed, err)
		}
		one(t, w, "a: 2\n")
		for range 2 { // the second time nothing is left of it
			if err := w.Proposer.Withdraw(t.Context(), repo, next, q); err != nil {
				t.Errorf("withdraw: %v", err)
			}
			if all := w.Open(); len(all) != 0 {
				t.Errorf("still open: %+v", all)
			}
		}
	})
	t.Run("a file that is there is changed", func(t *testing.T) {
		t.Parallel()
		w := build(t)
		w.Commit("main", path, "a: old\n")
		if raw, err := w.Proposer.Content(t.Context(), repo, "main", path); err != nil || string(raw) != "a: old\n" {
			t.Errorf("%q, %v", raw, err)
		}
		if _, err := w.Proposer.Propose(t.Context(), repo, proposal); err != nil {
			t.Fatal(err)
		}
		one(t, w, "a: ü\n")
		if raw, err := w.Proposer.Content(t.Context(), repo, "main", path); err != nil || string(raw) != "a: old\n" {
			t.Errorf("the base changed: %q, %v", raw, err)
		}
	})
	t.Run("a protected branch is seen", func(t *testing.T) {
		t.Parallel()
		w := build(t)
		if guarded, err := w.Proposer.Protected(t.Context(), repo, "main"); err != nil || guarded {
			t.Errorf("before: %v, %v", guarded, err)
		}
		if guarded, err := w.Proposer.Protected(t.Context(), repo, "none"); err != nil || guarded {
			t.Errorf("a branch that is not there: %v, %v", guarded, err)
		}
		w.Guard("main")
		if guarded, err := w.Proposer.Protected(t.Context(), repo, "main"); err != nil || !guarded {
			t.Errorf("guarded: %v, %v", guarded, err)
		}
		if _, err := w.Proposer.Propose(t.Context(), repo, proposal); err != nil {
			t.Errorf("a request is possible all the same: %v", err)
		}
	})
	// Whatever request of it gets lost, before or after it had its effect: trying again ends with one
	// request, and taking it back with none.
	for _, kind := range []fault.Kind{fault.CutBefore, fault.CutApplied} {
		for nth := range 8 {
			for _, back := range []bool{false, true} {
				w := build(t)
				w.Faults.Add(fault.Fault{Kind: kind, Times: 1, Skip: nth})
				_, _ = w.Proposer.Propose(t.Context(), repo, proposal) // which may have repeated it by itself
				w.Faults.Clear()
				if back {
					if err := w.Proposer.Withdraw(t.Context(), repo, proposal, providers.Request{}); err != nil {
						t.Errorf("fault %d at %d: withdraw: %v", kind, nth, err)
					}
					if all := w.Open(); len(all) != 0 {
						t.Errorf("fault %d at %d: still open: %+v", kind, nth, all)
					}
					continue
				}
				if _, err := w.Proposer.Propose(t.Context(), repo, proposal); err != nil {
					t.Errorf("fault %d at %d, then again: %v", kind, nth, err)
				}
				one(t, w, "a: ü\n")
			}
		}
	}
	t.Run("no right", func(t *testing.T) {
		t.Parallel()
		w := build(t)
		w.Faults.Add(fault.Fault{Method: http.MethodPost, Kind: fault.Answer, Status: http.StatusForbidden, Body: `{"type":"error","message":"no","error":{"message":"no"}}`, Times: 1})
		if _, err := w.Proposer.Propose(t.Context(), repo, proposal); err == nil {
			t.Error("no error")
		}
	})
}
