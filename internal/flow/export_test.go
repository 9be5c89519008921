package flow

import "context"

// FillInTurn is Fill with nothing looked up or answered before its turn.
func FillInTurn(ctx context.Context, w *Walk) error {
	f := newFiller(ctx, w)
	defer f.early.end()
	for len(f.early.todo) > 0 {
		if err := f.step(f.early.todo[0], true); err != nil {
			return err
		}
	}
	return f.over()
}
