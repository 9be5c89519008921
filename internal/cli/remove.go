package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/report"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

func (a *app) removeCommand() *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use: "remove SETUP", Short: "Take a setup back: its token, its secrets, its part of the pipeline file",
		Long: "Takes back what a set-up made: the part of the pipeline file, the secrets, the tokens, the entry in\n" +
			setupfile.Name + ". A receipt says what stays. It can be called again when it was broken off.",
		Example: "  astro-ci remove etl-dev --dry-run\n  astro-ci remove etl-dev",
		Args:    oneSetup,
		RunE: func(c *cobra.Command, args []string) error {
			if a.guided(rotateFlags{confirm: confirm}) {
				return a.removeByAsking(c.Context(), args[0])
			}
			return a.remove(c.Context(), args[0], confirm)
		},
	}
	c.Flags().StringVar(&confirm, "confirm", "", "name of the setup, to remove it without being asked")
	c.Flags().BoolVar(&a.setup.replaceEdits, "replace-edits", false, "drop the managed part of the pipeline file although it was edited by hand")
	return c
}

// removal is what would be taken back.
type removal struct {
	plan setup.Plan
	engine.Removal
	facts []ui.Fact
	next  func() []ui.NextStep
}

// removal finds all that a setup made.
func (w *world) removal(ctx context.Context, name string) (r removal, err error) {
	p, state, err := w.planFor(ctx, name)
	if err != nil {
		return r, err
	}
	if state.Active() {
		return r, w.app.notFinished(name, state)
	}
	p.ReplaceEdits = w.app.setup.replaceEdits
	all, err := w.astro.Tokens(ctx, p.Organization.ID, "", "")
	if err != nil {
		return r, err
	}
	if all, err = w.around(ctx, p.Setup, all); err != nil {
		return r, err
	}
	own, beside := owned(all, p, state)
	platform, err := w.openAt(ctx, p.Platform, p.Repository.Host)
	if err != nil {
		return r, err
	}
	stores, err := w.stores(ctx, p)
	if err != nil {
		return r, err
	}
	d := engine.Deps{Issuer: w.astro, Stores: stores, Files: w.files, Quiet: w.app.quiet}
	if state.Op != "" {
		d.Book = w.openBook
	}
	f, err := w.setupFile()
	if err != nil {
		return r, err
	}
	if slices.Contains(f.Names(), name) {
		d.Note = engine.Note{Path: setupfile.Name, Edit: func(raw []byte) ([]byte, error) {
			return setupfile.Remove(raw, name, steps.Answers(p), remarks(p), w.steps)
		}}
	}
	if of, ok := renews(f, name); ok { // the entry of the setup that it renews says so
		d.Note = engine.Note{Path: setupfile.Name, Edit: func(raw []byte) ([]byte, error) {
			return setupfile.Set(raw, of["name"], steps.Alone(of), nil, w.steps)
		}}
	}
	var ids []string
	for _, t := range own {
		ids = append(ids, t.ID)
	}
	journals, err := w.app.journals()
	if err != nil {
		return r, err
	}
	if slices.ContainsFunc(journals, func(k known) bool { return k.name == setup.RenewalName(name) && !k.lives() }) {
		p.SelfRotation = setup.SelfRotation{} // what renewed it was taken back before
	}
	r.plan = p
	if r.Removal, err = engine.Remove(p, platform, ids, d); err != nil {
		return r, err
	}
	if d.Note.Path != "" && len(f.Setups) == 1 && f.Setups[0].Name == name {
		switch c, err := w.files.PlanEdit(d.Note.Path, d.Note.Edit); {
		case err != nil:
			return r, err
		case !c.Gone:
			r.Stays = append(r.Stays, "the file "+d.Note.Path+", which then names no setup: there is more in it than astro-ci wrote")
		}
	}
	for _, t := range beside {
		r.Stays = append(r.Stays, "the token "+t.ID+", which has the mark of this setup and is not known as one of its own; look at it: astro-ci token show "+t.ID)
	}
	for i, a := range r.Actions {
		if do := a.Do; a.Key == "journal:removed" {
			r.Actions[i].Do = func(ctx context.Context) (string, error) { // others may begin it anew at once
				detail, err := do(ctx)
				return detail, errors.Join(err, w.closeBook(name))
			}
		}
	}
	r.facts = removed(p, own)
	known := w.tracked(ctx, r.Files)
	r.next = func() []ui.NextStep { return w.afterRemoval(r, known, platform, stores) }
	return r, nil
}

// removed says what a setup is, whose tokens are these.
func removed(p setup.Plan, own []astro.Token) (out []ui.Fact) {
	say := func(name, format string, args ...any) {
		out = append(out, ui.Fact{Name: name, Value: display.Clean(fmt.Sprintf(format, args...))})
	}
	say("Credential", "%s for %s", p.Credential.Kind, p.Entity())
	for i, t := range own {
		say(map[bool]string{true: "Token"}[i == 0], "%s, %s", t.ID, ui.LastUsed(t.Used()))
	}
	if len(own) == 0 {
		say("Token", "none is left")
	}
	if p.Pipeline.File != "" {
		say("Pipeline", "%s, on %s of %s", p.Pipeline.File, p.Pipeline.Branch, p.Repository.Path)
	}
	return out
}

