package cli_test

import (
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	enter = testkit.Enter
	up    = testkit.Up
	down  = testkit.Down
	right = testkit.Right
	esc   = testkit.Esc
	ctrlC = testkit.CtrlC
)

// terminal starts the program on a terminal whose every key is meant.
func (p *place) terminal(args ...string) *testkit.Screen {
	p.t.Helper()
	return p.terminalOf(116, args...)
}

// terminalOf is terminal with so many columns.
func (p *place) terminalOf(cols int, args ...string) *testkit.Screen {
	p.t.Helper()
	cmd := p.command(args...)
	cmd.Env = append(cmd.Env, "ASTRO_CI_KEY_GRACE=1ns")
	return testkit.StartScreen(p.t, cmd, cols, 40)
}

// ends waits for the end of the program and returns what is left on the terminal. No token was shown, and none
// stands in a file.
func (p *place) ends(s *testkit.Screen, code int) string {
	p.t.Helper()
	if got := s.Wait(); got != code {
		p.t.Errorf("exit %d, want %d: %s", got, code, s.Text())
	}
	assertNoToken(p.t, p, string(s.Raw()))
	return s.Text()
}

// agree chooses yes where no is the default.
func agree(s *testkit.Screen) {
	s.Send("y")
	s.WaitFor("› Yes")
	s.Send(enter)
}

// A person opens the wizard on a real terminal and walks from the first screen to the last: with a
// step back, a wrong answer, a new environment, and a look at the file before the yes.
func TestJourney(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.screen(120, 36)
	s.WaitFor("Nothing is created before you confirm")
	s.WaitFor("ada@acme.example")
	s.Send(enter)
	s.WaitFor("What will the pipeline do?")
	s.Send(enter)
	s.WaitFor("Which credential?")
	s.WaitFor("recommended")
	s.Send(esc)
	s.WaitFor("What will the pipeline do?")
	s.Send(enter)
	s.WaitFor("Which credential?")
	s.Send(enter)
	s.WaitFor("Which Workspace?")
	s.Send(enter)
	s.WaitFor("How long may the token live?")
	s.Send(down + down + down)
	s.WaitFor("› Another number of days")
	s.Send(enter)
	s.WaitFor("How many days, from 1 to 3650?")
	s.Send("4000" + enter)
	s.WaitFor("Use 1 to 3650 days")
	s.Send(esc) // out of the invalid field
	s.WaitFor("How long may the token live?")
	s.Send(enter)
	s.WaitFor("How many days, from 1 to 3650?")
	s.Send("45" + enter)
	s.WaitFor("Where is the secret kept?")
	s.Send(down + down + down)
	s.WaitFor("› A new environment")
	s.Send(enter)
	s.WaitFor("What is the environment called?")
	s.Send(enter)
	s.WaitFor("Do all of this now?")
	s.WaitFor("acme/etl#production")
	if len(p.workflows()) != 0 {
		t.Error("a file was written before the yes")
	}
	s.Send("d")
	s.WaitFor("managed, edits between these lines are replaced")
	s.Send("d")
	s.WaitFor("Do all of this now?")
	s.Send(enter) // the default is no
	s.WaitFor("Nothing was created")
	s.Send(right + enter)
	s.WaitFor("What is left to you")
	s.WaitFor("push none of it")
	s.Send(enter)
	if code := s.Wait(); code != 0 {
		t.Errorf("exit %d", code)
	}
	if got := p.workflows()["astro-etl-prod.yml"]; !strings.Contains(got, `environment: "production"`) {
		t.Errorf("the workflow is %q", got)
	}
	if jwt.Match(s.Raw()) {
		t.Error("a token was shown")
	}
	assertNoToken(t, p)
}

// Leaving before the yes creates nothing and says so.
func TestLeaving(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.screen(100, 30)
	s.WaitFor("Nothing is created before you confirm")
	s.WaitFor("ada@acme.example")
	s.Send(enter)
	s.WaitFor("What will the pipeline do?")
	s.Send("\x03")
	if code := s.Wait(); code != 130 {
		t.Errorf("exit %d", code)
	}
	if !strings.Contains(string(s.Raw()), "Nothing was created.") || len(p.workflows()) != 0 {
		t.Error("leaving is not said, or something was written")
	}
}

// Keys that bounce on a new screen are ignored: four quick Enters are one at most.
func TestQuickEntersSkipNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1h")
	s := testkit.StartScreen(t, p.command("--sandbox"), 100, 30)
	s.WaitFor("ada@acme.example")
	s.Send(enter + enter + enter + enter + "?") // the last key is not ignored, so those before it were seen
	s.WaitFor("esc close")
	if strings.Contains(s.Text(), "What will the pipeline do?") {
		t.Error("a question was opened")
	}
	s.Send("\x03")
	s.Wait()
}

// screen starts the wizard on a terminal whose every key is meant.
func (p *place) screen(cols, rows int) *testkit.Screen {
	p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns")
	return testkit.StartScreen(p.t, p.command("--sandbox"), cols, rows)
}

// The same set-up with plain numbered questions, fed by a pipe.
func TestPlain(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, stderr, code := p.runWith("\n\n1\nb\n1\n\n\n\nyes\n", "setup", "--sandbox", "--plain")
	if code != 0 {
		t.Fatalf("exit %d: %s\n%s", code, stderr, stdout)
	}
	for _, want := range []string{"Which Workspace?", "recommended", "Review", "push none of it"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("%q is not said in:\n%s", want, stdout)
		}
	}
	if strings.Contains(stdout, "\x1b") || len(p.workflows()) != 1 {
		t.Errorf("escape codes, or not one file: %v", p.workflows())
	}
	stdout, stderr, code = p.runWith("\n\n", "setup", "--sandbox", "--plain")
	if code != 3 || !strings.Contains(stderr, "input ended") {
		t.Errorf("input that ends: exit %d, %s%s", code, stdout, stderr)
	}
	assertNoToken(t, p, stdout, stderr)
}
