package flow

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Unseen lets the questions be answered where something cannot be looked up, for a set-up that somebody
// else carries out: an answer that was given stands as it is, and what is known all the same is offered.
// goOn is told of each failure, perhaps of several at the same time; false ends the walk with it.
func Unseen(steps []Step, goOn func(Step, error) bool) []Step {
	out := make([]Step, len(steps))
	for i, s := range steps {
		out[i] = s
		if ready := s.Ready; ready != nil {
			out[i].Ready = func(ctx context.Context, p setup.Plan) error {
				err := ready(ctx, p)
				if err == nil || ctx.Err() == nil && goOn(s, err) {
					return nil
				}
				return err
			}
		}
		if load := s.Load; load != nil {
			out[i].Load = func(ctx context.Context, p setup.Plan) (Choices, error) {
				cs, err := load(ctx, p)
				if err == nil || ctx.Err() != nil || !goOn(s, err) {
					return cs, err
				}
				cs.Unseen, cs.More = true, nil
				return cs, nil
			}
		}
	}
	return out
}
