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
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
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
	// Many a Jenkins is served below a path.
	below := jenkins.New(providers.Options{Server: &url.URL{Scheme: "https", Host: "ci.example", Path: "/jenkins/"}, Login: providers.Login{User: "ada", Value: testkit.Canary(t)}})
	const page = "https://ci.example/jenkins/job/team/job/etl"
	if r, err := below.ParseRepo(page); err != nil || r.String() != "ci.example/team/etl" || below.Runs(r, "") != page {
		t.Errorf("%+v, %v, %s", r, err, below.Runs(r, ""))
	}
	if r, err := below.ParseRepo("ci.example/team/etl"); err != nil || r.Path != "team/etl" { // as astro-ci.yaml names it
		t.Errorf("%+v, %v", r, err)
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

// follow looks until the run is over, and returns the phases that it went through.
func follow(t *testing.T, p *jenkins.Provider, r setup.Repository, id string) string {
	t.Helper()
	var phases []string
	for range 9 {
		s, err := p.Look(t.Context(), r, id)
		if err != nil {
			t.Fatal(err)
		}
		phases = append(phases, string(s.Phase))
		if s.Phase.Over() {
			break
		}
	}
	return strings.Join(phases, " ")
}

// A build is started once, followed through the queue, and its log read: that of a job, and that of a
// branch in a multibranch project.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ path, branch, link string }{
		{"etl", "main", "/job/etl"},
		{"team/etl", "main", "/job/team/job/etl/job/main"},
		{"team/etl", "feature/50% [x]", "/job/team/job/etl/job/feature%252F50%2525%20%255Bx%255D"},
	} {
		for _, fails := range []bool{false, true} {
			server, w := newWorld(t)
			p := w.Store.(*jenkins.Provider)
			repo := setup.Repository{Host: "ci.example", Path: tc.path}
			server.Push("etl", tc.branch)
			stored := testkit.Canary(t)
			if _, err := p.Put(t.Context(), target("system", name), stored, providers.Meta{}); err != nil {
				t.Fatal(err)
			}
			server.OnRun(func(v *secret.Value) error {
				if !v.Equal(stored) {
					t.Error("the build got something else")
				}
				if fails {
					return errors.New("the token has ended")
				}
				return nil
			})
			ref, err := p.Start(t.Context(), repo, "Jenkinsfile", tc.branch)
			if err != nil || !strings.HasPrefix(ref.Link, "https://") || !strings.HasSuffix(ref.Link, tc.link) {
				t.Fatalf("%+v, %v", ref, err)
			}
			if first, err := p.Look(t.Context(), repo, ref.ID); err != nil || first.Phase != providers.RunQueued || first.Says.String() != "In the quiet period" {
				t.Errorf("%s: %+v, %v", tc.link, first, err)
			}
			if got, want := follow(t, p, repo, ref.ID), map[bool]string{false: "running passed", true: "running failed"}[fails]; got != want {
				t.Errorf("%s: %s", tc.link, got)
			}
			step, last, err := p.Failure(t.Context(), repo, ref.ID, 3)
			if fails && (err != nil || step.String() != "Deploy to Astro" || len(last) != 3 || last[0].String() != "error: the token has ended") || !fails && !step.IsZero() {
				t.Errorf("%s: %s %v %v", tc.link, step, last, err)
			}
			// A lost answer is no second build.
			server.Faults.Add(providertest.Lost(http.MethodPost, strings.Repeat("/job/*", strings.Count(tc.link, "/job/"))+"/build"))
			before := server.Faults.Count(http.MethodPost, "/build")
			if _, err := p.Start(t.Context(), repo, "Jenkinsfile", tc.branch); err == nil || server.Faults.Count(http.MethodPost, "/build") != before+1 {
				t.Errorf("a lost answer: %v, %v", err, server.Faults.Seen())
			}
		}
	}
}

