package testkit

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
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
	"sync/atomic"
	"testing"
	"time"
)

// Runner stands for a platform's runner: scripts are executed for real, with a stand-in for the Astro
// CLI that is installed from a loopback address.
type Runner struct {
	t     *testing.T
	Dir   string       // the checked-out project
	Calls string       // the file in which the stand-in writes its arguments
	URL   string       // folder of the releases
	Sum   string       // SHA-256 of the archive of version 1.99.0
	Self  string       // SHA-256 of the stand-in for astro-ci itself, of the same version
	Asked atomic.Int64 // how often something was downloaded
}

// NewRunner starts the server that the stand-in is installed from.
func NewRunner(t *testing.T) *Runner {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("pipelines run on Linux")
	}
	Need(t, "sh", "bash", "busybox", "git", "curl", "tar", "sha256sum", "base64")
	r := &Runner{t: t, Dir: t.TempDir(), Calls: filepath.Join(t.TempDir(), "calls")}
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	w := tar.NewWriter(z)
	body := "#!/bin/sh\npwd >'" + r.Calls + ".in'\nprintf '%s\\n' \"$*\" >>'" + r.Calls + "'\n[ -n \"$ASTRO_API_TOKEN$ASTRONOMER_KEY_SECRET\" ] && [ -d \"$ASTRO_HOME\" ] || exit 9\n[ ! -e '" + r.Calls + ".program' ] || . '" + r.Calls + ".program'\n[ ! -e '" + r.Calls + ".says' ] || cat '" + r.Calls + ".says'\n[ ! -e '" + r.Calls + ".fails' ]\n"
	_ = w.WriteHeader(&tar.Header{Name: "astro", Mode: 0o755, Size: int64(len(body))})
	_, _ = w.Write([]byte(body))
	_, _ = w.Close(), z.Close()
	sum := sha256.Sum256(buf.Bytes())
	r.Sum = hex.EncodeToString(sum[:])
	// astro-ci itself: it wants both of its log-ins, and ends with the code that the test wrote down.
	self := "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'" + r.Calls + "'\n[ -n \"$ASTRO_API_TOKEN\" ] && [ -n \"$(printenv \"$LOGIN\")\" ] || exit 9\nprintf %s \"$ASTRO_API_TOKEN\" | sha256sum | cut -c 1-64 >'" + r.Calls + ".with'\n[ ! -e '" + r.Calls + ".code' ] || exit \"$(cat '" + r.Calls + ".code')\"\n"
	sum = sha256.Sum256([]byte(self))
	r.Self = hex.EncodeToString(sum[:])
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		r.Asked.Add(1)
		if strings.HasPrefix(req.URL.Path, "/dl/v1.99.0/astro-ci-linux-") {
			_, _ = rw.Write([]byte(self))
			return
		}
		if !strings.HasPrefix(req.URL.Path, "/dl/v1.99.0/astro_1.99.0_linux_") {
			http.NotFound(rw, req)
			return
		}
		_, _ = rw.Write(buf.Bytes())
	}))
	t.Cleanup(srv.Close)
	r.URL = srv.URL + "/dl"
	return r
}

// Run executes a script in one shell and returns what it said and whether it succeeded.
func (r *Runner) Run(shell []string, script string, env map[string]string) (string, bool) {
	r.t.Helper()
	tmp := r.t.TempDir()
	all := map[string]string{"PATH": os.Getenv("PATH"), "HOME": r.t.TempDir(), "TMPDIR": tmp}
	maps.Copy(all, env)
	cmd := exec.CommandContext(r.t.Context(), shell[0], append(shell[1:], "-c", script)...)
	cmd.Dir = r.Dir
	for k, v := range all {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.CombinedOutput()
	if left, _ := os.ReadDir(tmp); len(left) != 0 {
		r.t.Errorf("it left %v behind", left)
	}
	return string(out), err == nil
}

// Watch puts a program into the folder bin that writes its arguments and its environment into the file
// log before it becomes the real one.
func (r *Runner) Watch(bin, name string) (log string) {
	r.t.Helper()
	program, err := exec.LookPath(name)
	if err != nil {
		r.t.Fatal(err)
	}
	log = filepath.Join(r.t.TempDir(), name)
	body := "#!/bin/sh\nprintf '%s\\n' \"$@\" >>'" + log + "'\nenv >>'" + log + "'\nexec '" + program + "' \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, name), []byte(body), 0o755); err != nil {
		r.t.Fatal(err)
	}
	return log
}

