package rotation

import (
	"slices"
	"testing"
	"time"
)

// mutants are faults that the protocol could have. Each is a wrapper around the real functions.
var mutants = map[string]func() protocol{
	"a token whose value is lost is deleted at once": func() protocol {
		return stepped(func(s State, o Observation) (Decision, bool) {
			for i := len(s.Old); i < len(s.Tokens); i++ {
				if t := s.Tokens[i]; o.Holding < 0 && s.Current() < 0 && t.Tried && !t.Dead {
					return remove(s, i), true
				}
			}
			return Decision{}, false
		})
	},
	"a token that no target was seen to take is deleted": func() protocol {
		return stepped(func(s State, o Observation) (Decision, bool) {
			for i := len(s.Old); i < len(s.Tokens); i++ {
				taken := slices.ContainsFunc(s.Targets, func(x TargetState) bool { return x.Holds == i })
				if t := s.Tokens[i]; o.Holding < 0 && !taken && t.Tried && !t.Dead {
					return remove(s, i), true
				}
			}
			return Decision{}, false
		})
	},
	"a write is not announced":           func() protocol { return silent(RecWriting) },
	"a create is not announced":          func() protocol { return silent(RecIntent) },
	"the old token dies with the create": func() protocol { return early(func(_ State, o Observation) bool { return o.Holding >= 0 }) },
	"the old token dies with the first write": func() protocol {
		return early(func(s State, _ Observation) bool {
			return slices.ContainsFunc(s.Targets, func(x TargetState) bool { return x.Holds >= len(s.Old) })
		})
	},
	"the old token dies with the last write": func() protocol { return early(func(s State, _ Observation) bool { return s.Current() >= len(s.Old) }) },
	"nothing is swept":                       func() protocol { return seen(func(_ State, o *Observation) { o.Clean = 2 }) },
	"an unclear create counts as refused": func() protocol {
		return heard(func(_ State, _ Observation, do Act, a Answer) (Answer, bool) {
			a.Refused = true
			return a, do.Kind == Create && a.Err != nil
		})
	},
	"no quiet time": func() protocol { return told(func(s *State) { s.Quiet = 0 }) },
	"no quiet time before the sweep": func() protocol {
		return told(func(s *State) {
			if s.Current() >= 0 {
				s.Quiet = 0
			}
		})
	},
	"no quiet time before a write": func() protocol {
		return told(func(s *State) {
			if s.Current() < 0 {
				s.Quiet = 0
			}
		})
	},
	"no quiet time for writes that were acknowledged": func() protocol {
		return told(func(s *State) {
			s.Targets = slices.Clone(s.Targets)
			for i, x := range s.Targets {
				if x.Holds >= 0 {
					s.Targets[i].Tried = make([]time.Time, len(x.Tried))
				}
			}
		})
	},
	"no drain": func() protocol { return told(func(s *State) { s.Drain = 0 }) },
	"no drain for tokens of this operation": func() protocol {
		return told(func(s *State) {
			if !slices.ContainsFunc(s.Tokens[:len(s.Old)], func(t Token) bool { return !t.Dead }) {
				s.Drain = 0
			}
		})
	},
	"the drain begins with the create": func() protocol { return told(func(s *State) { s.Cut = s.IntentAt }) },
	"a target that changed does not begin the drain anew": func() protocol {
		return told(func(s *State) {
			if !s.Cut.IsZero() {
				s.CutFor = s.Current()
			}
		})
	},
	"no look right before a delete": func() protocol {
		return seen(func(s State, o *Observation) {
			if s.CutFor >= 0 && s.CutFor == s.Current() {
				o.Checked = slices.Repeat([]Check{Same}, len(s.Targets))
			}
		})
	},
	"only the first target is looked at": func() protocol {
		return seen(func(s State, o *Observation) {
			for i := 1; i < len(s.Targets); i++ {
				o.Checked = checked(o.Checked, len(s.Targets), i, Same)
			}
		})
	},
	"what is there is believed": func() protocol {
		return heard(func(_ State, _ Observation, do Act, a Answer) (Answer, bool) {
			a.Check = Same
			return a, do.Kind == Verify
		})
	},
	"a failed write takes the token back": func() protocol {
		return stepped(func(s State, o Observation) (Decision, bool) {
			if o.Failed != 0 && o.Holding >= 0 && !s.Tokens[o.Holding].Dead {
				return remove(s, o.Holding), true
			}
			return Decision{}, false
		})
	},
	"a failed write counts as not done": func() protocol {
		p := protocolItself
		p.learn = func(s State, o Observation, do Act, a Answer) ([]Record, Observation) {
			if r, o := Learn(s, o, do, a); do.Kind != Write || a.Err == nil || len(s.Old) == 0 {
				return r, o
			} else {
				return []Record{{Kind: RecWritten, Target: do.Target, Token: s.Tokens[0].ID}}, o
			}
		}
		return p
	},
	"an announced write counts as done": func() protocol {
		return told(func(s *State) {
			s.Targets = slices.Clone(s.Targets)
			for i, x := range s.Targets {
				var last time.Time
				for k, at := range x.Tried {
					if !at.IsZero() && !at.Before(last) {
						last, s.Targets[i].Holds = at, k
					}
				}
			}
		})
	},
	"an announced delete counts as done": func() protocol {
		p := protocolItself
		p.step = func(s State, o Observation) Decision {
			d := Step(s, o)
			if d.Do.Kind == Delete {
				d.Records = append(d.Records, Record{Kind: RecDeleted, Token: s.Tokens[d.Do.Token].ID})
			}
			return d
		}
		return p
	},
	"a failed delete counts as done": func() protocol {
		return heard(func(_ State, _ Observation, do Act, _ Answer) (Answer, bool) { return Answer{}, do.Kind == Delete })
	},
	"everything that is listed is deleted": func() protocol {
		return heard(func(_ State, _ Observation, do Act, a Answer) (Answer, bool) {
			a.Tokens = slices.Clone(a.Tokens)
			for i := range a.Tokens {
				a.Tokens[i].Attempt = max(a.Tokens[i].Attempt, 1)
			}
			return a, do.Kind == List
		})
	},
	"an operation is aborted although a target may hold its token": func() protocol {
		return stepped(func(s State, o Observation) (Decision, bool) {
			return act(Act{Kind: List}, Record{Kind: RecAborting}), o.Abort && !s.Aborting
		})
	},
	"an abort leaves its token": func() protocol {
		return stepped(func(s State, _ Observation) (Decision, bool) {
			return act(Act{}, Record{Kind: RecAborted}), s.Aborting
		})
	},
	"a new process forgets what was made": func() protocol {
		return stepped(func(s State, o Observation) (d Decision, ok bool) {
			for i := len(s.Old); i < len(s.Tokens) && o.Holding < 0 && s.Current() < 0; i++ {
				if !s.Tokens[i].Dead {
					d.Records, ok = append(d.Records, Record{Kind: RecDead, Token: s.Tokens[i].ID}), true
				}
			}
			d.Do = Act{Kind: List}
			return d, ok
		})
	},
	"done with the old token, whatever else there is": func() protocol {
		return stepped(func(s State, _ Observation) (Decision, bool) {
			cur := s.Current()
			alive := slices.ContainsFunc(s.Tokens[:len(s.Old)], func(t Token) bool { return !t.Dead })
			if cur < 0 || alive {
				return Decision{}, false
			}
			return act(Act{}, Record{Kind: RecDone, Token: s.Tokens[cur].ID}), true
		})
	},
	"targets that took some token are left out": func() protocol {
		return told(func(s *State) {
			s.Targets = slices.Clone(s.Targets)
			for i, x := range s.Targets {
				if s.Current() < 0 && x.Holds >= len(s.Old) {
					s.Targets[i].Forgotten = true
				}
			}
		})
	},
	"what changed is not written again": func() protocol {
		p := protocolItself
		p.learn = func(s State, o Observation, do Act, a Answer) ([]Record, Observation) {
			if do.Kind == Verify && a.Check == Differs {
				o.Stopped = true
				return nil, o
			}
			return Learn(s, o, do, a)
		}
		return p
	},
}

