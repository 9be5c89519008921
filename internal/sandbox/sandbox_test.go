package sandbox_test

import (
	"bytes"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func start(t *testing.T, o sandbox.Options) *sandbox.Sandbox {
	t.Helper()
	s, err := sandbox.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// post sends a JSON body as v.
func post(t *testing.T, url, body string, v *secret.Value) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	_ = v.Use(func(b []byte) error { req.Header.Set("Authorization", "Bearer "+string(b)); return nil })
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// What one process made, the next one finds; a killed one (here: one that is never closed before
// its state is copied) loses nothing.
func TestStateIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := start(t, sandbox.Options{Dir: dir, Repos: []setup.Repository{{Host: "github.com", Path: "ada/own"}}})
	org, _, _ := one.Astro().Find("", "")
	if got := post(t, one.AstroURL()+"/organizations/"+org+"/tokens", `{"name":"n","scope":"ORGANIZATION","role":"ORGANIZATION_MEMBER"}`, one.Login()); got != 200 {
		t.Fatal(got)
	}
	killed := t.TempDir()
	raw, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(killed, "state.json"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, killed} {
		two := start(t, sandbox.Options{Dir: d})
		if n := len(two.Astro().Tokens()); n != 1 {
			t.Errorf("%d tokens are left", n)
		}
		if two.GitHub().Reviewers("ada", "own", "x") != -1 { // would panic without the repository
			t.Error("an environment came from nowhere")
		}
		if err := two.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := sandbox.Reset(dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("reset left the folder")
	}
}

func TestOneAtATime(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	one := start(t, sandbox.Options{Dir: dir})
	if _, err := sandbox.Start(sandbox.Options{Dir: dir}); err == nil || !strings.Contains(hint.Of(err).Next, "--state-dir") {
		t.Errorf("a second one: %v", err)
	}
	if err := sandbox.Reset(dir); err == nil {
		t.Error("reset under a running sandbox")
	}
	if err := one.Close(); err != nil {
		t.Fatal(err)
	}
	again := start(t, sandbox.Options{Dir: dir})
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestOnlyLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", ":0", "192.0.2.1:0", "example.com:80", "nonsense"} {
		if s, err := sandbox.Start(sandbox.Options{Addr: addr}); err == nil {
			_ = s.Close()
			t.Errorf("%s: it listens", addr)
		}
	}
}

func TestDamagedStateIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "state.json"), []byte(`{"astro":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sandbox.Start(sandbox.Options{Dir: dir}); err == nil || !strings.Contains(hint.Of(err).Next, "sandbox reset") {
		t.Errorf("got %v", err)
	}
}

func TestFilesHoldNoToken(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, sandbox.Options{Dir: dir, Now: func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }})
	if _, err := s.Environment(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	testkit.ScanDir(t, s.Login(), dir) // the same second, so the same log-in
	testkit.ScanDir(t, s.GitHub().Token(), dir)
}

// The sample project is a repository that git itself accepts, and a second call changes nothing.
func TestSampleProject(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "git")
	dir := filepath.Join(t.TempDir(), "project")
	for range 2 {
		if err := sandbox.SampleProject(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "README.md"), []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "README.md")); string(b) != "mine" {
		t.Error("a file that was changed was written again")
	}
	for args, want := range map[string]string{"remote get-url origin": "https://github.com/acme/etl.git", "status --porcelain": "?? Dockerfile", "symbolic-ref HEAD": "refs/heads/main"} {
		cmd := exec.CommandContext(t.Context(), "git", strings.Fields(args)...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte(want)) {
			t.Errorf("git %s: %v: %s", args, err, out)
		}
	}
}
