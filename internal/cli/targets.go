package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

// targetsCommand lists the places in which a setup keeps its secret, and changes them.
func (a *app) targetsCommand(rotate func() rotateFlags) *cobra.Command {
	list := &cobra.Command{
		Use: "targets SETUP", Short: "Show where a setup keeps its secret, or change that", Args: a.oneSetup,
		RunE: func(_ *cobra.Command, args []string) error { return a.targets(args[0]) },
	}
	list.AddCommand(&cobra.Command{
		Use: "add SETUP STORE:ADDRESS...", Short: "Keep the secret in one more place, by a rotation",
		Long: "Nobody has the value of the present token any more, so this is a rotation: a new token is written to every\n" +
			"target, the new one included. STORE:ADDRESS=NAME gives the secret another name there.",
		Example: "  astro-ci targets add etl-prod vault:secret/astro/etl",
		Args:    a.setupAndPlaces(math.MaxInt),
		RunE: func(c *cobra.Command, args []string) error {
			f := rotate()
			f.add = args[1:]
			return a.rotate(c.Context(), f, args[:1])
		},
	}, &cobra.Command{
		Use: "remove SETUP STORE:ADDRESS[/NAME]", Short: "Take the secret out of a place; the token goes on working in the others",
		Args: a.setupAndPlaces(1),
		RunE: func(c *cobra.Command, args []string) error { return a.removeTarget(c.Context(), args[0], args[1]) },
	})
	return list
}

// oneSetup asks for the name of one setup.
func (a *app) oneSetup(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return whichSetup(a.setupNames(cmd, nil), "")
	case 1:
		return nil
	}
	return wrongUse(cmd, "several setups are named; "+cmd.CommandPath()+" takes one")
}

// setupAndPlaces asks for the name of a setup, and for places, at most so many.
func (a *app) setupAndPlaces(most int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return whichSetup(a.setupNames(cmd, nil), "")
		case len(args) == 1:
			return unansweredError{hint.New("it is not said which place is meant", "Give it as STORE:ADDRESS after the name of the setup. See those that it has: astro-ci targets "+args[0], "astro-ci help stores")}
		case len(args)-1 > most:
			return wrongUse(cmd, "several places are named; "+cmd.CommandPath()+" takes one")
		}
		return nil
	}
}

// setupOf is what the journal of a setup says.
func (a *app) setupOf(name string) (rotation.State, error) {
	all, err := a.journals()
	if err != nil {
		return rotation.State{}, err
	}
	for _, k := range all {
		if k.name == name {
			return k.state, k.err
		}
	}
	return rotation.State{}, usageError{hint.New(fmt.Sprintf("this computer knows no setup %q", display.Clean(name)), "astro-ci status lists those that it knows.", "")}
}

func (a *app) targets(name string) error {
	s, err := a.setupOf(name)
	if err != nil {
		return err
	}
	type kept struct {
		Target string `json:"target"`
		Read   bool   `json:"read"` // the pipeline reads it
	}
	out := []kept{}
	p := s.Setup()
	for _, t := range p.Targets {
		out = append(out, kept{t.String(), readHere(p, t)})
	}
	if a.json != "" {
		return json.NewEncoder(a.out).Encode(out)
	}
	for _, x := range out {
		_, _ = fmt.Fprintln(a.out, x.Target+map[bool]string{true: ", the pipeline reads it"}[x.Read])
	}
	return nil
}

// readHere reports whether the plan's pipeline reads the secret from a target.
func readHere(p setup.Plan, t setup.Target) bool {
	return slices.Contains(p.Reads(), t) || p.Fetches() && t == p.Target()
}

// removed tells what became of a target that is taken away.
func (a *app) removed(t setup.Target, state, say string) error {
	if a.json != "" {
		return json.NewEncoder(a.out).Encode(map[string]string{"target": t.String(), "state": state})
	}
	_, err := fmt.Fprintln(a.out, say)
	return err
}

// withTargets adds targets to a plan; each is checked as an answer would be.
func withTargets(p setup.Plan, add []string) (setup.Plan, error) {
	p = p.Clone()
	for _, s := range add {
		t, err := steps.ParseTarget(s, p.Target().Secret)
		if err == nil {
			err = all.CheckTarget(t)
		}
		if err != nil {
			return p, usageError{hint.Wrap(err, "add a target", "Write it like vault:secret/astro/etl.", "")}
		}
		if slices.ContainsFunc(p.Targets, func(o setup.Target) bool { return o.String() == t.String() }) {
			return p, usageError{hint.New(p.Name+" keeps its secret in "+t.String()+" already", "See them all with: astro-ci targets "+p.Name, "")}
		}
		p.Targets = append(p.Targets, t)
	}
	if p.Pipeline.Own && p.Pipeline.CLI.Version == "" { // rebuilt from the marks on Astro: less is known
		return p, nil
	}
	if err := p.Validate(); err != nil {
		return p, usageError{hint.Wrap(err, "add a target", "Correct what is named above.", "")}
	}
	return p, nil
}

// removeTarget takes the secret out of a store, then out of the setup. When it is broken off in between,
// the same command goes on.
func (a *app) removeTarget(ctx context.Context, name, target string) (err error) {
	s, err := a.setupOf(name)
	if err != nil {
		return err
	}
	if s.Active() {
		return a.notFinished(name, s)
	}
	p := s.Setup()
	n, err := targetOf(p, target)
	if err != nil {
		return err
	}
	t := p.Targets[n]
	i := slices.Index(s.Plan.Targets, t)
	if len(p.Targets) == 1 || readHere(p, t) {
		return usageError{hint.New("the pipeline of "+name+" reads "+t.String(), "Set it up anew with another place: astro-ci setup --name "+name+" --target STORE:ADDRESS", "")}
	}
	switch {
	case a.dryRun:
		return a.removed(t, "planned", "The secret "+t.String()+" would be removed. Nothing was touched.")
	case a.yes:
	case !a.tty || a.noInput:
		return unconfirmed("removing a secret")
	default:
		_, _ = fmt.Fprintf(a.err, "Remove the secret %s? What reads it there stops working. Type yes: ", t)
		if answer, err := a.line(ctx); err != nil || strings.TrimSpace(answer) != "yes" {
			_, _ = fmt.Fprintln(a.err, "Nothing was done.")
			return engine.ErrCancelled
		}
	}
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	b, err := w.openBook(name)
	if err != nil {
		return err
	}
	store, err := w.store(ctx, s.Plan, t.Store)
	if err != nil {
		return err
	}
	rm, ok := store.(providers.Remover)
	if !ok {
		return hint.New(store.Info().Name+" takes no secret away", "Remove "+t.String()+" by hand.", store.Info().Docs)
	}
	if err := rm.Remove(ctx, t); err != nil {
		return err
	}
	if err := b.Record(rotation.Record{Kind: rotation.RecForgot, Target: i}); err != nil {
		return err
	}
	p.Targets = slices.DeleteFunc(slices.Clone(p.Targets), func(x setup.Target) bool { return x.String() == t.String() })
	a.unnoted(w.noteNow(ctx, p, a.show))
	return a.removed(t, "removed", "The secret "+t.String()+" is removed. The token goes on working in the other targets.")
}
