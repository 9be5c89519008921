//go:build unix

package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// open starts a command on a terminal whose every key is meant.
func (p *place) open(args ...string) *testkit.Screen {
	p.t.Helper()
	return p.terminal(append(args, "--sandbox")...)
}

// firstSetup walks through the set-up in the sandbox; five questions are all that is asked.
func (p *place) firstSetup() {
	s := p.open()
	s.WaitFor("ada@acme.example")
	for _, next := range []string{"What will the pipeline do?", "Which credential?", "Which Workspace?", "How long", "Where is the secret", "Do all of this now?"} {
		s.Send(enter)
		s.WaitFor(next)
	}
	agree(s)
	s.WaitFor("What is left to you")
	s.Send(enter)
	if code := s.Wait(); code != 0 {
		p.t.Fatalf("set-up: exit %d", code)
	}
}

// reopened is the sandbox as the program left it.
func (p *place) reopened() *sandbox.Sandbox {
	p.t.Helper()
	s, err := sandbox.Start(sandbox.Options{Dir: filepath.Dir(p.project()), Releases: pipeline.Pins().CLI})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = s.Close() })
	return s
}

// begin walks through the plan of a rotation and confirms it.
func begin(s *testkit.Screen) {
	s.WaitFor("Begin now?")
	s.WaitFor("github:acme/etl/ASTRO_API_TOKEN")
	agree(s)
}

// A person sets up, replaces the token from plan to receipt, and again with a break in between: the
// terminal is closed while runs may use the old token.
func TestGuidedRotation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.firstSetup()

	s := p.open("rotate")
	s.WaitFor("Begin now?")
	s.Send(enter) // the default is no
	s.WaitFor("Nothing was done")
	begin(s)
	s.WaitFor("Every target holds the new token, and it is the only one")
	s.Send(enter)
	if code := s.Wait(); code != 0 || !strings.Contains(string(s.Raw()), "etl-prod is done") {
		t.Errorf("exit %d", code)
	}

	s = p.open("rotate", "--drain", "1h")
	begin(s)
	s.WaitFor("Waiting for runs that may still use the old token")
	s.WaitFor("astro-ci --sandbox resume etl-prod")
	s.Signal(syscall.SIGHUP)
	if code := s.Wait(); code != 5 || !strings.Contains(string(s.Raw()), "Go on with: astro-ci --sandbox resume etl-prod") {
		t.Errorf("closed: exit %d", code)
	}

	s = p.open("resume")
	s.WaitFor("Waiting for runs that may still use the old token")
	s.WaitFor("No run has used the old token yet")
	s.Send("q")
	if code := s.Wait(); code != 5 || s.AltScreen() {
		t.Errorf("left: exit %d", code)
	}
	if jwt.Match(s.Raw()) {
		t.Error("a token was shown")
	}

	// Without the journal the marks on Astro say what is left: no new token is made.
	if err := os.RemoveAll(filepath.Join(p.home, ".local", "state", "astro-ci", "sandbox", "journals")); err != nil {
		t.Fatal(err)
	}
	s = p.open("rotate", "etl-prod", "--drain", "1ms")
	s.WaitFor("a rotation was begun elsewhere and is not")
	s.WaitFor("none; every target was seen to hold")
	begin(s)
	s.WaitFor("Every target holds the new token, and it is the only one")
	s.Send(enter)
	if code := s.Wait(); code != 0 {
		t.Errorf("without a journal: exit %d", code)
	}
	assertNoToken(t, p)
}

