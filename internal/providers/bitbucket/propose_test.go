package bitbucket_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/bitbucketd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var etl = setup.Repository{Host: "bitbucket.org", Path: "acme/etl"}

func TestPropose(t *testing.T) {
	t.Parallel()
	providertest.Propose(t, etl, func(t *testing.T) *providertest.ProposeWorld {
		t.Helper()
		server, w := newWorld(t, bitbucketd.Email)
		return &providertest.ProposeWorld{
			Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
			Commit: func(branch, path, text string) { server.Commit("acme/etl", branch, path, text) },
			Guard:  func(branch string) { server.Restrict("acme/etl", bitbucketd.Restriction{Pattern: branch}) },
			Open: func() (out []providertest.Open) {
				for _, q := range server.Pulls("acme/etl") {
					if q.Open {
						out = append(out, providertest.Open{Title: q.Title, Base: q.Target, Files: q.Files})
					}
				}
				return out
			},
		}
	})
}

// A branch is protected where a restriction is about it and surely leaves the log-in out; what the
// log-in may not see is not known.
func TestProtected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		user string
		in   bitbucketd.Restriction
		deny bool
		want bool
	}{
		"a part of the name":       {bitbucketd.Email, bitbucketd.Restriction{Pattern: "mai"}, false, false},
		"a pattern":                {bitbucketd.Email, bitbucketd.Restriction{Pattern: "m*"}, false, true},
		"every branch":             {bitbucketd.Email, bitbucketd.Restriction{Pattern: "*"}, false, true},
		"a dot is a dot":           {bitbucketd.Email, bitbucketd.Restriction{Pattern: "m..n"}, false, false},
		"no administrator":         {bitbucketd.Email, bitbucketd.Restriction{Pattern: "main"}, true, false},
		"but this user":            {bitbucketd.Email, bitbucketd.Restriction{Pattern: "main", Users: []string{bitbucketd.User}}, false, false},
		"but another user":         {bitbucketd.Email, bitbucketd.Restriction{Pattern: "main", Users: []string{"{b}"}}, false, true},
		"but a group":              {bitbucketd.Email, bitbucketd.Restriction{Pattern: "main", Groups: []string{"developers"}}, false, false},
		"but a user, who is asked": {"", bitbucketd.Restriction{Pattern: "main", Users: []string{"{b}"}}, false, false},
		"nobody, with a token":     {"", bitbucketd.Restriction{Pattern: "main"}, false, true},
		"the production branch":    {bitbucketd.Email, bitbucketd.Restriction{Type: "production"}, false, true},
		"the development branch":   {bitbucketd.Email, bitbucketd.Restriction{Type: "development"}, false, false},
		"branches of features":     {bitbucketd.Email, bitbucketd.Restriction{Type: "feature"}, false, false},
		"branches of no such type": {bitbucketd.Email, bitbucketd.Restriction{Type: "hotfix"}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, w := newWorld(t, c.user)
			server.Restrict("acme/etl", c.in)
			if c.deny {
				server.Deny()
			}
			p := w.Store.(providers.Proposer)
			if got, err := p.Protected(t.Context(), etl, "main"); err != nil || got != c.want {
				t.Errorf("%v, %v", got, err)
			}
			server.Commit("acme/etl", "feature/a/b", "a", "a")
			if got, err := p.Protected(t.Context(), etl, "feature/a/b"); err != nil || got != (c.in.Type == "feature" || c.in.Pattern == "*") {
				t.Errorf("a branch with slashes: %v, %v", got, err)
			}
			w.Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/2.0/repositories/*/*/branch-restrictions", Kind: fault.Answer, Status: http.StatusNotFound, Body: `{"type":"error","error":{"message":"no"}}`, Times: 1})
			if _, err := p.Protected(t.Context(), etl, "main"); err == nil {
				t.Error("an error was taken for an answer")
			}
		})
	}
}

