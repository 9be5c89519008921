package cli_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// scheduler is a platform whose schedules renew tokens, as a scheduled run sees it.
type scheduler struct {
	login []string // the variables of a person's log-in; the value is in the last
	as    string   // the variable that a run gets its own log-in in
	file  string   // that has the schedule's job
	open  func(s *sandbox.Sandbox, name string) (*secret.Value, error)
	kept  func(s *sandbox.Sandbox) int // schedules apart from the file; nil: there are none
}

var schedulers = map[string]scheduler{
	"bitbucket": {
		[]string{"BITBUCKET_EMAIL", "BITBUCKET_API_TOKEN"},
		"BITBUCKET_ACCESS_TOKEN", "bitbucket-pipelines.yml",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			v, _, err := s.Bitbucket().Open("acme/etl", "", name)
			return v, err
		}, func(s *sandbox.Sandbox) int { return len(s.Bitbucket().Schedules("acme/etl")) },
	},
	"buildkite": {
		[]string{"BUILDKITE_API_TOKEN"},
		"BUILDKITE_API_TOKEN", ".buildkite/pipeline.yml",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			v, _, err := s.Buildkite().Open(name)
			return v, err
		}, func(s *sandbox.Sandbox) int { return len(s.Buildkite().Schedules("etl")) },
	},
	"circleci": {
		[]string{"CIRCLE_TOKEN"},
		"CIRCLE_TOKEN", ".circleci/config.yml",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			return s.CircleCI().Open("gh/acme/astro", name)
		}, nil,
	},
	"drone": {
		[]string{"DRONE_TOKEN"},
		"DRONE_TOKEN", ".drone.yml",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			v, _, err := s.Drone().Open("acme/etl", name)
			return v, err
		}, func(s *sandbox.Sandbox) int { return len(s.Drone().Crons("acme/etl")) },
	},
	"jenkins": {
		[]string{"JENKINS_USER_ID", "JENKINS_API_TOKEN"},
		"JENKINS_API_TOKEN", "Jenkinsfile.etl-prod-rotation",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			v, _, err := s.Jenkins().Open("", name)
			return v, err
		}, nil,
	},
	"woodpecker": {
		[]string{"WOODPECKER_TOKEN"},
		"WOODPECKER_TOKEN", ".woodpecker/astro-etl-prod-rotation.yaml",
		func(s *sandbox.Sandbox, name string) (*secret.Value, error) {
			v, _, err := s.Woodpecker().Open("acme/etl", name)
			return v, err
		}, func(s *sandbox.Sandbox) int { return len(s.Woodpecker().Crons("acme/etl")) },
	},
}

// value is what a variable of the place holds.
func (p *place) value(name string) (out string) {
	for _, v := range p.env {
		if text, ok := strings.CutPrefix(v, name+"="); ok {
			out = text
		}
	}
	return out
}

