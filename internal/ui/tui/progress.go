package tui

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// progress performs the run, or takes it back, and shows each action with its time and proof.
type progress struct {
	review *ui.Review
	undo   bool
	rows   []engine.Event
	since  time.Time // when the open action started
	wait   waiting
	err    error // the failure that ended it
	win    scroll
	h      int
}

func newProgress(r *ui.Review) *progress { return &progress{review: r, rows: r.Run.Actions()} }

// again goes on with the run after a failure, from where it stopped.
func (p *progress) again() *progress {
	next := &progress{review: p.review, rows: p.rows}
	for i := range next.rows {
		if next.rows[i].State != engine.Done {
			next.rows[i] = engine.Event{Action: next.rows[i].Action, State: engine.Planned}
		}
	}
	return next
}

// takeBack undoes what the run made.
func (p *progress) takeBack() *progress {
	next := &progress{review: p.review, undo: true}
	for _, a := range p.review.Run.Left() {
		next.rows = append(next.rows, engine.Event{Action: a, State: engine.Planned})
	}
	return next
}

func (p *progress) init(m *model) tea.Cmd {
	events := p.review.Run.Go
	if p.undo {
		events = p.goBack
	}
	m.runner, p.since = newRunner(m.ctx, events), m.now()
	m.runner.last = p.review.Run.Actions()[0].Action.Say
	return tea.Batch(m.runner.pull, m.tick())
}

// goBack is Run.Undo that can be stopped between two actions, which Undo itself cannot.
func (p *progress) goBack(ctx context.Context) iter.Seq[engine.Event] {
	return func(yield func(engine.Event) bool) {
		for ev := range p.review.Run.Undo(ctx) {
			if !yield(ev) || ctx.Err() != nil {
				return
			}
		}
	}
}

func (p *progress) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		return p.wait.turn(m)
	case eventMsg:
		if msg.broken != nil {
			p.err = m.runner.failure(msg.broken)
			m.out.Err = p.err
		}
		if !msg.more {
			return p.over(m)
		}
		p.take(m, msg.ev)
		return m.runner.pull
	case tea.KeyPressMsg:
		p.win.key(msg.String(), p.h)
	}
	return nil
}

func (p *progress) take(m *model, ev engine.Event) {
	for i := range p.rows {
		if p.rows[i].Action.Key == ev.Action.Key {
			p.rows[i] = ev
		}
	}
	p.since = m.now()
	if ev.State == engine.Started {
		m.runner.last = ev.Action.Say
	}
	if ev.State == engine.Failed {
		p.err = errors.Join(p.err, ev.Err) // one target can fail beside another
		if !p.undo {
			m.out.Err = p.err
		}
	}
}

// over follows the last event.
func (p *progress) over(m *model) tea.Cmd {
	m.runner.end()
	m.runner = nil
	switch {
	case m.leaving:
		return m.leave()
	case p.review.Run.Finished():
		m.out.Err = nil
		return m.open(newDone(p))
	}
	return m.open(newFailed(p))
}

func (p *progress) fit(m *model, w, h int) {
	p.h = h
	lines, now := p.lines(m, w)
	p.win.show(now, h-1)
	p.win.fit(len(lines), h)
}

func (p *progress) view(m *model, w, h int) []string {
	lines, _ := p.lines(m, w)
	return p.win.view(m.th, lines, h)
}

// lines are the title and the actions; now is the line of the open one.
func (p *progress) lines(m *model, w int) (lines []string, now int) {
	w = min(w, 100)
	title := "At work"
	if p.undo {
		title = "Taking back what was made"
	} else if p.review.Removes != "" {
		title = "Removing " + p.review.Removes
	}
	lines = append(each(wrap(title, w), m.th.strong), "")
	open := -1
	for i, ev := range p.rows {
		if ev.State == engine.Started || p.undo && open < 0 && ev.State == engine.Planned {
			open, now = i, len(lines)
		}
		lines = append(lines, p.row(m, ev, i == open, w)...)
	}
	if m.runner != nil && m.runner.stopped {
		lines = append(lines, "")
		lines = append(lines, each(wrap("Stopping as soon as the open request is answered. ctrl+c again leaves at once.", w), m.th.warn)...)
		now = len(lines) - 1
	}
	return lines, now
}

