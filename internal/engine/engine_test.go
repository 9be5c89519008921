package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const id = "cm0000000000000000000org1"

// earth is a world in memory: an issuer and a store that can fail at every call, before or after
// the call had its effect.
type earth struct {
	tokens    map[string]string // id -> description
	values    map[string]*secret.Value
	stored    map[setup.Target]*secret.Value
	stamps    map[setup.Target]time.Time
	roles     []string
	schedules map[string]string // by name
	clock     time.Time
	mu        sync.Mutex // checks are made side by side
	calls     []string
	after     map[string]func() // runs once, after the call of this name
	late      bool              // a failed create has its effect only after the next look at the list
	failAt    string            // name of the call that fails once
	pending   []func()
	refuse    bool // the failing call is clearly refused
	applied   bool // the failing call has its effect all the same
}

var errBoom = errors.New("boom")

func newEarth() *earth {
	return &earth{
		tokens: map[string]string{}, values: map[string]*secret.Value{}, stored: map[setup.Target]*secret.Value{}, stamps: map[setup.Target]time.Time{}, schedules: map[string]string{},
		clock: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC),
	}
}

// call records a call and runs effect unless the call is to fail before it.
func (e *earth) call(name string, effect func()) error {
	if f := e.after[name]; f != nil {
		delete(e.after, name)
		defer f()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.calls = append(e.calls, name)
	if e.failAt == name {
		e.failAt = ""
		if e.refuse {
			return &httpx.StatusError{Status: 403}
		}
		if e.applied && !e.late {
			effect()
		}
		e.pending = append(e.pending, effect)
		return errBoom
	}
	effect()
	return nil
}

// did are the calls; checks, whose order is chance, by their names.
func (e *earth) did() []string {
	out := slices.Clone(e.calls)
	n := slices.IndexFunc(out, func(s string) bool { return !strings.HasPrefix(s, "check:") })
	slices.Sort(out[:max(0, n)])
	return out
}

func (e *earth) CheckCreate(context.Context, setup.Plan) (string, error) {
	return "", e.call("check:astro", func() {})
}

func (e *earth) CreateRole(_ context.Context, _, name string, _ []string) (astro.Role, bool, error) {
	created := !slices.Contains(e.roles, name)
	err := e.call("role", func() {
		if created {
			e.roles = append(e.roles, name)
		}
	})
	return astro.Role{ID: name}, created, err
}

func (e *earth) DeleteRole(_ context.Context, _, id string) error {
	return e.call("delete role", func() { e.roles = slices.DeleteFunc(e.roles, func(r string) bool { return r == id }) })
}

func (e *earth) ProveKey(context.Context, setup.Setup, setup.Key) (string, error) {
	return "", e.call("prove key", func() {})
}

func (e *earth) CreateToken(_ context.Context, s setup.Setup, marker string) (t astro.Token, v *secret.Value, err error) {
	err = e.call("create", func() {
		t = astro.Token{ID: fmt.Sprintf("token%d", len(e.values)+1), EndAt: e.clock.AddDate(0, 0, s.Credential.ExpiresInDays)}
		v = secret.New([]byte(rand.Text()))
		e.tokens[t.ID], e.values[t.ID] = marker, v
	})
	if err != nil {
		return astro.Token{}, nil, err
	}
	return t, v, nil
}

func (e *earth) Prove(_ context.Context, _ setup.Setup, t astro.Token, v *secret.Value) (string, error) {
	if !e.values[t.ID].Equal(v) {
		return "", errors.New("not the token's value")
	}
	return "", e.call("prove", func() {})
}

func (e *earth) FindTokens(_ context.Context, _ setup.Setup, marker string) (out []astro.Token, err error) {
	for id, m := range e.tokens {
		if m == marker {
			out = append(out, astro.Token{ID: id})
		}
	}
	if e.late {
		e.late = false
		for _, f := range e.pending {
			f()
		}
	}
	return out, nil
}

func (e *earth) DeleteToken(_ context.Context, _, id string) error {
	return e.call("delete", func() { delete(e.tokens, id) })
}

// store is the secret store of an earth, and a platform.
type store struct {
	*earth
	providers.Platform // what the engine does not use
}

func (s store) Info() providers.Info {
	return providers.Info{ID: "github", Docs: "https://example.com"}
}

func (s store) Check(_ context.Context, t setup.Target) (providers.Access, error) {
	return providers.Access{}, s.call("check:"+t.String(), func() {})
}

func (s store) Put(_ context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (r providers.Receipt, err error) {
	err = s.call("put:"+t.String(), func() {
		s.clock = s.clock.Add(time.Minute)
		_, had := s.stored[t]
		s.stored[t], s.stamps[t] = v, s.clock
		r = providers.Receipt{Created: !had, Proof: providers.Metadata}
	})
	return r, err
}

func (s store) Stat(_ context.Context, t setup.Target) (providers.State, error) {
	_, ok := s.stored[t]
	return providers.State{Exists: ok, UpdatedAt: s.stamps[t]}, nil
}

func (s store) Remove(_ context.Context, t setup.Target) error {
	return s.call("remove:"+t.String(), func() { delete(s.stored, t); delete(s.stamps, t) })
}

func (s store) Pipeline(p setup.Plan) (providers.File, error) {
	return providers.File{Path: p.Pipeline.File, Content: []byte("name: x\n")}, nil
}

func (s store) Modernize([]byte, setup.Target) ([]byte, error) { return []byte("new\n"), nil }

func plan() setup.Plan {
	return setup.Plan{Setup: setup.Setup{
		Name: "etl", Organization: setup.Ref{ID: id}, Workspace: setup.Ref{ID: id}, Deployment: setup.Ref{ID: id}, Job: setup.DeployCode,
		Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90}, Platform: "github",
		Repository: setup.Repository{Host: "github.com", Path: "acme/etl"},
		Targets:    []setup.Target{{Store: "github", Address: "acme/etl", Secret: "A"}, {Store: "github", Address: "acme/etl#prod", Secret: "B"}},
		Pipeline: setup.Pipeline{File: ".github/workflows/a.yml", Branch: "main", Deploy: setup.Infer, CLI: setup.CLI{
			Version: "1.40.1", BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64)},
		}},
	}}
}

