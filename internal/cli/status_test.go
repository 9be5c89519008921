package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
)

// stock is what status --json prints.
type stock struct {
	Asked, Whole, Person bool
	Items                []struct {
		Setup, Whose, State, Pipeline string
		Person                        bool
		Token                         *struct{ ID, Name string }
		Targets                       []string
		Findings                      []struct{ Key, Say, Next string }
	}
	WorkspacesWithoutToken []struct{ Name string }
	Unknown                []string
	Error                  *struct{ What, Next string }
}

func (p *place) status(args ...string) (v stock, stderr string, code int) {
	p.t.Helper()
	out, stderr, code := p.run(append([]string{"status", "--json"}, args...)...)
	d := json.NewDecoder(strings.NewReader(out))
	if err := d.Decode(&v); err != nil || d.More() {
		p.t.Fatalf("%v, or more than one object: %s%s", err, out, stderr)
	}
	return v, stderr, code
}

// states are the states of the items, by setup or name.
func (v stock) states() map[string]string {
	out := map[string]string{}
	for _, i := range v.Items {
		name := i.Setup
		if i.Whose == "other" {
			name = i.Token.Name
		}
		out[name] = i.State
	}
	return out
}

// A setup of this computer, and tokens that others made: what is wrong with which, and for whom.
func TestStatus(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	v, stderr, code := p.status()
	if code != 0 || v.Person || !v.Asked || !v.Whole || len(v.Items) != 1 || len(v.Unknown) != 0 {
		t.Fatalf("a setup and nothing else: exit %d: %+v, %s", code, v, stderr)
	}
	if i := v.Items[0]; i.Setup != "etl-prod" || i.State != "fine" || i.Token == nil || len(i.Targets) != 1 || i.Targets[0] != "github:acme/etl/ASTRO_API_TOKEN" || i.Pipeline != ".github/workflows/astro-etl-prod.yml" {
		t.Errorf("got %+v", i)
	}
	if n := v.WorkspacesWithoutToken; len(n) != 2 || n[0].Name != "Finance" || n[1].Name != "Machine Learning" {
		t.Errorf("Workspaces without a token: %v", n)
	}

	s.Astro().Fill()
	v, _, code = p.status()
	want := map[string]string{
		"etl-prod": "fine", "Terraform": "creator-gone", "Jenkins ml-prod": "soon", "Nightly export": "expired", "Old notebook": "unused", "Cost report": "fine", "Cost report (copy)": "duplicate",
	}
	got := v.states()
	for name, state := range want {
		if got[name] != state {
			t.Errorf("%s is %q, want %q", name, got[name], state)
		}
	}
	if code != 6 || !v.Person || len(v.Items) != len(want) {
		t.Errorf("exit %d, %d items", code, len(v.Items))
	}
	if v, _, code := p.status("--unused-days", "200"); code != 6 || v.states()["Old notebook"] != "fine" {
		t.Errorf("200 days: exit %d, %v", code, v.states())
	}
	// Only ours: what others made needs nobody here.
	before := s.Astro().Faults.Count(http.MethodGet, "/tokens")
	if v, stderr, code := p.status("--setups"); code != 0 || len(v.Items) != 1 || v.Whole || s.Astro().Faults.Count(http.MethodGet, "/tokens") != before {
		t.Errorf("--setups: exit %d: %+v, %s", code, v, stderr)
	}

	out, _, code := p.run("status")
	for _, want := range []string{"etl-prod", "Terraform", "! grace@acme.example", "1 token more"} {
		if code != 6 || !strings.Contains(out, want) {
			t.Errorf("exit %d, no %q in %s", code, want, out)
		}
	}
	if strings.Index(out, "etl-prod") > strings.Index(out, "Terraform") || strings.Contains(out, "Cost report  ") {
		t.Errorf("got %s", out)
	}
	if out, _, _ := p.run("status", "--all"); !strings.Contains(out, "Cost report  ") {
		t.Errorf("--all: %s", out)
	}

	// The token of the setup is deleted by somebody.
	for _, x := range s.Astro().Tokens() {
		if strings.Contains(x.Description, "setup=etl-prod ") {
			if err := s.Astro().Delete(x.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, args := range [][]string{nil, {"--setups"}} {
		if v, _, code := p.status(args...); code != 6 || v.states()["etl-prod"] != "gone" {
			t.Errorf("%v: exit %d, %v", args, code, v.states())
		}
	}
	// Somebody replaced it from another computer.
	_, ws, _ := s.Astro().Find("Data Platform", "")
	s.Astro().AddToken(astrod.Token{Name: "github acme/etl", Description: "astro-ci setup=etl-prod op=other.1", Scope: "WORKSPACE", Role: "WORKSPACE_AUTHOR", Entity: ws, Days: 90, CreatedAt: time.Now().Add(-time.Hour), CreatedBy: "ada@acme.example"})
	if v, _, code := p.status("--setups"); code != 0 || len(v.Items) != 2 {
		t.Errorf("replaced from elsewhere: exit %d, %+v", code, v.Items)
	}
	assertNoToken(t, p)
}

// Without a log-in, or with one that may not, it says what is known here, and that Astro was not asked.
func TestStatusWithoutAstro(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.Astro().Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/v1/organizations/*/tokens", Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 100})
	if v, stderr, code := p.status(); code != 4 || v.Asked || v.Error == nil || v.states()["etl-prod"] != "unknown" || !strings.Contains(stderr, "Owner") {
		t.Errorf("not allowed: exit %d: %+v, %s", code, v, stderr)
	}
	s.Astro().Faults.Clear()
	// Users that may not be listed are no reason to say nothing.
	s.Astro().Fill()
	s.Astro().Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/v1/organizations/*/users", Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 1})
	if v, _, code := p.status(); code != 6 || v.states()["Terraform"] != "never-expires" || len(v.Unknown) != 1 {
		t.Errorf("users: exit %d: %+v", code, v)
	}
	p.unset("ASTRO_API_TOKEN")
	out, stderr, code := p.run("status")
	if code != 4 || !strings.Contains(out, "etl-prod") || !strings.Contains(out, "was not asked") || !strings.Contains(stderr, "astro-ci login") {
		t.Errorf("no log-in: exit %d: %s%s", code, out, stderr)
	}
	if _, _, code := p.run("status", "--ics", "cal.ics"); code != 4 {
		t.Errorf("exit %d", code)
	}
	if _, err := os.Stat(p.path("cal.ics")); err == nil {
		t.Error("a calendar was written that says that nothing is due")
	}
}

func TestStatusCalendar(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.Astro().Fill()
	if out, stderr, code := p.run("status", "--ics", "cal.ics"); code != 6 || !strings.Contains(out, "etl-prod") || !strings.Contains(stderr, "cal.ics") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	file := p.read("cal.ics")
	if !strings.HasPrefix(file, "BEGIN:VCALENDAR\r\n") || strings.Count(file, "BEGIN:VEVENT") != 6 || jwt.MatchString(file) {
		t.Errorf("got %s", file)
	}
	out, _, code := p.run("status", "--ics", "-", "--setups")
	if code != 0 || strings.Count(out, "BEGIN:VEVENT") != 2 || !strings.HasSuffix(out, "END:VCALENDAR\r\n") {
		t.Errorf("exit %d: %s", code, out)
	}
	for _, wrong := range [][]string{{"--ics", "-", "--json"}, {"--unused-days", "0"}, {"--organization", "nope"}} {
		if _, stderr, code := p.run(append([]string{"status"}, wrong...)...); code != 2 {
			t.Errorf("%v: exit %d: %s", wrong, code, stderr)
		}
	}
	if _, _, code := p.run("status", "--ics", "no/such/folder/cal.ics"); code != 1 {
		t.Errorf("exit %d", code)
	}
	assertNoToken(t, p)
}

// The sandbox has samples of everything that status finds.
func TestStatusInTheSandbox(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	v, stderr, code := p.status("--sandbox")
	if code != 6 || len(v.Items) != 6 {
		t.Errorf("exit %d: %+v, %s", code, v, stderr)
	}
}
