package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// usualDrain is how long a run may go on with a token that it has read: the longest time that hosted
// runners give a job. In the sandbox nobody wants to wait.
const (
	usualDrain   = 6 * time.Hour
	sandboxDrain = 5 * time.Second
)

// sandboxQuiet is how long a request of the sandbox without an answer may have an effect: its servers end
// with the program.
const sandboxQuiet = time.Second

// quietTime is how long requests without an answer are waited for.
func (a *app) quietTime() time.Duration {
	if a.sandbox {
		return min(a.quiet, sandboxQuiet)
	}
	return a.quiet
}

// times are how long requests without an answer are waited for, and how young a token of an operation
// that this computer does not know has to be for somebody to be at work on the same setup: half an hour.
func (a *app) times() (quiet, busy time.Duration) {
	return a.quietTime(), 15 * a.quietTime()
}

// rotateFlags are the flags of rotate and resume.
type rotateFlags struct {
	due, leaked, wait, abort bool
	drain                    time.Duration
	confirm, secretName      string
	forget, add              []string
	only                     string // the one setup that rotate was given by its name
	at                       place
}

func (a *app) rotateCommands() []*cobra.Command {
	var f rotateFlags
	rotate := &cobra.Command{
		Use: "rotate [SETUP...]", Short: "Replace the token of a setup without breaking a run",
		Long: "Makes a second token, writes it to every target, proves it, waits until no run can still use the old one,\n" +
			"and only then deletes the old one. At every instant each target holds a token that works, whatever fails.\n" +
			"The waiting takes hours: it can be left at any time, and astro-ci resume goes on. Where the journal is gone, as\n" +
			"on the machines of a scheduled job, the same command goes on from what the tokens on Astro say.",
		Example: "  astro-ci rotate etl-prod\n" +
			"  astro-ci rotate --due --no-input --yes --json",
		RunE: func(c *cobra.Command, args []string) error { return a.rotate(c.Context(), f, args) },
	}
	resume := &cobra.Command{
		Use: "resume [SETUP...]", Short: "Go on with what was broken off",
		Long: "Goes on with every set-up and rotation that is not finished, from what its journal says. It can be called\n" +
			"as often as one likes.",
		RunE: func(c *cobra.Command, args []string) error { return a.resume(c.Context(), f, args) },
	}
	fl := rotate.Flags()
	fl.BoolVar(&f.due, "due", false, "only setups whose token is due: two thirds of its life are over")
	fl.BoolVar(&f.leaked, "leaked", false, "the token is known to others: delete it first; pipelines fail until they have the new one")
	fl.StringVar(&f.confirm, "confirm", "", "name of the setup, to accept an outage without being asked")
	fl.StringVar(&f.secretName, "secret-name", "", "name of the secret, for a setup that neither a journal here nor astro-ci.yaml knows ("+setup.TokenVariable+")")
	resume.Flags().StringSliceVar(&f.forget, "forget-target", nil, "give a target up: what it holds will stop working")
	resume.Flags().StringVar(&f.confirm, "confirm", "", "name of the setup, to give a target up without being asked")
	resume.Flags().BoolVar(&f.abort, "abort", false, "take it back, where no target can hold the new token yet")
	const drains = "how long a run may still use the old token (6h; 5s in the sandbox)"
	fl.Var(span{&f.drain}, "drain", drains)
	targets := a.targetsCommand(func() rotateFlags { return f })
	for _, c := range append(targets.Commands(), rotate, resume) {
		if c.Name() == "remove" {
			continue
		}
		if c.Name() == "add" {
			c.Flags().Var(span{&f.drain}, "drain", drains)
		}
		c.Flags().BoolVar(&f.wait, "wait", false, "stay until it is finished")
		c.Flags().StringVar(&f.at.organization, "organization", "", "Organization, by name or id [ASTRO_CI_ORGANIZATION]")
	}
	return []*cobra.Command{rotate, resume, targets}
}

