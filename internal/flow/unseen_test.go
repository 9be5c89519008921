package flow_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Where the choices cannot be looked up a given answer stands, a default that needs no look holds, and what
// was not given is missing. Elsewhere nothing changes.
func TestUnseen(t *testing.T) {
	t.Parallel()
	gone := errors.New("gone")
	put := func(into func(*setup.Plan) *string) func(*setup.Plan, flow.Choice) error {
		return func(p *setup.Plan, c flow.Choice) error { *into(p) = c.Value; return nil }
	}
	fails := func(cs flow.Choices) func(context.Context, setup.Plan) (flow.Choices, error) {
		return func(context.Context, setup.Plan) (flow.Choices, error) { return cs, gone }
	}
	steps := []flow.Step{
		{ID: "workspace", Explicit: true, Flag: "workspace", Load: fails(flow.Choices{}), Apply: put(func(p *setup.Plan) *string { return &p.Workspace.ID })},
		{ID: "branch", Kind: flow.Input, Flag: "branch", Load: fails(flow.Choices{Default: "main"}), Apply: put(func(p *setup.Plan) *string { return &p.Pipeline.Branch })},
		{ID: "ready", Kind: flow.Input, Flag: "ready", Ready: func(context.Context, setup.Plan) error { return gone }, Apply: put(func(p *setup.Plan) *string { return &p.Pipeline.Reader.Role })},
		{ID: "platform", Flag: "platform", Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			return flow.Choices{Items: []flow.Choice{flow.Text("github"), flow.Text("gitlab")}}, nil
		}, Apply: put(func(p *setup.Plan) *string { return &p.Platform })},
	}
	fill := func(stop string, given map[string]string) (setup.Plan, []string, error) {
		var mu sync.Mutex
		var told []string
		w := flow.NewWalk(setup.Plan{}, flow.Unseen(steps, func(s flow.Step, err error) bool {
			if !errors.Is(err, gone) {
				t.Errorf("%s: %v", s.ID, err)
			}
			mu.Lock()
			defer mu.Unlock()
			told = append(told, s.ID)
			return s.ID != stop
		}), given)
		err := flow.Fill(t.Context(), w)
		slices.Sort(told)
		return w.Plan(), slices.Compact(told), err
	}
	p, told, err := fill("", map[string]string{"workspace": "w1", "ready": "me", "platform": "gitlab"})
	if err != nil || p.Workspace.ID != "w1" || p.Pipeline.Branch != "main" || p.Pipeline.Reader.Role != "me" || !slices.Equal(told, []string{"branch", "ready", "workspace"}) {
		t.Errorf("%+v, told of %q: %v", p, told, err)
	}
	var missing *flow.MissingError
	if _, _, err := fill("", map[string]string{"ready": "me", "platform": "nope"}); !errors.As(err, &missing) || len(missing.Items) != 2 || missing.Items[0].Step.ID != "workspace" || missing.Items[1].Problem == nil {
		t.Errorf("what is missing and what is wrong: %v", err)
	}
	for _, stop := range []string{"workspace", "ready"} {
		if _, _, err := fill(stop, map[string]string{"workspace": "w1", "ready": "me", "platform": "gitlab"}); !errors.Is(err, gone) {
			t.Errorf("stopped at %s: %v", stop, err)
		}
	}
}
