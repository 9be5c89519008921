package gitlab_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitlabd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func target(address, name string) setup.Target {
	return setup.Target{Store: "gitlab", Address: address, Secret: name}
}

// described serves h; what the description knows, the variables and pipelines of a project but not their schedules, is checked against it.
func described(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	if os.Getenv("ASTRO_CI_CONTRACTS") == "" {
		return h
	}
	checked := testkit.NewContract(t, "gitlab/gitlab-ci-variables-pipelines.subset.yaml").Around("", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/v4/projects/") && (strings.Contains(r.URL.Path, "/variables") || strings.Contains(r.URL.Path, "/pipeline") && !strings.Contains(r.URL.Path, "/pipeline_schedules") && !strings.HasSuffix(r.URL.Path, "/jobs")) {
			checked.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// newWorld is a provider on an embedded GitLab.
func newWorld(t *testing.T) (*gitlabd.Server, *providertest.World) {
	t.Helper()
	server, err := gitlabd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server.AddProject("acme/sub", "etl")
	srv := httptest.NewServer(described(t, server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL + "/api/v4")
	w := &providertest.World{Faults: &server.Faults, Log: &testkit.Log{}}
	w.As = func(v *secret.Value) providers.Store {
		return gitlab.New(gitlab.Options{Host: "gitlab.com", APIURL: base, Login: gitlab.Login{Value: v}, Wire: httpx.Options{
			Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 },
			Debug: func(line string) { w.Log.WriteString(line + "\n") },
		}})
	}
	w.Store = w.As(server.Token())
	w.Deny = func() {
		server.Change("acme/etl", 30, false)
		server.Change("acme/sub/etl", 30, false)
	}
	w.Open = func(x setup.Target) (*secret.Value, error) {
		path, group := strings.CutPrefix(x.Address, "group:")
		path, env, ok := strings.Cut(path, "#")
		if !ok {
			env = "*"
		}
		v, _, err := server.Open(path, env, x.Secret, group)
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/api/v4/projects/*/*/variables" }
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
		Targets: []setup.Target{target("acme/etl", name), target("acme/sub/etl", name), target("acme/etl#staging", name), target("acme/etl#review/x", name), target("group:acme", name)},
		Missing: target("acme/nope", name),
		Hostile: []setup.Target{
			target("acme/etl", "1A"), target("acme/etl", "A B"), target("acme/etl", "A/../B"), target("acme/etl", ""), target("acme", name), target("acme/..", name),
			target("acme/etl.git", name), target("acme//etl", name), target("acme/etl#", name), target("acme/etl#a\nb", name), target("acme/etl#*", name), target("acme/etl#$X", name),
			target("group:acme#x", name), target("group:", name), target("a%2fb/etl", name), target("", name), target("acme/etl?x=", name),
		},
	})
}

// A variable is hidden, raw, and protected only when the branch that reads it is.
func TestFlags(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	at := target("acme/etl", "A")
	flags := func(branch string) gitlabd.Variable {
		t.Helper()
		if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{Branch: branch}); err != nil {
			t.Fatal(err)
		}
		_, v, err := server.Open("acme/etl", "*", "A", false)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	if got := flags("main"); !got.Protected || !got.Masked || !got.Hidden || !got.Raw {
		t.Errorf("for a protected branch: %+v", got)
	}
	if got := flags("feature/x"); got.Protected || !got.Masked || !got.Hidden {
		t.Errorf("for another branch: %+v", got)
	}
	if got := flags(""); got.Protected {
		t.Errorf("for no branch: %+v", got)
	}
}

// A server that knows no hidden variables gets masked ones, whose value is read again.
func TestOldServer(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.BeOld()
	rec, err := w.Store.Put(t.Context(), target("acme/etl", "A"), testkit.Canary(t), providers.Meta{})
	if err != nil || !rec.Created || rec.Proof != providers.ReadBack {
		t.Errorf("%+v, %v", rec, err)
	}
	if _, v, err := server.Open("acme/etl", "*", "A", false); err != nil || v.Hidden || !v.Masked {
		t.Errorf("%+v, %v", v, err)
	}
}

// The same name with two environment scopes is two variables.
func TestScopesAreTwoVariables(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	values := map[string]*secret.Value{}
	for _, a := range []string{"acme/etl", "acme/etl#staging", "acme/etl#production"} {
		values[a] = testkit.Canary(t)
		if _, err := w.Store.Put(t.Context(), target(a, "A"), values[a], providers.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Store.(providers.Remover).Remove(t.Context(), target("acme/etl#staging", "A")); err != nil {
		t.Fatal(err)
	}
	for a, v := range values {
		got, err := w.Open(target(a, "A"))
		if a == "acme/etl#staging" {
			if err == nil {
				t.Error("it was not removed")
			}
		} else if err != nil || !got.Equal(v) {
			t.Errorf("%s: %v", a, err)
		}
	}
}

func TestLists(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	for i := range 130 {
		if _, err := w.Store.Put(t.Context(), target("acme/etl", "A"+strings.Repeat("X", i)), testkit.Canary(t), providers.Meta{}); err != nil {
			t.Fatal(err)
		}
	}
	names, err := w.Store.(providers.Lister).List(t.Context(), target("acme/etl", ""))
	if err != nil || len(names) != 130 {
		t.Errorf("%d names, %v", len(names), err)
	}
	if names, err := w.Store.(providers.Lister).List(t.Context(), target("acme/etl#staging", "")); err != nil || len(names) != 0 {
		t.Errorf("another scope: %v, %v", names, err)
	}
	p := w.Store.(*gitlab.Provider)
	repo := setup.Repository{Host: "gitlab.com", Path: "acme/etl"}
	places, err := p.Places(t.Context(), repo)
	if err != nil || len(places) != 3 || places[0].Address != "acme/etl" || places[1].Address != "acme/etl#staging" || places[2].Address != "group:acme" {
		t.Errorf("places are %+v, %v", places, err)
	}
	if r, err := p.Repo(t.Context(), repo); err != nil || r.DefaultBranch != "main" || !r.Private {
		t.Errorf("the project is %+v, %v", r, err)
	}
}

func TestArchived(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Change("acme/etl", 50, true)
	if _, err := w.Store.Check(t.Context(), target("acme/etl", "A")); err == nil || !strings.Contains(hint.Of(err).Next, "Unarchive") {
		t.Errorf("got %v", err)
	}
}

func TestDetect(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ host, path, want string }{
		{"gitlab.com", "g/p", "g/p"},
		{"gitlab.com", "g/s1/s2/p", "g/s1/s2/p"},
		{"altssh.gitlab.com", "g/p", "g/p"},
		{"gitlab.com.evil.example", "g/p", ""},
		{"gitlab.community", "g/p", ""},
		{"gitlab.com", "p", ""},
		{"gitlab.com", "g/../p", ""},
		{"github.com", "g/p", ""},
	} {
		r, ok := gitlab.Detect(providers.Remote{Host: tc.host, Path: tc.path}, "gitlab.com")
		if ok != (tc.want != "") || r.Path != tc.want || ok && r.Host != "gitlab.com" {
			t.Errorf("%s/%s: %+v, %v", tc.host, tc.path, r, ok)
		}
	}
	p := gitlab.New(gitlab.Options{Host: "gitlab.com"})
	for text, want := range map[string]string{"g/p": "g/p", "gitlab.com/g/s/p": "g/s/p", "https://gitlab.com/g/p.git": "g/p", "other.example/g/p": "", "p": "", "g/p x": ""} {
		if r, err := p.ParseRepo(text); (err == nil) != (want != "") || r.Path != want {
			t.Errorf("%q: %+v, %v", text, r, err)
		}
	}
}

func TestFindLogin(t *testing.T) {
	t.Parallel()
	canary := testkit.Canary(t)
	var plain string
	_ = canary.Use(func(b []byte) error { plain = string(b); return nil })
	file := "hosts:\n  gitlab.com:\n    token: " + plain + "\n  git.corp:\n    token: " + plain + "\n    is_oauth2: \"true\"\n"
	for name, tc := range map[string]struct {
		env   map[string]string
		file  string
		host  string
		found string // the source; "": none
		oauth bool
	}{
		"a variable":                         {env: map[string]string{"GITLAB_TOKEN": plain}, host: "gitlab.com", found: "GITLAB_TOKEN"},
		"a variable for another host":        {env: map[string]string{"GITLAB_TOKEN": plain, "GITLAB_HOST": "git.corp"}, host: "gitlab.com"},
		"a variable for a host of one's own": {env: map[string]string{"GITLAB_TOKEN": plain, "GITLAB_HOST": "https://git.corp/"}, host: "git.corp", found: "GITLAB_TOKEN"},
		"an OAuth token":                     {env: map[string]string{"OAUTH_TOKEN": plain}, host: "gitlab.com", found: "OAUTH_TOKEN", oauth: true},
		"glab's file":                        {file: file, host: "gitlab.com", found: "glab's log-in"},
		"glab's file, OAuth":                 {file: file, host: "git.corp", found: "glab's log-in", oauth: true},
		"another host":                       {file: file, host: "gitlab.com.evil.example"},
		"a broken file":                      {file: "hosts: [" + plain, host: "gitlab.com"},
	} {
		h := providers.Host{Getenv: func(k string) string { return tc.env[k] }, Home: "/home/ada", ReadFile: func(string) ([]byte, error) {
			if tc.file == "" {
				return nil, os.ErrNotExist
			}
			return []byte(tc.file), nil
		}}
		l, err := gitlab.FindLogin(tc.host, h)
		if (err == nil) != (tc.found != "") || l.Source != tc.found || l.OAuth != tc.oauth || err == nil && !l.Value.Equal(canary) {
			t.Errorf("%s: %q, %v", name, l.Source, err)
		}
		if err != nil {
			testkit.MustNotLeak(t, canary, []byte(err.Error()))
		}
		if known := gitlab.KnownHost(tc.host, h); known != (tc.host != "gitlab.com.evil.example") {
			t.Errorf("%s: known is %v", name, known)
		}
	}
}

// A pipeline is started once, followed, and its log read.
func TestRuns(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]bool{"it passes": false, "it fails": true} {
		server, w := newWorld(t)
		p := w.Store.(*gitlab.Provider)
		repo := setup.Repository{Host: "gitlab.com", Path: "acme/etl"}
		if _, err := p.Start(t.Context(), repo, ".gitlab-ci.yml", "main"); err == nil || !strings.Contains(hint.Of(err).Next, "on the branch") {
			t.Errorf("not pushed: %v", err)
		}
		server.Push("acme/etl")
		server.OnRun(func(*secret.Value) error {
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		ref, err := p.Start(t.Context(), repo, ".gitlab-ci.yml", "main")
		if err != nil || !strings.HasSuffix(ref.Link, "/-/pipelines/"+ref.ID) {
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
		want := map[bool]string{false: "queued running passed", true: "queued running failed"}[fails]
		if got := strings.Join(phases, " "); got != want {
			t.Errorf("%s: %s", name, got)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 2)
		if fails && (err != nil || step.String() != "astro-deploy" || len(last) != 2 || last[0].String() != "error: the token has ended") {
			t.Errorf("%s: %s %v %v", name, step, last, err)
		}
		if _, err := p.Look(t.Context(), repo, "1/../2"); err == nil {
			t.Error("a number that is none")
		}
		// A lost answer is no second pipeline.
		server.Faults.Add(providertest.Lost(http.MethodPost, "/api/v4/projects/*/*/pipeline"))
		before := len(server.Faults.Seen())
		if _, err := p.Start(t.Context(), repo, ".gitlab-ci.yml", "main"); err == nil || len(server.Faults.Seen()) != before+1 {
			t.Errorf("a lost answer: %v, %d requests", err, len(server.Faults.Seen())-before)
		}
	}
}
