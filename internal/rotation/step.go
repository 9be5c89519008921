// Package rotation replaces the token of a setup in such a way that at every instant, whatever fails and
// whenever the process ends, each target holds a token that works.
//
// The protocol is two pure functions: Step says what to record and what to do next, Learn what an answer
// means. The driver does it. There is no code for resuming: a process that starts reads the journal and
// asks Step.
package rotation

import (
	"strconv"
	"time"
)

// Check is what was seen of a target.
type Check int

// What a check can say.
const (
	Unchecked Check = iota
	Same            // it holds what was written
	Differs         // it holds something else
	Unseen          // the store shows nothing by which it could be told
)

// Found is a token with the marker of an attempt of this operation, or one of those named in the
// journal, as Astro lists it.
type Found struct {
	ID       string
	Attempt  int // of this operation; 0 for another one
	LastUsed time.Time
}

// Observation is what a process knows beside the journal; it is gone when the process ends.
type Observation struct {
	Now     time.Time
	Holding int  // the token, by index, whose value is in memory; -1 for none
	Proven  bool // Astro answered to the value itself
	Checked []Check
	Failed  uint64  // targets, by index, that could not be written or checked
	Listed  []Found // nil: not asked since something changed
	Clean   int     // how many times in a row a list showed nothing that is left over
	Abort   bool    // the person wants it to end
	Unfit   bool    // the token that was made is not what was asked for
	Mute    bool    // the token's description could not be changed; only a run without this journal would miss it
	Stopped bool    // an act failed; the person or a timer decides when to go on
}

// Observe is what a process knows that has just begun.
func Observe(now time.Time) Observation { return Observation{Now: now, Holding: -1} }

// ActKind is a kind of act.
type ActKind string

// The acts.
const (
	None   ActKind = ""       // nothing is left to do
	Create ActKind = "create" // make the token of the attempt; never sent twice
	Prove  ActKind = "prove"  // call Astro with the new token itself
	Write  ActKind = "write"  // write the value to the target; sent again as often as needed
	Verify ActKind = "verify" // look whether the target holds what was written
	Mark   ActKind = "mark"   // say in the token's description on Astro that every target holds it
	List   ActKind = "list"   // list the tokens on Astro
	Delete ActKind = "delete" // delete a token; one that is gone is fine
	Wait   ActKind = "wait"   // until a time
	Stop   ActKind = "stop"   // something failed: nothing more can be done now
)

// Reason says why an operation waits or stops.
type Reason string

// The reasons.
const (
	Settling Reason = "settling" // for requests without an answer, which could still have an effect
	Draining Reason = "draining" // for runs that may still use an old token
	InUse    Reason = "in-use"   // an old token is still being used
	Broken   Reason = "broken"   // an act failed
	TooMany  Reason = "too-many" // as many tokens were made as one operation may make
)

// Act is one thing to do.
type Act struct {
	Kind    ActKind
	Attempt int // of create
	Token   int // index, of prove, write, mark, delete and of a wait that is about one
	Target  int // index, of write and verify
	Until   time.Time
	Why     Reason
}

// MaxAttempts is how many tokens one operation may make.
const MaxAttempts = 24

// Decision is what Step says: the records to make durable, in this order, and then the act.
type Decision struct {
	Records []Record
	Do      Act
}

func act(do Act, records ...Record) Decision { return Decision{records, do} }

// Step says what to do next. It is pure: the same journal and observation give the same answer.
func Step(s State, o Observation) Decision {
	switch {
	case !s.Active():
		return act(Act{})
	case o.Stopped:
		return act(Act{Kind: Stop, Why: Broken})
	case !s.Aborting && (o.Abort && s.Untouched() || s.abandoned()):
		return act(Act{Kind: List}, Record{Kind: RecAborting})
	case s.Aborting:
		return abort(s, o)
	}
	if s.Mode == Leaked {
		for i := range s.Old {
			if !s.Tokens[i].Dead {
				return remove(s, i)
			}
		}
	}
	cur := s.Current()
	if cur < 0 {
		return spread(s, o)
	}
	for i, x := range s.Targets {
		if !x.Forgotten && o.check(i) == Unchecked {
			return act(Act{Kind: Verify, Target: i, Token: cur})
		}
	}
	if s.CutFor != cur {
		return act(Act{Kind: List}, Record{Kind: RecVerified, Token: s.Tokens[cur].ID})
	}
	if s.Marked != cur && !o.Mute {
		return act(Act{Kind: Mark, Token: cur})
	}
	return retire(s, o, cur)
}

