package testkit

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"golang.org/x/term"
)

// Keys as a terminal sends them.
const (
	Enter    = "\r"
	Esc      = "\x1b"
	Tab      = "\t"
	ShiftTab = "\x1b[Z"
	Up       = "\x1b[A"
	Down     = "\x1b[B"
	Right    = "\x1b[C"
	Left     = "\x1b[D"
	PageUp   = "\x1b[5~"
	PageDown = "\x1b[6~"
	CtrlC    = "\x03"
)

// patience is how long a text may take to appear. It only bounds a test that fails anyway.
const patience = 30 * time.Second

// pause is how long Press lets the screen stand before it presses again.
const pause = 500 * time.Millisecond

// Screen is a program on a terminal of its own: what it draws can be read, what a person would
// type can be sent. The terminal answers queries, as real ones do.
type Screen struct {
	t    testing.TB
	cmd  *exec.Cmd
	tty  *os.File
	over chan struct{} // closed when the program has ended and all its output was read

	mu      sync.Mutex
	emu     *vt.Emulator
	raw     bytes.Buffer
	changed chan struct{} // closed at the next output
	exit    error
}

// StartScreen runs cmd on a terminal of cols by rows cells. The program is killed at the end of the
// test when it is still running.
func StartScreen(t testing.TB, cmd *exec.Cmd, cols, rows int) *Screen {
	t.Helper()
	cmd.Env = append(cmd.Environ(), "TERM=xterm-256color", "COLORTERM=truecolor")
	tty, err := pty.StartWithSize(cmd, size(cols, rows))
	if err != nil {
		t.Fatalf("start %s on a terminal: %v", cmd.Path, err)
	}
	s := &Screen{t: t, cmd: cmd, tty: closable(tty), over: make(chan struct{}), emu: vt.NewEmulator(cols, rows), changed: make(chan struct{})}
	go func() { _, _ = io.Copy(s.tty, s.emu) }() // the answers to queries
	go s.read()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-s.over
		if c, ok := s.emu.InputPipe().(io.Closer); ok {
			_ = c.Close()
		}
		_ = s.tty.Close()
	})
	return s
}

func size(cols, rows int) *pty.Winsize {
	return &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}
}

func (s *Screen) read() {
	defer close(s.over)
	chunk := make([]byte, 32<<10)
	for {
		n, err := s.tty.Read(chunk)
		s.mu.Lock()
		s.raw.Write(chunk[:n])
		_, _ = s.emu.Write(chunk[:n])
		close(s.changed)
		s.changed = make(chan struct{})
		s.mu.Unlock()
		if err != nil { // Linux says EIO when the other side is gone
			s.exit = s.cmd.Wait()
			return
		}
	}
}

// Text is what can be seen, one line a row, without trailing spaces.
func (s *Screen) Text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text()
}

func (s *Screen) text() string {
	lines := strings.Split(s.emu.String(), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimRight(l, " \r")
	}
	return strings.Join(lines, "\n")
}

// Raw is every byte that the program wrote so far.
func (s *Screen) Raw() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.raw.Bytes())
}

// WaitFor waits until the screen shows text. It fails the test when the program ends before, or
// never shows it.
func (s *Screen) WaitFor(text string) {
	s.t.Helper()
	s.Until("the text "+text, func(screen string) bool { return strings.Contains(screen, text) })
}

// WaitGone waits until the screen no longer shows text.
func (s *Screen) WaitGone(text string) {
	s.t.Helper()
	s.Until("the end of "+text, func(screen string) bool { return !strings.Contains(screen, text) })
}

// Until waits until ok holds for what can be seen; what names it in the failure.
func (s *Screen) Until(what string, ok func(screen string) bool) {
	s.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		seen, changed := s.text(), s.changed
		s.mu.Unlock()
		if ok(seen) {
			return
		}
		select {
		case <-changed:
		case <-s.over:
			if last := s.Text(); !ok(last) {
				s.t.Fatalf("the program ended before %s; the screen was:\n%s", what, last)
			}
			return
		case <-deadline.C:
			s.t.Fatalf("%s did not come; the screen is:\n%s", what, seen)
		}
	}
}

