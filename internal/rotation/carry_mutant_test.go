package rotation

import (
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// carryMutants are faults that a rotation without its journal could have.
var carryMutants = map[string]func() protocol{
	"what is held is not waited for": func() protocol {
		return told(func(s *State) {
			if s.Carried != nil && s.CutFor >= 0 && s.Tokens[s.CutFor].ID == s.Carried.Held {
				s.Cut = time.Time{}
			}
		})
	},
	"the newest token counts as held": func() protocol {
		return begun(func(tokens []astro.Token, c Carried, _ bool) (Carried, bool) {
			if n := len(tokens); n > 1 && c.Held == "" {
				c.Held, c.Since = tokens[n-1].ID, tokens[n-1].CreatedAt
				for i := range 3 {
					c.Seals = append(c.Seals, setup.Seal(setup.Target{Store: names[i]}, ""))
				}
			}
			return c, len(tokens) > 1
		})
	},
	"a held token counts, although there is a newer one": func() protocol {
		return begun(func(tokens []astro.Token, c Carried, unfinished bool) (Carried, bool) {
			for _, t := range tokens {
				if m := setup.ParseMark(t.Description.String()); c.Held == "" && !m.Held.IsZero() {
					c = Carried{Held: t.ID, Since: m.Held, Seals: m.Seals}
				}
			}
			return c, unfinished
		})
	},
	"what is left over is left": func() protocol {
		return begun(func(tokens []astro.Token, c Carried, _ bool) (Carried, bool) {
			return c, len(tokens) > 1 && c.Held == ""
		})
	},
	"the mark comes with the create": func() protocol { return marked(func(State, Observation) bool { return true }) },
	"the mark comes with the first write": func() protocol {
		return marked(func(s State, o Observation) bool {
			return slices.ContainsFunc(s.Targets, func(x TargetState) bool { return x.Holds == o.Holding })
		})
	},
	"the mark says when the token was made": func() protocol {
		return told(func(s *State) {
			if s.CutFor >= 0 && s.Marked != s.CutFor {
				s.Cut = s.IntentAt
			}
		})
	},
	"the seals are not looked at": func() protocol {
		return heard(func(s State, _ Observation, do Act, a Answer) (Answer, bool) {
			a.Check = Unseen
			return a, do.Kind == Verify && s.Carried != nil
		})
	},
	"requests of a lost operation are not waited for": func() protocol { return told(func(s *State) { s.Began = time.Time{} }) },
	"only the held token is known": func() protocol {
		p := protocolItself
		p.step = func(s State, o Observation) Decision {
			if s.Active() && s.Carried != nil && s.Current() >= 0 && s.Current() < len(s.Old) {
				return act(Act{}, Record{Kind: RecDone, Token: s.Tokens[s.Current()].ID})
			}
			return Step(s, o)
		}
		return p
	},
}

// begun lets a process without a journal begin in another way.
func begun(f func([]astro.Token, Carried, bool) (Carried, bool)) protocol {
	p := protocolItself
	p.from = func(tokens []astro.Token) (Carried, bool) {
		c, unfinished := FromMarks(tokens)
		return f(tokens, c, unfinished)
	}
	return p
}

// marked describes the token that is held in memory as soon as f says so.
func marked(f func(State, Observation) bool) protocol {
	return stepped(func(s State, o Observation) (Decision, bool) {
		if h := o.Holding; h >= 0 && !s.Tokens[h].Dead && s.Marked != h && !o.Mute && f(s, o) {
			return act(Act{Kind: Mark, Token: h}), true
		}
		return Decision{}, false
	})
}