func (o Observation) check(target int) Check {
	if target >= len(o.Checked) {
		return Unchecked
	}
	return o.Checked[target]
}

// spread makes one token and writes it to every target.
func spread(s State, o Observation) Decision {
	h := o.Holding
	if h >= 0 && s.Tokens[h].Dead {
		h = -1
	}
	if h < 0 {
		if d, ok := clean(s, -1); ok {
			return d
		}
		if o.Unfit {
			return act(Act{Kind: Stop, Why: Broken})
		}
		if s.Attempts-s.Refused >= MaxAttempts {
			return act(Act{Kind: Stop, Why: TooMany})
		}
		if at := s.unknown(); at.After(o.Now) {
			return act(Act{Kind: Wait, Until: at, Why: Settling})
		}
		n := s.Attempts + 1
		return act(Act{Kind: Create, Attempt: n}, Record{Kind: RecIntent, Attempt: n})
	}
	if !o.Proven {
		return act(Act{Kind: Prove, Token: h})
	}
	var wait time.Time
	for i, x := range s.Targets {
		if x.Forgotten || x.Holds == h || o.Failed&(1<<i) != 0 {
			continue
		}
		if at := x.settled(h, s.Quiet); at.After(o.Now) {
			if wait.IsZero() || at.Before(wait) {
				wait = at
			}
			continue
		}
		return act(Act{Kind: Write, Target: i, Token: h}, Record{Kind: RecWriting, Target: i, Token: s.Tokens[h].ID})
	}
	if !wait.IsZero() {
		return act(Act{Kind: Wait, Until: wait, Why: Settling})
	}
	return act(Act{Kind: Stop, Why: Broken})
}

// settled is when no write of another token can reach the target any more.
func (x TargetState) settled(token int, quiet time.Duration) (at time.Time) {
	for i, t := range x.Tried {
		if i != token && !t.IsZero() && t.Add(quiet).After(at) {
			at = t.Add(quiet)
		}
	}
	return at
}

// clean deletes a token of this operation that no target ever got.
func clean(s State, except int) (Decision, bool) {
	for i, t := range s.Tokens {
		if i != except && !t.Tried && !t.Dead {
			return remove(s, i), true
		}
	}
	return Decision{}, false
}

func remove(s State, token int) Decision {
	return act(Act{Kind: Delete, Token: token}, Record{Kind: RecDeleting, Token: s.Tokens[token].ID})
}

// retire lets the tokens go that no target holds any more, and ends the operation when just one is left.
func retire(s State, o Observation, cur int) Decision {
	if d, ok := clean(s, cur); ok {
		return d
	}
	may := s.may()
	for i, t := range s.Tokens {
		if i == cur || t.Dead {
			continue
		}
		if until := s.Cut.Add(s.Drain); until.After(o.Now) && s.Mode != Leaked {
			return act(Act{Kind: Wait, Until: until, Why: Draining, Token: i})
		}
		if o.Listed == nil {
			return act(Act{Kind: List})
		}
		if used := o.used(t.ID); used.After(s.Cut) && used.Add(s.Drain).After(o.Now) {
			return act(Act{Kind: Wait, Until: used.Add(s.Drain), Why: InUse, Token: i})
		}
		if may&(1<<i) != 0 {
			return act(Act{Kind: Stop, Why: Broken})
		}
		return remove(s, i)
	}
	if d, ok := sweep(s, o); !ok {
		return d
	}
	return act(Act{}, Record{Kind: RecDone, Token: s.Tokens[cur].ID})
}

func (o Observation) used(id string) time.Time {
	for _, f := range o.Listed {
		if f.ID == id {
			return f.LastUsed
		}
	}
	return time.Time{}
}

// sweep looks twice that no token of this operation is left over, after the last create can have no
// effect any more.
func sweep(s State, o Observation) (d Decision, clean bool) {
	if at := s.IntentAt.Add(s.Quiet); (s.Unclear || s.open) && at.After(o.Now) {
		return act(Act{Kind: Wait, Until: at, Why: Settling}), false
	}
	if o.Clean < 2 {
		return act(Act{Kind: List}), false
	}
	return Decision{}, true
}

