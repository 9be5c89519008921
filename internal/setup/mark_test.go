package setup_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestMark(t *testing.T) {
	plain := setup.Mark{Setup: "etl-prod", Operation: "ABC.1"}
	held := plain
	held.Held, held.Seals = time.Date(2026, 11, 27, 3, 40, 0, 0, time.UTC), []string{setup.Seal(good().Target(), "7"), setup.Seal(good().Target(), "8")}
	for _, m := range []setup.Mark{plain, held} {
		if got := setup.ParseMark(m.String()); !reflect.DeepEqual(got, m) {
			t.Errorf("%q is read as %+v", m, got)
		}
	}
	other := good().Target()
	other.Address = "acme/other"
	if held.Seals[0] == held.Seals[1] || !setup.SameTarget(held.Seals[0], held.Seals[1]) || setup.SameTarget(held.Seals[0], setup.Seal(other, "7")) {
		t.Error("a seal does not tell writes and targets apart")
	}
	// What is not whole says nothing of targets; what is not ours says nothing at all.
	cut, _, _ := strings.Cut(held.String(), " in=")
	for _, text := range []string{cut, plain.String() + " held=yesterday in=x", plain.String() + " held= in="} {
		if got := setup.ParseMark(text); got.Setup != "etl-prod" || got.Operation != "ABC.1" || !got.Held.IsZero() {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
	for _, text := range []string{"", "x", "astro-ci setup=etl-prod", "astro-ci setup=A b op=1", "my astro-ci setup=etl-prod op=1"} {
		if got := setup.ParseMark(text); !reflect.DeepEqual(got, setup.Mark{}) {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}

// Astro takes 500 characters.
func TestLongestMark(t *testing.T) {
	m := setup.Mark{Setup: strings.Repeat("x", 63), Operation: strings.Repeat("X", 26) + ".24", Held: time.Now()}
	for i := range 31 {
		m.Seals = append(m.Seals, setup.Seal(good().Target(), fmt.Sprint(i)))
	}
	if n := len(m.String()); n > 500 {
		t.Errorf("it has %d characters", n)
	}
}