// tracked are those of the files that git knows. Where it cannot say, known is nil and they all may be.
func (w *world) tracked(ctx context.Context, files []*engine.FileResult) (known map[string]bool) {
	git, err := exec.LookPath("git")
	if err != nil || w.repo == nil || len(files) == 0 {
		return nil
	}
	args := []string{"ls-files", "-z", "--"}
	for _, f := range files {
		args = append(args, f.Path)
	}
	said, err := w.app.program(git, w.files.Root())(ctx, nil, args...)
	if err != nil {
		return nil
	}
	known = map[string]bool{}
	for path := range strings.SplitSeq(string(said), "\x00") {
		known[path] = true
	}
	return known
}

// afterRemoval says what is left to the person. known are the files that git has.
func (w *world) afterRemoval(r removal, known map[string]bool, platform providers.Platform, stores map[string]providers.Store) (out []ui.NextStep) {
	p := r.plan
	branch := cmp.Or(p.Pipeline.Branch, "the branch that deploys")
	var changed []string
	for _, f := range r.Files {
		lost := !known[f.Path] && (w.sandbox != nil || f.Gone && known != nil) // git never had it, or never should
		if word := providers.ShellWord(f.Path); f.Changed && !lost && !slices.Contains(changed, word) {
			changed = append(changed, word)
		}
	}
	if len(changed) > 0 {
		out = append(out, ui.NextStep{Say: "Commit the change", Command: w.there() + "git add " + strings.Join(changed, " ") + " && git commit -m 'Remove the Astro setup " + p.Name + "'"})
	}
	if len(changed) > 0 && w.sandbox == nil {
		out = append(out, ui.NextStep{Say: "Push it, or open a pull request into " + branch + "; until then runs start and fail", Command: "git push"})
	}
	switch {
	case p.Pipeline.Own:
		out = append(out, ui.NextStep{Say: "Take " + p.Target().Secret + " out of your own pipeline: its runs fail without it"})
	case len(r.Files) > 0 && r.Files[0].Path == p.Pipeline.File && !r.Files[0].Changed && w.sandbox == nil:
		out = append(out, ui.NextStep{
			Say:  "Look whether " + p.Pipeline.File + " is still on " + branch + " of " + p.Repository.Path + ", and take it out there: it is not in this folder",
			Link: platform.Runs(p.Repository, p.Pipeline.File),
		})
	}
	for _, t := range p.Targets {
		if _, ok := stores[t.Store].(providers.Remover); !ok {
			out = append(out, ui.NextStep{Say: "Remove the secret " + t.String() + " by hand", Link: stores[t.Store].Info().Docs})
		}
	}
	if p.SelfRotation.Every.Rotates() {
		out = append(out, ui.NextStep{Say: "Remove the setup that renews it, too", Command: w.app.again("remove " + setup.RenewalName(p.Name))})
	}
	return out
}

// there leads a shell to the files of the repository, where it stands elsewhere.
func (w *world) there() string {
	if here, err := os.Getwd(); err == nil && !same(here, w.files.Root()) {
		return "cd " + w.app.shown(w.files.Root()) + " && "
	}
	return ""
}

// owned are the tokens of a setup. Where there is a journal, only those that it knows are ours to delete; else
// those with the setup's mark that are for its place. Others with the mark stand beside them.
func owned(all []astro.Token, p setup.Plan, s rotation.State) (own, beside []astro.Token) {
	for _, t := range all {
		switch {
		case s.Op != "" && (t.ID == s.Last || s.Knows(t.ID)), s.Op == "" && isOf(t, p.Setup):
			own = append(own, t)
		case setup.ParseMark(t.Description.String()).Setup == p.Name && !t.Expired(time.Now()):
			beside = append(beside, t)
		}
	}
	return own, beside
}

// removing is the end of a setup as the front ends see it.
type removing struct {
	app  *app
	w    *world
	name string
	r    removal
	run  *engine.Run // nil: there is no plan yet
}

func (x *removing) removal() ui.Removal {
	return ui.Removal{Title: "Remove a setup", Name: x.name, Sandbox: x.app.sandbox, Plan: x.plan}
}

func (x *removing) plan(ctx context.Context) (ui.Review, error) {
	if x.w == nil {
		w, err := x.app.discover(ctx)
		if err != nil {
			return ui.Review{}, err
		}
		x.w = w
	}
	r, err := x.w.removal(ctx, x.name)
	if err != nil {
		return ui.Review{}, err
	}
	x.r, x.run = r, engine.NewRun(r.Actions)
	return ui.Review{
		Removes: x.name, Facts: r.facts, Actions: r.Actions, Run: x.run, Stays: r.stays(), Next: r.next,
		Warnings: []display.Text{display.Clean("Pipelines that use the secret fail from then on.")},
		Resume: func() string {
			if !x.begun() {
				return ""
			}
			return x.app.again("remove " + x.name)
		},
	}, nil
}