// What others did is left alone: a request from a fork's branch of the same name, and a branch that
// moved; names are not taken for a part of the question.
func TestProposeBesideOthers(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, bitbucketd.Email)
	p := w.Store.(providers.Proposer)
	server.Fork("acme/etl", "eve/etl", "astro-ci/etl")
	proposal := providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: "bitbucket-pipelines.yml", Content: []byte("a: \xff\r\n"), Title: "t"}
	q, err := p.Propose(t.Context(), etl, proposal)
	if err != nil || !q.New || q.Number != 2 || q.Link != "https://bitbucket.org/acme/etl/pull-requests/2" {
		t.Fatalf("%+v, %v", q, err)
	}
	if raw, err := p.Content(t.Context(), etl, proposal.Branch, proposal.Path); err != nil || string(raw) != "a: \xff\r\n" {
		t.Errorf("the file is %q, %v", raw, err)
	}
	// The branch moves between the look at it and the commit.
	w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/2.0/repositories/*/*/src", Kind: fault.Answer, Status: http.StatusConflict, Body: `{"type":"error","error":{"message":"moved"}}`, Times: 1})
	proposal.Content = []byte("a: 2\n")
	if _, err := p.Propose(t.Context(), etl, proposal); err == nil || !strings.Contains(hint.Of(err).Next, "Try again") {
		t.Errorf("moved: %v", err)
	}
	if err := p.Withdraw(t.Context(), etl, proposal, q); err != nil {
		t.Error(err)
	}
	if all := server.Pulls("acme/etl"); len(all) != 2 || !all[0].Open || all[1].Open || server.HasBranch("acme/etl", proposal.Branch) {
		t.Errorf("requests are %+v", all)
	}
	odd := proposal
	odd.Branch = `x" OR title ~ "\%?#`
	if q, err := p.Propose(t.Context(), etl, odd); err != nil || !q.New {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err := p.Propose(t.Context(), etl, odd); err != nil || q.New {
		t.Errorf("again: %+v, %v", q, err)
	}
	odd.Base = "none"
	odd.Branch = "new"
	if _, err := p.Propose(t.Context(), etl, odd); err == nil || !strings.Contains(err.Error(), "no branch none") {
		t.Errorf("nothing to merge into: %v", err)
	}
}

// Whatever is lost while a request is taken back, nothing of it is left.
func TestWithdrawCut(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.CutBefore, fault.CutApplied} {
		for nth := range 4 {
			server, w := newWorld(t, bitbucketd.Email)
			p := w.Store.(providers.Proposer)
			proposal := providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: "bitbucket-pipelines.yml", Content: []byte("a: 1\n"), Title: "t"}
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

func TestProposeWithoutRight(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, bitbucketd.Email)
	server.Restrict("acme/etl", bitbucketd.Restriction{Pattern: "astro-ci/*"})
	_, err := w.Store.(providers.Proposer).Propose(t.Context(), etl, providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: "a.yml", Content: []byte("a: 1"), Title: "t"})
	if err == nil || !strings.Contains(hint.Of(err).Next, "write:pullrequest:bitbucket") {
		t.Errorf("got %v", err)
	}
}

// What was proposed is there after a restart, and a state from before there were requests has none.
func TestProposeKept(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, bitbucketd.Email)
	before := server.State()
	if strings.Contains(string(before), "heads") {
		t.Fatalf("a new state is no old one: %s", before)
	}
	if _, err := w.Store.(providers.Proposer).Propose(t.Context(), etl, providers.Proposal{Base: "main", Branch: "b", Path: "a.yml", Content: []byte("a: 1"), Title: "t"}); err != nil {
		t.Fatal(err)
	}
	for want, state := range map[int][]byte{0: before, 1: server.State()} {
		again, err := bitbucketd.New(embedded.Options{State: state})
		if err != nil {
			t.Fatal(err)
		}
		if all := again.Pulls("acme/etl"); len(all) != want || again.HasBranch("acme/etl", "b") != (want == 1) || !again.HasBranch("acme/etl", "main") {
			t.Errorf("want %d: %+v", want, all)
		}
	}
}
