package cli_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// guest is a platform that builds what lies on another host.
type guest struct {
	remote           string // the host in the git remote; "" for github.com
	repo, file, says string // what --repo takes, the pipeline file, and a line in it
	open             func(s *sandbox.Sandbox) (*secret.Value, error)
	login            string // the variable without which there is no log-in
	without          string // what is said then
	environments     bool
}

var guests = map[string]guest{
	"bitbucket": {
		"bitbucket.org/acme", "bitbucket.org/acme/etl", "bitbucket-pipelines.yml", "image: atlassian", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Bitbucket().Open("acme/etl", "", "ASTRO_API_TOKEN")
			return v, err
		}, "BITBUCKET_API_TOKEN", "BITBUCKET_EMAIL", true,
	},
	"drone": {
		"", "acme/etl", ".drone.yml", "from_secret: \"ASTRO_API_TOKEN\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Drone().Open("acme/etl", "ASTRO_API_TOKEN")
			return v, err
		}, "DRONE_TOKEN", "DRONE_SERVER", false,
	},
	"buildkite": {
		"", "acme/etl", ".buildkite/pipeline.yml", "ASTRO_API_TOKEN: \"ASTRO_API_TOKEN\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Buildkite().Open("ASTRO_API_TOKEN")
			return v, err
		}, "BUILDKITE_API_TOKEN", "BUILDKITE_API_TOKEN", false,
	},
	"woodpecker": {
		"", "acme/etl", ".woodpecker/astro-etl-prod.yaml", "from_secret: \"ASTRO_API_TOKEN\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Woodpecker().Open("acme/etl", "ASTRO_API_TOKEN")
			return v, err
		}, "WOODPECKER_TOKEN", "WOODPECKER_SERVER", false,
	},
	"gitea": {
		"", "acme/etl", ".gitea/workflows/astro-etl-prod.yaml", "${{ secrets.ASTRO_API_TOKEN }}", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Gitea().Open("acme/etl", "ASTRO_API_TOKEN")
			return v, err
		}, "GITEA_TOKEN", "GITEA_SERVER_URL", false,
	},
	"azure-devops": {
		"dev.azure.com/acme/data/_git", "dev.azure.com/acme/data/etl", "azure-pipelines-etl-prod.yml", "group: \"astro-etl\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.AzureDevOps().Open("astro-etl", "ASTRO_API_TOKEN")
			return v, err
		}, "AZURE_DEVOPS_EXT_PAT", "AZURE_DEVOPS_EXT_PAT", false,
	},
	"codebuild": {
		"", "etl", "buildspec.yml", "ASTRO_API_TOKEN: \"astro/etl/ASTRO_API_TOKEN\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			return s.AWS().Open("astro/etl/ASTRO_API_TOKEN")
		}, "AWS_ACCESS_KEY_ID", "aws sso login", false,
	},
	"jenkins": {
		"", "etl", "Jenkinsfile", "credentialsId: 'ASTRO_API_TOKEN'", func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, err := s.Jenkins().Open("", "ASTRO_API_TOKEN")
			return v, err
		}, "JENKINS_API_TOKEN", "JENKINS_USER_ID", false,
	},
	"circleci": {
		"", "gh/acme/etl", ".circleci/config.yml", "- \"astro\"", func(s *sandbox.Sandbox) (*secret.Value, error) {
			return s.CircleCI().Open("gh/acme/astro", "ASTRO_API_TOKEN")
		}, "CIRCLE_TOKEN", "CIRCLE_TOKEN", false,
	},
}

