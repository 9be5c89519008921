package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

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

// problem is an error as people read it: what failed, what to do and where to read.
func (t theme) problem(err error, w int) []string {
	w = min(w, 90)
	h := hint.Of(err)
	say := sentence(display.Clean(h.Doing).String())
	if h.Err != nil { // it is what was being done
		say = "Failed: " + display.Clean(h.Doing).String()
	}
	out := indent(t.bad.Render(t.g.failed)+" ", each(wrap(say, w-2), t.strong))
	if h.Next != "" || h.Link != "" {
		out = append(out, "")
	}
	out = append(out, t.labelled("What to do", t.typed(h.Next), w, lipgloss.NewStyle())...)
	return append(out, t.labelled("More at", h.Link, w, t.accent.Hyperlink(h.Link))...)
}

// cause is the raw text below an error's hint; causes that were joined stand on a line each.
func (t theme) cause(err error, w int) []string {
	h := hint.Of(err)
	if h.Err == nil {
		return nil
	}
	out, name := []string{""}, "Cause"
	for line := range strings.Lines(h.Err.Error()) {
		if rows := t.labelled(name, display.Clean(line).String(), min(w, 90), t.dim); len(rows) > 0 {
			out, name = append(out, rows...), ""
		}
	}
	return out
}

// labelled is a text with its name at the left, or above it where there is no room.
func (t theme) labelled(name, text string, w int, style lipgloss.Style) []string {
	const names = 12
	if text == "" {
		return nil
	}
	if w < 56 {
		rows := each(wrap(text, w), style)
		if name != "" {
			rows = append([]string{t.dim.Render(name)}, rows...)
		}
		return rows
	}
	return indent(t.dim.Render(t.pad(name, names)), each(wrap(text, w-names), style))
}

// failure says that something could not be loaded, and offers to try again.
type failure struct {
	err   error
	retry func(*model) tea.Cmd
	first bool                         // there is nothing to go back to
	to    func(*model) (tea.Cmd, bool) // where back leads; nil: to the question before
	// review is the one that could not be made: another answer may make it possible. nil: it is something else.
	review *review
	win    scroll
	h      int
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
	case "h":
		if m.session.Denied(f.err) {
			return m.open(&handOver{})
		}
	case "b", "esc", "shift+tab", "ctrl+b":
		if f.first {
			return nil
		}
		to := f.to
		if to == nil {
			to = (*model).back
		}
		if cmd, ok := to(m); ok {
			return cmd
		}
		f.first = true
	case "q":
		return m.leave()
	default:
		if f.review != nil {
			if a, ok := f.review.labelled(m, name); ok {
				return f.review.reopen(m, a)
			}
		}
		f.win.key(name, f.h)
	}
	return nil
}

func (f *failure) fit(m *model, w, h int) {
	f.h = h
	f.win.fit(len(f.lines(m, w)), h)
}

func (f *failure) view(m *model, w, h int) []string {
	return f.win.view(m.th, f.lines(m, w), h)
}

func (f *failure) lines(m *model, w int) []string {
	out := append(m.th.problem(f.err, w), m.th.cause(f.err, w)...)
	if m.session.Denied(f.err) {
		out = append(append(out, ""), wrap("Press h to write down what has to be done, for somebody who has the rights.", min(w, 90))...)
	}
	if f.review != nil {
		answers, _ := f.review.answers(m, min(w, 90))
		out = append(append(out, ""), answers...)
	}
	return out
}

func (f *failure) keys(m *model) []keyHint {
	keys := []keyHint{{"r", "try again"}}
	if m.session.Denied(f.err) {
		keys = append(keys, keyHint{"h", "hand it over"})
	}
	if !f.first {
		keys = append(keys, keyHint{"esc", "back"})
	}
	if f.review != nil {
		keys = append(keys, keyHint{"number or letter", "change it"})
	}
	return append(append(keys, keyHint{"q", "leave"}), f.win.hint(m.th.g.pages)...)
}
