package gitea_test

import (
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitead"
)

func TestPropose(t *testing.T) {
	t.Parallel()
	providertest.Propose(t, etl, func(t *testing.T) *providertest.ProposeWorld {
		t.Helper()
		server, w := newWorld(t)
		server.Be(gitead.Oldest)
		// Others have requests open as well, more than a page of them, from forks too.
		for range 3 {
			server.Fork("acme/etl", "astro-ci/etl", "main")
		}
		return &providertest.ProposeWorld{
			Faults: w.Faults, Proposer: w.Store.(providers.Proposer),
			Commit: func(branch, path, text string) { server.Commit("acme/etl", branch, path, text) },
			Guard:  func(branch string) { server.Protect("acme/etl", branch) },
			Open: func() (out []providertest.Open) {
				for _, q := range server.Pulls("acme/etl") {
					if q.Open && !q.Fork {
						out = append(out, providertest.Open{Title: q.Title, Base: q.Base, Files: q.Files})
					}
				}
				return out
			},
		}
	})
}
