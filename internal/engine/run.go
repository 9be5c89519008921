// Package engine carries out a plan as a list of actions. The preview shows the same list without
// running it, so what a person confirmed is what happens.
//
// Order: check every right, create the token, prove it, write it to every target, write the
// pipeline file. Nothing is created before it is known that it can be stored.
package engine

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/parallel"
)

// Action is one effect on the outside world, said in words before it is done.
type Action struct {
	Key  string // stable, for logs and JSON: "token:create"
	Say  string // what it does: "Create a Workspace API token for Data Platform"
	Read bool   // it changes nothing
	Do   func(context.Context) (detail string, err error)
	// Undo takes the effect back; it must be safe when Do failed half way, or never ran. nil: there
	// is nothing to take back.
	Undo     func(context.Context) (detail string, err error)
	UndoSays string
	// Beside says that it can be done at the same time as neighbours that are beside as well: it only looks.
	Beside bool
	// Apart says that neighbours that are apart as well are tried although this one failed.
	Apart bool
	// Stands reports whether something of the effect may stand after Do failed. nil: it may.
	Stands func() bool
}

// State is where an action stands.
type State string

// The states of an action.
const (
	Planned State = "planned"
	Started State = "started"
	Done    State = "done"
	Failed  State = "failed"
	Undone  State = "undone"
)

// Event reports a change of one action.
type Event struct {
	Action Action
	State  State
	Detail string        // what came out: "expires 2027-02-21"
	Err    error         // for Failed
	Took   time.Duration // for Done, Failed and Undone
	Undo   bool          // it is about taking the action back
}

// Run performs actions in order. It stops at the first failure, or at the end of a group that is apart,
// and can go on from there: a second call of Go starts with what failed.
type Run struct {
	actions []Action
	mu      sync.Mutex // a run that was left at once may still end its action
	states  []State
	trusted map[string]string // details that are still to be told, by key
}

// Checked is an action beside others that was done, and what came out.
type Checked struct{ Key, Detail string }

// NewRun prepares the actions; nothing happens yet.
func NewRun(actions []Action) *Run {
	r := &Run{actions: actions, states: make([]State, len(actions))}
	for i := range r.states {
		r.states[i] = Planned
	}
	return r
}

// Trust has Go take checks as done: they were made a moment ago.
func (r *Run) Trust(all []Checked) {
	r.trusted = map[string]string{}
	for _, c := range all {
		i := slices.IndexFunc(r.actions, func(a Action) bool { return a.Key == c.Key })
		r.trusted[c.Key] = c.Detail
		r.set(i, Done)
	}
}

func (r *Run) state(i int) State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.states[i]
}

func (r *Run) set(i int, s State) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states[i] = s
}

// Actions lists the actions with their present states, in order.
func (r *Run) Actions() []Event {
	out := make([]Event, len(r.actions))
	for i, a := range r.actions {
		out[i] = Event{Action: a, State: r.state(i)}
	}
	return out
}

// Go performs what is not done yet and yields each change. It ends after a Failed event, or after several of a
// group that is beside or apart. When ctx is cancelled the action that is under way may finish, for ten seconds: a
// request that is cut leaves a question behind.
func (r *Run) Go(ctx context.Context) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		failed := false
		for i := 0; i < len(r.actions); {
			a := r.actions[i]
			if failed && !a.Apart {
				return
			}
			if detail, ok := r.trusted[a.Key]; ok {
				delete(r.trusted, a.Key)
				if !yield(Event{Action: a, State: Done, Detail: detail}) {
					return
				}
			}
			if r.state(i) == Done {
				i++
				continue
			}
			if ctx.Err() != nil {
				yield(Event{Action: a, State: Failed, Err: fmt.Errorf("%w before: %s", ErrCancelled, a.Say)})
				return
			}
			some := r.together(i)
			for j := range some {
				r.set(i+j, Started)
				if !yield(Event{Action: r.actions[i+j], State: Started}) {
					return
				}
			}
			over := false
			for _, ev := range perform(ctx, some) {
				r.set(i, ev.State)
				failed = failed || ev.Err != nil
				over = over || ev.Err != nil && !ev.Action.Apart
				if !yield(ev) {
					return
				}
				i++
			}
			if over {
				return
			}
		}
	}
}

// together is action i with those after it that can be done at the same time.
func (r *Run) together(i int) []Action {
	n := i + 1
	for r.actions[i].Beside && n < len(r.actions) && r.actions[n].Beside && r.state(n) != Done {
		n++
	}
	return r.actions[i:n]
}

// perform does actions at the same time, and says how each of them ended.
func perform(ctx context.Context, some []Action) []Event {
	out := make([]Event, len(some))
	var all []func() error
	for j, a := range some {
		all = append(all, func() error {
			start := time.Now()
			open, done := httpx.Finish(ctx)
			detail, err := a.Do(open)
			done()
			out[j] = Event{Action: a, State: Done, Detail: detail, Took: time.Since(start)}
			if err != nil {
				out[j].State, out[j].Err = Failed, err
			}
			return nil
		})
	}
	if len(all) == 1 {
		_ = all[0]() // in this goroutine: whoever called may want to see it there
		return out
	}
	_ = parallel.Do(all...)
	return out
}

// Left lists the effects that stand in the world although the run is not complete, last first:
// what Undo would take back.
func (r *Run) Left() []Action {
	var out []Action
	for i, a := range slices.Backward(r.actions) {
		if r.stands(i) {
			out = append(out, a)
		}
	}
	return out
}

// stands reports whether something of action i may stand and can be taken back.
func (r *Run) stands(i int) bool {
	a := r.actions[i]
	if a.Undo == nil || r.state(i) == Planned || r.state(i) == Undone {
		return false
	}
	return r.state(i) == Done || a.Stands == nil || a.Stands()
}

// Undo takes back what was done, last first, and goes on when one step fails. It uses a context of
// its own so that a cancelled run can still be cleaned up.
func (r *Run) Undo(ctx context.Context) iter.Seq[Event] {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	return func(yield func(Event) bool) {
		defer cancel()
		for i, a := range slices.Backward(r.actions) {
			if !r.stands(i) {
				continue
			}
			start := time.Now()
			detail, err := a.Undo(ctx)
			ev := Event{Action: a, State: Undone, Detail: detail, Took: time.Since(start), Undo: true}
			if err != nil {
				ev.State, ev.Err = Failed, err
			} else {
				r.set(i, Undone)
				r.forget(i)
			}
			if !yield(ev) {
				return
			}
		}
	}
}

// forget lets the checks after action i be made again: what they saw is gone.
func (r *Run) forget(i int) {
	for j := i + 1; j < len(r.actions); j++ {
		if r.actions[j].Read {
			r.set(j, Planned)
		}
	}
}

// Finished reports whether every action is done.
func (r *Run) Finished() bool {
	for i := range r.actions {
		if r.state(i) != Done {
			return false
		}
	}
	return true
}

// ErrCancelled is the cause of a context that the person cancelled.
var ErrCancelled = errors.New("cancelled")
