package tui

import (
	"charm.land/huh/v2"
	"charm.land/lipgloss/v2"
)

// theme is one accent, one dim shade, and the three colours of good, bad and doubtful. Each has a
// mark or a word beside it, so that nothing is lost without colours.
type theme struct {
	accent, strong, dim, rule lipgloss.Style
	good, bad, warn           lipgloss.Style
	button                    lipgloss.Style
	g                         glyphs
	field                     *huh.Styles
	typed                     func(string) string // Options.Typed
}

// glyphs are the marks on the screen.
type glyphs struct {
	done, now, todo, failed, back, warn, pick  string
	bar, line, more, dot, arrows, sides, pages string
	below                                      string // points at what stands below
	full, gone                                 string // of a gauge
	spinner                                    []string
}

func newTheme(dark, ascii bool) theme {
	pick := lipgloss.LightDark(dark)
	fg := func(light, dark string) lipgloss.Style {
		return lipgloss.NewStyle().Foreground(pick(lipgloss.Color(light), lipgloss.Color(dark)))
	}
	t := theme{
		accent: fg("#5B34DA", "#A78BFA"),
		strong: lipgloss.NewStyle().Bold(true),
		dim:    fg("#656B7A", "#8D93A5"),
		rule:   fg("#C9CDD8", "#3A3F50"),
		good:   fg("#18794E", "#7BD88F"),
		bad:    fg("#C22631", "#FF7A85"),
		warn:   fg("#8F5A00", "#E5C07B"),
		g:      unicodeGlyphs,
		typed:  func(text string) string { return text },
	}
	if ascii {
		t.g = asciiGlyphs
	}
	t.button = lipgloss.NewStyle().Bold(true).Padding(0, 1).
		Foreground(pick(lipgloss.Color("#FFFFFF"), lipgloss.Color("#14141C"))).Background(t.accent.GetForeground())
	t.field = t.huh()
	return t
}

var unicodeGlyphs = glyphs{
	done: "✓", now: "●", todo: "○", failed: "✗", back: "↩", warn: "!", pick: "›",
	bar: "│", line: "─", more: "…", dot: "·", arrows: "↑↓", sides: "←→", pages: "↑↓ pgup pgdn", full: "━", gone: "─",
	below:   "↓",
	spinner: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
}

var asciiGlyphs = glyphs{
	done: "+", now: "*", todo: "-", failed: "X", back: "<", warn: "!", pick: ">",
	bar: "|", line: "-", more: "..", dot: "-", arrows: "up/down", sides: "left/right", pages: "up/down pgup/pgdn", full: "#", gone: ".",
	below:   "v",
	spinner: []string{"|", "/", "-", "\\"},
}

// huh is the theme of the form fields: no frame, the same accent.
func (t theme) huh() *huh.Styles {
	s := huh.ThemeBase(true)
	f := &s.Focused
	f.Base = lipgloss.NewStyle()
	f.SelectSelector = t.accent.Bold(true).SetString(t.g.pick + " ")
	f.SelectedOption = t.accent.Bold(true)
	f.UnselectedOption = lipgloss.NewStyle()
	f.TextInput.Cursor = t.accent
	f.TextInput.Prompt = t.accent.Bold(true)
	f.TextInput.Text = lipgloss.NewStyle()
	f.TextInput.Placeholder = t.dim
	s.Blurred = s.Focused
	return s
}
