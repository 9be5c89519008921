package pipeline_test

import (
	"crypto/rand"
	"encoding/base64"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const anID = "cm00000000000000000000abc"

// portablePlan deploys with a Workspace API token.
func portablePlan(cliURL string, sum string) setup.Plan {
	return setup.Plan{DAGDeploys: true, Setup: setup.Setup{
		Name: "etl", Organization: setup.Ref{ID: anID}, Workspace: setup.Ref{ID: anID}, Deployment: setup.Ref{ID: anID, Name: display.Clean("etl prod")}, Job: setup.DeployCode,
		Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "WORKSPACE_AUTHOR", ExpiresInDays: 90}, Platform: "x",
		Repository: setup.Repository{Host: "example.com", Path: "acme/etl"}, Targets: []setup.Target{{Store: "x", Address: "acme/etl", Secret: "MY_TOKEN"}},
		Pipeline: setup.Pipeline{File: "x.yml", Branch: "main", Deploy: setup.Infer, CLI: setup.CLI{Version: "1.99.0", BaseURL: cliURL, SHA256: map[string]string{"linux_amd64": sum, "linux_arm64": sum}}},
	}}
}

// run executes the plan's script in one shell.
func run(r *testkit.Runner, shell []string, p setup.Plan, infer bool, env map[string]string) (string, bool) {
	x, err := pipeline.NewPortable(p, "the variables of acme/etl", infer)
	if err != nil {
		return err.Error(), false
	}
	all := map[string]string{}
	for _, pair := range x.Env {
		all[pair.Key], _ = pair.Value.(string)
	}
	maps.Copy(all, env)
	return r.Run(shell, string(x.Script), all)
}

var shells = map[string][]string{"sh": {"sh"}, "bash": {"bash"}, "busybox": {"busybox", "sh"}}

func TestPortableScript(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testkit.NewRunner(t)
			p := portablePlan(r.URL, r.Sum)
			p.Pipeline.Deploy = setup.Image
			good := testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour))
			try := func(token string) (string, bool) {
				out, ok := run(r, shell, p, false, map[string]string{"ASTRO_API_TOKEN": token})
				if len(token) > 20 { // a shorter one stands in any text
					testkit.MustNotLeak(t, secret.New([]byte(token)), []byte(out))
				}
				return out, ok
			}
			if out, ok := try(good); !ok || r.Called() != "deploy "+anID+" --force --workspace-id "+anID || !strings.Contains(out, "good until") {
				t.Errorf("a good token: %v %s", ok, out)
			}
			if out, ok := try(testkit.AstroToken(time.Now().Add(5 * 24 * time.Hour))); !ok || !strings.Contains(out, "warning: The token in MY_TOKEN ends on") {
				t.Errorf("5 days: %v %s", ok, out)
			}
			r.Called()
			asked := r.Asked.Load()
			for what, token := range map[string]string{
				"ended": testkit.AstroToken(time.Now().Add(-time.Hour)), "": "", "a word": rand.Text(), "two parts": "a.b", "four parts": good + ".x", "no JSON": "a." + base64.RawURLEncoding.EncodeToString([]byte("canary"+rand.Text())) + ".c",
				"Bearer": "Bearer " + good, "a script": "$(touch ran).b.c", "literal": "$(ASTRO_API_TOKEN)",
			} {
				if out, ok := try(token); ok || !strings.Contains(out, "error: The ") || r.Called() != "" {
					t.Errorf("%s: %v %s", what, ok, out)
				}
			}
			if r.Asked.Load() != asked {
				t.Error("something was installed before the token was looked at")
			}
			if _, err := os.Stat(filepath.Join(r.Dir, "ran")); err == nil {
				t.Error("the token was executed")
			}

			bad := p
			bad.Pipeline.CLI.SHA256 = map[string]string{"linux_amd64": strings.Repeat("0", 64), "linux_arm64": strings.Repeat("0", 64)}
			if out, ok := run(r, shell, bad, false, map[string]string{"ASTRO_API_TOKEN": good}); ok || r.Called() != "" || !strings.Contains(out, "not the one that was pinned") {
				t.Errorf("a wrong SHA-256: %v %s", ok, out)
			}

			if err := os.WriteFile(r.Calls+".says", []byte("Invalid workspace id x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, ok := try(good); ok || !strings.Contains(out, "Nothing was deployed") {
				t.Errorf("a success that is none: %v %s", ok, out)
			}
			_ = os.Remove(r.Calls + ".says")
			if err := os.WriteFile(r.Calls+".fails", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, ok := try(good); ok || !strings.Contains(out, "The deploy failed") {
				t.Errorf("a failure: %v %s", ok, out)
			}
			_ = os.Remove(r.Calls + ".fails")
			r.Called()

			key := p
			key.Credential = setup.Credential{Kind: setup.DeploymentKey}
			key.Targets = []setup.Target{{Store: "x", Address: "a", Secret: "I", Variable: setup.KeyIDVariable}, {Store: "x", Address: "a", Secret: "S", Variable: setup.KeySecretVariable}}
			if out, ok := run(r, shell, key, false, map[string]string{"ASTRONOMER_KEY_ID": "i", "ASTRONOMER_KEY_SECRET": "s"}); !ok || r.Called() != "deploy "+anID+" --force" || !strings.Contains(out, "June 2024") {
				t.Errorf("a key: %v %s", ok, out)
			}
			if out, ok := run(r, shell, key, false, map[string]string{"ASTRONOMER_KEY_ID": "i"}); ok || !strings.Contains(out, "A half of the Deployment API key is empty") {
				t.Errorf("half a key: %v %s", ok, out)
			}

			for job, want := range map[setup.Job]string{setup.ManageDeployments: "deployment list --workspace-id " + anID, setup.ManageUsers: "workspace user list --workspace-id " + anID} {
				m := p
				m.Job = job
				if out, ok := run(r, shell, m, false, map[string]string{"ASTRO_API_TOKEN": good}); !ok || r.Called() != want {
					t.Errorf("%s: %v %s", job, ok, out)
				}
			}
		})
	}
}

