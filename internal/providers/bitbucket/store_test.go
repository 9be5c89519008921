package bitbucket_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/bitbucketd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: "bitbucket", Address: address, Secret: name}
}

// undescribed is what the description lacks, or, of the files, takes for something else: for it each is
// a folder.
var undescribed = regexp.MustCompile(`/(pullrequests|branch-restrictions|effective-branching-model|src/[^/]+)(/|$)`)

// described serves h; what the description knows is checked against it.
func described(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	if os.Getenv("ASTRO_CI_CONTRACTS") == "" {
		return h
	}
	checked := testkit.NewContract(t, "bitbucket/bitbucket-cloud.subset.swagger2.json").Around("/2.0", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if undescribed.MatchString(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func newWorld(t *testing.T, user string) (*bitbucketd.Server, *providertest.World) {
	t.Helper()
	server, err := bitbucketd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(described(t, server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return bitbucket.New(providers.Options{Server: base, Login: providers.Login{User: user, Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		path, env, _ := strings.Cut(strings.TrimPrefix(x.Address, "workspace:"), "#")
		v, secured, err := server.Open(path, env, x.Secret)
		if err == nil && !secured {
			t.Errorf("%s is not secured", x)
		}
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) {
		return http.MethodPost, "/2.0/repositories/*/*/pipelines_config/variables"
	}
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t, bitbucketd.Email)
			return w
		},
		Targets: []setup.Target{target("acme/etl", name), target("acme/etl#Staging", name), target("acme/etl#production", name), target("workspace:acme", name)},
		Missing: target("acme/nope", name),
		Hostile: []setup.Target{
			target("acme/etl", "1A"), target("acme/etl", "A B"), target("acme/etl", "A/../B"), target("acme/etl", ""), target("acme", name), target("acme/..", name),
			target("acme/etl/x", name), target("acme/etl?x=", name), target("", name), target("a%2fb/c", name), target("acme/etl#", name), target("acme/etl#a/b", name),
			target("workspace:", name), target("workspace:a/b", name), target("acme/etl#a\nb", name),
		},
	})
}

// An access token stands alone, and an e-mail address that is not the token's is refused.
func TestLogins(t *testing.T) {
	t.Parallel()
	for user, ok := range map[string]bool{"": true, bitbucketd.Email: true, "ada": false} {
		_, w := newWorld(t, user)
		if _, err := w.Store.Check(t.Context(), target("acme/etl", name)); (err == nil) != ok {
			t.Errorf("%q: %v", user, err)
		}
	}
	for want, env := range map[string]map[string]string{
		"https://api.bitbucket.org a@b BITBUCKET_API_TOKEN": {"BITBUCKET_EMAIL": "a@b", "BITBUCKET_API_TOKEN": " x ", "BITBUCKET_ACCESS_TOKEN": "y"},
		"https://api.bitbucket.org ada BITBUCKET_PASSWORD":  {"BITBUCKET_USERNAME": "ada", "BITBUCKET_PASSWORD": "x"},
		"https://proxy.example  BITBUCKET_ACCESS_TOKEN":     {"BITBUCKET_ACCESS_TOKEN": "x", "BITBUCKET_API_BASE_URL": "https://proxy.example/2.0/"},
		"": {"BITBUCKET_API_TOKEN": "x"},
	} {
		server, login, err := bitbucket.FindLogin(providers.Host{Getenv: func(k string) string { return env[k] }})
		if want == "" {
			if !errors.Is(err, providers.ErrNoLogin) || hint.Of(err).Next == "" {
				t.Errorf("got %v", err)
			}
			continue
		}
		if got := server + " " + login.User + " " + login.Source; err != nil || got != want || login.Value.Len() != 1 {
			t.Errorf("got %q, want %q: %v", got, want, err)
		}
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	p := w.Store.(*bitbucket.Provider)
	repo, err := p.ParseRepo("https://bitbucket.org/acme/etl.git")
	if err != nil || repo.String() != "bitbucket.org/acme/etl" {
		t.Fatalf("%+v, %v", repo, err)
	}
	for _, s := range []string{"acme", "a/b/c", "https://evil.example/a/b", ""} {
		if _, err := p.ParseRepo(s); err == nil {
			t.Errorf("%q is a repository", s)
		}
	}
	for i := range 215 { // three pages
		if _, err := p.Put(t.Context(), target("acme/etl", fmt.Sprintf("V%03d", i)), testkit.Canary(t), providers.Meta{}); err != nil && i < 3 {
			t.Fatal(err)
		}
	}
	if names, err := p.List(t.Context(), target("acme/etl", "")); err != nil || len(names) != 215 {
		t.Errorf("%d names, %v", len(names), err)
	}
	if r, err := p.Put(t.Context(), target("acme/etl", "V214"), testkit.Canary(t), providers.Meta{}); err != nil || r.Created {
		t.Errorf("one of the last page: %+v, %v", r, err)
	}
	places, err := p.Places(t.Context(), repo)
	if err != nil || len(places) != 3 || places[1].Address != "acme/etl#Staging" || places[2].Address != "workspace:acme" {
		t.Errorf("%+v, %v", places, err)
	}
	if r, err := p.Repo(t.Context(), repo); err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("%+v, %v", r, err)
	}
	server.SwitchOff("acme/etl")
	if a, err := p.Check(t.Context(), target("acme/etl", name)); err != nil || !strings.Contains(a.Note.String(), "switched off") {
		t.Errorf("%+v, %v", a, err)
	}
	for host, ok := range map[string]bool{"bitbucket.org": true, "altssh.bitbucket.org": true, "bitbucket.org.evil.example": false, "github.com": false} {
		if _, got := p.Detect(providers.Remote{Host: host, Path: "acme/etl"}); got != ok {
			t.Errorf("%s: %v", host, got)
		}
	}
}

// A pipeline is started once, followed, and the step that failed is shown.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, w := newWorld(t, bitbucketd.Email)
		p := w.Store.(*bitbucket.Provider)
		repo := setup.Repository{Host: "bitbucket.org", Path: "acme/etl"}
		if _, err := p.Start(t.Context(), repo, "", "main"); err == nil || !strings.Contains(hint.Of(err).Next, "on the branch") {
			t.Errorf("not pushed: %v", err)
		}
		server.Push("acme/etl")
		server.OnRun(func(*secret.Value) error {
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		ref, err := p.Start(t.Context(), repo, "", "main")
		if err != nil || ref.Link != "https://bitbucket.org/acme/etl/pipelines/results/1" {
			t.Fatalf("%+v, %v", ref, err)
		}
		var phases []string
		for range 3 {
			s, err := p.Look(t.Context(), repo, ref.ID)
			if err != nil {
				t.Fatal(err)
			}
			phases = append(phases, string(s.Phase))
		}
		if got, want := strings.Join(phases, " "), map[bool]string{false: "queued running passed", true: "queued running failed"}[fails]; got != want {
			t.Errorf("got %s", got)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 1)
		if fails && (err != nil || !strings.HasPrefix(step.String(), "Check the credential") || len(last) != 1 || last[0].String() != "error: the token has ended") || !fails && !step.IsZero() {
			t.Errorf("%s %v %v", step, last, err)
		}
		if _, err := p.Look(t.Context(), repo, "{../x}"); err == nil {
			t.Error("an id that is none")
		}
	}
}

// The ids are asked for, without braces; that of the workspace takes a scope of its own.
func TestIdentify(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, bitbucketd.Email)
	server.AddRepo("acme/other")
	who := w.Store.(providers.Identifier)
	etl, err := who.Identify(t.Context(), setup.Repository{Host: bitbucket.Host, Path: "acme/etl"})
	other, err2 := who.Identify(t.Context(), setup.Repository{Host: bitbucket.Host, Path: "acme/other"})
	a, b, _ := strings.Cut(etl, "/")
	c, d, _ := strings.Cut(other, "/")
	if err != nil || err2 != nil || a != c || b == d || b == "" || strings.ContainsAny(etl+other, "{}") {
		t.Errorf("got %q, %v and %q, %v", etl, err, other, err2)
	}
	server.BeNarrow()
	if got, err := who.Identify(t.Context(), setup.Repository{Host: bitbucket.Host, Path: "acme/etl"}); err == nil || got != "" || !strings.Contains(hint.Of(err).Next, "read:workspace:bitbucket") {
		t.Errorf("without the scope: %q, %v", got, err)
	}
}
