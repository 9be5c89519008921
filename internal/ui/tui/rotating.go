package tui

import (
	"cmp"
	"context"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// lookEvery is how often a waiting rotation asks when the old token was last used.
const lookEvery = time.Minute

// rotating carries a rotation out, and counts down while it waits.
type rotating struct {
	plan   *ui.Replacement
	only   bool // there is no other setup to go back to
	rows   ui.Acts
	since  time.Time // when the open act started
	wait   waiting
	halt   ui.Halt
	used   time.Time // when the old token was last used
	known  bool      // used was asked for and is known
	looked time.Time // when it was asked for
	win    scroll
	free   bool // the person scrolls; what matters most is not kept in sight
	h      int
}

// usedMsg is what Replacement.Used returned.
type usedMsg struct {
	at  time.Time
	err error
}

func (r *rotating) init(m *model) tea.Cmd { return r.begin(m) }

// begin goes on with what can be done now.
func (r *rotating) begin(m *model) tea.Cmd {
	m.runner, r.since, r.halt, r.free = newRunner(m.ctx, r.plan.Go), m.now(), ui.Halt{}, false
	m.runner.last, m.runner.resume = "rotate "+r.plan.Setup.Name, r.plan.Resume
	m.out.Confirmed = true
	return tea.Batch(m.runner.pull, m.tick())
}

func (r *rotating) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tickMsg:
		return r.turn(m)
	case eventMsg:
		switch {
		case msg.broken != nil:
			return r.over(m, ui.Halt{Err: m.runner.failure(msg.broken)})
		case !msg.more:
			return r.over(m, r.plan.Halt())
		}
		r.rows, r.since = r.rows.Take(msg.ev), m.now()
		m.runner.last = msg.ev.Action.Say
		return m.runner.pull
	case usedMsg:
		if msg.err == nil {
			r.used, r.known = msg.at, true
		}
	case tea.KeyPressMsg:
		return r.key(m, msg.String())
	}
	return nil
}

// turn is the next picture: of the spinner, or of the countdown, which goes on by itself at its end.
func (r *rotating) turn(m *model) tea.Cmd {
	switch {
	case m.runner != nil:
		return r.wait.turn(m)
	case !r.halt.Waits():
		return nil
	case !m.now().Before(r.halt.Until):
		return r.begin(m)
	case m.now().Sub(r.looked) >= lookEvery:
		return tea.Batch(r.look(m), m.second())
	}
	return m.second()
}

func (r *rotating) look(m *model) tea.Cmd {
	r.looked = m.now()
	if r.plan.First {
		return nil
	}
	ctx, used := m.ctx, r.plan.Used
	return func() tea.Msg {
		at, err := used(ctx)
		return usedMsg{at, err}
	}
}

func (r *rotating) key(m *model, name string) tea.Cmd {
	switch {
	case name == "q" && m.runner != nil:
		return m.runner.interrupt(m)
	case name == "q":
		return m.leave()
	case m.runner == nil && name == "r":
		return r.begin(m)
	case m.runner == nil && name == "esc":
		if _, aside, ok := m.aside(r.only); ok {
			return aside(m)
		}
	}
	r.free = true
	r.win.key(name, r.h)
	return nil
}

// over follows the last event of a run.
func (r *rotating) over(m *model, halt ui.Halt) tea.Cmd {
	m.runner.end()
	stopped := m.runner.stopped
	m.runner, r.halt, m.out.Err = nil, halt, halt.Err
	switch {
	case m.leaving, stopped:
		return m.leave()
	case halt.Waits():
		return tea.Batch(r.look(m), m.second())
	case halt.Err != nil:
		return m.open(&halted{after: r})
	}
	return m.open(&receipt{after: r})
}

func (r *rotating) fit(m *model, w, h int) {
	r.h = h
	lines, now := r.lines(m, w)
	switch {
	case r.free:
	case r.halt.Waits():
		r.win.show(len(lines)-1, h)
		r.win.show(now, h)
	default:
		r.win.show(now, h-1)
	}
	r.win.fit(len(lines), h)
}

func (r *rotating) view(m *model, w, h int) []string {
	lines, _ := r.lines(m, w)
	return r.win.view(m.th, lines, h)
}

// lines are the acts, and what it waits for; now is the line that matters most.
func (r *rotating) lines(m *model, w int) (lines []string, now int) {
	w = min(w, 100)
	title := "Replacing the token of " + r.plan.Setup.Name
	if r.plan.First {
		title = "Setting up " + r.plan.Setup.Name
	}
	lines = append(each(wrap(title, w), m.th.strong), "")
	for _, ev := range r.rows {
		spin, took := "", ""
		if ev.State == engine.Started {
			now = len(lines)
			spin = m.th.g.now
			if m.runner != nil {
				spin = m.th.g.spinner[r.wait.turns%len(m.th.g.spinner)]
				if d := m.now().Sub(r.since); d >= time.Second {
					took = fmt.Sprintf("%d s", int(d.Seconds()))
				}
			}
		}
		lines = append(lines, m.th.act(ev, spin, took, w)...)
	}
	switch {
	case m.runner != nil && m.runner.stopped:
		lines = append(lines, "")
		lines = append(lines, each(wrap("Leaving as soon as the open request is answered. ctrl+c again leaves at once.", w), m.th.warn)...)
		now = len(lines) - 1
	case r.halt.Waits():
		lines = append(lines, "", "")
		now = len(lines)
		lines = append(lines, r.waiting(m, w)...)
	}
	return lines, now
}

