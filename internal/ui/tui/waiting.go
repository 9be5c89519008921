package tui

import (
	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
)

// waiting is a spinner. It stays invisible for the first frame: what is quick should not flicker.
type waiting struct {
	what  string
	turns int
}

// turn shows the next picture.
func (w *waiting) turn(m *model) tea.Cmd {
	w.turns++
	return m.tick()
}

func (w *waiting) view(t theme) []string {
	if w.turns == 0 {
		return nil
	}
	return []string{t.accent.Render(t.g.spinner[w.turns%len(t.g.spinner)]) + " " + t.dim.Render(w.what+t.g.more)}
}

// problem is an error as people read it: what failed, what to do, where to read, the raw cause last.
func (t theme) problem(err error, w int) []string {
	w = min(w, 90)
	h := hint.Of(err)
	out := indent(t.bad.Render(t.g.failed)+" ", each(wrap(sentence(display.Clean(h.Doing).String()), w-2), t.strong))
	if h.Next != "" {
		out = append(out, "", t.dim.Render("What to do"))
		out = append(out, wrap(h.Next, w)...)
	}
	if h.Link != "" {
		out = append(out, "", t.dim.Render("Where to read"))
		out = append(out, each(wrap(h.Link, w), t.accent.Hyperlink(h.Link))...)
	}
	if h.Err != nil {
		out = append(out, "", t.dim.Render("The cause, word for word"))
		out = append(out, each(wrap(display.Clean(h.Err.Error()).String(), w), t.dim)...)
	}
	return out
}

// failure says that something could not be loaded, and offers to try again.
type failure struct {
	err   error
	retry func(*model) tea.Cmd
	first bool // there is nothing to go back to
	win   scroll
	lines int
	h     int
}

func (f *failure) init(*model) tea.Cmd { return nil }

func (f *failure) update(m *model, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch name := k.String(); name {
	case "r":
		return f.retry(m)
	case "b", "esc", "shift+tab", "ctrl+b":
		if f.first {
			return nil
		}
		if cmd, ok := m.back(); ok {
			return cmd
		}
		f.first = true
	case "q":
		return m.leave()
	default:
		f.win.key(name, f.h)
	}
	return nil
}

func (f *failure) fit(m *model, w, h int) {
	f.h, f.lines = h, len(m.th.problem(f.err, w))
	f.win.fit(f.lines, h)
}

func (f *failure) view(m *model, w, h int) []string {
	return f.win.view(m.th, m.th.problem(f.err, w), h)
}

func (f *failure) keys(*model) []keyHint {
	keys := []keyHint{{"r", "try again"}}
	if !f.first {
		keys = append(keys, keyHint{"b", "back"})
	}
	return append(keys, keyHint{"q", "leave"})
}
