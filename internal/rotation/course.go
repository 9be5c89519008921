package rotation

// Course lists the acts of an operation as they follow each other when nothing fails, its waiting
// included. Those that the journal says are done have Ended set. It is for people; Step decides.
func Course(s State) (out []Event) {
	if !s.Active() {
		return nil
	}
	d := Driver{Book: &Book{state: s}}
	add := func(done bool, do Act) { out = append(out, Event{Act: do, Say: d.say(do), Ended: done}) }
	cur := s.Current()
	remove := func() {
		for i, t := range s.Tokens {
			if i != cur && (i < len(s.Old) || !t.Dead) {
				add(t.Dead, Act{Kind: Delete, Token: i})
			}
		}
	}
	if s.Mode == Leaked {
		remove()
	}
	if cur < 0 || cur >= len(s.Old) { // else it began with a token that every target holds
		add(cur >= 0, Act{Kind: Create})
		add(cur >= 0, Act{Kind: Prove})
		for i, x := range s.Targets {
			if !x.Forgotten {
				add(cur >= 0, Act{Kind: Write, Target: i})
			}
		}
	}
	for i, x := range s.Targets {
		if !x.Forgotten {
			add(false, Act{Kind: Verify, Target: i})
		}
	}
	if cur < 0 || s.CutFor != cur {
		add(false, Act{Kind: List})
	}
	if cur < 0 || s.Marked != cur {
		add(false, Act{Kind: Mark, Token: max(0, cur)})
	}
	if s.Mode == Leaked {
		return out
	}
	if len(s.Old) > 1 || len(s.Old) == 1 && cur != 0 {
		add(false, Act{Kind: Wait, Why: Draining})
	}
	remove()
	return out
}

// Say is the reason of a wait in words.
func (r Reason) Say() string {
	if r == Settling {
		return "Wait until a request without an answer can have no effect any more"
	}
	return "Wait until no run can still use the old token"
}