// abort takes back what was made; no target can hold it.
func abort(s State, o Observation) Decision {
	may := s.may()
	for i := len(s.Old); i < len(s.Tokens); i++ {
		if !s.Tokens[i].Dead && may&(1<<i) == 0 {
			return remove(s, i)
		}
	}
	if d, ok := sweep(s, o); !ok {
		return d
	}
	return act(Act{}, Record{Kind: RecAborted})
}

// Answer is what came of an act.
type Answer struct {
	// Refused says that the service clearly did nothing; Err that it failed or that it is not known.
	Refused bool
	Err     error
	ID      string  // of create
	Version string  // of write
	Check   Check   // of verify
	Unfit   bool    // of prove: the token is not what was asked for
	Tokens  []Found // of list
}

// Learn says what an answer means: what is to be recorded, and what the process knows from now on. The
// observation's time is the one of the answer.
func Learn(s State, o Observation, do Act, a Answer) ([]Record, Observation) {
	ok := a.Err == nil
	switch do.Kind {
	case None, Stop:
		return nil, o
	case Wait:
		o.Checked, o.Listed, o.Clean = nil, nil, 0
		return nil, o
	case Create:
		switch {
		case ok:
			o.Holding, o.Proven = len(s.Tokens), false
			return []Record{{Kind: RecCreated, Attempt: do.Attempt, Token: a.ID}}, o
		case a.Refused:
			o.Stopped = true
			return []Record{{Kind: RecRefused, Attempt: do.Attempt}}, o
		}
	case Prove:
		switch {
		case ok:
			o.Proven = true
			return nil, o
		case a.Unfit: // it was never written: clean deletes it
			o.Holding, o.Unfit = -1, true
			return nil, o
		}
	case Write:
		if !ok {
			o.Failed |= 1 << do.Target // the others go on
			return nil, o
		}
		o.Checked, o.Listed = nil, nil
		return []Record{{Kind: RecWritten, Target: do.Target, Token: s.Tokens[do.Token].ID, Version: a.Version}}, o
	case Verify:
		if ok {
			o.Checked = checked(o.Checked, len(s.Targets), do.Target, a.Check)
			if a.Check == Differs {
				o.Checked = nil
				return []Record{{Kind: RecChanged, Target: do.Target}}, o
			}
			return nil, o
		}
	case Mark:
		if !ok {
			o.Mute = true
			return nil, o
		}
		return []Record{{Kind: RecMarked, Token: s.Tokens[do.Token].ID}}, o
	case List:
		if ok {
			return listed(s, o, a.Tokens)
		}
	case Delete:
		if ok {
			o.Checked, o.Listed, o.Clean = nil, nil, 0
			if do.Token == o.Holding {
				o.Holding = -1
			}
			return []Record{{Kind: RecDeleted, Token: s.Tokens[do.Token].ID}}, o
		}
	}
	o.Stopped = true
	return nil, o
}

func checked(before []Check, n, target int, c Check) []Check {
	out := make([]Check, n)
	copy(out, before)
	out[target] = c
	return out
}

// listed takes in what Astro lists: tokens of lost answers, and tokens that are gone.
func listed(s State, o Observation, tokens []Found) (records []Record, _ Observation) {
	o.Listed = append([]Found{}, tokens...) // not nil
	there := map[string]bool{}
	for _, f := range tokens {
		there[f.ID] = true
		if f.Attempt > 0 && s.index(f.ID) < 0 {
			records = append(records, Record{Kind: RecCreated, Attempt: f.Attempt, Token: f.ID})
		}
	}
	for i, t := range s.Tokens {
		if !t.Dead && !there[t.ID] {
			records = append(records, Record{Kind: RecDead, Token: t.ID})
			if i == o.Holding {
				o.Holding = -1
			}
		}
	}
	o.Clean++
	if len(records) > 0 {
		o.Clean = 0
	}
	return records, o
}

// AttemptName is what the marker of an attempt says of the operation.
func AttemptName(op string, attempt int) string { return op + "." + strconv.Itoa(attempt) }

// again is the observation with which a process goes on after an act that failed.
func (o Observation) again() Observation {
	o.Failed, o.Unfit, o.Mute, o.Stopped, o.Checked, o.Listed, o.Clean = 0, false, false, false, nil, nil, 0
	return o
}
