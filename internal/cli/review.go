package cli

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/parallel"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// review prepares what the person confirms: every right is checked before anything is created.
func (w *world) review(ctx context.Context, p setup.Plan) (ui.Review, error) {
	platform, err := w.open(ctx, p.Platform)
	if err != nil {
		return ui.Review{}, err
	}
	if err := w.unfinished(p.Name); err != nil {
		return ui.Review{}, err
	}
	if p.SelfRotation.Every.Rotates() {
		if err := w.unfinished(setup.RenewalName(p.Name)); err != nil {
			return ui.Review{}, err
		}
	}
	stores, err := w.stores(ctx, p)
	if err != nil {
		return ui.Review{}, err
	}
	actions, result, err := engine.SetUp(w.withLogin(p), platform, engine.Deps{
		Issuer: w.astro, Stores: stores, Files: w.files,
		NewID: rand.Text, Live: w.app.redactor.Add, Book: w.openBook, Quiet: w.app.quietTime(), Note: w.note(p),
	})
	if err != nil {
		return ui.Review{}, err
	}
	checked := make([]engine.Checked, 0, len(actions))
	for _, a := range actions {
		if a.Beside {
			checked = append(checked, engine.Checked{Key: a.Key})
		}
	}
	var looks []func() error
	for i := range checked {
		x := &checked[i]
		a := actions[slices.IndexFunc(actions, func(a engine.Action) bool { return a.Key == x.Key })]
		looks = append(looks, func() (err error) {
			if x.Detail, err = a.Do(ctx); err != nil && denied(a.Key, err) {
				return ui.DeniedError{Err: err}
			}
			return err
		})
	}
	var changes []pipeline.Change
	var warnings []display.Text
	var left []ui.NextStep
	var waiting []string // files that wait to be committed already
	looks = append(looks,
		func() (err error) {
			if changes, err = w.changes(ctx, p, platform, true); err == nil {
				var paths []string
				for _, c := range changes {
					paths = append(paths, c.Path)
				}
				waiting = w.uncommitted(ctx, paths)
			}
			return err
		},
		func() (err error) { warnings, left, err = w.warnings(ctx, p, platform, stores); return err })
	if err := parallel.Do(looks...); err != nil {
		return ui.Review{}, err
	}
	there := w.there()
	return ui.Review{
		Actions: actions, Checked: checked, Warnings: warnings, Changes: changes,
		Run: engine.NewRun(actions), Result: result, Next: func() []ui.NextStep { return append(w.next(result, platform, waiting, there), left...) },
		Resume: func() string { return w.app.goesOn(p.Name, setup.RenewalName(p.Name)) },
	}, nil
}

// unfinished is an error when an operation on the setup was broken off.
func (w *world) unfinished(name string) error {
	s, err := w.before(name)
	if err == nil && s.Active() {
		err = w.app.notFinished(name, s)
	}
	return err
}

// warnings collects what a careful colleague would say, and what of an earlier set-up is left over after this one.
func (w *world) warnings(ctx context.Context, p setup.Plan, platform providers.Platform, stores map[string]providers.Store) (out []display.Text, left []ui.NextStep, err error) {
	var advice astro.Remarks
	there := make([]providers.State, len(p.Targets))
	asks := []func() error{func() (err error) { advice, err = w.astro.Advise(ctx, p, time.Now()); return err }}
	for i, t := range p.Targets {
		asks = append(asks, func() (err error) { there[i], err = stores[t.Store].Stat(ctx, t); return err })
	}
	if err := parallel.Do(asks...); err != nil {
		return nil, nil, err
	}
	if w.passedBy != "" {
		out = append(out, display.Clean("Files are written to the sandbox's sample project, "+w.app.env.atHome(w.files.Root())+": "+w.app.env.atHome(w.passedBy)+" has no remote that the sandbox knows."))
	}
	for _, s := range advice.Say {
		out = append(out, display.Clean(s))
	}
	theirs, err := w.files.Find(platform.PipelineGlobs())
	if err != nil {
		return nil, nil, err
	}
	says, left := besideTheirs(theirs, p, platform)
	out = append(out, says...)
	before, err := w.before(p.Name)
	if err != nil {
		return nil, nil, err
	}
	held, err := w.heldBy(p.Name)
	if err != nil {
		return nil, nil, err
	}
	for _, t := range advice.Earlier {
		if before.Knows(t.ID) || t.Name.String() == p.TokenName() { // or it may be of somebody else's namesake
			left = append(left, ui.NextStep{Say: "Delete the earlier token " + t.ID + " as soon as nothing uses it", Command: w.app.again("token revoke " + t.ID)})
		}
	}
	for _, t := range before.Setup().Targets {
		of := held[t.String()]
		if of == "" && before.Last != "" && !slices.ContainsFunc(p.Targets, func(x setup.Target) bool { return x.String() == t.String() }) {
			out = append([]display.Text{display.Clean("The secret of " + p.Name + " in " + t.String() + " stays as it is, and no rotation writes it any more. To keep the secret in one more place, use: astro-ci targets add " + p.Name)}, out...)
			left = append(left, ui.NextStep{Say: "Remove the earlier secret " + t.String() + " as soon as nothing reads it"})
		}
	}
	for i, t := range p.Targets {
		if st := there[i]; st.Exists {
			if of := held[t.String()]; of != "" {
				out = append([]display.Text{display.Clean("The secret " + t.String() + " is that of the setup " + of + ": its pipeline would use this token from then on. Choose another name for the secret, or another place.")}, out...)
				continue
			}
			then := "Its old value cannot be read back."
			if _, ok := stores[t.Store].(providers.Historian); ok && st.Version != "" {
				then = "The store keeps its earlier value."
			}
			for _, f := range theirs {
				if pipeline.Names(f.Content, t.Secret) {
					then += " " + f.Path + " reads it, and uses the new token from then on."
				}
			}
			out = append(out, display.Clean("The secret "+t.String()+" is there already and will be replaced. "+then))
		}
	}
	if w.repo != nil && !p.PullRequest {
		here := false
		for _, r := range w.repo.Remotes {
			repo, ok := platform.Detect(r)
			here = here || ok && strings.EqualFold(repo.Path, p.Repository.Path)
		}
		if !here {
			out = append(out, display.Clean("The pipeline file is written to "+w.files.Root()+", which is not a checkout of "+p.Repository.Path+"."))
		}
	}
	return out, left, nil
}

