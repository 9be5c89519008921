package tui

import (
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
)

// changed is the whole difference of a file. The signs at the left say what the colours say.
func changed(m *model, c pipeline.Change, w int) []string {
	var out []string
	diff := strings.TrimSuffix(strings.ReplaceAll(c.Diff(), "\t", "    "), "\n")
	for line := range strings.SplitSeq(diff, "\n") {
		style := m.th.dim
		switch {
		case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"):
			continue // the title names the path
		case strings.HasPrefix(line, "+"):
			out = append(out, m.th.added(line, w)...)
			continue
		case strings.HasPrefix(line, "@@"):
			style = m.th.accent
		case strings.HasPrefix(line, "-"):
			style = m.th.bad
		}
		out = append(out, each(strings.Split(ansi.Hardwrap(line, max(1, w), true), "\n"), style)...)
	}
	return out
}

// syntax is what stands out in a pipeline file of any of the platforms: a comment, the key of a mapping, an
// expression or a variable. It is one expression for YAML, shell and Groovy, which is as good as colours
// need to be.
var syntax = pattern.New(`(?P<comment>(?:^|\s)(?:#|//).*$)|(?P<key>^\s*(?:- )?["']?[A-Za-z_][\w./-]*["']?:(?:\s|$))|(?P<expression>\$\{\{.*?\}\}|\$\{?\w+\}?)`)

// span is a part of a line in one style.
type span struct {
	text  string
	style lipgloss.Style
}

// added is a new line of a file, with its syntax in colours.
func (t theme) added(line string, w int) []string {
	plain := t.dim.UnsetForeground()
	spans, code, at := []span{{"+", t.good}}, line[1:], 0
	for _, found := range syntax.FindAllStringSubmatchIndex(code, -1) {
		for group, style := range []lipgloss.Style{t.dim, t.accent, t.warn} {
			if from, to := found[2+2*group], found[3+2*group]; from >= 0 {
				spans = append(spans, span{code[at:from], plain}, span{code[from:to], style})
				at = to
			}
		}
	}
	return cells(append(spans, span{code[at:], plain}), w)
}

// cells breaks spans into lines of w cells; no style crosses a line break.
func cells(spans []span, w int) (out []string) {
	var whole strings.Builder
	for _, s := range spans {
		whole.WriteString(s.text)
	}
	for line := range strings.SplitSeq(ansi.Hardwrap(whole.String(), max(1, w), true), "\n") {
		var b strings.Builder
		for left := len(line); left > 0; {
			n := min(left, len(spans[0].text))
			b.WriteString(spans[0].style.Render(spans[0].text[:n]))
			if left -= n; n == len(spans[0].text) {
				spans = spans[1:]
			} else {
				spans[0].text = spans[0].text[n:]
			}
		}
		out = append(out, b.String())
	}
	return out
}
