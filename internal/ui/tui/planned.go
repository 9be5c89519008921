package tui

import (
	"fmt"

	"charm.land/lipgloss/v2"

	"github.com/astro-ci/astro-ci/internal/engine"
)

// planned is the part of a plan that scrolls, above the one in which it is agreed to, which never scrolls away.
type planned struct {
	win scroll
	h   int
}

func (p *planned) fit(lines, confirm []string, h int) {
	p.h = max(1, h-len(confirm))
	p.win.fit(len(lines), p.h)
}

func (p *planned) view(t theme, lines, confirm []string, h int) []string {
	room := max(1, h-len(confirm))
	out := p.win.view(t, lines, room)
	out = append(out, make([]string, max(0, room-len(out)))...)
	return append(out, confirm...)
}

// halves are the widths of the two columns of a plan; both are w where there is no room for two.
func halves(w int) (left, right int) {
	if w+4 < 100 {
		return w, w
	}
	left = w * 53 / 100
	return left, w - left - 4
}

// course lists what will be done.
func (t theme) course(all []engine.Event, w int) []string {
	out := []string{t.strong.Render("What will be done"), ""}
	for i, ev := range all {
		style := t.dim
		if !ev.Action.Read {
			style = lipgloss.NewStyle()
		}
		out = append(out, indent(t.dim.Render(fmt.Sprintf("%*d ", digits(len(all)), i+1)), each(wrap(ev.Action.Say, w-3), style))...)
	}
	return out
}

// plan stands what is known and what will be done side by side, or below each other. What stays comes last, or
// below what is known.
func (m *model) plan(known, course, stays []string, w int) []string {
	left, right := halves(w)
	if left == w {
		return append(append(append(known, ""), course...), stays...)
	}
	known = append(known, stays...)
	return m.beside(max(len(known), len(course)), column{known, left}, column{course, right})
}
