package circleci_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/circlecid"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: "circleci", Address: address, Secret: name}
}

func newWorld(t *testing.T) (*circlecid.Server, *providertest.World) {
	t.Helper()
	server, err := circlecid.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := testkit.Serve(t, "circleci/api-v2.subset.openapi.json", "/api/v2", server.Handler())
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return circleci.New(providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		return server.Open(strings.TrimPrefix(x.Address, "context:"), x.Secret)
	}
	w.Write = func(x setup.Target) (method, path string) {
		if strings.HasPrefix(x.Address, "context:") {
			return http.MethodPut, "/api/v2/context/*/environment-variable/*"
		}
		return http.MethodPost, "/api/v2/project/*/*/*/envvar"
	}
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	for i, first := range []string{"context:gh/acme/astro", "gh/acme/etl"} { // the two are written in different ways
		t.Run(first, func(t *testing.T) {
			t.Parallel()
			all := []setup.Target{target("context:gh/acme/astro", name), target("gh/acme/etl", name)}
			all[0], all[i] = all[i], all[0]
			providertest.Run(t, providertest.Subject{
				New: func(t *testing.T) *providertest.World {
					server, w := newWorld(t)
					server.AddContext("astro")
					return w
				},
				Targets: all,
				Missing: target("gh/acme/nope", name),
				Hostile: []setup.Target{
					target("gh/acme/etl", "1A"), target("gh/acme/etl", "A B"), target("gh/acme/etl", "A/../B"), target("gh/acme/etl", ""), target("gh/acme/..", name),
					target("gl/acme/etl", name), target("acme/etl", name), target("gh/acme/etl?x=", name), target("", name), target("gh/a%2fb/c", name),
					target("context:gh/acme", name), target("context:gh/acme/", name), target("context:gh/acme/a\nb", name), target("context:gh/acme/<<x>>", name),
				},
			})
		})
	}
}

// A context that is not there is made once, whatever happens to the answer.
func TestContextIsMade(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"", "lost"} {
		server, w := newWorld(t)
		if kind == "lost" {
			server.Faults.Add(providertest.Lost(http.MethodPost, "/api/v2/context"))
		}
		at := target("context:gh/acme/new", name)
		access, err := w.Store.Check(t.Context(), at)
		if err != nil || !strings.Contains(access.Note.String(), "is made") {
			t.Errorf("%+v, %v", access, err)
		}
		for range 2 {
			v := testkit.Canary(t)
			r, err := w.Store.Put(t.Context(), at, v, providers.Meta{})
			if err != nil || r.Proof != providers.Metadata {
				t.Fatalf("%+v, %v", r, err)
			}
			if got, err := w.Open(at); err != nil || !got.Equal(v) {
				t.Error(err)
			}
		}
	}
}