func (a *app) rotate(ctx context.Context, f rotateFlags, names []string) (err error) {
	if len(names) == 1 {
		f.only = names[0]
	}
	if a.guided(f) {
		return a.rotateByAsking(ctx, f, names, false)
	}
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	all, err := w.candidates(ctx, f, names, f.due)
	if err != nil {
		return err
	}
	var out []outcome
	var todo []candidate
	for _, c := range all {
		if c.err != nil {
			out = append(out, w.failed(c.name, c.err))
			continue
		}
		words, due := rotation.Due(c.token(), time.Now())
		if f.due && !due && !c.state.Active() && !c.unfinished {
			out = append(out, outcome{Setup: c.name, State: "not due", Token: c.token().ID, Why: words})
			continue
		}
		if !c.unfinished || due || f.leaked || len(f.add) > 0 {
			c.anew()
		}
		if len(f.add) > 0 {
			if c.state.Active() {
				return a.notFinished(c.name, c.state)
			}
			if c.plan, err = withTargets(c.plan, f.add); err != nil {
				return err
			}
		}
		todo = append(todo, c)
	}
	if len(todo) > 1 && !f.due && len(names) == 0 {
		return whichSetup(namesOf(todo), "Or give --due, for all whose time has come.")
	}
	switch err := w.agree(ctx, f, todo, a.drain(f)); {
	case err != nil:
		return err
	case a.dryRun:
		return a.outcomes(out)
	}
	return a.outcomes(append(out, w.together(ctx, f, todo, func(c candidate, b *rotation.Book, d *rotation.Driver) error {
		login, err := w.newLogin(ctx, f, c)
		if err == nil {
			err = engine.Tell(engine.NewRun(login).Go(ctx), a.show)
		}
		if err != nil || d.State().Active() {
			return err
		}
		if err := w.preflight(ctx, c); err != nil {
			return err
		}
		if err := b.Begin(a.operation(c, f)); err != nil || len(f.add) == 0 {
			return err
		}
		a.unnoted(w.noteNow(ctx, c.plan, a.show))
		return nil
	})...))
}

// unnoted says why astro-ci.yaml does not name what was done; nil: it does.
func (a *app) unnoted(err error) {
	if err != nil {
		a.tell("note: astro-ci.yaml does not say it: %s", hint.Of(err))
	}
}

// operation describes what is begun on a setup.
func (a *app) operation(c candidate, f rotateFlags) rotation.Begin {
	quiet, _ := a.times()
	b := rotation.Begin{Op: rand.Text(), Mode: rotation.Planned, Plan: c.plan, Quiet: quiet, Drain: a.drain(f), Carried: c.carried}
	if f.leaked {
		b.Mode = rotation.Leaked
	}
	for _, t := range c.old {
		b.Old = append(b.Old, t.ID)
	}
	return b
}

// drain is how long a run may still use the old token.
func (a *app) drain(f rotateFlags) time.Duration {
	if a.sandbox {
		return cmp.Or(f.drain, sandboxDrain)
	}
	return cmp.Or(f.drain, usualDrain)
}

func namesOf(all []candidate) (out []string) {
	for _, c := range all {
		out = append(out, c.name)
	}
	return out
}