func (e *earth) run(t *testing.T, p setup.Plan) (*engine.Run, *engine.Result, string) {
	t.Helper()
	root := t.TempDir()
	actions, res, err := engine.SetUp(p, store{earth: e}, engine.Deps{
		Issuer: e, Stores: map[string]providers.Store{"github": store{earth: e}}, Files: pipeline.NewFiles(root), NewID: rand.Text,
	})
	if err != nil {
		t.Fatal(err)
	}
	return engine.NewRun(actions), res, filepath.Join(root, filepath.FromSlash(p.Pipeline.File))
}

func TestOrder(t *testing.T) {
	e := newEarth()
	r, res, file := e.run(t, plan())
	if len(e.calls) != 0 {
		t.Fatalf("building the actions already did %v", e.calls)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	want := []string{"check:astro", "check:github:acme/etl#prod/B", "check:github:acme/etl/A", "create", "prove", "put:github:acme/etl/A", "put:github:acme/etl#prod/B"}
	if !slices.Equal(e.did(), want) {
		t.Errorf("did   %v\nwant  %v", e.did(), want)
	}
	if !r.Finished() || len(e.tokens) != 1 || res.Token.ID == "" || !res.Files[0].Changed {
		t.Errorf("not finished: %+v", res)
	}
	for target, v := range e.stored {
		if !v.Equal(e.values[res.Token.ID]) {
			t.Errorf("%s holds something else", target)
		}
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}

// What only looks is done at the same time as its neighbours, and told in their order; what was done a moment ago
// is told and not done again.
func TestChecksAreMadeSideBySide(t *testing.T) {
	met := make(chan bool) // without a buffer: both have to be there
	var did []string
	look := func(key string, do func()) engine.Action {
		return engine.Action{Key: key, Beside: true, Do: func(context.Context) (string, error) { do(); return "seen by " + key, nil }}
	}
	r := engine.NewRun([]engine.Action{
		look("a", func() { met <- true }), look("b", func() { <-met }), look("c", func() { t.Error("it was done again") }),
		{Key: "d", Do: func(context.Context) (string, error) { return "", errBoom }},
		look("e", func() { t.Error("it was done after a failure") }),
	})
	r.Trust([]engine.Checked{{Key: "c", Detail: "seen before"}})
	for ev := range r.Go(t.Context()) {
		did = append(did, ev.Action.Key+" "+string(ev.State)+" "+ev.Detail)
	}
	want := []string{"a started ", "b started ", "a done seen by a", "b done seen by b", "c done seen before", "d started ", "d failed "}
	if !slices.Equal(did, want) {
		t.Errorf("got  %q\nwant %q", did, want)
	}
}

func TestNothingIsCreatedWhenACheckFails(t *testing.T) {
	for _, check := range []string{"check:astro", "check:github:acme/etl/A", "check:github:acme/etl#prod/B"} {
		e := newEarth()
		e.failAt = check
		r, _, _ := e.run(t, plan())
		if err := engine.Tell(r.Go(t.Context()), nil); !errors.Is(err, errBoom) {
			t.Fatalf("%s: %v", check, err)
		}
		if slices.Contains(e.calls, "create") || len(r.Left()) != 0 {
			t.Errorf("%s failed and still: %v", check, e.calls)
		}
	}
}

// TestFailureAnywhere lets every call fail, before and after its effect; then either goes on or
// takes everything back. At the end there is exactly one live token, held by every target, or
// none, and no target holds one.
func TestFailureAnywhere(t *testing.T) {
	for _, call := range []string{"create", "prove", "put:github:acme/etl/A", "put:github:acme/etl#prod/B"} {
		for _, applied := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s applied=%v, try again", call, applied), func(t *testing.T) {
				e := newEarth()
				e.failAt, e.applied = call, applied
				r, res, _ := e.run(t, plan())
				if engine.Tell(r.Go(t.Context()), nil) == nil {
					t.Fatal("no failure")
				}
				if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
					t.Fatal(err)
				}
				if len(e.tokens) != 1 || e.tokens[res.Token.ID] == "" || len(e.stored) != 2 {
					t.Errorf("tokens %v, result %s, %d targets", e.tokens, res.Token.ID, len(e.stored))
				}
			})
			t.Run(fmt.Sprintf("%s applied=%v, take back", call, applied), func(t *testing.T) {
				e := newEarth()
				e.failAt, e.applied = call, applied
				r, res, file := e.run(t, plan())
				if engine.Tell(r.Go(t.Context()), nil) == nil {
					t.Fatal("no failure")
				}
				if err := engine.Tell(r.Undo(t.Context()), nil); err != nil {
					t.Fatal(err)
				}
				if len(e.tokens) != 0 || len(e.stored) != 0 || len(r.Left()) != 0 {
					t.Errorf("left: tokens %v, targets %v, actions %v", e.tokens, e.stored, r.Left())
				}
				if res.Files[0].Changed {
					t.Error("the file counts as changed")
				}
				if _, err := os.Stat(file); err == nil {
					t.Error("the file is there")
				}
			})
		}
	}
}

