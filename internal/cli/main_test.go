package cli_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/cli"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/terminal"
)

var update = flag.Bool("update", false, "write the pictures and golden files anew")

// TestMain lets the test binary be the program: with the variable set it is astro-ci.
func TestMain(m *testing.M) {
	if terminal.Guard(os.Environ()) {
		os.Exit(0)
	}
	if os.Getenv("ASTRO_CI_TEST_PROGRAM") == "1" {
		_ = os.Unsetenv("ASTRO_CI_TEST_PROGRAM")
		h := cli.Hooks{Keyring: folder(os.Getenv("ASTRO_CI_TEST_KEYRING"))}
		if d, err := time.ParseDuration(os.Getenv("ASTRO_CI_TEST_QUIET")); err == nil {
			h.Quiet = d
		}
		if n, err := strconv.ParseInt(os.Getenv("ASTRO_CI_TEST_KILL"), 10, 64); err == nil {
			k := &killer{left: n}
			h.Around, h.Journal.Wrap = k.around, k.wrap
		}
		if method := os.Getenv("ASTRO_CI_TEST_POWER_CUT"); method != "" {
			h.Around = func(base http.RoundTripper) http.RoundTripper { return powerCut{method, base} }
		}
		if d, ok := diskOf(os.Getenv("ASTRO_CI_TEST_DISK")); ok {
			h.Around, h.Journal.Wrap = d.around, d.wrap
		}
		os.Exit(cli.MainWith(h, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ()))
	}
	os.Exit(m.Run())
}

// folder stands for the keyring of a computer, outside of the home folder; "" is a keyring that is
// locked.
type folder string

func (f folder) file(name string) (string, error) {
	if f == "" {
		return "", errors.New("the keyring is locked")
	}
	return filepath.Join(string(f), hex.EncodeToString([]byte(name))), nil
}

func (f folder) Get(name string) (*secret.Value, error) {
	at, err := f.file(name)
	if err != nil {
		return nil, err
	}
	b, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return secret.New(nil), nil
	}
	return secret.New(b), err
}

func (f folder) Set(name string, v *secret.Value) error {
	at, err := f.file(name)
	if err != nil {
		return err
	}
	return v.Use(func(b []byte) error { return os.WriteFile(at, b, 0o600) })
}

func (f folder) Delete(name string) error {
	at, err := f.file(name)
	if err != nil {
		return err
	}
	if err := os.Remove(at); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// place is a computer with an empty home folder.
type place struct {
	t    *testing.T
	home string
	dir  string // where the program runs
	env  []string
}

func newPlace(t *testing.T) *place {
	t.Helper()
	home := t.TempDir()
	dir := filepath.Join(home, "here")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &place{t: t, home: home, dir: dir}
}

// command is the program with these arguments; its environment holds nothing of the test's.
func (p *place) command(args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		p.t.Fatal(err)
	}
	cmd := exec.CommandContext(p.t.Context(), self, args...)
	cmd.Dir = p.dir
	cmd.Env = append([]string{
		"ASTRO_CI_TEST_PROGRAM=1", "HOME=" + p.home, "PATH=" + filepath.Join(p.home, "bin"), "TERM=xterm-256color", "LANG=C.UTF-8",
		"GORACE=atexit_sleep_ms=10", // with the race detector each program would end a second later
	}, p.env...)
	return cmd
}

// run runs the program without a terminal.
func (p *place) run(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	return p.runWith("", args...)
}

// runWith runs the program with input on stdin.
func (p *place) runWith(input string, args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	cmd := p.command(args...)
	var out, errw bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &errw
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		p.t.Fatal(err)
	}
	return out.String(), errw.String(), cmd.ProcessState.ExitCode()
}

// project is the sample project that the sandbox makes.
func (p *place) project() string {
	return filepath.Join(p.home, ".local", "state", "astro-ci", "sandbox", "project")
}

// path is a file below the folder where the program runs, slash-separated.
func (p *place) path(file string) string { return filepath.Join(p.dir, filepath.FromSlash(file)) }

func (p *place) read(file string) string {
	p.t.Helper()
	b, err := os.ReadFile(p.path(file))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(b)
}

func (p *place) write(file, text string) {
	p.t.Helper()
	if err := os.MkdirAll(filepath.Dir(p.path(file)), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(p.path(file), []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// workflows are the workflow files of the sample project and below the folder where the program runs, by name.
func (p *place) workflows() map[string]string {
	p.t.Helper()
	out := map[string]string{}
	files, _ := filepath.Glob(filepath.Join(p.project(), ".github", "workflows", "*"))
	own, _ := filepath.Glob(p.path(".github/workflows/*"))
	for _, f := range append(files, own...) {
		b, err := os.ReadFile(f)
		if err != nil {
			p.t.Fatal(err)
		}
		out[filepath.Base(f)] = string(b)
	}
	return out
}

// result is the JSON that --json prints.
type result struct {
	Setup    string
	Token    *struct{ ID, ShortToken, Scope, Role, ExpiresAt string }
	Targets  []struct{ Target, State, Version, Proof string }
	Pipeline struct {
		File    string
		Changed bool
		Request string
	}
	Actions []struct{ Key, Say, State string }
	Missing []struct{ Flag, Variable, Key string }
	Error   *struct{ What, Next, Link string }
}

func decode(t *testing.T, stdout string) (r result) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(stdout))
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v in %q", err, stdout)
	}
	if d.More() {
		t.Fatalf("more than one object: %q", stdout)
	}
	return r
}
