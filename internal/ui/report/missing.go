package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/flow"
)

// maxChoices is how many choices of a missing answer are named.
const maxChoices = 8

// Missing prints every answer that is missing or cannot be used: what it is called, the flag, the
// variable and the key that give it, and what could be answered.
func Missing(w io.Writer, items []flow.Missing) {
	say(w, "error: %s", missingTitle(items))
	rows := [][]string{{"answer", "flag", "variable", "key in astro-ci.yaml"}}
	for _, m := range items {
		key := m.Step.ID
		if m.Step.Kind == flow.Secret {
			key = "" // the file holds none
		}
		rows = append(rows, []string{m.Step.Name, "--" + m.Step.Flag, none(m.Step.Env), none(key)})
	}
	widths := make([]int, 4)
	for _, r := range rows {
		for i, cell := range r {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for i, r := range rows {
		say(w, "  %-*s  %-*s  %-*s  %s", widths[0], r[0], widths[1], r[1], widths[2], r[2], r[3])
		if i == 0 {
			continue
		}
		if note := missingNote(items[i-1]); note != "" {
			say(w, "      %s", note)
		}
	}
	say(w, "  what to do: %s", missingNext(items))
}

// missingNext says what to do about all of them together.
func missingNext(items []flow.Missing) string {
	if slices.ContainsFunc(items, func(m flow.Missing) bool { return m.Problem == nil }) {
		return "Give each one as a flag or a variable. To be asked instead, start astro-ci alone on a terminal."
	}
	return "Correct it where it was given: the flag, the variable, or astro-ci.yaml."
}

func missingTitle(items []flow.Missing) string {
	wrong := 0
	for _, m := range items {
		if m.Problem != nil {
			wrong++
		}
	}
	count := func(n int, is, are string) string {
		if n == 1 {
			return "1 answer " + is
		}
		return fmt.Sprintf("%d answers %s", n, are)
	}
	missing := count(len(items)-wrong, "is missing", "are missing")
	unusable := count(wrong, "cannot be used", "cannot be used")
	switch wrong {
	case 0:
		return missing
	case len(items):
		return unusable
	}
	return missing + ", " + unusable
}

// missingNote says why an answer cannot be used, or what could be answered.
func missingNote(m flow.Missing) string {
	if m.Problem != nil {
		var out []string
		for _, p := range explain(m.Problem) {
			out = append(out, strings.TrimRight(p.sentence(), ".")+".")
			if p.next != "" {
				out = append(out, p.next)
			}
		}
		return strings.Join(out, " ")
	}
	var names []string
	for _, c := range m.Choices.Items {
		if len(names) == maxChoices {
			names = append(names, fmt.Sprintf("and %d more", len(m.Choices.Items)-maxChoices))
			break
		}
		name := c.Value
		if l := c.Label.String(); l != "" && l != c.Value {
			name += " (" + l + ")"
		}
		names = append(names, name)
	}
	if len(names) > 0 {
		return "one of: " + strings.Join(names, ", ")
	}
	return m.Step.Title
}

func none(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
