package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsSelfRotation = "https://github.com/astro-ci/astro-ci/blob/main/docs/self-rotate.md"

// Renewal is the plan of the setup whose scheduled pipeline renews the token of p.
func Renewal(p setup.Plan, platform providers.Platform) setup.Plan {
	r := p.Renewal()
	if r.Pipeline.File = p.Pipeline.File; !platform.Info().OneFile {
		r.Pipeline.File = platform.PipelineFile(r.Setup)
	}
	return r
}

// Renew builds the actions of the setup that renews the token of p, which is there already. It is set up like any
// other, with a journal of its own.
func Renew(p setup.Plan, platform providers.Platform, d Deps) ([]Action, *Result, error) {
	s := p.SelfRotation
	fail := func(what, next, link string) ([]Action, *Result, error) {
		return nil, nil, hint.New(what, next, link)
	}
	const instead = "Leave --self-rotate out; astro-ci rotate --due does it from anywhere."
	x, ok := platform.(providers.Scheduler)
	switch {
	case !ok:
		return fail("schedules on "+platform.Info().Name+" cannot be made from here", instead, docsSelfRotation)
	case s.Every == setup.Reminder && !x.Scheduled().Issues:
		return fail("a run on "+platform.Info().Name+" cannot open an issue by itself", instead, docsSelfRotation)
	case p.PullRequest && platform.Info().OneFile:
		return fail("two requests for one file would be in each other's way", "Give --deliver file, and open the request for the file yourself.", "")
	case s.Every.Rotates() && len(s.Program.SHA256) == 0:
		return fail("the SHA-256 of astro-ci "+s.Program.Version+" is not known", "Give a release with --astro-ci-version, or a program of your own with --astro-ci-url, --astro-ci-version and --astro-ci-sha256.", docsSelfRotation)
	case s.Every.Rotates() && s.Login.Empty():
		return fail("the log-in to "+platform.Info().Name+" by which scheduled runs write secrets is not known", x.Scheduled().Right+" Put it into "+setup.LoginSecret+".", x.Scheduled().Link)
	}
	of := Renewal(p, platform)
	login := runsLogin{s.Login, []setup.Target{of.Target()}}
	for _, t := range p.Targets {
		if !slices.ContainsFunc(login.writes, func(x setup.Target) bool { return x.Address == t.Address }) { // a right is of a place
			login.writes = append(login.writes, t)
		}
	}
	if !s.Every.Rotates() { // a reminder has no use for one that was given
		login = runsLogin{}
	}
	for i, t := range login.writes {
		if p.NewEnvironment { // it is there when a run writes to it; whoever sets up makes it
			login.writes[i].Address, _, _ = strings.Cut(t.Address, "#")
		}
	}
	d.Note = Note{} // the entry of p says that it is renewed
	return setUp(of, platform, d, login)
}

// renewal adds the actions for the setup that renews the token of p to those of p itself; all checks come first.
func renewal(p setup.Plan, platform providers.Platform, d Deps, actions []Action, result *Result) ([]Action, error) {
	more, of, err := Renew(p, platform, d)
	if err != nil {
		return nil, err
	}
	result.Renewal = of
	n := 0
	for n < len(actions) && strings.HasPrefix(actions[n].Key, "check:") {
		n++
	}
	checks, rest := actions[:n:n], actions[n:]
	var effects []Action
	for _, a := range more {
		if name, ok := strings.CutPrefix(a.Key, "check:"); ok {
			a.Key = "check:renewal:" + name
			checks = append(checks, a)
			continue
		}
		a.Key = "renewal:" + a.Key
		effects = append(effects, a)
	}
	return append(append(checks, rest...), effects...), nil
}

// NewLogin builds the actions that give the scheduled runs of p another log-in, in place of the one that they have.
func NewLogin(p setup.Plan, platform providers.Platform, stores map[string]providers.Store, login *secret.Value) []Action {
	b := &builder{plan: p, platform: platform, Deps: Deps{Stores: stores}, result: &Result{Plan: p}}
	b.tryLogin(runsLogin{login, p.Targets})
	b.keepLogin(login)
	return b.actions
}

