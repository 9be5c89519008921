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
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// usualDrain is how long a run may go on with a token that it has read: the longest time that hosted
// runners give a job. In the sandbox nobody wants to wait.
const (
	usualDrain   = 6 * time.Hour
	sandboxDrain = 5 * time.Second
)

// busy is how young a token of an operation that this computer does not know has to be for somebody to be
// at work on the same setup.
const busy = 30 * time.Minute

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
			"The waiting takes hours: it can be left at any time, and astro-ci resume goes on.",
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
	fl.StringVar(&f.secretName, "secret-name", setup.TokenVariable, "name of the secret, for a setup that this computer has no journal of")
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

// candidate is a setup whose token can be replaced.
type candidate struct {
	name  string
	state rotation.State
	plan  setup.Plan
	old   []astro.Token // the newest one last; empty when it is gone
	// strange are tokens with the mark of this setup that this computer's journal does not know.
	strange []astro.Token
}

// token is the one in use; the zero one when it is gone.
func (c candidate) token() (t astro.Token) {
	if n := len(c.old); n > 0 {
		t = c.old[n-1]
	}
	return t
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
		words, due := rotation.Due(c.token(), time.Now())
		if f.due && !due && !c.state.Active() {
			out = append(out, outcome{Setup: c.name, State: "not due", Token: c.token().ID, Why: words})
			continue
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
	drain := a.drain(f)
	mode := rotation.Planned
	if f.leaked {
		mode = rotation.Leaked
	}
	if err := a.agree(ctx, f, todo, drain); err != nil || a.dryRun {
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
			var old []string
			for _, t := range c.old {
				old = append(old, t.ID)
			}
			return b.Begin(rotation.Begin{Op: rand.Text(), Mode: mode, Plan: c.plan, Old: old, Quiet: a.quiet, Drain: drain})
		}))
	}
	return a.outcomes(out)
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
			if c.state.Active() {
				what = "it is not finished; it goes on"
			}
			_, _ = fmt.Fprintf(t, "Setup:\t%s, %s\n", c.name, what)
			_, _ = fmt.Fprintf(t, "New:\ta %s for %s, role %s, %d days\n", c.plan.Credential.Kind, c.plan.Entity(), c.plan.Credential.Role, c.plan.Credential.ExpiresInDays)
			for _, x := range c.plan.Targets {
				_, _ = fmt.Fprintf(t, "Target:\t%s\n", x)
			}
			for _, x := range c.old {
				last := "never used"
				if !x.LastUsedAt.IsZero() {
					last = "last used " + x.LastUsedAt.Local().Format("2006-01-02 15:04")
				}
				_, _ = fmt.Fprintf(t, "Old:\t%s, %s\n", x.ID, last)
			}
			for _, x := range c.strange {
				_, _ = fmt.Fprintf(t, "Beside:\t%s has the mark of this setup and is not in its journal; it is left alone\n", x.ID)
			}
		}
		_ = t.Flush()
		if f.leaked {
			_, _ = fmt.Fprintln(to, "\nThe old token is deleted first. Pipelines that use it fail until they have the new one.")
		} else {
			_, _ = fmt.Fprintf(to, "\nThe old token works for %s more, then it is deleted. Until then nothing stops working.\n", short(drain))
		}
	}
	if a.dryRun {
		_, _ = fmt.Fprintln(to, "Nothing was touched.")
		return nil
	}
	if f.leaked {
		for _, c := range todo {
			if err := a.typed(ctx, f.confirm, c.name, "Type the name of the setup to accept the outage: "); err != nil {
				return err
			}
		}
		return nil
	}
	if a.yes {
		return nil
	}
	if !a.tty || a.noInput {
		return usageError{hint.New("a rotation needs a confirmation", "Add --yes.", "")}
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
	if given != "" || !a.tty || a.noInput {
		return usageError{hint.New("this has consequences for "+name, "Accept them with --confirm "+name+".", "")}
	}
	_, _ = fmt.Fprint(a.err, ask)
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

func (a *app) resume(ctx context.Context, f rotateFlags, names []string) (err error) {
	all, err := a.journals()
	if err != nil {
		return err
	}
	var todo []candidate
	for _, k := range all {
		switch {
		case len(names) > 0 && !slices.Contains(names, k.name):
		case k.err != nil:
			return k.err
		case k.state.Active():
			todo = append(todo, candidate{name: k.name, state: k.state, plan: k.state.Plan})
		}
	}
	if len(todo) == 0 {
		a.tell("Nothing is unfinished.")
		return a.outcomes(nil)
	}
	if len(f.forget) > 0 && len(todo) > 1 {
		return usageError{hint.New("several setups are unfinished: "+words(todo), "Name the one whose target is given up.", "")}
	}
	if a.guided(f) {
		return a.rotateByAsking(ctx, f, names, true)
	}
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var out []outcome
	for _, c := range todo {
		out = append(out, w.work(ctx, f, c, func(b *rotation.Book, _ *rotation.Driver) error { return a.forget(ctx, f, b) }))
	}
	return a.outcomes(out)
}

// forget gives targets up.
func (a *app) forget(ctx context.Context, f rotateFlags, b *rotation.Book) error {
	for _, name := range f.forget {
		p := b.State().Plan
		i, err := targetOf(p, name)
		if err != nil {
			return err
		}
		if b.State().Targets[i].Forgotten {
			continue
		}
		if err := a.typed(ctx, f.confirm, p.Name, "What "+name+" holds will stop working. Type the name of the setup to give it up: "); err != nil {
			return err
		}
		if err := b.Record(rotation.Record{Kind: rotation.RecForgot, Target: i}); err != nil {
			return err
		}
	}
	return nil
}

// targetOf finds a target by its name.
func targetOf(p setup.Plan, name string) (int, error) {
	var all []string
	for i, t := range p.Targets {
		if t.String() == name {
			return i, nil
		}
		all = append(all, t.String())
	}
	return 0, usageError{hint.New(fmt.Sprintf("%q is no target of %s", display.Clean(name), p.Name), "Give one of: "+strings.Join(all, ", ")+".", "")}
}

// work opens the journal of a setup and goes on as far as it goes.
func (w *world) work(ctx context.Context, f rotateFlags, c candidate, before func(*rotation.Book, *rotation.Driver) error) outcome {
	d, err := w.driver(ctx, c, w.app.seen())
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
		if err := w.app.wait(ctx, halt.Act); err != nil {
			return w.failed(c.name, err)
		}
		halt = d.Go(ctx)
	}
	return w.halted(ctx, c, halt, w.app.show)
}

