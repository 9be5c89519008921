package cli

import (
	"context"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/journal"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Hooks let a test stand between the program and the world.
type Hooks struct {
	Keyring astro.Keyring
	// Quiet is how long requests without an answer are waited for; 0 for the usual time.
	Quiet   time.Duration
	Around  func(http.RoundTripper) http.RoundTripper
	Journal journal.Options
}

// MainWith is Main with hooks.
func MainWith(h Hooks, args []string, in *os.File, out, errw *os.File, environ []string) int {
	a := newApp(in, out, environ)
	a.keyring = func() astro.Keyring { return h.Keyring }
	a.around, a.journal = h.Around, h.Journal
	if h.Quiet > 0 {
		a.quiet = h.Quiet
	}
	return a.run(args, out, errw)
}

// Store opens a store the way the program does: its log-in is that of the environment, or that of the
// sandbox when there is one.
func Store(ctx context.Context, dir string, environ []string, s *sandbox.Sandbox, id string) (providers.Store, error) {
	a := newApp(nil, io.Discard, environ)
	a.root()
	a.out, a.err = io.Discard, &footer{to: io.Discard}
	base, err := a.base("", "")
	if err != nil {
		return nil, err
	}
	w := &world{
		app: a, base: base, sandbox: s, files: pipeline.NewFiles(dir), sources: map[string]string{}, books: map[string]openBook{},
		opened: map[string]providers.Platform{}, ready: map[string]providers.Backend{},
	}
	return w.store(ctx, setup.Plan{}, id)
}
