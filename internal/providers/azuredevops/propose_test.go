package azuredevops_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/azured"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	etl = "acme/data/etl"
	api = "/acme/data/_apis/git/repositories/etl"
)

var proposal = providers.Proposal{Base: "main", Branch: "astro-ci/etl", Path: "azure-pipelines.yml", Content: []byte("a: \xff\r\n"), Title: "t"}

func TestPropose(t *testing.T) {
	t.Parallel()
	providertest.Propose(t, meta.Repository, func(t *testing.T) *providertest.ProposeWorld {
		t.Helper()
		server, w := newWorld(t)
		return &providertest.ProposeWorld{
			Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
			Commit: func(branch, path, text string) { server.Commit(etl, branch, path, text) },
			Guard:  func(branch string) { server.Require(etl, azured.Policy{Ref: "refs/heads/" + branch, Match: "Exact"}) },
			Open: func() (out []providertest.Open) {
				for _, q := range server.Pulls(etl) {
					if q.Open {
						out = append(out, providertest.Open{Title: q.Title, Base: q.Target, Files: q.Files})
					}
				}
				return out
			},
		}
	})
}

// A branch is protected where a policy that is applied and blocks is about branches, and this one is
// among them, on whatever page the policy stands.
func TestProtected(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		in            azured.Policy
		main, feature bool
	}{
		"of the branch":         {azured.Policy{Ref: "refs/heads/main", Match: "Exact"}, true, false},
		"of another branch":     {azured.Policy{Ref: "refs/heads/mai", Match: "Exact"}, false, false},
		"of a folder":           {azured.Policy{Ref: "refs/heads/feature", Match: "Prefix"}, false, true},
		"of the default branch": {azured.Policy{Match: "DefaultBranch"}, true, false},
		"optional":              {azured.Policy{Ref: "refs/heads/main", Match: "Exact", Optional: true}, false, false},
		"not applied":           {azured.Policy{Ref: "refs/heads/main", Match: "Exact", Disabled: true}, false, false},
		"of sizes of files":     {azured.Policy{Push: true}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, w := newWorld(t)
			for range 3 {
				server.Require(etl, azured.Policy{Push: true})
			}
			server.Require(etl, c.in)
			server.Commit(etl, "feature/a/b", "a", "a")
			p := w.Store.(providers.Proposer)
			for branch, want := range map[string]bool{"main": c.main, "feature/a/b": c.feature, "feature/a": false, "none": false} {
				if got, err := p.Protected(t.Context(), meta.Repository, branch); err != nil || got != want {
					t.Errorf("%s: %v, %v", branch, got, err)
				}
			}
		})
	}
}

// What the log-in may not see is not known, and code that lies elsewhere has no policies; anything else
// is no answer.
func TestProtectedUnknown(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Require(etl, azured.Policy{Ref: "refs/heads/main", Match: "Exact"})
	p := w.Store.(providers.Proposer)
	at := func(status, skip int) {
		w.Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/acme/data/_apis/git/policy/configurations", Kind: fault.Answer, Status: status, Body: `{"message":"no"}`, Times: 1, Skip: skip})
	}
	at(http.StatusForbidden, 0)
	if got, err := p.Protected(t.Context(), meta.Repository, "main"); err != nil || got {
		t.Errorf("forbidden: %v, %v", got, err)
	}
	at(http.StatusNotFound, 0)
	if _, err := p.Protected(t.Context(), meta.Repository, "main"); err == nil {
		t.Error("an error was taken for an answer")
	}
	if got, err := p.Protected(t.Context(), setup.Repository{Path: "acme/data/elsewhere"}, "main"); err != nil || got {
		t.Errorf("elsewhere: %v, %v", got, err)
	}
	if _, err := p.Protected(t.Context(), setup.Repository{Path: "acme/etl"}, "main"); err == nil {
		t.Error("a repository that is none")
	}
}

