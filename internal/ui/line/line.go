// Package line leads a person through the overview, a session or a rotation with plain numbered questions,
// for screen readers, simple terminals and serial lines.
//
// Its rules: every line is printed once and never redrawn; no escape codes and no control characters
// but the line break; the default is said in words; a prompt is "> ". Everywhere q leaves, b goes
// back and ? explains; an answer that is not understood is asked again; the end of the input is an
// error, never an answer; nothing is read beyond the line that was asked for.
package line

import (
	"context"
	"errors"
	"io"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// Options are the streams to talk on.
type Options struct {
	In  io.Reader // answers, one a line
	Out io.Writer // questions and everything else
	// Width is how many cells a line of the terminal has, at the last of which a sentence is folded between
	// words; 0: nothing is folded.
	Width int
}

// Run leads through the session. It returns an error when ctx was cancelled or the input ended
// before the review was confirmed; a person who leaves is no error. After the confirmation the
// outcome says everything.
func Run(ctx context.Context, s ui.Session, o Options) (ui.Outcome, error) {
	c, stop := newConsole(o)
	defer stop()
	t := &talk{console: c, session: s}
	err := t.lead(ctx)
	if errors.Is(err, errLeave) {
		err = nil
	}
	return t.outcome, err
}

// talk is one conversation about one session.
type talk struct {
	*console
	session ui.Session
	walk    *flow.Walk
	outcome ui.Outcome
}

func (t *talk) lead(ctx context.Context) error {
	t.greet(t.session.Title, t.session.Sandbox, "Type an answer and press Enter. b goes back, ? explains, q leaves. Nothing is created before you confirm.")
	if err := t.find(ctx); err != nil {
		return err
	}
	t.walk = t.session.Walk()
	for {
		step, open := t.walk.Current()
		if !open {
			confirmed, err := t.review(ctx)
			if confirmed || err != nil {
				return err
			}
			continue
		}
		if err := t.step(ctx, step); err != nil {
			return err
		}
	}
}

// find looks for what can be found without asking, and says it.
func (t *talk) find(ctx context.Context) error {
	t.say("Looking for your log-ins and the repository.")
	for {
		facts, err := t.session.Find(ctx)
		if err == nil {
			t.facts(facts)
			return nil
		}
		left := t.loadFailed(ctx, err, nil)
		if errors.Is(left, ErrEnded) {
			return err // nobody is there; the cause says more
		}
		if left != nil {
			return left
		}
	}
}

// step brings one question to an answer, or goes back.
func (t *talk) step(ctx context.Context, s flow.Step) error {
	q, err := t.walk.Prepare(s)(ctx)
	if err != nil {
		return t.loadFailed(ctx, err, &s)
	}
	if q.Answer != nil {
		if err = t.walk.Answer(s, *q.Answer, q.Source); err == nil && q.Source == flow.Moot {
			return nil
		}
		if err == nil {
			t.say("%s: %s, %s", s.Name, q.Answer.Label, q.Source)
			return nil
		}
		q.Refused = err
	}
	if q.Refused != nil {
		report.Error(t, q.Refused)
	}
	if q.Choices, err = q.Choices.All(ctx); err != nil {
		return t.loadFailed(ctx, err, &s)
	}
	if s.Kind == flow.Secret {
		return t.hidden(func() error { return t.pose(ctx, q) })
	}
	return t.pose(ctx, q)
}

// pose shows a question and takes its answer.
func (t *talk) pose(ctx context.Context, q flow.Prepared) error {
	t.say("")
	t.say("Question %d: %s", t.walk.Number(), q.Step.Name)
	t.say("%s", q.Step.Title)
	if q.Step.Kind != flow.Select {
		return t.input(ctx, q)
	}
	return t.choice(ctx, q)
}

// loadFailed shows why something could not be loaded and asks what to do; nil means to go on, after
// b with an earlier question: of the one that could not be asked (nil: there was none), what it builds on.
func (t *talk) loadFailed(ctx context.Context, failed error, s *flow.Step) error {
	var earlier func() bool
	if s != nil {
		earlier = func() bool {
			if t.walk.BackTo(*s) || t.walk.Back() {
				return true
			}
			t.say("There is no earlier question.")
			return false
		}
	}
	_, err := t.retry(ctx, failed, earlier)
	return err
}

// back reopens the question before; false, with a word about it, when there is none.
func (t *talk) back() bool {
	if t.walk.Back() {
		return true
	}
	t.say("This is the first question.")
	return false
}
