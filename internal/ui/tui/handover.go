package tui

import (
	"cmp"
	"context"

	tea "charm.land/bubbletea/v2"
)

// handOver writes down what somebody with the rights has to do, and says where.
type handOver struct {
	wait  waiting
	files []string
	win   scroll
	h     int
}

// handedMsg is what Session.HandOver returned.
type handedMsg struct {
	files []string
	err   error
}

func (x *handOver) init(m *model) tea.Cmd {
	x.wait = waiting{what: "Writing down what has to be done"}
	write, plan := m.session.HandOver, m.session.Walk().Plan().Clone()
	return m.work(func(ctx context.Context) tea.Msg {
		files, err := write(ctx, plan)
		return handedMsg{files, err}
	})
}

func (x *handOver) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if x.files == nil {
			return x.wait.turn(m)
		}
	case handedMsg:
		if msg.err != nil {
			return m.open(&failure{err: msg.err, retry: func(m *model) tea.Cmd { return m.open(&handOver{}) }})
		}
		x.files, m.quiet = msg.files, m.now()
	case tea.KeyPressMsg:
		switch name := msg.String(); {
		case name == "esc", name == "b":
			if cmd, ok := m.back(); ok {
				return cmd
			}
			return m.next()
		case name == "enter" && x.files != nil && m.session.From != "":
			return m.goBack()
		case name == "q", name == "enter" && x.files != nil:
			return m.leave()
		default:
			x.win.key(name, x.h)
		}
	}
	return nil
}

func (x *handOver) fit(m *model, w, h int) {
	x.h = h
	x.win.fit(len(x.lines(m, w)), h)
}

func (x *handOver) view(m *model, w, h int) []string { return x.win.view(m.th, x.lines(m, w), h) }

func (x *handOver) lines(m *model, w int) []string {
	if x.files == nil {
		return x.wait.view(m.th)
	}
	w = min(w, 90)
	out := indent(m.th.good.Render(m.th.g.done)+" ", each(wrap("It is written down for somebody who has the rights", w-2), m.th.strong))
	out = append(out, "")
	for _, f := range x.files {
		out = append(out, indent("  ", each(wrap(f, w-2), m.th.accent))...)
	}
	out = append(out, "")
	return append(out, wrap("Give them the folder: its first file says which rights it takes and what to do, step by step. There is no secret in it, and nothing else was made.", w)...)
}

func (x *handOver) keys(m *model) []keyHint {
	if x.files == nil {
		return []keyHint{{"esc", "cancel"}, {"q", "leave"}}
	}
	keys := []keyHint{{"enter", cmp.Or(m.session.From, "leave")}, {"esc", "back"}}
	if m.session.From != "" {
		keys = append(keys, keyHint{"q", "leave"})
	}
	return append(keys, x.win.hint(m.th.g.pages)...)
}

func (x *handOver) leaves(*model) string {
	if x.files == nil {
		return "leave; nothing was created"
	}
	return "leave; what is written down stays, nothing else was made"
}
