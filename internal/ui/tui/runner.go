package tui

import (
	"context"
	"fmt"
	"iter"
	"runtime"
	"sync"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
)

// runner pulls the events of a run, or of an undo, one command at a time. It outlives its screen:
// when the program has to end, finish waits for the open action here.
type runner struct {
	cancel  func() // lets the open action finish and starts no other
	stopped bool   // cancel was called
	left    bool   // the person did not wait for the open action
	last    string // what the open action does, in words
	resume  string // the command that goes on after it was given up, "" when there is none

	mu   sync.Mutex // one pull at a time
	next func() (engine.Event, bool)
	end  func()
}

// eventMsg is one event of a run; more is false when there are no more, broken then says why when
// the run did not end by itself.
type eventMsg struct {
	ev     engine.Event
	more   bool
	broken error
}

// newRunner starts nothing yet: each pull performs the run as far as its next event. Go gets a
// context that ends between two actions.
func newRunner(ctx context.Context, events func(context.Context) iter.Seq[engine.Event]) *runner {
	ctx, cancel := context.WithCancelCause(ctx)
	r := &runner{}
	r.next, r.end = iter.Pull(events(ctx))
	r.cancel = func() {
		r.stopped = true
		cancel(engine.ErrCancelled)
	}
	return r
}

// pull is the command that waits for the next event. An action that panics ends the run as a
// failure: what exists must still be shown.
func (r *runner) pull() (msg tea.Msg) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		if fault := recover(); fault != nil {
			msg = eventMsg{broken: broke(fault)}
		}
	}()
	ev, more := r.next()
	return eventMsg{ev: ev, more: more}
}

// broke is a panic as an error. Only what Go itself says is repeated: any other value could hold
// anything.
func broke(fault any) error {
	cause, ok := fault.(runtime.Error)
	if !ok {
		return fmt.Errorf("a fault in astro-ci itself (%T)", fault)
	}
	return fmt.Errorf("a fault in astro-ci itself: %w", cause)
}

// failure says what was under way when the run broke.
func (r *runner) failure(cause error) error {
	return hint.Wrap(cause, r.last, "It may have happened or not. Look at what exists before you try again.", "")
}

// interrupt handles Ctrl-C: the first one lets the open action finish, the second one leaves.
func (r *runner) interrupt(m *model) tea.Cmd {
	if r.stopped {
		r.abandon(m)
		return m.leave()
	}
	r.cancel()
	return nil
}

// abandon gives the open action up. It may still come through.
func (r *runner) abandon(m *model) {
	r.left = true
	next := "Look at what exists before you try again."
	if r.resume != "" {
		next = "Go on with: " + r.resume
	}
	m.out.Err = hint.Wrap(engine.ErrCancelled, r.last, "This was under way, so it may have happened or not. "+next, "")
}

// drain lets the open action finish and takes down a failure; used when the program is over.
func (r *runner) drain(m *model) {
	r.cancel()
	if r.left {
		return
	}
	for {
		msg, _ := r.pull().(eventMsg)
		switch {
		case msg.broken != nil:
			m.out.Err = r.failure(msg.broken)
			return
		case !msg.more:
			return
		case msg.ev.State == engine.Failed:
			m.out.Err = msg.ev.Err
		}
	}
}