// What others did is left alone: a request from a fork's branch of the same name, a branch whose name
// only begins so, and a branch that moved; names are not taken for a part of the question.
func TestProposeBesideOthers(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(providers.Proposer)
	server.Fork(etl, "astro-ci/etl")
	server.Commit(etl, "astro-ci/etl-prod", "a", "a")
	q, err := p.Propose(t.Context(), meta.Repository, proposal)
	if err != nil || !q.New || !strings.Contains(q.Link, "/acme/data/_git/etl/pullrequest/") {
		t.Fatalf("%+v, %v", q, err)
	}
	if raw, err := p.Content(t.Context(), meta.Repository, proposal.Branch, proposal.Path); err != nil || string(raw) != "a: \xff\r\n" {
		t.Errorf("the file is %q, %v", raw, err)
	}
	// The branch moves between the look at it and the commit.
	w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: api + "/pushes", Kind: fault.Answer, Status: http.StatusConflict, Body: `{"message":"moved"}`, Times: 1})
	next := proposal
	next.Content = []byte("a: 2\n")
	if _, err := p.Propose(t.Context(), meta.Repository, next); err == nil || !strings.Contains(hint.Of(err).Next, "Try again") {
		t.Errorf("moved: %v", err)
	}
	// Somebody else opens the request between the look for it and ours: it is not ours to take back.
	w.Faults.Add(fault.Fault{Method: http.MethodGet, Path: api + "/pullrequests", Kind: fault.Answer, Status: http.StatusOK, Body: `{"count":0,"value":[]}`, Times: 1})
	if again, err := p.Propose(t.Context(), meta.Repository, proposal); err != nil || again.New || again.Number != q.Number {
		t.Errorf("opened by somebody else: %+v, %v", again, err)
	}
	if err := p.Withdraw(t.Context(), meta.Repository, proposal, q); err != nil {
		t.Error(err)
	}
	if all := server.Pulls(etl); len(all) != 2 || !all[0].Open || all[1].Open || server.HasBranch(etl, proposal.Branch) || !server.HasBranch(etl, "astro-ci/etl-prod") {
		t.Errorf("requests are %+v", all)
	}
	odd := proposal
	odd.Branch, odd.Path = `x&searchCriteria.status=all"%?#ü`, "a &#%/ü.yml"
	if q, err := p.Propose(t.Context(), meta.Repository, odd); err != nil || !q.New {
		t.Errorf("%+v, %v", q, err)
	}
	if q, err := p.Propose(t.Context(), meta.Repository, odd); err != nil || q.New {
		t.Errorf("again: %+v, %v", q, err)
	}
	odd.Base, odd.Branch = "none", "new"
	if _, err := p.Propose(t.Context(), meta.Repository, odd); err == nil || !strings.Contains(err.Error(), "no branch none") {
		t.Errorf("nothing to merge into: %v", err)
	}
}

// A lost answer is recovered in the same go: the repetition is refused, and what is there counts.
func TestProposeCut(t *testing.T) {
	t.Parallel()
	for _, path := range []string{api + "/pushes", api + "/pullrequests"} {
		server, w := newWorld(t)
		w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: path, Kind: fault.CutApplied, Times: 1})
		q, err := w.Store.(providers.Proposer).Propose(t.Context(), meta.Repository, proposal)
		if all := server.Pulls(etl); err != nil || !q.New || len(all) != 1 || all[0].Number != q.Number {
			t.Errorf("%s: %+v, %v, there are %+v", path, q, err, all)
		}
	}
}

// Whatever is lost while a request is taken back, nothing of it is left.
func TestWithdrawCut(t *testing.T) {
	t.Parallel()
	for _, kind := range []fault.Kind{fault.CutBefore, fault.CutApplied} {
		for nth := range 4 {
			server, w := newWorld(t)
			p := w.Store.(providers.Proposer)
			q, err := p.Propose(t.Context(), meta.Repository, proposal)
			if err != nil {
				t.Fatal(err)
			}
			w.Faults.Add(fault.Fault{Kind: kind, Times: 1, Skip: nth})
			if err := p.Withdraw(t.Context(), meta.Repository, proposal, q); err != nil {
				t.Errorf("fault %d at %d: %v", kind, nth, err)
			}
			if all := server.Pulls(etl); all[0].Open || server.HasBranch(etl, proposal.Branch) {
				t.Errorf("fault %d at %d: left are %+v", kind, nth, all)
			}
		}
	}
}

