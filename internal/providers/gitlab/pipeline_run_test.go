package gitlab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// gitlab-ci-local reads the file as GitLab would (rules, variables, stages) and executes the job with
// a shell: the pipeline itself installs the stand-in for the Astro CLI, checks its sum and calls it.
func TestExecuted(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "gitlab-ci-local", "rsync", "git")
	r := testkit.NewRunner(t)
	for name, c := range map[string]struct {
		sum, token string
		fails      string // what the pipeline says; "" when it succeeds
	}{
		"it deploys":     {r.Sum, testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour)), ""},
		"a wrong sum":    {strings.Repeat("0", 64), testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour)), "not the one that was pinned"},
		"no token":       {r.Sum, "", "is empty"},
		"an ended token": {r.Sum, testkit.AstroToken(time.Now().Add(-time.Hour)), "ended on"},
	} {
		p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "gitlab", Address: "acme/etl"})
		p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": c.sum, "linux_arm64": c.sum}
		p.Pipeline.Deploy = setup.DAGs // building an image takes Docker
		raw, err := gitlab.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for file, text := range map[string]string{".gitlab-ci.yml": string(raw), ".gitlab-ci-local-variables.yml": "ASTRO_API_TOKEN: '" + c.token + "'\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env := append(os.Environ(), "HOME="+t.TempDir(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		for _, line := range []string{"git init -q -b main", "git remote add origin https://gitlab.com/acme/etl.git", "git add .gitlab-ci.yml", "git commit -q -m x"} {
			args := strings.Fields(line)
			cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
			cmd.Dir, cmd.Env = dir, env
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v %s", line, err, out)
			}
		}
		cmd := exec.CommandContext(t.Context(), "gitlab-ci-local", "--force-shell-executor", "--no-color", "--variable", "CI_PIPELINE_SOURCE=push")
		cmd.Dir, cmd.Env = dir, env
		out, err := cmd.CombinedOutput()
		called := r.Called()
		if c.fails == "" && (err != nil || !strings.HasPrefix(called, "deploy ")) {
			t.Errorf("%s: %v, called %q:\n%s", name, err, called, out)
		}
		if c.fails != "" && (err == nil || called != "" || !strings.Contains(string(out), c.fails)) {
			t.Errorf("%s: %v, called %q:\n%s", name, err, called, out)
		}
		if c.token != "" {
			testkit.MustNotLeak(t, secret.New([]byte(c.token)), out)
		}
	}
}