// Send types keys. What is typed before the program has drawn the next screen belongs to the
// present one, so wait for its text first.
func (s *Screen) Send(keys string) {
	s.t.Helper()
	if _, err := io.WriteString(s.tty, keys); err != nil {
		s.t.Fatalf("type %q: %v", keys, err)
	}
}

// Press sends keys until the screen shows text; again only after the screen has not changed for a
// moment. The wizard ignores Enter for a short while after it has drawn a question, so a test that
// is quicker than a person has to press twice.
func (s *Screen) Press(keys, text string) {
	s.t.Helper()
	again := time.NewTicker(pause)
	defer again.Stop()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for s.Send(keys); ; {
		s.mu.Lock()
		seen, changed := s.text(), s.changed
		s.mu.Unlock()
		if strings.Contains(seen, text) {
			return
		}
		select {
		case <-changed:
			again.Reset(pause)
		case <-again.C:
			s.Send(keys)
		case <-s.over:
			s.WaitFor(text)
			return
		case <-deadline.C:
			s.t.Fatalf("the text %s did not come after %q; the screen is:\n%s", text, keys, seen)
		}
	}
}

// Signal sends a signal to the program.
func (s *Screen) Signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("send %v: %v", sig, err)
	}
}

// Pid is the program's process id.
func (s *Screen) Pid() int { return s.cmd.Process.Pid }

// Modes are the settings of the terminal, as stty shows them.
func (s *Screen) Modes() (modes *term.State) {
	s.t.Helper()
	modes, err := modesOf(s.tty)
	if err != nil {
		s.t.Fatalf("read the settings of the terminal: %v", err)
	}
	return modes
}

// FreshModes are the settings of a terminal that nobody has used.
func FreshModes(t testing.TB) *term.State {
	t.Helper()
	ours, theirs, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = ours.Close(), theirs.Close() }()
	modes, err := modesOf(ours)
	if err != nil {
		t.Fatal(err)
	}
	return modes
}

func modesOf(tty *os.File) (modes *term.State, err error) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	return modes, errors.Join(raw.Control(func(fd uintptr) { modes, err = term.GetState(int(fd)) }), err)
}

// HangUp takes the terminal away, as when its window is closed.
func (s *Screen) HangUp() { _ = s.tty.Close() }

// Resize changes the size of the terminal.
func (s *Screen) Resize(cols, rows int) {
	s.t.Helper()
	s.mu.Lock()
	s.emu.Resize(cols, rows)
	s.mu.Unlock()
	if err := pty.Setsize(s.tty, size(cols, rows)); err != nil {
		s.t.Fatalf("resize: %v", err)
	}
}

// Wait waits for the end of the program and returns its exit code; -1 after a signal.
func (s *Screen) Wait() int {
	s.t.Helper()
	select {
	case <-s.over:
	case <-time.After(patience):
		s.t.Fatalf("the program did not end; the screen is:\n%s", s.Text())
	}
	var code *exec.ExitError
	if s.exit != nil && !errors.As(s.exit, &code) {
		s.t.Fatalf("wait for the program: %v", s.exit)
	}
	return s.cmd.ProcessState.ExitCode()
}

// AltScreen reports whether the program still holds the alternate screen.
func (s *Screen) AltScreen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.emu.IsAltScreen()
}

// CursorHidden reports whether the program left the terminal without its cursor.
func (s *Screen) CursorHidden() bool {
	raw := s.Raw()
	return bytes.LastIndex(raw, []byte("\x1b[?25l")) > bytes.LastIndex(raw, []byte("\x1b[?25h"))
}

// SVG draws the screen as a picture: a window with the colours the program chose on a dark
// background.
func (s *Screen) SVG() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return picture(s.emu, dark)
}

// Picture draws styled text as SVG draws a screen, on a dark or a light background.
func Picture(text string, cols, rows int, light bool) string {
	emu := vt.NewEmulator(cols, rows)
	_, _ = emu.WriteString(strings.ReplaceAll(text, "\n", "\r\n"))
	if light {
		return picture(emu, bright)
	}
	return picture(emu, dark)
}
