// Package line leads a person through a session with plain numbered questions, for screen readers,
// simple terminals and serial lines.
//
// Its rules: every line is printed once and never redrawn; no escape codes; the default is said in
// words; the end of the input is an error, never an answer; `b` goes back everywhere.
package line

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// Options are the streams to talk on.
type Options struct {
	In  io.Reader
	Out io.Writer
}

// pageSize is how many choices are listed at once.
const pageSize = 20

// errLeave says that the person asked to leave.
var errLeave = errors.New("left by the person")

// Run leads through the session. It returns an error when the session could not start or the input
// ended; a person who leaves is no error.
func Run(ctx context.Context, s ui.Session, o Options) (ui.Outcome, error) {
	t := &talk{ctx: ctx, out: o.Out, lines: make(chan string), ended: make(chan error, 1)}
	go t.read(o.In)
	out, err := t.session(s)
	if errors.Is(err, errLeave) {
		return out, nil
	}
	return out, err
}

// talk is one conversation.
type talk struct {
	ctx   context.Context
	out   io.Writer
	lines chan string
	ended chan error
}

// read hands lines over one by one. It may stay blocked in a read after the conversation ended;
// the process ends soon after.
func (t *talk) read(in io.Reader) {
	r := bufio.NewReader(in)
	for {
		text, err := r.ReadString('\n')
		if err != nil && text == "" {
			t.ended <- err
			return
		}
		select {
		case t.lines <- strings.TrimRight(text, "\r\n"):
		case <-t.ctx.Done():
			return
		}
	}
}

func (t *talk) say(format string, args ...any) { _, _ = fmt.Fprintf(t.out, format+"\n", args...) }

// ask prints a prompt and waits for a line.
func (t *talk) ask(prompt string) (string, error) {
	_, _ = fmt.Fprint(t.out, prompt+" ")
	select {
	case text := <-t.lines:
		text = strings.TrimSpace(text)
		if text == "q" {
			return "", errLeave
		}
		return text, nil
	case <-t.ended:
		t.say("")
		return "", hint.New("the input ended before all questions were answered",
			"Answer on a terminal, or give every answer as a flag.", "")
	case <-t.ctx.Done():
		t.say("")
		return "", t.ctx.Err()
	}
}

// again shows an error and asks whether to try again; false means to go back.
func (t *talk) again(err error) (bool, error) {
	report.Error(t.out, err)
	for {
		text, err := t.ask("Type r to try again, b to go back, q to leave:")
		switch {
		case err != nil:
			return false, err
		case text == "r" || text == "b":
			return text == "r", nil
		}
	}
}

func (t *talk) session(s ui.Session) (ui.Outcome, error) {
	t.say("astro-ci. %s.", s.Title)
	if s.Sandbox {
		t.say("This is the sandbox: nothing real is touched.")
	}
	t.say("Type a number, or Enter for the default. b goes back, ? explains, q leaves.")
	t.say("Looking for your log-ins and the repository.")
	facts, err := s.Find(t.ctx)
	if err != nil {
		return ui.Outcome{}, err
	}
	for _, f := range facts {
		t.say("%s: %s.", f.Name, f.Value)
	}
	w := s.Walk()
	for {
		if err := t.questions(w); err != nil {
			return ui.Outcome{}, err
		}
		out, done, err := t.review(s, w)
		if done || err != nil {
			return out, err
		}
	}
}

// questions asks until none is open.
func (t *talk) questions(w *flow.Walk) error {
	for {
		step, open := w.Current()
		if !open {
			return nil
		}
		ready, err := w.Prepare(step)(t.ctx)
		if err != nil {
			again, err := t.again(err)
			if err != nil {
				return err
			}
			if !again {
				w.Back()
			}
			continue
		}
		if ready.Answer != nil {
			if err := w.Answer(step, *ready.Answer, ready.Source); err == nil {
				t.say("%s: %s, %s.", step.Name, ready.Answer.Label, ready.Source)
				continue
			} else if ready.Source != flow.Given {
				return err
			}
		}
		if ready.Refused != nil {
			report.Error(t.out, ready.Refused)
		}
		if err := t.question(w, ready); err != nil {
			return err
		}
	}
}