// On each of these platforms what the set-up stored is enough for a scheduled run, and a removal takes the
// schedule with it.
func TestSelfRotationOnGuests(t *testing.T) {
	t.Parallel()
	for _, x := range all.Platforms() {
		if _, tried := schedulers[x.ID]; !tried && x.Scheduled != nil && guests[x.ID].repo != "" && x.ID != "gitea" && x.ID != "azure-devops" {
			t.Errorf("%s has schedules, and is not tried", x.ID)
		}
	}
	for id, c := range schedulers {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			p.unset("GH_TOKEN", "GITLAB_TOKEN")
			if g := guests[id]; g.remote != "" {
				p.write(".git/config", strings.ReplaceAll(strings.ReplaceAll(p.read(".git/config"), "acme/etl.git", "etl"), "github.com", g.remote))
			}
			login := p.value(c.login[len(c.login)-1])
			if id == "jenkins" {
				login = p.value(c.login[0]) + ":" + login
			}
			p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
			kept := func(want int) {
				t.Helper()
				if c.kept != nil && c.kept(s) != want {
					t.Errorf("%d schedules are there, want %d", c.kept(s), want)
				}
			}
			flags := []string{
				"setup", "--no-input", "--yes", "--json", "--platform", id, "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR",
				"--self-rotate", "weekly", "--astro-ci-version", "1.2.3", "--astro-ci-sha256", "linux_amd64=" + strings.Repeat("a", 64), "--platform-token-stdin",
			}
			wrong := "wrong:" + rand.Text()
			if _, stderr, code := p.runWith(wrong+"\n", flags...); code != 4 || !strings.Contains(stderr, "try the log-in of the scheduled runs") || strings.Contains(stderr, wrong) || len(marked(s)) != 0 {
				t.Errorf("a log-in that is not known: exit %d, on Astro %v: %s", code, marked(s), stderr)
			}
			kept(0)
			if _, stderr, code := p.runWith(login+"\n", flags...); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			kept(1)
			if text := p.read(c.file); !strings.Contains(text, "setup=etl-prod-rotation ") || strings.Contains(text, login) {
				t.Errorf("the file is\n%s", text)
			}
			person := p.value("ASTRO_API_TOKEN")
			// The run: the secrets that are stored, and nothing else of a person.
			for _, v := range slices.Concat(c.login, []string{"ASTRO_API_TOKEN", setup.LoginSecret}) {
				p.unset(v)
			}
			for variable, name := range map[string]string{"ASTRO_API_TOKEN": setup.RotationSecret, c.as: setup.LoginSecret} {
				v, err := c.open(s, name)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				_ = v.Use(func(b []byte) error { p.env = append(p.env, variable+"="+string(b)); return nil })
			}
			rotated := func(want string, code int, more ...string) {
				t.Helper()
				p.lose() // the machine of a run keeps nothing
				out, stderr, got := p.run(append([]string{"rotate", "etl-prod", "etl-prod-rotation", "--no-input", "--yes", "--json"}, more...)...)
				if got != code || strings.Count(out, `"state":"`+want+`"`) != 2 {
					t.Fatalf("exit %d: %s%s", got, out, stderr)
				}
			}
			rotated("not due", 0, "--due")
			rotated("waiting", 5, "--drain", "1h")
			for name, secretName := range map[string]string{"etl-prod": setup.TokenVariable, "etl-prod-rotation": setup.RotationSecret} {
				v, err := c.open(s, secretName)
				if all := marked(s)[name]; err != nil || len(all) != 2 || !s.Astro().Accepts(v, all[1]) {
					t.Errorf("%s does not hold the newest of %v: %v", secretName, all, err)
				}
			}
			p.lose()
			p.env = append(p.env, "ASTRO_API_TOKEN="+person)
			if out, stderr, code := p.run("remove", "etl-prod-rotation", "--no-input", "--confirm", "etl-prod-rotation", "--json"); code != 0 {
				t.Fatalf("removed: exit %d: %s%s", code, out, stderr)
			}
			kept(0)
			for _, name := range []string{setup.RotationSecret, setup.LoginSecret} {
				if _, err := c.open(s, name); err == nil {
					t.Errorf("the secret %s is still there", name)
				}
			}
			if raw, err := os.ReadFile(filepath.Join(p.dir, c.file)); err == nil && strings.Contains(string(raw), "etl-prod-rotation") {
				t.Errorf("the file is still\n%s", raw)
			}
		})
	}
}

// Where no schedule can be made it is said why, and what does the same.
func TestNoSchedule(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"schedules on AWS CodeBuild cannot be made": {"--platform", "codebuild", "--repo", "etl", "--self-rotate", "weekly"},
		"secrets of Drone alone, and vault:":        {"--platform", "drone", "--repo", "acme/etl", "--target", "vault:secret/astro/etl", "--self-rotate", "daily"},
		"Jenkins cannot open an issue":              {"--platform", "jenkins", "--repo", "etl", "--self-rotate", "reminder"},
	} {
		_, stderr, code := newPlace(t).run(append([]string{"setup", "--sandbox", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}, args...)...)
		if code != 2 || !strings.Contains(stderr, want) || !strings.Contains(stderr, "astro-ci --sandbox rotate --due --no-input") {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
}
