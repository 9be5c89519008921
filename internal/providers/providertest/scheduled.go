package providertest

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// ScheduledSubject is a renderer of scheduled jobs under test.
type ScheduledSubject struct {
	PipelineSubject
	Issues bool // it can render reminders
}

// RenewalPlan is a plan for the scheduled job that renews the token kept at the target's address.
func RenewalPlan(every setup.Cadence, at setup.Target) setup.Plan {
	p := PipelinePlan(setup.DeploymentToken, at)
	p.SelfRotation = setup.SelfRotation{
		Every: every, Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "R", ExpiresInDays: setup.DefaultDays}, Program: p.Pipeline.CLI,
	}
	r := p.Renewal()
	r.Pipeline.File = p.Pipeline.File
	return r
}

// shells are those that a runner may have.
var shells = [][]string{{"sh"}, {"bash"}, {"busybox", "sh"}}

// Scheduled runs the suite for scheduled jobs.
func Scheduled(t *testing.T, s ScheduledSubject) {
	cadences := []setup.Cadence{setup.Daily, setup.Weekly}
	if s.Issues {
		cadences = append(cadences, setup.Reminder)
	}
	t.Run("every file fits the platform", func(t *testing.T) {
		for _, at := range s.Targets {
			for _, every := range cadences {
				for _, name := range []string{"etl-prod", "a.b", "0", "on", strings.Repeat("n", 63)} {
					p := PipelinePlan(setup.DeploymentToken, at)
					p.Name = name
					p.SelfRotation = setup.SelfRotation{Every: every, Credential: p.Credential, Program: p.Pipeline.CLI}
					r := p.Renewal()
					r.Pipeline.File = "x"
					raw, err := s.Render(r)
					if err == nil {
						err = s.Fits(raw)
					}
					if err != nil {
						t.Errorf("%s/%s/%s: %v\n%s", at.Address, every, name, err, raw)
					}
				}
			}
		}
	})
	if !s.Issues {
		t.Run("no reminders without issues", func(t *testing.T) {
			if _, err := s.Render(RenewalPlan(setup.Reminder, s.Targets[0])); err == nil {
				t.Error("a reminder is rendered")
			}
		})
	}
	t.Run("it rotates", func(t *testing.T) { s.rotates(t) })
	if s.Issues {
		t.Run("it reminds", func(t *testing.T) { s.reminds(t) })
	}
}

func (s ScheduledSubject) rotates(t *testing.T) {
	r := testkit.NewRunner(t)
	token, login := testkit.AstroToken(time.Now().Add(60*24*time.Hour)), "login-"+rand.Text()
	for _, at := range s.Targets {
		for _, shell := range shells {
			p := RenewalPlan(setup.Weekly, at)
			p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": r.Self, "linux_arm64": r.Self}
			run := func(p setup.Plan, secrets map[string]string) (out string, ok bool) {
				raw, err := s.Render(p)
				if err != nil {
					t.Fatal(err)
				}
				script, env, err := s.Job(raw, secrets, "", "")
				if err != nil {
					t.Fatalf("%v\n%s", err, raw)
				}
				out, ok = r.Run(shell, script, env)
				testkit.MustNotLeak(t, secret.New([]byte(token)), []byte(out))
				testkit.MustNotLeak(t, secret.New([]byte(login)), []byte(out))
				return out, ok
			}
			// What the pipeline that deploys uses is there as well, and must not be taken for the run's own.
			both := map[string]string{setup.TokenVariable: testkit.AstroToken(time.Now().Add(time.Hour)), p.Target().Secret: token, p.LoginTarget().Secret: login}
			const call = "rotate etl-prod etl-prod-rotation --due --no-input --yes --json"
			for code, want := range map[int]string{0: "Nothing is left", 5: "the next run goes on", 1: "The rotation failed with code 1"} {
				if err := os.WriteFile(r.Calls+".code", fmt.Append(nil, code), 0o600); err != nil {
					t.Fatal(err)
				}
				if out, ok := run(p, both); ok != (code != 1) || !strings.Contains(out, want) || r.Called() != call || !r.CalledWith(token) {
					t.Errorf("%v, code %d: %v %s", shell, code, ok, out)
				}
			}
			for _, missing := range []string{p.Target().Secret, p.LoginTarget().Secret} {
				some := maps.Clone(both)
				delete(some, missing)
				asked := r.Asked.Load()
				if out, ok := run(p, some); ok || r.Called() != "" || r.Asked.Load() != asked || !strings.Contains(out, "The secret "+missing) {
					t.Errorf("%v without %s: %v %s", shell, missing, ok, out)
				}
			}
			other := p.Clone()
			other.Pipeline.CLI.SHA256 = map[string]string{"linux_amd64": r.Sum, "linux_arm64": r.Sum}
			if out, ok := run(other, both); ok || r.Called() != "" || !strings.Contains(out, "is not the one that was pinned") {
				t.Errorf("%v, another program: %v %s", shell, ok, out)
			}
		}
	}
}