// question asks one question until it has an answer, or the person goes back.
func (t *talk) question(w *flow.Walk, q flow.Prepared) error {
	step := q.Step
	t.say("\nStep %d: %s. %s", number(w, step), step.Name, step.Title)
	if !q.Choices.Note.IsZero() {
		t.say("%s", q.Choices.Note)
	}
	items := q.Choices.Items
	preset := start(w, q)
	if step.Kind == flow.Select {
		t.list(items, preset)
	}
	for {
		text, err := t.ask(prompt(q, items, preset))
		switch {
		case err != nil:
			return err
		case text == "?":
			t.say("%s", step.Help)
			if step.Kind == flow.Input {
				t.say("To answer with a single letter that is a command here, write = before it.")
			}
			continue
		case text == "b":
			if !w.Back() {
				t.say("This is the first question.")
				continue
			}
			return nil
		}
		choice, ok := t.choose(q, items, preset, strings.TrimPrefix(text, "="))
		if !ok {
			if step.Kind == flow.Select && len(q.Choices.Items) > pageSize && text != "" {
				items = t.search(q.Choices.Items, text)
			}
			continue
		}
		if err := w.Answer(step, choice, flow.Asked); err != nil {
			report.Error(t.out, err)
			continue
		}
		return nil
	}
}

// number is the place of a step among those that apply.
func number(w *flow.Walk, step flow.Step) int {
	n := 0
	for _, s := range w.Steps() {
		if w.Applies(s) {
			n++
		}
		if s.ID == step.ID {
			break
		}
	}
	return n
}

// start is the value that Enter takes: the last answer, the default, or the recommended choice.
func start(w *flow.Walk, q flow.Prepared) string {
	if last := w.Last(q.Step.ID); last != "" && (q.Step.Kind == flow.Input || slices.ContainsFunc(q.Choices.Items, func(c flow.Choice) bool { return c.Value == last })) {
		return last
	}
	if q.Choices.Default != "" {
		return q.Choices.Default
	}
	for _, c := range q.Choices.Items {
		if c.Recommended {
			return c.Value
		}
	}
	return ""
}

func (t *talk) list(items []flow.Choice, preset string) {
	for i, c := range items {
		if i == pageSize {
			t.say("and %d more. Type part of a name to find it.", len(items)-pageSize)
			break
		}
		line := fmt.Sprintf("%d: %s", i+1, c.Label)
		if !c.Note.IsZero() {
			line += ", " + c.Note.String()
		}
		if c.Recommended {
			line += ", recommended"
		}
		if c.Value == preset {
			line += ", default"
		}
		t.say("%s", line)
	}
}

func prompt(q flow.Prepared, items []flow.Choice, preset string) string {
	if q.Step.Kind == flow.Input {
		if preset != "" {
			return fmt.Sprintf("Type the answer, or Enter for %s:", preset)
		}
		return "Type the answer:"
	}
	for i, c := range items {
		if c.Value == preset {
			return fmt.Sprintf("Type 1 to %d, or Enter for %d, %s:", len(items), i+1, c.Label)
		}
	}
	return fmt.Sprintf("Type 1 to %d:", len(items))
}

