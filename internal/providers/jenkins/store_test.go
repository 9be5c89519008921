package jenkins_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/jenkinsd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: "jenkins", Address: address, Secret: name}
}

func newWorld(t *testing.T) (*jenkinsd.Server, *providertest.World) {
	t.Helper()
	server, err := jenkinsd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return jenkins.New(providers.Options{Server: base, Login: providers.Login{User: jenkinsd.User, Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		v, _, err := server.Open(strings.TrimPrefix(strings.TrimPrefix(x.Address, "system"), "folder:"), x.Secret)
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) {
		return http.MethodPost, "/credentials/store/system/domain/_/createCredentials"
	}
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("system", name), target("folder:team", name), target("folder:team/etl", name)},
		Missing: target("folder:nope", name),
		Hostile: []setup.Target{
			target("system", "1A"), target("system", "A B"), target("system", "A/../B"), target("system", ""), target("", name), target("team", name),
			target("folder:", name), target("folder:..", name), target("folder:a/../b", name), target("folder:a?b", name), target("folder:a\nb", name), target("folder:a//b", name),
		},
	})
}

// A password works too: the crumb is fetched when Jenkins asks for it, with its session.
func TestPassword(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.UsePassword()
	at := target("system", name)
	if _, err := w.Store.Check(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		v := testkit.Canary(t)
		if _, err := w.Store.Put(t.Context(), at, v, providers.Meta{}); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Open(at); err != nil || !got.Equal(v) {
			t.Error(err)
		}
	}
}

// Jenkins says 200 to an update that its store does not take.
func TestUpdateThatIsNone(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	at := target("system", name)
	first := testkit.Canary(t)
	m := providers.Meta{Setup: "etl", TokenID: "cm1", ExpiresAt: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC)}
	if r, err := w.Store.Put(t.Context(), at, first, m); err != nil || r.Proof != providers.Metadata {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, d, _ := server.Open("", name); !strings.HasPrefix(d, "astro-ci, setup etl, token cm1, ends 2027-02-01, write ") {
		t.Errorf("described as %q", d)
	}
	server.BeReadOnly()
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), m); err == nil || hint.Of(err).Next == "" {
		t.Errorf("got %v", err)
	}
}

// A credential of another kind is not turned into a secret text.
func TestOtherKind(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.AddOther(name)
	if _, err := w.Store.Check(t.Context(), target("system", name)); err == nil || !strings.Contains(hint.Of(err).Next, "--secret-name") {
		t.Errorf("got %v", err)
	}
}

// What XML would take for markup arrives as it was.
func TestValueIsText(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	v := secret.New([]byte(`a<b>&amp;"'ü]]>`))
	if _, err := w.Store.Put(t.Context(), target("system", name), v, providers.Meta{Setup: "<&>"}); err != nil {
		t.Fatal(err)
	}
	if got, err := w.Open(target("system", name)); err != nil || !got.Equal(v) {
		t.Error("the value changed on its way")
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	p := w.Store.(*jenkins.Provider)
	repo, err := p.ParseRepo("team/etl")
	if err != nil || repo.Path != "team/etl" {
		t.Fatalf("%+v, %v", repo, err)
	}
	if r, err := p.ParseRepo("https://" + repo.Host + "/job/team/job/etl/"); err != nil || r != repo {
		t.Errorf("%+v, %v", r, err)
	}
	for _, s := range []string{"", "a//b", "../x", "a\nb", "https://evil.example/job/x?y"} {
		if _, err := p.ParseRepo(s); err == nil {
			t.Errorf("%q is a job", s)
		}
	}
	for path, want := range map[string]string{"team/etl": "folder:team/etl folder:team system", "etl": "system", "team/new": "folder:team system"} {
		var got []string
		places, err := p.Places(t.Context(), setup.Repository{Path: path})
		for _, x := range places {
			got = append(got, x.Address)
		}
		if strings.Join(got, " ") != want || err != nil {
			t.Errorf("%s: %v, %v", path, got, err)
		}
		r, err := p.Repo(t.Context(), setup.Repository{Path: path})
		if err != nil || (len(r.Notes) > 0) != (path == "team/new") {
			t.Errorf("%s: %+v, %v", path, r, err)
		}
	}
	if _, err := p.Put(t.Context(), target("system", "A"), testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	if names, err := p.List(t.Context(), target("system", "")); err != nil || len(names) != 1 || names[0] != "A" {
		t.Errorf("%v, %v", names, err)
	}
	full := map[string]string{"JENKINS_URL": "https://ci.example/jenkins/", "JENKINS_USER_ID": "ada", "JENKINS_API_TOKEN": "x"}
	server, login, err := jenkins.FindLogin(providers.Host{Getenv: func(k string) string { return full[k] }})
	if err != nil || server != "https://ci.example/jenkins" || login.User != "ada" || login.Value.Len() != 1 {
		t.Errorf("%q, %v", server, err)
	}
	for k := range full {
		_, _, err := jenkins.FindLogin(providers.Host{Getenv: func(x string) string {
			if x == k {
				return ""
			}
			return full[x]
		}})
		if !errors.Is(err, providers.ErrNoLogin) || hint.Of(err).Next == "" {
			t.Errorf("without %s: %v", k, err)
		}
	}
}