// What cannot be started says why, and starts nothing.
func TestRunsThatDoNotStart(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		path, branch, next string
		prepare            func(*jenkinsd.Server)
	}{
		"a branch without a file": {path: "team/etl", branch: "main", next: "Push the Jenkinsfile"},
		"no branch":               {path: "team/etl", branch: "", next: "--branch"},
		"a branch that leads out": {path: "team/etl", branch: "..", next: "--branch"},
		"no job":                  {path: "team/new", branch: "main", next: "Make a Multibranch Pipeline"},
		"a folder":                {path: "team", branch: "main", next: "team/etl"},
		"a job that is disabled":  {path: "etl", branch: "main", next: "Enable it", prepare: (*jenkinsd.Server).Disable},
		"no right":                {path: "etl", branch: "main", next: "hudson.model.Item.Build", prepare: func(s *jenkinsd.Server) { s.Deny() }},
		"an answer without a place": {path: "etl", branch: "main", next: "/job/etl", prepare: func(s *jenkinsd.Server) {
			s.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/job/etl/build", Status: http.StatusCreated, Times: 1})
		}},
	} {
		server, w := newWorld(t)
		if tc.prepare != nil {
			tc.prepare(server)
		}
		ref, err := w.Store.(*jenkins.Provider).Start(t.Context(), setup.Repository{Host: "ci.example", Path: tc.path}, "Jenkinsfile", tc.branch)
		if err == nil || !strings.Contains(hint.Of(err).Next, tc.next) || ref.ID != "" {
			t.Errorf("%s: %+v, %v, next %q", what, ref, err, hint.Of(err).Next)
		}
	}
}

// Jenkins forgets places in the queue, cancels them, has jobs with parameters, builds that ask, proxies
// and passwords.
func TestRunsInOddWays(t *testing.T) {
	t.Parallel()
	for what, tc := range map[string]struct {
		prepare, then func(*jenkinsd.Server)
		phases        string
	}{
		"a password":                {prepare: (*jenkinsd.Server).UsePassword, phases: "queued running passed"},
		"parameters":                {prepare: (*jenkinsd.Server).AddParameters, phases: "queued running passed"},
		"another host in addresses": {prepare: (*jenkinsd.Server).MoveLocations, phases: "queued running passed"},
		"no plugin":                 {prepare: (*jenkinsd.Server).RemoveStages, phases: "queued running passed"},
		"forgotten by the queue":    {then: (*jenkinsd.Server).Forget, phases: "running passed"},
		"cancelled in the queue":    {then: (*jenkinsd.Server).Cancel, phases: "failed"},
	} {
		server, w := newWorld(t)
		p := w.Store.(*jenkins.Provider)
		repo := setup.Repository{Host: "ci.example", Path: "etl"}
		server.Push("etl", "main")
		if tc.prepare != nil {
			tc.prepare(server)
		}
		// Another build of the job is there already.
		if _, err := p.Start(t.Context(), repo, "Jenkinsfile", "main"); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		ref, err := p.Start(t.Context(), repo, "Jenkinsfile", "main")
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if tc.then != nil {
			tc.then(server)
		}
		if got := follow(t, p, repo, ref.ID); got != tc.phases {
			t.Errorf("%s: %s", what, got)
		}
	}
	server, w := newWorld(t)
	p := w.Store.(*jenkins.Provider)
	repo := setup.Repository{Host: "ci.example", Path: "etl"}
	server.Push("etl", "main")
	server.Ask(true)
	ref, err := p.Start(t.Context(), repo, "Jenkinsfile", "main")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		_, _ = p.Look(t.Context(), repo, ref.ID)
	}
	if s, err := p.Look(t.Context(), repo, ref.ID); err != nil || s.Phase != providers.RunWaiting {
		t.Errorf("a build that asks: %+v, %v", s, err)
	}
	server.Ask(false)
	if got := follow(t, p, repo, ref.ID); got != "passed" {
		t.Errorf("after the answer: %s", got)
	}
	for _, id := range []string{"", "x", "1/../2", "@main", "99@..", "1 2"} {
		if _, err := p.Look(t.Context(), repo, id); err == nil {
			t.Errorf("%q is the id of a run", id)
		}
	}
	if _, err := p.Look(t.Context(), repo, "99"); err == nil || !strings.Contains(hint.Of(err).Next, "/job/etl") {
		t.Errorf("a run that is not there: %v", err)
	}
}

// Without a Jenkinsfile the build of a plain job fails before its first stage; the log says why. So it
// does on a Jenkins that tells no stages.
func TestFailureWithoutStages(t *testing.T) {
	t.Parallel()
	for _, plugin := range []bool{true, false} {
		server, w := newWorld(t)
		if !plugin {
			server.RemoveStages()
		}
		p := w.Store.(*jenkins.Provider)
		repo := setup.Repository{Host: "ci.example", Path: "etl"}
		ref, err := p.Start(t.Context(), repo, "Jenkinsfile", "main")
		if err != nil {
			t.Fatal(err)
		}
		if got := follow(t, p, repo, ref.ID); got != "queued running failed" {
			t.Error(got)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 2)
		if err != nil || !step.IsZero() || len(last) != 2 || !strings.Contains(last[0].String(), "Unable to find Jenkinsfile") {
			t.Errorf("%s, %v, %v", step, last, err)
		}
	}
}
