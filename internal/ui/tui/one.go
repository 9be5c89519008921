package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/ui"
)

func width(s string) int { return ansi.StringWidth(s) }

// one shows all that is known of one setup, and what can be done with it.
type one struct {
	setup ui.Setup
	menu  menu
	win   scroll
	h     int
}

func (o *one) init(m *model) tea.Cmd {
	m.place = o.setup.Name
	for _, a := range m.home.Actions(o.setup) {
		o.menu.items = append(o.menu.items, menuItem{a.Title(), a.Note, func(m *model) tea.Cmd { return m.do(o.setup, a) }})
	}
	o.menu.items = append(o.menu.items, menuItem{"Back", "", (*model).up})
	return nil
}

func (o *one) update(m *model, msg tea.Msg) tea.Cmd {
	k, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	m.not = ""
	switch name := k.String(); name {
	case "esc", "b":
		return m.up()
	case "q":
		return m.leave()
	default:
		if cmd, mine := o.menu.key(m, name); mine {
			return cmd
		}
		if cmd := m.act(o.setup, name); cmd != nil {
			return cmd
		}
		o.win.key(name, o.h)
	}
	return nil
}

func (o *one) fit(m *model, w, h int) {
	o.h = max(1, h-len(m.reason(w, h))-len(o.menu.items)-2)
	o.win.fit(len(o.lines(m, w)), o.h)
}

func (o *one) view(m *model, w, h int) []string {
	not := m.reason(w, h)
	h -= len(not)
	room := max(1, h-len(o.menu.items)-2)
	out := o.win.view(m.th, o.lines(m, w), room)
	if h < len(o.menu.items)+4 {
		return append(append(out[:min(len(out), max(1, h-len(o.menu.items)))], o.menu.view(m.th, w)...), not...)
	}
	out = append(out, "", m.th.rule.Render(strings.Repeat(m.th.g.line, min(w, 90))))
	return append(append(out, o.menu.view(m.th, w)...), not...)
}

func (o *one) lines(m *model, w int) []string {
	w = min(w, 90)
	s, now := o.setup, m.now()
	out := indent(m.th.mark(s.Health)+" ", each(wrap(s.Name, w-2), m.th.strong))
	if m.h < tall { // what is known, before how it looks
		return append(out, m.th.facts(s.Facts(now), w)...)
	}
	out = append(out, "")
	out = append(out, m.th.facts(s.Facts(now), w)...)
	if w >= 24 && !s.Made.IsZero() && !s.Ends.IsZero() {
		out = append(out[:2:2], append([]string{m.th.life(s, now, min(40, w)), ""}, out[2:]...)...)
	}
	return out
}

func (o *one) keys(m *model) []keyHint {
	return append([]keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, {"esc", "back"}, {"q", "leave"}}, o.win.hint("pgup pgdn")...)
}

// verify asks about one setup and says what was found.
type verify struct {
	setup ui.Setup
	ask   func(context.Context) (ui.Verified, error)
	wait  waiting
	ready bool
	found ui.Verified
	win   scroll
	h     int
}

// verifiedMsg is what verify.ask returned.
type verifiedMsg struct {
	found ui.Verified
	err   error
}

func (v *verify) init(m *model) tea.Cmd {
	v.wait = waiting{what: ui.Asking + v.setup.Name}
	ask := v.ask
	return m.work(func(ctx context.Context) tea.Msg {
		found, err := ask(ctx)
		return verifiedMsg{found, err}
	})
}

func (v *verify) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if !v.ready {
			return v.wait.turn(m)
		}
	case verifiedMsg:
		if msg.err != nil {
			again := func(m *model) tea.Cmd { return m.open(&verify{setup: v.setup, ask: v.ask}) }
			return m.open(&failure{err: msg.err, retry: again, to: upwards})
		}
		v.ready, v.found, m.quiet = true, msg.found, m.now()
	case tea.KeyPressMsg:
		switch name := msg.String(); name {
		case "esc", "b":
			return m.up()
		case "enter":
			if v.ready {
				return m.up()
			}
		case "q":
			return m.leave()
		default:
			v.win.key(name, v.h)
		}
	}
	return nil
}

func (v *verify) fit(m *model, w, h int) {
	v.h = h
	v.win.fit(len(v.lines(m, w)), h)
}

func (v *verify) view(m *model, w, h int) []string { return v.win.view(m.th, v.lines(m, w), h) }

func (v *verify) lines(m *model, w int) []string {
	w = min(w, 90)
	if !v.ready {
		return v.wait.view(m.th)
	}
	health, verdict := v.found.Verdict()
	out := indent(m.th.mark(health)+" ", each(wrap(verdict, w-2), m.th.health(health).Bold(true)))
	out = append(append(out, ""), each(wrap(ui.Answer+v.setup.Name, w), m.th.strong)...)
	return append(append(out, ""), m.th.facts(v.found.Facts, w)...)
}

func (v *verify) keys(m *model) []keyHint {
	return append([]keyHint{{"esc", "back"}, {"q", "leave"}}, v.win.hint(m.th.g.pages)...)
}
