package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/flow"
)

// box is a part of the window, in cells.
type box struct{ w, h int }

// wide is the width from which the steps stand at the left, and roomy the one from which the
// reasons stand at the right; maxWidth keeps lines readable.
const (
	wide     = 72
	roomy    = 136
	maxWidth = 146
	gap      = 3
)

func (m *model) margin() int {
	switch {
	case m.w < 40:
		return 0
	case m.w < wide:
		return 1
	}
	return 2
}

func (m *model) inner() int { return max(1, min(m.w-2*m.margin(), maxWidth)) }

// spare lines around the body: above the header, below it, and above the keys.
func (m *model) spare() (top, head, foot int) {
	switch {
	case m.h < 10:
		return 0, 0, 0
	case m.h < 20:
		return 0, 1, 1
	}
	return 1, 1, 1
}

// body is the space between header and keys.
func (m *model) body() box {
	top, head, foot := m.spare()
	return box{m.inner(), max(1, m.h-1-len(m.footer(m.inner()))-top-head-foot)}
}

// View draws the window.
func (m *model) View() tea.View {
	v := tea.NewView(m.draw())
	v.AltScreen = true
	v.WindowTitle = "astro-ci: " + m.title
	if s, ok := m.screen.(interface{ bar() *tea.ProgressBar }); ok {
		v.ProgressBar = s.bar() // in the tab or the task bar of terminals that have one
	}
	return v
}

func (m *model) draw() string {
	b := m.body()
	top, head, foot := m.spare()
	body := m.screen.view(m, b.w, b.h)
	if m.help {
		body = m.reading.view(m.th, m.helpView(b.w), b.h)
	}
	lines := make([]string, 0, m.h)
	lines = append(lines, make([]string, top)...)
	lines = append(lines, m.header(b.w))
	lines = append(lines, make([]string, head)...)
	for i := range b.h {
		line := ""
		if i < len(body) {
			line = body[i]
		}
		lines = append(lines, m.th.cut(line, b.w))
	}
	lines = append(lines, make([]string, foot)...)
	lines = append(lines, m.footer(b.w)...)
	left := strings.Repeat(" ", m.margin())
	for i, l := range lines {
		if l != "" {
			lines[i] = strings.TrimRight(left+l, " ")
		}
	}
	return strings.Join(lines[:min(len(lines), m.h)], "\n")
}

// header is the product, what is being done and, in the sandbox, that no account is touched.
func (m *model) header(w int) string {
	left := m.th.accent.Bold(true).Render("astro-ci") + "  " + m.th.dim.Render(m.title)
	if !m.sandbox {
		return m.th.cut(left, w)
	}
	badge := m.th.warn.Render("[sandbox]")
	if long := m.th.warn.Render("[sandbox] ") + m.th.dim.Render("no account is touched"); w >= wide {
		badge = long
	}
	room := w - ansi.StringWidth(badge) - 1
	if room < ansi.StringWidth("astro-ci") {
		return m.th.cut(badge, w)
	}
	return m.th.pad(left, room) + " " + badge
}

// tall is the height from which the keys may take two lines.
const tall = 20

// keyHint says what a key does.
type keyHint struct{ key, does string }

// sure reports whether the key is named whatever else has no room: what goes on, the help, and the ways back and out.
func (k keyHint) sure() bool {
	return k.key == "enter" || k.does == "help" || k.key == "esc" || k.key == "q" || k.key == "ctrl+c"
}

// scrolls is what scrolling is called. It is named where a line has room for it and takes no line of its own:
// how much can be seen must not decide how much there is to see it in.
const scrolls = "scroll"

// hints are the keys of the screen, the help among them.
func (m *model) hints() []keyHint {
	ask := keyHint{"?", "help"}
	if m.typing() {
		ask.key = "f1"
	}
	return append(m.screen.keys(m), ask)
}

// footer names the keys. Those that have no room are left out, from the last one on.
func (m *model) footer(w int) []string {
	most := 1
	if m.h >= tall {
		most = 2
	}
	if s, ok := m.screen.(interface{ asks() string }); ok && s.asks() != "" && !m.help {
		return []string{m.th.warn.Render(m.th.cut(s.asks(), w))} // where it is seen on every terminal
	}
	keys := m.hints()
	if m.help {
		keys = []keyHint{{"esc", "close help"}}
	}
	still := slices.DeleteFunc(slices.Clone(keys), func(k keyHint) bool { return k.does == scrolls })
	return m.pack(keys, w, len(m.pack(still, w, most)))
}

// pack puts keys into lines of w cells, most of them at most. The last one goes first, and the first one stays as
// long as any: of two ways out, that to leave goes before it.
func (m *model) pack(keys []keyHint, w, most int) []string {
	keys = slices.Clone(keys)
	is := func(name string) func(keyHint) bool { return func(k keyHint) bool { return k.key == name } }
	for {
		lines := m.fill(keys, w)
		if len(lines) <= most {
			return lines
		}
		drop := len(keys) - 1
		for drop > 0 && keys[drop].sure() {
			drop--
		}
		if drop == 0 && slices.ContainsFunc(keys, is("esc")) {
			drop = max(0, slices.IndexFunc(keys, is("q")))
		}
		if drop == 0 && keys[0].sure() || len(keys) == 1 {
			if m.h >= 10 { // what is never left out
				most = 2
			}
			return lines[:min(most, len(lines))]
		}
		keys = slices.Delete(keys, drop, drop+1)
	}
}