// A leaked token is replaced after the name of the setup was typed; leaving before that does nothing.
func TestGuidedLeak(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.firstSetup()
	s := p.open("rotate", "--leaked")
	s.WaitFor("Type etl-prod to accept that")
	s.Send("yes" + enter)
	s.WaitFor("Nothing was done")
	s.Send(esc)
	if code := s.Wait(); code != 130 || !strings.Contains(string(s.Raw()), "Nothing was done.") {
		t.Errorf("left: exit %d", code)
	}
	s = p.open("rotate", "--leaked")
	s.WaitFor("Type etl-prod to accept that")
	s.Send("etl-prod" + enter)
	s.WaitFor("Every target holds the new token, and it is the only one")
	s.Send(enter)
	if code := s.Wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
	s = p.open("resume")
	s.WaitFor("Nothing is unfinished.")
	if code := s.Wait(); code != 0 {
		t.Errorf("nothing to resume: exit %d", code)
	}
}

// The same line by line, fed by a pipe.
func TestPlainRotation(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, stderr, code := p.runWith("\n\n1\n\n\n\n\nyes\n", "setup", "--sandbox", "--plain"); code != 0 {
		t.Fatalf("set-up: exit %d: %s", code, stderr)
	}
	stdout, stderr, code := p.runWith("no\nq\n", "rotate", "--sandbox", "--plain")
	if code != 130 || !strings.Contains(stdout, "This will be done, in this order:") || !strings.Contains(stderr, "Nothing was done.") {
		t.Errorf("left: exit %d: %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = p.runWith("yes\nq\n", "rotate", "--sandbox", "--plain", "--drain", "1h")
	if code != 5 || !strings.Contains(stdout, "Waiting for runs") || !strings.Contains(stdout, "resume etl-prod") {
		t.Errorf("waiting: exit %d: %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = p.runWith("q\n", "resume", "--sandbox", "--plain")
	if code != 5 || !strings.Contains(stdout, "Waiting for runs") {
		t.Errorf("resume: exit %d: %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p, stdout, stderr)
}

// astro-ci alone shows the setups that there are; from there a token is replaced and looked at, and a
// Workspace without one is set up.
func TestHome(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.firstSetup()
	s := p.open()
	s.WaitFor("a again")
	s.WaitFor("x remove")
	s.WaitFor("1 setup ")
	s.WaitFor("› ✓ etl-prod")
	s.Send("v")
	s.WaitFor("holds what astro-ci wrote last")
	s.Send(enter)
	s.WaitFor("› ✓ etl-prod")
	s.Send("r")
	s.WaitFor("esc overview")
	begin(s)
	s.WaitFor("Every target holds the new token, and it is the only one")
	s.Send(enter)
	s.WaitFor("› ✓ etl-prod")
	s.Send("\t")
	s.WaitFor("› [ ] Finance")
	s.Send(" ")
	s.WaitFor("[x] Finance")
	s.Send("s")
	s.WaitFor("ada@acme.example")
	s.Send(enter)
	s.WaitFor("What will the pipeline do?")
	s.Send(enter)
	s.WaitFor("Which credential?")
	s.Send(enter)
	s.WaitFor("The Workspace Finance has no Deployment") // it was given, so it is not asked for
	s.Send("\x03")
	said := p.ends(s, 130)
	box := p.reopened()
	v, err := box.GitHub().OpenRepo("acme", "etl", setup.TokenVariable)
	if all := own(box); err != nil || len(all) != 1 || !box.Astro().Accepts(v, all[0].ID) || !strings.Contains(said, "etl-prod is done: every target holds the token "+all[0].ID) {
		t.Errorf("on Astro %v, %v: %s", all, err, said)
	}
}

// A program that was killed says how to go on where it worked: in the sandbox, with the same folder of state.
func TestFarewellNamesTheFlagsInUse(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	state := t.TempDir()
	s := p.terminalOf(400, "--sandbox", "--state-dir", state) // wide enough for the whole text
	s.WaitFor("ada@acme.example")
	s.Signal(syscall.SIGKILL)
	s.Wait()
	said := s.Text()
	for _, command := range []string{"status shows it", "resume goes on"} {
		if want := "astro-ci --sandbox --state-dir " + state + " " + command; !strings.Contains(said, want) {
			t.Errorf("%q is missing: %s", want, said)
		}
	}
}
