package cli_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// online is a person's machine that reaches services over their addresses, as the real ones are
// reached: by nothing but configuration, in a repository with a remote.
func online(t *testing.T) (*place, *sandbox.Sandbox) {
	t.Helper()
	return onlineAround(t, func(service string, h http.Handler) http.Handler {
		switch {
		case os.Getenv("ASTRO_CI_CONTRACTS") == "": // the contract tests say that nothing is checked then
			return h
		case service == "astro":
			return testkit.NewContract(t, "astro/v1.openapi.yaml").Around("/v1", h)
		}
		if service != "github" {
			return h // their own tests check them
		}
		return testkit.NewContract(t, "github/api.github.com.subset.json").Around("", h)
	})
}

// onlineAround is online with something in front of the servers; nil for nothing.
func onlineAround(t *testing.T, around func(service string, h http.Handler) http.Handler) (*place, *sandbox.Sandbox) {
	t.Helper()
	s, err := sandbox.Start(sandbox.Options{Dir: t.TempDir(), Releases: pipeline.Pins().CLI, Around: around})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	vars, err := s.Environment()
	if err != nil {
		t.Fatal(err)
	}
	p := newPlace(t)
	for _, v := range vars {
		value := v.Value
		if v.Secret != nil {
			_ = v.Secret.Use(func(b []byte) error { value = string(b); return nil })
		}
		p.env = append(p.env, v.Name+"="+value)
	}
	if err := sandbox.SampleProject(p.dir); err != nil {
		t.Fatal(err)
	}
	return p, s
}

// real is the card's command without the sandbox.
func real(more ...string) []string {
	return append(slices.DeleteFunc(slices.Clone(card), func(s string) bool { return s == "--sandbox" }), more...)
}

func (p *place) unset(names ...string) {
	p.env = slices.DeleteFunc(p.env, func(kv string) bool {
		k, _, _ := strings.Cut(kv, "=")
		return slices.Contains(names, k)
	})
}

// What arrives in the store is the token that Astro made, and it stands nowhere else.
func TestOverAddresses(t *testing.T) {
	t.Parallel()
	for address, open := range map[string]func(*sandbox.Sandbox) (*secret.Value, error){
		"github:acme/etl": func(s *sandbox.Sandbox) (*secret.Value, error) {
			return s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN")
		},
		"github:acme/etl#production": func(s *sandbox.Sandbox) (*secret.Value, error) {
			return s.GitHub().OpenEnvironment("acme", "etl", "production", "ASTRO_API_TOKEN")
		},
		"github:acme": func(s *sandbox.Sandbox) (*secret.Value, error) {
			v, _, _, err := s.GitHub().OpenOrganization("acme", "ASTRO_API_TOKEN")
			return v, err
		},
	} {
		t.Run(address, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			stdout, stderr, code := p.run(real("--target", address, "--debug")...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			v, err := open(s)
			if err != nil {
				t.Fatal(err)
			}
			r := decode(t, stdout)
			if !s.Astro().Accepts(v, r.Token.ID) {
				t.Error("what is stored is not the token that Astro made")
			}
			testkit.MustNotLeak(t, v, []byte(stdout), []byte(stderr))
			testkit.ScanDir(t, v, p.home)
			if !strings.Contains(stderr, "POST") || strings.Contains(stderr, "Bearer") {
				t.Errorf("the debug log is %q", stderr)
			}
			if b, err := os.ReadFile(filepath.Join(p.dir, filepath.FromSlash(r.Pipeline.File))); err != nil || !strings.Contains(string(b), pipeline.ReleaseURL) {
				t.Errorf("the workflow does not install from the official place: %v", err)
			}
		})
	}
}

// When the store refuses after the token was made, what exists is said exactly.
func TestFailureAfterTheToken(t *testing.T) {
	t.Parallel()
	refuse := fault.Fault{Method: http.MethodPut, Path: "/repos/acme/etl/actions/secrets/*", Status: 403, Body: `{"message":"no"}`, Times: 99}
	t.Run("keep", func(t *testing.T) {
		t.Parallel()
		p, s := online(t)
		s.GitHub().Faults.Add(refuse)
		stdout, stderr, code := p.run(real()...)
		tokens := s.Astro().Tokens()
		if code != 5 || len(tokens) != 1 {
			t.Fatalf("exit %d, %d tokens: %s", code, len(tokens), stderr)
		}
		for _, want := range []string{tokens[0].ID, "astro-ci token revoke " + tokens[0].ID, "Secrets: write"} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q is not said: %s", want, stderr)
			}
		}
		if r := decode(t, stdout); r.Token == nil || r.Token.ID != tokens[0].ID || r.Error == nil || r.Error.Next == "" {
			t.Errorf("got %s", stdout)
		}
	})
	t.Run("undo", func(t *testing.T) {
		t.Parallel()
		p, s := online(t)
		s.GitHub().Faults.Add(refuse)
		_, stderr, code := p.run(real("--on-failure", "undo")...)
		if code != 4 || len(s.Astro().Tokens()) != 0 {
			t.Errorf("exit %d, %d tokens left: %s", code, len(s.Astro().Tokens()), stderr)
		}
	})
	t.Run("in the wizard", func(t *testing.T) {
		t.Parallel()
		p, s := online(t)
		s.GitHub().Faults.Add(refuse)
		p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns", "ASTRO_CI_CREDENTIAL=workspace-token", "ASTRO_CI_WORKSPACE=Data Platform", "ASTRO_CI_ROLE=WORKSPACE_AUTHOR",
			"ASTRO_CI_EXPIRES_IN=90d", "ASTRO_CI_DEPLOY=infer", "ASTRO_CI_TARGET=github:acme/etl", "ASTRO_CI_JOB=deploy")
		screen := testkit.StartScreen(t, p.command("setup"), 110, 36)
		screen.WaitFor("Nothing is created before you confirm")
		screen.WaitFor("ASTRO_API_TOKEN")
		screen.Send(enter)
		screen.WaitFor("Do all of this now?")
		screen.Send(right + enter)
		screen.WaitFor("Take back what was made")
		if n := len(s.Astro().Tokens()); n != 1 {
			t.Errorf("%d tokens", n)
		}
		screen.Send(down)
		screen.WaitFor("› Take back what was made")
		screen.Send(enter)
		screen.WaitFor("Everything that was made was taken back")
		if n := len(s.Astro().Tokens()); n != 0 {
			t.Errorf("%d tokens are left", n)
		}
		screen.Send("\x03")
		screen.Wait()
	})
}