// besideTheirs says what the pipeline of a plan does to those that are there already, and what is left to do about it.
func besideTheirs(theirs []pipeline.Found, p setup.Plan, platform providers.Platform) (out []display.Text, left []ui.NextStep) {
	if p.Pipeline.Own {
		return nil, nil
	}
	if file, err := platform.Pipeline(p); err == nil && file.Hides != nil { // the files of the review say why it cannot be written
		for _, f := range theirs {
			if says := file.Hides(f.Content); f.Path == file.Path && says != "" {
				out = append(out, display.Clean(says+" If it has to, answer none for the pipeline file, and deploy in a step of yours."))
			}
		}
	}
	for _, c := range alsoDeploys(theirs, p) {
		at := fmt.Sprintf("%s, line %d", c.File, c.Line)
		out = append(out, display.Clean(fmt.Sprintf("A pipeline of yours deploys to Astro as well, in %s: %s. Both would deploy on a push. Take that out once this one works; or answer none for the pipeline file, and keep yours.", at, c)))
		left = append(left, ui.NextStep{Say: "Take the deploy out of " + at + ", once this pipeline works. Until then both deploy"})
	}
	return out, left
}

// alsoDeploys are the commands, one of each file, by which a pipeline that astro-ci did not write deploys to the
// Deployment of a plan: it names that one, or none.
func alsoDeploys(files []pipeline.Found, p setup.Plan) (out []pipeline.Command) {
	if len(p.Retire.Files) > 0 || p.Job != setup.DeployCode && p.Job != setup.DeployDAGs {
		return nil
	}
	for _, f := range files {
		ids := pipeline.IDs([]pipeline.Found{{Content: pipeline.Theirs(f.Content)}})
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == p.Workspace.ID || id == p.Organization.ID })
		all := pipeline.Commands([]pipeline.Found{f})
		if i := slices.IndexFunc(all, pipeline.Command.Deploys); i >= 0 && (len(ids) == 0 || slices.Contains(ids, p.Deployment.ID)) {
			out = append(out, all[i])
		}
	}
	return out
}

// heldBy are the setups of this computer, but for one, by the secrets that they live from.
func (w *world) heldBy(but string) (map[string]string, error) {
	all, err := w.app.journals()
	out := map[string]string{}
	for _, k := range all {
		if k.name == but || k.err != nil || !k.lives() {
			continue
		}
		for _, t := range k.state.Setup().Targets {
			out[t.String()] = k.name
		}
	}
	return out, err
}

// before is what an earlier set-up with the name has left here; the zero State where there is none, or this one
// has begun.
func (w *world) before(name string) (rotation.State, error) {
	if w.book(name) != nil {
		return rotation.State{}, nil
	}
	dir, err := w.app.journalDir()
	if err != nil {
		return rotation.State{}, err
	}
	return read(dir, name)
}