// bar is how much is done, for the terminal's own bar.
func (p *progress) bar() *tea.ProgressBar {
	over, state := 0, tea.ProgressBarDefault
	for _, ev := range p.rows {
		switch ev.State {
		case engine.Done, engine.Undone:
			over++
		case engine.Failed:
			state = tea.ProgressBarError
		case engine.Planned, engine.Started:
		}
	}
	return tea.NewProgressBar(state, over*100/len(p.rows))
}

// row is one action: its mark, what it does, its time at the right, what came out of it below.
func (p *progress) row(m *model, ev engine.Event, open bool, w int) []string {
	if p.undo {
		ev.Action.Say = ev.Action.UndoSays
	}
	spin, took := "", ""
	if open {
		spin = m.th.g.spinner[p.wait.turns%len(m.th.g.spinner)]
		if d := m.now().Sub(p.since); d >= time.Second {
			took = fmt.Sprintf("%d s", int(d.Seconds()))
		}
	}
	return m.th.act(ev, spin, took, w)
}

// act draws an action. One that is open has the sign spin and has taken some time already.
func (t theme) act(ev engine.Event, spin, took string, w int) []string {
	mark, style := t.dim.Render(t.g.todo), t.dim
	switch {
	case spin != "":
		mark, style = t.accent.Render(spin), t.strong
	case ev.State == engine.Done, ev.State == engine.Undone:
		mark, style, took = t.good.Render(t.g.done), t.dim.UnsetForeground(), seconds(ev.Took)
	case ev.State == engine.Failed:
		mark, style, took = t.bad.Render(t.g.failed), t.strong, seconds(ev.Took)
	}
	const times = 8
	lines := indent(mark+" ", each(wrap(ev.Action.Say, w-2-times), style))
	if took != "" {
		lines[0] = t.pad(lines[0], w-times) + t.dim.Render(fmt.Sprintf("%*s", times, took))
	}
	return append(lines, indent("  ", each(wrap(ev.Detail, w-2-times), t.dim))...)
}

// seconds is a duration as people read it.
func seconds(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func (p *progress) keys(m *model) []keyHint {
	if m.runner != nil && m.runner.stopped {
		return []keyHint{{"ctrl+c", "leave at once"}}
	}
	return []keyHint{{"ctrl+c", "stop after the open request"}}
}

// menu is a short list of things to do next.
type menu struct {
	items  []menuItem
	cursor int
}

type menuItem struct {
	say, note string
	do        func(*model) tea.Cmd
}

// key moves the cursor or does what it stands on; it reports whether the key was one of its own.
func (u *menu) key(m *model, name string) (tea.Cmd, bool) {
	switch name {
	case "up", "k", "shift+tab":
		u.cursor = max(0, u.cursor-1)
	case "down", "j", "tab":
		u.cursor = min(len(u.items)-1, u.cursor+1)
	case "enter":
		return u.items[u.cursor].do(m), true
	default:
		return nil, false
	}
	return nil, true
}

func (u *menu) view(t theme, w int) []string {
	names := 0
	for _, it := range u.items {
		names = max(names, ansi.StringWidth(it.say))
	}
	var out []string
	for i, it := range u.items {
		line := "  " + t.pad(it.say, names)
		if i == u.cursor {
			line = t.accent.Bold(true).Render(t.g.pick + " " + t.pad(it.say, names))
		}
		if it.note != "" && names+4+ansi.StringWidth(it.note) <= w {
			line += "  " + t.dim.Render(it.note)
		}
		out = append(out, t.cut(line, w))
	}
	return out
}