// Nothing is created as long as it is not known that it can be stored.
func TestNoTokenWithoutAPlaceForIt(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Change("acme", "etl", "pull", false, "")
	_, stderr, code := p.run(real()...)
	if code == 0 || len(s.Astro().Tokens()) != 0 || s.Astro().Faults.Count(http.MethodPost, "/tokens") != 0 {
		t.Errorf("exit %d, %d tokens: %s", code, len(s.Astro().Tokens()), stderr)
	}
	if !strings.Contains(stderr, "write access") {
		t.Errorf("the reason is not said: %s", stderr)
	}
}

// The log-in is found with the astro CLI, which runs without any token in its environment.
func TestLogInOfTheAstroCLI(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.unset("ASTRO_API_TOKEN")
	bin := filepath.Join(p.home, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	var token string
	_ = s.Login().Use(func(b []byte) error { token = string(b); return nil })
	testkit.Need(t, "sh")
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Fatal(err)
	}
	script := "#!" + sh + "\n[ \"$*\" = 'auth token' ] || exit 1\n[ -z \"$GH_TOKEN$ASTRO_API_TOKEN\" ] || exit 1\necho " + token + "\n"
	if err := os.WriteFile(filepath.Join(bin, "astro"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.run(real()...)
	if code != 0 || decode(t, stdout).Token == nil {
		t.Errorf("exit %d: %s", code, stderr)
	}
	p.env = append(p.env, "ASTRO_API_TOKEN=eyJhbGciOiJFZERTQSJ9.e30.c2ln")
	if _, stderr, code = p.run(real()...); code != 4 || !strings.Contains(stderr, "astro-ci login") {
		t.Errorf("a bad token: exit %d: %s", code, stderr)
	}
}

// `astro-ci sandbox` serves until it is stopped, and prints what points others at it.
func TestSandboxCommand(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	cmd := p.command("sandbox")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for last := ""; last != "GH_TOKEN" && lines.Scan(); {
		name, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "export "), "=")
		p.env, last = append(p.env, name+"="+strings.Trim(value, "'")), name
	}
	if err := sandbox.SampleProject(p.dir); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.run(real()...)
	if code != 0 || decode(t, stdout).Token == nil {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run(card...); code != 1 || !strings.Contains(stderr, "--state-dir") {
		t.Errorf("a second sandbox on the same folder: exit %d: %s", code, stderr)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
	if _, stderr, code := p.run("sandbox", "reset"); code != 0 || !strings.Contains(stderr, "empty") {
		t.Errorf("reset: exit %d: %s", code, stderr)
	}
}

// In the sandbox the commands that are printed work there too; elsewhere they are printed as they are.
func TestPrintedCommands(t *testing.T) {
	t.Parallel()
	for _, inside := range []bool{true, false} {
		p, _ := online(t)
		flag := map[bool]string{true: "--sandbox ", false: ""}[inside]
		args := []string{"rotate", "nope", "--yes"}
		if inside {
			args = append(args, "--sandbox")
		}
		if _, stderr, _ := p.run(args...); !strings.Contains(stderr, "See what there is: astro-ci "+flag+"token list.") {
			t.Errorf("in the sandbox %v: %s", inside, stderr)
		}
		// What names a part of a file is no command.
		p.write("x.yml", "# >>> astro-ci setup=etl sha256=0\n")
		if _, stderr, _ := p.run(append([]string{"check", "x.yml"}, args[3:]...)...); strings.Contains(stderr, "--sandbox setup=") {
			t.Errorf("in the sandbox %v: %s", inside, stderr)
		}
	}
}

// What says where the files are goes with the commands, whole and from anywhere, and JSON stays JSON.
func TestPrintedFlags(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	const folder = `st "a'te`
	at := p.path(folder)
	out, stderr, code := p.run("--sandbox", "--state-dir", folder, "--json", "status")
	var all struct {
		Items []struct {
			Findings []struct{ Next string }
		}
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || code == 2 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	want := "astro-ci --sandbox --state-dir " + providers.ShellWord(at) + " token "
	if !slices.ContainsFunc(all.Items, func(i struct{ Findings []struct{ Next string } }) bool {
		return slices.ContainsFunc(i.Findings, func(f struct{ Next string }) bool { return strings.HasPrefix(f.Next, want) })
	}) {
		t.Errorf("no command begins with %s: %s", want, out)
	}
	if _, stderr, _ := p.run("--state-dir", folder, "whoami"); !strings.Contains(stderr, "astro-ci --state-dir "+providers.ShellWord(at)+" login") {
		t.Errorf("a log-in elsewhere: %s", stderr)
	}
	if out, _, _ := p.run("--sandbox", "--state-dir", folder, "sandbox", "--help"); !strings.Contains(strings.Join(strings.Fields(out), " "), "astro-ci --state-dir "+strings.Join(strings.Fields(providers.ShellWord(at)), " ")+" sandbox reset") {
		t.Errorf("another sandbox would be forgotten: %s", out)
	}
}
