package cli_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// The setup whose token a schedule renews, and what its runs install.
var byItself = []string{
	"setup", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--platform", "github", "--repo", "acme/etl",
	"--self-rotate", "weekly", "--astro-ci-version", "1.2.3", "--astro-ci-sha256", "linux_amd64=" + strings.Repeat("a", 64),
}

// asTheRun makes the log-ins of the scheduled run the only ones, on a machine that keeps nothing.
func asTheRun(t *testing.T, p *place, s *sandbox.Sandbox) {
	t.Helper()
	v, err := s.GitHub().OpenRepo("acme", "etl", setup.RotationSecret)
	if err != nil {
		t.Fatal(err)
	}
	p.lose()
	p.unset("ASTRO_API_TOKEN")
	_ = v.Use(func(b []byte) error { p.env = append(p.env, "ASTRO_API_TOKEN="+string(b)); return nil })
}

// marked lists the tokens with a mark of astro-ci, by their setup.
func marked(s *sandbox.Sandbox) map[string][]string {
	out := map[string][]string{}
	for _, t := range s.Astro().Tokens() {
		if name := setup.ParseMark(t.Description).Setup; name != "" {
			out[name] = append(out[name], t.ID)
		}
	}
	return out
}

// A credential that a scheduled run gets is enough to replace the token, and itself after it; nothing more is
// needed than the secrets that the set-up stored.
func TestSelfRotation(t *testing.T) {
	t.Parallel()
	for plan, role := range map[string]struct{ plan, first, own string }{
		"with custom roles": {"ENTERPRISE", "new:CI_Deploy", "CI_Rotate"}, "without": {"TEAM", "DEPLOYMENT_ADMIN", "WORKSPACE_OWNER"},
	} {
		t.Run(plan, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			s.Astro().Change(role.plan, false)
			login := "login-" + rand.Text()
			p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+login)
			out, stderr, code := p.run(append(byItself, "--role", role.first)...)
			if code != 0 || !strings.Contains(out, `"renewal":{"setup":"etl-prod-rotation"`) || !strings.Contains(out, `"role":"`+role.own+`"`) || strings.Contains(out+stderr, login) {
				t.Fatalf("exit %d: %s%s", code, out, stderr)
			}
			for name, want := range p.workflows() {
				if strings.Contains(want, login) || strings.HasSuffix(name, "-rotation.yml") != strings.Contains(want, "schedule:") {
					t.Errorf("%s:\n%s", name, want)
				}
			}
			if v, err := s.GitHub().OpenRepo("acme", "etl", setup.LoginSecret); err != nil || v.Use(func(b []byte) error {
				if string(b) != login {
					t.Error("another log-in was stored")
				}
				return nil
			}) != nil {
				t.Error(err)
			}
			if file := p.read("astro-ci.yaml"); !strings.Contains(file, "self-rotate: weekly") || !strings.Contains(file, "rotation-role: "+role.own) || strings.Contains(file, "etl-prod-rotation") {
				t.Errorf("the file says:\n%s", file)
			}
			before := marked(s)
			run := func(more ...string) (string, string, int) {
				asTheRun(t, p, s)
				return p.run(append([]string{"rotate", "etl-prod", "etl-prod-rotation", "--no-input", "--yes", "--json"}, more...)...)
			}
			if out, stderr, code := run("--due"); code != 0 || strings.Count(out, `"state":"not due"`) != 2 {
				t.Fatalf("nothing is due: exit %d: %s%s", code, out, stderr)
			}
			out, stderr, code = run("--drain", "1h")
			if code != 5 || strings.Count(out, `"state":"waiting"`) != 2 || strings.Index(out, `"setup":"etl-prod"`) > strings.Index(out, `"setup":"etl-prod-rotation"`) {
				t.Fatalf("itself last: exit %d: %s%s", code, out, stderr)
			}
			half := marked(s)
			for name := range before {
				if len(before[name]) != 1 || len(half[name]) != 2 || !slices.Contains(half[name], before[name][0]) {
					t.Errorf("%s: %v, then %v", name, before[name], half[name])
				}
			}
			// The next run logs in with the new one, and goes on with the waiting.
			if out, stderr, code := run("--due", "--drain", "1h"); code != 5 {
				t.Fatalf("the next run: exit %d: %s%s", code, out, stderr)
			}
			assertNoToken(t, p)
		})
	}
}

// Without an answer nothing is scheduled, and what is missing for a schedule is said before anything exists.
func TestSelfRotationIsAsked(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	_, stderr, code := p.run(slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN"})...)
	if code != 3 || !strings.Contains(stderr, setup.LoginSecret) || len(marked(s)) != 0 {
		t.Errorf("without a log-in: exit %d: %s", code, stderr)
	}
	_, stderr, code = p.runWith("a-log-in\n", slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN", "--expires-in", "30d", "--platform-token-stdin"})...)
	if code == 0 || !strings.Contains(stderr, "42 days or more") || len(marked(s)) != 0 {
		t.Errorf("too short a life: exit %d: %s", code, stderr)
	}
	out, stderr, code := p.runWith("a-log-in\n", slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN", "--platform-token-stdin"})...)
	if code != 0 || strings.Contains(out+stderr, "a-log-in") || len(marked(s)) != 2 {
		t.Errorf("from stdin: exit %d: %s%s", code, out, stderr)
	}
}

// A reminder makes no second credential.
func TestReminder(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	out, stderr, code := p.run(append(card, "--self-rotate", "reminder")...)
	if code != 0 || !strings.Contains(p.workflows()["astro-etl-prod-rotation.yml"], "issues: write") || strings.Contains(out, setup.RotationSecret) {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	if strings.Contains(p.workflows()["astro-etl-prod-rotation.yml"], setup.LoginSecret) {
		t.Error("the reminder has a log-in")
	}
}
