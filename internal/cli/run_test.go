package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/droned"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

type runResult struct {
	ID, Link, State, FailedStep, Token string
	Proof, LastUsedAt                  *string
}

func decodeRun(t *testing.T, stdout string) (r runResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatalf("%v: %s", err, stdout)
	}
	return r
}

// After a set-up, the run is started, watched and proved by Astro's own record of the token.
func TestRun(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(real()...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	// The file is not pushed yet.
	if _, stderr, code := p.run("run", "--every", "1ms"); code != 1 || !strings.Contains(stderr, "default branch") {
		t.Errorf("not pushed: exit %d: %s", code, stderr)
	}
	s.GitHub().AddWorkflow("acme", "etl", "astro-etl-prod.yml")
	for _, old := range []bool{false, true} {
		if old {
			s.GitHub().BeOldServer()
		}
		s.Astro().Age() // the second of the set-up's own proof is over
		stdout, stderr, code := p.run("run", "--every", "1ms", "--json")
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		r := decodeRun(t, stdout)
		if r.State != "passed" || r.Proof == nil || *r.Proof != "run" || r.LastUsedAt == nil || r.Token == "" || !strings.Contains(r.Link, "/actions/runs/"+r.ID) {
			t.Errorf("got %s", stdout)
		}
		if !strings.Contains(stderr, "queued") || !strings.Contains(stderr, "running") || !strings.Contains(stderr, "Astro saw the token") {
			t.Errorf("said %s", stderr)
		}
	}
	// A token that the run does not use proves nothing, and nothing is said that is not so.
	made := s.Astro().Tokens()
	if err := s.Astro().Delete(made[len(made)-1].ID); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.run("run", "--every", "1ms", "--json")
	r := decodeRun(t, stdout)
	if code != 1 || r.State != "failed" || r.Proof != nil || r.FailedStep != "Check the token" || !strings.Contains(stderr, "  | the token is invalid") || strings.Contains(stderr, "2026-11-24T07") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p)
}

// Which file and which platform, is found or asked for.
func TestRunFinds(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	if _, stderr, code := p.run("run"); code != 2 || !strings.Contains(stderr, "no pipeline file") {
		t.Errorf("no file: exit %d: %s", code, stderr)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, ".github", "workflows"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		p.write(".github/workflows/"+name+".yml", "# >>> astro-ci setup="+name+" sha256=0123456789abcdef: managed, edits between these lines are replaced\n# <<< astro-ci setup="+name+"\n")
	}
	if _, stderr, code := p.run("run"); code != 3 || !strings.Contains(stderr, "a in .github/workflows/a.yml, b in") {
		t.Errorf("two files: exit %d: %s", code, stderr)
	}
}

