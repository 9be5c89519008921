package cli_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/cli"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/journal"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

var setups = flag.Int("setups", 60, "how many setups TestThousand applies")

// allows is what a service allows of one kind of request.
type allows struct {
	path, method string // "" for everything that writes
	n            int
	per          time.Duration
}

// What the embedded servers hold to: Astro's limits on a token, GitHub's on a user.
var allowed = []allows{
	{"/v1/", http.MethodGet, 25, time.Second},
	{"/v1/", http.MethodPost, 10, time.Second},
	{"/v1/", http.MethodDelete, 5, time.Second},
	{"/hub/", "", 80, time.Minute},
	{"/hub/", "", 500, time.Hour},
}

// traffic counts requests by service and method.
type traffic struct {
	mu   sync.Mutex
	seen map[[2]string]int
}

func (c *traffic) around(base http.RoundTripper) http.RoundTripper {
	return trip(func(r *http.Request) (*http.Response, error) {
		service, _, _ := strings.Cut(r.URL.Path[1:], "/")
		c.mu.Lock()
		c.seen[[2]string{"/" + service + "/", r.Method}]++
		c.mu.Unlock()
		return base.RoundTrip(r)
	})
}

type trip func(*http.Request) (*http.Response, error)

func (f trip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (c *traffic) of(a allows) (n int) {
	for k, v := range c.seen {
		if k[0] == a.path && (k[1] == a.method || a.method == "" && k[1] != http.MethodGet) {
			n += v
		}
	}
	return n
}

// floor is the time that the limits need for so many times the requests, and the limit that needs it.
func (c *traffic) floor(times int) (longest time.Duration, by allows) {
	for _, a := range allowed {
		if d := a.per * time.Duration(c.of(a)*times) / time.Duration(a.n); d > longest {
			longest, by = d, a
		}
	}
	return longest, by
}

func (c *traffic) writes() (n int) {
	for k, v := range c.seen {
		if k[1] != http.MethodGet {
			n += v
		}
	}
	return n
}

// many is a machine with a file of many setups, and an Astro and a GitHub that hold to their limits. It lives
// in a bubble of synctest.
type many struct {
	t       *testing.T
	dir     string
	env     []string
	astro   *astrod.Server
	hub     *githubd.Server
	weather *testkit.Weather
	refused testkit.Refusals
	end     func()
}

const (
	inWorkspace  = 20 // Deployments of a Workspace
	inRepository = 50 // secrets of a repository
)

func newMany(t *testing.T, dir string, n int) *many {
	m := &many{t: t, dir: dir}
	var err error
	if m.astro, err = astrod.New(astrod.Options{Limited: true}); err != nil {
		t.Fatal(err)
	}
	if m.hub, err = githubd.New(githubd.Options{Limited: true}); err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	file.WriteString("version: 1\ndefaults:\n  credential: deployment-token\n  role: DEPLOYMENT_ADMIN\n  platform: github\nsetups:\n")
	for i := range n {
		ws, repo := fmt.Sprint("Team ", i/inWorkspace), fmt.Sprint("etl-", i/inRepository)
		if i%inWorkspace == 0 {
			var all []string
			for j := range min(inWorkspace, n-i) {
				all = append(all, fmt.Sprint("dep-", i+j))
			}
			m.astro.AddWorkspace(ws, all...)
		}
		m.hub.AddRepo("acme", repo)
		fmt.Fprintf(&file, "  dep-%d:\n    workspace: %s\n    deployment: dep-%d\n    repo: acme/%s\n    secret-name: TOKEN_%d\n", i, ws, i, repo, i)
	}
	if err := os.WriteFile(filepath.Join(dir, "astro-ci.yaml"), []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v1/", m.refused.Around(m.astro.Handler()))
	mux.Handle("/hub/", m.refused.Around(http.StripPrefix("/hub", m.hub.Handler())))
	base := httpx.NewBase(nil, nil)
	m.end = testkit.InMemory(mux, base)
	m.weather = testkit.NewWeather(base, rand.New(rand.NewPCG(1, 1)))
	m.env = []string{"HOME=" + t.TempDir(), "ASTRO_CI_ASTRO_URL=http://localhost/v1", "ASTRO_CI_GITHUB_URL=http://localhost/hub", "ASTRO_CI_RELEASES_URL=http://localhost/releases", "ASTRO_CI_UPDATES_URL=http://localhost/releases"}
	for name, v := range map[string]*secret.Value{"ASTRO_API_TOKEN": m.astro.Login("ada@acme.example"), "GH_TOKEN": m.hub.Token()} {
		_ = v.Use(func(b []byte) error { m.env = append(m.env, name+"="+string(b)); return nil })
	}
	return m
}

// run runs the program, in bad weather or in none, and says what it sent and how long it took.
func (m *many) run(bad bool, args ...string) (out string, code int, sent *traffic, took time.Duration) {
	m.t.Helper()
	var files [2]*os.File
	for i := range files {
		f, err := os.CreateTemp(m.t.TempDir(), "out")
		if err != nil {
			m.t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		files[i] = f
	}
	in, err := os.Open(os.DevNull)
	if err != nil {
		m.t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	sent = &traffic{seen: map[[2]string]int{}}
	network := m.weather.Base
	if bad {
		network = m.weather
	}
	start := time.Now()
	h := cli.Hooks{Keyring: folder(""), Around: func(http.RoundTripper) http.RoundTripper { return sent.around(network) }}
	h.Journal.Wrap = func(f journal.File) journal.File { return unsynced{f} }
	code = cli.MainWith(h, args, in, files[0], files[1], m.env)
	took = time.Since(start)
	m.weather.Late.Wait()
	for _, f := range files {
		b, err := os.ReadFile(f.Name())
		if err != nil {
			m.t.Fatal(err)
		}
		out += string(b)
	}
	return out, code, sent, took
}

// unsynced is a file that is not brought to the disk: nobody cuts the power here, and the disk's time is real.
type unsynced struct{ journal.File }

func (unsynced) Sync() error { return nil }

// inCalm is what so many setups need to send when nothing fails.
func inCalm(t *testing.T, n int) (sent *traffic) {
	t.Chdir(sample(t))
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, ".", n)
		defer m.end()
		var out string
		var code int
		if out, code, sent, _ = m.run(false, "apply", "--no-input", "--yes"); code != 0 {
			t.Errorf("exit %d: %s", code, out)
		}
	})
	return sent
}

func sample(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := sandbox.SampleProject(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// sound is an error when not every secret holds the one token of its setup.
func (m *many) sound(n int) (err error) {
	tokens := map[string]string{}
	for _, x := range m.astro.Tokens() {
		if name := setup.ParseMark(x.Description).Setup; name != "" && tokens[name] != "" {
			err = errors.Join(err, fmt.Errorf("%s has two tokens", name))
		} else if name != "" {
			tokens[name] = x.ID
		}
	}
	for i := range n {
		name := fmt.Sprint("dep-", i)
		v, missing := m.hub.OpenRepo("acme", fmt.Sprint("etl-", i/inRepository), fmt.Sprint("TOKEN_", i))
		if missing != nil || !m.astro.Accepts(v, tokens[name]) {
			err = errors.Join(err, fmt.Errorf("%s does not hold the token %q: %w", name, tokens[name], missing))
		}
	}
	return err
}

// A thousand setups, of which every fifth request fails, are made in little more than the time that the
// services' limits need for what has to be sent; no limit is run into, and doing it again writes nothing.
func TestThousand(t *testing.T) {
	signal.Notify(make(chan os.Signal, 1), os.Interrupt) // what listens to signals is begun outside of the bubble
	const few = 20
	n := *setups / few * few
	floor, by := inCalm(t, few).floor(n / few)
	t.Chdir(sample(t))
	synctest.Test(t, func(t *testing.T) {
		m := newMany(t, ".", n)
		defer m.end()
		file, _ := os.ReadFile("astro-ci.yaml")
		out, code, sent, took := m.run(true, "apply", "--no-input", "--yes")
		if after, err := os.ReadFile("astro-ci.yaml"); err != nil || !bytes.Equal(after, file) {
			t.Errorf("the file of the setups was changed: %v", err)
		}
		if err := m.sound(n); err != nil || code != 0 {
			t.Errorf("exit %d, %v: %s", code, err, out[max(0, len(out)-3000):])
		}
		if refused := m.refused.Load(); refused != 0 || took > floor*6/5 {
			t.Errorf("it took %s, and %d requests were refused; %d in %s need %s", took, refused, by.n, by.per, floor)
		}
		_, _ = fmt.Fprintf(os.Stderr, "%d setups, every fifth request fails: %s, at the pace of the limits %s; 0 of %d writes were refused\n", n, took.Round(time.Second), floor, sent.writes())
		if out, code, sent, _ = m.run(true, "apply", "--no-input", "--yes"); code != 0 || sent.writes() != 0 || len(sent.seen) == 0 {
			t.Errorf("the second time: exit %d, %d writes: %s", code, sent.writes(), out)
		}
	})
}
