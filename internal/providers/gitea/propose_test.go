package gitea_test

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitead"
)

var proposal = providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: ".gitea/workflows/astro.yaml", Content: []byte("a: 1\n"), Title: "t"}

var kinds = map[string]gitead.Kind{"gitea": gitead.Gitea, "older": gitead.Older, "forgejo": gitead.Forgejo, "oldest": gitead.Oldest}

func TestPropose(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			providertest.Propose(t, etl, func(t *testing.T) *providertest.ProposeWorld {
				t.Helper()
				server, w := newWorld(t)
				server.Be(kind)
				return &providertest.ProposeWorld{
					Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
					Commit: func(branch, path, text string) { server.Commit("acme/etl", branch, path, text) },
					Guard:  func(branch string) { server.Protect("acme/etl", gitead.Rule{Pattern: branch}) },
					Open: func() (out []providertest.Open) {
						for _, q := range server.Pulls("acme/etl") {
							if q.Open {
								out = append(out, providertest.Open{Title: q.Title, Base: q.Base, Files: q.Files})
							}
						}
						return out
					},
				}
			})
		})
	}
}

// A branch is protected where a rule is about it and does not let the log-in push.
func TestProtected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		rule         gitead.Rule
		main, slashy bool
	}{
		"this branch":    {gitead.Rule{Pattern: "main"}, true, false},
		"but this user":  {gitead.Rule{Pattern: "main", Push: true}, false, false},
		"another branch": {gitead.Rule{Pattern: "feature/*/b#%*"}, false, true},
		"no branch":      {gitead.Rule{Pattern: "mai"}, false, false},
	} {
		server, w := newWorld(t)
		server.Protect("acme/etl", c.rule)
		p := w.Store.(providers.Proposer)
		server.Commit("acme/etl", "feature/a/b#%?", "a", "a")
		for branch, want := range map[string]bool{"main": c.main, "feature/a/b#%?": c.slashy} {
			if got, err := p.Protected(t.Context(), etl, branch); err != nil || got != want {
				t.Errorf("%s: %s: %v, %v", name, branch, got, err)
			}
		}
		w.Faults.Add(fault.Fault{Method: http.MethodGet, Kind: fault.Answer, Status: http.StatusForbidden, Body: `{"message":"no"}`, Times: 1})
		if _, err := p.Protected(t.Context(), etl, "main"); err == nil {
			t.Errorf("%s: an error was taken for an answer", name)
		}
	}
}

// What others did is left alone: requests from a fork's branch of the same name, on however many pages,
// and one that was merged; names are not taken for a part of the question.
func TestProposeBesideOthers(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(providers.Proposer)
	x := proposal
	x.Content = []byte("a: \xff\r\n")
	q, err := p.Propose(t.Context(), etl, x)
	if err != nil || !q.New || q.Number != 1 || q.Link != "https://gitea.example/acme/etl/pulls/1" {
		t.Fatalf("%+v, %v", q, err)
	}
	for range 70 {
		server.Fork("acme/etl", "eve/etl", x.Branch)
	}
	if again, err := p.Propose(t.Context(), etl, x); err != nil || again.New || again.Number != 1 {
		t.Errorf("on the last page: %+v, %v", again, err)
	}
	if raw, err := p.Content(t.Context(), etl, x.Branch, x.Path); err != nil || string(raw) != "a: \xff\r\n" {
		t.Errorf("the file is %q, %v", raw, err)
	}
	if err := p.Withdraw(t.Context(), etl, x, q); err != nil {
		t.Error(err)
	}
	if all := server.Pulls("acme/etl"); len(all) != 71 || all[0].Open || !all[1].Open || server.HasBranch("acme/etl", x.Branch) {
		t.Errorf("requests are %+v", all)
	}
	// What was closed, and what was merged, is not opened again.
	for _, number := range []int{72, 73} {
		if q, err = p.Propose(t.Context(), etl, x); err != nil || !q.New || q.Number != number {
			t.Errorf("%+v, %v", q, err)
		}
		server.Merge("acme/etl")
		x.Content = []byte("a: 2\n")
	}
	if err := p.Withdraw(t.Context(), etl, x, q); err != nil || server.HasBranch("acme/etl", x.Branch) {
		t.Errorf("merged: %v", err)
	}
	odd := proposal
	odd.Branch, odd.Path = `a/x"&%#=é`, ".ci/a?b#c %2F.yaml"
	for _, isNew := range []bool{true, false} {
		if q, err := p.Propose(t.Context(), etl, odd); err != nil || q.New != isNew {
			t.Errorf("%+v, %v", q, err)
		}
	}
	odd.Base, odd.Branch = "none", "new"
	if _, err := p.Propose(t.Context(), etl, odd); err == nil || !strings.Contains(err.Error(), "no branch none") {
		t.Errorf("nothing to merge into: %v", err)
	}
}

