package flow

import (
	"context"
	"slices"
	"sync"
)

// Fill answers every question without asking: from what was given, from a lone choice, or from the
// default of a question that does not decide rights. What is left comes back as a *MissingError
// that lists all of it at once.
func Fill(ctx context.Context, w *Walk) error {
	var missing []Missing
	open := map[string]bool{}  // steps without an answer
	wrong := map[string]bool{} // of those: because of an answer that cannot be used, here or before
	early := newEarly(ctx, w)
	defer early.end()
	for i, s := range w.steps {
		early.begin(i)
		if !w.Applies(s) {
			continue
		}
		blocked := false
		for _, need := range s.Needs {
			blocked = blocked || open[need]
			wrong[s.ID] = wrong[s.ID] || wrong[need]
		}
		if blocked {
			// Its choices cannot be known yet. It is missing unless something was given, or unless it only
			// waits for another answer to be corrected.
			open[s.ID] = true
			if w.given[s.ID] == "" && s.Explicit && !wrong[s.ID] {
				missing = append(missing, Missing{Step: s})
			}
			continue
		}
		ready, err := early.take(s)
		if err != nil {
			return err // the choices could not be loaded: no answer would help
		}
		if s.Explicit && ready.Source == Default {
			ready.Answer = nil // a person would have seen it on the review
		}
		if ready.Answer == nil && ready.Refused == nil && !s.Explicit {
			if c, ok := ready.Choices.fallback(s); ok {
				ready.Answer, ready.Source = &c, Default
			}
		}
		problem := ready.Refused
		if ready.Answer != nil {
			if problem = w.Answer(s, *ready.Answer, ready.Source); problem == nil {
				continue
			}
		}
		open[s.ID], wrong[s.ID] = true, problem != nil
		missing = append(missing, Missing{Step: s, Choices: ready.Choices, Problem: problem})
	}
	if len(missing) > 0 {
		return &MissingError{Items: missing}
	}
	return nil
}

// early prepares steps before their turn, side by side, as soon as the answers that they need are there.
type early struct {
	ctx    context.Context
	cancel context.CancelFunc
	w      *Walk
	begun  map[string]*preparation
	open   sync.WaitGroup
}

type preparation struct {
	done  chan struct{}
	ready Prepared
	err   error
}

func newEarly(ctx context.Context, w *Walk) *early {
	e := &early{w: w, begun: map[string]*preparation{}}
	e.ctx, e.cancel = context.WithCancel(ctx)
	return e
}

// begin starts with every step from the one at on that has what it needs.
func (e *early) begin(at int) {
	open := map[string]bool{} // steps that may still get an answer, or another one
	for i, s := range e.w.steps {
		_, answered := e.w.answers[s.ID]
		open[s.ID] = i >= at && !answered
		if open[s.ID] && e.begun[s.ID] == nil && e.w.Applies(s) && !slices.ContainsFunc(s.Needs, func(need string) bool { return open[need] }) {
			e.start(s)
		}
	}
}

func (e *early) start(s Step) *preparation {
	prepare, p := e.w.Prepare(s), &preparation{done: make(chan struct{})}
	e.begun[s.ID] = p
	e.open.Go(func() {
		defer close(p.done)
		p.ready, p.err = prepare(e.ctx)
	})
	return p
}

// take waits for a step's preparation.
func (e *early) take(s Step) (Prepared, error) {
	p := e.begun[s.ID]
	if p == nil {
		p = e.start(s)
	}
	<-p.done
	return p.ready, p.err
}

// end gives up what nobody waits for any more.
func (e *early) end() {
	e.cancel()
	e.open.Wait()
}
