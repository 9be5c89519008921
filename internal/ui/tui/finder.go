package tui

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
)

// finder is a cursor on a long list, and a filter that leaves out what does not hold a text.
type finder struct {
	search  []string // of each row, in lower case, what the filter looks at
	matches []int    // the rows that fit the filter, by index
	cursor  int      // into matches
	top     int
	seen    int // how many rows can be seen

	filtering bool
	filter    string
}

// match finds the rows that fit the filter and keeps the cursor on its row.
func (f *finder) match() {
	at := -1
	if f.cursor < len(f.matches) {
		at = f.matches[f.cursor]
	}
	f.matches, f.cursor = f.matches[:0], 0
	want := strings.ToLower(f.filter)
	for i, s := range f.search {
		if want == "" || strings.Contains(s, want) {
			if i == at {
				f.cursor = len(f.matches)
			}
			f.matches = append(f.matches, i)
		}
	}
}

// update moves the cursor or changes the filter; it reports whether the message was for it.
func (f *finder) update(msg tea.Msg) bool {
	before := f.filter
	switch msg := msg.(type) {
	case tea.PasteMsg:
		if !f.filtering {
			return false
		}
		f.filter += display.Clean(msg.Content).String()
	case tea.KeyPressMsg:
		name := msg.String()
		switch {
		case f.filtering && name == "backspace":
			if r := []rune(f.filter); len(r) > 0 {
				f.filter = string(r[:len(r)-1])
			} else {
				f.filtering = false
			}
		case name == "esc" && (f.filtering || f.filter != ""):
			f.filtering, f.filter = false, ""
		case f.filtering && name == "space":
			f.filter += " "
		case f.filtering && msg.Text != "":
			f.filter += display.Clean(msg.Text).String()
		case !f.filtering && name == "/":
			f.filtering = true
		default:
			return f.move(name)
		}
	default:
		return false
	}
	if f.filter != before {
		f.match()
	}
	return true
}

func (f *finder) move(name string) bool {
	page := max(1, f.seen-1)
	switch name {
	case "up", "k":
		f.cursor--
	case "down", "j":
		f.cursor++
	case "pgup", "ctrl+u":
		f.cursor -= page
	case "pgdown", "ctrl+d", "space":
		f.cursor += page
	case "home", "g":
		f.cursor = 0
	case "end", "G":
		f.cursor = len(f.matches)
	default:
		return false
	}
	f.cursor = max(0, min(f.cursor, len(f.matches)-1))
	return true
}

// fit keeps the cursor in sight among rows lines.
func (f *finder) fit(rows int) {
	f.seen = rows
	s := scroll{top: f.top}
	s.show(f.cursor, rows)
	s.fit(len(f.matches), rows)
	f.top = s.top
}

// shown are the places, in matches, of the rows that can be seen.
func (f *finder) shown() (from, to int) { return f.top, min(len(f.matches), f.top+f.seen) }

// at is the index of the row under the cursor; false when no row fits the filter.
func (f *finder) at() (int, bool) {
	if len(f.matches) == 0 {
		return 0, false
	}
	return f.matches[f.cursor], true
}

// status is the line below: the filter, and how many rows there are.
func (f *finder) status(m *model) string {
	if f.filtering || f.filter != "" {
		cursor := ""
		if f.filtering {
			cursor = m.th.accent.Reverse(true).Render(" ")
		}
		return m.th.accent.Bold(true).Render("/ ") + f.filter + cursor + m.th.dim.Render(fmt.Sprintf("   %d of %d", len(f.matches), len(f.search)))
	}
	return m.th.dim.Render(fmt.Sprintf("%d of %d, / finds one", f.cursor+1, len(f.search)))
}