// tracker is a place for issues as GitHub and its likes serve it.
type tracker struct {
	sync.Mutex
	pass   string
	titles []string
}

func (x *tracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x.Lock()
	defer x.Unlock()
	var in struct{ Title, Body string }
	switch {
	case r.Header.Get("Authorization") != "Bearer "+x.pass:
		http.Error(w, "{}", http.StatusUnauthorized)
	case r.URL.Path != "/api/repos/acme/etl/issues":
		http.Error(w, "{}", http.StatusNotFound)
	case r.Method == http.MethodGet && r.URL.Query().Get("state") == "open":
		open := []map[string]any{{"title": "Renew the Astro API token of etl-prod-eu", "body": "not this one"}}
		for _, title := range x.titles {
			open = append(open, map[string]any{"title": title})
		}
		_ = json.NewEncoder(w).Encode(open)
	case r.Method != http.MethodPost || json.NewDecoder(r.Body).Decode(&in) != nil || in.Title == "" || in.Body == "":
		http.Error(w, "{}", http.StatusUnprocessableEntity)
	default:
		x.titles = append(x.titles, in.Title)
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte("{}"))
	}
}

// opened are the titles of the issues since the last call of forget.
func (x *tracker) opened() []string {
	x.Lock()
	defer x.Unlock()
	return slices.Clone(x.titles)
}

func (x *tracker) forget() {
	x.Lock()
	defer x.Unlock()
	x.titles = nil
}

func (s ScheduledSubject) reminds(t *testing.T) {
	for _, at := range s.Targets {
		for _, shell := range shells {
			r := testkit.NewRunner(t)
			issues := &tracker{pass: "issues-" + rand.Text()}
			srv := httptest.NewServer(issues)
			t.Cleanup(srv.Close)
			bin := t.TempDir()
			log := r.Watch(bin, "curl")
			p := RenewalPlan(setup.Reminder, at)
			raw, err := s.Render(p)
			if err != nil {
				t.Fatal(err)
			}
			run := func(token string) (string, bool) {
				script, env, err := s.Job(raw, map[string]string{setup.TokenVariable: token}, "", "")
				if err != nil {
					t.Fatalf("%v\n%s", err, raw)
				}
				if token == "" {
					delete(env, setup.TokenVariable)
				}
				env["PATH"], env["GITHUB_API_URL"], env["GITHUB_REPOSITORY"], env["ISSUE_TOKEN"] = r.Path(bin), srv.URL+"/api", "acme/etl", issues.pass
				return r.Run(shell, script, env)
			}
			in := func(days int) string { return testkit.AstroToken(time.Now().Add(time.Duration(days) * 24 * time.Hour)) }
			if out, ok := run(in(60)); !ok || len(issues.opened()) != 0 {
				t.Errorf("%v, far away: %v %s", shell, ok, out)
			}
			for range 2 {
				out, ok := run(in(5))
				if opened := issues.opened(); !ok || !slices.Equal(opened, []string{"Renew the Astro API token of etl-prod"}) {
					t.Errorf("%v, soon: %v %v %s", shell, opened, ok, out)
				}
			}
			for what, token := range map[string]string{"ended": in(-1), "nothing": "", "no token": "x"} {
				issues.forget()
				out, ok := run(token)
				if opened := issues.opened(); ok || len(opened) != 1 {
					t.Errorf("%v, %s: %v %v %s", shell, what, opened, ok, out)
				}
			}
			args, err := os.ReadFile(log)
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(args)) {
				if strings.Contains(line, issues.pass) && !strings.HasPrefix(line, "ISSUE_TOKEN=") {
					t.Errorf("%v: the token of the run is an argument: %s", shell, line)
				}
			}
		}
	}
}