// Somebody who does the same at the same time is no trouble; somebody who does something else is.
func TestProposeAtTheSameTime(t *testing.T) {
	t.Parallel()
	const repo = "/api/v1/repos/*/*"
	answer := func(method, path string, status int) fault.Fault {
		return fault.Fault{Method: method, Path: repo + path, Kind: fault.Answer, Status: status, Body: `{"message":"no"}`, Times: 1}
	}
	_, w := newWorld(t)
	p := w.Store.(providers.Proposer)
	w.Faults.Add(answer(http.MethodPost, "/contents/*/*/*", http.StatusUnprocessableEntity))
	if _, err := p.Propose(t.Context(), etl, proposal); err == nil || !strings.Contains(hint.Of(err).Next, "Try again") {
		t.Errorf("the file: %v", err)
	}
	if q, err := p.Propose(t.Context(), etl, proposal); err != nil || !q.New {
		t.Fatalf("%+v, %v", q, err)
	}
	// The branch and the request come up after they were looked for.
	w.Faults.Add(answer(http.MethodGet, "/branches/*/*", http.StatusNotFound))
	w.Faults.Add(fault.Fault{Method: http.MethodGet, Path: repo + "/pulls", Kind: fault.Answer, Status: http.StatusOK, Body: `[]`, Times: 1})
	if q, err := p.Propose(t.Context(), etl, proposal); err != nil || q.Number != 1 {
		t.Errorf("%+v, %v", q, err)
	}
}

// Whatever is lost while a request is taken back, nothing of it is left.
func TestWithdrawCut(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.CutBefore, fault.CutApplied} {
		for nth := range 4 {
			server, w := newWorld(t)
			p := w.Store.(providers.Proposer)
			q, err := p.Propose(t.Context(), etl, proposal)
			if err != nil {
				t.Fatal(err)
			}
			w.Faults.Add(fault.Fault{Kind: kind, Times: 1, Skip: nth})
			if err := p.Withdraw(t.Context(), etl, proposal, q); err != nil {
				t.Errorf("fault %d at %d: %v", kind, nth, err)
			}
			if all := server.Pulls("acme/etl"); all[0].Open || server.HasBranch("acme/etl", proposal.Branch) {
				t.Errorf("fault %d at %d: left are %+v", kind, nth, all)
			}
		}
	}
}

// What stands in the way is said, and what to do about it.
func TestProposeRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before     func(*gitead.Server)
		path, next string
	}{
		"a rule for the branch": {func(s *gitead.Server) { s.Protect("acme/etl", gitead.Rule{Pattern: "astro-ci/*"}) }, "", "A rule may protect"},
		"a rule, the branch made": {func(s *gitead.Server) {
			s.Commit("acme/etl", proposal.Branch, "a", "a")
			s.Protect("acme/etl", gitead.Rule{Pattern: "astro-ci/*"})
		}, "", "write:repository"},
		"a branch in the way": {func(s *gitead.Server) { s.Commit("acme/etl", "astro-ci", "a", "a") }, "", "--name"},
		"an archive":          {func(s *gitead.Server) { s.AddRepo("acme/etl", true, false) }, "", "Unarchive"},
		"no commit":           {func(s *gitead.Server) { s.Clear("acme/etl") }, "", "Push it first"},
		"a folder":            {func(s *gitead.Server) { s.Commit("acme/etl", "main", proposal.Path+"/a", "a") }, "", "--pipeline-file"},
		"requests are off":    {nil, "/api/v1/repos/*/*/pulls", "Turn them on"},
	} {
		server, w := newWorld(t)
		if c.before != nil {
			c.before(server)
		}
		if c.path != "" {
			w.Faults.Add(fault.Fault{Path: c.path, Kind: fault.Answer, Status: http.StatusNotFound, Body: `{"message":"no"}`, Times: 9})
		}
		_, err := w.Store.(providers.Proposer).Propose(t.Context(), etl, proposal)
		if err == nil || !strings.Contains(hint.Of(err).Next, c.next) || !strings.Contains(err.Error(), "gitea: ") {
			t.Errorf("%s: %v: %s", name, err, hint.Of(err).Next)
		}
	}
}

// Where there is no commit yet there is no file, however a server says so.
func TestContentOfNothing(t *testing.T) {
	t.Parallel()
	for name, kind := range kinds {
		server, w := newWorld(t)
		server.Be(kind)
		server.Clear("acme/etl")
		p := w.Store.(providers.Proposer)
		if _, err := p.Content(t.Context(), etl, "main", proposal.Path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
		if guarded, err := p.Protected(t.Context(), etl, "main"); err != nil || guarded {
			t.Errorf("%s: %v, %v", name, guarded, err)
		}
		for nth, body := range []string{`[{"type":"file"}]`, `{"type":"symlink","content":null,"encoding":null}`, `{"type":"file","encoding":"base64","content":"?"}`, `{"type":"file","content":null,"encoding":null}`} {
			w.Faults.Add(fault.Fault{Kind: fault.Answer, Status: http.StatusOK, Body: body, Times: 1})
			if _, err := p.Content(t.Context(), etl, "main", proposal.Path); err == nil || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: answer %d was taken: %v", name, nth, err)
			}
		}
	}
}

// What was proposed is there after a restart, and a state from before there were requests has none.
func TestProposeKept(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	before := server.State()
	if strings.Contains(string(before), "branches") {
		t.Fatalf("a new state is no old one: %s", before)
	}
	if _, err := w.Store.(providers.Proposer).Propose(t.Context(), etl, proposal); err != nil {
		t.Fatal(err)
	}
	for want, state := range map[int][]byte{0: before, 1: server.State()} {
		again, err := gitead.New(embedded.Options{State: state})
		if err != nil {
			t.Fatal(err)
		}
		if all := again.Pulls("acme/etl"); len(all) != want || again.HasBranch("acme/etl", proposal.Branch) != (want == 1) || !again.HasBranch("acme/etl", "main") {
			t.Errorf("want %d: %+v", want, all)
		}
	}
}