// fill puts all of the keys into lines of w cells.
func (m *model) fill(keys []keyHint, w int) (lines []string) {
	line := ""
	for _, k := range keys {
		one := m.th.strong.Render(k.key) + " " + m.th.dim.Render(k.does)
		switch {
		case line == "":
			line = one
		case ansi.StringWidth(line+one)+gap <= w:
			line += strings.Repeat(" ", gap) + one
		default:
			lines, line = append(lines, m.th.cut(line, w)), one
		}
	}
	return append(lines, m.th.cut(line, w))
}

// helpView is the longer help: why the question matters, every key, and how to answer without a
// terminal.
func (m *model) helpView(w int) []string {
	w = min(w, 76)
	var out []string
	section := func(title string, lines []string) {
		if len(lines) > 0 {
			out = append(append(append(out, m.th.strong.Render(title)), lines...), "")
		}
	}
	if q, ok := m.screen.(*question); ok {
		section(q.step.Title, wrap(q.step.Help, w))
		var more []string
		for i, paragraph := range strings.Split(q.step.More, "\n\n") {
			if i > 0 {
				more = append(more, "")
			}
			more = append(more, wrap(m.th.typed(paragraph), w)...)
		}
		if q.step.More != "" {
			section("What the answers mean", more)
		}
		var other []string
		if q.step.Flag != "" {
			other = append(other, "--"+q.step.Flag)
		}
		if q.step.Env != "" {
			other = append(other, q.step.Env)
		}
		section("The same without a terminal", wrap(strings.Join(other, " or "), w))
	}
	if s, ok := m.screen.(interface{ signs(m *model) [][2]string }); ok {
		section("Signs", m.th.pairs(s.signs(m), w))
	}
	var rows [][2]string
	named := false
	keys := m.screen.keys(m)
	if s, ok := m.screen.(interface{ moves(m *model) []keyHint }); ok {
		keys = append(s.moves(m), keys...)
	}
	for _, k := range keys {
		rows = append(rows, [2]string{k.key, k.does})
		if k.does == scrolls {
			rows[len(rows)-1] = [2]string{k.key, "scroll; home and end do as well"}
		}
		named = named || k.key == "ctrl+c"
	}
	if !named {
		rows = append(rows, [2]string{"ctrl+c", m.leaves()})
	}
	section("Keys", m.th.pairs(rows, w))
	return out[:len(out)-1]
}

// leaves says what ctrl+c does now.
func (m *model) leaves() string {
	if s, ok := m.screen.(interface{ leaves(m *model) string }); ok {
		return s.leaves(m)
	}
	if m.session.Find == nil {
		return "leave; nothing is changed before you confirm"
	}
	return "leave; nothing is created before you confirm"
}

// outline is one line of the list of steps.
type outline struct {
	step    flow.Step
	answer  *flow.Answered
	current bool
}

// outline lists the steps that have an answer and those that are still to come. A question that
// depends on an open answer is left out: nobody knows yet whether it will be asked.
func (m *model) outline() (rows []outline) {
	w := m.session.Walk()
	answers := map[string]flow.Answered{}
	for _, a := range w.Answers() {
		answers[a.Step.ID] = a
	}
	current, _ := w.Current()
	for _, s := range w.Steps() {
		a, answered := answers[s.ID]
		row := outline{step: s, current: s.ID == current.ID}
		switch {
		case answered:
			row.answer = &a
		case row.current:
		case s.Quiet || !w.Applies(s) || s.When != nil && pending(s, answers):
			continue
		}
		rows = append(rows, row)
	}
	return rows
}

// pending reports whether the step builds on a question that is still open.
func pending(s flow.Step, answers map[string]flow.Answered) bool {
	for _, id := range s.Needs {
		if _, ok := answers[id]; !ok {
			return true
		}
	}
	return false
}

// steps draws the list of steps, with the current one in sight.
func (m *model) steps(w, h int) []string {
	rows := m.outline()
	names, now := 0, 0
	for i, r := range rows {
		names = max(names, ansi.StringWidth(r.step.Name))
		if r.current {
			now = i
		}
	}
	names = min(names, w/2)
	var out []string
	for _, r := range rows {
		name := m.th.pad(r.step.Name, names)
		switch {
		case r.current:
			out = append(out, m.th.accent.Bold(true).Render(m.th.g.now+" "+name))
		case r.answer != nil:
			value, room := r.answer.Choice.Label.String(), w-names-4
			out = append(out, m.th.dim.Render(m.th.g.done+" "+name+"  ")+m.th.cut(value, room)+m.source(*r.answer, room-ansi.StringWidth(value)))
		default:
			out = append(out, m.th.dim.Render(m.th.g.todo+" "+name))
		}
	}
	var s scroll
	s.show(min(now+2, len(out)-1), h)
	s.fit(len(out), h)
	if len(out) > h {
		out = out[s.top : s.top+h]
	}
	return out
}

// source says in words where an answer came from that nobody was asked for.
func (m *model) source(a flow.Answered, room int) string {
	if s := a.Source.String(); s != "" && ansi.StringWidth(s)+3 <= room {
		return m.th.dim.Render(" " + m.th.g.dot + " " + s)
	}
	return ""
}

// beside draws columns next to each other, each padded to its width, with a rule after the first.
func (m *model) beside(h int, cols ...column) []string {
	out := make([]string, h)
	for i := range out {
		var b strings.Builder
		for n, c := range cols {
			line := ""
			if i < len(c.lines) {
				line = c.lines[i]
			}
			switch n {
			case 0:
			case 1:
				b.WriteString(" " + m.th.rule.Render(m.th.g.bar) + "  ")
			default:
				b.WriteString(strings.Repeat(" ", gap))
			}
			b.WriteString(m.th.pad(line, c.w))
		}
		out[i] = b.String()
	}
	return out
}

type column struct {
	lines []string
	w     int
}
