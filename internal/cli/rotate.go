package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/report"
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

// times are how long requests without an answer are waited for, and how young a token of an operation
// that this computer does not know has to be for somebody to be at work on the same setup: half an hour.
func (a *app) times() (quiet, busy time.Duration) {
	quiet = a.quiet
	if a.sandbox {
		quiet = min(quiet, sandboxQuiet)
	}
	return quiet, 15 * quiet
}

// rotateFlags are the flags of rotate and resume.
type rotateFlags struct {
	due, leaked, wait, abort bool
	drain                    time.Duration
	confirm, secretName      string
	forget, add              []string
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
	fl.DurationVar(&f.drain, "drain", 0, drains)
	targets := a.targetsCommand(func() rotateFlags { return f })
	for _, c := range append(targets.Commands(), rotate, resume) {
		if c.Name() == "remove" {
			continue
		}
		if c.Name() == "add" {
			c.Flags().DurationVar(&f.drain, "drain", 0, drains)
		}
		c.Flags().BoolVar(&f.wait, "wait", false, "stay until it is finished")
		c.Flags().StringVar(&f.at.organization, "organization", "", "Organization, by name or id [ASTRO_CI_ORGANIZATION]")
	}
	return []*cobra.Command{rotate, resume, targets}
}

// outcome is what became of one setup.
type outcome struct {
	Setup     string     `json:"setup"`
	State     string     `json:"state"` // done, waiting, failed, aborted, not due
	Token     string     `json:"token,omitempty"`
	ExpiresAt *time.Time `json:"expiresAt,omitempty"`
	Until     *time.Time `json:"until,omitempty"` // of waiting
	Why       string     `json:"why,omitempty"`
	Error     string     `json:"error,omitempty"`
	Resume    string     `json:"resume,omitempty"` // the command that goes on
	Targets   []written  `json:"targets,omitempty"`
	err       error
}

func (a *app) rotate(ctx context.Context, f rotateFlags, names []string) (err error) {
	if a.guided(f) {
		return a.rotateByAsking(ctx, f, names, false)
	}
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	all, err := w.candidates(ctx, f, names)
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
				return hint.New("the setup "+c.name+" was begun and is not finished", "Finish it first: astro-ci resume "+c.name, "")
			}
			if c.plan, err = withTargets(c.plan, f.add); err != nil {
				return err
			}
		}
		todo = append(todo, c)
	}
	if len(todo) > 1 && !f.due && len(names) == 0 {
		return &flow.MissingError{Items: []flow.Missing{{Step: flow.Step{ID: "setup", Flag: "due", Name: "which setup: name it, or give --due; there are " + words(todo)}}}}
	}
	if err := a.agree(ctx, f, todo, a.drain(f)); err != nil || a.dryRun {
		return err
	}
	for _, c := range todo {
		out = append(out, w.work(ctx, f, c, func(b *rotation.Book, d *rotation.Driver) error {
			if d.State().Active() {
				return nil
			}
			if err := w.preflight(ctx, c); err != nil {
				return err
			}
			return b.Begin(a.operation(c, f))
		}))
	}
	return a.outcomes(out)
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

func words(all []candidate) string {
	var names []string
	for _, c := range all {
		names = append(names, c.name)
	}
	return strings.Join(names, ", ")
}

