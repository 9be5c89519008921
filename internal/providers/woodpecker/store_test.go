package woodpecker_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/woodpeckerd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

var etl = setup.Repository{Host: "woodpecker.example", Path: "acme/etl"}

func target(address, name string) setup.Target {
	return setup.Target{Store: "woodpecker", Address: address, Secret: name}
}

// described serves h; what the description knows is checked against it. It knows no 204 for a start
// that no workflow wants, and takes the bytes of a log, which are base64, for a list of numbers. It
// leaves schedules out.
func described(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	if os.Getenv("ASTRO_CI_CONTRACTS") == "" {
		return h
	}
	checked := testkit.NewContract(t, "woodpecker/secrets.swagger.json").Around("/api", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/pipelines") || strings.Contains(r.URL.Path, "/logs/") || strings.Contains(r.URL.Path, "/cron") || r.URL.Path == "/version" {
			h.ServeHTTP(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

// newWorld is a provider on an embedded Woodpecker.
func newWorld(t *testing.T) (*woodpeckerd.Server, *providertest.World) {
	t.Helper()
	server, err := woodpeckerd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(described(t, server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return woodpecker.New(providers.Options{Server: base, Host: "woodpecker.example", Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		v, events, err := server.Open(x.Address, x.Secret)
		if err == nil && !slices.Equal(events, []string{"push", "manual"}) {
			t.Errorf("%s goes to %v", x, events)
		}
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/api/repos/*/secrets" }
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("acme/etl", name), target("acme", name)},
		Missing: target("acme/nope", name),
		Hostile: []setup.Target{
			target("acme/etl", "1A"), target("acme/etl", "A B"), target("acme/etl", "A/../B"), target("acme/etl", ""), target("acme/..", name), target("acme/etl/x", name),
			target("acme/etl?x=", name), target("", name), target("a%2fb", name), target("acme/etl#x", name), target("a\nb", name),
		},
	})
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(*woodpecker.Provider)
	if repo, err := p.ParseRepo(" woodpecker.example/acme/etl "); err != nil || repo != etl {
		t.Fatalf("%+v, %v", repo, err)
	}
	for _, bad := range []string{"acme", "a/b/c", "https://x/y", "", "../x"} {
		if _, err := p.ParseRepo(bad); err == nil {
			t.Errorf("%q is a repository", bad)
		}
	}
	if r, err := p.Repo(t.Context(), etl); err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("%+v, %v", r, err)
	}
	if places, err := p.Places(t.Context(), etl); err != nil || len(places) != 2 || places[0].Address != "acme/etl" || places[1].Address != "acme" {
		t.Errorf("%+v, %v", places, err)
	}
	server.AddRepo("acme/idle", false)
	if _, err := p.Check(t.Context(), target("acme/idle", "A")); err == nil || !strings.Contains(hint.Of(err).Next, "Enable") {
		t.Errorf("a repository that is not enabled: %v", err)
	}
	for i := range 120 {
		if _, err := p.Put(t.Context(), target("acme/etl", "S_"+strconv.Itoa(i)), testkit.Canary(t), providers.Meta{Setup: "etl"}); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := p.List(t.Context(), target("acme/etl", name)); err != nil || len(all) != 120 {
		t.Errorf("%d secrets, %v", len(all), err)
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, w := newWorld(t)
		p := w.Store.(*woodpecker.Provider)
		const file = ".woodpecker/astro-etl.yaml"
		for _, branch := range []string{"main", "other"} {
			if _, err := p.Start(t.Context(), etl, file, branch); err == nil || !strings.Contains(hint.Of(err).Next, file) {
				t.Errorf("not pushed to %s: %v", branch, err)
			}
		}
		server.Push("acme/etl")
		server.OnRun(func(*secret.Value) error {
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		ref, err := p.Start(t.Context(), etl, file, "main")
		if err != nil || !strings.HasPrefix(ref.Link, "https://woodpecker.example/repos/") || !strings.HasSuffix(ref.Link, "/pipeline/1") {
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
		if fails && (err != nil || step.String() != "deploy" || len(last) != 1 || last[0].String() != "error: the token has ended") || !fails && !step.IsZero() {
			t.Errorf("%s %v %v", step, last, err)
		}
		for _, bad := range []string{"1", "../x", "1/2/3", ""} {
			if _, err := p.Look(t.Context(), etl, bad); err == nil {
				t.Errorf("%q is the id of a run", bad)
			}
		}
	}
}