// Whether a branch was deleted stands in the answer, which is a success in any case.
func TestWithdrawRefused(t *testing.T) {
	t.Parallel()
	for status, next := range map[string]string{"staleOldObjectId": "Try again", "rejectedByPolicy": "Delete it in Azure Repos"} {
		server, w := newWorld(t)
		p := w.Store.(providers.Proposer)
		q, err := p.Propose(t.Context(), meta.Repository, proposal)
		if err != nil {
			t.Fatal(err)
		}
		if status == "rejectedByPolicy" {
			server.Require(etl, azured.Policy{Ref: "refs/heads/astro-ci", Match: "Prefix"})
		} else {
			w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: api + "/refs", Kind: fault.Answer, Status: http.StatusOK, Body: `{"count":1,"value":[{"success":false,"updateStatus":"` + status + `"}]}`, Times: 1})
		}
		if err := p.Withdraw(t.Context(), meta.Repository, proposal, q); err == nil || !strings.Contains(err.Error(), status) || !strings.Contains(hint.Of(err).Next, next) {
			t.Errorf("%s: %v", status, err)
		}
	}
}

func TestProposeWithoutRight(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Deny()
	_, err := w.Store.(providers.Proposer).Propose(t.Context(), meta.Repository, proposal)
	if err == nil || !strings.Contains(hint.Of(err).Next, "Contribute to pull requests") || !strings.Contains(hint.Of(err).Next, "Code (read and write)") {
		t.Errorf("got %v", err)
	}
}

// A Server may stand below a folder; what the sandbox shows as a host is not where it answers.
func TestLinks(t *testing.T) {
	t.Parallel()
	base, _ := url.Parse("https://tfs.corp:8443/tfs/")
	for want, o := range map[string]providers.Options{
		"https://tfs.corp:8443/tfs/acme/my%20data/_build": {Server: base},
		"https://dev.azure.com/acme/my%20data/_build":     {Server: base, Host: azuredevops.Host},
	} {
		o.Login.Value = testkit.Canary(t)
		if got := azuredevops.New(o).Runs(setup.Repository{Path: "acme/my data/etl"}, ""); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

// What was proposed is there after a restart, and a state from before there were requests has none. A
// run finds its file on the branch where it was committed.
func TestProposeKept(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	before := server.State()
	if strings.Contains(string(before), "heads") {
		t.Fatalf("a new state is no old one: %s", before)
	}
	if _, err := w.Store.(providers.Proposer).Propose(t.Context(), meta.Repository, proposal); err != nil {
		t.Fatal(err)
	}
	for want, state := range map[int][]byte{0: before, 1: server.State()} {
		again, err := azured.New(embedded.Options{State: state})
		if err != nil {
			t.Fatal(err)
		}
		if all := again.Pulls(etl); len(all) != want || again.HasBranch(etl, proposal.Branch) != (want == 1) || !again.HasBranch(etl, "main") {
			t.Errorf("want %d: %+v", want, all)
		}
	}
	if _, err := w.Store.Put(t.Context(), target("acme/data/group:astro", name), testkit.Canary(t), meta); err != nil {
		t.Fatal(err)
	}
	p := w.Store.(*azuredevops.Provider)
	if _, err := p.Start(t.Context(), meta.Repository, meta.File, "main"); err == nil {
		t.Error("a run of a file that is not merged")
	}
	server.Commit(etl, "main", meta.File, "a: 1\n")
	if _, err := p.Start(t.Context(), meta.Repository, meta.File, "main"); err != nil {
		t.Error(err)
	}
}
