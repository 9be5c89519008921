package cli_test

import (
	"flag"
	"fmt"
	"maps"
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
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/secret"
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

// held is what the targets hold that there are, by target.
func held(s *sandbox.Sandbox) map[string]*secret.Value {
	out := map[string]*secret.Value{}
	if v, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN"); err == nil {
		out["github"] = v
	}
	if v, err := s.Vault().Open("", "secret/astro/etl", "ASTRO_API_TOKEN"); err == nil {
		out["vault"] = v
	}
	return out
}

// alive is an error when a target holds a token that does not work.
func alive(s *sandbox.Sandbox) error {
	for name, v := range held(s) {
		if !slices.ContainsFunc(s.Astro().Tokens(), func(t astrod.Token) bool { return s.Astro().Accepts(v, t.ID) }) {
			return fmt.Errorf("%s holds a dead token", name)
		}
	}
	return nil
}

// sound is an error when the world is not as it has to be at the end: one token of the setup, which its
// targets hold, so many as there are.
func sound(p *place, s *sandbox.Sandbox, targets int) error {
	p.t.Helper()
	var own []string
	for _, t := range s.Astro().Tokens() {
		if strings.HasPrefix(t.Description, "astro-ci setup=") {
			own = append(own, t.ID)
		}
	}
	all := held(s)
	if len(own) != 1 || len(all) != targets {
		return fmt.Errorf("own tokens %v, and %d targets hold one", own, len(all))
	}
	for name, v := range all {
		if !s.Astro().Accepts(v, own[0]) {
			return fmt.Errorf("%s does not hold %s", name, own[0])
		}
	}
	if text := p.read(".github/workflows/astro-etl-prod.yml"); !strings.Contains(text, "ASTRO_API_TOKEN") {
		return fmt.Errorf("the pipeline file is %q", text)
	}
	return nil
}

var byFlags = []string{"setup", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR", "--platform", "github", "--repo", "acme/etl"}

// toTheEnd are the commands that are broken off, on a setup with targets in two stores.
var toTheEnd = map[string][]string{
	"setup":  append(slices.Clone(byFlags), "--also", "vault:secret/astro/etl"),
	"rotate": {"rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--wait"},
	"leaked": {"rotate", "etl-prod", "--leaked", "--confirm", "etl-prod", "--wait"},
}

// every says how many of the points are tried; make kill tries all of them.
var every = flag.Int("every", 9, "try every nth point of being killed twice and of a disk that fails, and three times as many of being killed once")

// before is a computer on which a command is about to be broken off.
func before(t *testing.T, name string) (*place, *sandbox.Sandbox) {
	t.Helper()
	p, s := onlineAround(t, nil)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=100ms")
	if name != "setup" {
		if _, stderr, code := p.run(toTheEnd["setup"]...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	return p, s
}

// goOn brings to its end what was broken off, and fails the test when the world is not sound then.
func goOn(p *place, s *sandbox.Sandbox, name, when string) {
	p.t.Helper()
	if _, stderr, code := p.run("resume", "--wait"); code != 0 {
		p.t.Errorf("%s: resume: exit %d: %s", when, code, stderr)
		return
	}
	if len(held(s)) == 0 { // it had not begun
		if _, stderr, code := p.run(toTheEnd[name]...); code != 0 {
			p.t.Errorf("%s: again: exit %d: %s", when, code, stderr)
			return
		}
	}
	if err := sound(p, s, 2); err != nil {
		p.t.Errorf("%s: %v", when, err)
	}
	assertNoToken(p.t, p)
}

// Whenever the program is killed, once or twice, what it was doing comes to its end with resume, and the
// old token works until then.
func TestKilledAtEveryPoint(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("a process that was ended there has a code")
	}
	var once, again atomic.Int64
	t.Cleanup(func() {
		_, _ = fmt.Fprintf(os.Stderr, "killed at %d points, and at %d points twice\n", once.Load(), again.Load())
	})
	chance := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(toTheEnd)) {
		for _, twice := range []bool{false, true} {
			step, count := max(1, *every/3), &once
			if twice {
				step, count = *every, &again
			}
			if testing.Short() { // with the race detector, which takes many times as long
				step = 9
			}
			seed := chance.Uint64()
			t.Run(fmt.Sprintf("%s, twice %v", name, twice), func(t *testing.T) {
				t.Parallel()
				chance := rand.New(rand.NewPCG(seed, 0))
				points := 0
				for at := 1 + chance.IntN(step); ; at += step {
					p, s := before(t, name)
					if !p.killedAt(at, toTheEnd[name]...) {
						break
					}
					points++
					if err := alive(s); err != nil && name != "leaked" {
						t.Errorf("killed at %d: %v", at, err)
					}
					second := 0
					if twice {
						second = 1 + chance.IntN(60)
						p.killedAt(second, "resume", "--wait")
						if err := alive(s); err != nil && name != "leaked" {
							t.Errorf("killed at %d and %d: %v", at, second, err)
						}
					}
					goOn(p, s, name, fmt.Sprintf("killed at %d and %d", at, second))
				}
				count.Add(int64(points))
				if points < 8 {
					t.Errorf("only %d points", points)
				}
			})
		}
	}
}