// Path is a PATH on which the programs of bin come first.
func (r *Runner) Path(bin string) string { return bin + ":" + os.Getenv("PATH") }

// Output is what a program prints; it gets nothing of the environment but PATH.
func Output(t testing.TB, stdin, program string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdin, cmd.Env = strings.NewReader(stdin), []string{"PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v", program, err)
	}
	return out
}

// Program runs a program in a folder with PATH and env alone in its environment; what it said goes into
// the error.
func Program(name, dir string, env ...string) func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	return func(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Dir, cmd.Stdin, cmd.Env = dir, bytes.NewReader(stdin), append([]string{"PATH=" + os.Getenv("PATH")}, env...)
		var said bytes.Buffer
		cmd.Stderr = &said
		out, err := cmd.Output()
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said.String())
		}
		return out, err
	}
}

// Shellcheck fails the test when a script has a fault.
func Shellcheck(t testing.TB, script []byte) {
	t.Helper()
	Need(t, "shellcheck")
	cmd := exec.CommandContext(t.Context(), "shellcheck", "--shell=sh", "-")
	cmd.Stdin = bytes.NewReader(script)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s\n%s", err, out, script)
	}
}

// Called are the arguments of the last calls of the stand-in, which are forgotten then.
func (r *Runner) Called() string {
	b, _ := os.ReadFile(r.Calls)
	_ = os.Remove(r.Calls)
	return strings.TrimSpace(string(b))
}

// CalledWith reports whether the stand-in for astro-ci itself was logged in to Astro with a token.
func (r *Runner) CalledWith(token string) bool {
	b, _ := os.ReadFile(r.Calls + ".with")
	sum := sha256.Sum256([]byte(token))
	return strings.TrimSpace(string(b)) == hex.EncodeToString(sum[:])
}

// CalledIn is the folder in which the stand-in was called last, relative to the project.
func (r *Runner) CalledIn() string {
	b, _ := os.ReadFile(r.Calls + ".in")
	in, _ := filepath.Rel(r.Dir, strings.TrimSpace(string(b)))
	return filepath.ToSlash(in)
}

// Git runs git in the project and returns what it says.
func (r *Runner) Git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-C", r.Dir, "-c", "user.name=x", "-c", "user.email=x@example.com"}, args...)...)
	out, err := cmd.Output()
	if err != nil {
		r.t.Fatalf("git %v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// Commit adds a file to the project's repository and returns the commits before and after.
func (r *Runner) Commit(file string) (before, after string) {
	r.t.Helper()
	before = r.Git("rev-parse", "HEAD")
	at := filepath.Join(r.Dir, filepath.FromSlash(file))
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte("x"), 0o644); err != nil {
		r.t.Fatal(err)
	}
	r.Git("add", "-A")
	r.Git("commit", "-q", "-m", "x")
	return before, r.Git("rev-parse", "HEAD")
}

// AstroToken has the form of an Astro API token that ends at a time; it is a canary.
func AstroToken(end time.Time) string {
	enc := base64.RawURLEncoding
	return enc.EncodeToString([]byte(`{"alg":"RS256"}`)) + "." + enc.EncodeToString(fmt.Appendf(nil, `{"apiTokenId":"canary%s","permissions":["workspaceId:ü?>"],"exp":%d}`, rand.Text(), end.Unix())) + "." + rand.Text()
}
