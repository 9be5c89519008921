package flow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// said is what an answered step of a random walk wrote down.
func said(p setup.Plan, id string) string {
	for _, x := range p.NewRole {
		if v, ok := strings.CutPrefix(x, id+"="); ok {
			return v
		}
	}
	return ""
}

// randomSteps are steps that build on each other at random. What they offer follows from what they need, whether
// they apply from any step, also from a later one. pace is how long each look takes.
func randomSteps(r *rand.Rand, pace func() time.Duration) (steps []flow.Step, given map[string]string) {
	given = map[string]string{}
	n := 3 + r.IntN(7)
	for i := range n {
		id := fmt.Sprintf("s%d", i)
		s := flow.Step{ID: id, Flag: id, Explicit: r.IntN(2) == 0, Quiet: r.IntN(3) == 0}
		for j := range i {
			if r.IntN(3) == 0 {
				s.Needs = append(s.Needs, fmt.Sprintf("s%d", j))
			}
		}
		if r.IntN(3) == 0 {
			on, want := fmt.Sprintf("s%d", r.IntN(n)), r.IntN(2) == 0
			s.When = func(p setup.Plan) bool { return (said(p, on) != "") == want }
		}
		kind, takes := r.IntN(10), pace()
		s.Load = func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			time.Sleep(takes)
			own := id
			for _, n := range s.Needs {
				own += "(" + said(p, n) + ")"
			}
			switch kind {
			case 0:
				return flow.Choices{}, errors.New("no look at " + own)
			case 1, 2: // somebody has to say
				return choices(own, "other")(context.Background(), p)
			case 3:
				cs, err := choices(own, "other")(context.Background(), p)
				cs.Default = own
				return cs, err
			case 4:
				return flow.Choices{Moot: true}, nil
			}
			return choices(own)(context.Background(), p)
		}
		switch r.IntN(12) {
		case 0:
			given[id] = "nothing like it"
		case 1, 2:
			given[id] = "other"
		}
		s.Apply = func(p *setup.Plan, c flow.Choice) error {
			if c.Value != "" {
				p.NewRole = append(p.NewRole, id+"="+c.Value)
			}
			return nil
		}
		steps = append(steps, s)
	}
	return steps, given
}

// filled is all that Fill has to say.
func filled(ctx context.Context, fill func(context.Context, *flow.Walk) error, steps []flow.Step, given map[string]string) (out []string) {
	w := flow.NewWalk(setup.Plan{}, steps, given)
	var missing *flow.MissingError
	switch err := fill(ctx, w); {
	case errors.As(err, &missing):
		for _, m := range missing.Items {
			out = append(out, fmt.Sprintf("missing %s %v %d", m.Step.ID, m.Problem, len(m.Choices.Items)))
		}
	case err != nil:
		return []string{err.Error()} // what was answered before is of no use
	}
	for _, a := range w.Answers() {
		out = append(out, a.Step.ID+" "+a.Choice.Value+" "+a.Source.String())
	}
	return append(out, w.Plan().NewRole...)
}

// However long each look takes, what comes out is the same: as if one question had followed the other.
func TestFillDoesNotDependOnWhatIsSlow(t *testing.T) {
	t.Parallel()
	ends := map[string]int{}
	for seed := range uint64(400) {
		random := func(n uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, n)) }
		steps, given := randomSteps(random(0), func() time.Duration { return 0 })
		want := filled(t.Context(), flow.FillInTurn, steps, given)
		for n := range uint64(3) {
			synctest.Test(t, func(t *testing.T) {
				pace := random(n + 1)
				steps, given := randomSteps(random(0), func() time.Duration { return time.Duration(pace.IntN(5)) * time.Second })
				if got := filled(t.Context(), flow.Fill, steps, given); !slices.Equal(got, want) {
					t.Errorf("seed %d, pace %d:\ngot  %q\nwant %q", seed, n, got, want)
				}
			})
		}
		switch {
		case len(want) == 1 && strings.HasPrefix(want[0], "no look"):
			ends["failed"]++
		case len(want) > 0 && strings.HasPrefix(want[0], "missing"):
			ends["missing"]++
		default:
			ends["filled"]++
		}
	}
	for _, end := range []string{"failed", "missing", "filled"} {
		if ends[end] < 20 {
			t.Errorf("only %d of the walks are %s: %v", ends[end], end, ends)
		}
	}
}
