package cli_test

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// own are the tokens of the setup, the newest one last.
func own(s *sandbox.Sandbox) (out []astrod.Token) {
	for _, t := range s.Astro().Tokens() {
		if setup.ParseMark(t.Description).Setup == "etl-prod" {
			out = append(out, t)
		}
	}
	return out
}

// lose takes the journals away, as a machine does that is gone after its job.
func (p *place) lose() {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.home, ".local", "state", "astro-ci", "journals")); err != nil {
		p.t.Fatal(err)
	}
}

// nextSecond runs the program until the clock shows another second: Astro says in seconds when a token was
// made, and GitHub when a secret was written.
func (p *place) nextSecond() {
	p.t.Helper()
	for at := time.Now().Unix(); time.Now().Unix() == at; {
		if _, stderr, code := p.run("version"); code != 0 {
			p.t.Fatal(code, stderr)
		}
	}
}

var scheduled = []string{"rotate", "etl-prod", "--due", "--no-input", "--yes", "--json"}

// A rotation goes on for weeks on machines that keep nothing: it waits for what a run may still use, makes
// no token for nothing, and deletes the old one.
func TestRotateOnMachinesThatKeepNothing(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.lose()
	if out, stderr, code := p.run(scheduled...); code != 0 || !strings.Contains(out, `"not due"`) || len(own(s)) != 1 {
		t.Fatalf("a set-up: exit %d: %s%s", code, out, stderr)
	}
	p.nextSecond()
	if out, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1h"); code != 5 || len(own(s)) != 2 {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	newest := own(s)[1].ID
	for range 2 {
		p.lose()
		if out, stderr, code := p.run(append(scheduled, "--drain", "1h")...); code != 5 || !strings.Contains(out, `"waiting"`) || len(own(s)) != 2 {
			t.Fatalf("it waits: exit %d: %s%s", code, out, stderr)
		}
	}
	p.lose()
	if out, stderr, code := p.run("rotate", "etl-prod", "--dry-run"); code != 0 || !strings.Contains(out, "every target was seen to hold "+newest) {
		t.Errorf("preview: exit %d: %s%s", code, out, stderr)
	}
	p.lose()
	p.nextSecond() // marks say whole seconds, rounded up
	out, stderr, code := p.run(append(scheduled, "--drain", "1ms")...)
	if code != 0 || !strings.Contains(out, `"done"`) || len(own(s)) != 1 || own(s)[0].ID != newest {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	if err := sound(p, s, 1); err != nil {
		t.Error(err)
	}
	assertNoToken(t, p)

	// A journal that others have overtaken is not believed: here it knows a token that is gone.
	journals := filepath.Join(p.home, ".local", "state", "astro-ci", "journals")
	if err := os.Rename(journals, journals+".old"); err != nil {
		t.Fatal(err)
	}
	if out, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1ms", "--wait"); code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	p.lose()
	if err := os.Rename(journals+".old", journals); err != nil {
		t.Fatal(err)
	}
	newest = own(s)[0].ID
	if out, stderr, code := p.run(scheduled...); code != 0 || !strings.Contains(out, `"not due"`) || !strings.Contains(out, newest) || len(own(s)) != 1 {
		t.Errorf("an old journal: exit %d: %s%s", code, out, stderr)
	}
}

// Where the store shows that somebody wrote the secret after every target was seen to hold the token,
// nothing is deleted before there is a new one everywhere.
func TestCarriedSeesOtherWrites(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.nextSecond()
	if out, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1h"); code != 5 {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	newest := own(s)[1].ID
	p.nextSecond()
	if _, stderr, code := p.run(append(byFlags, "--name", "other", "--secret-name", setup.TokenVariable)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err != nil || s.Astro().Accepts(v, newest) {
		t.Fatalf("the secret is as it was: %v", err)
	}
	p.lose()
	if err := os.Remove(p.path("astro-ci.yaml")); err != nil { // the marks alone say what is there
		t.Fatal(err)
	}
	if out, stderr, code := p.run(append(scheduled, "--drain", "1ms", "--wait")...); code != 0 || len(own(s)) != 1 || own(s)[0].ID == newest {
		t.Fatalf("exit %d: %s%s; newest was %s; there are %v", code, out, stderr, newest, own(s))
	}
	if v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err != nil || !s.Astro().Accepts(v, own(s)[0].ID) {
		t.Errorf("the secret is not the one token of the setup: %v", err)
	}
}

// Whenever a machine is gone in the middle of a rotation, runs on others come to one token, which the
// secret holds, and the secret holds a token that works all the time.
func TestJournalLostAtEveryPoint(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process that was ended there has a code")
	}
	step := 7
	if testing.Short() {
		step = 12
	}
	points := 0
	for at := 1 + rand.IntN(step); ; at += step {
		p, s := onlineAround(t, nil)
		p.env = append(p.env, "ASTRO_CI_TEST_QUIET=20ms")
		if _, stderr, code := p.run(byFlags...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		p.nextSecond()
		if !p.killedAt(at, "rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--wait") {
			break
		}
		points++
		left := own(s)
		newest := left[len(left)-1]
		for runs := 1; ; runs++ {
			v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable)
			if err != nil {
				t.Fatal(err)
			}
			alive := false
			for _, x := range own(s) {
				alive = alive || s.Astro().Accepts(v, x.ID)
			}
			if !alive {
				t.Errorf("killed at %d: the secret holds a dead token", at)
			}
			p.lose()
			out, stderr, code := p.run(append(scheduled, "--drain", "1ms", "--wait")...)
			if strings.Contains(out, `"not due"`) {
				break
			}
			// Right after the kill it looks as if somebody were at work.
			if code != 0 && !strings.Contains(stderr, "somebody else works") || runs > 100 {
				t.Fatalf("killed at %d: run %d: exit %d: %s%s", at, runs, code, out, stderr)
			}
		}
		if err := sound(p, s, 1); err != nil {
			t.Errorf("killed at %d: %v", at, err)
		}
		if held := !setup.ParseMark(newest.Description).Held.IsZero(); (held || len(left) == 1) && own(s)[0].ID != newest.ID {
			t.Errorf("killed at %d: a token was made for nothing", at)
		}
		assertNoToken(t, p)
	}
	if points < 3 {
		t.Errorf("only %d points", points)
	}
}
