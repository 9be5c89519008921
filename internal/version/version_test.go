package version_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A release says its version before what it stands on has started, and everything else still starts.
func TestBeforeTheRest(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	const number = "v9.9.9"
	const at = "github.com/astro-ci/astro-ci/internal/version.Number=" + number
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags", "-X "+at, "-o", program, "../../cmd/astro-ci").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := func(args ...string) (stdout, started string) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Env = []string{"HOME=" + t.TempDir(), "GODEBUG=inittrace=1", "PATH=" + os.Getenv("PATH")}
		var out, trace strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &trace
		if err := cmd.Run(); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, trace.String())
		}
		return out.String(), trace.String()
	}
	const late = "init net/http "
	out, started := run("version")
	if out != "astro-ci "+number+"\n" {
		t.Errorf("printed %q", out)
	}
	if !strings.Contains(started, "init os ") || strings.Contains(started, late) {
		t.Errorf("the line waited for the rest of the program:\n%s", started)
	}
	if out, started = run("version", "--help"); !strings.Contains(out, "Print the version") || !strings.Contains(started, late) {
		t.Errorf("version --help printed %q", out)
	}
}
