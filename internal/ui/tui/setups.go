package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/ui"
)

// forRotation makes the model of rotations.
func forRotation(ctx context.Context, r ui.Rotation, o Options) *model {
	m := newModel(ctx, &setups{}, o)
	m.rotation, m.title, m.sandbox = r, r.Title, r.Sandbox
	return m
}

// setups lets one of several setups be picked; where there is just one, it is picked.
type setups struct {
	wait  waiting
	ready bool
	table table
}

// aside is where one goes from the rotation of one setup while it waits or when it is over: to the other
// setups, or to the overview. ok is false where there is neither.
func (m *model) aside(only bool) (does string, to func(*model) tea.Cmd, ok bool) {
	switch {
	case !only:
		return "other setups", func(m *model) tea.Cmd { return m.open(&setups{}) }, true
	case m.home != nil:
		return "overview", (*model).up, true
	}
	return "leave", (*model).leave, false
}

// setupsMsg is what Rotation.Find returned.
type setupsMsg struct {
	rows []ui.Setup
	err  error
}

func (s *setups) init(m *model) tea.Cmd {
	s.wait = waiting{what: "Looking at the setups and their tokens"}
	find := m.rotation.Find
	return m.work(func(ctx context.Context) tea.Msg {
		rows, err := find(ctx)
		return setupsMsg{rows, err}
	})
}

func (s *setups) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if !s.ready {
			return s.wait.turn(m)
		}
	case setupsMsg:
		m.out.Err = msg.err
		switch {
		case msg.err != nil:
			return m.open(&failure{err: msg.err, first: m.home == nil, retry: func(m *model) tea.Cmd { return m.open(&setups{}) }, to: upwards})
		case len(msg.rows) == 1:
			return m.open(&replace{name: msg.rows[0].Name, only: true})
		}
		s.ready, s.table, m.quiet = true, newTable(msg.rows, m.now()), m.now()
	case tea.PasteMsg:
		s.table.update(msg)
	case tea.KeyPressMsg:
		name := msg.String()
		row, ok := s.table.current()
		switch {
		case !s.ready:
			switch name {
			case "q":
				return m.leave()
			case "esc":
				return s.back(m)
			}
		case name == "enter" && ok:
			return m.open(&replace{name: row.Name})
		case name == "enter" && len(s.table.rows) == 0:
			return m.up()
		case s.table.update(msg):
		case name == "esc":
			return s.back(m)
		case name == "q":
			return m.leave()
		}
	}
	return nil
}

// back leads to the overview; where there is none, esc does nothing.
func (s *setups) back(m *model) tea.Cmd {
	if m.home == nil {
		return nil
	}
	return m.up()
}

func (s *setups) typing() bool { return s.table.filtering }

func (s *setups) fit(_ *model, w, h int) { s.table.fit(w, max(1, h-s.head(h))) }

// head is how many lines stand above the table.
func (s *setups) head(h int) int {
	if h < 6 {
		return 0
	}
	return 2
}

func (s *setups) view(m *model, w, h int) []string {
	if !s.ready {
		return s.wait.view(m.th)
	}
	var out []string
	if len(s.table.rows) == 0 {
		return wrap(m.rotation.None, w)
	}
	if s.head(h) > 0 {
		out = []string{m.th.strong.Render("Which setup?"), ""}
	}
	return append(out, s.table.view(m, w, h-len(out))...)
}

func (s *setups) signs(m *model) [][2]string { return m.th.signs() }

func (s *setups) keys(m *model) (keys []keyHint) {
	switch {
	case !s.ready, len(s.table.rows) == 0:
	case s.table.filtering:
		return []keyHint{{"enter", "choose"}, {"esc", "all setups"}}
	default:
		keys = []keyHint{{"enter", "choose"}, {m.th.g.arrows, "move"}, {"/", "find"}}
	}
	if m.home != nil {
		keys = append(keys, keyHint{"esc", "overview"})
	}
	return append(keys, keyHint{"q", "leave"})
}
