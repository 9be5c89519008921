package rotation

import (
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Carried is what an operation begins with when the journal of the one before it is gone, because it ran
// on a machine that does not exist any more: what the descriptions of the tokens on Astro say.
type Carried struct {
	Held  string    `json:"held,omitempty"`  // the newest token, where every target was seen to hold it; else ""
	Since time.Time `json:"since,omitzero"`  // when it was seen
	Seals []string  `json:"seals,omitempty"` // of what the stores showed then (setup.Seal)
}

// FromMarks says what the marks of a setup's live tokens tell. Only the newest one counts: where a token
// is newer than the one that is held, some target may have got it. Something is unfinished when a token
// is left over beside the one that is held, or when it is not known which one that is.
func FromMarks(tokens []astro.Token) (c Carried, unfinished bool) {
	if len(tokens) == 0 {
		return c, false
	}
	newest := slices.MaxFunc(tokens, func(x, y astro.Token) int { return x.CreatedAt.Compare(y.CreatedAt) })
	for _, t := range tokens { // of two from one moment none is the newest
		if t.ID != newest.ID && t.CreatedAt.Equal(newest.CreatedAt) {
			return c, true
		}
	}
	if m := setup.ParseMark(newest.Description.String()); !m.Held.IsZero() {
		c = Carried{Held: newest.ID, Since: m.Held, Seals: m.Seals}
	}
	return c, len(tokens) > 1
}

// carry is the state of an operation that begins with a token that every target holds.
func (s State) carry() State {
	if s.Carried == nil {
		return s
	}
	held := s.index(s.Carried.Held)
	if held < 0 {
		return s
	}
	s.Cut, s.CutFor, s.Marked = s.Carried.Since, held, held
	for i := range s.Targets {
		s.Targets[i].May, s.Targets[i].Holds = 1<<held, held
	}
	return s
}

// unknown is until when requests may have an effect that a process sent whose journal is gone.
func (s State) unknown() (at time.Time) {
	if s.Carried != nil {
		at = s.Began.Add(s.Quiet)
	}
	return at
}

// mark is what the description of a token says when every target holds it.
func (s State) mark(token int) setup.Mark {
	held := s.Cut.Truncate(time.Second)
	if held.Before(s.Cut) {
		held = held.Add(time.Second)
	}
	m := setup.Mark{Setup: s.Plan.Name, Operation: AttemptName(s.Op, s.Tokens[token].Attempt), Held: held}
	for i, x := range s.Targets {
		if !x.Forgotten {
			m.Seals = append(m.Seals, setup.Seal(s.Plan.Targets[i], x.Version))
		}
	}
	return m
}

// Compare says what a store's record of a target tells of the last write: whether the secret is there,
// and the store's mark of it.
func (s State) Compare(target int, exists bool, version string) Check {
	mark := s.Targets[target].Version
	if s.Carried != nil && s.CutFor >= 0 && s.Tokens[s.CutFor].ID == s.Carried.Held {
		return s.Carried.Compare(s.Plan.Targets[target], exists, version)
	}
	switch {
	case !exists:
		return Differs
	case mark == "" || version == "":
		return Unseen
	case mark == version:
		return Same
	}
	return Differs
}

// Compare does the same by the seals, which are all that is known of the writes.
func (c Carried) Compare(t setup.Target, exists bool, version string) Check {
	unmarked := setup.Seal(t, "")
	i := slices.IndexFunc(c.Seals, func(seal string) bool { return setup.SameTarget(seal, unmarked) })
	switch {
	case !exists || i < 0:
		return Differs
	case version == "" || c.Seals[i] == unmarked:
		return Unseen
	case c.Seals[i] == setup.Seal(t, version):
		return Same
	}
	return Differs
}
