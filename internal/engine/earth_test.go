package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
