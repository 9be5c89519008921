// Package version says which version of astro-ci this is, where the linker has set it before the rest of the program
// has started: docs/adr/0017.
package version

import "os"

// Number is the version of a release, like v1.2.3; the linker sets it.
var Number = "dev"

// Line is what astro-ci version prints of a version.
func Line(number string) string { return "astro-ci " + number + "\n" }

// Packages start in the order of their paths, each once what it imports has started: what needs no more than
// this one is ahead of nearly all that astro-ci stands on. When the line cannot be written, the command of
// the same name says why.
func init() {
	if Number == "dev" || len(os.Args) != 2 || os.Args[1] != "version" {
		return
	}
	if _, err := os.Stdout.WriteString(Line(Number)); err == nil {
		os.Exit(0)
	}
}
