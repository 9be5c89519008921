// Package flow turns a set-up into questions. A question is data (a Step); the terminal wizard,
// the line mode and the flag reader are three readers of the same steps, so that none can ask
// what another cannot answer.
//
// The Walk is pure: it holds the answers and computes the plan from them. Loading choices is I/O
// and belongs to the front end, which calls Prepare in its own time.
package flow

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Kind is how a question is answered.
type Kind int

// The kinds of question.
const (
	Select Kind = iota // one of the loaded choices
	Input              // free text, checked by Step.Check
	Secret             // text that is not shown, checked by Step.Check; the answer is Choice.Secret
)

// Choice is one possible answer.
type Choice struct {
	Value       string       // what Apply receives and what a flag may give
	Label       display.Text // what people see
	Note        display.Text // one short remark, shown dimmed
	Recommended bool         // the proposed one; Choices.Note says why
	Rest        bool         // the question that follows asks for the rest of it, each time that it is chosen
	Data        any          // for Apply: what was loaded together with the choice
	Secret      *secret.Value
}

// Hidden is the choice that a secret is; what people see of it is that it was given.
func Hidden(v *secret.Value) Choice {
	return Choice{Value: "given", Label: display.Clean("given, not shown"), Secret: v}
}

// Text is the choice that a text is, as an answer to an Input.
func Text(s string) Choice {
	if s == "" {
		return Choice{Label: display.Clean("none")}
	}
	return Choice{Value: s, Label: display.Clean(s)}
}

// Choices is what a question offers.
type Choices struct {
	Items   []Choice     // for Select
	Default string       // Value of the choice to start on, or the text an Input starts with
	Note    display.Text // why the recommended choice is recommended, or what to know first
	// More reads the next part of Items; nil: these are all. Choosing among a part is fine, but only
	// the whole says that there is nothing else.
	More func(context.Context) (Choices, error)
	// Anew says, in what More returned, that the list changed while it was read: what came before has
	// to be forgotten.
	Anew bool
	// Settled says that nobody has to be asked, as with a quiet question: nothing else was found that would
	// be worth a choice. An explicit question still wants its answer where there is no terminal.
	Settled bool
	// Moot says that there is nothing to ask after all; Apply gets the zero Choice.
	Moot bool
	// Unseen says that the choices could not be looked up: a given answer is taken although it is not among
	// them.
	Unseen bool
}

// Add appends the part that More returned.
func (cs Choices) Add(part Choices) Choices {
	if part.Anew {
		cs.Items = nil
	}
	cs.Items = append(cs.Items, part.Items...)
	cs.More = part.More
	return cs
}

// All reads the rest.
func (cs Choices) All(ctx context.Context) (Choices, error) {
	for cs.More != nil {
		part, err := cs.More(ctx)
		if err != nil {
			return cs, err
		}
		cs = cs.Add(part)
	}
	return cs, nil
}

// Step is one question.
type Step struct {
	ID    string // also the key in astro-ci.yaml
	Name  string // what the answer is called in summaries: "Role"
	Title string // the question
	Help  string // why it matters, one or two sentences
	More  string // for who has not met these words: what the answers mean, in paragraphs; "" where Help says it all
	Kind  Kind
	Flag  string // the same answer on the command line, without dashes
	Env   string // the same answer as an environment variable

	// Words are all the answers there are, where that depends on nothing; nil: it does, or there is no list.
	Words []string

	// Explicit answers are never assumed: without a terminal they must be given, unless there is
	// one choice only. They are the ones that decide rights.
	Explicit bool
	// Quiet questions take their default without being asked; the review can reopen them.
	Quiet bool
	// Optional says that an empty text is an answer.
	Optional bool
	// Needs names the steps whose answers this one builds on. When one of them changes, this
	// answer is forgotten.
	Needs []string

	When  func(setup.Plan) bool                              // nil: always asked
	Ready func(context.Context, setup.Plan) error            // what has to be there before any answer can be taken; nil: nothing
	Load  func(context.Context, setup.Plan) (Choices, error) // nil for an Input without a default
	Check func(string) error                                 // syntax of an Input or Secret, nil: anything
	// Parse reads an answer that was given as text but is none of the choices; nil: there is no such
	// answer to a Select.
	Parse func(context.Context, setup.Plan, string) (Choice, error)
	Apply func(*setup.Plan, Choice) error // the only writer of the plan
	// Says is the answer in summaries, where the label of the choice does not tell it; nil: the label.
	Says func(setup.Plan, Choice) display.Text
	// Lives is how long what is chosen or typed lives; nil: it is no question of time.
	Lives func(string) (time.Duration, bool)
}

// Source says where an answer came from.
type Source int

// The sources of an answer.
const (
	Asked   Source = iota // a person chose it
	Given                 // flag, environment variable or file
	Only                  // there was no other choice
	Default               // nothing was said, and the default is safe
	Moot                  // the question did not arise
)

