package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/setup"
)

type doctorRow struct{ Group, Subject, State, Reason, Next string }

// doctor runs the command, and holds what it prints against its exit code.
func (p *place) doctor(args ...string) (rows []doctorRow, code int) {
	p.t.Helper()
	out, stderr, code := p.run(append([]string{"doctor", "--json"}, args...)...)
	var v struct {
		Person bool
		Rows   []doctorRow
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("%v: %s%s", err, out, stderr)
	}
	stale := slices.ContainsFunc(v.Rows, func(r doctorRow) bool { return r.State == "stale" })
	if v.Person != stale || code != map[bool]int{true: 6}[stale] || stderr != "" {
		p.t.Errorf("exit %d, person %t: %s%s", code, v.Person, out, stderr)
	}
	return v.Rows, code
}

// bad are the rows that are not ok, as "state group: subject".
func bad(rows []doctorRow) (out []string) {
	for _, r := range rows {
		if r.State != "ok" {
			out = append(out, r.State+" "+r.Group+": "+r.Subject)
		}
	}
	return out
}

// program puts a program onto the computer that says one thing.
func (p *place) program(name, says string) {
	p.t.Helper()
	bin := filepath.Join(p.home, "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\necho '"+says+"'\n"), 0o700); err != nil {
		p.t.Fatal(err)
	}
}

// changes keeps requests that change something. Vault is asked for rights by a POST.
type changes struct {
	mu  sync.Mutex
	all []string
}

func (x *changes) around(_ string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && !strings.HasSuffix(r.URL.Path, "/sys/capabilities-self") {
			x.mu.Lock()
			x.all = append(x.all, r.Method+" "+r.URL.Path)
			x.mu.Unlock()
		}
		h.ServeHTTP(w, r)
	})
}

