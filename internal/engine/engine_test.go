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
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

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

// Every check that was made is told, also beside one that failed.
func TestEveryCheckIsTold(t *testing.T) {
	look := func(key string, err error) engine.Action {
		return engine.Action{Key: key, Beside: true, Do: func(context.Context) (string, error) { return "", err }}
	}
	r := engine.NewRun([]engine.Action{look("a", errBoom), look("b", nil), look("c", errBoom), {Key: "d", Do: func(context.Context) (string, error) { t.Error("it went on"); return "", nil }}})
	var ended []string
	for ev := range r.Go(t.Context()) {
		if ev.State != engine.Started {
			ended = append(ended, ev.Action.Key+" "+string(ev.State))
		}
	}
	if want := []string{"a failed", "b done", "c failed"}; !slices.Equal(ended, want) {
		t.Errorf("got %q, want %q", ended, want)
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
