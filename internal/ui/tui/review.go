package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// review shows everything before anything is done. Each answer can be reopened; the confirm stands
// on No.
type review struct {
	wait   waiting
	loaded *ui.Review
	cursor int // an answer, or the confirm after the last one
	yes    bool
	note   string
	win    scroll
	follow bool // the window moves with the cursor
	diff   bool // the whole change of the pipeline file instead
	diffAt scroll
	w, h   int
}

// reviewMsg is what Session.Review returned.
type reviewMsg struct {
	review ui.Review
	err    error
}

// labels are the keys of the answers; the letters that mean something else are left out.
const labels = "123456789abcefimoprstuvwxz"

func (r *review) init(m *model) tea.Cmd {
	r.wait = waiting{what: "Checking your rights and preparing the review"}
	prepare, plan := m.session.Review, m.session.Walk().Plan().Clone()
	return m.work(func(ctx context.Context) tea.Msg {
		out, err := prepare(ctx, plan)
		return reviewMsg{out, err}
	})
}

func (r *review) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if r.loaded == nil {
			return r.wait.turn(m)
		}
	case reviewMsg:
		if msg.err != nil {
			return m.open(&failure{err: msg.err, retry: (*model).next})
		}
		r.loaded, m.out.Review = &msg.review, &msg.review
		r.cursor, m.quiet = len(m.session.Walk().Answers()), m.now()
	case tea.KeyPressMsg:
		r.note = ""
		name := msg.String()
		switch {
		case r.loaded == nil:
			if name == "esc" || name == "shift+tab" || name == "ctrl+b" {
				return r.back(m)
			}
		case r.diff:
			if name == "esc" || name == "d" || name == "q" || name == "enter" {
				r.diff = false
			} else {
				r.diffAt.key(name, r.h)
			}
		default:
			return r.key(m, name)
		}
	}
	return nil
}

func (r *review) key(m *model, name string) tea.Cmd {
	answers := m.session.Walk().Answers()
	r.follow = false
	switch name {
	case "esc", "shift+tab", "ctrl+b":
		return r.back(m)
	case "d":
		r.diff = r.changes()
	case "up", "k":
		r.cursor, r.follow = max(0, r.cursor-1), true
	case "down", "j":
		r.cursor, r.follow = min(len(answers), r.cursor+1), true
	case "left", "right", "tab", "h", "l":
		if r.cursor == len(answers) {
			r.yes = !r.yes
		}
		r.cursor = len(answers)
	case "y", "n":
		r.yes, r.cursor = name == "y", len(answers)
	case "enter":
		switch {
		case r.cursor < len(answers):
			return r.reopen(m, answers[r.cursor])
		case r.yes:
			m.out.Confirmed, m.out.Err = true, nil
			return m.open(newProgress(r.loaded))
		}
		r.note = "Nothing was created. Choose Yes to go on, an answer to change it, or ctrl+c to leave."
	default:
		if i := strings.Index(labels, name); len(name) == 1 && i >= 0 && i < len(answers) {
			return r.reopen(m, answers[i])
		}
		r.win.key(name, r.h)
	}
	return nil
}

func (r *review) reopen(m *model, a flow.Answered) tea.Cmd {
	if !m.session.Walk().Reopen(a.Step.ID) {
		return nil
	}
	m.reopened = &a
	return m.next()
}

func (r *review) back(m *model) tea.Cmd {
	cmd, ok := m.back()
	if !ok {
		r.note = "Every answer was given beforehand. Press its number to change one."
	}
	return cmd
}

// confirm is the part that never scrolls away.
func (r *review) confirm(m *model, w int) []string {
	here := r.cursor == len(m.session.Walk().Answers())
	out := []string{m.th.rule.Render(strings.Repeat(m.th.g.line, w))}
	out = append(out, m.th.strong.Render("Do all of this now?")+"  "+m.th.yesNo(r.yes, here))
	if r.note != "" {
		out = append(out, each(wrap(r.note, w), m.th.dim)...)
	}
	return out
}

// yesNo draws a choice that stands on one of two words; here says that Enter would take it.
func (t theme) yesNo(yes, here bool) string {
	choice := func(word string, chosen bool) string {
		switch {
		case chosen && here:
			return t.button.Render(t.g.pick + " " + word)
		case chosen:
			return t.strong.Render(" " + t.g.pick + " " + word + " ")
		}
		return t.dim.Render("   " + word + " ")
	}
	return choice("No", !yes) + " " + choice("Yes", yes)
}

func (r *review) fit(m *model, w, h int) {
	r.w, r.h = w, max(1, h-len(r.confirm(m, w)))
	if r.diff {
		r.h = h
		r.diffAt.fit(len(r.change(m, w)), h)
		return
	}
	if r.loaded == nil {
		return
	}
	lines, rows := r.lines(m, w)
	if r.follow && r.cursor < len(rows) {
		if r.cursor == 0 {
			r.win.top = 0
		}
		r.win.show(rows[r.cursor], r.h-1) // the last line says how much is below
	} else if r.follow {
		r.win.top = len(lines)
	}
	r.win.fit(len(lines), r.h)
}