// What is as it should be is ok. Everything that drifts is one stale row, with what to do; nothing is written.
func TestDoctor(t *testing.T) {
	t.Parallel()
	var sent changes
	p, s := onlineAround(t, sent.around)
	p.program("git", "git version 2.43.0")
	p.program("astro", "Astro CLI Version: "+pipeline.Newest())
	if rows, code := p.doctor(); code != 0 || len(rows) != 5 {
		t.Errorf("nothing is set up: exit %d: %+v", code, rows)
	}
	if _, stderr, code := p.run(append(byFlags, "--also", "vault:secret/astro/etl")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.GitHub().Protect("acme", "etl", "main")
	sent.all = nil
	rows, code := p.doctor()
	if code != 0 || len(bad(rows)) != 0 {
		t.Fatalf("all well: exit %d: %q: %+v", code, bad(rows), rows)
	}
	for _, group := range []string{"tools", "log-ins", "rights", "policies", "drift"} {
		if !slices.ContainsFunc(rows, func(r doctorRow) bool { return r.Group == group }) {
			t.Errorf("there is no row of %s", group)
		}
	}
	for range 3 {
		if again, _ := p.doctor(); !slices.EqualFunc(rows, again, func(a, b doctorRow) bool { return a.Subject == b.Subject }) {
			t.Errorf("the order changes: %+v, then %+v", rows, again)
		}
	}

	const file = ".github/workflows/astro-etl-prod.yml"
	workflow, entries := p.read(file), p.read("astro-ci.yaml")
	_, entry, _ := strings.Cut(entries, "\n  etl-prod:")
	entry = "  etl-prod:" + entry
	restore := func() { p.write(file, workflow); p.write("astro-ci.yaml", entries) }
	_, ws, _ := s.Astro().Find("Data Platform", "")
	for _, x := range []struct {
		name        string
		do, undo    func()
		want        []string // of which each begins a row that is not ok, all of them
		says, remed string
	}{
		{"an old Astro CLI", func() { p.program("astro", "Astro CLI Version: 1.30.0") }, func() { p.program("astro", pipeline.Newest()) }, []string{"stale tools: Astro CLI"}, "1.30.0", "Upgrade"},
		{"an edited file", func() { p.write(file, strings.Replace(workflow, "timeout-minutes: ", "timeout-minutes: 9", 1)) }, restore, []string{"stale drift: etl-prod: pipeline"}, "by hand", "--replace-edits"},
		{"a file of before", func() { p.write(file, "") }, restore, []string{"stale drift: etl-prod: pipeline"}, "", ""},
		{"no file", func() { _ = os.Remove(p.path(file)) }, restore, []string{"stale drift: etl-prod: " + file}, "missing", "astro-ci apply etl-prod"},
		{"another role", func() { p.write("astro-ci.yaml", strings.Replace(entries, "WORKSPACE_AUTHOR", "WORKSPACE_MEMBER", 1)) }, restore, []string{"stale drift: etl-prod: astro-ci.yaml"}, "role", "astro-ci apply etl-prod"},
		{"a setup without a token", func() {
			p.write("astro-ci.yaml", entries+strings.ReplaceAll(entry, "etl-prod", "etl-two"))
		}, restore, []string{"stale drift: etl-two: token"}, "none on Astro", "astro-ci apply etl-two"},
		{"a broken file", func() { p.write("astro-ci.yaml", "setups: [") }, restore, []string{"stale drift: astro-ci.yaml"}, "", ""},
		{"forks", func() {
			s.GitHub().Rule("acme", "etl", githubd.Rules{Allowed: "all", ForksRun: true, ForkSecrets: true})
		}, func() { s.GitHub().Rule("acme", "etl", githubd.Rules{Allowed: "all"}) }, []string{"stale policies: GitHub Actions: forks, acme/etl"}, "secrets", "settings"},
		{"an IP list", func() { s.Astro().Change("TEAM", true) }, func() { s.Astro().Change("TEAM", false) }, []string{"unknown policies: Astro: IP access list, Acme Analytics"}, "runners", "Compare"},
		{
			"fewer rights", func() { s.GitHub().Change("acme", "etl", "pull", false, "") }, func() { s.GitHub().Change("acme", "etl", "admin", false, "") },
			[]string{"stale rights: etl-prod: github:acme/etl/ASTRO_API_TOKEN", "unknown policies: GitHub Actions: allowed actions", "unknown policies: GitHub Actions: forks", "unknown drift: etl-prod: github:acme/etl/ASTRO_API_TOKEN"},
			"only read", "administrator",
		},
		{"trouble", func() {
			s.GitHub().Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/repos/acme/etl/actions/permissions", Status: 403, Body: `{"message":"m"}`, Times: 1})
		}, func() {}, []string{"unknown policies: GitHub Actions: allowed actions"}, "403", ""},
		{"a token of nobody", func() {
			s.Astro().AddToken(astrod.Token{Name: "github acme/etl", Description: "astro-ci setup=lost op=other.1", Scope: "WORKSPACE", Role: "WORKSPACE_AUTHOR", Entity: ws, Days: 90, CreatedAt: time.Now().Add(-time.Hour), CreatedBy: "ada@acme.example"})
		}, func() { p.revoke(s, "setup=lost ") }, []string{"stale drift: token "}, "lost", "token revoke"},
		{"somebody else wrote", func() { s.Vault().Write("", "secret/astro/etl", map[string]string{"ASTRO_API_TOKEN": "another"}) }, func() {}, []string{"stale drift: etl-prod: vault:secret/astro/etl/ASTRO_API_TOKEN"}, "somebody else", "astro-ci rotate etl-prod"},
	} {
		x.do()
		rows, _ := p.doctor()
		got := bad(rows)
		fits := len(got) == len(x.want)
		for i := range x.want {
			fits = fits && strings.HasPrefix(got[i], x.want[i])
		}
		at := slices.IndexFunc(rows, func(r doctorRow) bool { return r.State != "ok" })
		if !fits || !strings.Contains(rows[at].Reason, x.says) || !strings.Contains(rows[at].Next, x.remed) {
			t.Errorf("%s: got %q, want %q", x.name, got, x.want)
			for _, r := range rows {
				if r.State != "ok" {
					t.Logf("%+v", r)
				}
			}
		}
		x.undo()
	}
	if len(sent.all) != 0 {
		t.Errorf("it wrote: %v", sent.all)
	}
	out, _, code := p.run("doctor")
	for _, want := range []string{"TOOLS\n", "LOG-INS\n", "! needs you etl-prod: vault:", "WHAT NEEDS YOU\n! etl-prod: vault:", "-> astro-ci rotate etl-prod", "0 unknown, 1 needs you."} {
		if code != 6 || !strings.Contains(out, want) {
			t.Errorf("exit %d: no %q in %s", code, want, out)
		}
	}
	assertNoToken(t, p)
}

// A value is looked at only when that was asked for; then it tells what a mark cannot, and nothing of it is shown.
func TestDoctorReadsValues(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.program("git", "git version 2.43.0")
	if _, stderr, code := p.run(append(byFlags, "--also", "vault:secret/astro/etl")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.lose()
	s.GitHub().Protect("acme", "etl", "main")
	row := func(args ...string) doctorRow {
		rows, _ := p.doctor(args...)
		return rows[slices.IndexFunc(rows, func(r doctorRow) bool { return r.Group == "drift" && r.Subject == "etl-prod: "+safe })]
	}
	reads := func() int { return s.Vault().Faults.Count(http.MethodGet, "/data/astro/etl") }
	before := reads()
	if r := row(); r.State != "unknown" || reads() != before {
		t.Errorf("without a journal: %d reads: %+v", reads()-before, r)
	}
	if _, _, code := p.run("verify"); code != 0 || reads() != before {
		t.Errorf("verify: exit %d, %d reads", code, reads()-before)
	}
	if r := row("--read-values"); r.State != "ok" || !strings.Contains(r.Reason, "its value is of the token cm") || reads() == before {
		t.Errorf("%d reads: %+v", reads()-before, r)
	}
	s.Vault().Write("", "secret/astro/etl", map[string]string{"ASTRO_API_TOKEN": "another"})
	if r := row("--read-values"); r.State != "stale" || !strings.Contains(r.Reason, "form of a token") || strings.Contains(r.Reason, "another") {
		t.Errorf("got %+v", r)
	}
	assertNoToken(t, p)
}

// Without log-ins it says what is missing, and what could not be found out for that.
func TestDoctorWithoutLogIns(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.program("git", "git version 2.43.0")
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.unset("ASTRO_API_TOKEN", "GH_TOKEN")
	rows, _ := p.doctor()
	got := bad(rows)
	for _, want := range []string{
		"stale log-ins: Astro", "stale log-ins: GitHub Actions", "unknown rights: etl-prod: make a token", "unknown rights: etl-prod: " + hub,
		"unknown policies: GitHub Actions: rules of acme/etl", "unknown drift: etl-prod: token", "unknown drift: etl-prod: " + hub, "unknown drift: etl-prod: pipeline",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	if n := len(slices.DeleteFunc(got, func(s string) bool { return !strings.HasPrefix(s, "stale") })); n != 2 {
		t.Errorf("%d are stale: %+v", n, rows)
	}
	p.env = append(p.env, "ASTRO_API_TOKEN=nonsense", "GH_TOKEN=nonsense")
	rows, _ = p.doctor()
	for _, want := range []string{"stale log-ins: Astro", "stale log-ins: GitHub Actions"} {
		if got := bad(rows); !slices.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
}

func TestDoctorOnGitLab(t *testing.T) {
	t.Parallel()
	p, s := atGitLab(t)
	p.program("git", "git version 2.43.0")
	if _, stderr, code := p.run(onGitLab...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	rows, code := p.doctor()
	if got, want := bad(rows), []string{"unknown drift: etl-prod: " + agent}; code != 0 || !slices.Equal(got, want) {
		t.Errorf("exit %d: got %q, want %q", code, got, want)
	}
	s.GitLab().Rule("acme/etl", nil, true)
	rows, _ = p.doctor()
	if got, want := bad(rows), []string{"stale policies: GitLab CI: protected branch, main", "stale policies: GitLab CI: forks, acme/etl", "unknown drift: etl-prod: " + agent}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	assertNoToken(t, p)
}

// A platform whose rules cannot be asked for says so, and the renewal of a token is looked at as well.
func TestDoctorElsewhere(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN")
	p.program("git", "git version 2.43.0")
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--platform", "drone", "--repo", "acme/etl", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	rows, code := p.doctor()
	if got := bad(rows); code != 0 || !slices.Contains(got, "unknown policies: Drone: rules of acme/etl") {
		t.Errorf("exit %d: %q", code, got)
	}
}

func TestDoctorOfARenewal(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.program("git", "git version 2.43.0")
	p.env = append(p.env, setup.LoginSecret+"="+p.value("GH_TOKEN"))
	if _, stderr, code := p.run(append(byItself, "--role", "DEPLOYMENT_ADMIN")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.GitHub().Protect("acme", "etl", "main")
	s.GitHub().SetEnd("2027-01-31 12:00:00 UTC")
	rows, code := p.doctor()
	if got := bad(rows); code != 0 || len(got) != 0 {
		t.Errorf("exit %d: %q: %+v", code, got, rows)
	}
	if !slices.ContainsFunc(rows, func(r doctorRow) bool {
		return r.Group == "log-ins" && strings.HasSuffix(r.Reason, ", until 2027-01-31")
	}) {
		t.Errorf("the end of the log-in is not told: %+v", rows)
	}
	files := map[string]int{}
	for _, r := range rows {
		if strings.HasSuffix(r.Subject, ".yml") {
			files[r.Subject]++
		}
	}
	if len(files) != 2 {
		t.Errorf("got %v", files)
	}

	const there, gone = "a log-in for the scheduled runs is there", "the log-in of the scheduled runs is missing, so they fail"
	if out, _, code := p.run("verify"); code != 0 || strings.Count(out, there) != 1 {
		t.Errorf("verify: exit %d: %s", code, out)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.GitHubURL()+"/repos/acme/etl/actions/secrets/"+setup.LoginSecret, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.value("GH_TOKEN"))
	answer, err := http.DefaultClient.Do(r)
	if err != nil || answer.Body.Close() != nil || answer.StatusCode != http.StatusNoContent {
		t.Fatalf("%v, %v", answer, err)
	}
	if out, _, code := p.run("verify"); code != 6 || !strings.Contains(out, gone) || !strings.Contains(strings.Join(strings.Fields(out), " "), "Set ASTRO_CI_PLATFORM_TOKEN to another one, and run: astro-ci rotate etl-prod-rotation. A fine-grained token for this one repository") {
		t.Errorf("verify without it: exit %d: %s", code, out)
	}
	if rows, code := p.doctor(); code != 6 || !slices.ContainsFunc(rows, func(r doctorRow) bool { return r.Reason == gone && r.State == "stale" }) {
		t.Errorf("doctor without it: exit %d: %+v", code, rows)
	}
}

// A journal that cannot be read is never ok, whatever else could not be asked.
func TestDoctorOfADamagedJournal(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.damage()
	for range 2 {
		rows, _ := p.doctor()
		if !slices.ContainsFunc(rows, func(r doctorRow) bool {
			return r.Group == "drift" && strings.HasPrefix(r.Subject, "etl-prod") && r.State == "stale"
		}) {
			t.Errorf("got %+v", rows)
		}
		if slices.ContainsFunc(rows, func(r doctorRow) bool { return strings.HasPrefix(r.Subject, "etl-prod: token") && r.State == "ok" }) {
			t.Errorf("a false green: %+v", rows)
		}
		s.Astro().Faults.Add(fault.Fault{Method: http.MethodGet, Status: http.StatusForbidden, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 100})
	}
}

// revoke deletes the tokens whose description has these words.
func (p *place) revoke(s *sandbox.Sandbox, words string) {
	p.t.Helper()
	for _, x := range s.Astro().Tokens() {
		if strings.Contains(x.Description, words) {
			if err := s.Astro().Delete(x.ID); err != nil {
				p.t.Fatal(err)
			}
		}
	}
}
