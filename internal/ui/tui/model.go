package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// screen is what fills the window at one time. Its methods get the model, the one place where
// state outlives a screen.
type screen interface {
	// init starts the work that the screen needs.
	init(m *model) tea.Cmd
	// update reacts to a key, to pasted text, or to a message of the screen's own work.
	update(m *model, msg tea.Msg) tea.Cmd
	// fit adapts what the screen holds to a body of w by h cells; it runs before every view.
	fit(m *model, w, h int)
	// view draws the body; lines that are too many or too wide are cut.
	view(m *model, w, h int) []string
	// keys are shown at the bottom, the most important first; the help is added to them.
	keys(m *model) []keyHint
}

// model is the whole program.
type model struct {
	ctx      context.Context
	title    string
	sandbox  bool
	session  ui.Session  // of a set-up
	rotation ui.Rotation // of a rotation
	home     *ui.Home    // the overview that it began with; nil: none
	grace    time.Duration
	now      func() time.Time
	tick     func() tea.Cmd // the next frame of a spinner
	second   func() tea.Cmd // the next second of a countdown
	signals  tea.Cmd        // waits for a signal
	stops    tea.Cmd        // waits for a signal that stops the program for a while
	pace     pace           // of drawing
	program  *tea.Program   // nil in tests
	suspend  tea.Cmd        // gives the terminal back, stops until the program may go on, and takes it again
	ended    tea.Cmd        // waits for the end of ctx

	w, h  int
	dark  bool
	ascii bool
	typed func(string) string
	th    theme

	screen  screen
	gen     int                // of the screen; a message of an older one is dropped
	cancel  context.CancelFunc // of the screen's work
	quiet   time.Time          // when Enter last had to be ignored, or the screen opened
	help    bool
	reading scroll // of the help

	reopened *flow.Answered // the answer that was reopened on the review, to return to
	runner   *runner        // the run or undo under way
	leaving  bool           // the program ends as soon as the open action is done
	out      ui.Outcome
	place    string                      // the setup on which the overview stands
	not      string                      // why what was asked for there cannot be done now
	after    func(context.Context) error // is done when the program has ended
}

func newModel(ctx context.Context, first screen, o Options) *model {
	every := func(d time.Duration) func() tea.Cmd {
		return func() tea.Cmd { return tea.Tick(d, func(time.Time) tea.Msg { return tickMsg{} }) }
	}
	m := &model{
		ctx: ctx, grace: o.Grace, now: time.Now, ascii: o.ASCII, typed: o.Typed,
		w: 80, h: 24, dark: true, cancel: func() {}, screen: first, tick: every(frame), second: every(time.Second),
	}
	if m.grace == 0 {
		m.grace = DefaultGrace
	}
	m.wear()
	return m
}

// wear puts the theme on that fits the terminal.
func (m *model) wear() {
	m.th = newTheme(m.dark, m.ascii)
	if m.typed != nil {
		m.th.typed = m.typed
	}
}

// frame is the time between two pictures of a spinner; nothing turns before the first one is over.
const frame = 100 * time.Millisecond

// The messages of the program itself.
type (
	// tagged carries a message to the screen of one generation.
	tagged struct {
		gen int
		msg tea.Msg
	}
	tickMsg    struct{} // the next frame of a spinner
	signalMsg  struct{} // the process got a signal to end
	stopMsg    struct{} // or to stop for a while
	resumedMsg struct{} // the process goes on after it had stopped
	endedMsg   struct{} // the context of the session ended
)

// tag sends what cmd returns to the screen of generation gen only.
func tag(gen int, cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() tea.Msg {
		switch msg := cmd().(type) {
		case nil, tagged, tea.QuitMsg:
			return msg
		case tea.BatchMsg:
			for i, c := range msg {
				msg[i] = tag(gen, c)
			}
			return msg
		default:
			return tagged{gen, msg}
		}
	}
}

// Init asks for the background and opens the first screen.
func (m *model) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.signals, m.stops, m.ended, m.open(m.screen))
}

// Update reacts to one message; it never blocks.
func (m *model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.pace.of(m.program)
	m.pace.wake()
	cmd := m.react(msg)
	b := m.body()
	m.screen.fit(m, b.w, b.h)
	if m.help {
		m.reading.fit(len(m.helpView(b.w)), b.h)
	}
	return m, cmd
}

