package tui

import (
	"context"
	"strings"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// Remove leads a person through the end of a setup. The outcome says whether it was confirmed and how it ended.
func Remove(ctx context.Context, r ui.Removal, o Options) (ui.Outcome, error) {
	return forRemoval(ctx, r, o).run(ctx, o)
}

func forRemoval(ctx context.Context, r ui.Removal, o Options) *model {
	m := newModel(ctx, &remove{removal: r}, o)
	m.title, m.sandbox = r.Title, r.Sandbox
	return m
}

// remove shows what would be taken back and what stays. It is agreed to by typing the name of the setup.
type remove struct {
	removal ui.Removal
	wait    waiting
	review  *ui.Review
	course  []engine.Event
	typed   typed
	note    string
	page    planned
}

func (r *remove) init(m *model) tea.Cmd {
	r.wait = waiting{what: ui.Tracing + r.removal.Name}
	plan := r.removal.Plan
	return m.work(func(ctx context.Context) tea.Msg {
		out, err := plan(ctx)
		return reviewMsg{out, err}
	})
}

func (r *remove) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		if r.review == nil {
			return r.wait.turn(m)
		}
	case reviewMsg:
		m.out.Err = msg.err
		if msg.err != nil {
			retry := func(m *model) tea.Cmd { return m.open(&remove{removal: r.removal}) }
			return m.open(&failure{err: msg.err, first: m.home == nil, retry: retry, to: upwards})
		}
		r.review, m.out.Review, m.quiet = &msg.review, &msg.review, m.now()
		r.course, r.typed = msg.review.Run.Actions(), typed{want: r.removal.Name}
	case tea.PasteMsg:
		if r.review != nil {
			r.typed.add(msg.Content)
		}
	case tea.KeyPressMsg:
		return r.key(m, msg)
	}
	return nil
}

func (r *remove) typing() bool { return r.review != nil }

func (r *remove) key(m *model, k tea.KeyPressMsg) tea.Cmd {
	name := k.String()
	r.note = ""
	switch {
	case name == "esc":
		return m.up()
	case r.review == nil:
		if name == "q" {
			return m.leave()
		}
	case name == "enter" && r.typed.done():
		m.out.Confirmed = true
		return m.open(newProgress(r.review))
	case name == "enter":
		r.note = "Nothing was done. Type " + r.typed.want + " to remove it, or press esc."
	case !r.typed.key(k):
		r.page.win.key(name, r.page.h)
	}
	return nil
}

func (r *remove) fit(m *model, w, h int) {
	if r.review != nil {
		r.page.fit(r.lines(m, w), r.confirm(m, w), h)
	}
}

func (r *remove) view(m *model, w, h int) []string {
	if r.review == nil {
		return r.wait.view(m.th)
	}
	return r.page.view(m.th, r.lines(m, w), r.confirm(m, w), h)
}

func (r *remove) confirm(m *model, w int) []string {
	out := []string{m.th.rule.Render(strings.Repeat(m.th.g.line, w))}
	for _, warning := range r.review.Warnings {
		out = append(out, each(wrap(warning.String(), w), m.th.warn)...)
	}
	out = append(out, r.typed.view(m.th, "Type "+r.typed.want+" to remove it", w)...)
	return append(out, each(wrap(r.note, w), m.th.dim)...)
}

func (r *remove) lines(m *model, w int) []string {
	left, right := halves(w)
	known := append(each(wrap("Remove the setup "+r.removal.Name, left), m.th.strong), "")
	known = append(known, m.th.facts(r.review.Facts, left)...)
	return m.plan(known, m.th.course(r.course, right), m.th.stays(r.review, left), w)
}

func (r *remove) keys(m *model) []keyHint {
	if r.review == nil {
		return []keyHint{{"esc", "cancel"}, {"q", "leave"}}
	}
	does, _, _ := m.aside(true)
	return append([]keyHint{{"enter", "remove it"}, {"esc", does}}, r.page.win.hint(m.th.g.pages)...)
}