// agree shows what would be done and lets the person confirm it.
func (a *app) agree(ctx context.Context, f rotateFlags, todo []candidate, drain time.Duration) error {
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
				_, _ = fmt.Fprintf(t, "New:\tnone; every target was seen to hold %s on %s\n", c.carried.Held, c.carried.Since.Local().Format("2006-01-02 15:04"))
			} else {
				_, _ = fmt.Fprintf(t, "New:\ta %s for %s, role %s, %d days\n", c.plan.Credential.Kind, c.plan.Entity(), c.plan.Credential.Role, c.plan.Credential.ExpiresInDays)
			}
			for _, x := range c.plan.Targets {
				_, _ = fmt.Fprintf(t, "Target:\t%s\n", x)
			}
			for _, x := range c.old {
				if c.sweeps() && x.ID == c.carried.Held {
					continue
				}
				last := "never used"
				if !x.LastUsedAt.IsZero() {
					last = "last used " + x.LastUsedAt.Local().Format("2006-01-02 15:04")
				}
				_, _ = fmt.Fprintf(t, "Old:\t%s, %s\n", x.ID, last)
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
		return unconfirmedError{hint.New("a rotation needs a confirmation", "Add --yes.", "")}
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
		return usageError{hint.New("--confirm says another name than "+name, "Give --confirm "+name+", or look at it first with --dry-run.", "")}
	case !a.tty && !lines || a.noInput:
		return unconfirmedError{hint.New("what this does to "+name+" needs a confirmation", "Give --confirm "+name+", or look at it first with --dry-run.", "")}
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

// work opens the journal of a setup and goes on as far as it goes.
func (w *world) work(ctx context.Context, f rotateFlags, c candidate, before func(*rotation.Book, *rotation.Driver) error) (out outcome) {
	see, last := func(rotation.Event) {}, map[int]rotation.Event{}
	show := func(engine.Event) {}
	if !c.quiet {
		see, show = w.app.seen(), w.app.show
	}
	d, err := w.driver(ctx, c, func(ev rotation.Event) {
		if ev.Ended && ev.Act.Kind == rotation.Write {
			last[ev.Act.Target] = ev
		}
		see(ev)
	})
	defer func() {
		if d != nil && d.State().Op != "" {
			out.Targets = targetsOf(d.State(), last)
		}
	}()
	if err == nil {
		err = before(d.Book, d)
	}
	if err != nil {
		return w.failed(c.name, err)
	}
	var halt rotation.Halt
	if f.abort {
		halt = d.Abort(ctx)
	} else {
		halt = d.Go(ctx)
	}
	for halt.Act.Kind == rotation.Wait && (f.wait || w.app.sandbox || halt.Act.Why == rotation.Settling) {
		pause := w.app.wait
		if c.quiet {
			pause = quietly
		}
		if err := pause(ctx, halt.Act); err != nil {
			return w.failed(c.name, err)
		}
		halt = d.Go(ctx)
	}
	return w.halted(ctx, c, halt, show)
}

// driver opens the journal of a setup and the stores of its plan: of the one that an unfinished operation began
// with, which the file that lists the setups may no longer say.
func (w *world) driver(ctx context.Context, c candidate, see func(rotation.Event)) (*rotation.Driver, error) {
	b, err := w.openBook(c.name)
	if err != nil {
		return nil, err
	}
	plan := c.plan
	if s := b.State(); s.Active() {
		plan = s.Plan
	}
	stores, err := w.stores(ctx, plan)
	if err != nil {
		return nil, err
	}
	return rotation.New(b, rotation.Deps{Issuer: w.astro, Stores: stores, Now: time.Now, Live: w.app.redactor.Add, See: see}), nil
}

// failed is what became of a setup that an error stopped.
func (w *world) failed(name string, err error) outcome {
	out := outcome{Setup: name, State: "failed", err: err, Error: hint.Of(err).Error()}
	if b := w.book(name); b != nil && b.State().Active() {
		out.Resume = w.app.again("resume " + name)
	}
	return out
}

// halted is what became of a setup whose operation does not go on by itself. A set-up gets its files.
func (w *world) halted(ctx context.Context, c candidate, halt rotation.Halt, show func(engine.Event)) outcome {
	out := outcome{Setup: c.name}
	switch {
	case halt.Act.Kind == rotation.Wait:
		out.State, out.Until, out.Why, out.Resume = "waiting", &halt.Act.Until, waiting(halt.Act), w.app.again("resume "+c.name)
		return out
	case halt.Err != nil:
		return w.failed(c.name, halt.Err)
	case halt.Ended == rotation.RecAborted:
		out.State = "aborted"
		return out
	}
	state := w.book(c.name).State()
	out.State, out.Token = "done", state.Last
	if t, err := w.astro.Token(ctx, c.plan.Organization.ID, out.Token); err == nil && !t.EndAt.IsZero() {
		out.ExpiresAt = &t.EndAt
	}
	if state.Mode == rotation.FirstSetup {
		if err := w.rest(ctx, c.plan, show); err != nil {
			return w.failed(c.name, err)
		}
	}
	return out
}

func waiting(act rotation.Act) string {
	at := act.Until.Local().Format("2006-01-02 15:04:05")
	switch act.Why {
	case rotation.Draining:
		return "runs may still use the old token; it is deleted after " + at
	case rotation.InUse:
		return "the old token is still being used; it is deleted once it was not used until " + at
	case rotation.Settling, rotation.Broken, rotation.TooMany:
	}
	return "a request may still have an effect; going on at " + at
}

// seen tells about acts that ended. A look that finds what the last one found is not told again.
func (a *app) seen() func(rotation.Event) {
	last := map[string]string{}
	return func(ev rotation.Event) {
		if a.json != "" || !ev.Ended {
			return
		}
		said := "done: " + ev.Say
		if ev.Err != nil {
			said = "failed: " + ev.Say
		} else if ev.Detail != "" {
			said += ", " + ev.Detail
		}
		looks := ev.Act.Kind == rotation.Verify || ev.Act.Kind == rotation.List
		if !looks || last[ev.Say] != said {
			a.tell("%s", said)
		}
		last[ev.Say] = said
	}
}

// quietly waits for the time of an act.
func quietly(ctx context.Context, act rotation.Act) error {
	if providers.Pause(ctx, time.Until(act.Until)) != nil {
		return context.Cause(ctx)
	}
	return nil
}

// wait waits for the time of an act. On a terminal a line counts down.
func (a *app) wait(ctx context.Context, act rotation.Act) error {
	a.tell("%s", waiting(act))
	var err error
	if a.fullScreen() {
		err = a.countdown(ctx, act.Until, func(left string) string { return left + " left; Ctrl-C leaves, astro-ci resume goes on" })
	} else {
		err = providers.Pause(ctx, time.Until(act.Until))
	}
	if err != nil {
		return context.Cause(ctx)
	}
	return nil
}

// rest writes the files of a set-up that was broken off, and sets up what renews its token where that is
// missing.
func (w *world) rest(ctx context.Context, p setup.Plan, show func(engine.Event)) error {
	platform, err := w.openAt(ctx, p.Platform, p.Repository.Host)
	if err != nil {
		return err
	}
	stores, err := w.stores(ctx, p)
	if err != nil {
		return err
	}
	d := engine.Deps{
		Issuer: w.astro, Stores: stores, Files: w.files, NewID: rand.Text, Live: w.app.redactor.Add, Quiet: w.app.quiet, Note: w.note(p),
	}
	actions, _, err := engine.Rest(p, platform, d)
	if err == nil {
		err = engine.Tell(engine.NewRun(actions).Go(ctx), show)
	}
	if err != nil || p.SelfRotation.IsZero() {
		return err
	}
	all, err := w.astro.TokensAt(ctx, engine.Renewal(p, platform).Setup)
	if err != nil || !w.bare(p, all) {
		return err
	}
	p.SelfRotation.Login, d.Book = w.platformLogin, w.openBook
	if actions, _, err = engine.Renew(p, platform, d); err != nil {
		return hint.And(err, "Then go on with: "+w.app.again("apply "+p.Name))
	}
	return engine.Tell(engine.NewRun(actions).Go(ctx), show)
}

// bare reports whether what renews a setup's token still has to be set up. all are the tokens for its place. Of a
// reminder that is not known: it has no token, and is written again.
func (w *world) bare(p setup.Plan, all []astro.Token) bool {
	if !p.SelfRotation.Every.Rotates() {
		return p.SelfRotation.Every == setup.Reminder
	}
	name := setup.RenewalName(p.Name)
	dir, err := w.app.journalDir()
	if err == nil {
		if s, err := read(dir, name); err == nil && (s.Active() || s.Last != "") {
			return false
		}
	}
	return !slices.ContainsFunc(all, func(t astro.Token) bool {
		return setup.ParseMark(t.Description.String()).Setup == name && !t.Expired(time.Now())
	})
}

// preflight asks, before a token exists, whether it can be made and stored, and whether somebody else is
// at work.
func (w *world) preflight(ctx context.Context, c candidate) error {
	_, busy := w.app.times()
	if t := c.working(time.Now(), busy); t.ID != "" {
		return hint.New("somebody else works on "+c.name+": the token "+t.ID+" was made "+short(time.Since(t.CreatedAt))+" ago, and not from here",
			"Wait until they are done, or for "+short(busy)+" if they broke off. What they made is not touched.", "")
	}
	if _, err := w.astro.CheckCreate(ctx, c.plan); err != nil {
		return err
	}
	stores, err := w.stores(ctx, c.plan)
	if err != nil {
		return err
	}
	for _, t := range c.plan.Targets {
		if _, err := stores[t.Store].Check(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// outcomes prints what became of the setups; something that remains is no success.
func (a *app) outcomes(out []outcome) error {
	var failed error
	remains := false
	for _, o := range out {
		failed = errors.Join(failed, o.err)
		remains = remains || o.Resume != ""
	}
	if a.json != "" {
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		if err := e.Encode(append([]outcome{}, out...)); err != nil {
			return err
		}
	} else {
		for _, o := range out {
			a.outcome(o)
		}
	}
	switch {
	case failed != nil:
		if a.json == "" || len(out) > 0 {
			for _, o := range out {
				if o.err != nil {
					report.Error(a.err, o.err)
				}
			}
		}
		if remains && !errors.Is(failed, context.Canceled) {
			failed = partError{failed}
		}
		return errors.Join(errShown, failed)
	case remains:
		return errors.Join(errShown, partError{errors.New("it is not finished")})
	}
	return nil
}

func (a *app) outcome(o outcome) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(a.out, format+"\n", args...) }
	switch o.State {
	case "done":
		end := ""
		if o.ExpiresAt != nil {
			end = ", until " + o.ExpiresAt.Format(time.DateOnly)
		}
		say("%s is done: every target holds the token %s%s, and it is the only one.", o.Setup, o.Token, end)
	case "waiting":
		say("%s: %s.", o.Setup, o.Why)
	case "aborted":
		say("%s is taken back; nothing of it is left.", o.Setup)
	case "not due":
		say("%s is not due: %s.", o.Setup, o.Why)
	case "failed":
		say("%s is not finished.", o.Setup)
	}
	if o.Resume != "" {
		say("Go on with: %s", o.Resume)
	}
}
