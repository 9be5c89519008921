package rotation

import (
	"slices"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// The course says what is done and what is to come, with the old token's end before or after the others.
func TestCourse(t *testing.T) {
	t.Parallel()
	begin := Begin{Op: "op", Mode: Planned, Plan: setup.Plan{Setup: setup.Setup{Name: "etl", Targets: []setup.Target{{Store: "a"}, {Store: "b"}}}}, Old: []string{"old"}}
	records := []Record{{Kind: RecPlanned, Begin: &begin}}
	kinds := func() (all []ActKind, done int) {
		for _, ev := range Course(Fold(records)) {
			all = append(all, ev.Act.Kind)
			if ev.Say == "" {
				t.Errorf("%s has no words", ev.Act.Kind)
			}
			if ev.Ended {
				done++
			}
		}
		return all, done
	}
	planned := []ActKind{Create, Prove, Write, Write, Verify, Verify, List, Mark, Wait, Delete}
	if all, done := kinds(); !slices.Equal(all, planned) || done != 0 {
		t.Errorf("at the beginning: %v, %d done", all, done)
	}
	records = append(records, Record{Kind: RecIntent, Attempt: 1}, Record{Kind: RecCreated, Attempt: 1, Token: "new"},
		Record{Kind: RecWriting, Token: "new"}, Record{Kind: RecWritten, Token: "new"}, Record{Kind: RecForgot, Target: 1})
	if all, done := kinds(); !slices.Equal(all, []ActKind{Create, Prove, Write, Verify, List, Mark, Wait, Delete}) || done != 3 {
		t.Errorf("without the target that was given up: %v, %d done", all, done)
	}
	begin.Mode = Leaked
	records = records[:1]
	if all, done := kinds(); !slices.Equal(all, []ActKind{Delete, Create, Prove, Write, Write, Verify, Verify, List, Mark}) || done != 0 {
		t.Errorf("leaked: %v, %d done", all, done)
	}
	begin.Mode, begin.Old, begin.Carried = Planned, []string{"old", "held"}, &Carried{Held: "held", Since: time.Now()}
	if all, done := kinds(); !slices.Equal(all, []ActKind{Verify, Verify, Wait, Delete}) || done != 0 {
		t.Errorf("with a token that every target holds: %v, %d done", all, done)
	}
	if all := Course(State{}); all != nil {
		t.Errorf("nothing was begun: %v", all)
	}
}
