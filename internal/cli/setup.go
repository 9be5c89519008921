package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/report"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

// runSetup is `astro-ci setup`, and astro-ci alone.
func (a *app) runSetup(ctx context.Context) error {
	switch a.setup.onFailure {
	case "keep", "undo":
	default:
		return usageError{hint.New(fmt.Sprintf("--on-failure %q is not known", display.Clean(a.setup.onFailure)), "Use keep or undo.", "")}
	}
	if a.setup.handOver != "" {
		return a.handOver(ctx)
	}
	fe := a.frontEnd()
	if a.yes || a.dryRun || fe == flagsOnly {
		w, err := a.discover(ctx)
		if err != nil {
			if exitCode(err) == exitLogin { // a log-in would not help with what is known to be wrong
				err = cmp.Or(a.misspelled(), err)
			}
			return err
		}
		err = a.setupByFlags(ctx, w)
		var missing *flow.MissingError
		if errors.As(err, &missing) && fe != flagsOnly && !a.dryRun {
			return errors.Join(a.setupByAsking(ctx, fe, w), w.close())
		}
		return errors.Join(err, w.close())
	}
	return a.setupByAsking(ctx, fe, nil)
}

// misspelled are the answers that cannot be used whatever Astro and the platform say.
func (a *app) misspelled() error {
	var out flow.MissingError
	questions := steps.SetUp(steps.Deps{Stores: storeIDs(), CheckTarget: all.CheckTarget})
	given := a.setup.given(a.env, questions)
	for _, s := range questions {
		text := given[s.ID]
		var err error
		switch {
		case text == "":
		case len(s.Words) > 0 && !slices.Contains(s.Words, text):
			err = hint.New(fmt.Sprintf("--%s %q is not among the choices", s.Flag, display.Clean(text)), "Choose one of: "+strings.Join(s.Words, ", ")+".", "")
		case s.Kind == flow.Input && s.Check != nil:
			if err = s.Check(text); err != nil {
				err = fmt.Errorf("--%s %q: %w", s.Flag, display.Clean(text), err)
			}
		}
		if err != nil {
			out.Items = append(out.Items, flow.Missing{Step: s, Problem: err})
		}
	}
	if len(out.Items) == 0 {
		return nil
	}
	return &out
}

// setupByFlags performs the set-up without asking anything.
func (a *app) setupByFlags(ctx context.Context, w *world) error {
	err := flow.Fill(ctx, w.walk)
	var missing *flow.MissingError
	if errors.As(err, &missing) || err == nil && !a.yes && !a.dryRun {
		if missing == nil {
			missing = &flow.MissingError{}
		}
		if !a.yes && !a.dryRun {
			missing.Items = append(missing.Items, flow.Missing{Step: steps.Confirm()})
		}
		return missing
	}
	if exitCode(err) == exitLogin {
		return orHandOver(err)
	}
	if err != nil {
		return err
	}
	r, err := w.review(ctx, w.walk.Plan())
	if denied, ok := errors.AsType[ui.DeniedError](err); ok {
		return orHandOver(denied.Err)
	}
	if err != nil {
		return err
	}
	if a.dryRun {
		if a.json != "" {
			return report.ResultJSON(a.out, r.Result, r.Run.Actions(), nil)
		}
		report.Preview(a.out, r)
		return nil
	}
	if a.json == "" {
		for _, warning := range r.Warnings {
			_, _ = fmt.Fprintln(a.err, "note:", warning)
		}
	}
	r.Run.Trust(r.Checked) // a moment ago
	failed := engine.Tell(r.Run.Go(ctx), a.show)
	if failed != nil && a.setup.onFailure == "undo" && len(r.Run.Left()) > 0 {
		failed = errors.Join(failed, engine.Tell(r.Run.Undo(ctx), a.show))
	}
	return a.result(r, failed)
}

// show tells about one event of a run while it happens.
func (a *app) show(ev engine.Event) {
	switch a.json {
	case "events":
		report.Event(a.out, ev)
	case "":
		report.Progress(a.err, ev)
	}
}

// result prints what came out of a run.
func (a *app) result(r ui.Review, failed error) error {
	if failed != nil && len(r.Run.Left()) > 0 {
		failed = partError{failed}
	}
	if a.json != "" {
		if err := report.ResultJSON(a.out, r.Result, r.Run.Actions(), failed); err != nil {
			return err
		}
		if failed != nil {
			report.Failure(a.err, r, failed)
			return errors.Join(errShown, failed)
		}
		return nil
	}
	if failed != nil {
		report.Failure(a.err, r, failed)
		return errors.Join(errShown, failed)
	}
	report.Result(a.out, r.Result, r.Next())
	return nil
}

// setupByAsking leads a person through the set-up. w may be nil; then it is looked for inside the
// session, so that the person sees what is being looked for.
func (a *app) setupByAsking(ctx context.Context, fe frontEnd, w *world) error {
	owned := w == nil
	command, handed := "", []string(nil) // that hands over what the person may not do, and what was handed over
	s := ui.Session{
		Title: cmp.Or(a.setup.title, "Set up a pipeline"), Then: a.setup.then, From: a.setup.from, Sandbox: a.sandbox,
		Find: func(ctx context.Context) ([]ui.Fact, error) {
			if w == nil {
				found, err := a.discover(ctx)
				if err != nil {
					return nil, err
				}
				w = found
			}
			return append(w.facts, w.pipelines()...), nil
		},
		Walk: func() *flow.Walk { return w.walk },
		Review: func(ctx context.Context, p setup.Plan) (ui.Review, error) {
			r, err := w.review(ctx, p)
			command = ""
			if _, ok := errors.AsType[ui.DeniedError](err); ok {
				command = w.handOverCommand(p)
			}
			return r, err
		},
		HandOver: func(ctx context.Context, p setup.Plan) (files []string, err error) {
			if files, err = w.handOverAnswers(ctx, p); err == nil {
				handed = files
			}
			return files, err
		},
	}
	var out ui.Outcome
	var err error
	if fe == wizard {
		a.inWizard.Store(true)
		out, err = tui.Run(ctx, s, a.screen())
		a.inWizard.Store(false)
	} else {
		out, err = line.Run(ctx, s, a.lines())
	}
	if owned {
		err = errors.Join(err, w.close())
	}
	a.setup.ended = out
	switch {
	case err != nil && !errors.Is(err, context.Canceled):
		if out.Confirmed && out.Review != nil {
			report.Standing(a.err, *out.Review)
		}
		return err
	case !out.Confirmed && len(handed) > 0:
		a.handed(handed)
		return nil
	case !out.Confirmed && out.Back:
		return nil
	case !out.Confirmed:
		_, _ = fmt.Fprintln(a.err, "Nothing was created.")
		if command != "" {
			_, _ = fmt.Fprintln(a.err, "To write down what somebody who may has to do:\n  "+command)
		}
		return engine.ErrCancelled
	case out.Err != nil:
		if fe == wizard { // the line mode has said it already
			report.Failure(a.err, *out.Review, out.Err)
		}
		if len(out.Review.Run.Left()) > 0 {
			return errors.Join(errShown, partError{out.Err})
		}
		return errors.Join(errShown, out.Err)
	}
	if fe == wizard {
		report.Result(a.out, out.Review.Result, out.Review.Next()) // the alternate screen is gone by now
	}
	return nil
}
