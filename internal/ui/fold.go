package ui

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// noBreak stands for a hyphen while lines are broken, so that names and dates stay whole. It is no sign that
// text from outside can hold.
const noBreak = "\ue000"

// Fold breaks a text into lines of so many cells, between words. A word that is longer than a line is broken
// after a sign of a path, or stays as it is where it has none.
func Fold(text string, cells int) []string {
	cells = max(1, cells)
	var out []string
	for line := range strings.SplitSeq(ansi.Wordwrap(strings.ReplaceAll(text, "-", noBreak), cells, ""), "\n") {
		if ansi.StringWidth(line) > cells {
			line = ansi.Wrap(line, cells, "/_#")
		}
		out = append(out, strings.Split(strings.ReplaceAll(line, noBreak, "-"), "\n")...)
	}
	return out
}
