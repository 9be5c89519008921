package tui

import (
	"cmp"
	"context"
	"fmt"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
)

// question asks one step. It loads the choices first; a step that answers itself is passed over.
type question struct {
	step  flow.Step
	wait  waiting
	ready flow.Prepared
	field *field // nil while loading
	err   error  // why the last answer was refused
	note  string // a remark on the last key
	show  parts
	next  func(context.Context) (flow.Choices, error) // reads the rest of the list; nil: it is whole
}

// parts says what of the question there is room for.
type parts struct {
	note     int // lines
	help     bool
	calendar bool
}

// preparedMsg is what flow.Prepare returned.
type preparedMsg struct {
	ready flow.Prepared
	err   error
}

func (q *question) init(m *model) tea.Cmd {
	q.wait = waiting{what: "Looking up " + q.step.Name}
	prepare := m.session.Walk().Prepare(q.step)
	return m.work(func(ctx context.Context) tea.Msg {
		ready, err := prepare(ctx)
		return preparedMsg{ready, err}
	})
}

// typing reports whether letters are text now.
func (q *question) typing() bool {
	return q.field != nil && (q.field.input != nil || q.field.filtering)
}

func (q *question) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if q.field == nil {
			return q.wait.turn(m)
		}
		return nil
	case preparedMsg:
		return q.prepared(m, msg)
	case moreMsg:
		return q.more(m, msg)
	case tea.KeyPressMsg:
		said := q.note
		q.note = ""
		if q.field != nil {
			q.field.seek = "" // the person moves by hand now
		}
		if q.field != nil && q.field.broken != nil && !q.field.filtering && msg.String() == "r" {
			return q.readOn(m)
		}
		switch msg.String() {
		case "esc":
			if q.field != nil && q.field.clear(m, q.step) {
				return nil
			}
			return q.back(m)
		case "shift+tab", "ctrl+b":
			if q.field != nil && q.field.filtering {
				return nil
			}
			return q.back(m)
		case "q":
			switch {
			case q.typing():
			case said == twice:
				return m.leave()
			default:
				q.note = twice
				return nil
			}
		}
		q.err = nil
	}
	if q.field == nil {
		return nil
	}
	cmd, complete := q.field.update(m, q.step, msg)
	if complete {
		return q.submit(m)
	}
	if q.err == nil {
		q.err = q.field.err()
	}
	return cmd
}

func (q *question) prepared(m *model, msg preparedMsg) tea.Cmd {
	w := m.session.Walk()
	if msg.err != nil {
		return m.open(&failure{err: msg.err, retry: (*model).next, to: func(m *model) (tea.Cmd, bool) {
			if m.reopened == nil && w.BackTo(q.step) {
				return m.next(), true
			}
			return m.back()
		}})
	}
	q.ready, q.err = msg.ready, msg.ready.Refused
	if a := q.ready.Answer; a != nil {
		if q.err = w.Answer(q.step, *a, q.ready.Source); q.err == nil {
			return m.next()
		}
	}
	begin := cmp.Or(w.Last(q.step.ID), q.ready.Choices.Default)
	if begin == "" {
		for _, c := range q.ready.Choices.Items {
			if c.Recommended {
				begin = c.Value
				break
			}
		}
	}
	q.field, m.quiet = newField(m, q.ready, begin), m.now()
	q.next = q.ready.Choices.More
	return q.readOn(m)
}

// moreMsg is the next part of a long list.
type moreMsg struct {
	part flow.Choices
	err  error
}

// readOn reads the next part of a list that is longer than its first page, while the person may
// already choose.
func (q *question) readOn(m *model) tea.Cmd {
	if q.next == nil {
		return nil
	}
	q.field.broken = nil
	next := q.next
	return m.work(func(ctx context.Context) tea.Msg {
		part, err := next(ctx)
		return moreMsg{part, err}
	})
}

func (q *question) more(m *model, msg moreMsg) tea.Cmd {
	if msg.err != nil {
		q.field.broken, q.err = msg.err, msg.err
		return nil
	}
	q.err = nil
	q.field.add(m, msg.part)
	q.next = msg.part.More
	q.field.build(m, q.step)
	return q.readOn(m)
}

// submit gives the answer to the walk. A refused answer stays on the screen with the reason.
func (q *question) submit(m *model) tea.Cmd {
	if err := m.session.Walk().Answer(q.step, q.field.answer(), flow.Asked); err != nil {
		q.err = err
		q.field.build(m, q.step)
		return nil
	}
	m.reopened = nil
	return m.next()
}

func (q *question) back(m *model) tea.Cmd {
	cmd, ok := m.back()
	if !ok && m.session.From != "" {
		return m.goBack()
	}
	if !ok {
		return m.open(&start{})
	}
	return cmd
}

// columns are the widths of the steps, the question and the reasons; 0 is a column that is not
// there.
func columns(w int) (steps, main, why int) {
	if w+4 < wide {
		return 0, w, 0
	}
	steps = min(max(w*2/5, 26), 30)
	if w >= 100 {
		steps = 36
	}
	main = w - steps - 4
	if w+4 >= roomy {
		why = 30
		main -= why + gap
	}
	return steps, main, why
}

