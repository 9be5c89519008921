package cli_test

import (
	"bufio"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A rotation is left while runs may still use the old token, and gone on with later; both tokens work
// until then.
func TestRotate(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	if out, _, code := p.run("status"); code != 0 || !strings.Contains(out, "knows no setup") {
		t.Errorf("status before: exit %d: %s", code, out)
	}
	if _, stderr, code := p.run("rotate", "--yes"); code != 2 || !strings.Contains(stderr, "astro-ci setup") {
		t.Errorf("nothing to rotate: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	first := s.Astro().Tokens()
	if out, _, code := p.run("status", "--json"); code != 0 || !strings.Contains(out, `"state":"fine"`) {
		t.Errorf("status: exit %d: %s", code, out)
	}
	if out, _, code := p.run("rotate", "--due", "--no-input", "--yes", "--json"); code != 0 || !strings.Contains(out, `"state":"not due"`) || len(s.Astro().Tokens()) != len(first) {
		t.Errorf("nothing is due: exit %d: %s", code, out)
	}
	if _, stderr, code := p.run("rotate", "etl-prod", "--no-input"); code != 3 || !strings.Contains(stderr, "--yes") {
		t.Errorf("no confirmation: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("rotate", "etl-prod", "--leaked", "--yes", "--no-input"); code != 3 || !strings.Contains(stderr, "--confirm etl-prod") {
		t.Errorf("an outage takes more than --yes: exit %d: %s", code, stderr)
	}
	if out, _, code := p.run("rotate", "etl-prod", "--dry-run"); code != 0 || !strings.Contains(out, "Nothing was touched") || !strings.Contains(out, "github:acme/etl/ASTRO_API_TOKEN") {
		t.Errorf("preview: exit %d: %s", code, out)
	}
	if len(s.Astro().Tokens()) != len(first) {
		t.Fatal("something was made before it was confirmed")
	}
	out, stderr, code := p.run("rotate", "etl-prod", "--yes", "--drain", "1h")
	if code != 5 || !strings.Contains(out, "Go on with: astro-ci resume etl-prod") || len(s.Astro().Tokens()) != len(first)+1 {
		t.Fatalf("it waits: exit %d: %s%s", code, out, stderr)
	}
	for _, again := range [][]string{{"resume"}, {"rotate", "etl-prod", "--yes"}, {"rotate", "--due", "--yes", "--no-input"}} {
		if out, _, code := p.run(again...); code != 5 || !strings.Contains(out, "resume etl-prod") || len(s.Astro().Tokens()) != len(first)+1 {
			t.Errorf("%v: exit %d: %s", again, code, out)
		}
	}
	if out, _, code := p.run("status"); code != 0 || !strings.Contains(out, "unfinished") || !strings.Contains(out, "deleted after") {
		t.Errorf("status: exit %d: %s", code, out)
	}
	if _, stderr, code := p.run(byFlags...); code == 0 || !strings.Contains(stderr, "astro-ci resume etl-prod") {
		t.Errorf("a set-up in between: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("resume", "--abort"); code != 5 || !strings.Contains(stderr, "cannot be taken back") {
		t.Errorf("too late to take it back: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("resume", "--forget-target", "nope"); code == 0 || !strings.Contains(stderr, "github:acme/etl/ASTRO_API_TOKEN") {
		t.Errorf("a target that is none: exit %d: %s", code, stderr)
	}
	assertNoToken(t, p)

	// On another computer there is no journal: the marks of the tokens are enough, and nothing of them is
	// deleted before every target has a new one.
	if err := os.RemoveAll(filepath.Join(p.home, ".local", "state")); err != nil {
		t.Fatal(err)
	}
	if _, stderr, code := p.run("rotate", "other", "--yes"); code != 2 || !strings.Contains(stderr, "sees no token with its mark on Astro") {
		t.Errorf("an unknown setup: exit %d: %s", code, stderr)
	}
	out, stderr, code = p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--wait", "--json")
	if code != 0 || !strings.Contains(out, `"state":"done"`) || len(s.Astro().Tokens()) != len(first) {
		t.Fatalf("without a journal: exit %d: %s%s", code, out, stderr)
	}
	if err := sound(p, s, 1); err != nil {
		t.Error(err)
	}
	if out, _, code := p.run("resume"); code != 0 || out != "" {
		t.Errorf("nothing is unfinished: exit %d: %s", code, out)
	}
	assertNoToken(t, p)
}

// Several rotations wait at the same time: the second does not stand still while the first waits. The line that
// tells of a wait names the setup, and a signal is told once.
func TestRotateSeveral(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	for _, args := range [][]string{byFlags, {"setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod"}} {
		if _, stderr, code := p.run(args...); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, stderr)
		}
	}
	n := len(s.Astro().Tokens())
	_, stderr, code := p.run("rotate", "etl-prod", "ml-prod", "--yes", "--wait", "--drain", "1s")
	first, second := strings.Index(stderr, "etl-prod: runs may still use the old token"), strings.Index(stderr, "ml-prod: runs may still use the old token")
	deleted := strings.Index(stderr, "\netl-prod: done: Delete the token")
	if code != 0 || first < 0 || second < first || deleted < second || strings.Count(stderr, "\nml-prod: done: Delete the token") != 1 {
		t.Errorf("the waits do not overlap, or it is not said whose they are: exit %d: %s", code, stderr)
	}
	if now := len(s.Astro().Tokens()); now != n {
		t.Errorf("there are %d tokens, want %d", now, n)
	}

	if _, stderr, code := p.run("rotate", "etl-prod", "ml-prod", "--yes", "--drain", "1h"); code != 5 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	cmd := p.command("resume", "--wait")
	pipe, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(pipe); lines.Scan(); {
		_, _ = said.WriteString(lines.Text() + "\n")
		if runtime.GOOS != "windows" && strings.HasPrefix(lines.Text(), "ml-prod: runs") {
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
		} else if runtime.GOOS == "windows" {
			_ = cmd.Process.Kill() // there are no signals
		}
	}
	_ = cmd.Wait()
	if told := strings.Count(said.String(), "terminated signal"); runtime.GOOS != "windows" && (told != 1 || cmd.ProcessState.ExitCode() != 130) {
		t.Errorf("the signal is told %d times: exit %d: %s", told, cmd.ProcessState.ExitCode(), said.String())
	}
}

// damage changes one bit of the journal of etl-prod.
func (p *place) damage() {
	p.t.Helper()
	at := filepath.Join(p.home, ".local", "state", "astro-ci", "journals", "etl-prod.journal")
	raw, err := os.ReadFile(at)
	if err != nil {
		p.t.Fatal(err)
	}
	raw[40] ^= 1
	if err := os.WriteFile(at, raw, 0o600); err != nil {
		p.t.Fatal(err)
	}
}

// A journal that is not what was written is not acted on.
func TestDamagedJournal(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.damage()
	n := len(s.Astro().Tokens())
	for _, args := range [][]string{{"rotate", "etl-prod", "--yes"}, {"resume"}} {
		if _, stderr, code := p.run(args...); code != 1 || !strings.Contains(stderr, "damaged") || len(s.Astro().Tokens()) != n {
			t.Errorf("%v: exit %d: %s", args, code, stderr)
		}
	}
	if out, _, code := p.run("status"); code != 6 || !strings.Contains(out, "damaged") {
		t.Errorf("status: exit %d: %s", code, out)
	}
	// What a schedule rotates is not kept back by it.
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	s.Astro().Grow(61 * 24 * time.Hour)
	before := marked(s)
	out, stderr, code := p.run("rotate", "--due", "--no-input", "--yes", "--json", "--wait", "--drain", "1ms")
	if now := marked(s); code == 0 || !strings.Contains(out, "damaged") || !slices.Equal(now["etl-prod"], before["etl-prod"]) || len(now["ml-prod"]) != 1 || slices.Equal(now["ml-prod"], before["ml-prod"]) {
		t.Errorf("exit %d, on Astro %v: %s%s", code, now, out, stderr)
	}
}
