package cli

import (
	"net/http"
	"os"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/journal"
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
