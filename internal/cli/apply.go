package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
)

type applyFlags struct {
	file                string
	canary, prune, wait bool
	drain               time.Duration
}

func (a *app) applyCommand() *cobra.Command {
	var f applyFlags
	c := &cobra.Command{
		Use: "apply [SETUP...]", Short: "Bring everything to what " + setupfile.Name + " says",
		Long: "Compares the setups in " + setupfile.Name + " with what there is, shows what would be done, and does it: tokens that\n" +
			"are missing are made, those that are due are rotated, what differs is changed. One that fails keeps none of\n" +
			"the others back. What is as it should be is not touched: a second run writes nothing.",
		Example: "  astro-ci apply --dry-run\n  astro-ci apply --canary\n  astro-ci apply --no-input --yes --json",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(c *cobra.Command, args []string) error { return a.apply(c.Context(), f, args) },
	}
	c.Flags().StringVarP(&f.file, "file", "f", "", "the file, instead of "+setupfile.Name+" of the repository")
	c.Flags().BoolVar(&f.canary, "canary", false, "do the first one alone, and go on only when it went well")
	c.Flags().BoolVar(&f.prune, "prune", false, "remove setups of this repository that the file does not name")
	c.Flags().BoolVar(&f.wait, "wait", false, "stay until the old tokens of rotations are deleted")
	c.Flags().Var(span{&f.drain}, "drain", "how long a run may still use an old token (6h; 5s in the sandbox)")
	return c
}

// applied is a setup of the file with what has to be done about it, and what became of it.
type applied struct {
	apply.Decision
	candidate
	files    bool // its files have to be written
	err      error
	outcome  outcome
	finished bool
}

func (a *app) apply(ctx context.Context, f applyFlags, names []string) (err error) {
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	w.applies = true
	file, err := w.fileFor(f)
	if err != nil {
		return err
	}
	items, err := w.compare(ctx, file, names)
	if err != nil {
		return err
	}
	todo := slices.DeleteFunc(slices.Clone(items), func(x *applied) bool {
		return x.err != nil || x.Verdict == apply.Keep || x.Verdict == apply.Orphan && !f.prune
	})
	if a.json != "events" {
		a.plan(items, f)
	}
	if len(todo) > 0 && !a.dryRun {
		if err := a.agreeTo(ctx, len(todo)); err != nil {
			return err
		}
		w.perform(ctx, f, todo)
	}
	return a.appliedAll(items, a.dryRun)
}

// fileFor reads the file that apply is about.
func (w *world) fileFor(f applyFlags) (out setupfile.File, err error) {
	if f.file == "" {
		out, err = w.setupFile()
	} else {
		var raw []byte
		if raw, err = os.ReadFile(f.file); err != nil {
			return out, usageError{hint.Wrap(err, "read the setups", "Give the path of a file of setups with -f.", setupfile.Docs)}
		}
		out, err = setupfile.ParseAs(display.Clean(f.file).String(), raw, w.steps)
	}
	if err != nil {
		return out, usageError{err}
	}
	if len(out.Setups) == 0 {
		err = usageError{hint.New("no setup is named in "+cmp.Or(f.file, filepath.Join(w.files.Root(), setupfile.Name)), "astro-ci setup writes the file. Or give another one with -f.", setupfile.Docs)}
	}
	return out, err
}

// compare finds out what has to be done for each setup of the file, and which setups it lacks.
func (w *world) compare(ctx context.Context, file setupfile.File, names []string) ([]*applied, error) {
	known, err := w.app.journals()
	if err != nil {
		return nil, err
	}
	var items []*applied
	for _, name := range file.Names() {
		if len(names) == 0 || slices.Contains(names, name) {
			items = append(items, &applied{candidate: candidate{name: name, quiet: true}})
		}
	}
	for _, n := range names {
		if !slices.Contains(file.Names(), n) {
			return nil, usageError{hint.New(fmt.Sprintf("the file names no setup %q", display.Clean(n)), "Name one of: "+strings.Join(file.Names(), ", ")+".", setupfile.Docs)}
		}
	}
	keep := steps.NewKept()
	err = w.lookAt(ctx, items, func(x *applied) (err error) {
		answers, _ := file.Answers(x.name)
		x.plan, err = w.fill(ctx, answers, keep)
		return err
	})
	if err != nil {
		return nil, err
	}
	tokens := map[string][]astro.Token{} // by Organization
	for _, x := range items {
		if x.err == nil {
			tokens[x.plan.Organization.ID] = nil
		}
	}
	for org := range tokens {
		err := apply.Persist(ctx, func() (err error) { tokens[org], err = w.astro.Tokens(ctx, org, "", ""); return err }, w.app.trying(ctx))
		if err != nil {
			return nil, err
		}
	}
	if err := w.lookAt(ctx, items, func(x *applied) error { return w.decide(ctx, x, known, tokens[x.plan.Organization.ID]) }); err != nil {
		return nil, err
	}
	if len(names) == 0 {
		items = append(items, w.orphans(items, file, known)...)
	}
	return items, nil
}

