package buildkite_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/buildkite"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/buildkited"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	name = "ASTRO_API_TOKEN"
	here = "acme/" + buildkited.Cluster
)

var etl = setup.Repository{Host: "buildkite.com", Path: "acme/etl"}

func target(address, name string) setup.Target {
	return setup.Target{Store: "buildkite", Address: address, Secret: name}
}

func newWorld(t *testing.T) (*buildkited.Server, *providertest.World) {
	t.Helper()
	server, err := buildkited.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return buildkite.New(providers.Options{Server: base, Login: providers.Login{User: "acme", Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		v, policy, err := server.Open(x.Secret)
		if err == nil && policy != "- pipeline_slug: etl\n  build_branch: \"main\"\n" {
			t.Errorf("the policy is %q", policy)
		}
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) {
		return http.MethodPost, "/v2/organizations/acme/clusters/*/secrets"
	}
	return server, w
}

var meta = providers.Meta{Setup: "etl", TokenID: "token", Repository: etl, Branch: "main"}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target(here, name)}, Meta: meta,
		Missing: target("acme/00000000-0000-0000-0000-000000000000", name),
		Hostile: []setup.Target{
			target(here, "1A"), target(here, "A B"), target(here, "A/../B"), target(here, ""), target(here, "BUILDKITE_X"), target(here, "BK_X"), target("acme/..", name),
			target("acme", name), target("", name), target(here+"/x", name), target("a%2fb/"+buildkited.Cluster, name), target("a\nb/"+buildkited.Cluster, name),
		},
	})
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(*buildkite.Provider)
	for _, text := range []string{" acme/etl ", "buildkite.com/acme/etl", "https://buildkite.com/acme/etl"} {
		if repo, err := p.ParseRepo(text); err != nil || repo != etl {
			t.Errorf("%q: %+v, %v", text, repo, err)
		}
	}
	elsewhere := buildkite.New(providers.Options{Server: &url.URL{}, Host: "buildkite.example"})
	if repo, err := elsewhere.ParseRepo("buildkite.com/acme/etl"); err != nil || repo.String() != "buildkite.example/acme/etl" {
		t.Errorf("as a remote is detected: %s, %v", repo, err)
	}
	for _, bad := range []string{"acme", "a/b/c", "https://x/y/z", "", "../x", "Acme/etl"} {
		if _, err := p.ParseRepo(bad); err == nil {
			t.Errorf("%q is a pipeline", bad)
		}
	}
	if repo, ok := p.Detect(providers.Remote{Host: "github.com", Path: "Other/ETL_jobs"}); !ok || repo.Path != "acme/etl-jobs" {
		t.Errorf("%+v, %v", repo, ok)
	}
	if r, err := p.Repo(t.Context(), etl); err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("%+v, %v", r, err)
	}
	if places, err := p.Places(t.Context(), etl); err != nil || len(places) != 1 || places[0].Address != here {
		t.Errorf("%+v, %v", places, err)
	}
	for i := range 130 {
		if _, err := p.Put(t.Context(), target(here, "S_"+strconv.Itoa(i)), testkit.Canary(t), meta); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := p.List(t.Context(), target(here, name)); err != nil || len(all) != 130 {
		t.Errorf("%d secrets, %v", len(all), err)
	}
	if acc, err := p.Check(t.Context(), target(here, name)); err != nil || !acc.Ends.IsZero() {
		t.Errorf("a token without an end ends at %v, %v", acc.Ends, err)
	}
	end := time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)
	server.SetEnd(end)
	if acc, err := p.Check(t.Context(), target(here, name)); err != nil || !acc.Ends.Equal(end) {
		t.Errorf("a token with an end ends at %v, %v", acc.Ends, err)
	}
	server.SetScopes("read_clusters", "read_pipelines", "read_secret_details")
	if _, err := p.Check(t.Context(), target(here, name)); err == nil || !strings.Contains(err.Error(), "lacks the scope write_secrets") {
		t.Errorf("a scope less: %v", err)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, w := newWorld(t)
		p := w.Store.(*buildkite.Provider)
		if _, err := p.Start(t.Context(), etl, "", "other"); err == nil || !strings.Contains(hint.Of(err).Next, "the branch other") {
			t.Errorf("another branch: %v", err)
		}
		v := testkit.Canary(t)
		if _, err := p.Put(t.Context(), target(here, name), v, meta); err != nil {
			t.Fatal(err)
		}
		server.Push("etl")
		server.OnRun(func(got *secret.Value) error {
			if !got.Equal(v) {
				t.Error("the build got something else")
			}
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		ref, err := p.Start(t.Context(), etl, "", "main")
		if err != nil || ref.Link != "https://buildkite.com/acme/etl/builds/1" {
			t.Fatalf("%+v, %v", ref, err)
		}
		var phases []string
		for range 3 {
			s, err := p.Look(t.Context(), etl, ref.ID)
			if err != nil {
				t.Fatal(err)
			}
			phases = append(phases, string(s.Phase))
		}
		if got, want := strings.Join(phases, " "), map[bool]string{false: "queued running passed", true: "queued running failed"}[fails]; got != want {
			t.Errorf("got %s", got)
		}
		step, last, err := p.Failure(t.Context(), etl, ref.ID, 1)
		if fails && (err != nil || step.String() != "Deploy to Astro" || len(last) != 1 || last[0].String() != "error: the token has ended") || !fails && !step.IsZero() {
			t.Errorf("%s %v %q", step, last, last)
		}
		if _, err := p.Look(t.Context(), etl, "../x"); err == nil {
			t.Error("an id that is none")
		}
	}
}
