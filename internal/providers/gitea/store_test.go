package gitea_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/gitea"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitead"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

var etl = setup.Repository{Host: "gitea.example", Path: "acme/etl"}

func target(address, name string) setup.Target {
	return setup.Target{Store: "gitea", Address: address, Secret: name}
}

// newWorld is a provider on an embedded server.
func newWorld(t *testing.T) (*gitead.Server, *providertest.World) {
	t.Helper()
	server, err := gitead.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return gitea.New(providers.Options{Server: base, Host: "gitea.example", Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		v, description, err := server.Open(x.Address, x.Secret)
		if err == nil && !strings.HasPrefix(description, "astro-ci setup=") {
			t.Errorf("%s says %q", x, description)
		}
		return v, err
	}
	w.Write = func(x setup.Target) (method, path string) {
		if strings.Contains(x.Address, "/") {
			return http.MethodPut, "/api/v1/repos/*/*/actions/secrets/*"
		}
		return http.MethodPut, "/api/v1/orgs/*/actions/secrets/*"
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
		Targets: []setup.Target{target("acme/etl", name), target("acme", name)},
		Missing: target("acme/nope", name),
		Hostile: []setup.Target{
			target("acme/etl", "1A"), target("acme/etl", "A B"), target("acme/etl", "A/../B"), target("acme/etl", ""), target("acme/..", name), target("acme/etl/x", name),
			target("acme/etl?x=", name), target("", name), target("a%2fb", name), target("acme/etl#x", name), target("a\nb", name),
			target("acme/etl", "MY_GITHUB_PAT"), target("acme/etl", "GITEA_TOKEN"), target("acme/etl", "FORGEJO_TOKEN"),
		},
	})
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(*gitea.Provider)
	for _, text := range []string{" gitea.example/acme/etl ", "https://gitea.example/acme/etl", "acme/etl"} {
		if repo, err := p.ParseRepo(text); err != nil || repo != etl {
			t.Errorf("%q: %+v, %v", text, repo, err)
		}
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
	server.AddRepo("acme/old", true, false)
	server.AddRepo("acme/off", false, true)
	for repo, next := range map[string]string{"acme/old": "Unarchive", "acme/off": "Turn them on"} {
		if _, err := p.Check(t.Context(), target(repo, "A")); err == nil || !strings.Contains(hint.Of(err).Next, next) {
			t.Errorf("%s: %v", repo, err)
		}
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

// Only the host that the variables name may get a token.
func TestHosts(t *testing.T) {
	t.Parallel()
	env := func(vars map[string]string) func(string) string { return func(k string) string { return vars[k] } }
	for _, x := range []struct {
		vars map[string]string
		host string
		want bool
	}{
		{map[string]string{"GITEA_SERVER_URL": "https://git.acme.example"}, "git.acme.example", true},
		{map[string]string{"FORGEJO_URL": "https://GIT.acme.example:3000/"}, "git.acme.example:3000", true},
		{map[string]string{"GITEA_SERVER_URL": "https://git.acme.example"}, "git.acme.example.evil.example", false},
		{map[string]string{"GITEA_SERVER_URL": "git.acme.example"}, "git.acme.example", false},
		{nil, "", false},
		{nil, "gitea.com", false},
	} {
		if got := gitea.KnownHost(x.host, env(x.vars)); got != x.want {
			t.Errorf("%s with %v: %v", x.host, x.vars, got)
		}
	}
}

// A server that shows no description gives no proof beyond that the secret is there.
func TestProofByWhatIsShown(t *testing.T) {
	t.Parallel()
	for kind, want := range map[gitead.Kind]providers.Proof{gitead.Gitea: providers.Metadata, gitead.Forgejo: providers.Written} {
		server, w := newWorld(t)
		server.Be(kind)
		if r, err := w.Store.Put(t.Context(), target("acme/etl", name), testkit.Canary(t), providers.Meta{Setup: "etl"}); err != nil || r.Proof != want || !r.Created {
			t.Errorf("%v: %+v, %v", kind, r, err)
		}
	}
}

func TestRuns(t *testing.T) {
	t.Parallel()
	for _, kind := range []gitead.Kind{gitead.Gitea, gitead.Older, gitead.Forgejo} {
		for _, fails := range []bool{false, true} {
			server, w := newWorld(t)
			server.Be(kind)
			p := w.Store.(*gitea.Provider)
			for _, branch := range []string{"main", "other"} {
				if _, err := p.Start(t.Context(), etl, file, branch); err == nil || !strings.Contains(hint.Of(err).Next, file) {
					t.Errorf("not pushed to %s: %v", branch, err)
				}
			}
			server.Push("acme/etl", file)
			server.OnRun(func(*secret.Value) error {
				if fails {
					return errors.New("the token has ended")
				}
				return nil
			})
			ref, err := p.Start(t.Context(), etl, file, "main")
			if err != nil || ref.Link != "https://gitea.example/acme/etl/actions/runs/1" {
				t.Fatalf("%v: %+v, %v", kind, ref, err)
			}
			if again, err := p.Start(t.Context(), etl, file, "main"); err != nil || again.ID == ref.ID {
				t.Errorf("%v: a second run: %+v, %v", kind, again, err)
			}
			phases, looks := "", 4 // queued, queued, running, over
			if kind != gitead.Older {
				looks = 3 // the run was looked at once, for its link
			}
			for i := range looks {
				s, err := p.Look(t.Context(), etl, ref.ID)
				if err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					phases += " "
				}
				phases += string(s.Phase)
			}
			if want := map[bool]string{false: " passed", true: " failed"}[fails]; !strings.Contains(phases, "running") || !strings.HasSuffix(phases, want) {
				t.Errorf("%v: got %s", kind, phases)
			}
			step, last, err := p.Failure(t.Context(), etl, ref.ID, 1)
			switch {
			case err != nil:
				t.Errorf("%v: %v", kind, err)
			case kind == gitead.Forgejo || !fails:
				if !step.IsZero() || last != nil {
					t.Errorf("%v: %s %v", kind, step, last)
				}
			case step.String() != "Deploy to Astro" || len(last) != 1 || last[0].String() != "error: the token has ended":
				t.Errorf("%v: %s %v", kind, step, last)
			}
		}
	}
}

// Where a run cannot be followed, none is started.
func TestServersThatTellNothing(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Push("acme/etl", file)
	server.Be(gitead.Oldest)
	p := w.Store.(*gitea.Provider)
	if _, err := p.Start(t.Context(), etl, file, "main"); err == nil || !strings.Contains(hint.Of(err).Next, "Nothing was started") {
		t.Errorf("got %v", err)
	}
	if strings.Contains(string(server.State()), "looks") {
		t.Error("a run was started")
	}
	for _, bad := range []string{"../x", "1/2", "", "x"} {
		if _, err := p.Look(t.Context(), etl, bad); err == nil || strings.Contains(err.Error(), "404") {
			t.Errorf("%q is the id of a run: %v", bad, err)
		}
	}
	if _, err := p.Start(t.Context(), etl, "astro.yaml", "main"); err == nil {
		t.Error("a file elsewhere is a workflow")
	}
}
