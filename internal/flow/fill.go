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
	f := newFiller(ctx, w)
	defer f.early.end()
	for len(f.early.todo) > 0 {
		s, turn := f.early.next()
		if err := f.step(s, turn); err != nil {
			return err
		}
	}
	return f.over()
}

type filler struct {
	w       *Walk
	early   *early
	missing []Missing
	open    map[string]bool // steps without an answer
	wrong   map[string]bool // of those: because of an answer that cannot be used, here or before
}

func newFiller(ctx context.Context, w *Walk) *filler {
	return &filler{w: w, early: newEarly(ctx, w), open: map[string]bool{}, wrong: map[string]bool{}}
}

// over says what is missing.
func (f *filler) over() error {
	if len(f.missing) == 0 {
		return nil
	}
	return &MissingError{Items: f.missing}
}

// step answers one step. Before its turn only what leaves no doubt is taken.
func (f *filler) step(s Step, turn bool) error {
	if turn && !f.w.counting()[s.ID] {
		f.early.takeBack(s)
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
	switch {
	case turn && f.early.stands(s):
		f.early.pass(s)
		return nil
	case turn:
		f.early.takeBack(s) // what it was built on has changed
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
		problem = f.w.Answer(s, *ready.Answer, ready.Source)
	}
	switch {
	case !turn: // then it is looked at once more
		f.early.wait(s)
		return nil
	case err == nil && ready.Answer != nil && problem == nil:
		f.early.pass(s)
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
	of    []string // the answers that it is built on
	over  bool
	ready Prepared
	err   error
}

func newEarly(ctx context.Context, w *Walk) *early {
	e := &early{w: w, todo: slices.Clone(w.steps), waits: map[string]bool{}, begun: map[string]*preparation{}, ready: make(chan string, 2*len(w.steps))}
	e.ctx, e.cancel = context.WithCancel(ctx)
	return e
}

// next is the step to go on with, and whether it is its turn.
func (e *early) next() (Step, bool) {
	open := map[string]bool{}   // steps that may still get an answer
	likely := map[string]bool{} // those of them that apply as things stand, or may by what they need
	counts := e.w.counting()
	needs := func(s Step, of map[string]bool) bool {
		return slices.ContainsFunc(s.Needs, func(need string) bool { return of[need] })
	}
	for _, s := range e.todo { // what a step needs stands before it
		_, answered := e.w.answers[s.ID]
		open[s.ID] = !answered
		likely[s.ID] = !answered && (needs(s, likely) || counts[s.ID])
	}
	for _, s := range e.todo {
		if open[s.ID] && e.begun[s.ID] == nil && counts[s.ID] && !needs(s, likely) {
			e.start(s)
		}
	}
	first := e.todo[0]
	for {
		if p := e.begun[first.ID]; p == nil || p.over { // nothing is awaited for it
			return first, true
		}
		for _, s := range e.todo {
			if p := e.begun[s.ID]; p != nil && p.over && !e.waits[s.ID] && counts[s.ID] && !needs(s, open) {
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
	prepare, p := e.w.Prepare(s), &preparation{of: e.builtOn(s)}
	e.begun[s.ID] = p
	e.open.Go(func() {
		p.ready, p.err = prepare(e.ctx)
		e.ready <- s.ID
	})
}

// builtOn are the answers that a step builds on, as far as they count.
func (e *early) builtOn(s Step) (out []string) {
	counts := e.w.counting()
	for _, need := range s.Needs {
		value := ""
		if a, ok := e.w.answers[need]; ok && counts[need] {
			value = a.Choice.Value
		}
		out = append(out, value)
	}
	return out
}

// takeBack forgets an answer that was taken before its turn.
func (e *early) takeBack(s Step) {
	if e.waits[s.ID] {
		e.w.drop(s.ID)
	}
}

// stands reports whether a step was answered before its turn, and is still built on the same answers.
func (e *early) stands(s Step) bool {
	_, answered := e.w.answers[s.ID]
	p := e.begun[s.ID]
	return answered && e.waits[s.ID] && p != nil && slices.Equal(p.of, e.builtOn(s))
}

// take is a step's preparation. What was begun with other answers is done again.
func (e *early) take(s Step) (Prepared, error) {
	for {
		p := e.begun[s.ID]
		switch {
		case p == nil:
			e.start(s)
		case !p.over:
			e.begun[<-e.ready].over = true
		case !slices.Equal(p.of, e.builtOn(s)):
			e.begun[s.ID] = nil
		default:
			return p.ready, p.err
		}
	}
}

// end gives up what nobody waits for any more.
func (e *early) end() {
	e.cancel()
	e.open.Wait()
}
