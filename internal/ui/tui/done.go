package tui

import (
	"cmp"
	"fmt"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// done is the last screen: what exists now, how sure that is, and what is left to the person.
type done struct {
	review *ui.Review
	win    scroll
	h      int
}

func (d *done) init(*model) tea.Cmd { return nil }

func (d *done) update(m *model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		on := m.session.Then != "" || m.session.From != ""
		switch name := k.String(); {
		case name == "enter" && on, name == "esc" && m.session.From != "" && m.session.Then == "":
			return m.return_()
		case name == "enter", name == "q":
			return m.leave()
		default:
			d.win.key(name, d.h)
		}
	}
	return nil
}

func (d *done) fit(m *model, w, h int) {
	d.h = h
	d.win.fit(len(d.lines(m, w)), h)
}

func (d *done) view(m *model, w, h int) []string { return d.win.view(m.th, d.lines(m, w), h) }

func (d *done) lines(m *model, wide int) []string {
	w := min(wide, 90)
	out := indent(m.th.good.Render(m.th.g.done)+" ", each(wrap("The pipeline has its own key to Astro", w-2), m.th.strong))
	out = append(out, "")
	out = append(out, m.th.pairs(results(d.review.Result), w)...)
	if d.review.Next == nil {
		return out
	}
	next := d.review.Next()
	if len(next) == 0 {
		return out
	}
	out = append(out, "", m.th.strong.Render("What is left to you"), "")
	for i, n := range next {
		out = append(out, indent(m.th.dim.Render(fmt.Sprintf("%*d ", digits(len(next)), i+1)), wrap(n.Say, w-3))...)
		if n.Command != "" {
			out = append(out, indent("    ", each(command(n.Command, wide-4), m.th.accent))...)
		}
		if n.Link != "" {
			out = append(out, indent("    ", each(wrap(n.Link, w-4), m.th.accent.Hyperlink(n.Link)))...)
		}
	}
	return out
}

// results are the facts about what was made.
func results(r *engine.Result) [][2]string {
	if r == nil {
		return nil
	}
	c := r.Plan.Credential
	var rows [][2]string
	switch {
	case r.Plan.Job == setup.RemindOfEnd: // it has no credential
	case r.Token.ID == "":
		rows = [][2]string{{"Credential", c.Kind.String() + " of " + r.Plan.Entity().String()}}
	default:
		rows = [][2]string{
			{"Token", r.Token.ID},
			{"Scope", c.Kind.String() + " for " + r.Plan.Entity().String()},
			{"Role", c.Role},
		}
	}
	if !r.Token.EndAt.IsZero() {
		rows = append(rows, [2]string{"Expires", fmt.Sprintf("%s, after %d days", display.Day(r.Token.EndAt), c.ExpiresInDays)})
	}
	for _, t := range r.Targets {
		rows = append(rows, [2]string{"Secret", t.Target.String()}, [2]string{"", proof(string(t.Proof))})
		if !t.Note.IsZero() {
			rows = append(rows, [2]string{"", t.Note.String()})
		}
	}
	for _, f := range r.Written() {
		file := f.Path + ", as it was"
		switch {
		case f.Request != "":
			file = f.Path + ", proposed in " + f.Request
		case f.Changed:
			file = f.Path + ", written"
		}
		rows = append(rows, [2]string{"File", file})
	}
	if x := r.Renewal; x != nil {
		rows = append(append(rows, [2]string{"Schedule", x.Plan.Name + ", " + setup.Scheduled(x.Plan.Pipeline.Cron)}), results(x)...)
	}
	return rows
}

// proof says in words how sure it is that the secret is right, and no more than is known.
func proof(rung string) string {
	switch rung {
	case "written":
		return "the store accepted it; more cannot be seen from outside"
	case "metadata":
		return "the store's own record shows the new version; the value itself cannot be read back"
	case "read-back":
		return "read again from the store and equal"
	case "run":
		return "a pipeline run has used it"
	}
	return "nothing is known about it yet"
}

func (d *done) keys(m *model) []keyHint {
	keys := []keyHint{{"enter", cmp.Or(m.session.Then, m.session.From, "leave")}}
	if keys[0].does != "leave" {
		keys = append(keys, keyHint{"q", "leave"})
	}
	return append(keys, d.win.hint(m.th.g.pages)...)
}

func (d *done) leaves(*model) string { return "leave; everything is created" }