func (r *review) view(m *model, w, h int) []string {
	if r.loaded == nil {
		return append(r.wait.view(m.th), each(wrap(r.note, w), m.th.dim)...)
	}
	if r.diff {
		return r.diffAt.view(m.th, r.change(m, w), h)
	}
	lines, _ := r.lines(m, w)
	room := max(1, h-len(r.confirm(m, w)))
	out := r.win.view(m.th, lines, room)
	out = append(out, make([]string, max(0, room-len(out)))...)
	return append(out, r.confirm(m, w)...)
}

// lines are the answers and what will be done; side by side where there is room. rows tells on
// which line each answer stands.
func (r *review) lines(m *model, w int) (lines []string, rows []int) {
	left, right := w, w
	if w+4 >= 80 {
		left = w * 47 / 100
		right = w - left - 4
	}
	answers, rows := r.answers(m, left)
	actions := r.actions(m, right)
	if left == w {
		return append(append(answers, ""), actions...), rows
	}
	return m.beside(max(len(answers), len(actions)), column{answers, left}, column{actions, right}), rows
}

func (r *review) answers(m *model, w int) (lines []string, rows []int) {
	all := m.session.Walk().Answers()
	names := 0
	for _, a := range all {
		names = max(names, ansi.StringWidth(a.Step.Name))
	}
	names = min(names, w/2)
	lines = append(lines, m.th.strong.Render("Your answers"), "")
	for i, a := range all {
		key := " "
		if i < len(labels) {
			key = labels[i : i+1]
		}
		mark, room := "  ", w-names-6
		value, name := wrap(a.Choice.Label.String(), room), m.th.dim.Render(m.th.pad(a.Step.Name, names))
		if len(value) == 0 {
			value = []string{""}
		}
		last := len(value) - 1
		value[last] += m.source(a, room-ansi.StringWidth(value[last]))
		if i == r.cursor {
			mark, name = m.th.accent.Bold(true).Render(m.th.g.pick+" "), m.th.accent.Bold(true).Render(m.th.pad(a.Step.Name, names))
		}
		rows = append(rows, len(lines))
		lines = append(lines, indent(mark+m.th.strong.Render(key)+" "+name+"  ", value)...)
	}
	return lines, rows
}

func (r *review) actions(m *model, w int) []string {
	var out []string
	if len(r.loaded.Warnings) > 0 {
		out = append(out, m.th.strong.Render("Worth knowing"), "")
		for _, t := range r.loaded.Warnings {
			out = append(out, indent(m.th.warn.Render(m.th.g.warn)+" ", wrap(m.th.typed(t.String()), w-2))...)
		}
		out = append(out, "")
	}
	out = append(out, m.th.strong.Render("What will be done"), "")
	for i, a := range r.loaded.Actions {
		style := m.th.dim // it only looks
		if !a.Read {
			style = m.th.dim.UnsetForeground()
		}
		out = append(out, indent(m.th.dim.Render(fmt.Sprintf("%*d ", digits(len(r.loaded.Actions)), i+1)), each(wrap(a.Say, w-3), style))...)
	}
	for i, c := range r.loaded.Changes {
		title := "Pipeline file"
		if i > 0 {
			title = "And beside it"
		}
		out = append(out, "", m.th.strong.Render(title), "")
		out = append(out, wrap(c.Path, w)...)
		summary := c.Summary()
		if c.Diff() != "" {
			summary += "; d shows every line"
		}
		out = append(out, each(wrap(summary, w), m.th.dim)...)
	}
	return out
}

// change is the whole difference of the pipeline files. The signs at the left say what the colours
// say.
func (r *review) change(m *model, w int) (out []string) {
	for i, c := range r.loaded.Changes {
		if i > 0 {
			out = append(out, "")
		}
		out = append(out, changed(m, c, w)...)
	}
	return out
}

// changes reports whether there is a difference to show.
func (r *review) changes() bool {
	return slices.ContainsFunc(r.loaded.Changes, func(c pipeline.Change) bool { return c.Diff() != "" })
}

func (r *review) keys(m *model) []keyHint {
	switch {
	case r.loaded == nil:
		return []keyHint{{"esc", "back"}}
	case r.diff:
		return []keyHint{{m.th.g.arrows, "scroll"}, {"esc", "close"}}
	case r.cursor < len(m.session.Walk().Answers()):
		return []keyHint{{"enter", "change this answer"}, {m.th.g.arrows, "move"}, {"d", "pipeline file"}, {"esc", "back"}}
	}
	return []keyHint{{m.th.g.sides, "yes or no"}, {"enter", "confirm"}, {numbers(m), "change an answer"}, {"d", "pipeline file"}, {"esc", "back"}, {"?", "help"}}
}

// numbers are the keys of the answers, from the first to the last.
func numbers(m *model) string {
	n := min(len(m.session.Walk().Answers()), len(labels))
	return labels[:1] + "-" + labels[n-1:n]
}

func digits(n int) int { return len(fmt.Sprint(n)) }
