//go:build !windows

// Package terminal holds what a terminal has to be given back after: hidden input, a stopped program, and a
// program that ended without a word.
package terminal

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

// variable makes a process a guardian; its value is the state of the terminal to go back to.
const variable = "ASTRO_CI_GUARDIAN"

// parting holds what a guardian says in the end of how to go on.
const parting = "ASTRO_CI_GUARDIAN_SAYS"

// GoesOn is how to go on after a program that ended without a word.
const GoesOn = "What was done stands in the journal: astro-ci status shows it, astro-ci resume goes on."

// Guardian is a process that waits for the end of this one. It gives the terminal back when this one could
// not: after a panic in any goroutine, or a kill. The zero Guardian does nothing.
type Guardian struct{ pipe *os.File }

// armed says that this program calls Guard at its beginning. Started again, any other would do its whole work
// once more.
var armed bool

// Watch starts a guardian for the terminal tty, whose state now is the one to go back to. goesOn is GoesOn with
// the commands as they have to be typed. A guardian is a courtesy: where none can be started there is none.
func Watch(ctx context.Context, tty *os.File, goesOn string) (g Guardian) {
	if !armed {
		return g
	}
	self, err := os.Executable()
	if err != nil {
		return g
	}
	before, err := unix.IoctlGetTermios(int(tty.Fd()), getTermios)
	if err != nil {
		return g
	}
	var state bytes.Buffer
	if binary.Write(&state, binary.NativeEndian, before) != nil {
		return g
	}
	in, out, err := os.Pipe()
	if err != nil {
		return g
	}
	defer func() { _ = in.Close() }()
	cmd := exec.CommandContext(context.WithoutCancel(ctx), self) // it outlives everything here
	cmd.Env = []string{variable + "=" + hex.EncodeToString(state.Bytes()), parting + "=" + goesOn}
	cmd.Stdin, cmd.Stdout = in, tty
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // keys that stop or end this process do not reach it
	if cmd.Start() != nil {
		_ = out.Close()
		return g
	}
	_ = debug.SetCrashOutput(out, debug.CrashOptions{})
	go func() { _ = cmd.Wait() }()
	return Guardian{out}
}

// allWell is what a guardian hears from a process that has given the terminal back itself.
const allWell = "\x06"

// Release says that the terminal was given back.
func (g Guardian) Release() {
	if g.pipe == nil {
		return
	}
	_ = debug.SetCrashOutput(nil, debug.CrashOptions{})
	_, _ = io.WriteString(g.pipe, allWell)
	_ = g.pipe.Close()
}

// back leaves the alternate screen and every mode that the wizard may have set.
const back = "\x1b[?2026l\x1b[<u\x1b[>4;0m\x1b[?2004l\x1b[?1006l\x1b[?1003l\x1b[?1002l\x1b[?1000l\x1b[?1049l\x1b[?25h\x1b[0m\x1b]9;4;0\x07\r"

// Guard is the whole life of a guardian; false says that this process is none.
func Guard(environ []string) bool {
	armed = true
	var state, goesOn string
	for _, kv := range environ {
		if v, ok := strings.CutPrefix(kv, variable+"="); ok {
			state = v
		}
		if v, ok := strings.CutPrefix(kv, parting+"="); ok {
			goesOn = v
		}
	}
	if state == "" {
		return false
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP, syscall.SIGTTIN, syscall.SIGTTOU)
	last, _ := io.ReadAll(io.LimitReader(os.Stdin, 1<<20))
	if string(last) == allWell {
		return true
	}
	raw, err := hex.DecodeString(state)
	var before unix.Termios
	if err == nil && binary.Read(bytes.NewReader(raw), binary.NativeEndian, &before) == nil {
		_ = unix.IoctlSetTermios(int(os.Stdout.Fd()), setTermios, &before)
	}
	_, _ = fmt.Fprint(os.Stdout, back, farewell(string(last), goesOn))
	return true
}

// frame is a function in the stack of a goroutine that crashed.
var frame = pattern.New(`(?m)^\S*/astro-ci/(\S+)\(.*\)$`)

// farewell says what happened, and how to go on. Of a crash only the names of our functions are told: a panic's
// value could be anything.
func farewell(crash, goesOn string) string {
	if crash == "" {
		return "astro-ci was ended from outside.\n" + goesOn + "\n"
	}
	where := []string{"A fault in astro-ci itself ended it.", goesOn, "Where:"}
	for _, f := range frame.FindAllStringSubmatch(crash, 5) {
		where = append(where, "  "+f[1])
	}
	return strings.Join(where, "\n") + "\n"
}

// Stops are the signals that stop a program for a while.
var Stops = []os.Signal{syscall.SIGTSTP}

// Stop stops this process until somebody lets it go on.
func Stop() {
	on := make(chan os.Signal, 1)
	signal.Notify(on, syscall.SIGCONT)
	defer signal.Stop(on)
	if syscall.Kill(os.Getpid(), syscall.SIGSTOP) == nil {
		<-on // the call itself returns before every thread has stopped
	}
}