func (q *question) fit(m *model, w, h int) {
	if q.field == nil {
		return
	}
	_, main, why := columns(w)
	if why == 0 && w+4 < wide {
		h -= 2 // the line that says how far one is
	}
	free := h - len(wrap(q.step.Title, main)) - 1 - len(q.problem(m, main))
	want := 1
	if q.field.list != nil {
		want = max(1, len(q.field.matches))
	}
	q.field.crowded = q.field.list != nil && want > free
	if q.field.status(m) != "" {
		free -= 2
	}
	// A short list is seen whole; the remark may be cut, the reasons are shown whole or not at all.
	take := func(lines, least int) int {
		lines = min(lines, free-min(want, many)-1)
		if lines < least || lines < 1 {
			return 0
		}
		free -= lines + 1
		return lines
	}
	_, q.field.inline = q.field.measure(main)
	help := 0
	if why == 0 {
		help = len(q.help(m, main))
	}
	q.show.help = take(help, help) > 0
	q.show.note = take(q.remarks(m, main), 1)
	n := len(q.calendar(m, main))
	q.show.calendar = take(n, n) > 0
	q.field.fit(m, q.step, main, max(1, min(want, free)))
}

func (q *question) view(m *model, w, h int) []string {
	steps, main, why := columns(w)
	body := q.body(m, main)
	switch {
	case steps == 0:
		return append([]string{m.th.dim.Render(fmt.Sprintf("Question %d", m.session.Walk().Number())), ""}, body...)
	case why == 0:
		return m.beside(h, column{m.steps(steps, h), steps}, column{body, main})
	}
	return m.beside(h, column{m.steps(steps, h), steps}, column{body, main}, column{q.why(m, why), why})
}

// body is the question itself.
func (q *question) body(m *model, w int) []string {
	if q.field == nil { // its title would only flash by when it answers itself
		return append(q.wait.view(m.th), q.problem(m, w)...)
	}
	out := each(wrap(q.step.Title, w), m.th.strong)
	if q.show.help {
		out = append(append(out, ""), q.help(m, w)...)
	}
	out = append(out, "")
	if s := q.field.status(m); s != "" {
		out = append(out, s, "")
	}
	out = append(out, q.field.view(m)...)
	out = append(out, q.problem(m, w)...)
	if n := q.show.note; n > 0 {
		lines := q.remark(m, w)
		if len(lines) > n {
			lines = append(lines[:n-1:n-1], m.th.shortened(lines[n-1], w))
		}
		out = append(append(out, ""), lines...)
	}
	if q.show.calendar {
		out = append(append(out, ""), q.calendar(m, w)...)
	}
	return out
}

// asks is what the next key decides; "" for nothing.
func (q *question) asks() string { return asked(q.note) }

// problem is what is wrong with the answer, or with the last key.
func (q *question) problem(m *model, w int) []string {
	if q.note != "" && q.note != q.asks() {
		return append([]string{""}, each(wrap(q.note, w), m.th.dim)...)
	}
	if q.err == nil {
		return nil
	}
	h := hint.Of(q.err)
	text := sentence(display.Clean(h.Error()).String())
	out := append([]string{""}, indent(m.th.bad.Render(m.th.g.failed)+" ", each(wrap(text, w-2), m.th.bad))...)
	return append(out, indent("  ", wrap(m.th.typed(h.Next), w-2))...)
}

// remark is what there is to say about the choice under the cursor, and why the recommended one is
// recommended.
func (q *question) remark(m *model, w int) []string {
	return q.remarkOn(m, q.field.hovered(), w)
}

func (q *question) remarkOn(m *model, c flow.Choice, w int) []string {
	var out []string
	note := q.ready.Choices.Note.String()
	if own := c.Note.String(); !q.field.inline && own != "" && own != note {
		out = append(out, each(wrap(sentence(own), w), m.th.dim)...)
	}
	if note == "" {
		return out
	}
	for _, r := range q.ready.Choices.Items {
		switch {
		case !r.Recommended:
			continue
		case q.field.inline && r.Note.String() == note:
			return out // it stands beside the choice
		case r.Value != c.Value && c.Value != "":
			return out // why another one is recommended is said beside that one
		}
		break
	}
	return append(out, each(wrap(note, w), m.th.dim)...)
}

// calendar shows when what is chosen or typed ends; lines stay empty for what is no time, so that nothing jumps.
func (q *question) calendar(m *model, w int) []string {
	if q.step.Lives == nil || q.field == nil {
		return nil
	}
	life, ok := q.step.Lives(q.field.value())
	if !ok {
		return make([]string, len(m.th.calendar(m.now(), 0, w)))
	}
	return m.th.calendar(m.now(), life, w)
}

// remarks is the height that the longest remark needs, so that the list keeps its height.
func (q *question) remarks(m *model, w int) int {
	lines := len(q.remarkOn(m, flow.Choice{}, w))
	if !q.field.inline {
		for _, i := range q.field.shown() {
			if c := q.field.items[i]; ansi.StringWidth(c.Note.String()) > 0 {
				lines = max(lines, len(q.remarkOn(m, c, w)))
			}
		}
	}
	return lines
}

// help says why the question matters.
func (q *question) help(m *model, w int) []string { return each(wrap(q.step.Help, w), m.th.dim) }

// why is the help with a heading, for a column of its own.
func (q *question) why(m *model, w int) []string {
	if q.step.Help == "" {
		return nil
	}
	return append([]string{m.th.strong.Render("Why it matters"), ""}, wrap(q.step.Help, w)...)
}

func (q *question) keys(m *model) []keyHint {
	back, leave := keyHint{"esc", "back"}, keyHint{"q", "leave"}
	switch {
	case q.field == nil:
		return []keyHint{back, leave}
	case q.field.input != nil:
		return []keyHint{{"enter", "next"}, back}
	case q.field.filtering:
		return []keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, {"esc", "clear the filter"}}
	case len(q.field.items) > many:
		return []keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, {"/", "find"}, back, leave}
	}
	return []keyHint{{m.th.g.arrows, "move"}, {"enter", "choose"}, back, leave}
}
