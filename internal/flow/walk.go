package flow

import (
	"context"
	"maps"
	"slices"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Answered is a step with its answer.
type Answered struct {
	Step   Step
	Choice Choice
	Source Source
}

// Walk goes through the steps: it knows which question comes next, takes answers, goes back, and
// forgets the answers that a changed answer makes worthless. The plan is always computed from the
// answers, so nothing of an old answer can stay behind.
type Walk struct {
	base    setup.Plan
	steps   []Step
	answers map[string]Answered
	last    map[string]string // what was answered before, the start value when asked again
	given   map[string]string // answers from flags, variables and files that were not used yet
	ask     map[string]bool   // steps that a person reopened: they are asked whatever their source
	plan    setup.Plan
}

// NewWalk starts at the first step. base is what is known without asking; given are answers from
// flags, variables and files, by step id.
func NewWalk(base setup.Plan, steps []Step, given map[string]string) *Walk {
	return &Walk{
		base: base, plan: base, steps: steps, given: maps.Clone(given),
		answers: map[string]Answered{}, last: map[string]string{}, ask: map[string]bool{},
	}
}

// Prepare returns the work that makes a step ready to be shown, or answered. The work is I/O: it
// may run anywhere and does not touch the walk.
func (w *Walk) Prepare(s Step) func(context.Context) (Prepared, error) {
	p, given, ask := w.plan.Clone(), w.given[s.ID], w.ask[s.ID]
	if ask {
		given = ""
	}
	return func(ctx context.Context) (Prepared, error) { return Prepare(ctx, s, p, given, ask) }
}

// Plan is the base with all answers applied.
func (w *Walk) Plan() setup.Plan { return w.plan }

// Steps are all steps, also those that do not apply.
func (w *Walk) Steps() []Step { return w.steps }

// Applies reports whether a step is part of the walk as the plan stands.
func (w *Walk) Applies(s Step) bool {
	return (s.When == nil || s.When(w.plan)) && w.answers[s.ID].Source != Moot
}

// Current is the first step without an answer; false means that all are answered.
func (w *Walk) Current() (Step, bool) {
	for _, s := range w.steps {
		if _, ok := w.answers[s.ID]; !ok && w.Applies(s) {
			return s, true
		}
	}
	return Step{}, false
}

// Answers lists the answers in the order of the steps.
func (w *Walk) Answers() []Answered {
	var out []Answered
	for _, s := range w.steps {
		if a, ok := w.answers[s.ID]; ok && w.Applies(s) {
			if s.Says != nil {
				a.Choice.Label = s.Says(w.plan, a.Choice)
			}
			out = append(out, a)
		}
	}
	return out
}

// Number is the place of the current step among the questions that a person is asked, from 1. How many there will
// be, nobody knows: it depends on the answers.
func (w *Walk) Number() int {
	n, counts := 1, w.counting()
	current, _ := w.Current()
	for _, s := range w.steps {
		if s.ID == current.ID {
			break
		}
		if a, ok := w.answers[s.ID]; ok && counts[s.ID] && a.Source == Asked {
			n++
		}
	}
	return n
}

// Last is the Value given when the step was answered before, or "".
func (w *Walk) Last(id string) string { return w.last[id] }

// Answer takes an answer. A refused answer leaves the walk as it was.
func (w *Walk) Answer(s Step, c Choice, from Source) error {
	return w.take(s, c, from, w.last[s.ID] != c.Value || c.Rest)
}

// Restore puts an answer back that was reopened and not changed, with all that builds on it.
func (w *Walk) Restore(a Answered) error { return w.take(a.Step, a.Choice, a.Source, false) }

// take takes an answer; anew says that what builds on it is worthless.
func (w *Walk) take(s Step, c Choice, from Source, anew bool) error {
	answers, ask := maps.Clone(w.answers), maps.Clone(w.ask)
	if anew {
		w.forget(s.ID) // first: an answer that goes anyway must not refuse this one
	}
	w.answers[s.ID] = Answered{s, c, from}
	plan, err := w.replay()
	if err != nil {
		w.answers, w.ask = answers, ask
		return err
	}
	w.plan, w.last[s.ID] = plan, c.Value
	if from == Asked {
		delete(w.given, s.ID) // a person said otherwise
	}
	return nil
}

// Back reopens the last question before the current one that a person answered; answers that made
// themselves are passed over. It returns false when there is nothing to go back to.
func (w *Walk) Back() bool {
	before := len(w.steps)
	if cur, ok := w.Current(); ok {
		before = slices.IndexFunc(w.steps, func(s Step) bool { return s.ID == cur.ID })
	}
	for _, s := range slices.Backward(w.steps[:before]) {
		if a, ok := w.answers[s.ID]; ok && w.Applies(s) && a.Source == Asked {
			return w.Reopen(s.ID)
		}
	}
	return false
}

// BackTo reopens the last answer on which a step builds, whether a person gave it here or by a flag: what makes
// the step impossible lies there. It returns false when there is none.
func (w *Walk) BackTo(s Step) bool {
	for _, before := range slices.Backward(w.steps) {
		if a, ok := w.answers[before.ID]; ok && (a.Source == Asked || a.Source == Given) && slices.Contains(s.Needs, before.ID) && w.Applies(before) {
			return w.Reopen(before.ID)
		}
	}
	return false
}

// Reopen makes a step the current one again, whatever its source. Later answers stay; those that
// build on it are forgotten once the new answer differs.
func (w *Walk) Reopen(id string) bool {
	if _, ok := w.answers[id]; !ok {
		return false
	}
	delete(w.answers, id)
	w.ask[id] = true
	w.plan, _ = w.replay() // as far as it goes without this answer
	return true
}

// drop takes an answer back that nobody gave by hand.
func (w *Walk) drop(id string) {
	if _, ok := w.answers[id]; ok {
		delete(w.answers, id)
		w.plan, _ = w.replay()
	}
}

// forget drops every answer that builds, directly or not, on id.
func (w *Walk) forget(id string) {
	for _, s := range w.steps {
		if slices.Contains(s.Needs, id) {
			delete(w.answers, s.ID)
			delete(w.ask, s.ID)
			w.forget(s.ID)
		}
	}
}

// counting are the steps that are part of the walk by the answers to those before them alone. Those of them that
// have an answer count in the plan.
func (w *Walk) counting() map[string]bool {
	out := map[string]bool{}
	_, _ = w.replayed(func(s Step) { out[s.ID] = true })
	return out
}

// replay computes the plan from the answers. Answers that cannot be applied are left out; the first
// reason is returned.
func (w *Walk) replay() (setup.Plan, error) { return w.replayed(func(Step) {}) }

// replayed is replay; each gets the steps that apply on the way.
func (w *Walk) replayed(each func(Step)) (setup.Plan, error) {
	p := w.base.Clone()
	var failed error
	for _, s := range w.steps {
		if s.When != nil && !s.When(p) {
			continue
		}
		each(s)
		a, ok := w.answers[s.ID]
		if !ok {
			continue
		}
		next := p.Clone()
		if err := s.Apply(&next, a.Choice); err != nil {
			if failed == nil {
				failed = err
			}
			continue
		}
		p = next
	}
	return p, failed
}