func (m *model) react(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.w, m.h = msg.Width, msg.Height
		return nil
	case tea.BackgroundColorMsg:
		m.dark = msg.IsDark()
		m.wear()
		return nil
	case signalMsg:
		return tea.Batch(m.stop(m.leaving), m.signals)
	case stopMsg:
		return tea.Batch(m.suspend, m.stops)
	case endedMsg:
		return m.stop(false)
	case tagged:
		if msg.gen != m.gen {
			return nil
		}
		return m.pass(msg.msg)
	case tea.KeyPressMsg:
		return m.key(msg)
	case tea.PasteMsg:
		if !m.help {
			return m.pass(msg)
		}
	}
	return nil
}

// pass hands a message to the screen and tags what comes back.
func (m *model) pass(msg tea.Msg) tea.Cmd {
	gen := m.gen
	return tag(gen, m.screen.update(m, msg))
}

func (m *model) key(k tea.KeyPressMsg) tea.Cmd {
	switch name := k.String(); {
	case name == "ctrl+c":
		if m.runner != nil {
			return m.runner.interrupt(m)
		}
		return m.leave()
	case name == "ctrl+z":
		return m.suspend
	case name == "f1", name == "?" && !m.typing():
		m.help, m.reading = !m.help, scroll{}
		return nil
	case m.help:
		m.help = name != "esc" && name != "q" && name != "enter"
		m.reading.key(name, m.body().h)
		return nil
	case name == "enter" && !m.settled(k):
		return nil
	}
	return m.pass(k)
}

// settled reports whether Enter counts: the screen is open, and was left alone by Enter, for the
// grace period.
func (m *model) settled(k tea.KeyPressMsg) bool {
	now := m.now()
	if k.IsRepeat || now.Sub(m.quiet) < m.grace {
		m.quiet = now
		return false
	}
	return true
}

// typing reports whether letters are text.
func (m *model) typing() bool {
	s, ok := m.screen.(interface{ typing() bool })
	return ok && s.typing()
}

// open shows a screen. The work of the one before is cancelled.
func (m *model) open(s screen) tea.Cmd {
	m.cancel()
	m.cancel = func() {}
	m.gen++
	m.screen, m.quiet, m.help, m.not = s, m.now(), false, ""
	return tag(m.gen, s.init(m))
}

// work runs f away from the loop, for the present screen; opening another screen cancels it.
func (m *model) work(f func(context.Context) tea.Msg) tea.Cmd {
	m.cancel()
	ctx, cancel := context.WithCancel(m.ctx)
	m.cancel = cancel
	return tea.Batch(func() tea.Msg { return f(ctx) }, m.tick())
}

// forSetUp makes the model of a set-up.
func forSetUp(ctx context.Context, s ui.Session, o Options) *model {
	m := newModel(ctx, &start{}, o)
	m.session, m.title, m.sandbox = s, s.Title, s.Sandbox
	return m
}

// next shows the first question without an answer, or the review.
func (m *model) next() tea.Cmd {
	if s, ok := m.session.Walk().Current(); ok {
		return m.open(&question{step: s})
	}
	m.reopened = nil
	return m.open(&review{})
}

// back returns to where one came from: the review that reopened this question, or the question
// before. It returns false when there is nothing before.
func (m *model) back() (tea.Cmd, bool) {
	w := m.session.Walk()
	if a := m.reopened; a != nil {
		m.reopened = nil
		if w.Restore(*a) == nil {
			return m.next(), true
		}
	}
	if !w.Back() {
		return nil, false
	}
	return m.next(), true
}

// goBack ends the program to go back to where the session came from.
func (m *model) goBack() tea.Cmd {
	m.out.Back = true
	return m.leave()
}

// twice is said after the first of two q that leave answers behind.
const twice = "Press q again to leave. Nothing of this was created."

// asked is a note that has to be seen, "" for all others.
func asked(note string) string {
	if note == twice {
		return note
	}
	return ""
}

// leave ends the program.
func (m *model) leave() tea.Cmd {
	m.leaving = true
	m.cancel()
	return tea.Quit
}

// stop ends the program as soon as no request is open, or at once when now is set.
func (m *model) stop(now bool) tea.Cmd {
	m.leaving = true
	if m.runner == nil {
		return m.leave()
	}
	if now {
		m.runner.abandon(m)
		return m.leave()
	}
	m.runner.cancel()
	return nil
}

// finish waits for the open action of a run and takes down how the run ended. It is called when
// the program is over.
func (m *model) finish() {
	m.cancel()
	if m.runner != nil {
		m.runner.drain(m)
	}
}