// decide looks what there is of a setup and compares.
func (w *world) decide(ctx context.Context, x *applied, known []known, all []astro.Token) error {
	have := apply.Have{}
	for _, k := range known {
		if k.name == x.name {
			if k.err != nil {
				return k.err
			}
			x.state, have.Journal = k.state, k.state
		}
	}
	x.plan = programOf(x.plan, x.state.Plan)
	var err error
	if x.candidate, err = w.find(ctx, x.plan, x.state, all); err != nil {
		return err
	}
	x.quiet = true
	have.Tokens, have.Unfinished, have.Swept = x.old, x.unfinished, x.sweeps()
	if len(have.Tokens) > 0 && !have.Journal.Active() {
		stores, err := w.stores(ctx, x.plan)
		if err != nil {
			return err
		}
		for _, t := range x.plan.Targets {
			st, err := stores[t.Store].Stat(ctx, t)
			if err != nil {
				return err
			}
			if !st.Exists {
				have.Missing = append(have.Missing, t)
			}
		}
		platform, err := w.openAt(ctx, x.plan.Platform, x.plan.Repository.Host)
		if err != nil {
			return err
		}
		changes, err := w.changes(ctx, x.plan, platform, false)
		if err != nil {
			return err
		}
		for _, c := range changes {
			if c.Changed() {
				have.Files = append(have.Files, c.Path)
			}
		}
	}
	x.files = len(have.Files) > 0
	x.Decision = apply.Decide(x.plan, have, time.Now())
	if x.plan.SelfRotation.Every.Rotates() && (x.Verdict == apply.Keep || x.Verdict == apply.Change && !x.Token) {
		return w.decideRenewal(ctx, x)
	}
	return nil
}

// decideRenewal looks whether what renews the token of a setup is there.
func (w *world) decideRenewal(ctx context.Context, x *applied) error {
	platform, err := w.openAt(ctx, x.plan.Platform, x.plan.Repository.Host)
	if err != nil {
		return err
	}
	missing, begun, err := w.unrenewed(ctx, x.plan, platform)
	why := "nothing renews its token yet"
	switch {
	case httpx.Refused(err):
		x.Notes = append(x.Notes, "whether something renews its token is not known: your log-in may not list its tokens")
		return nil
	case err != nil:
		return err
	case begun.Active():
		why = "what renews its token was begun and is not finished"
	case !missing:
		return nil
	}
	if x.Verdict == apply.Keep {
		x.Verdict, x.Why = apply.Change, nil
	}
	x.Why = append(x.Why, why)
	return nil
}

// orphans are the setups of the same repositories that this computer made and that the file neither names nor
// has renewed by.
func (w *world) orphans(items []*applied, file setupfile.File, known []known) (out []*applied) {
	for _, k := range known {
		p := k.state.Plan
		here := slices.ContainsFunc(items, func(x *applied) bool {
			return x.plan.Platform == p.Platform && x.plan.Repository == p.Repository && x.plan.Organization.ID == p.Organization.ID
		})
		if _, renewal := renews(file, k.name); k.err == nil && here && !renewal && !slices.Contains(file.Names(), k.name) && (k.state.Last != "" || k.state.Active()) {
			out = append(out, &applied{
				candidate: candidate{name: k.name, state: k.state, plan: p, quiet: true},
				Decision:  apply.Decision{Verdict: apply.Orphan, Why: []string{"the file does not name it"}},
			})
		}
	}
	return out
}

