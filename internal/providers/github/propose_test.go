package github_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
)

func TestPropose(t *testing.T) {
	t.Parallel()
	providertest.Propose(t, etl, func(t *testing.T) *providertest.ProposeWorld {
		t.Helper()
		server, w := newWorld(t)
		return &providertest.ProposeWorld{
			Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
			Commit: func(branch, path, text string) { server.Commit("acme", "etl", branch, path, text) },
			Guard:  func(branch string) { server.Protect("acme", "etl", branch) },
			Open: func() (out []providertest.Open) {
				for _, p := range server.Pulls("acme", "etl") {
					if p.Open {
						out = append(out, providertest.Open{Title: p.Title, Base: p.Base, Files: p.Files})
					}
				}
				return out
			},
		}
	})
}

// A classic token without the scope workflow is refused with words that say nothing.
func TestProposeAWorkflowWithoutTheScope(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.SetScopes([]string{"repo"})
	_, err := w.Store.(providers.Proposer).Propose(t.Context(), etl, providers.Proposal{Base: "main", Branch: "b", Path: ".github/workflows/a.yml", Content: []byte("a: 1"), Title: "t"})
	if h, ok := errors.AsType[*hint.Error](err); !ok || !strings.Contains(h.Next, "scope workflow") {
		t.Errorf("got %v", err)
	}
}