// agree shows what would be done and lets the person confirm it.
func (w *world) agree(ctx context.Context, f rotateFlags, todo []candidate, drain time.Duration) error {
	a := w.app
	if len(todo) == 0 {
		return nil
	}
	to := a.err
	if a.dryRun {
		to = a.out
	}
	if a.json == "" {
		t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
		for _, c := range todo {
			what, _ := rotation.Due(c.token(), time.Now())
			switch {
			case c.state.Active():
				what = "it is not finished; it goes on"
			case c.sweeps():
				what = "a rotation was begun elsewhere and is not finished"
			case c.unfinished:
				what = "a rotation elsewhere was broken off: which token is where is not known"
			}
			_, _ = fmt.Fprintf(t, "Setup:\t%s, %s\n", c.name, what)
			if c.sweeps() {
				_, _ = fmt.Fprintf(t, "New:\tnone; every target was seen to hold %s on %s\n", c.carried.Held, display.Minute(c.carried.Since))
			} else {
				_, _ = fmt.Fprintf(t, "New:\ta %s for %s, role %s, %d days\n", c.plan.Credential.Kind, c.plan.Entity(), c.plan.Credential.Role, c.plan.Credential.ExpiresInDays)
			}
			for _, x := range c.plan.Targets {
				_, _ = fmt.Fprintf(t, "Target:\t%s\n", x)
			}
			login, err := w.newLogin(ctx, f, c)
			if err != nil {
				return err
			}
			if len(login) > 0 {
				_, _ = fmt.Fprintf(t, "Log-in:\tanother one for the runs, written to %s\n", c.plan.LoginTarget())
			}
			for _, x := range c.old {
				if c.sweeps() && x.ID == c.carried.Held {
					continue
				}
				_, _ = fmt.Fprintf(t, "Old:\t%s, %s\n", x.ID, ui.LastUsed(x.Used()))
			}
			for _, x := range c.strange {
				_, _ = fmt.Fprintf(t, "Beside:\t%s has the mark of this setup and is none of its own; it is left alone\n", x.ID)
			}
		}
		_ = t.Flush()
		if f.leaked {
			_, _ = fmt.Fprintln(to, "\nThe old token is deleted first. Pipelines that use it fail until they have the new one.")
		} else if slices.ContainsFunc(todo, func(c candidate) bool { return len(c.old) > 0 }) {
			_, _ = fmt.Fprintf(to, "\nThe old token works for %s more, then it is deleted. Until then nothing stops working.\n", short(drain))
		}
	}
	if a.dryRun {
		_, _ = fmt.Fprintln(to, "Nothing was touched.")
		return nil
	}
	if f.leaked {
		for _, c := range todo {
			if err := a.typed(ctx, f.confirm, c.name, "Type the name of the setup to accept the outage"); err != nil {
				return err
			}
		}
		return nil
	}
	if a.yes {
		return nil
	}
	if !a.tty || a.noInput {
		return unconfirmed("a rotation")
	}
	_, _ = fmt.Fprint(a.err, "Begin? Type yes: ")
	if answer, err := a.line(ctx); err != nil || strings.TrimSpace(answer) != "yes" {
		_, _ = fmt.Fprintln(a.err, "Nothing was done.")
		return engine.ErrCancelled
	}
	return nil
}

// typed asks for a name that was not given by a flag.
func (a *app) typed(ctx context.Context, given, name, ask string) error {
	if given == name {
		return nil
	}
	lines := a.frontEnd() == lineMode
	switch {
	case given != "":
		return usageError{hint.New("--confirm says another name than "+name, "Give --confirm "+name+lookFirst, "")}
	case !a.tty && !lines || a.noInput:
		return unansweredError{hint.New("what this does to "+name+" needs a confirmation", "Give --confirm "+name+lookFirst, "")}
	}
	if lines {
		if yes, err := line.Typed(ctx, ask, name, a.lines()); yes || err != nil {
			return err
		}
		_, _ = fmt.Fprintln(a.err, "Nothing was done.")
		return engine.ErrCancelled
	}
	_, _ = fmt.Fprint(a.err, ask+": ")
	if answer, err := a.line(ctx); err != nil || strings.TrimSpace(answer) != name {
		_, _ = fmt.Fprintln(a.err, "Nothing was done.")
		return engine.ErrCancelled
	}
	return nil
}

// short is a duration without zeros at its end.
func short(d time.Duration) string {
	s := d.Round(time.Second).String()
	for _, zero := range []string{"m0s", "h0m"} {
		s = strings.Replace(s, zero, zero[:1], 1)
	}
	return s
}
