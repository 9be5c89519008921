package pipeline_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
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

// rig is a runner on which portable scripts are executed for real, in every shell that is there.
type rig struct {
	t     *testing.T
	dir   string // the project
	calls string // file in which the stand-in for the astro CLI writes its arguments
	url   string
	sum   string
	asked *int
}

func newRig(t *testing.T) *rig {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("pipelines run on Linux")
	}
	testkit.Need(t, "sh", "bash", "busybox", "git", "curl", "tar", "sha256sum", "base64")
	r := &rig{t: t, dir: t.TempDir(), calls: filepath.Join(t.TempDir(), "calls"), asked: new(int)}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	body := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'" + r.calls + "'\n[ -n \"$ASTRO_API_TOKEN$ASTRONOMER_KEY_SECRET\" ] && [ -d \"$ASTRO_HOME\" ] || exit 9\n[ ! -e '" + r.calls + ".says' ] || cat '" + r.calls + ".says'\n[ ! -e '" + r.calls + ".fails' ]\n"
	_ = w.WriteHeader(&tar.Header{Name: "astro", Mode: 0o755, Size: int64(len(body))})
	_, _ = w.Write([]byte(body))
	_, _ = w.Close(), z.Close()
	sum := sha256.Sum256(buf.Bytes())
	r.sum = hex.EncodeToString(sum[:])
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		*r.asked++
		if !strings.HasPrefix(req.URL.Path, "/dl/v1.99.0/astro_1.99.0_linux_") {
			http.NotFound(rw, req)
			return
		}
		_, _ = rw.Write(buf.Bytes())
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL + "/dl"
	return r
}

// run executes the plan's script in one shell and returns what it said and whether it succeeded.
func (r *rig) run(shell []string, p setup.Plan, infer bool, env map[string]string) (string, bool) {
	r.t.Helper()
	x, err := pipeline.NewPortable(p, "the variables of acme/etl", infer)
	if err != nil {
		r.t.Fatal(err)
	}
	tmp := r.t.TempDir()
	all := map[string]string{"PATH": os.Getenv("PATH"), "HOME": r.t.TempDir(), "TMPDIR": tmp}
	for _, pair := range x.Env {
		all[pair.Key], _ = pair.Value.(string)
	}
	maps.Copy(all, env)
	cmd := exec.CommandContext(r.t.Context(), shell[0], append(shell[1:], "-c", string(x.Script))...)
	cmd.Dir = r.dir
	for k, v := range all {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.CombinedOutput()
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		r.t.Errorf("it left %v behind", left)
	}
	return string(out), err == nil
}

func (r *rig) called() string {
	b, _ := os.ReadFile(r.calls)
	_ = os.Remove(r.calls)
	return strings.TrimSpace(string(b))
}

func portableToken(end time.Time) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString(fmt.Appendf(nil, `{"apiTokenId":"canary%s","permissions":["workspaceId:ü?>"],"exp":%d}`, rand.Text(), end.Unix())) + "." + rand.Text()
}

var shells = map[string][]string{"sh": {"sh"}, "bash": {"bash"}, "busybox": {"busybox", "sh"}}

