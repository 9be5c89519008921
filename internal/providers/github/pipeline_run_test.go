package github_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// act reads the workflow as GitHub would (events, expressions, secrets, environment files) and executes
// its steps on this machine: the workflow itself installs the stand-in for the Astro CLI, checks its
// sum and calls it.
func TestExecuted(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "act", "git", "jq", "curl")
	r := testkit.NewRunner(t)
	good := testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour))
	for name, c := range map[string]struct {
		sum, token, event string
		fails             string // the step that fails, as act names it (it may lose other lines); "" for none
	}{
		"a push":         {r.Sum, good, "push", ""},
		"by hand":        {r.Sum, good, "workflow_dispatch", ""},
		"a wrong sum":    {strings.Repeat("0", 64), good, "push", "Failure - Main Install the Astro CLI"},
		"no token":       {r.Sum, "", "push", "Failure - Main Check the token"},
		"an ended token": {r.Sum, testkit.AstroToken(time.Now().Add(-time.Hour)), "push", "Failure - Main Check the token"},
	} {
		p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "github", Address: "acme/etl"})
		p.Platform, p.Repository = "github", setup.Repository{Host: "github.com", Path: "acme/etl"}
		p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": c.sum, "linux_arm64": c.sum}
		p.Pipeline.File, p.Pipeline.Deploy = ".github/workflows/astro.yml", setup.Image
		raw, err := github.Render(p)
		if err != nil {
			t.Fatal(err)
		}
		dir, secrets := t.TempDir(), filepath.Join(t.TempDir(), "secrets")
		if err := os.MkdirAll(filepath.Join(dir, ".github", "workflows"), 0o700); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{filepath.Join(dir, ".github", "workflows", "astro.yml"): string(raw), secrets: "ASTRO_API_TOKEN=" + c.token + "\n"} {
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		env := append(os.Environ(), "HOME="+t.TempDir(), "XDG_CACHE_HOME="+t.TempDir(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		run := func(line ...string) (string, error) {
			cmd := exec.CommandContext(t.Context(), line[0], line[1:]...)
			cmd.Dir, cmd.Env = dir, env
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		for _, line := range []string{"git init -q -b main", "git remote add origin https://github.com/acme/etl.git", "git add .github", "git commit -q -m x"} {
			if out, err := run(strings.Fields(line)...); err != nil {
				t.Fatalf("%s: %v %s", line, err, out)
			}
		}
		out, err := run("act", c.event, "-P", "ubuntu-24.04=-self-hosted", "--no-cache-server", "--secret-file", secrets, "--action-offline-mode")
		called := r.Called()
		if c.fails == "" && (err != nil || !strings.HasPrefix(called, "deploy ")) {
			t.Errorf("%s: %v, called %q:\n%s", name, err, called, out)
		}
		if c.fails != "" && (err == nil || called != "" || !strings.Contains(out, c.fails)) {
			t.Errorf("%s: %v, called %q:\n%s", name, err, called, out)
		}
		if c.token != "" {
			testkit.MustNotLeak(t, secret.New([]byte(c.token)), []byte(out))
		}
	}
}