// waiting says what it waits for and how long, and that nobody has to stay.
func (r *rotating) waiting(m *model, w int) (out []string) {
	left := max(0, r.halt.Until.Sub(m.now()))
	part := 0.0
	if whole := r.halt.Until.Sub(r.halt.Since); whole > 0 {
		part = float64(left) / float64(whole)
	}
	until := r.halt.Until.Local().Format("15:04:05")
	if left > 12*time.Hour {
		until = display.Minute(r.halt.Until)
	}
	words := countdown(left) + " left, until " + until
	style := m.th.accent
	if r.halt.InUse {
		style = m.th.warn
		out = indent(style.Render(m.th.g.warn)+" ", each(wrap(r.halt.Says, w-2), style.Bold(true)))
	} else {
		out = each(wrap(r.halt.Says, w), m.th.strong)
	}
	if bar := min(30, w-2-len(words)); bar >= 4 {
		out = append(out, m.th.gauge(part, bar, style)+"  "+words)
	} else {
		out = append(out, wrap(words, w)...)
	}
	if r.known {
		last := "The old token was last used " + ui.Ago(r.used, m.now()) + "."
		if r.used.IsZero() {
			last = "No run has used the old token yet."
		} else if m.now().Sub(r.used) >= time.Minute {
			last = "The old token was last used " + ui.Ago(r.used, m.now()) + ", at " + r.used.Local().Format("15:04:05 on 2006-01-02") + "."
		}
		out = append(out, wrap(last, w)...)
	}
	if !r.looked.IsZero() {
		out = append(out, each(wrap("Looked at "+r.looked.Local().Format(time.TimeOnly)+".", w), m.th.dim)...)
	}
	out = append(out, "")
	out = append(out, each(wrap(r.halt.Why, w), m.th.dim)...)
	if r.halt.Resume == "" {
		return out
	}
	out = append(out, "")
	out = append(out, wrap("You can leave, and close the terminal. Later:", w)...)
	names := max(len(r.halt.Resume), len(r.halt.Status))
	for _, row := range [][2]string{{r.halt.Resume, "goes on"}, {r.halt.Status, "says what is left, and when"}} {
		if w < names+30 { // a command is meant to be copied whole
			out = append(out, each(command(row[0], w), m.th.accent)...)
			continue
		}
		out = append(out, m.th.accent.Render(m.th.pad(row[0], names))+"  "+m.th.dim.Render(row[1]))
	}
	return out
}

// countdown is a time that is left, to the second, and in the largest units that it has.
func countdown(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	switch {
	case s >= 3600:
		return fmt.Sprintf("%d h %02d min %02d s", s/3600, s/60%60, s%60)
	case s >= 60:
		return fmt.Sprintf("%d min %02d s", s/60, s%60)
	}
	return fmt.Sprintf("%d s", s)
}

func (r *rotating) keys(m *model) []keyHint {
	switch {
	case m.runner != nil && m.runner.stopped:
		return []keyHint{{"ctrl+c", "leave at once"}}
	case m.runner != nil:
		return []keyHint{{"q", "leave after the open request"}}
	}
	keys := []keyHint{{"r", "look now"}}
	if does, _, ok := m.aside(r.only); ok {
		keys = append(keys, keyHint{"esc", does})
	}
	return append(append(keys, keyHint{"q", "leave, it can go on later"}), r.win.hint(m.th.g.pages)...)
}

func (r *rotating) leaves(m *model) string {
	switch {
	case m.runner != nil:
		return "leave after the open request"
	case r.halt.Resume != "":
		return "leave; later, " + r.halt.Resume + " goes on"
	}
	return "leave; it can go on later"
}

// forget gives a target up, after the name of the setup was typed.
type forget struct {
	plan   *ui.Replacement
	target string
	only   bool
	back   func(*model) tea.Cmd
	does   string // what back does; "": it goes back
	typed  typed
	busy   bool
	note   string
	err    error
}

// forgotMsg is what Replacement.Forget returned.
type forgotMsg struct{ err error }

func (f *forget) init(*model) tea.Cmd {
	f.typed = typed{want: f.plan.Setup.Name}
	return nil
}

func (f *forget) typing() bool { return true }

func (f *forget) update(m *model, msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case forgotMsg:
		f.busy, f.err = false, msg.err
		if f.err == nil {
			next := *f.plan
			if len(next.GiveUp) > 0 {
				next.GiveUp = next.GiveUp[1:]
			}
			return goOn(m, &next, f.only)
		}
	case tea.PasteMsg:
		f.typed.add(msg.Content)
	case tea.KeyPressMsg:
		f.note = ""
		switch name := msg.String(); {
		case f.busy:
		case name == "esc":
			return f.back(m)
		case name == "enter" && f.typed.done():
			f.busy = true
			give, target := f.plan.Forget, f.target
			return m.work(func(ctx context.Context) tea.Msg { return forgotMsg{give(ctx, target)} })
		case name == "enter":
			f.note = "Nothing was done. Type " + f.typed.want + ", or press esc."
		default:
			f.typed.key(msg)
		}
	}
	return nil
}

func (f *forget) fit(*model, int, int) {}

func (f *forget) view(m *model, w, _ int) []string {
	w = min(w, 90)
	out := each(wrap("Give up "+f.target, w), m.th.strong)
	out = append(out, "")
	out = append(out, each(wrap("What it holds will stop working, and it no longer belongs to the setup. "+f.plan.Without(), w), m.th.warn)...)
	out = append(out, "")
	out = append(out, f.typed.view(m.th, "Type "+f.typed.want+" to give it up", w)...)
	out = append(out, each(wrap(f.note, w), m.th.dim)...)
	if f.err != nil {
		out = append(append(out, ""), m.th.problem(f.err, w)...)
	}
	return out
}

func (f *forget) keys(*model) []keyHint {
	return []keyHint{{"enter", "give it up"}, {"esc", cmp.Or(f.does, "back")}}
}