// tryLogin asks, before anything exists, whether the log-in of the scheduled runs may do what they will do with it.
func (b *builder) tryLogin(login runsLogin) {
	x, ok := b.platform.(providers.Scheduler)
	if !ok {
		return // Renew has refused it
	}
	var names []string
	for _, t := range login.writes {
		names = append(names, t.String())
	}
	b.add(Action{
		Key: "check:login", Read: true, Beside: true, Say: "Check that the log-in of the scheduled runs can write " + strings.Join(names, " and "),
		Do: func(ctx context.Context) (string, error) {
			var acc providers.Access
			store := x.As(login.value)
			for _, t := range login.writes {
				var err error
				if acc, err = store.Check(ctx, t); err != nil {
					needs := x.Scheduled() // the advice that comes with err is for a person's own log-in
					return "", hint.Instead(err, "try the log-in of the scheduled runs", "Give another one. "+needs.Right, needs.Link)
				}
			}
			b.result.LoginEnds = acc.Ends
			if !acc.Ends.IsZero() {
				return "it ends on " + display.Day(acc.Ends), nil
			}
			return acc.Note.String(), nil
		},
	})
}

// keepLogin stores the log-in to the platform by which scheduled runs write secrets.
func (b *builder) keepLogin(v *secret.Value) {
	t := b.plan.LoginTarget()
	store := b.Stores[t.Store] // the checks have refused an unknown one
	var before providers.State
	tried := false
	a := Action{
		Key: "login:" + t.String(), Say: fmt.Sprintf("Write the log-in of the scheduled runs to the secret %s", t),
		Stands: func() bool { return tried },
		Do: func(ctx context.Context) (string, error) {
			if !tried {
				var err error
				if before, err = store.Stat(ctx, t); err != nil {
					return "", err
				}
			}
			tried, b.began = true, true
			r, err := store.Put(ctx, t, v, providers.Meta{Setup: b.plan.Name, Repository: b.plan.Repository, Branch: b.plan.Pipeline.Branch, Scheduled: true, File: b.plan.Pipeline.File})
			return "proof: " + string(r.Proof), err
		},
	}
	if rm, ok := store.(providers.Remover); ok {
		a.UndoSays = "Remove the secret " + t.String()
		a.Undo = func(ctx context.Context) (string, error) {
			if before.Exists {
				return "one was there before; it holds the new log-in, which stays", nil
			}
			return t.String(), rm.Remove(ctx, t)
		}
	}
	b.add(a)
}

// schedule makes the schedule, where that is no part of the file.
func (b *builder) schedule() {
	timer, ok := b.platform.(providers.Timer)
	if !ok || !b.plan.Job.Scheduled() {
		return
	}
	s := providers.ScheduleOf(b.plan)
	made, tried := false, false
	b.add(Action{
		Key: "schedule:set", Say: fmt.Sprintf("Make the schedule %q: %s, in UTC", s.Name, s.Cron), UndoSays: "Delete the schedule",
		Stands: func() bool { return tried },
		Do: func(ctx context.Context) (string, error) {
			tried = true
			created, err := timer.SetSchedule(ctx, b.plan.Repository, s)
			made = made || created
			if err == nil && !created {
				return "it was there already", nil
			}
			return "", err
		},
		Undo: func(ctx context.Context) (string, error) {
			if !made {
				return "none was made here", nil
			}
			return "", timer.RemoveSchedule(ctx, b.plan.Repository, s.Name)
		},
	})
}

// unschedule deletes the schedule, where that is no part of the file.
func (b *builder) unschedule() {
	timer, ok := b.platform.(providers.Timer)
	if !ok || !b.plan.Job.Scheduled() {
		return
	}
	name := providers.ScheduleOf(b.plan).Name
	b.add(Action{
		Key: "schedule:remove", Say: fmt.Sprintf("Delete the schedule %q", name),
		Do: func(ctx context.Context) (string, error) {
			return "", timer.RemoveSchedule(ctx, b.plan.Repository, name)
		},
	})
}
