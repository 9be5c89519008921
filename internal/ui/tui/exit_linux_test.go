package tui

import (
	"os"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// Whatever ends the program, the terminal is as it was before: its settings, the screen, the cursor.
func TestTheTerminalIsGivenBack(t *testing.T) {
	t.Parallel()
	fresh := testkit.FreshModes(t)
	signal := func(sig os.Signal) func(*testkit.Screen) {
		return func(s *testkit.Screen) { s.Signal(sig) }
	}
	review := func(s *testkit.Screen) {
		toTarget(s)
		s.Send(testkit.Enter)
	}
	for name, x := range map[string]struct {
		mode string
		end  func(*testkit.Screen)
		code int
		says string
	}{
		"q":                    {"plain", func(s *testkit.Screen) { s.Send("q") }, 0, "confirmed false"},
		"ctrl+c":               {"plain", func(s *testkit.Screen) { s.Send(testkit.CtrlC) }, 0, "confirmed false"},
		"SIGTERM":              {"plain", signal(syscall.SIGTERM), 0, "confirmed false"},
		"SIGINT":               {"plain", signal(syscall.SIGINT), 0, "confirmed false"},
		"SIGHUP":               {"plain", signal(syscall.SIGHUP), 0, "confirmed false"},
		"SIGQUIT":              {"plain", signal(syscall.SIGQUIT), 0, "confirmed false"},
		"SIGKILL":              {"plain", signal(syscall.SIGKILL), -1, "astro-ci was ended from outside."},
		"panic in a command":   {"panic", review, 0, "broken true"},
		"panic in a goroutine": {"stray", review, 2, "internal/ui/tui.TestMain"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := program(t, x.mode, 100, 30)
			s.WaitFor("? help")
			if reflect.DeepEqual(s.Modes(), fresh) || !s.AltScreen() {
				t.Fatal("the program did not take the terminal")
			}
			x.end(s)
			if code := s.Wait(); code != x.code {
				t.Errorf("exit %d", code)
			}
			if !reflect.DeepEqual(s.Modes(), fresh) || s.AltScreen() || s.CursorHidden() {
				t.Errorf("settings as before: %v, alternate screen: %v, no cursor: %v", reflect.DeepEqual(s.Modes(), fresh), s.AltScreen(), s.CursorHidden())
			}
			if !strings.Contains(s.Text(), x.says) {
				t.Errorf("it ends with:\n%s", s.Text())
			}
		})
	}
}

// A program that is stopped gives the terminal to the shell, and takes it again when it goes on.
func TestStoppedForAWhile(t *testing.T) {
	t.Parallel()
	fresh := testkit.FreshModes(t)
	for name, stop := range map[string]func(*testkit.Screen){
		"SIGTSTP": func(s *testkit.Screen) { s.Signal(syscall.SIGTSTP) },
		"ctrl+z":  func(s *testkit.Screen) { s.Send("\x1a") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := program(t, "plain", 100, 30)
			s.WaitFor("Found")
			for range 2 {
				stop(s)
				if err := unix.Waitid(unix.P_PID, s.Pid(), nil, unix.WSTOPPED|unix.WNOWAIT, nil); err != nil {
					t.Fatal(err)
				}
				s.Until("the end of the alternate screen", func(string) bool { return !s.AltScreen() })
				if !reflect.DeepEqual(s.Modes(), fresh) {
					t.Error("a stopped program keeps the settings of the terminal")
				}
				s.Signal(syscall.SIGCONT)
				s.WaitFor("Found")
			}
			s.Press(testkit.Enter, "What will the pipeline do?")
			s.Send(testkit.CtrlC)
			s.WaitFor("confirmed false")
			if s.Wait() != 0 || !reflect.DeepEqual(s.Modes(), fresh) {
				t.Error("the terminal was not given back at the end")
			}
		})
	}
}

// A program whose terminal is gone ends, and does not go on by itself.
func TestTheTerminalIsGone(t *testing.T) {
	t.Parallel()
	s := program(t, "plain", 100, 30)
	s.WaitFor("Found")
	s.HangUp()
	s.Wait()
}
