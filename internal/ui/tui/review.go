package tui

import (
	"cmp"
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
	labels string // the keys of the answers; "" for the usual ones
	win    scroll
	follow bool // the window moves with the cursor
	diff   bool // the whole change of one of the files instead
	file   int  // which of those that change
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

// label is the key of the answer at i; "" where there are too many.
func (r *review) label(i int) string {
	all := cmp.Or(r.labels, labels)
	if i < 0 || i >= len(all) {
		return ""
	}
	return all[i : i+1]
}

// labelled is the answer that a key stands for.
func (r *review) labelled(m *model, key string) (flow.Answered, bool) {
	for i, a := range m.session.Walk().Answers() {
		if r.label(i) == key {
			return a, true
		}
	}
	return flow.Answered{}, false
}

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
			r.cursor, r.labels = -1, strings.NewReplacer("b", "", "r", "").Replace(labels) // these go back, and try again
			return m.open(&failure{err: msg.err, retry: (*model).next, review: r})
		}
		r.loaded, m.out.Review = &msg.review, &msg.review
		r.cursor, m.quiet = len(m.session.Walk().Answers()), m.now()
	case tea.KeyPressMsg:
		said, name := r.note, msg.String()
		r.note = ""
		switch {
		case name == "q" && !r.diff:
			if said == twice {
				return m.leave()
			}
			r.note = twice
		case r.loaded == nil:
			if name == "esc" || name == "shift+tab" || name == "ctrl+b" {
				return r.back(m)
			}
		case r.diff:
			r.page(name)
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
		r.diff, r.file, r.diffAt = len(r.files()) > 0, 0, scroll{}
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
		r.note = "Nothing was created. Choose Yes to go on, an answer to change it, or q to leave."
	default:
		if a, ok := r.labelled(m, name); ok {
			return r.reopen(m, a)
		}
		r.win.key(name, r.h)
	}
	return nil
}

// page moves through the files that change, or leaves them.
func (r *review) page(name string) {
	to := r.file
	switch name {
	case "esc", "d", "q", "enter":
		r.diff = false
	case "right", "tab", "l":
		to++
	case "left", "shift+tab", "h":
		to--
	default:
		r.diffAt.key(name, r.h)
	}
	if to = max(0, min(to, len(r.files())-1)); to != r.file {
		r.file, r.diffAt = to, scroll{}
	}
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
		r.note = "Every answer was given beforehand. Press its number or letter to change one."
	}
	return cmd
}

// confirm is the part that never scrolls away.
func (r *review) confirm(m *model, w int) []string {
	here := r.cursor == len(m.session.Walk().Answers())
	out := []string{m.th.rule.Render(strings.Repeat(m.th.g.line, w))}
	out = append(out, m.th.strong.Render("Do all of this now?")+"  "+m.th.yesNo(r.yes, here))
	if r.note != "" && r.note != r.asks() {
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
		r.h = max(1, h-len(r.title(m, w, h)))
		r.diffAt.fit(len(changed(m, r.files()[r.file], w)), r.h)
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
		return r.wait.view(m.th)
	}
	if r.diff {
		title := r.title(m, w, h)
		return append(title, r.diffAt.view(m.th, changed(m, r.files()[r.file], w), h-len(title))...)
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
	if w+4 >= 100 { // below, names would be broken
		left = w * 47 / 100
		right = w - left - 4
	}
	answers, rows := r.answers(m, left)
	actions := r.actions(m, right)
	if left == w { // what must not be missed comes first
		before := r.warnings(m, w)
		for i := range rows {
			rows[i] += len(before)
		}
		return slices.Concat(before, answers, []string{""}, actions), rows
	}
	actions = append(r.warnings(m, right), actions...)
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
		key := m.th.pad(r.label(i), 1)
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

// warnings are what is worth knowing before the answers are confirmed, with an empty line after them.
func (r *review) warnings(m *model, w int) (out []string) {
	if len(r.loaded.Warnings) == 0 {
		return nil
	}
	out = append(out, m.th.strong.Render("Worth knowing"), "")
	for _, t := range r.loaded.Warnings {
		out = append(out, indent(m.th.warn.Render(m.th.g.warn)+" ", wrap(m.th.typed(t.String()), w-2))...)
	}
	return append(out, "")
}

func (r *review) actions(m *model, w int) []string {
	out := []string{m.th.strong.Render("What will be done"), ""}
	for i, a := range r.loaded.Actions {
		style := m.th.dim // it only looks
		if !a.Read {
			style = m.th.dim.UnsetForeground()
		}
		out = append(out, indent(m.th.dim.Render(fmt.Sprintf("%*d ", digits(len(r.loaded.Actions)), i+1)), each(wrap(a.Say, w-3), style))...)
	}
	if n := len(r.loaded.Changes); n > 0 {
		out = append(out, "", m.th.strong.Render(map[bool]string{true: "File", false: "Files"}[n == 1]), "")
	}
	for _, c := range r.loaded.Changes {
		out = append(out, wrap(c.Path, w)...)
		out = append(out, indent("  ", each(wrap(c.Summary(), w-2), m.th.dim))...)
	}
	if len(r.files()) > 0 {
		out = append(out, each(wrap("d shows every line", w), m.th.dim)...)
	}
	return out
}

// files are those that change.
func (r *review) files() []pipeline.Change {
	return slices.DeleteFunc(slices.Clone(r.loaded.Changes), func(c pipeline.Change) bool { return c.Diff() == "" })
}

// title says above the lines of a file which one it is; nothing where there is hardly room for the lines.
func (r *review) title(m *model, w, h int) []string {
	all := r.files()
	which, c := "", all[r.file]
	if len(all) > 1 {
		which = fmt.Sprintf("File %d of %d: ", r.file+1, len(all))
	}
	out := append(each(wrap(which+c.Path, w), m.th.strong), each(wrap(c.Summary(), w), m.th.dim)...)
	if h < len(out)+5 {
		return nil
	}
	return append(out, "")
}

// asks is what the next key decides; "" for nothing.
func (r *review) asks() string { return asked(r.note) }

func (r *review) keys(m *model) []keyHint {
	back, leave := keyHint{"esc", "back"}, keyHint{"q", "leave"}
	switch {
	case r.loaded == nil:
		return []keyHint{back, leave}
	case r.diff:
		keys := []keyHint{{"esc", "close"}}
		if len(r.files()) > 1 {
			keys = append(keys, keyHint{m.th.g.sides, "other file"})
		}
		return append(keys, r.diffAt.hint(m.th.g.pages)...)
	}
	keys := []keyHint{{m.th.g.sides, "yes or no"}, {"enter", "confirm"}}
	if r.cursor < len(m.session.Walk().Answers()) {
		keys = []keyHint{{"enter", "change this answer"}, {m.th.g.arrows, "move"}}
	}
	if len(r.files()) > 0 {
		keys = append(keys, keyHint{"d", "files"})
	}
	return append(append(keys, back, leave, keyHint{"number or letter", "change it"}), r.win.hint("pgup pgdn")...)
}

func digits(n int) int { return len(fmt.Sprint(n)) }
