package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

func (a *app) removeCommand() *cobra.Command {
	var confirm string
	c := &cobra.Command{
		Use: "remove SETUP", Short: "Take a setup back: its token, its secrets, its part of the pipeline file",
		Long: "Takes back what a set-up made: the part of the pipeline file, the secrets, the tokens, the entry in\n" +
			setupfile.Name + ". A receipt says what stays. It can be called again when it was broken off.",
		Example: "  astro-ci remove etl-dev --dry-run\n  astro-ci remove etl-dev",
		Args:    a.oneSetup,
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
	d := engine.Deps{Issuer: w.astro, Stores: stores, Files: w.files, Quiet: w.app.quietTime()}
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
	before, err := w.earlierTargets(p)
	if err != nil {
		return r, err
	}
	for _, t := range before {
		r.Stays = append(r.Stays, "the secret "+t.String()+", which an earlier set-up of this name wrote, if nobody has removed it")
	}
	var paths []string
	for _, f := range r.Files {
		paths = append(paths, f.Path)
	}
	git := gitSays{known: w.tracked(ctx, paths), waiting: w.uncommitted(ctx, paths), there: w.there()}
	if f := p.Pipeline.File; f != "" && !p.Pipeline.Own && w.sandbox == nil && (git.known == nil || git.known[f]) {
		r.Stays = append([]string{"runs of the pipeline go on until the change of " + f + " is pushed to " + p.Pipeline.Branch + ", and fail: they have no token any more"}, r.Stays...)
	}
	r.facts = removed(p, own)
	r.next = func() []ui.NextStep { return w.afterRemoval(r, git, platform, stores) }
	return r, nil
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

func (a *app) receipt(r removal, run *engine.Run, failed error) error {
	type action struct {
		Key   string `json:"key"`
		Say   string `json:"say"`
		State string `json:"state"`
	}
	out := struct {
		Setup   string              `json:"setup"`
		Actions []action            `json:"actions"`
		Stays   []string            `json:"stays"`
		Error   *report.ErrorObject `json:"error,omitempty"`
		Resume  string              `json:"resume,omitempty"`
	}{Setup: r.plan.Name, Stays: append([]string{}, r.Stays...), Error: report.ErrorOf(failed)}
	for _, e := range run.Actions() {
		out.Actions = append(out.Actions, action{e.Action.Key, e.Action.Say, string(e.State)})
	}
	if failed != nil {
		out.Resume = a.again("remove " + r.plan.Name)
	}
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		return err
	}
	if failed != nil {
		a.goOn(r.plan.Name, failed)
		return errShown
	}
	return nil
}
