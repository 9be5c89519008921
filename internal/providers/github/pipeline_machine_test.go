//go:build linux

package github_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// machine is a stand-in for a runner: steps are executed for real, in a folder of their own, and
// every program that they start writes down its arguments first.
type machine struct {
	t    *testing.T
	dir  string // the checked-out project
	temp string // RUNNER_TEMP
	argv string // the file of all arguments
	env  map[string]string
}

// tools are the programs that the steps may start.
var tools = []string{"bash", "cat", "curl", "date", "git", "grep", "gzip", "jq", "mkdir", "mktemp", "rm", "sha256sum", "stat", "tar", "tee"}

func newMachine(t *testing.T) *machine {
	t.Helper()
	testkit.Need(t, tools...)
	m := &machine{t: t, dir: t.TempDir(), temp: t.TempDir()}
	bin := t.TempDir()
	m.argv = filepath.Join(bin, "argv.log")
	m.env = map[string]string{
		"PATH": bin, "HOME": t.TempDir(), "RUNNER_TEMP": m.temp, "RUNNER_ARCH": "X64",
		"GITHUB_PATH": filepath.Join(bin, "path"), "GITHUB_OUTPUT": filepath.Join(bin, "output"), "GITHUB_EVENT_NAME": "push",
		"GIT_CONFIG_NOSYSTEM": "1",
	}
	for _, tool := range tools {
		real, err := exec.LookPath(tool)
		if err != nil {
			t.Fatalf("the steps need %s: %v", tool, err)
		}
		m.program(tool, "exec "+real+` "$@"`)
	}
	return m
}

// program puts a program on the PATH.
func (m *machine) program(name, body string) {
	m.t.Helper()
	text := "#!/bin/sh\nprintf '%s\\n' \"" + name + " $*\" >> '" + m.argv + "'\n" + body + "\n"
	if err := os.WriteFile(filepath.Join(m.env["PATH"], name), []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// run executes a step as a runner does by default, bash -e FILE, and returns its output and
// whether it succeeded. facts are the values of the expressions in its environment.
func (m *machine) run(s step, facts map[string]string) (string, bool) {
	m.t.Helper()
	env := maps.Clone(m.env)
	for k, v := range s.Env {
		if e := regexp.MustCompile(`^\$\{\{ (\S+) \}\}$`).FindStringSubmatch(v); e != nil {
			v = facts[e[1]]
		} else if strings.Contains(v, "${{") {
			m.t.Fatalf("%s: %s holds more than an expression", s.Name, k)
		}
		env[k] = v
	}
	script := filepath.Join(m.t.TempDir(), "step.sh")
	if err := os.WriteFile(script, []byte(s.Run), 0o600); err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.CommandContext(m.t.Context(), filepath.Join(env["PATH"], "bash"), "--noprofile", "--norc", "-e", script)
	cmd.Dir = filepath.Join(m.dir, s.In)
	for k, v := range env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err == nil
}

func (m *machine) read(file string) string {
	m.t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		m.t.Fatal(err)
	}
	return string(raw)
}

// hides fails when a part of the token, encoded or decoded, stands in text or in anything's
// arguments.
func (m *machine) hides(token, text string) {
	m.t.Helper()
	const window = 8
	argv := m.read(m.argv)
	for part := range strings.SplitSeq(token, ".") {
		decoded, _ := base64.RawURLEncoding.DecodeString(part)
		for _, form := range []string{part, string(decoded)} {
			for i := 0; i+window <= len(form); i++ {
				piece := form[i : i+window]
				if strings.Trim(piece, "0123456789") == "" {
					continue // the end date
				}
				if strings.Contains(text, piece) {
					m.t.Fatalf("a part of the token is printed: %s", text)
				}
				if strings.Contains(argv, piece) {
					m.t.Fatal("a part of the token is an argument")
				}
			}
		}
	}
}

// jwt makes a token whose payload is the JSON given, with a signature that exists once.
func jwt(payload string) string {
	b := base64.RawURLEncoding.EncodeToString
	return b([]byte(`{"alg":"RS256","kid":"`+rand.Text()+`"}`)) + "." + b([]byte(payload)) + "." + b([]byte(rand.Text()+rand.Text()))
}

// called checks the arguments that astro was started with, one call a string.
func (m *machine) called(want ...string) {
	m.t.Helper()
	var got []string
	for line := range strings.Lines(m.read(m.argv)) {
		if args, ok := strings.CutPrefix(line, "astro "); ok {
			got = append(got, strings.TrimSpace(args))
		}
	}
	if want = slices.DeleteFunc(want, func(s string) bool { return s == "" }); !slices.Equal(got, want) {
		m.t.Errorf("astro was started with %q, want %q", got, want)
	}
}

// cleaned checks that the token was neither shown nor left behind.
func (m *machine) cleaned(token, out string) {
	m.t.Helper()
	m.hides(token, out)
	for _, dir := range []string{m.temp, m.env["HOME"], m.dir} {
		if left, _ := filepath.Glob(filepath.Join(dir, "astro-home*")); len(left) != 0 {
			m.t.Errorf("left behind: %v", left)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, ".astro*")); len(left) != 0 {
			m.t.Errorf("left behind: %v", left)
		}
	}
}

func renderT(t *testing.T) (workflow, []byte) {
	t.Helper()
	return render(t, deployPlan())
}

// archive is a release archive whose astro says word.
func archive(t *testing.T, word string) ([]byte, string) {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	a := tar.NewWriter(z)
	for name, text := range map[string]string{"LICENSE": "x", "astro": "#!/bin/sh\necho " + word + "\n"} {
		if err := a.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(text))}); err != nil {
			t.Fatal(err)
		}
		if _, err := a.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	h := sha256.Sum256(b.Bytes())
	return b.Bytes(), hex.EncodeToString(h[:])
}

// repo is a git repository in the machine's project folder.
type repo struct{ *machine }

func (r repo) git(args ...string) string {
	r.t.Helper()
	cmd := exec.CommandContext(r.t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = r.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.env["HOME"], "GIT_CONFIG_NOSYSTEM=1"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		r.t.Fatalf("git %v: %v: %s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// commit writes the files, "-" in front of a name removes it, and returns the commit.
func (r repo) commit(files ...string) string {
	r.t.Helper()
	for _, f := range files {
		if gone, ok := strings.CutPrefix(f, "-"); ok {
			r.git("rm", "-q", gone)
			continue
		}
		at := filepath.Join(r.dir, f)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			r.t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(rand.Text()), 0o644); err != nil {
			r.t.Fatal(err)
		}
	}
	r.git("add", "-A")
	r.git("commit", "-q", "--allow-empty", "-m", "x")
	return r.git("rev-parse", "HEAD")
}