// String is the source in words, for summaries.
func (s Source) String() string {
	return [...]string{"", "given", "the only one", "default", ""}[s]
}

// Prepared is a question that is ready to be shown, or already answered.
type Prepared struct {
	Step    Step
	Choices Choices
	Answer  *Choice // not nil: no need to ask
	Source  Source  // of Answer
	Refused error   // why a given answer cannot be used; the question is asked then
}

// Prepare loads the choices of a step. given is the answer from a flag, a variable or a file, and
// is empty when there is none. Where ask is false a single choice answers itself, and so does the
// default of a quiet question. An error means that the choices could not be loaded.
func Prepare(ctx context.Context, s Step, p setup.Plan, given string, ask bool) (Prepared, error) {
	out := Prepared{Step: s}
	if s.Ready != nil {
		if err := s.Ready(ctx, p); err != nil {
			return out, err
		}
	}
	load := func() (err error) {
		if s.Load != nil {
			out.Choices, err = s.Load(ctx, p)
		}
		return err
	}
	if s.Kind == Input && given != "" { // it needs no proposal
		c, err := resolve(ctx, s, p, out.Choices, given)
		if err == nil {
			out.Answer, out.Source = &c, Given
			return out, nil
		}
		out.Refused = err
		return out, load()
	}
	if err := load(); err != nil {
		return out, err
	}
	answer := func(c Choice, from Source) (Prepared, error) {
		out.Answer, out.Source = &c, from
		return out, nil
	}
	if out.Choices.Moot {
		return answer(Choice{}, Moot)
	}
	id := given != "" && slices.ContainsFunc(out.Choices.Items, func(c Choice) bool { return c.Value == given })
	if out.Choices.More != nil && !id && (given != "" || len(out.Choices.Items) < 2) {
		var err error
		if out.Choices, err = out.Choices.All(ctx); err != nil {
			return out, err
		}
	}
	if s.Kind == Select && len(out.Choices.Items) == 0 && !out.Choices.Unseen {
		return out, hint.New("nothing to choose for: "+s.Title, "Go back and choose differently.", "")
	}
	switch {
	case given != "":
		c, err := resolve(ctx, s, p, out.Choices, given)
		if err != nil {
			out.Refused = err
			return out, nil
		}
		return answer(c, Given)
	case ask:
	case s.Kind == Select && len(out.Choices.Items) == 1:
		return answer(out.Choices.Items[0], Only)
	case (s.Quiet || out.Choices.Settled) && s.Kind != Secret:
		if c, ok := out.Choices.fallback(s); ok {
			return answer(c, Default)
		}
	}
	return out, nil
}

// fallback is the choice taken when nobody says anything.
func (cs Choices) fallback(s Step) (Choice, bool) {
	if s.Kind != Select {
		return Text(cs.Default), s.Kind == Input && (cs.Default != "" || s.Optional)
	}
	for _, c := range cs.Items {
		if c.Value == cs.Default || cs.Default == "" && c.Recommended {
			return c, true
		}
	}
	return Choice{}, false
}

// resolve finds the choice that text means: the exact value, else the label without regard to
// case, else what the step itself makes of it. A text that fits several choices is refused.
func resolve(ctx context.Context, s Step, p setup.Plan, cs Choices, text string) (Choice, error) {
	if s.Kind == Input {
		if s.Check != nil {
			if err := s.Check(text); err != nil {
				return Choice{}, hint.Wrap(err, fmt.Sprintf("--%s %q", s.Flag, display.Clean(text)), "Give another value.", "")
			}
		}
		return Text(text), nil
	}
	var found []Choice
	for _, c := range cs.Items {
		if c.Value == text {
			return c, nil
		}
		if strings.EqualFold(c.Label.String(), text) {
			found = append(found, c)
		}
	}
	var names []string
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		if s.Parse != nil {
			c, err := s.Parse(ctx, p, text)
			return c, hint.Wrap(err, fmt.Sprintf("--%s %q", s.Flag, display.Clean(text)), "Give another value.", "")
		}
		if cs.Unseen {
			return Text(text), nil
		}
		for _, c := range cs.Items {
			if name := c.Label.String(); len(s.Words) == 0 {
				names = append(names, name)
			} else {
				names = append(names, c.Value)
			}
		}
		if len(names) > 8 && len(s.Words) == 0 {
			names = append(names[:8], fmt.Sprintf("and %d more", len(cs.Items)-8))
		}
		return Choice{}, hint.New(fmt.Sprintf("--%s %q is not among the choices", s.Flag, display.Clean(text)),
			"Choose one of: "+strings.Join(names, ", ")+".", "")
	}
	for _, c := range found {
		names = append(names, c.Value)
	}
	return Choice{}, hint.New(fmt.Sprintf("--%s %q fits %d choices", s.Flag, display.Clean(text), len(found)),
		"Give the id instead, one of: "+strings.Join(names, ", ")+".", "")
}
