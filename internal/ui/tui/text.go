package tui

import (
	"runtime"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/ui"
)

// cut shortens s to w cells; what was cut shows as the theme's "more" mark.
func (t theme) cut(s string, w int) string {
	if w <= 0 {
		return ""
	}
	if ansi.StringWidth(s) <= w {
		return s
	}
	return ansi.Truncate(s, w, t.g.more)
}

// shortened ends s, which goes on, with the theme's "more" mark.
func (t theme) shortened(s string, w int) string {
	s = ansi.Truncate(s, max(0, w-ansi.StringWidth(t.g.more)), "")
	return strings.TrimRight(s, " .,;:") + t.dim.Render(t.g.more)
}

// pad makes s exactly w cells wide.
func (t theme) pad(s string, w int) string {
	s = t.cut(s, w)
	return s + strings.Repeat(" ", max(0, w-ansi.StringWidth(s)))
}

// wrap breaks s into lines of at most w cells.
func wrap(s string, w int) []string {
	if s == "" {
		return nil
	}
	return ui.Fold(s, w)
}

// command breaks a command into lines that a shell still takes as one command when they are copied: between two
// words, and never inside quotes. Only a word that is longer than a line is broken as it comes.
func command(s string, w int) (lines []string) {
	on := ` \`
	if runtime.GOOS == "windows" {
		on = "" // its shells have no sign for it in common
	}
	all := words(s)
	line := ""
	for i, word := range all {
		room := w - len(on)
		if i == len(all)-1 {
			room = w
		}
		switch {
		case line == "":
			line = word
		case ansi.StringWidth(line+" "+word) <= room:
			line += " " + word
		default:
			lines, line = append(lines, line+on), word
		}
	}
	return strings.Split(ansi.Hardwrap(strings.Join(append(lines, line), "\n"), max(1, w), true), "\n")
}

// words are the parts of a command between spaces that are in no quotes.
func words(s string) (out []string) {
	from, quote, escaped := 0, rune(0), false
	for i, r := range s {
		switch {
		case escaped:
			escaped = false
		case quote == 0 && r == '\\':
			escaped = true
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '\'' || r == '"':
			quote = r
		case r == ' ':
			out, from = append(out, s[from:i]), i+1
		}
	}
	return append(out, s[from:])
}

// each applies a style to every line, so that no style crosses a line break.
func each(lines []string, style interface{ Render(...string) string }) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = style.Render(l)
	}
	return out
}

// indent puts first before the first line and as many spaces before the others.
func indent(first string, lines []string) []string {
	rest := strings.Repeat(" ", ansi.StringWidth(first))
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = rest + l
		if i == 0 {
			out[i] = first + l
		}
	}
	return out
}

// pairs draws a name and a value a line, the values aligned and wrapped.
func (t theme) pairs(rows [][2]string, w int) []string {
	names := 0
	for _, r := range rows {
		names = max(names, ansi.StringWidth(r[0]))
	}
	names = min(names, w/2)
	var out []string
	for _, r := range rows {
		out = append(out, indent(t.dim.Render(t.pad(r[0], names))+"  ", wrap(r[1], w-names-2))...)
	}
	return out
}

// scroll is a window onto lines that are too many.
type scroll struct {
	top  int
	over bool // there are more lines than can be seen
}

// key moves the window by the keys that scroll; h is its height.
func (s *scroll) key(name string, h int) {
	switch name {
	case "up", "k":
		s.top--
	case "down", "j":
		s.top++
	case "pgup", "ctrl+u":
		s.top -= max(1, h-2)
	case "pgdown", "ctrl+d", "space":
		s.top += max(1, h-2)
	case "home", "g":
		s.top = 0
	case "end", "G":
		s.top = 1 << 30
	}
}

// fit keeps the window on n lines of which h can be seen.
func (s *scroll) fit(n, h int) { s.top, s.over = max(0, min(s.top, n-h)), n > h }

// hint names the keys that scroll, where there is something to scroll.
func (s *scroll) hint(keys string) []keyHint {
	if !s.over {
		return nil
	}
	return []keyHint{{keys, scrolls}}
}

// show moves the window until line i can be seen.
func (s *scroll) show(i, h int) {
	if i < s.top {
		s.top = i
	}
	if i >= s.top+h {
		s.top = i - h + 1
	}
}

// view cuts h lines out. The last one says how much is below.
func (s *scroll) view(t theme, lines []string, h int) []string {
	if len(lines) <= h || h < 1 {
		return lines
	}
	top := max(0, min(s.top, len(lines)-h))
	out := append([]string(nil), lines[top:top+h]...)
	if below := len(lines) - top - h; below > 0 && h > 2 {
		out[h-1] = t.dim.Render(ui.Count(below+1, "more line") + " below, pgdn shows them")
	}
	return out
}

// sentence begins s with a capital letter, as errors do not. An id at the beginning stays as it is.
func sentence(s string) string {
	r, n := utf8.DecodeRuneInString(s)
	first, _, _ := strings.Cut(s, " ")
	if n == 0 || strings.ContainsAny(first, ":-_./") {
		return s
	}
	return string(unicode.ToUpper(r)) + s[n:]
}