// CircleCI's own sources tell both that a second POST replaces and that it is refused.
func TestProjectVariableIsReplacedEitherWay(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Replace()
	for i := range 2 {
		v := testkit.Canary(t)
		r, err := w.Store.Put(t.Context(), target("gh/acme/etl", name), v, providers.Meta{})
		if err != nil || r.Created != (i == 0) || r.Proof != providers.Written {
			t.Errorf("%+v, %v", r, err)
		}
		if got, err := w.Open(target("gh/acme/etl", name)); err != nil || !got.Equal(v) {
			t.Error(err)
		}
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(*circleci.Provider)
	for _, s := range []string{"gh/acme/etl", " https://" + hostOf(t, p) + "/gh/acme/etl/ ", "github/acme/etl"} {
		if r, err := p.ParseRepo(s); err != nil || r.Path != "gh/acme/etl" {
			t.Errorf("%q: %+v, %v", s, r, err)
		}
	}
	for _, s := range []string{"acme/etl", "gh/acme", "gl/a/b", "https://evil.example/gh/a/b", ""} {
		if _, err := p.ParseRepo(s); err == nil {
			t.Errorf("%q is a project", s)
		}
	}
	for i := range 45 { // three pages
		server.AddContext(fmt.Sprintf("team %02d", i))
	}
	server.AddContext("<<hostile>>")
	repo, _ := p.ParseRepo("gh/acme/etl")
	places, err := p.Places(t.Context(), repo)
	if err != nil || len(places) != 47 || places[0].Address != "context:gh/acme/astro" || !places[0].New || places[46].Address != "gh/acme/etl" {
		t.Errorf("%d places, %v", len(places), err)
	}
	if r, err := p.Repo(t.Context(), repo); err != nil || r.DefaultBranch != "main" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := p.Put(t.Context(), target("gh/acme/etl", "A"), testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	if names, err := p.List(t.Context(), target("gh/acme/etl", "")); err != nil || len(names) != 1 || names[0] != "A" {
		t.Errorf("%v, %v", names, err)
	}
	for host, want := range map[string]string{"github.com": "gh/acme/etl", "bitbucket.org": "bb/acme/etl", "github.com.evil.example": ""} {
		if r, ok := p.Detect(providers.Remote{Host: host, Path: "acme/etl"}); ok != (want != "") || ok && r.Path != want {
			t.Errorf("%s: %+v, %v", host, r, ok)
		}
	}
}

func hostOf(t *testing.T, p *circleci.Provider) string {
	t.Helper()
	r, err := p.ParseRepo("gh/a/b")
	if err != nil {
		t.Fatal(err)
	}
	return r.Host
}

func TestLogin(t *testing.T) {
	t.Parallel()
	const file, old = ".config/circleci/config.yml", ".circleci/cli.yml"
	for name, c := range map[string]struct {
		env, files    map[string]string
		ring          string
		server, value string
	}{
		"a variable":                         {env: map[string]string{"CIRCLE_TOKEN": "a"}, files: map[string]string{file: "token: b"}, server: "https://circleci.com", value: "a"},
		"the old CLI's variable":             {env: map[string]string{"CIRCLECI_CLI_TOKEN": " a ", "CIRCLECI_CLI_HOST": "https://ci.example/"}, server: "https://ci.example", value: "a"},
		"the new file before the old":        {files: map[string]string{file: "token: b\n", old: "token: c\n"}, server: "https://circleci.com", value: "b"},
		"the old file, with a server":        {files: map[string]string{old: "host: ci.example\ntoken: c\n"}, server: "https://ci.example", value: "c"},
		"a file of another server":           {env: map[string]string{"CIRCLE_HOST": "ci.example"}, files: map[string]string{file: "token: b\n"}},
		"a file without a token":             {files: map[string]string{file: "host: x\n", old: "token: [\n"}},
		"the keyring":                        {ring: "https://circleci.com ada", server: "https://circleci.com", value: "k"},
		"the keyring's is of another server": {env: map[string]string{"CIRCLE_HOST": "ci.example"}, ring: "https://circleci.com ada"},
	} {
		server, login, err := circleci.FindLogin(providers.Host{
			Getenv: func(k string) string { return c.env[k] }, Home: "/home/ada", User: "ada",
			ReadFile: func(p string) ([]byte, error) {
				for f, text := range c.files {
					if p == filepath.Join("/home/ada", f) {
						return []byte(text), nil
					}
				}
				return nil, os.ErrNotExist
			},
			Keyring: func(service, user string) *secret.Value {
				if c.ring != service+" "+user {
					return nil
				}
				return secret.New([]byte("k"))
			},
		})
		if c.value == "" {
			if !errors.Is(err, providers.ErrNoLogin) || hint.Of(err).Next == "" {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil || server != c.server || !login.Value.Equal(secret.New([]byte(c.value))) || login.Source == "" {
			t.Errorf("%s: %q, %q, %v", name, server, login.Source, err)
		}
	}
}

// A pipeline is started, followed, and the job that failed is named.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, w := newWorld(t)
		p := w.Store.(*circleci.Provider)
		repo := setup.Repository{Host: "circleci.com", Path: "gh/acme/etl"}
		ref, err := p.Start(t.Context(), repo, "", "main")
		if err != nil {
			t.Fatal(err)
		}
		if s, err := p.Look(t.Context(), repo, ref.ID); err != nil || s.Phase != providers.RunFailed || !strings.Contains(s.Says.String(), "No configuration") {
			t.Errorf("not pushed: %+v, %v", s, err)
		}
		server.Push("gh/acme/etl")
		server.OnRun(func(*secret.Value) error {
			if fails {
				return errors.New("no")
			}
			return nil
		})
		if ref, err = p.Start(t.Context(), repo, "", "main"); err != nil {
			t.Fatal(err)
		}
		var phases []string
		for range 3 {
			s, err := p.Look(t.Context(), repo, ref.ID)
			if err != nil {
				t.Fatal(err)
			}
			phases = append(phases, string(s.Phase))
		}
		if got, want := strings.Join(phases, " "), map[bool]string{false: "running running passed", true: "running running failed"}[fails]; got != want {
			t.Errorf("got %s", got)
		}
		if step, _, err := p.Failure(t.Context(), repo, ref.ID, 5); err != nil || (step.String() == "astro-deploy") != fails {
			t.Errorf("%s, %v", step, err)
		}
		if _, err := p.Look(t.Context(), repo, "../x"); err == nil {
			t.Error("an id that is none")
		}
	}
}

// The ids are asked for; those of a project of the GitHub App do not say where its code is.
func TestIdentify(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.AddApp("Xabc", "Yabc")
	server.AddProject("acme/other")
	who := w.Store.(providers.Identifier)
	ids := func(slug string) string {
		t.Helper()
		got, err := who.Identify(t.Context(), setup.Repository{Host: "circleci.com", Path: slug})
		if err != nil {
			t.Fatalf("%s: %v", slug, err)
		}
		return got
	}
	etl, other := strings.Split(ids("gh/acme/etl"), "/"), strings.Split(ids("gh/acme/other"), "/")
	if etl[0] != other[0] || etl[1] == other[1] || strings.Join(etl[2:], "/") != "github.com/acme/etl" {
		t.Errorf("got %v and %v", etl, other)
	}
	if got := ids("circleci/Xabc/Yabc"); got != "" {
		t.Errorf("the place of the code is made up: %s", got)
	}
	if got, err := who.Identify(t.Context(), setup.Repository{Path: "gh/acme/nope"}); err == nil || got != "" {
		t.Errorf("nobody's: %q, %v", got, err)
	}
}
