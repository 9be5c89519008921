package pipeline

import (
	"fmt"

	"github.com/aymanbagabas/go-udiff"

	"github.com/astro-ci/astro-ci/internal/display"
)

// Changed reports whether the file's content differs.
func (c Change) Changed() bool {
	return c.Path != "" && (!c.Existed || c.Gone || string(c.Before) != string(c.After))
}

// Summary is the change in a few words: "new file, 84 lines" or "3 lines added, 1 removed".
func (c Change) Summary() string {
	if !c.Changed() {
		return "no change"
	}
	if c.Gone {
		return "the file is deleted"
	}
	added, removed := 0, 0
	if u, err := c.unified(); err == nil {
		for _, h := range u.Hunks {
			for _, l := range h.Lines {
				switch l.Kind {
				case udiff.Insert:
					added++
				case udiff.Delete:
					removed++
				case udiff.Equal:
				}
			}
		}
	}
	if !c.Existed {
		return "new file, " + lines(added)
	}
	switch {
	case removed == 0:
		return lines(added) + " added"
	case added == 0:
		return lines(removed) + " removed"
	}
	return fmt.Sprintf("%s added, %d removed", lines(added), removed)
}

func lines(n int) string {
	if n == 1 {
		return "1 line"
	}
	return fmt.Sprintf("%d lines", n)
}

// Diff is the change as a unified diff with three lines of context, empty when nothing changes.
// It is safe to print: characters that act on a terminal are shown as U+FFFD.
func (c Change) Diff() string {
	u, err := c.unified()
	if err != nil || !c.Changed() {
		return ""
	}
	return display.Block(u.String())
}

func (c Change) unified() (udiff.UnifiedDiff, error) {
	from, before := "a/"+c.Path, string(c.Before)
	if !c.Existed {
		from = "/dev/null"
	}
	return udiff.ToUnifiedDiff(from, "b/"+c.Path, before, udiff.Lines(before, string(c.After)), udiff.DefaultContextLines)
}
