package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/ui"
)

// start looks for what can be found without asking, and shows it.
type start struct {
	wait  waiting
	ready bool
	facts []ui.Fact
	win   scroll
	h     int
}

// foundMsg is what Session.Find returned.
type foundMsg struct {
	facts []ui.Fact
	err   error
}

func (s *start) init(m *model) tea.Cmd {
	s.wait = waiting{what: "Looking for your log-ins and the repository"}
	find := m.session.Find
	return m.work(func(ctx context.Context) tea.Msg {
		facts, err := find(ctx)
		return foundMsg{facts, err}
	})
}

func (s *start) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if !s.ready {
			return s.wait.turn(m)
		}
	case foundMsg:
		if msg.err != nil {
			return m.open(&failure{err: msg.err, first: m.session.From == "", retry: func(m *model) tea.Cmd { return m.open(&start{}) }, to: func(m *model) (tea.Cmd, bool) { return m.goBack(), true }})
		}
		s.ready, s.facts, m.quiet = true, msg.facts, m.now()
	case tea.KeyPressMsg:
		switch name := msg.String(); {
		case name == "q":
			return m.leave()
		case name == "esc" && m.session.From != "":
			return m.goBack()
		case name == "enter" && s.ready:
			return m.next()
		default:
			s.win.key(name, s.h)
		}
	}
	return nil
}

func (s *start) fit(m *model, w, h int) {
	s.h = h
	s.win.fit(len(s.lines(m, w)), h)
}

func (s *start) view(m *model, w, h int) []string { return s.win.view(m.th, s.lines(m, w), h) }

func (s *start) lines(m *model, w int) []string {
	w = min(w, 84)
	if !s.ready {
		return s.wait.view(m.th)
	}
	out := each(wrap("Give a pipeline its own token for Astro", w), m.th.strong)
	out = append(out, "")
	out = append(out, wrap("You answer a few questions. Then you see everything that will be done: a token with the least rights and an end, "+
		"a secret in your CI platform, and the pipeline file that uses it. Nothing is created before you confirm.", w)...)
	if len(s.facts) > 0 {
		out = append(out, "", m.th.dim.Render("Found"))
		var rows [][2]string
		for _, f := range s.facts {
			rows = append(rows, [2]string{f.Name, f.Value.String()})
		}
		for _, l := range m.th.pairs(rows, w-2) {
			out = append(out, "  "+l)
		}
	}
	return out
}

func (s *start) keys(m *model) (keys []keyHint) {
	if s.ready {
		keys = []keyHint{{"enter", "begin"}}
	}
	if m.session.From != "" {
		keys = append(keys, keyHint{"esc", m.session.From})
	}
	return append(append(keys, keyHint{"q", "leave"}), s.win.hint(m.th.g.pages)...)
}
