package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// replace shows the plan of a rotation. Its confirm stands on No; an outage is accepted by typing the name
// of the setup.
type replace struct {
	name  string
	only  bool // there is no other setup to go back to
	wait  waiting
	plan  *ui.Replacement
	yes   bool
	typed typed
	note  string
	page  planned
}

// planMsg is what Rotation.Plan returned.
type planMsg struct {
	plan *ui.Replacement
	err  error
}

func (r *replace) init(m *model) tea.Cmd {
	r.wait = waiting{what: "Checking your rights and the targets of " + r.name}
	plan, name := m.rotation.Plan, r.name
	return m.work(func(ctx context.Context) tea.Msg {
		out, err := plan(ctx, name)
		return planMsg{out, err}
	})
}

func (r *replace) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if r.plan == nil {
			return r.wait.turn(m)
		}
	case planMsg:
		m.out.Err = msg.err
		switch {
		case msg.err != nil:
			retry := func(m *model) tea.Cmd { return m.open(&replace{name: r.name, only: r.only}) }
			_, aside, ok := m.aside(r.only)
			return m.open(&failure{err: msg.err, first: !ok, retry: retry, to: func(m *model) (tea.Cmd, bool) { return aside(m), true }})
		case msg.plan.Begun:
			return goOn(m, msg.plan, r.only)
		}
		r.plan, r.typed, m.quiet = msg.plan, typed{want: r.name}, m.now()
	case tea.PasteMsg:
		if r.typing() {
			r.typed.add(msg.Content)
		}
	case tea.KeyPressMsg:
		return r.key(m, msg)
	}
	return nil
}

// goOn carries a rotation out, after the targets were given up that the person named.
func goOn(m *model, plan *ui.Replacement, only bool) tea.Cmd {
	if len(plan.GiveUp) > 0 {
		return m.open(&forget{plan: plan, target: plan.GiveUp[0], only: only, back: (*model).leave, does: "leave"})
	}
	return m.open(&rotating{plan: plan, only: only, rows: ui.Acts(plan.Course)})
}

func (r *replace) typing() bool { return r.plan != nil && r.plan.Leaked }

func (r *replace) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	r.note = ""
	switch {
	case name == "esc":
		if _, aside, ok := m.aside(r.only); ok || r.typing() {
			return aside(m)
		}
	case name == "q" && !r.typing():
		return m.leave()
	case r.plan == nil:
	case name == "enter":
		if r.agreed() {
			m.out.Confirmed = true
			return goOn(m, r.plan, r.only)
		}
		r.note = "Nothing was done. Choose Yes to begin."
		if r.plan.Leaked {
			r.note = "Nothing was done. Type " + r.name + " to begin, or press esc to leave it."
		}
	case r.typing():
		if !r.typed.key(k) {
			r.page.win.key(name, r.page.h)
		}
	case name == "left" || name == "right" || name == "tab" || name == "h" || name == "l":
		r.yes = !r.yes
	case name == "y" || name == "n":
		r.yes = name == "y"
	default:
		r.page.win.key(name, r.page.h)
	}
	return nil
}

func (r *replace) agreed() bool {
	if r.plan.Leaked {
		return r.typed.done()
	}
	return r.yes
}

func (r *replace) fit(m *model, w, h int) {
	if r.plan != nil {
		r.page.fit(r.lines(m, w), r.confirm(m, w), h)
	}
}

func (r *replace) view(m *model, w, h int) []string {
	if r.plan == nil {
		return r.wait.view(m.th)
	}
	return r.page.view(m.th, r.lines(m, w), r.confirm(m, w), h)
}

// confirm is the part that never scrolls away.
func (r *replace) confirm(m *model, w int) []string {
	out := []string{m.th.rule.Render(strings.Repeat(m.th.g.line, w))}
	if r.plan.Leaked {
		out = append(out, each(wrap("Pipelines that use the old token fail until they have the new one.", w), m.th.warn)...)
		out = append(out, r.typed.view(m.th, "Type "+r.name+" to accept that", w)...)
	} else {
		out = append(out, m.th.strong.Render("Begin now?")+"  "+m.th.yesNo(r.yes, true))
	}
	return append(out, each(wrap(r.note, w), m.th.dim)...)
}

// lines are the facts and what will be done; side by side where there is room.
func (r *replace) lines(m *model, w int) []string {
	left, right := halves(w)
	title := "Replace the token of " + r.name
	if r.plan.Leaked {
		title = "Replace the leaked token of " + r.name
	}
	facts := each(wrap(title, left), m.th.strong)
	facts = append(facts, "")
	facts = append(facts, m.th.facts(r.plan.Facts, left)...)
	if s := r.plan.Setup; !s.Made.IsZero() && !s.Ends.IsZero() {
		words := s.Remaining(m.now())
		bar := m.th.life(s, m.now(), max(4, min(24, left-14-len(words))))
		facts = append(facts[:2:2], append([]string{bar + "  " + m.th.dim.Render(words), ""}, facts[2:]...)...)
	}
	return m.plan(facts, m.th.course(r.plan.Course, right), nil, w)
}

// facts draws facts with their names at the left.
func (t theme) facts(all []ui.Fact, w int) []string {
	rows := make([][2]string, len(all))
	for i, f := range all {
		rows[i] = [2]string{f.Name, f.Value.String()}
	}
	return t.pairs(rows, w)
}

func (r *replace) keys(m *model) (keys []keyHint) {
	does, _, ok := m.aside(r.only)
	switch {
	case r.plan == nil:
	case r.plan.Leaked:
		return append([]keyHint{{"enter", "begin"}, {"esc", does}}, r.page.win.hint(m.th.g.pages)...)
	default:
		keys = []keyHint{{m.th.g.sides, "yes or no"}, {"enter", "confirm"}}
	}
	if ok {
		keys = append(keys, keyHint{"esc", does})
	}
	return append(append(keys, keyHint{"q", "leave"}), r.page.win.hint(m.th.g.pages)...)
}

// typed is a name that has to be typed, letter by letter, because of what follows.
type typed struct{ want, text string }

func (t *typed) done() bool { return strings.TrimSpace(t.text) == t.want }

func (t *typed) add(text string) {
	if clean := display.Clean(text).String(); len(t.text)+len(clean) <= longest {
		t.text += clean
	}
}

// key reports whether the key was text.
func (t *typed) key(k tea.KeyPressMsg) bool {
	switch name := k.String(); {
	case name == "backspace":
		if r := []rune(t.text); len(r) > 0 {
			t.text = string(r[:len(r)-1])
		}
	case name == "ctrl+u":
		t.text = ""
	case k.Text != "":
		t.add(k.Text)
	default:
		return false
	}
	return true
}

func (t *typed) view(th theme, ask string, w int) []string {
	out := each(wrap(ask, w), th.strong)
	mark := ""
	if t.done() {
		mark = " " + th.good.Render(th.g.done)
	}
	return append(out, th.accent.Bold(true).Render(th.g.pick+" ")+t.text+th.accent.Reverse(true).Render(" ")+mark)
}