// choose turns what was typed into a choice.
func (t *talk) choose(q flow.Prepared, items []flow.Choice, preset, text string) (flow.Choice, bool) {
	if text == "" {
		text = preset
		if q.Step.Kind == flow.Select {
			for _, c := range items {
				if c.Value == preset && preset != "" {
					return c, true
				}
			}
			t.say("Please type a number.")
			return flow.Choice{}, false
		}
	}
	if q.Step.Kind == flow.Input {
		if q.Step.Check != nil {
			if err := q.Step.Check(text); err != nil {
				t.say("That does not fit: %v.", err)
				return flow.Choice{}, false
			}
		}
		return flow.Text(text), true
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 1 && n <= len(items) {
		return items[n-1], true
	}
	if len(q.Choices.Items) <= pageSize {
		t.say("Please type a number from 1 to %d.", len(items))
	}
	return flow.Choice{}, false
}

// search lists the choices whose label holds text.
func (t *talk) search(all []flow.Choice, text string) []flow.Choice {
	var found []flow.Choice
	for _, c := range all {
		if strings.Contains(strings.ToLower(c.Label.String()), strings.ToLower(text)) {
			found = append(found, c)
		}
	}
	if len(found) == 0 {
		t.say("No name holds %q. All of them again:", text)
		found = all
	}
	t.list(found, "")
	return found
}

// review shows everything and asks for the word yes. done is false when an answer was reopened.
func (t *talk) review(s ui.Session, w *flow.Walk) (out ui.Outcome, done bool, err error) {
	t.say("\nChecking every right before anything is created.")
	r, err := s.Review(t.ctx, w.Plan())
	if err != nil {
		again, err := t.again(err)
		if err == nil && !again {
			w.Back()
		}
		return out, false, err
	}
	out.Review = &r
	t.say("\nReview. These are the answers:")
	answers := w.Answers()
	for i, a := range answers {
		t.say("%d: %s: %s", i+1, a.Step.Name, a.Choice.Label)
	}
	t.say("This will be done, in this order:")
	for i, a := range r.Actions {
		t.say("%d: %s", i+1, a.Say)
	}
	for _, n := range r.Warnings {
		t.say("Note: %s", n)
	}
	t.say("The pipeline file %s: %s.", r.Change.Path, r.Change.Summary())
	for {
		text, err := t.ask("Type yes to do it, a number to change that answer, d to see the file, b to go back:")
		n, notNumber := strconv.Atoi(text)
		switch {
		case err != nil:
			return out, true, err
		case text == "yes":
			out.Confirmed = true
			out.Err, err = t.run(r)
			return out, true, err
		case text == "d":
			t.say("%s", strings.TrimRight(r.Change.Diff(), "\n"))
		case text == "b":
			w.Back()
			return out, false, nil
		case notNumber == nil && n >= 1 && n <= len(answers):
			w.Reopen(answers[n-1].Step.ID)
			return out, false, nil
		default:
			t.say("Nothing is done without the word yes.")
		}
	}
}

// run performs the actions; failed is what the person left standing.
func (t *talk) run(r ui.Review) (failed, err error) {
	for {
		failed = engine.Tell(r.Run.Go(t.ctx), t.progress(len(r.Actions)))
		if failed == nil {
			t.say("\nDone.")
			report.Result(t.out, r.Result, r.Next())
			return nil, nil
		}
		report.Error(t.out, failed)
		left := r.Run.Left()
		if len(left) > 0 {
			t.say("This may stand now:")
			for _, a := range left {
				t.say("- %s", a.Say)
			}
		}
		text, err := t.ask("Type 1 to try again, 2 to take back what was made, 3 to leave it as it is:")
		if errors.Is(err, errLeave) || text == "3" {
			return failed, nil
		}
		if err != nil {
			return failed, err
		}
		if text == "2" {
			if undo := engine.Tell(r.Run.Undo(t.ctx), t.progress(0)); undo != nil {
				report.Error(t.out, undo)
				continue
			}
			t.say("Everything was taken back.")
			return failed, nil
		}
	}
}

// progress says one line for each action that ended. total is 0 while taking back.
func (t *talk) progress(total int) func(engine.Event) {
	n := 0
	return func(ev engine.Event) {
		if ev.State == engine.Started {
			n++
			return
		}
		say, state := ev.Action.Say, string(ev.State)
		if total == 0 {
			say = ev.Action.UndoSays
		} else {
			state = fmt.Sprintf("%d of %d, %s", n, total, state)
		}
		if ev.Detail != "" {
			say += ", " + ev.Detail
		}
		t.say("%s: %s.", state, say)
	}
}