// In the sandbox, what lies in the working tree counts as pushed.
func TestRunInTheSandbox(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if err := sandbox.SampleProject(p.dir); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := p.run(card...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("run", "--sandbox", "--every", "1ms"); code != 0 || !strings.Contains(stderr, "The run passed") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// In the sandbox a run of a second Workspace's setup reads what its part of the file names: its own secret, by its name
// and in its own environment, context, group or folder. What is for another branch does not run. Astro's record says
// which token was used.
func TestRunReadsItsOwnSecret(t *testing.T) {
	t.Parallel()
	for id, x := range map[string]struct {
		repo   string
		second []string // where its secret is
		shared bool     // the first setup's job is in the same run
	}{
		"github":       {repo: "acme/etl", second: []string{"--environment", "production"}},
		"gitlab":       {repo: "acme/etl", second: []string{"--environment", "production"}, shared: true},
		"drone":        {repo: "acme/etl", second: []string{"--target", "drone:acme"}, shared: true},
		"woodpecker":   {repo: "acme/etl", second: []string{"--target", "woodpecker:acme"}, shared: true},
		"gitea":        {repo: "acme/etl", second: []string{"--target", "gitea:acme"}},
		"buildkite":    {repo: "acme/etl", shared: true},
		"circleci":     {repo: "gh/acme/etl", second: []string{"--target", "circleci:context:gh/acme/ml"}, shared: true},
		"bitbucket":    {repo: "bitbucket.org/acme/etl", second: []string{"--environment", "production", "--branch", "develop"}},
		"jenkins":      {repo: "team/etl", second: []string{"--target", "jenkins:folder:team"}, shared: true},
		"azure-devops": {repo: "dev.azure.com/acme/data/etl", second: []string{"--target", "azure-devops:acme/data/group:ml"}},
		"codebuild":    {repo: "etl", second: []string{"--target", "aws-ssm:/ml"}},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.env = append(p.env, "ASTRO_CI_PLATFORM="+id, "ASTRO_CI_REPO="+x.repo)
			setup := []string{"setup", "--sandbox", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--role", "DEPLOYMENT_ADMIN"}
			made := func(args ...string) result {
				stdout, stderr, code := p.run(append(slices.Clone(setup), args...)...)
				if code != 0 {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				return decode(t, stdout)
			}
			used := func(r result) string {
				stdout, stderr, code := p.run("token", "show", r.Token.ID, "--sandbox", "--json")
				if code != 0 {
					t.Fatalf("exit %d: %s", code, stderr)
				}
				return stdout
			}
			first := made("--workspace", "Data Platform", "--deployment", "etl-prod")
			second := made(append([]string{"--workspace", "Machine Learning", "--deployment", "ml-dev", "--secret-name", "ASTRO_API_TOKEN_ML"}, x.second...)...)
			other := made("--workspace", "Machine Learning", "--deployment", "ml-prod", "--branch", "release")
			ofFirst, ofOther := used(first), used(other)
			p.nextSecond() // Astro says in seconds when a token was used
			run := []string{"run", "ml-dev", "--sandbox", "--json", "--every", "1ms"}
			stdout, stderr, code := p.run(run...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if r := decodeRun(t, stdout); r.State != "passed" || r.Proof == nil || *r.Proof != "run" || r.Token != second.Token.ID {
				t.Errorf("not the token %s: %s", second.Token.ID, stdout)
			}
			if (used(first) != ofFirst) != x.shared || used(other) != ofOther {
				t.Errorf("the tokens of the others: %s%s", used(first), used(other))
			}
			stdout, stderr, code = p.run("run", "ml-prod", "--sandbox", "--json", "--every", "1ms")
			if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Token != other.Token.ID {
				t.Errorf("on the branch release: exit %d: %s%s", code, stdout, stderr)
			}
			// Its secret alone is taken away; the file stays.
			at := filepath.Join(p.project(), filepath.FromSlash(second.Pipeline.File))
			file, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			if _, stderr, code := p.run("remove", "ml-dev", "--sandbox", "--yes", "--no-input", "--confirm", "ml-dev"); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if err := os.WriteFile(at, file, 0o600); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code = p.run(run...)
			if r := decodeRun(t, stdout); code != 1 || r.State != "failed" || id != "circleci" && !strings.Contains(stderr, "the secret is empty") { // its API serves no logs
				t.Errorf("without its secret: exit %d: %s%s", code, stdout, stderr)
			}
		})
	}
}

func TestRunOnGitLab(t *testing.T) {
	t.Parallel()
	p, s := atGitLab(t)
	if _, stderr, code := p.run(onGitLab...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.GitLab().Push("acme/etl")
	s.Astro().Age()
	stdout, stderr, code := p.run("run", "--every", "1ms", "--json")
	if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Proof == nil || *r.Proof != "run" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// On platforms that build what lies on another host, the run is proved as well, and one that fails says
// where.
func TestRunOnGuests(t *testing.T) {
	t.Parallel()
	for id, x := range map[string]struct {
		repo, link, step string
		push             func(*sandbox.Sandbox)
	}{
		"jenkins":    {"team/etl", "/job/team/job/etl/job/main", "Deploy to Astro", func(s *sandbox.Sandbox) { s.Jenkins().Push("etl", "main") }},
		"woodpecker": {"acme/etl", "/pipeline/1", "deploy", func(s *sandbox.Sandbox) { s.Woodpecker().Push("acme/etl") }},
		"gitea":      {"acme/etl", "/acme/etl/actions?workflow=astro-etl-prod.yaml", "Deploy to Astro", func(s *sandbox.Sandbox) { s.Gitea().Push("acme/etl", "astro-etl-prod.yaml") }},
		"drone":      {"acme/etl", "/acme/etl/1", "deploy", func(s *sandbox.Sandbox) { s.Drone().Push("acme/etl", droned.Fine) }},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			setup := []string{"setup", "--no-input", "--yes", "--json", "--platform", id, "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
			p, s := online(t)
			p.unset("GH_TOKEN", "GITLAB_TOKEN")
			if _, stderr, code := p.run(append(setup, "--repo", x.repo)...); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			run := []string{"run", "--every", "1ms", "--json", "--repo", x.repo}
			if _, stderr, code := p.run(run...); code != 1 || !strings.Contains(stderr, "Push the") {
				t.Errorf("not pushed: exit %d: %s", code, stderr)
			}
			x.push(s)
			s.Astro().Age()
			stdout, stderr, code := p.run(run...)
			if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Proof == nil || *r.Proof != "run" || !strings.HasPrefix(r.Link, "https://") || !strings.HasSuffix(r.Link, x.link) {
				t.Errorf("exit %d: %s%s", code, stdout, stderr)
			}
			if !strings.Contains(stderr, "queued") || !strings.Contains(stderr, "running") || !strings.Contains(stderr, "Astro saw the token") {
				t.Errorf("said %s", stderr)
			}
			made := s.Astro().Tokens()
			if err := s.Astro().Delete(made[len(made)-1].ID); err != nil {
				t.Fatal(err)
			}
			stdout, stderr, code = p.run(run...)
			if r := decodeRun(t, stdout); code != 1 || r.State != "failed" || r.Proof != nil || r.FailedStep != x.step || !strings.Contains(stderr, "  | error: the token is invalid") {
				t.Errorf("a token that is gone: exit %d: %s%s", code, stdout, stderr)
			}
			assertNoToken(t, p)
			// In the sandbox, what lies in the working tree counts as pushed.
			box := newPlace(t)
			if err := sandbox.SampleProject(box.dir); err != nil {
				t.Fatal(err)
			}
			if _, stderr, code := box.run(append(setup, "--sandbox")...); code != 0 {
				t.Fatalf("sandbox: exit %d: %s", code, stderr)
			}
			if _, stderr, code := box.run("run", "--sandbox", "--every", "1ms"); code != 0 || !strings.Contains(stderr, "The run passed") || !strings.Contains(stderr, "https://"+id+".example/") {
				t.Errorf("sandbox: exit %d: %s", code, stderr)
			}
		})
	}
}

// A run that ends before its first step names none.
func TestRunWithoutAStep(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.write(".drone.yml", "# >>> astro-ci setup=etl sha256=0123456789abcdef: managed, edits between these lines are replaced\n# <<< astro-ci setup=etl\n")
	s.Drone().Push("acme/etl", droned.Broken)
	if _, stderr, code := p.run("run", "--every", "1ms"); code != 1 || !strings.Contains(stderr, "yaml: line 1") || strings.Contains(stderr, "in the step") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

func TestRunOnAzure(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN")
	p.write(".git/config", strings.ReplaceAll(strings.ReplaceAll(p.read(".git/config"), "acme/etl.git", "etl"), "github.com", "dev.azure.com/acme/data/_git"))
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	s.AzureDevOps().Push("acme/data/etl", "azure-pipelines-etl-prod.yml", embedded.Job{Secret: "ASTRO_API_TOKEN", In: "astro-etl"})
	s.Astro().Age()
	stdout, stderr, code := p.run("run", "--every", "1ms", "--json")
	if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Proof == nil || *r.Proof != "run" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p)
}

func TestRunOnCodeBuild(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN")
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--platform", "codebuild", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	run := []string{"run", "--every", "1ms", "--json"}
	if _, stderr, code := p.run(run...); code != 1 || !strings.Contains(stderr, "YAML file does not exist") {
		t.Errorf("not pushed: exit %d: %s", code, stderr)
	}
	s.AWS().Push("etl", "buildspec.yml", embedded.Job{In: "astro/etl/ASTRO_API_TOKEN"})
	s.Astro().Age()
	stdout, stderr, code := p.run(run...)
	if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Proof == nil || *r.Proof != "run" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p)
}

func TestRunOnBuildkite(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN")
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--platform", "buildkite", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	run := []string{"run", "--every", "1ms", "--json"}
	if _, stderr, code := p.run(run...); code != 1 || !strings.Contains(stderr, "No pipeline configuration file") {
		t.Errorf("not pushed: exit %d: %s", code, stderr)
	}
	s.Buildkite().Push("etl")
	s.Astro().Age()
	stdout, stderr, code := p.run(run...)
	if r := decodeRun(t, stdout); code != 0 || r.State != "passed" || r.Proof == nil || *r.Proof != "run" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p)
}

// The commands in a file stand in its preview as they will stand there, also in the sandbox, where commands in a
// sentence say so.
func TestPreviewIsWhatIsWritten(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	flags := append([]string{"--sandbox"}, byFlags...)
	preview, stderr, code := p.run(append(slices.Clone(flags), "--dry-run")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	out, stderr, code := p.run(flags...)
	if code != 0 || !strings.Contains(out, "astro-ci --sandbox run etl-prod") {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	note := p.read("astro-ci.yaml")
	if !strings.Contains(note, "astro-ci apply") {
		t.Errorf("the file says\n%s", note)
	}
	for l := range strings.Lines(note) {
		if !strings.Contains(preview, "+"+l) {
			t.Errorf("%q is not in the preview:\n%s", l, preview)
		}
	}
	shown, _, _ := p.run("--sandbox", "schema")
	plain, _, code := p.run("schema")
	if code != 0 || shown != plain {
		t.Errorf("exit %d, the schema is another one in the sandbox", code)
	}
}

// The sandbox works in the repository that one stands in where it has its platform, and says so where it has not.
func TestSandboxTakesTheRepositoryOneStandsIn(t *testing.T) {
	t.Parallel()
	const aside = "note: Files are written to the sandbox's sample project"
	for remote, file := range map[string]string{
		"git@github.com:me/etl.git": ".github/workflows/astro-etl-prod.yml", "https://gitlab.com/me/etl.git": ".gitlab-ci.yml", "git@bitbucket.org:me/etl.git": "bitbucket-pipelines.yml",
		"https://dev.azure.com/acme/data/_git/etl": "azure-pipelines-etl-prod.yml", "https://dev.azure.com/me/data/_git/etl": "", "https://git.example/me/etl.git": "",
	} {
		t.Run(remote, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			p.write(".git/config", "[remote \"origin\"]\n\turl = "+remote+"\n")
			p.write(".git/HEAD", "ref: refs/heads/master\n")
			_, stderr, code := p.run("setup", "--sandbox", "--no-input", "--yes", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "DEPLOYMENT_ADMIN")
			if code != 0 || strings.Contains(stderr, aside) != (file == "") {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if file == "" {
				return
			}
			if text := p.read(file); !strings.Contains(text, "master") || strings.Contains(text, "main\n") {
				t.Errorf("%s is\n%s", file, text)
			}
			if out, stderr, code := p.run("run", "--sandbox", "etl-prod"); code != 0 || !strings.Contains(stderr, "The run passed") {
				t.Errorf("the run: exit %d: %s%s", code, out, stderr)
			}
		})
	}
}

// A removal from another folder says which files it could not reach.
func TestSandboxRemovalFromElsewhere(t *testing.T) {
	t.Parallel()
	for _, elsewhere := range []bool{true, false} {
		p := newPlace(t)
		at := func(repo string) {
			p.write(".git/config", "[remote \"origin\"]\n\turl = git@github.com:me/"+repo+".git\n")
			p.write(".git/HEAD", "ref: refs/heads/main\n")
		}
		at("etl")
		if _, stderr, code := p.run("setup", "--sandbox", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if elsewhere {
			p.dir = t.TempDir()
			at("other")
		}
		out, stderr, code := p.run("remove", "--sandbox", "etl-prod", "--no-input", "--confirm", "etl-prod")
		if code != 0 || strings.Contains(out, "Delete .github/workflows/astro-etl-prod.yml, and the setup's entry in astro-ci.yaml, in the folder where etl-prod was set up") != elsewhere {
			t.Errorf("elsewhere %v: exit %d: %s%s", elsewhere, code, out, stderr)
		}
	}
}
