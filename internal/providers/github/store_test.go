package github_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const contract = "github/api.github.com.subset.json"

func target(address, name string) setup.Target {
	return setup.Target{Store: "github", Address: address, Secret: name}
}

var etl = setup.Repository{Host: "github.com", Path: "acme/etl"}

// newWorld is a provider on an embedded GitHub; everything between them fits GitHub's description.
func newWorld(t *testing.T) (*githubd.Server, *providertest.World) {
	t.Helper()
	return newWorldOn(t, "github.com", contract)
}

// newWorldOn is the same on another host, by that host's description.
func newWorldOn(t *testing.T, host, contract string) (*githubd.Server, *providertest.World) {
	t.Helper()
	server, err := githubd.New(githubd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse(testkit.Serve(t, contract, "", server.Handler()).URL)
	w := &providertest.World{Faults: &server.Faults, Log: &testkit.Log{}}
	w.As = func(v *secret.Value) providers.Store {
		p, err := github.New(github.Options{
			Host: host, APIURL: base, Token: v, Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 },
			Debug: func(line string) { w.Log.WriteString(line + "\n") },
		})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	w.Store = w.As(server.Token())
	w.Deny = func() {
		server.Change("acme", "etl", "pull", false, "")
		server.SetScopes([]string{"repo"})
	}
	w.Open = func(x setup.Target) (*secret.Value, error) {
		path, env, isEnv := strings.Cut(x.Address, "#")
		owner, repo, isRepo := strings.Cut(path, "/")
		switch {
		case !isRepo:
			v, _, _, err := server.OpenOrganization(owner, x.Secret)
			return v, err
		case isEnv:
			return server.OpenEnvironment(owner, repo, env, x.Secret)
		}
		return server.OpenRepo(owner, repo, x.Secret)
	}
	w.Write = func(x setup.Target) (method, path string) {
		return http.MethodPut, "/repos/" + x.Address + "/actions/secrets/*"
	}
	return server, w
}

func TestStore(t *testing.T) {
	const name = "ASTRO_API_TOKEN"
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("acme/etl", name), target("acme/etl#staging", name), target("acme/etl#new one/x", name), target("acme", name)},
		Missing: target("acme/nope", name),
		Hostile: []setup.Target{
			target("acme/etl", "GITHUB_TOKEN"), target("acme/etl", "1A"), target("acme/etl", "A B"), target("acme/etl", "A/../B"), target("acme/etl", ""),
			target("acme/..", name), target("acme/etl/x", name), target("../x", name), target("acme/etl#", name), target("acme/etl#a\nb", name),
			target("acme/etl#${{ x }}", name), target("acme#x", name), target("a%2fb/etl", name), target("", name),
		},
	})
}

// A GitHub Enterprise Server takes the same requests, by its own description.
func TestEnterpriseServer(t *testing.T) {
	server, w := newWorldOn(t, "ghe.corp", "github/ghes-3.19.subset.json")
	for _, x := range []string{"acme/etl", "acme/etl#staging", "acme/etl#new", "acme"} {
		if _, err := w.Store.Check(t.Context(), target(x, "A")); err != nil {
			t.Fatal(err)
		}
		v := testkit.Canary(t)
		if _, err := w.Store.Put(t.Context(), target(x, "A"), v, providers.Meta{Repository: etl}); err != nil {
			t.Fatal(err)
		}
		if got, err := w.Open(target(x, "A")); err != nil || !got.Equal(v) {
			t.Errorf("%s: %v", x, err)
		}
	}
	if n := server.Faults.Count(http.MethodPut, "/secrets/A"); n != 4 {
		t.Errorf("%d secrets were written", n)
	}
}

