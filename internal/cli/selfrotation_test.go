package cli_test

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
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
			login := p.value("GH_TOKEN")
			p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+login)
			out, stderr, code := p.run(append(byItself, "--role", role.first)...)
			if code != 0 || !strings.Contains(out, `"renewal":{"setup":"etl-prod-rotation"`) || !strings.Contains(out, `"role":"`+role.own+`"`) || strings.Contains(out+stderr, login) {
				t.Fatalf("exit %d: %s%s", code, out, stderr)
			}
			if n := len(p.workflows()); n != 2 {
				t.Errorf("%d workflow files", n)
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
	_, stderr, code = p.runWith(p.value("GH_TOKEN")+"\n", slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN", "--expires-in", "30d", "--platform-token-stdin"})...)
	if code == 0 || !strings.Contains(stderr, "42 days or more") || len(marked(s)) != 0 {
		t.Errorf("too short a life: exit %d: %s", code, stderr)
	}
	wrong := "wrong-" + rand.Text()
	_, stderr, code = p.runWith(wrong+"\n", slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN", "--platform-token-stdin"})...)
	if code != 4 || !strings.Contains(stderr, "try the log-in of the scheduled runs") || !strings.Contains(stderr, "Give another one. A fine-grained token") || strings.Contains(stderr, wrong) || strings.Contains(stderr, "--hand-over") ||
		len(marked(s))+len(p.workflows()) != 0 {
		t.Errorf("a log-in that GitHub does not know: exit %d, on Astro %v: %s", code, marked(s), stderr)
	}
	s.GitHub().SetEnd("2027-01-31 12:00:00 +0900")
	inWords := slices.DeleteFunc(slices.Concat(byItself, []string{"--role", "DEPLOYMENT_ADMIN", "--platform-token-stdin"}), func(s string) bool { return s == "--json" })
	out, stderr, code := p.runWith(p.value("GH_TOKEN")+"\n", inWords...)
	if code != 0 || strings.Contains(out+stderr, p.value("GH_TOKEN")) || len(marked(s)) != 2 {
		t.Errorf("from stdin: exit %d: %s%s", code, out, stderr)
	}
	if !strings.Contains(stderr, "can write github:acme/etl/ASTRO_CI_ROTATION_TOKEN, it ends on 2027-01-31") || !strings.Contains(out, "the log-in of the runs ends on 2027-01-31: only a person can renew it. Before that, set ASTRO_CI_PLATFORM_TOKEN") {
		t.Errorf("the end of the log-in is not told: %s%s", out, stderr)
	}
}

// A person gives the runs another log-in by a rotation of what renews: it is tried first, and a rotation of what is
// due leaves it alone.
func TestAnotherLogInForTheRuns(t *testing.T) {
	t.Parallel()
	p, s := renewed(t)
	give := func(login string) {
		p.unset(setup.LoginSecret)
		p.env = append(p.env, setup.LoginSecret+"="+login)
	}
	holds := func(want string) {
		t.Helper()
		v, err := s.GitHub().OpenRepo("acme", "etl", setup.LoginSecret)
		if err != nil || !v.Equal(secret.New([]byte(want))) {
			t.Errorf("another log-in is stored: %v", err)
		}
	}
	first := p.value("GH_TOKEN")
	wrong := "wrong-" + rand.Text()
	give(wrong)
	before := marked(s)
	_, stderr, code := p.run("rotate", "etl-prod-rotation", "--no-input", "--yes", "--drain", "1h")
	if code == 0 || !strings.Contains(stderr, "try the log-in of the scheduled runs") || strings.Contains(stderr, wrong) || !maps.EqualFunc(before, marked(s), slices.Equal) {
		t.Errorf("one that GitHub does not know: exit %d, on Astro %v: %s", code, marked(s), stderr)
	}
	holds(first)
	if out, stderr, code := p.run("rotate", "--due", "--no-input", "--yes", "--json"); code != 0 || strings.Count(out, `"state":"not due"`) != 2 {
		t.Errorf("nothing is due: exit %d: %s%s", code, out, stderr)
	}
	// It is for one setup: with several, it could get to another platform.
	for names, want := range map[string]bool{"etl-prod-rotation": true, "etl-prod etl-prod-rotation": false} {
		out, stderr, code := p.run(append([]string{"rotate", "--no-input", "--dry-run"}, strings.Fields(names)...)...)
		if code != 0 || strings.Contains(out, "Log-in:") != want {
			t.Errorf("%s: exit %d: %s%s", names, code, out, stderr)
		}
	}
	other := s.GitHub().AnotherToken()
	_ = other.Use(func(b []byte) error { give(string(b)); return nil })
	_, stderr, code = p.run("rotate", "etl-prod-rotation", "--no-input", "--yes", "--drain", "1h")
	if code != 5 || !strings.Contains(stderr, "Log-in:") || !strings.Contains(stderr, "done: Write the log-in of the scheduled runs to the secret github:acme/etl/ASTRO_CI_PLATFORM_TOKEN") || len(marked(s)["etl-prod-rotation"]) != 2 {
		t.Errorf("exit %d, on Astro %v: %s", code, marked(s), stderr)
	}
	holds(p.value(setup.LoginSecret))
	if p.value(setup.LoginSecret) == first {
		t.Error("there is no other one")
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

// Without names and without a journal, what astro-ci.yaml says is taken, and what renews it, which comes last.
func TestRotateWhatTheFileSays(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+p.value("GH_TOKEN"))
	if _, stderr, code := p.run(append(byItself, "--role", "DEPLOYMENT_ADMIN")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	// One that has no token yet is none to rotate.
	p.write("astro-ci.yaml", p.read("astro-ci.yaml")+"  later:\n    job: deployments\n    credential: workspace-token\n    workspace: Finance\n    role: WORKSPACE_AUTHOR\n")
	if err := os.RemoveAll(filepath.Join(p.home, ".local", "state")); err != nil {
		t.Fatal(err)
	}
	names := func(out string) (got []string) {
		t.Helper()
		var all []struct{ Setup, State string }
		if err := json.Unmarshal([]byte(out), &all); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		for _, x := range all {
			got = append(got, x.Setup+" "+x.State)
		}
		return got
	}
	due := []string{"rotate", "--due", "--no-input", "--yes", "--json", "--wait", "--drain", "1ms"}
	want := []string{"etl-prod not due", "ml-prod not due", "etl-prod-rotation not due"}
	out, stderr, code := p.run(due...)
	if got := names(out); code != 0 || !slices.Equal(got, want) {
		t.Fatalf("exit %d: %v: %s", code, got, stderr)
	}
	// One that cannot be done keeps none of the others back.
	file := p.read("astro-ci.yaml")
	p.write("astro-ci.yaml", file+"  wrong:\n    workspace: Nope\n")
	out, _, code = p.run(due...)
	if got := names(out); code != 3 || !slices.Contains(got, "wrong failed") || len(got) != len(want)+1 {
		t.Errorf("exit %d: %v", code, got)
	}
	p.write("astro-ci.yaml", file)
	before := marked(s)
	s.Astro().Grow(61 * 24 * time.Hour)
	out, stderr, code = p.run(due...)
	if got := names(out); code != 0 || strings.Join(got, "; ") != strings.ReplaceAll(strings.Join(want, "; "), "not due", "done") {
		t.Fatalf("exit %d: %v: %s", code, got, stderr)
	}
	for name, now := range marked(s) {
		if len(now) != 1 || slices.Equal(now, before[name]) {
			t.Errorf("%s: %v, then %v", name, before[name], now)
		}
	}
	for name, secret := range map[string]string{"etl-prod": setup.TokenVariable, "etl-prod-rotation": setup.RotationSecret} {
		if v, err := s.GitHub().OpenRepo("acme", "etl", secret); err != nil || !s.Astro().Accepts(v, marked(s)[name][0]) {
			t.Errorf("%s does not hold the token of %s: %v", secret, name, err)
		}
	}
	assertNoToken(t, p)
}

// What renews a setup can be taken back alone, with a journal and without; the setup itself stays as it is, and
// its entry no longer says that it is renewed.
func TestRemoveTheRenewal(t *testing.T) {
	t.Parallel()
	for _, journal := range []bool{true, false} {
		p, s := online(t)
		p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+p.value("GH_TOKEN"))
		if _, stderr, code := p.run(append(byItself, "--role", "DEPLOYMENT_ADMIN")...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if !journal {
			if err := os.RemoveAll(filepath.Join(p.home, ".local", "state")); err != nil {
				t.Fatal(err)
			}
		}
		before := marked(s)["etl-prod"]
		workflow := p.read(".github/workflows/astro-etl-prod.yml")
		p.unset(setup.LoginSecret)
		remove := []string{"remove", "etl-prod-rotation", "--no-input", "--json"}
		if _, stderr, code := p.run(remove...); code != 3 || len(marked(s)) != 2 {
			t.Fatalf("without consent: exit %d, on Astro %v: %s", code, marked(s), stderr)
		}
		out, stderr, code := p.run(append(remove, "--confirm", "etl-prod-rotation")...)
		if code != 0 {
			t.Fatalf("exit %d: %s%s", code, out, stderr)
		}
		if got := marked(s); len(got) != 1 || !slices.Equal(got["etl-prod"], before) {
			t.Errorf("on Astro: %v, before %v", got, before)
		}
		if v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err != nil || !s.Astro().Accepts(v, before[0]) {
			t.Errorf("the setup itself: %v", err)
		}
		for _, gone := range []string{setup.RotationSecret, setup.LoginSecret} {
			if _, err := s.GitHub().OpenRepo("acme", "etl", gone); err == nil {
				t.Errorf("the secret %s is still there", gone)
			}
		}
		if _, err := os.Stat(p.path(".github/workflows/astro-etl-prod-rotation.yml")); err == nil || p.read(".github/workflows/astro-etl-prod.yml") != workflow {
			t.Errorf("the workflows: %v", err)
		}
		if file := p.read("astro-ci.yaml"); !strings.Contains(file, "  etl-prod:\n") || strings.Contains(file, "self-rotate") || strings.Contains(file, "rotation-role") || strings.Contains(file, "astro-ci-version") {
			t.Errorf("the file says:\n%s", file)
		}
		// Then nothing is left to be done or undone.
		if out, stderr, code := p.run("apply", "--no-input", "--debug"); code != 0 || writes.MatchString(stderr) {
			t.Errorf("apply: exit %d: %s%s", code, out, stderr)
		}
		if _, stderr, code := p.run(append(remove, "--confirm", "etl-prod-rotation")...); code != 2 {
			t.Errorf("again: exit %d: %s", code, stderr)
		}
		assertNoToken(t, p)
	}
}
