package testkit

import (
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// InSession runs the test once more, in a process of its own, on a session bus with a real secret service
// and an empty home folder, and reports whether it is that one: a test does its work where this is true.
func InSession(t *testing.T) bool {
	t.Helper()
	if os.Getenv("ASTRO_CI_TEST_BUS") == "1" {
		return true
	}
	Need(t, "dbus-run-session", "gnome-keyring-daemon", "sh")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c",
		`printf %s "$PASSWORD" | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" -test.run "^$TEST\$" -test.v`, self)
	cmd.Env = []string{"ASTRO_CI_TEST_BUS=1", "TEST=" + t.Name(), "PASSWORD=" + rand.Text(), "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("%v: %s", err, out)
	}
	return false
}
