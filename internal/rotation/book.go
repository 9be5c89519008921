package rotation

import (
	"encoding/json"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
)

// Log keeps records; one is durable when Append returns.
type Log interface{ Append(record any) error }

// Book is a journal and what it says. A nil Book keeps nothing.
type Book struct {
	log   Log
	now   func() time.Time
	state State
}

// NewBook reads what a journal holds; further records go to log.
func NewBook(raw []json.RawMessage, log Log, now func() time.Time) (*Book, error) {
	records, err := Decode(raw)
	return &Book{log, now, Fold(records)}, err
}

// Decode reads the records of a journal.
func Decode(raw []json.RawMessage) ([]Record, error) {
	out := make([]Record, len(raw))
	for i, r := range raw {
		if err := json.Unmarshal(r, &out[i]); err != nil || !fits(out[:i+1]) {
			return nil, hint.New("a journal holds what this version of astro-ci does not know", "Use the version that wrote it, or a newer one.", "")
		}
	}
	return out, nil
}

// What a record has to name.
const (
	begins = 1 << iota
	aToken
	aTarget
)

var abouts = map[RecordKind]int{
	RecPlanned: begins, RecIntent: 0, RecRefused: 0, RecCreated: 0, RecWriting: aToken | aTarget, RecWritten: aToken | aTarget, RecChanged: aTarget, RecVerified: aToken,
	RecDead: aToken, RecDeleting: aToken, RecDeleted: aToken, RecForgot: aTarget, RecAborting: 0, RecAborted: 0, RecDone: aToken, RecRemoved: 0,
}

// fits reports whether the last record can follow those before it.
func fits(records []Record) bool {
	r := records[len(records)-1]
	s := Fold(records[:len(records)-1])
	about, known := abouts[r.Kind]
	return known && (about&begins == 0 || r.Begin != nil && len(r.Begin.Old) < 32 && len(r.Begin.Plan.Targets) < 32) &&
		(about&aTarget == 0 || r.Target >= 0 && r.Target < len(s.Targets)) && (about&aToken == 0 || s.Knows(r.Token))
}

// State is what the journal says; of a nil Book, the empty one.
func (b *Book) State() State {
	if b == nil {
		return State{}
	}
	return b.state
}

// Begin starts an operation.
func (b *Book) Begin(begin Begin) error {
	if b != nil && b.state.Active() {
		return hint.New("an operation on "+begin.Plan.Name+" is not finished", "Finish it first: astro-ci resume "+begin.Plan.Name, "")
	}
	return b.Record(Record{Kind: RecPlanned, Begin: &begin})
}

// Record makes records durable, one after the other.
func (b *Book) Record(records ...Record) error {
	if b == nil {
		return nil
	}
	for _, r := range records {
		r.At = b.now().UTC()
		if err := b.log.Append(r); err != nil {
			return err
		}
		b.state = b.state.With(r)
	}
	return nil
}

// Announce returns a function that records r once more when that is some time ago: a computer may sleep
// between a record and the request that it announces, and a service may ask for a pause between two tries.
func (b *Book) Announce(r Record) func() error {
	if b == nil {
		return func() error { return nil }
	}
	at := b.now()
	return func() error {
		if now := b.now(); now.Sub(at) > time.Second {
			at = now
			return b.Record(r)
		}
		return nil
	}
}
