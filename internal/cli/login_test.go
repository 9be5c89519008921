package cli_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

var address = regexp.MustCompile(`http://\S+/authorize\?\S+`)

// A person logs in with the browser, works with that log-in, and logs out.
func TestLogInWithTheBrowser(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.unset("ASTRO_API_TOKEN")
	p.env = append(p.env, "ASTRO_CI_TEST_KEYRING="+t.TempDir())
	cmd := p.command("login", "--login-link")
	errw, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(errw); lines.Scan(); {
		if found := address.FindString(lines.Text()); found != "" {
			resp, err := http.Get(found)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.run("whoami", "--json")
	var who struct {
		Source, User  string
		Organizations []struct{ Name string }
		Roles         []struct{ Role string }
	}
	if err := json.Unmarshal([]byte(stdout), &who); err != nil || code != 0 || who.Source != "astro-ci login" || who.User != "ada@acme.example" || len(who.Organizations) != 1 || len(who.Roles) != 1 {
		t.Errorf("exit %d, %v: %s%s", code, err, stdout, stderr)
	}
	if stdout, _, code := p.run("whoami"); code != 0 || !strings.Contains(stdout, "ORGANIZATION_OWNER") || !strings.Contains(stdout, "Acme Analytics") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	if stdout, stderr, code := p.run(real()...); code != 0 || decode(t, stdout).Token == nil {
		t.Errorf("setup: exit %d: %s", code, stderr)
	}
	assertNoToken(t, p)
	if _, stderr, code := p.run("logout"); code != 0 || !strings.Contains(stderr, "is forgotten") {
		t.Errorf("logout: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("whoami"); code != 4 || !strings.Contains(stderr, "astro-ci login") {
		t.Errorf("after the log-out: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("logout"); code != 0 || !strings.Contains(stderr, "There was no log-in") {
		t.Errorf("logout twice: exit %d: %s", code, stderr)
	}
}

// A log-in that cannot be kept is not begun.
func TestNoLogInWithoutAKeyring(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.unset("ASTRO_API_TOKEN")
	if _, stderr, code := p.run("login"); code != 1 || !strings.Contains(stderr, "never in a file") || address.MatchString(stderr) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, c := range []string{"login", "logout"} {
		if _, stderr, code := p.run(c, "--sandbox"); code != 0 || !strings.Contains(stderr, "always logged in") {
			t.Errorf("%s: exit %d: %s", c, code, stderr)
		}
	}
}

// Tokens are listed with what the astro CLI does not show, and revoked only when that is confirmed.
func TestTokens(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if stdout, stderr, code := p.run("token", "list", "--sandbox"); code != 0 || !strings.Contains(stdout, "Terraform") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	made, _, _ := p.run(card...)
	id := decode(t, made).Token.ID
	stdout, _, code := p.run("token", "list", "--sandbox")
	for _, want := range []string{id, "WORKSPACE_AUTHOR", "workspace", "in 89 days", "within a day", "github acme/etl"} {
		if code != 0 || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, %q is not said: %s", code, want, stdout)
		}
	}
	var list struct {
		Tokens []struct {
			ID, Scope, ExpiresAt, LastUsedAt, CreatedBy string
			Roles                                       []struct{ Role string }
		}
	}
	stdout, _, _ = p.run("token", "list", "--sandbox", "--json")
	err := json.Unmarshal([]byte(stdout), &list)
	for len(list.Tokens) > 1 && list.Tokens[0].ID != id { // a sample of the sandbox
		list.Tokens = list.Tokens[1:]
	}
	if err != nil || list.Tokens[0].ExpiresAt == "" || list.Tokens[0].LastUsedAt == "" || list.Tokens[0].Roles[0].Role != "WORKSPACE_AUTHOR" {
		t.Errorf("%v: %s", err, stdout)
	}
	for args, some := range map[string]bool{
		"--workspace=Data Platform": true, "--workspace=Finance": false, "--workspace=Machine Learning --deployment=ml-dev": false,
	} {
		stdout, stderr, code := p.run(append([]string{"token", "list", "--sandbox"}, strings.Split(strings.ReplaceAll(args, " --", "\x00--"), "\x00")...)...)
		if code != 0 || strings.Contains(stdout, id) != some {
			t.Errorf("%s: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := p.run("token", "list", "--sandbox", "--workspace", "Nope"); code != 2 || !strings.Contains(stderr, "Data Platform") {
		t.Errorf("an unknown Workspace: exit %d: %s", code, stderr)
	}
	if stdout, _, code := p.run("token", "show", id, "--sandbox"); code != 0 || !strings.Contains(stdout, "astro-ci setup=etl-prod") {
		t.Errorf("show: exit %d: %s", code, stdout)
	}
	if _, stderr, code := p.run("token", "show", "--sandbox"); code != 2 || !strings.Contains(stderr, "the id of one token") {
		t.Errorf("show nothing: exit %d: %s", code, stderr)
	}
	if _, _, code := p.run("token", "show", "cm00000000000000000000999", "--sandbox"); code != 2 {
		t.Errorf("show what is not there: exit %d", code)
	}
	if _, stderr, code := p.run("token", "revoke", id, "--sandbox"); code != 3 || !strings.Contains(stderr, "--yes") {
		t.Errorf("revoke without a yes: exit %d: %s", code, stderr)
	}
	if stdout, _, code := p.run("token", "revoke", id, "--sandbox", "--dry-run"); code != 0 || !strings.Contains(stdout, "Nothing was touched") {
		t.Errorf("revoke as a dry run: exit %d: %s", code, stdout)
	}
	s := testkit.StartScreen(t, p.command("token", "revoke", id, "--sandbox"), 100, 20)
	s.WaitFor("Type yes to delete it")
	s.Send("no" + enter)
	if code := s.Wait(); code != 130 {
		t.Errorf("revoke with a no: exit %d", code)
	}
	s = testkit.StartScreen(t, p.command("token", "revoke", id, "--sandbox"), 100, 20)
	s.WaitFor("Type yes to delete it")
	s.Send("yes" + enter)
	if code := s.Wait(); code != 0 {
		t.Errorf("revoke with a yes: exit %d", code)
	}
	if stdout, _, _ := p.run("token", "list", "--sandbox"); strings.Contains(stdout, id) {
		t.Error("the token is still there")
	}
}

// keyed adds a Deployment API key that Astro takes, and gives it to the program.
func keyed(t *testing.T, p *place) (key setup.Key, id, value string) {
	t.Helper()
	for _, kv := range p.env {
		switch k, v, _ := strings.Cut(kv, "="); k {
		case setup.KeyIDVariable:
			id = v
		case setup.KeySecretVariable:
			value = v
		}
	}
	if id == "" || value == "" {
		t.Fatal("the sandbox names no key")
	}
	p.unset(setup.KeyIDVariable, setup.KeySecretVariable)
	return setup.Key{ID: secret.New([]byte(id)), Secret: secret.New([]byte(value))}, id, value
}

var withKey = []string{"--credential", "deployment-key", "--workspace", "Data Platform", "--deployment", "etl-prod", "--repo", "acme/etl", "--platform", "github"}

// An existing Deployment API key is proved, stored in two secrets and used by the workflow: by
// stdin, by variables, and in the wizard.
func TestDeploymentKey(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, p *place, key setup.Key, open func(string) (*secret.Value, error)) {
		t.Helper()
		for name, want := range map[string]*secret.Value{setup.KeyIDVariable: key.ID, setup.KeySecretVariable: key.Secret} {
			if v, err := open(name); err != nil || !v.Equal(want) {
				t.Errorf("%s is not stored: %v", name, err)
			}
			testkit.ScanDir(t, want, p.home)
		}
	}
	t.Run("stdin", func(t *testing.T) {
		t.Parallel()
		p, s := online(t)
		key, id, value := keyed(t, p)
		stdout, stderr, code := p.runWith(id+"\n"+value+"\n", append([]string{"setup", "--no-input", "--yes", "--json", "--key-stdin"}, withKey...)...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		r := decode(t, stdout)
		if r.Token != nil || len(r.Targets) != 2 || !strings.Contains(p.read(r.Pipeline.File), "ASTRONOMER_KEY_SECRET: ${{ secrets.ASTRONOMER_KEY_SECRET }}") {
			t.Errorf("got %s", stdout)
		}
		testkit.MustNotLeak(t, key.Secret, []byte(stdout), []byte(stderr))
		check(t, p, key, func(n string) (*secret.Value, error) { return s.GitHub().OpenRepo("acme", "etl", n) })
		if _, stderr, code := p.runWith("one line", append([]string{"setup", "--no-input", "--yes", "--key-stdin"}, withKey...)...); code != 1 || !strings.Contains(stderr, "two lines") {
			t.Errorf("half a key: exit %d: %s", code, stderr)
		}
		if _, stderr, code := p.runWith(id+"\nwrong\n", append([]string{"setup", "--no-input", "--yes", "--key-stdin"}, withKey...)...); code != 4 || !strings.Contains(stderr, "June 2024") {
			t.Errorf("a wrong key: exit %d: %s", code, stderr)
		}
		if _, stderr, code := p.run(append([]string{"setup", "--no-input", "--yes"}, withKey...)...); code != 3 || !strings.Contains(stderr, "--key-stdin") || !strings.Contains(stderr, "ASTRONOMER_KEY_SECRET") {
			t.Errorf("no key: exit %d: %s", code, stderr)
		}
	})
	t.Run("variables", func(t *testing.T) {
		t.Parallel()
		p, s := online(t)
		key, id, value := keyed(t, p)
		p.env = append(p.env, "ASTRONOMER_KEY_ID="+id, "ASTRONOMER_KEY_SECRET="+value)
		if _, stderr, code := p.run(append([]string{"setup", "--no-input", "--yes"}, withKey...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		check(t, p, key, func(n string) (*secret.Value, error) { return s.GitHub().OpenRepo("acme", "etl", n) })
	})
	for mode, args := range map[string][]string{"wizard": {"setup"}, "line": {"setup", "--plain"}} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			key, id, value := keyed(t, p)
			p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns", "ASTRO_CI_JOB=deploy", "ASTRO_CI_TARGET=github:acme/etl", "ASTRO_CI_DEPLOY=image")
			screen := testkit.StartScreen(t, p.command(append(args, withKey...)...), 110, 40)
			if mode == "wizard" {
				screen.WaitFor("Nothing is created before you confirm")
				screen.WaitFor("begin")
				screen.Send(enter)
			}
			screen.WaitFor("What is the id of the Deployment API key?")
			screen.WaitFor("not shown")
			screen.Send(id + enter)
			screen.WaitFor("What is the secret of the Deployment API key?")
			screen.Send(value + enter)
			if mode == "wizard" {
				screen.WaitFor("Do all of this now?")
				screen.WaitFor("no new Deployment API")
				screen.Send(right + enter)
				screen.WaitFor("What is left to you")
				screen.Send(enter)
			} else {
				screen.WaitFor("has refused the old ones")
				screen.Send("yes" + enter)
			}
			if code := screen.Wait(); code != 0 {
				t.Errorf("exit %d", code)
			}
			testkit.MustNotLeak(t, key.Secret, screen.Raw())
			testkit.MustNotLeak(t, key.ID, screen.Raw())
			check(t, p, key, func(n string) (*secret.Value, error) { return s.GitHub().OpenRepo("acme", "etl", n) })
		})
	}
}

// A key that the repository uses is found, replaced in its file by a Deployment API token, and its
// secrets go last.
func TestMigration(t *testing.T) {
	t.Parallel()
	const before = "name: mine\non: push\njobs:\n  deploy:\n    runs-on: ubuntu-24.04\n    env:\n      ASTRONOMER_KEY_ID: ${{ secrets.ASTRONOMER_KEY_ID }} # old\n" +
		"      ASTRONOMER_KEY_SECRET: ${{ secrets.ASTRONOMER_KEY_SECRET }}\n    steps:\n      - run: astro deploy -f\n"
	const file = ".github/workflows/mine.yml"
	args := []string{"--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "DEPLOYMENT_ADMIN", "--repo", "acme/etl", "--target", "github:acme/etl", "--expires-in", "90d"}
	start := func(t *testing.T) (*place, func(string) error) {
		t.Helper()
		p, s := online(t)
		_, id, value := keyed(t, p)
		if _, stderr, code := p.runWith(id+"\n"+value+"\n", append([]string{"setup", "--no-input", "--yes", "--key-stdin"}, withKey...)...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if err := os.RemoveAll(p.path(".github")); err != nil {
			t.Fatal(err)
		}
		p.write(file, before)
		return p, func(name string) error { _, err := s.GitHub().OpenRepo("acme", "etl", name); return err }
	}
	finish := func(t *testing.T, p *place, open func(string) error) {
		t.Helper()
		want := strings.NewReplacer("ASTRONOMER_KEY_ID: ${{ secrets.ASTRONOMER_KEY_ID }} # old", "ASTRO_API_TOKEN: ${{ secrets.ASTRO_API_TOKEN }}",
			"      ASTRONOMER_KEY_SECRET: ${{ secrets.ASTRONOMER_KEY_SECRET }}\n", "").Replace(before)
		if got := p.read(file); got != want {
			t.Errorf("the file is now %s", got)
		}
		if open("ASTRO_API_TOKEN") != nil || open("ASTRONOMER_KEY_ID") == nil || open("ASTRONOMER_KEY_SECRET") == nil {
			t.Error("the secrets are not as they should be")
		}
	}
	t.Run("flags", func(t *testing.T) {
		t.Parallel()
		p, open := start(t)
		if _, stderr, code := p.run(append([]string{"setup", "--no-input", "--yes"}, args...)...); code != 3 || !strings.Contains(stderr, "--legacy-key") {
			t.Errorf("what becomes of the key was not asked: exit %d: %s", code, stderr)
		}
		stdout, stderr, code := p.run(append([]string{"setup", "--no-input", "--yes", "--json", "--legacy-key", "replace"}, args...)...)
		if code != 0 || decode(t, stdout).Pipeline.File != file {
			t.Fatalf("exit %d: %s%s", code, stdout, stderr)
		}
		finish(t, p, open)
	})
	t.Run("wizard", func(t *testing.T) {
		t.Parallel()
		p, open := start(t)
		p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns", "ASTRO_CI_JOB=deploy")
		screen := testkit.StartScreen(t, p.command(append([]string{"setup"}, args...)...), 120, 40)
		screen.WaitFor("Nothing is created before you confirm")
		screen.WaitFor("begin")
		screen.Send(enter)
		screen.WaitFor("What becomes of the Deployment API key that is in use here?")
		screen.WaitFor("mine.yml")
		screen.Send(enter)
		screen.WaitFor("Do all of this now?")
		screen.WaitFor("for good")
		screen.Send(right + enter)
		screen.WaitFor("What is left to you")
		screen.Send(enter)
		if code := screen.Wait(); code != 0 {
			t.Errorf("exit %d", code)
		}
		finish(t, p, open)
	})
}

// Every type of token, by flags and in the wizard: what Astro made is what was asked for.
func TestEveryTypeOfToken(t *testing.T) {
	t.Parallel()
	for kind, tc := range map[string]struct {
		args        []string
		scope, role string
	}{
		"deployment-token":   {[]string{"--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "DEPLOYMENT_ADMIN"}, "DEPLOYMENT", "DEPLOYMENT_ADMIN"},
		"workspace-token":    {[]string{"--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}, "WORKSPACE", "WORKSPACE_AUTHOR"},
		"organization-token": {[]string{"--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "ORGANIZATION_OWNER"}, "ORGANIZATION", "ORGANIZATION_OWNER"},
		"a new custom role":  {[]string{"--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "new:CI_Deploy"}, "DEPLOYMENT", "CI_Deploy"},
	} {
		flag := kind
		if strings.Contains(kind, " ") {
			flag = "deployment-token"
		}
		args := append([]string{"setup", "--credential", flag, "--repo", "acme/etl", "--target", "github:acme/etl", "--expires-in", "30d", "--job", "deploy", "--deploy", "image", "--platform", "github"}, tc.args...)
		check := func(t *testing.T, s *sandbox.Sandbox) {
			t.Helper()
			made := s.Astro().Tokens()
			if len(made) != 1 || made[0].Scope != tc.scope || made[0].Role != tc.role {
				t.Fatalf("Astro has %+v", made)
			}
			if v, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN"); err != nil || !s.Astro().Accepts(v, made[0].ID) {
				t.Errorf("the secret is not the token: %v", err)
			}
		}
		t.Run(kind+"/flags", func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			s.Astro().Change("ENTERPRISE", true)
			stdout, stderr, code := p.run(append(args, "--no-input", "--yes")...)
			if code != 0 || !strings.Contains(stderr, "IP access list") {
				t.Fatalf("exit %d: %s%s", code, stdout, stderr)
			}
			check(t, s)
			if permissions := s.Astro().CustomRoles()["CI_Deploy"]; (tc.role == "CI_Deploy") != (len(permissions) == 2) {
				t.Errorf("the custom role has %v", permissions)
			}
		})
		t.Run(kind+"/wizard", func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			s.Astro().Change("ENTERPRISE", false)
			p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns")
			screen := testkit.StartScreen(t, p.command(args...), 120, 44)
			screen.WaitFor("begin")
			screen.Send(enter)
			screen.WaitFor("Do all of this now?")
			screen.Send(right + enter)
			screen.WaitFor("What is left to you")
			screen.Send(enter)
			if code := screen.Wait(); code != 0 {
				t.Errorf("exit %d", code)
			}
			check(t, s)
		})
	}
}
