package cli_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/astro-ci/astro-ci/internal/journal"
	"github.com/astro-ci/astro-ci/internal/sandbox"
)

// killer ends the program, as kill -9 does, at the nth point. There is a point before and after each
// request and each record.
type killer struct{ left int64 }

func (k *killer) point() {
	if atomic.AddInt64(&k.left, -1) == 0 {
		p, _ := os.FindProcess(os.Getpid())
		_ = p.Kill()
		select {}
	}
}

func (k *killer) around(base http.RoundTripper) http.RoundTripper { return killedNetwork{k, base} }

func (k *killer) wrap(f journal.File) journal.File { return killedFile{f, k} }

type killedNetwork struct {
	k    *killer
	base http.RoundTripper
}

func (x killedNetwork) RoundTrip(r *http.Request) (*http.Response, error) {
	x.k.point()
	resp, err := x.base.RoundTrip(r)
	x.k.point()
	return resp, err
}

type killedFile struct {
	journal.File
	k *killer
}

func (x killedFile) Write(b []byte) (int, error) {
	x.k.point()
	return x.File.Write(b)
}

func (x killedFile) Sync() error {
	err := x.File.Sync()
	x.k.point()
	return err
}

// killedAt runs the program and ends it at a point; false when it came to its own end before.
func (p *place) killedAt(point int, args ...string) bool {
	p.t.Helper()
	q := *p
	q.env = append(slices.Clone(p.env), fmt.Sprintf("ASTRO_CI_TEST_KILL=%d", point))
	_, stderr, code := q.run(args...)
	if code > 0 && code != 5 { // a process that was killed has no code
		p.t.Errorf("killed at %d: exit %d: %s", point, code, stderr)
	}
	return code < 0
}

// sound is an error when the world is not as it has to be at the end: one token of the setup, which the
// secret holds.
func sound(p *place, s *sandbox.Sandbox) error {
	p.t.Helper()
	v, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN")
	if err != nil {
		return err
	}
	var own []string
	for _, t := range s.Astro().Tokens() {
		if strings.HasPrefix(t.Description, "astro-ci setup=") {
			own = append(own, t.ID)
		}
	}
	if len(own) != 1 || !s.Astro().Accepts(v, own[0]) {
		return fmt.Errorf("own tokens %v, and the secret is the first: %v", own, len(own) > 0 && s.Astro().Accepts(v, own[0]))
	}
	if text := p.read(".github/workflows/astro-etl-prod.yml"); !strings.Contains(text, "ASTRO_API_TOKEN") {
		return fmt.Errorf("the pipeline file is %q", text)
	}
	return nil
}

var byFlags = []string{"setup", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR", "--platform", "github", "--repo", "acme/etl"}

var toTheEnd = map[string][]string{
	"setup":  byFlags,
	"rotate": {"rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--wait"},
	"leaked": {"rotate", "etl-prod", "--leaked", "--confirm", "etl-prod", "--wait"},
}

// Whenever the program is killed, once or twice, what it was doing comes to its end with resume, and the
// old token works until then.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process that was ended there has a code")
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for name, args := range toTheEnd {
		for _, twice := range []bool{false, true} {
			step := 1
			switch {
			case testing.Short(): // with the race detector, which takes many times as long
				step = 5
			case twice:
				step = 3
			}
			seed := chance.Uint64()
			t.Run(fmt.Sprintf("%s, twice %v", name, twice), func(t *testing.T) {
				t.Parallel()
				chance := rand.New(rand.NewPCG(seed, 0))
				points := 0
				for at := 1 + chance.IntN(step); ; at += step {
					p, s := onlineAround(t, nil)
					p.env = append(p.env, "ASTRO_CI_TEST_QUIET=100ms")
					if name != "setup" {
						if _, stderr, code := p.run(byFlags...); code != 0 {
							t.Fatalf("exit %d: %s", code, stderr)
						}
					}
					if !p.killedAt(at, args...) {
						break
					}
					points++
					if v, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN"); err == nil && name != "leaked" {
						alive := false
						for _, x := range s.Astro().Tokens() {
							alive = alive || s.Astro().Accepts(v, x.ID)
						}
						if !alive {
							t.Errorf("killed at %d: the secret holds a dead token", at)
						}
					}
					second := 0
					if twice {
						second = 1 + chance.IntN(60)
						p.killedAt(second, "resume", "--wait")
					}
					if _, stderr, code := p.run("resume", "--wait"); code != 0 {
						t.Errorf("killed at %d and %d: resume: exit %d: %s", at, second, code, stderr)
						continue
					}
					if _, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN"); err != nil { // it had not begun
						if _, stderr, code := p.run(args...); code != 0 {
							t.Fatalf("killed at %d: again: exit %d: %s", at, code, stderr)
						}
					}
					if err := sound(p, s); err != nil {
						t.Errorf("killed at %d and %d: %v", at, second, err)
					}
					assertNoToken(t, p)
				}
				if points < 8 {
					t.Errorf("only %d points", points)
				}
			})
		}
	}
}
