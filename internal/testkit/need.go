package testkit

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips a test where a program is missing that only some tests use, so that `go test` needs
// nothing but Go. In the gate, which sets ASTRO_CI_CONTRACTS, a missing program fails the test.
func Need(t testing.TB, programs ...string) {
	t.Helper()
	for _, p := range programs {
		switch _, err := exec.LookPath(p); {
		case err == nil:
		case os.Getenv("ASTRO_CI_CONTRACTS") != "":
			t.Fatalf("the gate needs %s: %v", p, err)
		default:
			t.Skipf("%s is not installed: this is not tested here", p)
		}
	}
}
