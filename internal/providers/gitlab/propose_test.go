package gitlab_test

import (
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestPropose(t *testing.T) {
	t.Parallel()
	providertest.Propose(t, setup.Repository{Host: "gitlab.com", Path: "acme/sub/etl"}, func(t *testing.T) *providertest.ProposeWorld {
		t.Helper()
		server, w := newWorld(t)
		return &providertest.ProposeWorld{
			Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
			Commit: func(branch, path, text string) { server.Commit("acme/sub/etl", branch, path, text) },
			Guard:  func(string) { server.Change("acme/sub/etl", 30, false) }, // a Developer may not push to main
			Open: func() (out []providertest.Open) {
				for _, m := range server.Merges("acme/sub/etl") {
					if m.Open {
						out = append(out, providertest.Open{Title: m.Title, Base: m.Target, Files: m.Files})
					}
				}
				return out
			},
		}
	})
}