// begun reports whether anything is done.
func (x *removing) begun() bool { return x.run != nil && begun(x.run) }

func begun(run *engine.Run) bool {
	return slices.ContainsFunc(run.Actions(), func(e engine.Event) bool { return e.State == engine.Done })
}

// became says what became of what was begun, once the conversation is over, and returns what is wrong, which was shown.
func (x *removing) became(full bool, failed error) error {
	if x.run.Finished() {
		if full { // the line mode has said it already
			x.r.done(x.app)
		}
		return nil
	}
	failed = partError{cmp.Or(failed, errors.New("remove "+x.name+": it is not finished"))}
	if full {
		x.app.goOn(x.name, failed)
	}
	return errors.Join(errShown, failed)
}

// goOn shows why a removal is not finished, and what ends it.
func (a *app) goOn(name string, failed error) {
	report.Error(a.err, failed)
	_, _ = fmt.Fprintln(a.err, "What is done stays done. Go on with: "+a.again("remove "+name))
}

// removeByAsking leads a person through the end of a setup.
func (a *app) removeByAsking(ctx context.Context, name string) (err error) {
	x := &removing{app: a, name: name}
	defer func() { err = errors.Join(err, x.w.close()) }()
	var out ui.Outcome
	full := a.frontEnd() == wizard
	if full {
		a.inWizard.Store(true)
		out, err = tui.Remove(ctx, x.removal(), a.screen())
		a.inWizard.Store(false)
	} else {
		out, err = line.Remove(ctx, x.removal(), a.lines())
	}
	switch {
	case x.begun():
		return errors.Join(x.became(full, out.Err), err)
	case err == nil && out.Err != nil && !full: // the line mode has said it already
		return errors.Join(errShown, out.Err)
	case err != nil, out.Err != nil:
		return cmp.Or(err, out.Err)
	}
	_, _ = fmt.Fprintln(a.err, "Nothing was done.")
	return engine.ErrCancelled
}

func (a *app) remove(ctx context.Context, name, confirm string) (err error) {
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	r, err := w.removal(ctx, name)
	if err != nil {
		return err
	}
	run := engine.NewRun(r.Actions)
	if a.dryRun {
		if a.json != "" {
			return a.receipt(r, run, nil)
		}
		_, _ = fmt.Fprintln(a.out, "Would be done:")
		for _, x := range r.Actions {
			_, _ = fmt.Fprintln(a.out, "  "+x.Say)
		}
		r.tell(a)
		_, _ = fmt.Fprintln(a.out, "Nothing was touched.")
		return nil
	}
	if !a.yes {
		if a.json == "" {
			_, _ = fmt.Fprintln(a.err, "Will be done:")
			for _, x := range r.Actions {
				_, _ = fmt.Fprintln(a.err, "  "+x.Say)
			}
		}
		if err := a.typed(ctx, confirm, name, "Pipelines that use the secret stop working. Type the name of the setup to remove it"); err != nil {
			return err
		}
	}
	failed := engine.Tell(run.Go(ctx), a.show)
	if failed != nil && !begun(run) {
		return failed
	}
	if failed != nil {
		failed = partError{failed}
	}
	if a.json != "" {
		return errors.Join(a.receipt(r, run, failed), failed)
	}
	if failed != nil {
		a.goOn(name, failed)
		return errors.Join(errShown, failed)
	}
	r.done(a)
	return nil
}

// done says what is no more, what stays, and what is left to the person.
func (r removal) done(a *app) {
	_, _ = fmt.Fprintf(a.out, ui.Removed+".\n", r.plan.Name)
	r.tell(a)
	report.Next(a.out, r.next())
}

// stays are what a removal does not take back, each as the beginning of a line.
func (r removal) stays() (out []display.Text) {
	for _, k := range r.Stays {
		out = append(out, display.Clean(strings.ToUpper(k[:1])+k[1:]))
	}
	return out
}

// tell prints what stays.
func (r removal) tell(a *app) {
	if len(r.Stays) == 0 {
		return
	}
	_, _ = fmt.Fprintln(a.out, ui.Stays+":")
	for _, k := range r.stays() {
		_, _ = fmt.Fprintf(a.out, "  %s.\n", k)
	}
}

func (a *app) receipt(r removal, run *engine.Run, failed error) error {
	type action struct {
		Key   string `json:"key"`
		Say   string `json:"say"`
		State string `json:"state"`
	}
	out := struct {
		Setup   string   `json:"setup"`
		Actions []action `json:"actions"`
		Stays   []string `json:"stays"`
		Error   string   `json:"error,omitempty"`
	}{Setup: r.plan.Name, Stays: append([]string{}, r.Stays...)}
	for _, e := range run.Actions() {
		out.Actions = append(out.Actions, action{e.Action.Key, e.Action.Say, string(e.State)})
	}
	if failed != nil {
		out.Error = hint.Of(failed).Error()
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	if failed != nil {
		report.Error(a.err, failed)
		return errShown
	}
	return nil
}
