// Package tui leads a person through a session on a full screen: one long-lived Bubble Tea
// program, one model, one screen at a time.
//
// Three rules keep it predictable. Update never does I/O: a screen asks for work with a command
// and gets a message back. Every such message carries the generation of the screen that asked, and
// one that comes late is dropped. Enter counts only after a moment of quiet, so that a bounced or
// typed-ahead key never answers a question that nobody has read.
package tui

import (
	"context"
	"errors"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/terminal"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// DefaultGrace is how long a screen must have been quiet before Enter counts.
const DefaultGrace = 200 * time.Millisecond

// Options are what the screen needs to know about its terminal.
type Options struct {
	In      io.Reader
	Out     io.Writer
	Environ []string      // decides on colours: TERM, COLORTERM, NO_COLOR
	Grace   time.Duration // 0: DefaultGrace
	ASCII   bool          // marks and lines from ASCII only
	NoColor bool          // as with NO_COLOR in Environ
	// Typed makes the commands in a text those that work where this program works; nil: they do.
	Typed func(string) string
}

// Run leads a person through the session and gives the terminal back, also after a panic or a
// signal. A run that is under way when the program has to end finishes its open action first. The
// error is about the screen itself; how the session ended is in the outcome.
func Run(ctx context.Context, s ui.Session, o Options) (ui.Outcome, error) {
	return forSetUp(ctx, s, o).run(ctx, o)
}

// Rotate leads a person through rotations, as Run does through a set-up. The outcome says whether one was
// confirmed; what became of it, the rotation itself knows.
func Rotate(ctx context.Context, r ui.Rotation, o Options) (ui.Outcome, error) {
	return forRotation(ctx, r, o).run(ctx, o)
}

// run is the whole life of the program.
func (m *model) run(ctx context.Context, o Options) (ui.Outcome, error) {
	environ := o.Environ
	if o.NoColor {
		environ = append(slices.Clip(environ), "NO_COLOR=1")
	}

	over := make(chan struct{})
	defer close(over)
	// SIGHUP is among them: a window that is closed must not cut a request.
	m.signals = waitFor(over, signalMsg{}, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	if len(terminal.Stops) > 0 {
		m.stops = waitFor(over, stopMsg{}, terminal.Stops...)
	}
	m.ended = func() tea.Msg {
		select {
		case <-ctx.Done():
			return endedMsg{}
		case <-over:
			return nil
		}
	}

	var guardian terminal.Guardian
	out := o.Out
	if tty, ok := out.(*os.File); ok {
		guardian = terminal.Watch(ctx, tty, display.Block(m.th.typed(terminal.GoesOn)))
		out = waking{tty, &m.pace}
	}
	p := tea.NewProgram(m, tea.WithInput(o.In), tea.WithOutput(out), tea.WithEnvironment(environ), tea.WithoutSignalHandler())
	m.program = p
	m.suspend = func() tea.Msg {
		if p.ReleaseTerminal() == nil {
			terminal.Stop()
		}
		_ = p.RestoreTerminal() // a terminal that is gone sends SIGHUP
		return resumedMsg{}
	}
	_, err := p.Run()
	m.pace.end()
	guardian.Release()
	m.finish()
	if err != nil && !errors.Is(err, tea.ErrProgramPanic) && ctx.Err() != nil {
		err = ctx.Err()
	}
	return m.out, err
}

// waitFor is a command that returns msg at the next of these signals, or nil when the program is over.
func waitFor(over <-chan struct{}, msg tea.Msg, of ...os.Signal) tea.Cmd {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, of...)
	return func() tea.Msg {
		select {
		case <-signals:
			return msg
		case <-over:
			signal.Stop(signals)
			return nil
		}
	}
}
