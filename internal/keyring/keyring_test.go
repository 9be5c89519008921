package keyring_test

import (
	"crypto/rand"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// The test runs itself again, on a session bus of its own with a real secret service.
func TestSecretService(t *testing.T) {
	if os.Getenv("ASTRO_CI_TEST_BUS") == "1" {
		inside(t)
		return
	}
	testkit.Need(t, "dbus-run-session", "gnome-keyring-daemon", "sh")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "dbus-run-session", "--", "sh", "-c",
		`printf %s "$PASSWORD" | gnome-keyring-daemon --unlock --components=secrets >/dev/null && exec "$0" -test.run '^TestSecretService$' -test.v`, self)
	cmd.Env = []string{"ASTRO_CI_TEST_BUS=1", "PASSWORD=" + rand.Text(), "HOME=" + home, "XDG_DATA_HOME=" + home, "XDG_RUNTIME_DIR=" + home, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestSecretService") {
		t.Errorf("%v: %s", err, out)
	}
}

func inside(t *testing.T) {
	t.Helper()
	var r keyring.Ring
	v := secret.New([]byte("canary" + rand.Text()))
	if got, err := r.Get("api.example"); err != nil || !got.Empty() {
		t.Fatalf("before: %v, %v", got, err)
	}
	for range 2 {
		if err := r.Set("api.example", v); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := r.Get("api.example"); err != nil || !got.Equal(v) {
		t.Errorf("it holds something else: %v", err)
	}
	for range 2 {
		if err := r.Delete("api.example"); err != nil {
			t.Error(err)
		}
	}
	if got, err := r.Get("api.example"); err != nil || !got.Empty() {
		t.Errorf("after: %v", err)
	}
	testkit.ScanDir(t, v, os.Getenv("HOME"))
}
