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
	rows   []engine.Event // what was done, of a removal
	win    scroll
	h      int
}

func newDone(p *progress) *done {
	d := &done{review: p.review}
	if p.review.Removes != "" {
		d.rows = p.rows
	}
	return d
}

func (d *done) init(*model) tea.Cmd { return nil }

func (d *done) update(m *model, msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		on := m.session.Then != "" || m.session.From != ""
		switch name := k.String(); {
		case (name == "enter" || name == "esc") && d.review.Removes != "":
			_, aside, _ := m.aside(true)
			return aside(m)
		case name == "enter" && on, name == "esc" && m.session.From != "" && m.session.Then == "":
			return m.goBack()
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

func (d *done) lines(m *model, whole int) []string {
	w := min(whole, 90)
	title := "The pipeline has its own token for Astro"
	switch name := d.review.Removes; {
	case name != "":
		title = fmt.Sprintf(ui.Removed, name)
	case d.review.Result.Plan.Credential.Kind == setup.DeploymentKey:
		title = "The pipeline has its Deployment API key"
	}
	out := append(indent(m.th.good.Render(m.th.g.done)+" ", each(wrap(title, w-2), m.th.strong)), "")
	if d.review.Removes == "" {
		out = append(out, m.th.pairs(results(d.review.Result), w)...)
	}
	for _, ev := range d.rows {
		out = append(out, m.th.act(ev, "", "", w)...)
	}
	if d.review.Next != nil {
		out = append(out, m.th.left(d.review.Next(), w, whole)...)
	}
	return append(out, m.th.stays(d.review, w)...)
}

// stays lists what a removal does not take back.
func (t theme) stays(r *ui.Review, w int) []string {
	if len(r.Stays) == 0 {
		return nil
	}
	out := []string{"", t.strong.Render(ui.Stays), ""}
	for _, s := range r.Stays {
		out = append(out, indent(t.dim.Render(t.g.dot)+" ", wrap(t.typed(s.String()), w-2))...)
	}
	return out
}

// left lists what is left to the person. Commands and addresses, which are meant to be copied, have the whole width.
func (t theme) left(next []ui.NextStep, w, whole int) []string {
	if len(next) == 0 {
		return nil
	}
	out := []string{"", t.strong.Render("What is left to you"), ""}
	for i, n := range next {
		out = append(out, indent(t.dim.Render(fmt.Sprintf("%*d ", digits(len(next)), i+1)), wrap(n.Say, w-3))...)
		if n.Command != "" {
			out = append(out, indent("    ", each(command(n.Command, whole-4), t.accent))...)
		}
		if n.Link != "" {
			out = append(out, indent("    ", each(wrap(n.Link, whole-4), t.accent.Hyperlink(n.Link)))...)
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
	if d.review.Removes != "" {
		return append(m.over(m.aside(true)), d.win.hint(m.th.g.pages)...)
	}
	keys := []keyHint{{"enter", cmp.Or(m.session.Then, m.session.From, "leave")}}
	if keys[0].does != "leave" {
		keys = append(keys, keyHint{"q", "leave"})
	}
	return append(keys, d.win.hint(m.th.g.pages)...)
}

func (d *done) leaves(*model) string {
	if d.review.Removes != "" {
		return "leave; everything is done"
	}
	return "leave; everything is created"
}