// changes are the differences that the run will make in the repository's files, with or without the one
// that lists the setups.
func (w *world) changes(ctx context.Context, p setup.Plan, platform providers.Platform, noted bool) (out []pipeline.Change, err error) {
	if !p.Pipeline.Own {
		file, err := platform.Pipeline(p)
		if err != nil {
			return nil, err
		}
		var c pipeline.Change
		if p.PullRequest {
			c, err = engine.Proposed(ctx, platform, file, p)
		} else {
			c, err = w.files.Plan(file, p.Name, p.ReplaceEdits)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	grant, _, err := engine.Grant(platform, p)
	if err != nil {
		return nil, err
	}
	if grant.Path != "" {
		c, err := w.files.Plan(grant, p.Name, p.ReplaceEdits)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	if !p.SelfRotation.IsZero() {
		more, err := w.changes(ctx, engine.Renewal(p, platform), platform, noted)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	if n := w.note(p); noted && n.Path != "" {
		c, err := w.files.PlanAmend(n.Path, n.Edit)
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	for _, path := range p.Retire.Files {
		m, ok := platform.(providers.Modernizer)
		if !ok {
			continue // the engine refuses it
		}
		c, err := w.files.PlanEdit(path, func(b []byte) ([]byte, error) { return m.Modernize(b, p.Target()) })
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

// next says what is left to the person. The files in waiting were not committed before; there leads to them.
func (w *world) next(r *engine.Result, platform providers.Platform, waiting []string, there string) []ui.NextStep {
	if w.sandbox != nil {
		where := "here"
		if there != "" {
			where = "in " + w.app.shown(w.files.Root())
		}
		var out []ui.NextStep
		for _, f := range r.Files {
			if f.Request != "" {
				out = append(out, ui.NextStep{Say: "Elsewhere the request would have to be merged into " + r.Plan.Pipeline.Branch + "; nobody merges it here"})
			} else if !r.Plan.Pipeline.Own && len(out) == 0 {
				out = append(out, ui.NextStep{Say: "Start the pipeline in the sandbox, and see that the token is used", Command: w.app.again("run " + r.Plan.Name)})
			}
		}
		return append(append(out, w.later(r, platform)...),
			ui.NextStep{Say: "Take everything back. What was written " + where + " is about the sandbox alone: push none of it", Command: w.app.again("remove " + r.Plan.Name)},
			ui.NextStep{Say: "Do the same with your own Astro", Command: "astro-ci"})
	}
	return append(w.publish(r, platform, waiting, there), w.later(r, platform)...)
}

// publish says how the files get to where runs read them.
func (w *world) publish(r *engine.Result, platform providers.Platform, waiting []string, there string) (out []ui.NextStep) {
	var changed []string
	files, written := r.Files, r.Written()
	if r.Renewal != nil {
		files, written = slices.Concat(files, r.Renewal.Files), slices.Concat(written, r.Renewal.Files)
	}
	for _, f := range written {
		if f.Request != "" {
			out = append(out, ui.NextStep{Say: "Have the request merged into " + r.Plan.Pipeline.Branch, Link: f.Request})
			continue
		}
		if word := word(f.Path); (f.Changed || slices.Contains(waiting, f.Path)) && !slices.Contains(changed, word) {
			changed = append(changed, word)
		}
	}
	if len(changed) > 0 {
		into := r.Plan.Pipeline.Branch
		if into == "" {
			into = "the branch that deploys"
		}
		out = append(out,
			ui.NextStep{Say: "Commit the pipeline file", Command: there + "git add " + strings.Join(changed, " ") + " && git commit -m \"Deploy to Astro from " + platform.Info().Name + "\""},
			ui.NextStep{Say: "Push it, or open a pull request into " + into, Command: "git push"},
		)
	}
	for i, f := range files {
		if f.Say != "" {
			out = append([]ui.NextStep{{Say: f.Say}}, out...)
			continue
		}
		watch := ui.NextStep{Say: "Watch the first run", Link: platform.Runs(r.Plan.Repository, f.Path)}
		if i >= len(r.Files) {
			watch.Say = "See there the runs that renew the token"
		}
		if !slices.ContainsFunc(out, func(n ui.NextStep) bool { return n.Link == watch.Link }) { // two jobs can have one page
			out = append(out, watch)
		}
	}
	return out
}

// later says what is left for the days to come.
func (w *world) later(r *engine.Result, platform providers.Platform) (out []ui.NextStep) {
	if r.Token.EndAt.IsZero() {
		return out
	}
	if r.Plan.SelfRotation.Every.Rotates() {
		if x, ok := platform.(providers.Scheduler); ok && x.Scheduled().Then != "" {
			out = append(out, ui.NextStep{Say: x.Scheduled().Then})
		}
		when := "one day"
		if ends := r.Renewal.LoginEnds; !ends.IsZero() {
			when = "on " + display.Day(ends)
		}
		return append(out, ui.NextStep{
			Say:     "Note that the log-in of the runs ends " + when + ": only a person can renew it. Before that, set " + setup.LoginSecret + " to another one, and rotate",
			Command: w.app.again("rotate " + r.Renewal.Plan.Name),
		})
	}
	warns := "the pipeline warns 14 days ahead"
	if r.Plan.Pipeline.Own {
		warns = "note the date, your own pipeline does not warn"
	}
	return append(out, ui.NextStep{
		Say: "Rotate the token after " + display.Day(rotation.DueAt(r.Token)) + " and before " + display.Day(r.Token.EndAt) + "; " + warns, Command: w.app.again("rotate " + r.Plan.Name),
	})
}
