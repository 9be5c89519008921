//go:build unix

package tui

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/terminal"
	"github.com/astro-ci/astro-ci/internal/testkit"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// asProgram makes the test binary a tiny program that runs the made-up session.
const asProgram = "ASTRO_CI_TEST_TUI"

func TestMain(m *testing.M) {
	if terminal.Guard(os.Environ()) {
		os.Exit(0)
	}
	mode := os.Getenv(asProgram)
	if mode == "" {
		os.Exit(m.Run())
	}
	w := newWorld()
	w.gate = func(key string) {
		if mode == "slow" && key == "token:create" { // until the test lets it go on
			release := make(chan os.Signal, 1)
			signal.Notify(release, syscall.SIGUSR1)
			w.log("open")
			<-release
		}
	}
	s := w.session()
	if mode == "stray" {
		s.Review = func(ctx context.Context, _ setup.Plan) (ui.Review, error) {
			go func() { panic("a " + "fault of somebody") }()
			<-ctx.Done()
			return ui.Review{}, ctx.Err()
		}
	}
	if mode == "panic" {
		s.Review = func(context.Context, setup.Plan) (ui.Review, error) { panic("a fault") }
	}
	o := Options{In: os.Stdin, Out: os.Stdout, Environ: os.Environ(), Grace: time.Nanosecond}
	if mode == "grace" {
		o.Grace = 0
	}
	out, err := Run(context.Background(), s, o)
	fmt.Fprintf(os.Stdout, "confirmed %v, failed %v, broken %v, ran %s\n", out.Confirmed, out.Err != nil, err != nil, strings.Join(w.ran(), " "))
	os.Exit(0)
}

// program starts the session on a terminal.
func program(t *testing.T, mode string, cols, rows int) *testkit.Screen {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), asProgram+"="+mode)
	if mode == "panic" { // Bubble Tea closes its input while it still reads it, after a panic only
		cmd.Env = append(cmd.Env, "GORACE=exitcode=0")
	}
	return testkit.StartScreen(t, cmd, cols, rows)
}

// answer presses Enter and waits for the next screen.
func answer(s *testkit.Screen, next string) {
	s.Send(testkit.Enter)
	s.WaitFor(next)
}

// toTarget answers all questions but the last.
func toTarget(s *testkit.Screen) {
	s.WaitFor("Found")
	for _, next := range []string{
		"What will the pipeline do?", "Which credential?", "Which Workspace?", "Which Deployment?", "Which role", "How many days", "Where is the secret",
	} {
		answer(s, next)
	}
}

func toConfirm(s *testkit.Screen) {
	toTarget(s)
	answer(s, "Do all of this now?")
	s.Send("y")
	s.WaitFor("› Yes")
}

func TestOnATerminal(t *testing.T) {
	t.Parallel()
	s := program(t, "plain", 80, 24)
	toConfirm(s)
	s.Resize(120, 34)
	s.WaitFor("nobody can read the secret")
	answer(s, "What is left to you")
	if !strings.HasPrefix(s.SVG(), "<svg") || !strings.Contains(s.SVG(), "clx0000000000000000000001") {
		t.Error("the picture does not show the result")
	}
	if !strings.Contains(string(s.Raw()), "\x1b[?1049h") {
		t.Error("the program did not use the alternate screen")
	}
	answer(s, "confirmed true, failed false, broken false, ran check:astro token:create token:prove secret:put pipeline:write")
	if code := s.Wait(); code != 0 || s.AltScreen() {
		t.Errorf("exit %d, alternate screen left on: %v", code, s.AltScreen())
	}
}

func TestCtrlCOnATerminal(t *testing.T) {
	t.Parallel()
	s := program(t, "grace", 80, 24)
	s.WaitFor("Found")
	s.Press(testkit.Enter, "What will the pipeline do?")
	s.Send(testkit.CtrlC)
	s.WaitFor("confirmed false, failed false, broken false, ran")
	if s.Wait() != 0 || s.AltScreen() {
		t.Errorf("the terminal was not given back:\n%s", s.Raw())
	}
}

// SIGTERM in the middle of a run: the open action ends, no other starts, the terminal comes back.
func TestSignalOnATerminal(t *testing.T) {
	t.Parallel()
	s := program(t, "slow", 80, 24)
	toConfirm(s)
	answer(s, "At work")
	s.WaitFor("✓ Check that you may create")
	s.Signal(syscall.SIGTERM)
	s.WaitFor("Stopping as soon as")
	s.Signal(syscall.SIGUSR1)
	s.WaitFor("confirmed true, failed true, broken false, ran check:astro open token:create\n")
	if s.Wait() != 0 || s.AltScreen() {
		t.Errorf("the terminal was not given back:\n%s", s.Raw())
	}
}

func TestPanicOnATerminal(t *testing.T) {
	t.Parallel()
	s := program(t, "panic", 80, 24)
	toTarget(s)
	s.Send(testkit.Enter)
	if s.Wait() != 0 || s.AltScreen() || !strings.Contains(string(s.Raw()), "confirmed false, failed false, broken true, ran") {
		t.Errorf("the terminal was not given back:\n%s", s.Raw())
	}
}
