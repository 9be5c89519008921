package flow

import (
	"context"
	"slices"
	"sync"
)

// Fill answers every question without asking: from what was given, from a lone choice, or from the
// default of a question that does not decide rights. What is left comes back as a *MissingError
// that lists all of it at once.
//
// A question that has its answer before its turn is answered then: others may wait for it. Should it not apply
// after all, its answer counts for nothing.
func Fill(ctx context.Context, w *Walk) error {
	f := &filler{w: w, early: newEarly(ctx, w), open: map[string]bool{}, wrong: map[string]bool{}}
	defer f.early.end()
	for len(f.early.todo) > 0 {
		s, turn := f.early.next()
		if err := f.step(s, turn); err != nil {
			return err
		}
	}
	if len(f.missing) > 0 {
		place := func(m Missing) int { return slices.IndexFunc(w.steps, func(s Step) bool { return s.ID == m.Step.ID }) }
		slices.SortFunc(f.missing, func(a, b Missing) int { return place(a) - place(b) })
		return &MissingError{Items: f.missing}
	}
	return nil
}

type filler struct {
	w       *Walk
	early   *early
	missing []Missing
	open    map[string]bool // steps without an answer
	wrong   map[string]bool // of those: because of an answer that cannot be used, here or before
}

// step answers one step. Before its turn only what leaves no doubt is taken.
func (f *filler) step(s Step, turn bool) error {
	if !f.w.Applies(s) {
		f.early.pass(s)
		return nil
	}
	blocked := false
	for _, need := range s.Needs {
		blocked = blocked || f.open[need]
		f.wrong[s.ID] = f.wrong[s.ID] || f.wrong[need]
	}
	switch {
	case blocked && !turn:
		f.early.wait(s)
		return nil
	case blocked:
		// Its choices cannot be known yet. It is missing unless something was given, or unless it only
		// waits for another answer to be corrected.
		f.open[s.ID] = true
		if f.w.given[s.ID] == "" && s.Explicit && !f.wrong[s.ID] {
			f.missing = append(f.missing, Missing{Step: s})
		}
		f.early.pass(s)
		return nil
	}
	ready, err := f.early.take(s)
	if err == nil {
		if s.Explicit && ready.Source == Default {
			ready.Answer = nil // a person would have seen it on the review
		}
		if ready.Answer == nil && ready.Refused == nil && !s.Explicit {
			if c, ok := ready.Choices.fallback(s); ok {
				ready.Answer, ready.Source = &c, Default
			}
		}
	}
	problem := ready.Refused
	if err == nil && ready.Answer != nil {
		if problem = f.w.Answer(s, *ready.Answer, ready.Source); problem == nil {
			f.early.pass(s)
			return nil
		}
	}
	switch {
	case !turn:
		f.early.wait(s)
		return nil
	case err != nil:
		return err // the choices could not be loaded: no answer would help
	}
	f.open[s.ID], f.wrong[s.ID] = true, problem != nil
	f.missing = append(f.missing, Missing{Step: s, Choices: ready.Choices, Problem: problem})
	f.early.pass(s)
	return nil
}

// early prepares steps before their turn, side by side, as soon as the answers that they need are there.
type early struct {
	ctx    context.Context
	cancel context.CancelFunc
	w      *Walk
	todo   []Step
	waits  map[string]bool // for their turn, whatever was prepared
	begun  map[string]*preparation
	ready  chan string // the id of a step that is prepared
	open   sync.WaitGroup
}

type preparation struct {
	over  bool
	ready Prepared
	err   error
}

func newEarly(ctx context.Context, w *Walk) *early {
	e := &early{w: w, todo: slices.Clone(w.steps), waits: map[string]bool{}, begun: map[string]*preparation{}, ready: make(chan string, len(w.steps))}
	e.ctx, e.cancel = context.WithCancel(ctx)
	return e
}

// next is the step to go on with, and whether it is its turn.
func (e *early) next() (Step, bool) {
	open := map[string]bool{} // steps that may still get an answer, or another one
	blocked := func(s Step) bool { return slices.ContainsFunc(s.Needs, func(need string) bool { return open[need] }) }
	for _, s := range e.todo {
		_, answered := e.w.answers[s.ID]
		open[s.ID] = !answered && (blocked(s) || e.w.Applies(s)) // those that it needs stand before it
	}
	for _, s := range e.todo {
		if open[s.ID] && e.begun[s.ID] == nil && e.w.Applies(s) && !blocked(s) {
			e.start(s)
		}
	}
	first := e.todo[0]
	for {
		if p := e.begun[first.ID]; p == nil || p.over { // nothing is awaited for it
			return first, true
		}
		for _, s := range e.todo {
			if p := e.begun[s.ID]; p != nil && p.over && !e.waits[s.ID] && e.w.Applies(s) {
				return s, false
			}
		}
		e.begun[<-e.ready].over = true
	}
}

// pass leaves a step behind.
func (e *early) pass(s Step) {
	e.todo = slices.DeleteFunc(e.todo, func(x Step) bool { return x.ID == s.ID })
}

// wait leaves a step for its turn.
func (e *early) wait(s Step) { e.waits[s.ID] = true }

func (e *early) start(s Step) {
	prepare, p := e.w.Prepare(s), &preparation{}
	e.begun[s.ID] = p
	e.open.Go(func() {
		p.ready, p.err = prepare(e.ctx)
		e.ready <- s.ID
	})
}

// take is a step's preparation.
func (e *early) take(s Step) (Prepared, error) {
	p := e.begun[s.ID]
	if p == nil {
		e.start(s)
		p = e.begun[s.ID]
	}
	for !p.over {
		e.begun[<-e.ready].over = true
	}
	return p.ready, p.err
}

// end gives up what nobody waits for any more.
func (e *early) end() {
	e.cancel()
	e.open.Wait()
}