// A token whose create got no answer, and that comes into being late, is not forgotten.
// keeper is a store that keeps earlier values, and tells times by the hour.
type keeper struct {
	store
	kept map[string]*secret.Value
	meta map[string]providers.Meta
}

func (k keeper) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	r, err := k.store.Put(ctx, t, v, m)
	if err == nil {
		r.Version = k.stamps[t].String()
		k.kept[r.Version], k.meta[r.Version] = v, m
	}
	return r, err
}

func (k keeper) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	s, err := k.store.Stat(ctx, t)
	s.Version, s.UpdatedAt = s.UpdatedAt.String(), s.UpdatedAt.Truncate(time.Hour)
	return s, err
}

func (k keeper) Earlier(_ context.Context, _ setup.Target, version string) (*secret.Value, error) {
	if v := k.kept[version]; v != nil {
		return v, nil
	}
	return nil, errBoom
}

// What was in a target before is put back where the store keeps it; the new token can go then.
func TestUndoPutsTheEarlierValueBack(t *testing.T) {
	e := newEarth()
	k := keeper{store{earth: e}, map[string]*secret.Value{}, map[string]providers.Meta{}}
	p := plan()
	p.Targets = p.Targets[:1]
	old := testkit.Canary(t)
	if _, err := k.Put(t.Context(), p.Target(), old, providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	actions, res, err := engine.SetUp(p, store{earth: e}, engine.Deps{
		Issuer: e, Stores: map[string]providers.Store{"github": k}, Files: pipeline.NewFiles(t.TempDir()), NewID: rand.Text,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := engine.NewRun(actions)
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if e.stored[p.Target()].Equal(old) {
		t.Fatal("nothing was written")
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if !e.stored[p.Target()].Equal(old) || len(e.tokens) != 0 || !res.TokenRevoked {
		t.Errorf("the target has its value again: %v; %d tokens", e.stored[p.Target()].Equal(old), len(e.tokens))
	}
	if m := k.meta[e.stamps[p.Target()].String()]; m.Setup != "etl" || m.TokenID != "" || !m.ExpiresAt.IsZero() {
		t.Errorf("beside the earlier value stands what is the new token's: %+v", m)
	}
}

// A target that fails does not keep the others from getting the token; the pipeline file waits for all.
func TestOneTargetFails(t *testing.T) {
	e := newEarth()
	e.failAt = "put:github:acme/etl/A"
	r, res, file := e.run(t, plan())
	var failed []string
	if engine.Tell(r.Go(t.Context()), func(ev engine.Event) {
		if ev.State == engine.Failed {
			failed = append(failed, ev.Action.Key)
		}
	}) == nil {
		t.Fatal("no failure")
	}
	if _, err := os.Stat(file); err == nil || len(e.stored) != 1 || !slices.Equal(failed, []string{"secret:github:acme/etl/A"}) {
		t.Errorf("after the failure: %d targets, failed %q, file: %v", len(e.stored), failed, err)
	}
	if res.Targets[0].State != engine.Failed || res.Targets[1].State != engine.Done {
		t.Errorf("got %+v", res.Targets)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil || !r.Finished() || len(e.stored) != 2 || len(e.tokens) != 1 {
		t.Errorf("tried again: %v, %d targets, %d tokens", err, len(e.stored), len(e.tokens))
	}
}

func TestATokenThatComesLate(t *testing.T) {
	e := newEarth()
	e.failAt, e.late = "create", true
	r, res, _ := e.run(t, plan())
	if engine.Tell(r.Go(t.Context()), nil) == nil {
		t.Fatal("no failure")
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if len(e.tokens) != 1 || e.tokens[res.Token.ID] == "" {
		t.Errorf("tokens %v, result %s", e.tokens, res.Token.ID)
	}
}

// A clear refusal of the second try does not settle what became of the first.
func TestARefusalAfterAnUnclearTry(t *testing.T) {
	e := newEarth()
	e.failAt, e.late = "create", true
	r, _, _ := e.run(t, plan())
	_ = engine.Tell(r.Go(t.Context()), nil)
	e.failAt, e.refuse = "create", true
	if engine.Tell(r.Go(t.Context()), nil) == nil || len(r.Left()) == 0 {
		t.Fatalf("nothing is said to be left; tokens are %v", e.tokens)
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || len(e.tokens) != 0 {
		t.Errorf("left are %v, %v", e.tokens, err)
	}
}

// When the file cannot be written after all, everything can still be taken back, and tried again.
func TestFileThatCannotBeWritten(t *testing.T) {
	e := newEarth()
	e.after = map[string]func(){}
	r, res, file := e.run(t, plan())
	e.after["put:github:acme/etl#prod/B"] = func() { // somebody else writes a file there
		_ = os.MkdirAll(filepath.Dir(file), 0o700)
		_ = os.WriteFile(file, []byte("name: theirs\n"), 0o600)
	}
	if engine.Tell(r.Go(t.Context()), nil) == nil {
		t.Fatal("no failure")
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || len(r.Left()) != 0 || len(e.tokens)+len(e.stored) != 0 || !res.TokenRevoked {
		t.Fatalf("%v; left: %v, tokens %v, targets %v", err, r.Left(), e.tokens, e.stored)
	}
	if b, _ := os.ReadFile(file); string(b) != "name: theirs\n" {
		t.Errorf("their file is now %q", b)
	}
	_ = os.Remove(file)
	e.calls = nil
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(e.calls, "prove") || res.TokenRevoked || len(e.tokens) != 1 {
		t.Errorf("the second time: %v, revoked %v, tokens %v", e.calls, res.TokenRevoked, e.tokens)
	}
}

func TestNewRole(t *testing.T) {
	p := plan()
	p.Credential.Role, p.NewRole = "CI_Deploy", []string{"deployment.get"}
	e := newEarth()
	e.failAt = "prove"
	r, _, _ := e.run(t, p)
	if engine.Tell(r.Go(t.Context()), nil) == nil || !slices.Contains(e.roles, "CI_Deploy") {
		t.Fatalf("roles are %v", e.roles)
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || len(e.roles) != 0 {
		t.Errorf("left are roles %v, %v", e.roles, err)
	}
	e.roles = []string{"CI_Deploy"} // one that was there before is not ours to delete
	r, _, _ = e.run(t, p)
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil || len(e.roles) != 1 {
		t.Errorf("roles are %v, %v", e.roles, err)
	}
}

func TestDeploymentKey(t *testing.T) {
	p := plan()
	p.Credential = setup.Credential{Kind: setup.DeploymentKey}
	p.Targets = []setup.Target{{Store: "github", Address: "acme/etl", Secret: "I", Variable: setup.KeyIDVariable}, {Store: "github", Address: "acme/etl", Secret: "S", Variable: setup.KeySecretVariable}}
	if _, _, err := engine.SetUp(p, store{}, engine.Deps{}); err == nil {
		t.Error("a key that nobody gave was let pass")
	}
	p.Key = setup.Key{ID: secret.New([]byte("id")), Secret: secret.New([]byte("secret"))}
	e := newEarth()
	r, res, _ := e.run(t, p)
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if !e.stored[p.Targets[0]].Equal(p.Key.ID) || !e.stored[p.Targets[1]].Equal(p.Key.Secret) || len(e.tokens) != 0 || res.Token.ID != "" || !slices.Contains(e.calls, "prove key") {
		t.Errorf("calls %v, stored %d", e.calls, len(e.stored))
	}
}

// The token takes the key's place in the person's own file, and the old secrets go last.
func TestRetire(t *testing.T) {
	p := plan()
	old := setup.Target{Store: "github", Address: "acme/etl", Secret: "ASTRONOMER_KEY_ID"}
	p.Retire = setup.Legacy{Files: []string{".github/workflows/mine.yml"}, Secrets: []setup.Target{old}}
	p.Pipeline = setup.Pipeline{Own: true}
	e := newEarth()
	e.stored[old] = secret.New([]byte("old"))
	r, res, file := e.run(t, p)
	mine := filepath.Join(file, ".github", "workflows", "mine.yml")
	_ = os.MkdirAll(filepath.Dir(mine), 0o700)
	if err := os.WriteFile(mine, []byte("old\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(mine); string(b) != "new\n" || !res.Files[0].Changed || e.stored[old] != nil {
		t.Errorf("the file holds %q, the old secret is there: %v", b, e.stored[old] != nil)
	}
	if last := e.calls[len(e.calls)-1]; last != "remove:"+old.String() {
		t.Errorf("the last call is %s", last)
	}
}

func TestUndoOfEverything(t *testing.T) {
	e := newEarth()
	r, _, file := e.run(t, plan())
	if err := engine.Tell(r.Go(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if err := engine.Tell(r.Undo(t.Context()), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil || len(e.tokens)+len(e.stored) != 0 {
		t.Errorf("left: file %v, tokens %v, targets %v", err == nil, e.tokens, e.stored)
	}
}

// A secret that was there before and was replaced cannot be put back: then the token must live on.
func TestUndoNeverLeavesADeadToken(t *testing.T) {
	for _, fail := range []string{"", "put:github:acme/etl#prod/B"} {
		e := newEarth()
		p := plan()
		e.stored[p.Targets[0]], e.stamps[p.Targets[0]] = secret.New([]byte("old")), e.clock
		e.failAt = fail
		r, res, _ := e.run(t, p)
		_ = engine.Tell(r.Go(t.Context()), nil)
		if err := engine.Tell(r.Undo(t.Context()), nil); err == nil {
			t.Error("nothing was said about the old value")
		}
		if e.tokens[res.Token.ID] == "" {
			t.Error("the token is dead and a target holds it")
		}
	}
}

func TestCancelledRunStopsBetweenActions(t *testing.T) {
	e := newEarth()
	r, _, _ := e.run(t, plan())
	ctx, cancel := context.WithCancel(t.Context())
	err := engine.Tell(r.Go(ctx), func(ev engine.Event) {
		if ev.Action.Key == "token:create" && ev.State == engine.Started {
			cancel()
		}
	})
	if !errors.Is(err, engine.ErrCancelled) || e.calls[len(e.calls)-1] != "create" {
		t.Errorf("err %v, calls %v", err, e.calls)
	}
	if len(r.Left()) != 1 {
		t.Errorf("left %d, want the token", len(r.Left()))
	}
}

func TestPlanIsValidatedAgain(t *testing.T) {
	p := plan()
	p.Credential.ExpiresInDays = 0
	p.Pipeline.File = "../x"
	_, _, err := engine.SetUp(p, store{earth: newEarth()}, engine.Deps{NewID: rand.Text})
	var f *setup.Fault
	if !errors.As(err, &f) || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("got %v", err)
	}
}
