package drone_test

import (
	"errors"
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

// follow looks until the build is over, and returns the phases that it went through.
func follow(t *testing.T, p *drone.Provider, r setup.Repository, id string) (phases, says string) {
	t.Helper()
	var all []string
	for range 5 {
		s, err := p.Look(t.Context(), r, id)
		if err != nil {
			t.Fatal(err)
		}
		all, says = append(all, string(s.Phase)), s.Says.String()
		if s.Phase.Over() {
			break
		}
	}
	return strings.Join(all, " "), says
}

// A build is started once, followed, and the log of the step that failed is read; the secret is that
// of the repository, or of its organization.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, place := range []string{"acme/etl", "acme"} {
		for _, fails := range []bool{false, true} {
			server, w := newWorld(t)
			p := w.Store.(*drone.Provider)
			repo := setup.Repository{Path: "acme/etl"} // as it is detected: the host is not known
			named, _ := p.ParseRepo("acme/etl")
			stored := testkit.Canary(t)
			if _, err := p.Put(t.Context(), target(place, "ASTRO_API_TOKEN"), stored, providers.Meta{}); err != nil {
				t.Fatal(err)
			}
			server.Push("acme/etl", droned.Fine)
			server.OnRun(func(v *secret.Value) error {
				if !v.Equal(stored) {
					t.Error("the build got something else")
				}
				if fails {
					return errors.New("the token has ended")
				}
				return nil
			})
			ref, err := p.Start(t.Context(), repo, ".drone.yml", "main")
			if err != nil || ref.ID != "1" || ref.Link != "https://"+named.Host+"/acme/etl/1" {
				t.Fatalf("%+v, %v", ref, err)
			}
			if got, _ := follow(t, p, repo, ref.ID); got != map[bool]string{false: "queued running passed", true: "queued running failed"}[fails] {
				t.Error(got)
			}
			step, last, err := p.Failure(t.Context(), repo, ref.ID, 1)
			if fails && (err != nil || step.String() != "deploy" || len(last) != 1 || last[0].String() != "error: the token has ended") || !fails && (err != nil || !step.IsZero()) {
				t.Errorf("%s %v %v", step, last, err)
			}
			for _, id := range []string{"", "x", "1/../2", "1?x"} {
				if _, err := p.Look(t.Context(), repo, id); err == nil {
					t.Errorf("%q is the number of a build", id)
				}
			}
			// A lost answer is no second build.
			server.Faults.Add(providertest.Lost(http.MethodPost, "/api/repos/*/*/builds"))
			before := len(server.Faults.Seen())
			if _, err := p.Start(t.Context(), repo, ".drone.yml", "main"); err == nil || len(server.Faults.Seen()) != before+1 {
				t.Errorf("a lost answer: %v, %d requests", err, len(server.Faults.Seen())-before)
			}
		}
	}
}

// What cannot be started says why.
func TestRunsThatDoNotStart(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		path, branch, next string
		prepare            func(*droned.Server)
	}{
		"not pushed":      {path: "acme/etl", branch: "main", next: "Push the file"},
		"no branch":       {path: "acme/etl", branch: "new", next: "The branch new"},
		"not activated":   {path: "acme/idle", branch: "main", next: "activated", prepare: func(s *droned.Server) { s.AddRepo("acme/idle", false) }},
		"no right":        {path: "acme/etl", branch: "main", next: "the right to push", prepare: func(s *droned.Server) { s.Deny() }},
		"only for pushes": {path: "acme/etl", branch: "main", next: "the event custom", prepare: func(s *droned.Server) { s.Push("acme/etl", droned.Unwilling) }},
	} {
		server, w := newWorld(t)
		if tc.prepare != nil {
			tc.prepare(server)
		}
		ref, err := w.Store.(*drone.Provider).Start(t.Context(), setup.Repository{Host: "ci.example", Path: tc.path}, ".drone.yml", tc.branch)
		if err == nil || !strings.Contains(hint.Of(err).Next, tc.next) || ref.ID != "" {
			t.Errorf("%s: %+v, %v, next %q", what, ref, err, hint.Of(err).Next)
		}
	}
}

// Builds that end before their first step, or wait for a person, say so.
func TestRunsThatReachNoStep(t *testing.T) {
	t.Parallel()
	for f, want := range map[droned.File]struct{ phases, says, step, last string }{
		droned.Broken:    {"failed", "error: yaml: line 1", "", ""},
		droned.Untrusted: {"queued running failed", "error", "astro-etl", "linter: untrusted"},
		droned.Blocked:   {"waiting waiting waiting waiting waiting", "approve", "", ""},
	} {
		server, w := newWorld(t)
		p := w.Store.(*drone.Provider)
		repo := setup.Repository{Host: "ci.example", Path: "acme/etl"}
		server.Push("acme/etl", f)
		server.OnRun(func(*secret.Value) error { return errors.New("no step runs") })
		ref, err := p.Start(t.Context(), repo, ".drone.yml", "main")
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if phases, says := follow(t, p, repo, ref.ID); phases != want.phases || !strings.Contains(says, want.says) {
			t.Errorf("%s: %s, %s", f, phases, says)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 9)
		if err != nil || step.String() != want.step || (len(last) == 1) != (want.last != "") || len(last) == 1 && !strings.HasPrefix(last[0].String(), want.last) {
			t.Errorf("%s: %s, %v, %v", f, step, last, err)
		}
	}
}
