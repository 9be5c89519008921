package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// clock is a store on a platform that keeps schedules apart from the file.
type clock struct {
	store
	issues bool
	one    bool          // it reads one file only
	knows  *secret.Value // the one log-in of a run that may write; nil: each may
}

func (c clock) Info() providers.Info {
	i := c.store.Info()
	i.OneFile = c.one
	return i
}

func (c clock) Scheduled() providers.Scheduled {
	return providers.Scheduled{Right: "May write secrets.", Link: "https://example.com/tokens", Issues: c.issues}
}

func (c clock) As(login *secret.Value) providers.Store { return asRun{c, login} }

// asRun is the store with the log-in of a run.
type asRun struct {
	clock
	login *secret.Value
}

func (s asRun) Check(_ context.Context, t setup.Target) (providers.Access, error) {
	err := s.call("check:login:"+t.String(), func() {})
	if s.knows != nil && !s.knows.Equal(s.login) {
		err = hint.Wrap(errBoom, "refused", "Log in anew.", "https://example.com/log-in")
	}
	return providers.Access{}, err
}

func (c clock) PipelineFile(s setup.Setup) string { return "ci/" + s.Name + ".yml" }

func (c clock) SetSchedule(_ context.Context, _ setup.Repository, s providers.Schedule) (created bool, err error) {
	err = c.call("schedule", func() {
		created = c.schedules[s.Name] == ""
		c.schedules[s.Name] = s.Cron + " " + s.File
	})
	return created, err
}

func (c clock) RemoveSchedule(_ context.Context, _ setup.Repository, name string) error {
	return c.call("unschedule", func() { delete(c.schedules, name) })
}

func renewed(t *testing.T, every setup.Cadence) setup.Plan {
	p := plan()
	p.Targets = p.Targets[:1]
	p.Targets[0].Secret = setup.TokenVariable
	p.SelfRotation = setup.SelfRotation{Every: every, Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "WORKSPACE_OWNER", ExpiresInDays: 90}, Program: p.Pipeline.CLI, Login: testkit.Canary(t)}
	return p
}

func (e *earth) renewal(t *testing.T, p setup.Plan, c clock) (*engine.Run, *engine.Result, error) {
	t.Helper()
	actions, res, err := engine.SetUp(p, c, engine.Deps{
		Issuer: e, Stores: map[string]providers.Store{"github": c}, Files: pipeline.NewFiles(t.TempDir()), NewID: rand.Text,
	})
	return engine.NewRun(actions), res, err
}

// What renews the token is set up after it, and every check comes before anything is made.
func TestSelfRotation(t *testing.T) {
	e := newEarth()
	p := renewed(t, setup.Weekly)
	r, res, err := e.renewal(t, p, clock{store: store{earth: e}})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	at := "github:acme/etl/"
	want := []string{
		"check:astro", "check:astro", "check:" + at + "ASTRO_API_TOKEN", "check:" + at + "ASTRO_CI_ROTATION_TOKEN", "check:login:" + at + "ASTRO_CI_ROTATION_TOKEN", "create", "prove", "put:" + at + "ASTRO_API_TOKEN",
		"put:" + at + "ASTRO_CI_PLATFORM_TOKEN", "create", "prove", "put:" + at + "ASTRO_CI_ROTATION_TOKEN", "schedule",
	}
	if !slices.Equal(e.did(), want) {
		t.Errorf("did   %v\nwant  %v", e.did(), want)
	}
	if x := res.Renewal; x == nil || x.Token.ID == "" || x.Token.ID == res.Token.ID || !x.Files[0].Changed || x.Files[0].Path != "ci/etl-rotation.yml" || len(e.schedules) != 1 {
		t.Errorf("got %+v, %v", res.Renewal, e.schedules)
	}
	keys := map[string]bool{}
	for _, ev := range r.Actions() {
		if keys[ev.Action.Key] {
			t.Errorf("two actions are called %s", ev.Action.Key)
		}
		keys[ev.Action.Key] = true
	}
	for target, v := range e.stored {
		if strings.HasPrefix(target.Secret, setup.LoginSecret) != v.Equal(p.SelfRotation.Login) {
			t.Errorf("%s holds something else", target)
		}
	}
}

// A log-in that the runs could do nothing with is refused before anything exists, with the advice for such a one.
func TestALogInOfRunsIsTried(t *testing.T) {
	for name, knows := range map[string]func(setup.Plan) *secret.Value{
		"right": func(p setup.Plan) *secret.Value { return p.SelfRotation.Login },
		"wrong": func(setup.Plan) *secret.Value { return testkit.Canary(t) },
	} {
		e := newEarth()
		p := renewed(t, setup.Weekly)
		r, _, err := e.renewal(t, p, clock{store: store{earth: e}, knows: knows(p)})
		if err != nil {
			t.Fatal(err)
		}
		switch err := engine.Tell(r.Go(t.Context()), nil); {
		case name == "right" && err != nil:
			t.Error(err)
		case name == "wrong" && (len(e.tokens)+len(e.stored)+len(e.schedules) != 0 || hint.Innermost(err).Next != "Give another one. May write secrets." || hint.Of(err).Link != "https://example.com/tokens" ||
			!errors.Is(err, errBoom) || err.Error() != "try the log-in of the scheduled runs: refused: boom"):
			t.Errorf("%v; %v, %v, %v", err, e.tokens, e.stored, e.schedules)
		}
	}
}

