package rotation

import (
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Mode is why an operation is done.
type Mode string

// The modes.
const (
	FirstSetup Mode = "setup"  // there was no token before
	Planned    Mode = "rotate" // the old token works until nothing uses it any more
	Leaked     Mode = "leaked" // the old token dies first; what uses it stops until it has the new one
)

// RecordKind says what a record announces or reports.
type RecordKind string

// The kinds of records. Those that announce an act are durable before it begins.
const (
	RecPlanned  RecordKind = "planned"  // an operation begins
	RecIntent   RecordKind = "intent"   // announces: a token is created, with this attempt's marker
	RecRefused  RecordKind = "refused"  // Astro clearly made none
	RecCreated  RecordKind = "created"  // a token of this operation exists
	RecWriting  RecordKind = "writing"  // announces: a target is written
	RecWritten  RecordKind = "written"  // the target took it
	RecChanged  RecordKind = "changed"  // a target holds something else than what was written
	RecVerified RecordKind = "verified" // every target holds the token; from now on the others drain
	RecMarked   RecordKind = "marked"   // the token's description on Astro says so
	RecDead     RecordKind = "dead"     // a token is gone, or not what was asked for, through no act of ours
	RecDeleting RecordKind = "deleting" // announces: a token is deleted
	RecDeleted  RecordKind = "deleted"  // it is gone
	RecForgot   RecordKind = "forgot"   // a person gave a target up
	RecAborting RecordKind = "aborting" // a person ended the operation; what it made is taken back
	RecAborted  RecordKind = "aborted"  // nothing of it is left
	RecDone     RecordKind = "done"     // every target holds the token, and it is the only one
	RecRemoved  RecordKind = "removed"  // a person took the whole setup back
)

// Record is one entry of the journal of a setup. It holds no secret.
type Record struct {
	Kind    RecordKind `json:"kind"`
	At      time.Time  `json:"at"`
	Attempt int        `json:"attempt,omitempty"` // of intent, refused and created: which one, from 1
	Token   string     `json:"token,omitempty"`   // id of the token that it is about
	Target  int        `json:"target,omitempty"`  // index of the target that it is about
	Version string     `json:"version,omitempty"` // of written: the store's own mark of the write
	Begin   *Begin     `json:"begin,omitempty"`   // of planned
}

// Begin describes an operation.
type Begin struct {
	Op   string     `json:"op"` // an identifier that no other operation has; part of its tokens' markers
	Mode Mode       `json:"mode"`
	Plan setup.Plan `json:"plan"` // whose Key is never there
	// Old are the ids of the tokens that targets may hold when it begins.
	Old   []string      `json:"old,omitempty"`
	Quiet time.Duration `json:"quiet"` // after which a request without an answer can have no effect any more
	Drain time.Duration `json:"drain"` // how long a run may still use a token that it has read
	// Carried is there when the journal of who made the old tokens is not.
	Carried *Carried `json:"carried,omitempty"`
}

// Token is a token as far as an operation knows it.
type Token struct {
	ID      string
	Attempt int  // which made it; 0 for one that was there before
	Tried   bool // a target may have got it at some time
	Dead    bool // it was deleted, or found gone
}

// TargetState is what is known of a target.
type TargetState struct {
	May       uint64 // the tokens, by index, that it may hold
	Holds     int    // the token that it was last seen to take; -1 when that is not known
	Version   string
	Tried     []time.Time // by token: when it was last written to the target; zero for never
	Forgotten bool
}

// State is what a journal says, folded. The zero value is an empty journal.
type State struct {
	Begin
	Tokens   []Token // the old ones first
	Targets  []TargetState
	Attempts int
	Refused  int       // how many of them Astro clearly refused
	Unclear  bool      // some create had no clear answer: its token may come into being yet
	IntentAt time.Time // of the last attempt
	Began    time.Time
	Cut      time.Time // when every target was seen to hold the token CutFor
	CutFor   int
	Marked   int // the token whose description says that; -1 for none
	Aborting bool
	Ended    RecordKind // done or aborted; "" while it goes on
	Last     string     // id of the token that the last operation ended with
	open     bool       // the last intent has no answer yet
	before   *State     // what was there when the operation began; nil: no setup
}

// Fold reads a journal.
func Fold(records []Record) (s State) {
	for _, r := range records {
		s = s.With(r)
	}
	return s
}

// Active reports whether an operation has begun and not ended.
func (s State) Active() bool { return s.Op != "" && s.Ended == "" }

// Setup is what the next operation is about: the plan, without the targets that were given up.
func (s State) Setup() setup.Plan {
	p := s.Plan.Clone()
	if s.abandoned() {
		return p
	}
	p.Targets = nil
	for i, t := range s.Plan.Targets {
		if !s.Targets[i].Forgotten {
			p.Targets = append(p.Targets, t)
		}
	}
	return p
}

// With is the state after one more record. It shares nothing with s that it changes.
func (s State) With(r Record) State {
	if r.Kind == RecPlanned {
		return begin(s, r.At, *r.Begin)
	}
	s.Tokens, s.Targets = slices.Clone(s.Tokens), slices.Clone(s.Targets)
	t := s.index(r.Token)
	switch r.Kind {
	case RecPlanned:
	case RecIntent:
		s.Unclear = s.Unclear || s.open && r.Attempt != s.Attempts // else it is announced once more
		s.Attempts, s.IntentAt, s.open = r.Attempt, r.At, true
	case RecRefused:
		s.open = false
		s.Refused++
	case RecCreated:
		s.open = s.open && r.Attempt != s.Attempts
		s.Tokens = append(s.Tokens, Token{ID: r.Token, Attempt: r.Attempt})
		for i := range s.Targets {
			s.Targets[i].Tried = append(slices.Clone(s.Targets[i].Tried), time.Time{})
		}
	case RecWriting:
		x := &s.Targets[r.Target]
		x.Tried = slices.Clone(x.Tried)
		x.Tried[t], x.May, x.Holds, x.Version = r.At, x.May|1<<t, -1, ""
		s.CutFor = -1
		s.Tokens[t].Tried = true
	case RecWritten:
		x := &s.Targets[r.Target]
		x.May, x.Holds, x.Version = 1<<t, t, r.Version
	case RecChanged:
		x := &s.Targets[r.Target]
		x.May, x.Holds, x.Version = s.tried(), -1, ""
		s.CutFor = -1
	case RecVerified:
		s.Cut, s.CutFor, s.Marked = r.At, t, -1
	case RecMarked:
		s.Marked = t
	case RecDead, RecDeleted:
		s.Tokens[t].Dead = true
	case RecDeleting:
	case RecForgot:
		s.Targets[r.Target] = TargetState{Forgotten: true, Holds: -1, Tried: s.Targets[r.Target].Tried}
	case RecAborting:
		s.Aborting = true
	case RecAborted:
		if s.before != nil { // nothing of the operation is left, its plan included
			s = *s.before
		}
		s.Ended = r.Kind
	case RecDone:
		s.Ended, s.Last = r.Kind, r.Token
	case RecRemoved:
		s.Ended, s.Last = r.Kind, ""
	}
	return s
}

func begin(before State, at time.Time, b Begin) State {
	s := State{Begin: b, Began: at, Last: before.Last, Targets: make([]TargetState, len(b.Plan.Targets)), CutFor: -1, Marked: -1}
	if before.Last != "" {
		before.before = nil
		s.before = &before
	}
	for _, id := range b.Old {
		s.Tokens = append(s.Tokens, Token{ID: id, Tried: true})
	}
	for i := range s.Targets {
		s.Targets[i] = TargetState{May: 1<<len(b.Old) - 1, Holds: -1, Tried: make([]time.Time, len(b.Old))}
	}
	return s.carry()
}

// Knows reports whether a token is one of the operation.
func (s State) Knows(id string) bool { return s.index(id) >= 0 }

// index finds a token by its id; -1 when it is not known.
func (s State) index(id string) int {
	for i := range s.Tokens {
		if s.Tokens[i].ID == id {
			return i
		}
	}
	return -1
}

// tried are all tokens that some target got at some time.
func (s State) tried() (set uint64) {
	for i, t := range s.Tokens {
		if t.Tried {
			set |= 1 << i
		}
	}
	return set
}

// may are the tokens that some target may hold.
func (s State) may() (set uint64) {
	for _, x := range s.Targets {
		if !x.Forgotten {
			set |= x.May
		}
	}
	return set
}

// Current is the token that every target was seen to take, as an index; -1 when there is none alive.
func (s State) Current() int {
	cur := -1
	for _, x := range s.Targets {
		switch {
		case x.Forgotten:
		case x.Holds < 0 || s.Tokens[x.Holds].Dead || cur >= 0 && cur != x.Holds:
			return -1
		default:
			cur = x.Holds
		}
	}
	return cur
}

// Untouched reports whether no target can hold anything of this operation: it can still be ended
// without a trace.
func (s State) Untouched() bool {
	return s.may()>>len(s.Old) == 0
}

// abandoned reports whether a person gave every target up.
func (s State) abandoned() bool {
	return !slices.ContainsFunc(s.Targets, func(x TargetState) bool { return !x.Forgotten })
}

// Marker is the description of the token that an attempt makes.
func (s State) Marker(attempt int) string { return s.Plan.Marker(AttemptName(s.Op, attempt)) }
