package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
)

// failed says what failed, what exists now, and what can be done about it. It also follows an
// undo, and then says what that came to.
type failed struct {
	after *progress
	left  []engine.Action // what stands in the world
	menu  menu
	win   scroll
	h     int
}

func newFailed(p *progress) *failed {
	f := &failed{after: p, left: p.review.Run.Left()}
	add := func(say, note string, do func(*model) tea.Cmd) {
		f.menu.items = append(f.menu.items, menuItem{say, note, do})
	}
	again := func(m *model) tea.Cmd { return m.open(p.again()) }
	undo := func(m *model) tea.Cmd { return m.open(p.takeBack()) }
	later := ""
	if command := p.review.GoesOn(); command != "" {
		later = command + " goes on"
	}
	switch {
	case p.review.Removes != "":
		add("Try again", "what is done stays done", again)
		add("Leave", later, (*model).leave)
	case p.undo && len(f.left) > 0:
		add("Try again", "take back what is left", undo)
		add("Leave it as it is", "", (*model).leave)
	case len(f.left) > 0:
		add("Try again from here", "what is done stays done", again)
		add("Take back what was made", "", undo)
		add("Leave it as it is", later, (*model).leave)
	default:
		if !p.undo {
			add("Try again", "", again)
		}
		add("Back to the review", "", func(m *model) tea.Cmd {
			m.out.Confirmed, m.out.Err = false, nil // nothing exists any more
			return m.next()
		})
		add("Leave", "", (*model).leave)
	}
	return f
}

func (f *failed) init(m *model) tea.Cmd {
	if does, aside, ok := m.aside(true); ok && f.after.review.Removes != "" {
		f.menu.items = slices.Insert(f.menu.items, 1, menuItem{strings.ToUpper(does[:1]) + does[1:], "", aside})
	}
	return nil
}

func (f *failed) update(m *model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if k.String() == "q" {
			return m.leave()
		}
		cmd, mine := f.menu.key(m, k.String())
		if mine {
			return cmd
		}
		f.win.key(k.String(), f.h)
	}
	return nil
}

func (f *failed) fit(m *model, w, h int) {
	f.h = max(1, h-len(f.menu.items)-2)
	f.win.fit(len(f.lines(m, w)), f.h)
}

func (f *failed) view(m *model, w, h int) []string {
	room := max(1, h-len(f.menu.items)-2)
	out := f.win.view(m.th, f.lines(m, w), room)
	if h < len(f.menu.items)+4 {
		return append(out[:min(len(out), max(1, h-len(f.menu.items)))], f.menu.view(m.th, w)...)
	}
	out = append(out, m.th.rule.Render(strings.Repeat(m.th.g.line, min(w, 90))))
	return append(out, f.menu.view(m.th, w)...)
}

func (f *failed) lines(m *model, w int) []string {
	w = min(w, 90)
	var out []string
	switch {
	case f.after.err != nil:
		out = m.th.problem(f.after.err, w)
	case f.after.undo && len(f.left) == 0:
		out = indent(m.th.good.Render(m.th.g.done)+" ", each(wrap("Everything that was made was taken back", w-2), m.th.strong))
	default:
		out = []string{m.th.warn.Render(m.th.g.warn) + " " + m.th.strong.Render("Stopped")}
	}
	if f.after.undo {
		out = append(out, "", m.th.strong.Render("Taken back"))
		for _, ev := range f.after.rows {
			out = append(out, f.after.row(m, ev, false, w)...)
		}
	}
	if f.after.undo && len(f.left) == 0 {
		return out
	}
	if f.after.review.Removes != "" {
		out = append(out, "", m.th.strong.Render("Where it stands"))
		for _, ev := range f.after.rows {
			out = append(out, m.th.act(ev, "", "", w)...)
		}
		if f.after.err != nil {
			out = append(out, m.th.cause(f.after.err, w)...)
		}
		return out
	}
	out = append(out, "", m.th.strong.Render("What exists now"))
	if len(f.left) == 0 {
		out = append(out, wrap("Nothing. No token, no secret and no file was made.", w)...)
	}
	for _, a := range f.left {
		out = append(out, f.standing(m, a, w)...)
	}
	if f.after.err != nil {
		out = append(out, m.th.cause(f.after.err, w)...)
	}
	return out
}

// standing is one effect that exists, and how it would be taken back.
func (f *failed) standing(m *model, a engine.Action, w int) []string {
	detail, sure := "", true
	for _, ev := range f.after.review.Run.Actions() {
		if ev.Action.Key == a.Key {
			sure = ev.State == engine.Done
		}
	}
	for _, ev := range f.after.rows {
		if ev.Action.Key == a.Key && ev.State == engine.Done {
			detail = ev.Detail
		}
	}
	mark := m.th.warn.Render(m.th.g.warn)
	switch {
	case sure:
		mark = m.th.good.Render(m.th.g.done)
	default:
		detail = "not certain: it was begun and no answer says that it happened"
	}
	out := indent(mark+" ", wrap(a.Say, w-2))
	out = append(out, indent("  ", each(wrap(display.Clean(detail).String(), w-2), m.th.dim))...)
	if a.UndoSays != "" {
		out = append(out, indent("  "+m.th.dim.Render(m.th.g.back+" "), each(wrap(a.UndoSays, w-4), m.th.dim))...)
	}
	return out
}

func (f *failed) keys(m *model) []keyHint {
	return append([]keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, {"q", "leave"}}, f.win.hint("pgup pgdn")...)
}

func (f *failed) leaves(*model) string {
	switch {
	case f.after.review.Removes != "":
		return "leave; what is done stays done"
	case len(f.left) == 0:
		return "leave; nothing exists of it"
	}
	return "leave; what exists stays as it is"
}