// harmless are changes that cost something, but are not wrong by what the model sees.
var harmless = map[string]func() protocol{
	"one look is enough for the sweep": func() protocol {
		return seen(func(_ State, o *Observation) {
			if o.Clean == 1 {
				o.Clean = 2
			}
		})
	},
	"no token is described":       func() protocol { return seen(func(_ State, o *Observation) { o.Mute = true }) },
	"the new token is not proved": func() protocol { return seen(func(_ State, o *Observation) { o.Proven = o.Holding >= 0 }) },
}

// stepped decides by f where it wants to.
func stepped(f func(State, Observation) (Decision, bool)) protocol {
	p := protocolItself
	p.step = func(s State, o Observation) Decision {
		if s.Active() && !o.Stopped {
			if d, ok := f(s, o); ok {
				return d
			}
		}
		return Step(s, o)
	}
	return p
}

// early deletes the old token when f says so.
func early(f func(State, Observation) bool) protocol {
	return stepped(func(s State, o Observation) (Decision, bool) {
		if len(s.Old) > 0 && !s.Tokens[0].Dead && f(s, o) {
			return remove(s, 0), true
		}
		return Decision{}, false
	})
}

// silent leaves records of a kind out.
func silent(kind RecordKind) protocol {
	p := protocolItself
	p.step = func(s State, o Observation) Decision {
		d := Step(s, o)
		d.Records = slices.DeleteFunc(slices.Clone(d.Records), func(r Record) bool { return r.Kind == kind })
		return d
	}
	return p
}

