package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/report"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

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

// gitSays is what git says of the files before a removal.
type gitSays struct {
	known   map[string]bool // those that it has; nil: it cannot say
	waiting []string        // those that it does not have as they are
	there   string          // leads a shell to them
}

// afterRemoval says what is left to the person.
func (w *world) afterRemoval(r removal, git gitSays, platform providers.Platform, stores map[string]providers.Store) (out []ui.NextStep) {
	p := r.plan
	branch := cmp.Or(p.Pipeline.Branch, "the branch that deploys")
	var changed []string
	for _, f := range r.Files {
		lost := !git.known[f.Path] && (w.sandbox != nil || f.Gone && git.known != nil) // git never had it, or never should
		now := f.Changed || git.known[f.Path] && slices.Contains(git.waiting, f.Path)  // by this removal, or one that was broken off
		if word := word(f.Path); now && !lost && !slices.Contains(changed, word) {
			changed = append(changed, word)
		}
	}
	if len(changed) > 0 {
		out = append(out, ui.NextStep{Say: "Commit the change", Command: git.there + "git add " + strings.Join(changed, " ") + " && git commit -m \"Remove the Astro setup " + p.Name + "\""})
	}
	if len(changed) > 0 && w.sandbox == nil {
		out = append(out, ui.NextStep{Say: "Push it, or open a pull request into " + branch + "; until then runs start and fail", Command: "git push"})
	}
	switch {
	case p.Pipeline.Own:
		out = append(out, ui.NextStep{Say: "Take " + p.Target().Secret + " out of your own pipeline: its runs fail without it"})
	case len(r.Files) > 0 && r.Files[0].Path == p.Pipeline.File && !r.Files[0].Changed && !slices.Contains(changed, word(p.Pipeline.File)):
		entry := "" // in astro-ci.yaml, where that is not here either
		if !slices.Contains(changed, setupfile.Name) && w.note(p).Path != "" {
			entry = ", and the setup's entry in " + setupfile.Name
		}
		x := ui.NextStep{
			Say:  "Look whether " + p.Pipeline.File + " is still on " + branch + " of " + p.Repository.Path + ", and take it out there" + entry + ": it is not in this folder",
			Link: platform.Runs(p.Repository, p.Pipeline.File),
		}
		if w.sandbox != nil {
			x = ui.NextStep{Say: "Delete " + p.Pipeline.File + entry + ", in the folder where " + p.Name + " was set up: it is not in this one"}
		}
		out = append(out, x)
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
