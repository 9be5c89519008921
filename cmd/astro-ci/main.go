// Command astro-ci gives a CI system the right credential for Astro, and keeps it right.
package main

import (
	"os"

	"github.com/astro-ci/astro-ci/internal/cli"
)

func main() {
	os.Exit(cli.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
}
