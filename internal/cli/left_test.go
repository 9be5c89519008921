package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// What is left to a person is what git does not have yet, whoever wrote it when.
func TestLeftToCommit(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal("git is needed: ", err)
	}
	if err := os.MkdirAll(filepath.Join(p.home, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(git, filepath.Join(p.home, "bin", "git")); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), git, append([]string{"-C", p.dir, "-c", "user.name=Ada", "-c", "user.email=ada@acme.example"}, args...)...)
		cmd.Env = []string{"HOME=" + p.home, "PATH=" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v: %s", args, err, out)
		}
	}
	setUp := func() string {
		t.Helper()
		stdout, stderr, code := p.run(byFlags...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return stdout
	}
	run("init", "-q")
	index := func() string {
		raw, err := os.ReadFile(filepath.Join(p.dir, ".git", "index"))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	const add = "git add .github/workflows/astro-etl-prod.yml astro-ci.yaml && git commit"
	if said := setUp(); !strings.Contains(said, add) || !strings.Contains(said, "git push") {
		t.Errorf("after the first set-up: %s", said)
	}
	if said := setUp(); !strings.Contains(said, add) {
		t.Errorf("nothing was committed, and the second says: %s", said)
	}
	run("add", "-A")
	run("commit", "-q", "-m", "Deploy")
	later := time.Now().Add(time.Hour) // git would note the new time in its index
	if err := os.Chtimes(p.path(".github/workflows/astro-etl-prod.yml"), later, later); err != nil {
		t.Fatal(err)
	}
	before := index()
	if _, stderr, code := p.run(append(slices.Clone(byFlags), "--dry-run")...); code != 0 || index() != before {
		t.Errorf("--dry-run wrote into .git: exit %d: %s", code, stderr)
	}
	if said := setUp(); strings.Contains(said, "git add") || !strings.Contains(said, "Watch the first run") {
		t.Errorf("everything is committed, and the third says: %s", said)
	}

	// The same after a removal: what git never had is not to be committed.
	remove := func() string {
		t.Helper()
		stdout, stderr, code := p.run("remove", "etl-prod", "--no-input", "--confirm", "etl-prod")
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return stdout
	}
	if said := remove(); !strings.Contains(said, add) || !strings.Contains(said, "git push") {
		t.Errorf("after the removal: %s", said)
	}
	run("add", ".github/workflows/astro-etl-prod.yml", "astro-ci.yaml")
	run("commit", "-q", "-m", "Remove")
	setUp()
	if said := remove(); strings.Contains(said, "git add") || strings.Contains(said, "git push") {
		t.Errorf("nothing was committed, and the second removal says: %s", said)
	}
}