// plan shows what would be done.
func (a *app) plan(items []*applied, f applyFlags) {
	if a.json != "" {
		return
	}
	to := a.err
	if a.dryRun {
		to = a.out
	}
	t := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	counts := map[apply.Verdict]int{}
	for _, x := range items {
		counts[x.Verdict]++
		if x.Verdict == apply.Keep && len(items) > 20 {
			continue // they are counted
		}
		verdict, why := string(x.Verdict), strings.Join(x.Why, "; ")
		if x.err != nil {
			why = hint.Of(x.err).Error()
		}
		if x.Verdict == apply.Orphan {
			verdict = "left alone"
			if f.prune {
				verdict = "remove"
			}
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\n", verdict, x.name, why)
		for _, n := range x.Notes {
			_, _ = fmt.Fprintf(t, "\t\t%s\n", n)
		}
	}
	_ = t.Flush()
	var sum []string
	for _, v := range []apply.Verdict{apply.Create, apply.Rotate, apply.Change, apply.Finish, apply.Keep, apply.Orphan, apply.Wrong} {
		if counts[v] > 0 {
			sum = append(sum, fmt.Sprintf("%d %s", counts[v], map[apply.Verdict]string{
				apply.Create: "to create", apply.Rotate: "to rotate", apply.Change: "to change", apply.Finish: "to finish",
				apply.Keep: map[bool]string{true: "as it should be", false: "as they should be"}[counts[v] == 1], apply.Orphan: "that the file does not name", apply.Wrong: "that cannot be done",
			}[v]))
		}
	}
	_, _ = fmt.Fprintf(to, "%s.\n", strings.Join(sum, ", "))
	if counts[apply.Orphan] > 0 && !f.prune {
		_, _ = fmt.Fprintln(to, "What the file does not name is removed with --prune.")
	}
}

func (a *app) agreeTo(ctx context.Context, n int) error {
	switch {
	case a.yes:
		return nil
	case !a.tty || a.noInput || a.json != "":
		return unconfirmed("changing anything")
	}
	_, _ = fmt.Fprintf(a.err, "Do this for %d? Type yes: ", n)
	if answer, err := a.line(ctx); err != nil || strings.TrimSpace(answer) != "yes" {
		_, _ = fmt.Fprintln(a.err, "Nothing was done.")
		return engine.ErrCancelled
	}
	return nil
}

// perform does what was decided: with a canary the first one alone.
func (w *world) perform(ctx context.Context, f applyFlags, todo []*applied) {
	start, done, all := time.Now(), 0, len(todo)
	each := func(some []*applied) bool {
		return apply.Each(ctx, some, func(x *applied) error { x.outcome = w.bring(ctx, f, x); return x.outcome.err }, w.app.trying(ctx), func(x *applied) {
			if err := w.closeBook(x.name); err != nil && x.outcome.err == nil {
				x.outcome = w.failed(x.name, err)
			}
			x.finished = true
			done++
			w.app.tick(x, done, all, time.Since(start))
		})
	}
	if f.canary && len(todo) > 1 {
		if each(todo[:1]); todo[0].outcome.err != nil {
			w.app.tell("The first one failed; the others were not begun.")
			return
		}
		todo = todo[1:]
	}
	if !each(todo) && ctx.Err() == nil {
		w.app.tell("The last ones all failed; the others were not begun.")
	}
}

// tick tells about one setup that was finished, and how long the rest will take.
func (a *app) tick(x *applied, done, all int, took time.Duration) {
	switch a.json {
	case "events":
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		_ = e.Encode(x.entry())
	case "":
		left := ""
		if n := all - done; n > 0 && done >= apply.SideBySide {
			left = ", about " + short(took/time.Duration(done)*time.Duration(n)) + " left"
		}
		say := map[string]string{"done": "done", "waiting": "waits", "failed": "failed", "removed": "removed", "aborted": "taken back"}[x.outcome.State]
		a.tell("%d of %d%s: %s, %s", done, all, left, x.name, say)
	}
}

// bring does what was decided for one setup. It can be called again when it failed, and goes on then.
func (w *world) bring(ctx context.Context, f applyFlags, x *applied) (out outcome) {
	fail := func(err error) outcome { return w.failed(x.name, err) }
	now := w.book(x.name).State() // as the last try left it
	brought := now.Ended == rotation.RecDone && (now.Op != x.state.Op || x.state.Active())
	switch {
	case x.Verdict == apply.Orphan:
		r, err := w.removal(ctx, x.name)
		if err == nil {
			err = engine.Tell(engine.NewRun(r.Actions).Go(ctx), nil)
		}
		if err != nil {
			return fail(err)
		}
		return outcome{Setup: x.name, State: "removed"}
	case !x.Token || brought:
		out = outcome{Setup: x.name, State: "done", Token: cmp.Or(now.Last, x.token().ID)}
	case x.Verdict == apply.Create && !now.Active():
		return w.create(ctx, x)
	default:
		rf := rotateFlags{wait: f.wait, drain: f.drain}
		if x.Verdict == apply.Rotate || x.Verdict == apply.Change {
			x.anew()
		}
		out = w.work(ctx, rf, x.candidate, func(b *rotation.Book, d *rotation.Driver) error {
			if d.State().Active() {
				return nil
			}
			if err := w.preflight(ctx, x.candidate); err != nil {
				return err
			}
			return b.Begin(w.app.operation(x.candidate, rf))
		})
	}
	if out.err == nil && (x.files || !x.Token || brought) {
		if err := w.rest(ctx, x.plan, func(engine.Event) {}); err != nil {
			return fail(err)
		}
	}
	return out
}

// create makes a setup for the first time.
func (w *world) create(ctx context.Context, x *applied) outcome {
	fail := func(err error) outcome { return w.failed(x.name, err) }
	platform, err := w.openAt(ctx, x.plan.Platform, x.plan.Repository.Host)
	if err != nil {
		return fail(err)
	}
	stores, err := w.stores(ctx, x.plan)
	if err != nil {
		return fail(err)
	}
	actions, result, err := engine.SetUp(w.withLogin(x.plan), platform, engine.Deps{
		Issuer: w.astro, Stores: stores, Files: w.files, NewID: rand.Text, Live: w.app.redactor.Add,
		Book: w.openBook, Quiet: w.app.quietTime(),
	})
	if err != nil {
		return fail(err)
	}
	if err := engine.Tell(engine.NewRun(actions).Go(ctx), nil); err != nil {
		return fail(err)
	}
	return outcome{Setup: x.name, State: "done", Token: result.Token.ID, ExpiresAt: &result.Token.EndAt}
}

// appliedEntry is a setup in JSON.
type appliedEntry struct {
	Setup     string        `json:"setup"`
	Verdict   apply.Verdict `json:"verdict"`
	Reasons   []string      `json:"reasons"`
	Notes     []string      `json:"notes,omitempty"`
	State     string        `json:"state"` // planned, done, waiting, failed, removed, not begun
	Token     string        `json:"token,omitempty"`
	ExpiresAt *time.Time    `json:"expiresAt,omitempty"`
	Until     *time.Time    `json:"until,omitempty"` // of waiting
	Error     string        `json:"error,omitempty"`
	Resume    string        `json:"resume,omitempty"`
}

// wrote reports whether files were written that have to be committed.
func (x *applied) wrote() bool {
	ours := !x.plan.Pipeline.Own && !x.plan.PullRequest
	return ours && x.finished && x.outcome.err == nil && (x.files || x.Verdict == apply.Create)
}

func (x *applied) entry() appliedEntry {
	e := appliedEntry{Setup: x.name, Verdict: x.Verdict, Reasons: append([]string{}, x.Why...), Notes: x.Notes, State: "planned", Token: x.token().ID}
	switch {
	case x.err != nil:
		e.State, e.Error = "failed", hint.Of(x.err).Error()
	case x.finished:
		o := x.outcome
		e.State, e.ExpiresAt, e.Until, e.Error, e.Resume = o.State, o.ExpiresAt, o.Until, o.Error, o.Resume
		e.Token = cmp.Or(o.Token, e.Token)
	case x.Verdict == apply.Keep:
		e.State = "done"
	}
	return e
}

// appliedAll prints what became of all and gives the exit code.
func (a *app) appliedAll(items []*applied, dry bool) error {
	counts := map[string]int{}
	out := []appliedEntry{}
	var failed error
	for _, x := range items {
		e := x.entry()
		if e.State == "planned" && !dry && x.Verdict != apply.Orphan {
			e.State = "not begun"
		}
		if x.Verdict == apply.Keep && e.State == "done" {
			counts["unchanged"]++
		} else {
			counts[e.State]++
		}
		out = append(out, e)
		if err := cmp.Or(x.err, x.outcome.err); err != nil {
			failed = errors.Join(failed, err)
			h := hint.Of(err)
			a.tell("%s: %s", x.name, h.Error())
			if h.Next != "" {
				a.tell("  what to do: %s", h.Next)
			}
			if x.outcome.Resume != "" {
				a.tell("  go on with: %s", x.outcome.Resume)
			}
		}
	}
	switch {
	case a.json != "":
		e := json.NewEncoder(a.out)
		e.SetEscapeHTML(false)
		if err := e.Encode(map[string]any{"setups": out}); err != nil {
			return err
		}
	case dry:
		_, _ = fmt.Fprintln(a.out, "Nothing was touched.")
	default:
		var sum []string
		for _, s := range []string{"done", "removed", "waiting", "failed", "not begun", "unchanged"} {
			if counts[s] > 0 {
				sum = append(sum, fmt.Sprintf("%d %s", counts[s], s))
			}
		}
		_, _ = fmt.Fprintf(a.out, "%s.\n", strings.Join(sum, ", "))
		if slices.ContainsFunc(items, (*applied).wrote) {
			_, _ = fmt.Fprintln(a.out, "Pipeline files were written: commit and push them, git status shows which.")
		}
		if counts["waiting"] > 0 {
			_, _ = fmt.Fprintln(a.out, "Old tokens wait for the last runs that may use them. Go on with: astro-ci resume")
		}
	}
	part := slices.ContainsFunc(items, func(x *applied) bool { return x.finished && (x.outcome.err == nil || x.outcome.Resume != "") })
	switch {
	case failed != nil && part:
		return errors.Join(errShown, partError{failed})
	case failed != nil:
		return errors.Join(errShown, failed)
	case counts["waiting"]+counts["not begun"] > 0:
		return errors.Join(errShown, partError{errors.New("it is not finished")})
	}
	return nil
}
