package cli_test

import (
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// atGitLab is a person's machine in a repository whose remote is on gitlab.com.
func atGitLab(t *testing.T) (*place, *sandbox.Sandbox) {
	t.Helper()
	p, s := online(t)
	p.unset("GH_TOKEN") // another platform's log-in is not needed
	config := strings.ReplaceAll(p.read(".git/config"), "github.com", "gitlab.com")
	if !strings.Contains(config, "gitlab.com") {
		t.Fatalf("the sample project has no remote: %s", config)
	}
	p.write(".git/config", config)
	return p, s
}

var onGitLab = []string{"setup", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "DEPLOYMENT_ADMIN"}

func TestGitLab(t *testing.T) {
	t.Parallel()
	t.Run("flags", func(t *testing.T) {
		t.Parallel()
		p, s := atGitLab(t)
		stdout, stderr, code := p.run(onGitLab...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		r := decode(t, stdout)
		v, flags, err := s.GitLab().Open("acme/etl", "*", "ASTRO_API_TOKEN", false)
		if err != nil || !s.Astro().Accepts(v, r.Token.ID) || !flags.Protected || !flags.Hidden {
			t.Errorf("the variable is not the token: %v, %+v", err, flags)
		}
		testkit.MustNotLeak(t, v, []byte(stdout), []byte(stderr))
		testkit.ScanDir(t, v, p.home)
		if r.Targets[0].Proof != "written" || r.Pipeline.File != ".gitlab-ci.yml" || !strings.Contains(p.read(".gitlab-ci.yml"), "astro deploy") {
			t.Errorf("got %s", stdout)
		}
		before := p.read(".gitlab-ci.yml")
		if stdout, _, code := p.run(onGitLab...); code != 0 || decode(t, stdout).Pipeline.Changed || p.read(".gitlab-ci.yml") != before {
			t.Errorf("the second time: exit %d: %s", code, stdout)
		}
	})
	t.Run("a pipeline that is there already", func(t *testing.T) {
		t.Parallel()
		p, _ := atGitLab(t)
		const mine = "# mine\nstages: [test, deploy]\n\nlint:\n  stage: test\n  script: [make lint]"
		p.write(".gitlab-ci.yml", mine)
		if _, stderr, code := p.run(onGitLab...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		after := p.read(".gitlab-ci.yml")
		if !strings.HasPrefix(after, mine+"\n\n# >>> astro-ci setup=etl-prod") || !strings.Contains(after, "astro-etl-prod:") {
			t.Errorf("the file is now %s", after)
		}
		if _, stderr, code := p.run(onGitLab...); code != 0 || p.read(".gitlab-ci.yml") != after {
			t.Errorf("the second time: exit %d: %s", code, stderr)
		}
		// Without a stage of the usual name the job is in the last one, also when it is written again.
		for range 2 {
			p.write(".gitlab-ci.yml", strings.Replace(after, "deploy]", "\"ship it\"]", 1))
			if stdout, stderr, code := p.run(onGitLab...); code != 0 || !strings.Contains(p.read(".gitlab-ci.yml"), "\n  stage: \"ship it\"\n") {
				t.Errorf("another stage: exit %d: %s%s", code, stdout, stderr)
			}
			after = p.read(".gitlab-ci.yml")
			if stdout, _, code := p.run(onGitLab...); code != 0 || decode(t, stdout).Pipeline.Changed || p.read(".gitlab-ci.yml") != after {
				t.Errorf("the second time: exit %d: %s", code, stdout)
			}
			after = mine
		}
		p.write(".gitlab-ci.yml", "stages: []\n")
		if _, stderr, code := p.run(onGitLab...); code != 1 || !strings.Contains(stderr, "deploy would do") || p.read(".gitlab-ci.yml") != "stages: []\n" {
			t.Errorf("no stage: exit %d: %s", code, stderr)
		}
	})
	t.Run("wizard", func(t *testing.T) {
		t.Parallel()
		p, s := atGitLab(t)
		p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns", "ASTRO_CI_JOB=deploy", "ASTRO_CI_DEPLOY=infer", "ASTRO_CI_EXPIRES_IN=30d")
		screen := testkit.StartScreen(t, p.command("setup", "--credential", "deployment-token", "--workspace", "Data Platform"), 120, 40)
		screen.WaitFor("begin")
		screen.WaitFor("GitLab")
		screen.Send(enter)
		screen.WaitFor("Where is the secret kept?")
		screen.WaitFor("Environment staging")
		screen.Send(down)
		screen.WaitFor("› Environment staging")
		screen.Send(enter)
		screen.WaitFor("Do all of this now?")
		screen.WaitFor("gitlab:acme/etl#staging/ASTRO_API_TOKEN")
		screen.Send(right + enter)
		screen.WaitFor("What is left to you")
		screen.WaitFor("https://gitlab.com/acme/etl/-/pipelines")
		screen.Send(enter)
		if code := screen.Wait(); code != 0 {
			t.Errorf("exit %d", code)
		}
		if _, _, err := s.GitLab().Open("acme/etl", "staging", "ASTRO_API_TOKEN", false); err != nil {
			t.Error(err)
		}
		if !strings.Contains(p.read(".gitlab-ci.yml"), `name: "staging"`) {
			t.Error("the job does not name the environment")
		}
	})
	t.Run("no log-in", func(t *testing.T) {
		t.Parallel()
		p, s := atGitLab(t)
		p.unset("GITLAB_TOKEN")
		if _, stderr, code := p.run(onGitLab...); code != 4 || !strings.Contains(stderr, "glab auth login") || len(s.Astro().Tokens()) != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("no right", func(t *testing.T) {
		t.Parallel()
		p, s := atGitLab(t)
		s.GitLab().Change("acme/etl", 30, false)
		if _, stderr, code := p.run(onGitLab...); code == 0 || !strings.Contains(stderr, "Maintainer") || len(s.Astro().Tokens()) != 0 {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("sandbox", func(t *testing.T) {
		t.Parallel()
		p := newPlace(t)
		if stdout, stderr, code := p.run("setup", "--sandbox", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--workspace", "Data Platform", "--role", "DEPLOYMENT_ADMIN",
			"--deployment", "etl-prod", "--platform", "gitlab", "--repo", "acme/etl"); code != 0 || decode(t, stdout).Targets[0].Target != "gitlab:acme/etl/ASTRO_API_TOKEN" {
			t.Errorf("exit %d: %s", code, stderr)
		}
		if b, err := os.ReadFile(p.project() + "/.gitlab-ci.yml"); err != nil || len(b) == 0 {
			t.Errorf("the file: %v", err)
		}
		assertNoToken(t, p)
	})
}
