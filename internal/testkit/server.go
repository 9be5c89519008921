package testkit

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"
)

// StartServer starts a server that prints its address first and ends with its standard input, for the
// length of the test, and returns the address.
func StartServer(t testing.TB, program string) string {
	t.Helper()
	Need(t, program)
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = []string{}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v", program, err)
	}
	return strings.TrimSpace(line)
}