// told lets Step see another journal.
func told(f func(*State)) protocol {
	p := protocolItself
	p.step = func(s State, o Observation) Decision {
		f(&s)
		return Step(s, o)
	}
	return p
}

// seen lets Step see another observation.
func seen(f func(State, *Observation)) protocol {
	p := protocolItself
	p.step = func(s State, o Observation) Decision {
		f(s, &o)
		return Step(s, o)
	}
	return p
}

// heard lets Learn take in another answer where f says so.
func heard(f func(State, Observation, Act, Answer) (Answer, bool)) protocol {
	p := protocolItself
	p.learn = func(s State, o Observation, do Act, a Answer) ([]Record, Observation) {
		if b, ok := f(s, o, do, a); ok {
			a = b
		}
		return Learn(s, o, do, a)
	}
	return p
}

// The model finds every fault that matters: otherwise its silence about the real protocol says little.
func TestMutants(t *testing.T) {
	t.Parallel()
	lossy := func(f func(config) bool) bool {
		for _, c := range [][]class{{writeOnly}, {metadata}, {readable, writeOnly}, {writeOnly, metadata}} {
			for _, b := range [][2]int8{{0, 0}, {1, 0}, {0, 1}, {1, 1}} {
				if f(config{c, Planned, false, b[0], b[1], 1}) {
					return true
				}
			}
		}
		return false
	}
	small := func(f func(config) bool) bool {
		for _, c := range [][]class{{writeOnly}, {metadata}, {readable, writeOnly}, {writeOnly, metadata}} {
			for _, m := range []Mode{Planned, FirstSetup} {
				for _, b := range [][2]int8{{1, 0}, {0, 1}, {1, 1}, {2, 1}} {
					if f(config{c, m, len(c) == 1, b[0], b[1], 0}) {
						return true
					}
				}
			}
		}
		return false
	}
	if len(mutants) < 25 {
		t.Errorf("only %d mutants", len(mutants))
	}
	for name, build := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !small(func(c config) bool { return build().explore(c, 60_000, false).fault != "" }) {
				t.Error("the model finds nothing wrong with it")
			}
		})
	}
	for name, build := range carryMutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !lossy(func(c config) bool { return build().explore(c, 60_000, false).fault != "" }) {
				t.Error("the model finds nothing wrong with it")
			}
		})
	}
	for name, build := range harmless {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrong := func(c config) bool { return build().explore(c, 3_000, false).fault != "" }
			if small(wrong) || lossy(wrong) {
				t.Error("it is harmful")
			}
		})
	}
}