// driver opens the journal of a setup and the stores of its plan.
func (w *world) driver(ctx context.Context, c candidate, see func(rotation.Event)) (*rotation.Driver, error) {
	b, err := w.openBook(c.name)
	if err != nil {
		return nil, err
	}
	stores, err := w.stores(ctx, c.plan)
	if err != nil {
		return nil, err
	}
	return rotation.New(b, rotation.Deps{Issuer: w.astro, Stores: stores, Now: time.Now, Live: w.app.redactor.Add, See: see}), nil
}

// failed is what became of a setup that an error stopped.
func (w *world) failed(name string, err error) outcome {
	out := outcome{Setup: name, State: "failed", err: err, Error: hint.Of(err).Error()}
	if b := w.book(name); b != nil && b.State().Active() {
		out.Resume = "astro-ci resume " + name
	}
	return out
}

// halted is what became of a setup whose operation does not go on by itself. A set-up gets its files.
func (w *world) halted(ctx context.Context, c candidate, halt rotation.Halt, show func(engine.Event)) outcome {
	out := outcome{Setup: c.name}
	switch {
	case halt.Act.Kind == rotation.Wait:
		out.State, out.Until, out.Why, out.Resume = "waiting", &halt.Act.Until, waiting(halt.Act), "astro-ci resume "+c.name
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
	return "a request has no answer yet; going on at " + at
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

// wait waits for the time of an act. On a terminal a line counts down.
func (a *app) wait(ctx context.Context, act rotation.Act) error {
	a.tell("%s", waiting(act))
	for {
		left := time.Until(act.Until)
		if left <= 0 {
			return nil
		}
		counts := a.fullScreen()
		if counts {
			_, _ = fmt.Fprintf(a.err, "\r%s left; Ctrl-C leaves, astro-ci resume goes on \x1b[K", short(left))
			left = min(left, time.Second)
		}
		err := providers.Pause(ctx, left)
		if counts && (err != nil || time.Until(act.Until) <= 0) {
			_, _ = fmt.Fprint(a.err, "\r\x1b[K")
		}
		if err != nil {
			return context.Cause(ctx)
		}
	}
}

// rest writes the files of a set-up that was broken off.
func (w *world) rest(ctx context.Context, p setup.Plan, show func(engine.Event)) error {
	platform, err := w.openAt(ctx, p.Platform, p.Repository.Host)
	if err != nil {
		return err
	}
	stores, err := w.stores(ctx, p)
	if err != nil {
		return err
	}
	actions, _, err := engine.Rest(p, platform, engine.Deps{Issuer: w.astro, Stores: stores, Files: w.files, NewID: rand.Text, Note: w.note(p)})
	if err != nil {
		return err
	}
	return engine.Tell(engine.NewRun(actions).Go(ctx), show)
}

// preflight asks, before a token exists, whether it can be made and stored, and whether somebody else is
// at work.
func (w *world) preflight(ctx context.Context, c candidate) error {
	for _, t := range c.strange {
		if time.Since(t.CreatedAt) < busy {
			return hint.New("somebody else works on "+c.name+": the token "+t.ID+" was made "+short(time.Since(t.CreatedAt))+" ago, and not from here",
				"Wait until they are done. What they made is not touched.", "")
		}
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

// candidates are the setups that were named, or all of which there is a journal here.
func (w *world) candidates(ctx context.Context, f rotateFlags, names []string) (out []candidate, err error) {
	all, err := w.app.journals()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, k := range all {
		if len(names) > 0 && !slices.Contains(names, k.name) {
			continue
		}
		if k.err != nil {
			return nil, k.err
		}
		c := candidate{name: k.name, state: k.state, plan: k.state.Plan}
		if k.state.Last == "" && !k.state.Active() {
			continue // it was taken back
		}
		if !k.state.Active() {
			c.plan = k.state.Setup()
		}
		found[k.name] = true
		if err := w.look(ctx, &c); err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	for _, name := range names {
		if !found[name] {
			c, err := w.rebuild(ctx, f, name)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	if len(out) == 0 {
		return nil, usageError{hint.New("this computer knows no setup", "Name the setup; its tokens on Astro carry the name. Or make one: astro-ci setup", "")}
	}
	return out, nil
}

// look finds the tokens of a setup on Astro.
func (w *world) look(ctx context.Context, c *candidate) error {
	all, err := w.astro.Tokens(ctx, c.plan.Organization.ID, "", "")
	if err != nil {
		return err
	}
	for _, t := range all {
		switch name, _ := setup.ParseMarker(t.Description.String()); {
		case t.ID == c.state.Last:
			c.old = append(c.old, t)
		case name == c.name && !c.state.Knows(t.ID) && !t.Expired(time.Now()):
			c.strange = append(c.strange, t)
		}
	}
	return nil
}

// rebuild finds a setup by the marks of its tokens, where there is no journal: every one of them may be
// the one that a target holds.
func (w *world) rebuild(ctx context.Context, f rotateFlags, name string) (c candidate, err error) {
	page, err := w.astro.Organizations(ctx)
	org, err := pick(ctx, "organization", cmp.Or(f.at.organization, w.app.env.get("ASTRO_CI_ORGANIZATION")), page, err, func(o astro.Organization) (string, display.Text) { return o.ID, o.Name })
	if err != nil {
		return c, err
	}
	c.name = name
	c.plan.Name, c.plan.Organization = name, setup.Ref{ID: org}
	all, err := w.astro.Tokens(ctx, org, "", "")
	if err != nil {
		return c, err
	}
	for _, t := range all {
		if of, _ := setup.ParseMarker(t.Description.String()); of == name && !t.Expired(time.Now()) {
			c.old = append(c.old, t)
		}
	}
	if len(c.old) == 0 {
		return c, usageError{hint.New(fmt.Sprintf("there is no setup %q: no journal here, and no token on Astro with its mark", display.Clean(name)), "See what there is: astro-ci token list. Or make it: astro-ci setup", "")}
	}
	t := c.token()
	platform, address, _ := strings.Cut(t.Name.String(), " ")
	kind, ok := setup.KindOf(t.Scope)
	if !ok || address == "" || t.Days == 0 {
		return c, hint.New("the token "+t.ID+" does not say enough about the setup "+name, "Set it up anew: astro-ci setup --name "+name, "")
	}
	c.plan.Credential = setup.Credential{Kind: kind, Role: t.On().Role, ExpiresInDays: t.Days}
	c.plan.Platform, c.plan.Pipeline.Own = platform, true
	if c.plan.Repository = w.repos[platform]; c.plan.Repository.IsZero() {
		c.plan.Repository.Path, _, _ = strings.Cut(address, "#")
	}
	if err := w.locate(ctx, &c.plan, t.On().EntityID); err != nil {
		return c, err
	}
	at := setup.Target{Store: platform, Address: address, Secret: f.secretName}
	if id, rest, ok := strings.Cut(address, ":"); ok && slices.ContainsFunc(w.backends(), func(b backend) bool { return b.id == id }) {
		at.Store, at.Address = id, rest
	}
	c.plan.Targets = []setup.Target{at}
	store, err := w.store(ctx, c.plan, at.Store)
	if err != nil {
		return c, err
	}
	st, err := store.Stat(ctx, c.plan.Target())
	if err == nil && !st.Exists {
		err = hint.New("there is no secret "+c.plan.Target().String(), "Give its name with --secret-name.", "")
	}
	return c, err
}

// locate fills in what the credential is for, by its id.
func (w *world) locate(ctx context.Context, p *setup.Plan, id string) error {
	switch p.Credential.Kind {
	case setup.WorkspaceToken:
		p.Workspace.ID = id
	case setup.DeploymentToken:
		p.Deployment.ID = id
	case setup.OrganizationToken, setup.DeploymentKey:
		return nil
	}
	page, err := w.astro.Workspaces(ctx, p.Organization.ID)
	if err != nil {
		return err
	}
	all, err := page.All(ctx)
	if err != nil {
		return err
	}
	for _, ws := range all {
		if ws.ID == p.Workspace.ID {
			p.Workspace.Name = ws.Name
			return nil
		}
		if p.Deployment.ID == "" {
			continue
		}
		page, err := w.astro.Deployments(ctx, p.Organization.ID, ws.ID)
		if err != nil {
			return err
		}
		deployments, err := page.All(ctx)
		if err != nil {
			return err
		}
		for _, d := range deployments {
			if d.ID == p.Deployment.ID {
				p.Workspace, p.Deployment.Name = setup.Ref{ID: ws.ID, Name: ws.Name}, d.Name
				return nil
			}
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
		if err := e.Encode(slices.Concat([]outcome{}, out)); err != nil {
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
		say("%s: %s.", o.Setup, o.Why)
	case "failed":
		say("%s is not finished.", o.Setup)
	}
	if o.Resume != "" {
		say("Go on with: %s", o.Resume)
	}
}