func TestEnvironmentsAreOnlyMadeWhenMissing(t *testing.T) {
	server, w := newWorld(t)
	for _, x := range []string{"acme/etl#staging", "acme/etl#production"} {
		if _, err := w.Store.Put(t.Context(), target(x, "A"), testkit.Canary(t), providers.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	if n := server.Reviewers("acme", "etl", "staging"); n != 1 {
		t.Errorf("staging has %d reviewers left, want 1", n)
	}
	if n := server.Reviewers("acme", "etl", "production"); n != 0 {
		t.Errorf("production was not made: %d", n)
	}
}

func TestOrganizationSecretIsNeverWidened(t *testing.T) {
	server, w := newWorld(t)
	server.AddRepo("acme", "other")
	org := target("acme", "A")
	for i, path := range []string{"acme/etl", "acme/other", "acme/etl"} {
		meta := providers.Meta{Repository: setup.Repository{Path: path}}
		if _, err := w.Store.Put(t.Context(), org, testkit.Canary(t), meta); err != nil {
			t.Fatal(err)
		}
		_, visibility, selected, err := server.OpenOrganization("acme", "A")
		if want := min(i+1, 2); err != nil || visibility != "selected" || len(selected) != want {
			t.Errorf("after %s: %s %v, %v", path, visibility, selected, err)
		}
	}
}

func TestPlacesAreRead(t *testing.T) {
	server, w := newWorld(t)
	for i := range 130 {
		server.AddEnvironment("acme", "etl", fmt.Sprintf("env-%03d\x1b[2J", i), 0)
	}
	p, _ := w.Store.(providers.Platform)
	places, err := p.Places(t.Context(), etl)
	if err != nil || len(places) != 1+131+1 {
		t.Fatalf("%d places, %v", len(places), err)
	}
	if places[0].Address != "acme/etl" || places[1].Address != "acme/etl#staging" || places[1].Note.String() != "reviewers: 1" || places[132].Address != "acme" {
		t.Errorf("got %+v, %+v, %+v", places[0], places[1], places[132])
	}
	if strings.Contains(places[2].Name.String(), "\x1b") {
		t.Error("a name came through uncleaned")
	}
	r, err := p.Repo(t.Context(), etl)
	if err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("got %+v, %v", r, err)
	}
}

func TestRefusalsInWords(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*githubd.Server)
		target setup.Target
		want   string
	}{
		"archived": {func(s *githubd.Server) { s.Change("acme", "etl", "admin", true, "") }, target("acme/etl", "A"), "Unarchive"},
		"renamed":  {func(s *githubd.Server) { s.AddRepo("acme", "new"); s.Change("acme", "etl", "admin", false, "acme/new") }, target("acme/etl", "A"), "new name"},
		"reader":   {func(s *githubd.Server) { s.Change("acme", "etl", "pull", false, "") }, target("acme/etl", "A"), "write access"},
		"reader of one's environment": {func(s *githubd.Server) {
			s.Change("acme", "etl", "pull", false, "")
			s.Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/repos/acme/etl/environments/production", Status: http.StatusForbidden, Body: `{"message":"no"}`, Times: 1})
		}, target("acme/etl#production", "A"), "write access"},
		"no admin":         {func(s *githubd.Server) { s.Change("acme", "etl", "push", false, "") }, target("acme/etl#new", "A"), "administrator"},
		"organization":     {func(s *githubd.Server) { s.SetScopes([]string{"repo"}) }, target("acme", "A"), "admin:org"},
		"scope of nothing": {func(s *githubd.Server) { s.SetScopes([]string{"read:org"}) }, target("acme/etl", "A"), "gh auth status"},
	} {
		t.Run(name, func(t *testing.T) {
			server, w := newWorld(t)
			tc.change(server)
			_, err := w.Store.Check(t.Context(), tc.target)
			if err == nil || !strings.Contains(hint.Of(err).Next, tc.want) {
				t.Errorf("%v: %q", err, hint.Of(err).Next)
			}
		})
	}
}

func TestFineGrainedTokensShowNoScopes(t *testing.T) {
	server, w := newWorld(t)
	server.SetScopes(nil)
	acc, err := w.Store.Check(t.Context(), target("acme/etl", "A"))
	if err != nil || !strings.Contains(acc.Note.String(), "fine-grained") {
		t.Errorf("%q, %v", acc.Note, err)
	}
}

func TestDetect(t *testing.T) {
	for _, tc := range []struct {
		host, path, on string
		ok             bool
	}{
		{"github.com", "acme/etl", "github.com", true},
		{"ssh.github.com", "acme/etl", "github.com", true},
		{"ghe.corp", "acme/etl", "ghe.corp", true},
		{"acme.ghe.com", "acme/etl", "acme.ghe.com", true},
		{"ghe.corp", "acme/etl", "github.com", false},
		{"github.com", "acme/etl", "ghe.corp", false},
		{"github.com.evil.example", "acme/etl", "github.com", false},
		{"evilgithub.com", "acme/etl", "github.com", false},
		{"github.com", "acme/group/etl", "github.com", false},
		{"gitlab.com", "acme/etl", "github.com", false},
	} {
		if got, ok := github.Detect(providers.Remote{Host: tc.host, Path: tc.path}, tc.on); ok != tc.ok || ok && got.Path != tc.path {
			t.Errorf("%s/%s on %s: %v %+v", tc.host, tc.path, tc.on, ok, got)
		}
	}
}

func TestParseRepo(t *testing.T) {
	_, w := newWorld(t)
	p, _ := w.Store.(providers.Platform)
	for text, want := range map[string]string{
		"acme/etl": "acme/etl", "acme/etl/": "acme/etl", "github.com/acme/etl": "acme/etl", "https://github.com/acme/etl.git": "acme/etl",
		"acme": "", "ghe.corp/acme/etl": "", "acme/etl#x": "", "a/b/c/d": "", "acme/../x": "", "": "",
	} {
		if got, err := p.ParseRepo(text); got.Path != want || (err == nil) != (want != "") {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

// A write whose mark cannot be read is not done: without it nobody could tell later that somebody else wrote
// there. Who may write and not look gets the weaker proof.
func TestAWriteNeedsItsMark(t *testing.T) {
	server, w := newWorld(t)
	x, v := target("acme/etl", "A"), testkit.Canary(t)
	look := fault.Fault{Method: http.MethodGet, Path: "/repos/acme/etl/actions/secrets/A", Body: `{"message":"m","documentation_url":"https://docs.github.com","status":"500"}`}
	look.Status, look.Times = http.StatusInternalServerError, 4
	server.Faults.Add(look)
	if _, err := w.Store.Put(t.Context(), x, v, providers.Meta{}); err == nil {
		t.Error("nobody could look, and nothing is said")
	}
	if r, err := w.Store.Put(t.Context(), x, v, providers.Meta{}); err != nil || r.Version == "" {
		t.Errorf("again: %+v, %v", r, err)
	}
	look.Status, look.Times = http.StatusForbidden, 1
	server.Faults.Add(look)
	if r, err := w.Store.Put(t.Context(), x, v, providers.Meta{}); err != nil || r.Version != "" || r.Proof != providers.Written {
		t.Errorf("may not look: %+v, %v", r, err)
	}
}