func TestPortableScript(t *testing.T) {
	t.Parallel()
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			p := portablePlan(r.url, r.sum)
			p.Pipeline.Deploy = setup.Image
			good := portableToken(time.Now().Add(90 * 24 * time.Hour))
			try := func(token string) (string, bool) {
				out, ok := r.run(shell, p, false, map[string]string{"ASTRO_API_TOKEN": token})
				if len(token) > 20 { // a shorter one stands in any text
					testkit.MustNotLeak(t, secret.New([]byte(token)), []byte(out))
				}
				return out, ok
			}
			if out, ok := try(good); !ok || r.called() != "deploy "+anID+" --force --workspace-id "+anID || !strings.Contains(out, "good until") {
				t.Errorf("a good token: %v %s", ok, out)
			}
			if out, ok := try(portableToken(time.Now().Add(5 * 24 * time.Hour))); !ok || !strings.Contains(out, "warning: The token in MY_TOKEN ends on") {
				t.Errorf("5 days: %v %s", ok, out)
			}
			r.called()
			asked := *r.asked
			for what, token := range map[string]string{
				"ended": portableToken(time.Now().Add(-time.Hour)), "": "", "a word": rand.Text(), "two parts": "a.b", "four parts": good + ".x", "no JSON": "a." + base64.RawURLEncoding.EncodeToString([]byte("canary"+rand.Text())) + ".c",
				"Bearer": "Bearer " + good, "a script": "$(touch ran).b.c", "literal": "$(ASTRO_API_TOKEN)",
			} {
				if out, ok := try(token); ok || !strings.Contains(out, "error: The ") || r.called() != "" {
					t.Errorf("%s: %v %s", what, ok, out)
				}
			}
			if *r.asked != asked {
				t.Error("something was installed before the token was looked at")
			}
			if _, err := os.Stat(filepath.Join(r.dir, "ran")); err == nil {
				t.Error("the token was executed")
			}

			bad := p
			bad.Pipeline.CLI.SHA256 = map[string]string{"linux_amd64": strings.Repeat("0", 64), "linux_arm64": strings.Repeat("0", 64)}
			if out, ok := r.run(shell, bad, false, map[string]string{"ASTRO_API_TOKEN": good}); ok || r.called() != "" || !strings.Contains(out, "not the one that was pinned") {
				t.Errorf("a wrong SHA-256: %v %s", ok, out)
			}

			if err := os.WriteFile(r.calls+".says", []byte("Invalid workspace id x\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, ok := try(good); ok || !strings.Contains(out, "Nothing was deployed") {
				t.Errorf("a success that is none: %v %s", ok, out)
			}
			_ = os.Remove(r.calls + ".says")
			if err := os.WriteFile(r.calls+".fails", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, ok := try(good); ok || !strings.Contains(out, "The deploy failed") {
				t.Errorf("a failure: %v %s", ok, out)
			}
			_ = os.Remove(r.calls + ".fails")
			r.called()

			key := p
			key.Credential = setup.Credential{Kind: setup.DeploymentKey}
			key.Targets = []setup.Target{{Store: "x", Address: "a", Secret: "I", Variable: setup.KeyIDVariable}, {Store: "x", Address: "a", Secret: "S", Variable: setup.KeySecretVariable}}
			if out, ok := r.run(shell, key, false, map[string]string{"ASTRONOMER_KEY_ID": "i", "ASTRONOMER_KEY_SECRET": "s"}); !ok || r.called() != "deploy "+anID+" --force" || !strings.Contains(out, "June 2024") {
				t.Errorf("a key: %v %s", ok, out)
			}
			if out, ok := r.run(shell, key, false, map[string]string{"ASTRONOMER_KEY_ID": "i"}); ok || !strings.Contains(out, "A half of the Deployment API key is empty") {
				t.Errorf("half a key: %v %s", ok, out)
			}

			for job, want := range map[setup.Job]string{setup.ManageDeployments: "deployment list --workspace-id " + anID, setup.ManageUsers: "workspace user list --workspace-id " + anID} {
				m := p
				m.Job = job
				if out, ok := r.run(shell, m, false, map[string]string{"ASTRO_API_TOKEN": good}); !ok || r.called() != want {
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
			r := newRig(t)
			git := func(args ...string) string {
				cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=a", "-c", "user.email=a@b", "-C", r.dir}, args...)...)
				cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GIT_CONFIG_NOSYSTEM=1"}
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Fatalf("git %v: %s", args, out)
				}
				return strings.TrimSpace(string(out))
			}
			commit := func(file string) string {
				at := filepath.Join(r.dir, file)
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
			p := portablePlan(r.url, r.sum)
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
				out, ok := r.run(shell, p, true, map[string]string{"ASTRO_API_TOKEN": portableToken(time.Now().Add(999 * time.Hour)), "BEFORE": tc.before, "AFTER": tc.after})
				want := map[string]string{"image": "", "dags": " --dags"}[tc.kind]
				if called := r.called(); !ok || called != "deploy "+anID+" --force"+want+" --workspace-id "+anID {
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