// On each of these platforms the card's job is done with flags alone, over addresses and in the
// sandbox, and nothing but the platform's own log-in is needed.
func TestGuests(t *testing.T) {
	t.Parallel()
	for id, g := range guests {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			args := []string{"setup", "--no-input", "--yes", "--json", "--platform", id, "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
			p, s := online(t)
			p.unset("GH_TOKEN", "GITLAB_TOKEN")
			if g.remote != "" {
				p.write(".git/config", strings.ReplaceAll(strings.ReplaceAll(p.read(".git/config"), "acme/etl.git", "etl"), "github.com", g.remote))
			}
			// Without --repo it is the one of the git remote, as this platform calls it.
			stdout, stderr, code := p.run(args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			r := decode(t, stdout)
			if v, err := g.open(s); err != nil || !s.Astro().Accepts(v, r.Token.ID) {
				t.Errorf("the secret is not the token: %v", err)
			}
			if r.Pipeline.File != g.file || !strings.Contains(p.read(g.file), g.says) {
				t.Errorf("got %s\n%s", stdout, p.read(g.file))
			}
			if id == "codebuild" && !strings.Contains(p.read("astro-ci-etl-prod-policy.json"), "secretsmanager:GetSecretValue") {
				t.Error("there is no policy for the build's role")
			}
			if _, stderr, code := p.run(append(args, "--environment", "prod")...); (code == 0) != g.environments || !g.environments && !strings.Contains(stderr, "environment") {
				t.Errorf("an environment: exit %d: %s", code, stderr)
			}
			// Its file in the repository says that it is this platform.
			if _, stderr, code := p.run(append([]string{}, without(args, "--platform", id)...)...); code != 0 || len(s.Astro().Tokens()) == 0 {
				t.Errorf("found by its file: exit %d: %s", code, stderr)
			}
			// A second setup, for another branch and Deployment, has a secret of its own, and stands beside the first.
			s.Astro().AddWorkspace("Development", "etl-dev")
			dev := append(without(args, "Data Platform", "etl-prod", "--workspace", "--deployment"), "--workspace", "Development", "--deployment", "etl-dev", "--branch", "develop")
			stdout, stderr, code = p.run(dev...)
			if code != 0 {
				t.Fatalf("a second setup: exit %d: %s", code, stderr)
			}
			second := decode(t, stdout)
			if v, err := g.open(s); err != nil || s.Astro().Accepts(v, second.Token.ID) {
				t.Errorf("the second setup took the secret of the first: %v", err)
			}
			if text := p.read(second.Pipeline.File); !strings.Contains(text, "ASTRO_API_TOKEN_ETL_DEV") || !strings.Contains(text, "develop") {
				t.Errorf("the second pipeline is\n%s", text)
			}
			if one := p.read(g.file); !strings.Contains(one, "setup=etl-prod ") || !strings.Contains(one, "main") {
				t.Errorf("the first pipeline became\n%s", one)
			}
			// Each of them, again, keeps what it has.
			for _, again := range [][]string{args, dev} {
				before := p.read(g.file) + p.read(second.Pipeline.File)
				if _, stderr, code := p.run(again...); code != 0 || p.read(g.file)+p.read(second.Pipeline.File) != before {
					t.Errorf("again: exit %d: %s", code, stderr)
				}
			}
			p.unset(g.login)
			if _, stderr, code := p.run(args...); code != 4 || !strings.Contains(stderr, g.without) {
				t.Errorf("no log-in: exit %d: %s", code, stderr)
			}
			sandbox := newPlace(t)
			if _, stderr, code := sandbox.run(append([]string{"--sandbox", "--repo", g.repo}, args...)...); code != 0 {
				t.Errorf("sandbox: exit %d: %s", code, stderr)
			}
			assertNoToken(t, sandbox)
		})
	}
}

// without is args without some of them.
func without(args []string, these ...string) (out []string) {
	for _, a := range args {
		if !slices.Contains(these, a) {
			out = append(out, a)
		}
	}
	return out
}

// Both platforms' files in one repository decide nothing: the remote does.
func TestFilesOfTwoPlatforms(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.write(".drone.yml", "kind: pipeline\n")
	if err := os.MkdirAll(p.dir+"/.circleci", 0o700); err != nil {
		t.Fatal(err)
	}
	p.write(".circleci/config.yml", "version: 2.1\n")
	stdout, stderr, code := p.run(append(real(), "--json")...)
	if code != 0 || decode(t, stdout).Pipeline.File != ".github/workflows/astro-etl-prod.yml" {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// A Bitbucket that a company runs itself has no Pipelines, and that is said before anything is asked.
func TestBitbucketDataCenter(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	p.write(".git/config", strings.ReplaceAll(p.read(".git/config"), "github.com/acme/etl.git", "bitbucket.corp.example/scm/data/etl.git"))
	screen := testkit.StartScreen(t, p.command("setup"), 110, 36)
	screen.WaitFor("bitbucket.corp.example looks like Bitbucket Data Center")
	screen.WaitFor("enter begin")
	screen.Send("q")
}