// What a push deploys is decided by everything since the commit before.
func TestPortableScriptFindsChanges(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testkit.NewRunner(t)
			git := func(args ...string) string {
				cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-C", r.Dir}, args...)...)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1"}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %s", args, out)
				}
				return strings.TrimSpace(string(out))
			}
			commit := func(file string) string {
				at := filepath.Join(r.Dir, file)
				_ = os.MkdirAll(filepath.Dir(at), 0o700)
				if err := os.WriteFile(at, []byte(rand.Text()), 0o600); err != nil {
					t.Fatal(err)
				}
				git("add", ".")
				git("commit", "-q", "-m", file)
				return git("rev-parse", "HEAD")
			}
			git("init", "-q", "-b", "main")
			first := commit("Dockerfile")
			dags := commit("dags/a.py")
			more := commit("dags/b c.py")
			image := commit("requirements.txt")
			last := commit("dags/a.py")
			p := portablePlan(r.URL, r.Sum)
			for what, tc := range map[string]struct{ before, after, kind string }{
				"one commit with DAGs":            {first, dags, "dags"},
				"two commits with DAGs":           {first, more, "dags"},
				"an image commit in the middle":   {dags, last, "image"},
				"nothing":                         {last, last, "image"},
				"a new branch":                    {strings.Repeat("0", 40), last, "image"},
				"nothing is known":                {"", last, "image"},
				"a commit that is not there":      {strings.Repeat("a", 40), last, "image"},
				"a forced push to an older state": {last, image, "image"},
				"no commit at all":                {"; touch ran", last, "image"},
			} {
				git("checkout", "-q", tc.after)
				out, ok := run(r, shell, p, true, map[string]string{"ASTRO_API_TOKEN": testkit.AstroToken(time.Now().Add(999 * time.Hour)), "BEFORE": tc.before, "AFTER": tc.after})
				want := map[string]string{"image": "", "dags": " --dags"}[tc.kind]
				if called := r.Called(); !ok || called != "deploy "+anID+" --force"+want+" --workspace-id "+anID {
					t.Errorf("%s: %v, called %q: %s", what, ok, called, out)
				}
			}
		})
	}
}

// Platforms give some characters a meaning of their own; the script has none of them.
func TestPortableScriptIsPlain(t *testing.T) {
	t.Parallel()
	for _, job := range []setup.Job{setup.DeployCode, setup.DeployDAGs, setup.ManageDeployments, setup.ManageUsers} {
		for _, kind := range []setup.Kind{setup.DeploymentToken, setup.WorkspaceToken, setup.OrganizationToken} {
			p := portablePlan("https://example.com/x", strings.Repeat("a", 64))
			p.Job, p.Credential.Kind = job, kind
			if !job.Deploys() && kind == setup.DeploymentToken {
				continue
			}
			x, err := pipeline.NewPortable(p, "there", true)
			if err != nil {
				t.Fatal(err)
			}
			for _, special := range []string{"\\", "${", "$[", "<<", "'''", "{{", "\t", anID} {
				if strings.Contains(string(x.Script), special) {
					t.Errorf("%s with %s: the script holds %q", job, kind, special)
				}
			}
		}
	}
}
