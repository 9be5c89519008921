package drone_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/droned"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func target(address, name string) setup.Target {
	return setup.Target{Store: "drone", Address: address, Secret: name}
}

func newWorld(t *testing.T) (*droned.Server, *providertest.World) {
	t.Helper()
	server, err := droned.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return drone.New(providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		v, pullRequest, err := server.Open(x.Address, x.Secret)
		if pullRequest {
			t.Errorf("%s: pull requests get the secret", x)
		}
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/api/repos/*/*/secrets" }
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	const name = "ASTRO_API_TOKEN"
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
	p := w.Store.(*drone.Provider)
	repo, err := p.ParseRepo(" acme/etl ")
	if err != nil || repo.Path != "acme/etl" {
		t.Fatalf("%+v, %v", repo, err)
	}
	for _, bad := range []string{"acme", "a/b/c", "https://x/y", ""} {
		if _, err := p.ParseRepo(bad); err == nil {
			t.Errorf("%q is a repository", bad)
		}
	}
	if r, err := p.Repo(t.Context(), repo); err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("%+v, %v", r, err)
	}
	if places, err := p.Places(t.Context(), repo); err != nil || len(places) != 2 || places[0].Address != "acme/etl" || places[1].Address != "acme" {
		t.Errorf("%+v, %v", places, err)
	}
	server.AddRepo("acme/idle", false)
	if _, err := p.Check(t.Context(), target("acme/idle", "A")); err == nil || !strings.Contains(hint.Of(err).Next, "Activate") {
		t.Errorf("a repository that is not active: %v", err)
	}
	if _, err := p.Put(t.Context(), target("acme/etl", "A"), testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	if names, err := p.List(t.Context(), target("acme/etl", "")); err != nil || len(names) != 1 || names[0] != "A" {
		t.Errorf("%v, %v", names, err)
	}
	for given, want := range map[string]string{"": "", "https://ci.example/": "https://ci.example"} {
		at, login, err := drone.FindLogin(providers.Host{Getenv: func(k string) string {
			return map[string]string{"DRONE_SERVER": given, "DRONE_TOKEN": " x "}[k]
		}})
		if at != want || (err == nil) != (want != "") || err != nil && hint.Of(err).Next == "" || err == nil && login.Value.Len() != 1 {
			t.Errorf("%q: %q, %v", given, at, err)
		}
	}
}
