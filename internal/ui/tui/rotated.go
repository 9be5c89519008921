package tui

import (
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/engine"
)

// halted says why a rotation stopped, and what can be done about it.
type halted struct {
	after *rotating
	menu  menu
	win   scroll
	h     int
}

func (x *halted) init(m *model) tea.Cmd {
	r := x.after
	add := func(say, note string, do func(*model) tea.Cmd) {
		x.menu.items = append(x.menu.items, menuItem{say, note, do})
	}
	again := func(m *model) tea.Cmd {
		for i := range r.rows {
			if r.rows[i].State == engine.Failed {
				r.rows[i].State, r.rows[i].Detail = engine.Planned, ""
			}
		}
		return m.open(&rotating{plan: r.plan, only: r.only, rows: r.rows})
	}
	add("Try again", "what is done stays done", again)
	for _, target := range r.halt.Stuck {
		add("Give up "+target, "what it holds will stop working", func(m *model) tea.Cmd {
			return m.open(&forget{plan: r.plan, target: target, only: r.only, back: func(m *model) tea.Cmd { return m.open(&halted{after: r}) }})
		})
	}
	if does, aside, ok := m.aside(r.only); ok {
		add(strings.ToUpper(does[:1])+does[1:], "", aside)
	}
	later := ""
	if r.halt.Resume != "" {
		later = r.halt.Resume + " goes on"
	}
	add("Leave", later, (*model).leave)
	return nil
}

func (x *halted) update(m *model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		if k.String() == "q" {
			return m.leave()
		}
		if cmd, mine := x.menu.key(m, k.String()); mine {
			return cmd
		}
		x.win.key(k.String(), x.h)
	}
	return nil
}

func (x *halted) fit(m *model, w, h int) {
	x.h = max(1, h-len(x.menu.items)-2)
	x.win.fit(len(x.lines(m, w)), x.h)
}

func (x *halted) view(m *model, w, h int) []string {
	room := max(1, h-len(x.menu.items)-2)
	out := x.win.view(m.th, x.lines(m, w), room)
	if h < len(x.menu.items)+4 {
		return append(out[:min(len(out), max(1, h-len(x.menu.items)))], x.menu.view(m.th, w)...)
	}
	out = append(out, m.th.rule.Render(strings.Repeat(m.th.g.line, min(w, 90))))
	return append(out, x.menu.view(m.th, w)...)
}

func (x *halted) lines(m *model, w int) []string {
	w = min(w, 90)
	out := m.th.problem(x.after.halt.Err, w)
	out = append(out, "", m.th.strong.Render("Where it stands"))
	for _, ev := range x.after.rows {
		out = append(out, m.th.act(ev, "", "", w)...)
	}
	return append(out, m.th.cause(x.after.halt.Err, w)...)
}

func (x *halted) keys(m *model) []keyHint {
	return append([]keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, {"q", "leave"}}, x.win.hint("pgup pgdn")...)
}

func (x *halted) leaves(*model) string { return "leave; what is done stays done" }

// receipt is the last screen of a rotation: what exists now.
type receipt struct {
	after *rotating
	win   scroll
	h     int
}

func (r *receipt) init(*model) tea.Cmd { return nil }

func (r *receipt) update(m *model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		switch name := k.String(); name {
		case "q":
			return m.leave()
		case "enter", "esc":
			_, aside, _ := m.aside(r.after.only)
			return aside(m)
		default:
			r.win.key(name, r.h)
		}
	}
	return nil
}

func (r *receipt) fit(m *model, w, h int) {
	r.h = h
	r.win.fit(len(r.lines(m, w)), h)
}

func (r *receipt) view(m *model, w, h int) []string { return r.win.view(m.th, r.lines(m, w), h) }

func (r *receipt) lines(m *model, w int) []string {
	w = min(w, 90)
	halt := r.after.halt
	out := indent(m.th.good.Render(m.th.g.done)+" ", each(wrap(r.after.plan.Ended(halt), w-2), m.th.strong))
	out = append(append(out, ""), m.th.facts(halt.Facts, w)...)
	return append(append(out, ""), each(wrap(r.after.plan.Afterwards(halt), w), m.th.dim)...)
}

func (r *receipt) keys(m *model) []keyHint {
	return append(m.over(m.aside(r.after.only)), r.win.hint(m.th.g.pages)...)
}

// over are the keys of a last screen, from which one turns aside.
func (m *model) over(does string, _ func(*model) tea.Cmd, ok bool) []keyHint {
	keys := []keyHint{{"enter", does}}
	if ok {
		keys = append(keys, keyHint{"q", "leave"})
	}
	return keys
}

func (r *receipt) leaves(*model) string { return "leave; everything is done" }