// Each place that the runs write to is tried, as it will be when they do.
func TestALogInOfRunsIsTriedEverywhere(t *testing.T) {
	e := newEarth()
	p := renewed(t, setup.Weekly)
	p.Targets[0].Address, p.NewEnvironment = "acme/etl#prod", true
	p.Targets = append(p.Targets, setup.Target{Store: "github", Address: "acme/other", Secret: "COPY"})
	r, _, err := e.renewal(t, p, clock{store: store{earth: e}})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"check:login:github:acme/etl/ASTRO_CI_ROTATION_TOKEN", "check:login:github:acme/other/COPY"} {
		if !slices.Contains(e.did(), want) {
			t.Errorf("did %v, not %s", e.did(), want)
		}
	}
}

// Whatever fails, it can be gone on with, or taken back until nothing is left.
func TestSelfRotationFailsAnywhere(t *testing.T) {
	at := "github:acme/etl/"
	for _, call := range []string{"put:" + at + "ASTRO_CI_PLATFORM_TOKEN", "put:" + at + "ASTRO_CI_ROTATION_TOKEN", "schedule"} {
		for _, applied := range []bool{false, true} {
			for _, back := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/%v", filepath.Base(call), applied, back), func(t *testing.T) {
					e := newEarth()
					e.failAt, e.applied = call, applied
					r, _, err := e.renewal(t, renewed(t, setup.Weekly), clock{store: store{earth: e}})
					if err != nil {
						t.Fatal(err)
					}
					if engine.Tell(r.Go(t.Context()), nil) == nil {
						t.Fatal("no failure")
					}
					if !back {
						if err := engine.Tell(r.Go(t.Context()), nil); err != nil || len(e.tokens) != 2 || len(e.stored) != 3 || len(e.schedules) != 1 {
							t.Errorf("%v: %v, %v, %v", err, e.tokens, e.stored, e.schedules)
						}
						return
					}
					if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || len(e.tokens)+len(e.stored)+len(e.schedules) != 0 {
						t.Errorf("%v: %v, %v, %v", err, e.tokens, e.stored, e.schedules)
					}
				})
			}
		}
	}
}

// A schedule that was there before is not taken back, also when it could not be looked at.
func TestUndoLeavesTheScheduleOfBefore(t *testing.T) {
	e := newEarth()
	p := renewed(t, setup.Weekly)
	c := clock{store: store{earth: e}}
	name := providers.ScheduleOf(engine.Renewal(p, c)).Name
	e.schedules[name] = "of before"
	e.failAt = "schedule"
	r, _, err := e.renewal(t, p, c)
	if err != nil {
		t.Fatal(err)
	}
	if engine.Tell(r.Go(t.Context()), nil) == nil {
		t.Fatal("no failure")
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || e.schedules[name] != "of before" {
		t.Errorf("%v: %v", err, e.schedules)
	}
}

// A reminder is a file and a schedule, and nothing else.
func TestReminder(t *testing.T) {
	e := newEarth()
	r, res, err := e.renewal(t, renewed(t, setup.Reminder), clock{store: store{earth: e}, issues: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil || len(e.tokens) != 1 || len(e.stored) != 1 || len(e.schedules) != 1 || res.Renewal.Token.ID != "" {
		t.Errorf("%v: %v, %v, %v", err, e.tokens, e.stored, e.schedules)
	}
}

func TestSelfRotationIsRefused(t *testing.T) {
	for what, tc := range map[string]struct {
		every setup.Cadence
		spoil func(*setup.Plan)
		clock clock
		next  string
	}{
		"no issues":                 {setup.Reminder, func(*setup.Plan) {}, clock{}, "astro-ci rotate --due"},
		"no log-in":                 {setup.Weekly, func(p *setup.Plan) { p.SelfRotation.Login = nil }, clock{}, "May write secrets. Put it into ASTRO_CI_PLATFORM_TOKEN."},
		"two requests for one file": {setup.Weekly, func(p *setup.Plan) { p.PullRequest = true }, clock{one: true}, "--deliver file"},
	} {
		e := newEarth()
		p := renewed(t, tc.every)
		tc.spoil(&p)
		tc.clock.store = store{earth: e}
		if _, _, err := e.renewal(t, p, tc.clock); err == nil || !strings.Contains(hint.Of(err).Next, tc.next) || len(e.calls) != 0 {
			t.Errorf("%s: %v", what, err)
		}
	}
	e := newEarth()
	_, _, err := engine.SetUp(renewed(t, setup.Weekly), store{earth: e}, engine.Deps{Issuer: e, Stores: map[string]providers.Store{"github": store{earth: e}}, Files: pipeline.NewFiles(t.TempDir()), NewID: rand.Text})
	if err == nil {
		t.Error("a platform without schedules has one")
	}
}

// The rest of a set-up that was broken off is its own: what would renew it needs a log-in that is gone.
func TestRestOfWhatRenews(t *testing.T) {
	e := newEarth()
	c := clock{store: store{earth: e}}
	d := engine.Deps{Issuer: e, Stores: map[string]providers.Store{"github": c}, Files: pipeline.NewFiles(t.TempDir()), NewID: rand.Text}
	for _, tc := range []struct {
		plan setup.Plan
		want []string
	}{{renewed(t, setup.Weekly), []string{"pipeline:write"}}, {engine.Renewal(renewed(t, setup.Weekly), c), []string{"pipeline:write", "schedule:set"}}} {
		actions, _, err := engine.Rest(tc.plan, c, d)
		var keys []string
		for _, a := range actions {
			keys = append(keys, a.Key)
		}
		if err != nil || !slices.Equal(keys, tc.want) {
			t.Errorf("%s: %v, %v", tc.plan.Name, keys, err)
		}
	}
}
