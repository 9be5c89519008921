package cli

import (
	"cmp"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
)

// written is what became of one target.
type written struct {
	Target string `json:"target"`
	State  string `json:"state"` // done, failed, planned, given up
	Detail string `json:"detail,omitempty"`
}

// targetsOf says what became of each target; last is what was last told about writing it.
func targetsOf(s rotation.State, last map[int]rotation.Event) (out []written) {
	newest := cmp.Or(s.Last, "-")
	if s.Active() && len(s.Tokens) > len(s.Old) {
		newest = s.Tokens[len(s.Tokens)-1].ID
	}
	for i, t := range s.Targets {
		x := written{Target: s.Plan.Targets[i].String(), State: "planned", Detail: last[i].Detail}
		switch {
		case t.Forgotten:
			x.State = "given up"
		case t.Holds >= 0 && s.Tokens[t.Holds].ID == newest:
			x.State = "done"
		case last[i].Err != nil:
			x.State, x.Detail = "failed", hint.Of(last[i].Err).Error()
		}
		out = append(out, x)
	}
	return out
}
