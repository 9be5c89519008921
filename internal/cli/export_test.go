package cli

import (
	"os"

	"github.com/astro-ci/astro-ci/internal/astro"
)

// MainWithKeyring is Main with another keyring than the operating system's.
func MainWithKeyring(args []string, in, out, errw *os.File, environ []string, ring astro.Keyring) int {
	a := newApp(in, out, environ)
	a.keyring = func() astro.Keyring { return ring }
	return a.run(args, out, errw)
}
