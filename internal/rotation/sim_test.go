package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/droned"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/sandbox/woodpeckerd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var (
	histories = flag.Int("histories", 40, "how many simulated rotations to go through")
	seed      = flag.Uint64("seed", 0, "replay the history of this seed only")
)

const simDrain = 2 * time.Hour

// pipes is a network of one server: each connection is a pipe in memory.
type pipes struct {
	conns chan net.Conn
	once  sync.Once
	done  chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}
func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }

func (p *pipes) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case p.conns <- there:
		return here, nil
	case <-p.done:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// weather lets a fifth of the requests fail, in every way that networks and services have, and ends the
// process now and then.
type weather struct {
	chance  *rand.Rand
	calm    bool
	base    http.RoundTripper
	crashes int  // how often the process may still end
	dead    bool // it has ended
	late    sync.WaitGroup
}

var (
	errDead = errors.New("the process has ended")
	errCut  = errors.New("the connection broke")
)

func (w *weather) crash() bool {
	if !w.calm && w.crashes > 0 && w.chance.IntN(40) == 0 {
		w.crashes--
		w.dead = true
	}
	return w.dead
}

func (w *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	if w.dead {
		return nil, errDead
	}
	if w.calm {
		return w.base.RoundTrip(r)
	}
	crash := w.crash()
	if !crash && w.chance.IntN(5) != 0 {
		return w.base.RoundTrip(r)
	}
	failed := errCut
	if crash {
		failed = errDead
	}
	answer := func(status int, h http.Header) (*http.Response, error) {
		if crash {
			return nil, errDead
		}
		h.Set("Content-Type", "application/json")
		return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(`{"message":"no"}`)), Request: r}, nil
	}
	switch w.chance.IntN(6) {
	case 0:
		return answer(http.StatusTooManyRequests, http.Header{"Retry-After": {"2"}})
	case 1:
		return answer(http.StatusServiceUnavailable, http.Header{})
	case 2: // the connection breaks before anything happens
		return nil, failed
	case 3: // it has its effect, and the answer is lost
		w.send(r)
		return nil, failed
	case 4: // it has its effect, and an error is answered
		w.send(r)
		return answer(http.StatusBadGateway, http.Header{})
	}
	again, at := copyOf(r), time.Duration(w.chance.IntN(100))*time.Second
	w.late.Go(func() {
		time.Sleep(at)
		w.send(again)
	})
	return nil, failed
}

func (w *weather) send(r *http.Request) {
	resp, err := w.base.RoundTrip(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
	}
}

// copyOf is a request that can be sent when the first one is over.
func copyOf(r *http.Request) *http.Request {
	c := r.Clone(context.WithoutCancel(r.Context()))
	if r.GetBody != nil {
		c.Body, _ = r.GetBody()
	} else if r.Body != nil {
		raw, _ := io.ReadAll(r.Body)
		r.Body, c.Body = io.NopCloser(strings.NewReader(string(raw))), io.NopCloser(strings.NewReader(string(raw)))
	}
	return c
}

// memory is a journal in memory, which ends with the process like a file does.
type memory struct {
	raw []json.RawMessage
	w   *weather
}

func (m *memory) Append(record any) error {
	if m.w.crash() {
		return errDead
	}
	raw, err := json.Marshal(record)
	m.raw = append(m.raw, raw)
	if m.w.crash() {
		return errDead
	}
	return err
}

// sim is the whole world of one history.
type sim struct {
	t       *testing.T
	seed    uint64
	weather *weather
	astro   *astrod.Server
	open    []func() (*secret.Value, error) // what each target holds
	plan    setup.Plan
	issuer  *astro.Client
	stores  map[string]providers.Store
	log     memory
	loses   bool // a machine that ends may take its journal along
	lost    int
	quiet   time.Duration
	drain   time.Duration
	broken  []string
	last    error // what failed last
}

func (s *sim) wrong(format string, args ...any) {
	s.broken = append(s.broken, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func newSim(t *testing.T, n uint64, listen func(http.Handler) http.RoundTripper) *sim {
	s := &sim{t: t, seed: n, weather: &weather{chance: rand.New(rand.NewPCG(n, 1)), calm: true, crashes: 4}}
	s.log.w = s.weather
	fail := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	s.astro, err = astrod.New(astrod.Options{})
	fail(err)
	hub, err := githubd.New(githubd.Options{})
	fail(err)
	wood, err := woodpeckerd.New(embedded.Options{})
	fail(err)
	dr, err := droned.New(embedded.Options{})
	fail(err)
	m := http.NewServeMux()
	m.Handle("/v1/", s.astro.Handler())
	m.Handle("/hub/", http.StripPrefix("/hub", hub.Handler()))
	m.Handle("/wood/", http.StripPrefix("/wood", wood.Handler()))
	m.Handle("/drone/", http.StripPrefix("/drone", dr.Handler()))
	s.weather.base = listen(m)
	at := func(path string) *url.URL { return &url.URL{Scheme: "http", Host: "localhost", Path: path} }
	jitter := rand.New(rand.NewPCG(n, 2))
	wire := httpx.Options{Base: s.weather, Agent: "astro-ci/test", Jitter: jitter.Float64}
	s.issuer = astro.New(at("/v1"), func(r *http.Request) error { // a log-in that never ends
		return httpx.Bearer(s.astro.Login("ada@acme.example"))(r)
	}, wire)
	gh, err := github.New(github.Options{Host: "github.com", APIURL: at("/hub"), Token: hub.Token(), Base: s.weather, Agent: "astro-ci/test", Jitter: jitter.Float64})
	fail(err)
	s.stores = map[string]providers.Store{
		"github":     gh,
		"woodpecker": woodpecker.New(providers.Options{Server: at("/wood"), Login: providers.Login{Value: wood.Token()}, Wire: wire}),
		"drone":      drone.New(providers.Options{Server: at("/drone"), Login: providers.Login{Value: dr.Token()}, Wire: wire}),
	}
	org, ws, dep := s.astro.Find("Data Platform", "etl-prod")
	s.plan = setup.Plan{Setup: setup.Setup{
		Name: "etl", Organization: setup.Ref{ID: org}, Workspace: setup.Ref{ID: ws}, Deployment: setup.Ref{ID: dep}, Job: setup.DeployCode,
		Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		Platform:   "github", Repository: setup.Repository{Host: "github.com", Path: "acme/etl"},
	}}
	all := map[string]func() (*secret.Value, error){
		"github":     func() (*secret.Value, error) { return hub.OpenRepo("acme", "etl", setup.TokenVariable) },
		"woodpecker": func() (*secret.Value, error) { v, _, err := wood.Open("acme/etl", setup.TokenVariable); return v, err },
		"drone":      func() (*secret.Value, error) { v, _, err := dr.Open("acme/etl", setup.TokenVariable); return v, err },
	}
	ids := []string{"github", "woodpecker", "drone"}
	s.weather.chance.Shuffle(3, func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	for _, id := range ids[:1+s.weather.chance.IntN(3)] {
		s.plan.Targets = append(s.plan.Targets, setup.Target{Store: id, Address: "acme/etl", Secret: setup.TokenVariable})
		s.open = append(s.open, all[id])
	}
	return s
}

// process is a driver on what the journal holds.
func (s *sim) process() (*rotation.Driver, *rotation.Book) {
	b, err := rotation.NewBook(s.log.raw, &s.log, time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	return rotation.New(b, rotation.Deps{Issuer: s.issuer, Stores: s.stores, Now: time.Now}), b
}

// until goes on, with new processes where one has ended, until the operation is over.
func (s *sim) until(begin func(*rotation.Book) error) {
	ctx := s.t.Context()
	d, b := s.process()
	for b.State().Active() || s.weather.dead || b.State().Op == "" || begin != nil {
		if begin != nil && !b.State().Active() && !s.weather.dead {
			if begin(b) == nil {
				begin = nil
			}
		} else if halt := d.Go(ctx); halt.Act.Kind == rotation.Wait {
			time.Sleep(time.Until(halt.Act.Until))
		} else if halt.Err != nil && !s.weather.dead {
			s.last = halt.Err
			time.Sleep(time.Duration(1+s.weather.chance.IntN(300)) * time.Second)
		}
		if s.weather.dead {
			s.weather.dead = false
			time.Sleep(time.Duration(s.weather.chance.IntN(200)) * time.Second)
			if s.loses && s.weather.chance.IntN(2) == 0 {
				s.lost++
				s.log.raw, begin = nil, s.carried
				time.Sleep(30 * time.Minute) // it looks as if somebody were at work
			}
			d, b = s.process()
			if b.State().Active() {
				begin = nil
			}
		}
		if time.Since(epoch) > 30*24*time.Hour {
			s.wrong("it does not end: %v", s.last)
			return
		}
	}
}

// carried begins with what the tokens on Astro say: with what is unfinished, or else with a rotation.
func (s *sim) carried(b *rotation.Book) error {
	all, err := s.issuer.Tokens(s.t.Context(), s.plan.Organization.ID, "", "")
	if err != nil {
		return err
	}
	begin := rotation.Begin{Op: fmt.Sprint("carried", s.lost), Mode: rotation.Planned, Plan: s.plan, Quiet: s.quiet, Drain: s.drain}
	c, unfinished := rotation.FromMarks(all)
	if begin.Carried = &c; !unfinished {
		begin.Carried = &rotation.Carried{}
	}
	for _, t := range all {
		begin.Old = append(begin.Old, t.ID)
	}
	return b.Begin(begin)
}

// epoch is when the clock of a simulation begins.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// run is a pipeline: it reads a target now, and uses what it read as long as a run may.
func (s *sim) run(ctx context.Context, chance *rand.Rand, target int) {
	v, err := s.open[target]()
	if err != nil {
		return
	}
	for range 3 {
		if err := s.astro.Use(v); err != nil {
			s.wrong("a run that read target %d: %v", target, err)
		}
		if providers.Pause(ctx, time.Duration(chance.Int64N(int64(simDrain/3)))) != nil {
			return
		}
	}
}

// history is one life of a setup: the first set-up in calm, then rotations in bad weather, while
// pipelines run. It returns what was wrong.
func history(t *testing.T, n uint64, quiet, drain time.Duration) (broken []string, digest string) {
	synctest.Test(t, func(t *testing.T) {
		p := &pipes{conns: make(chan net.Conn), done: make(chan struct{})}
		base := httpx.NewBase(nil, nil)
		base.DialContext = p.dial
		var server *http.Server
		s := newSim(t, n, func(h http.Handler) http.RoundTripper {
			server = &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0), ReadHeaderTimeout: time.Minute}
			go func() { _ = server.Serve(p) }()
			return base
		})
		s.quiet, s.drain = quiet, drain
		begin := func(mode rotation.Mode, op string, old ...string) func(*rotation.Book) error {
			return func(b *rotation.Book) error {
				return b.Begin(rotation.Begin{Op: op, Mode: mode, Plan: s.plan, Old: old, Quiet: quiet, Drain: drain})
			}
		}
		s.until(begin(rotation.FirstSetup, "first"))
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() {
			chance := rand.New(rand.NewPCG(n, 3))
			for providers.Pause(ctx, time.Duration(chance.IntN(1800))*time.Second) == nil {
				target, own := chance.IntN(len(s.open)), rand.New(rand.NewPCG(n, chance.Uint64()))
				runs.Go(func() { s.run(ctx, own, target) })
			}
		})
		s.weather.calm, s.loses = false, n%2 == 0
		for i := range 2 {
			_, b := s.process()
			s.until(begin(rotation.Planned, fmt.Sprint("op", i), b.State().Last))
			s.weather.late.Wait()
			s.check(i)
		}
		cancel()
		runs.Wait()
		base.CloseIdleConnections()
		_ = server.Close()
		_ = p.Close()
		broken = s.broken
		for _, r := range s.log.raw {
			digest += string(r[:min(len(r), 60)])
		}
		digest = fmt.Sprint(len(s.log.raw), " records, ", time.Since(epoch), ", ", len(digest))
	})
	return broken, digest
}

// check looks at the world after a rotation: one token, which every target holds.
func (s *sim) check(i int) {
	own := 0
	for _, t := range s.astro.Tokens() {
		if strings.HasPrefix(t.Description, "astro-ci setup=") {
			own++
		}
	}
	if own != 1 {
		s.wrong("rotation %d ended with %d tokens", i, own)
	}
	for k := range s.open {
		if v, err := s.open[k](); err != nil || s.astro.Use(v) != nil {
			s.wrong("rotation %d ended, and target %d does not hold a token that works: %v", i, k, err)
		}
	}
}

// The simulation sees what it is for: without the waiting, runs break and tokens are left over.
func TestSimulationSeesFaults(t *testing.T) {
	for name, x := range map[string][2]time.Duration{"no drain": {rotation.Quiet, 0}, "no quiet": {0, simDrain}} {
		found := false
		// In those with an even number journals are lost as well; from here on it does not take long.
		for n := uint64(1101); n <= 2301 && !found; n += 2 {
			broken, _ := history(t, n, x[0], x[1])
			found = len(broken) > 0
		}
		if !found {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}

// TestSimulation goes through whole histories of rotations over the real clients and the strict servers,
// with a fifth of the requests failing and processes that end, while pipelines run all the time.
func TestSimulation(t *testing.T) {
	first, last := uint64(1), uint64(*histories)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	for n := first; n <= last && !t.Failed(); n++ {
		broken, digest := history(t, n, rotation.Quiet, simDrain)
		if len(broken) > 0 {
			t.Errorf("history %d (%s); replay it with: go test ./internal/rotation -run TestSimulation -seed %d\n%s", n, digest, n, strings.Join(broken, "\n"))
		}
		if *seed > 0 {
			if _, again := history(t, n, rotation.Quiet, simDrain); again != digest {
				t.Errorf("it is another one each time: %s, %s", digest, again)
			}
		}
	}
	_, _ = fmt.Fprintf(os.Stderr, "%d histories\n", last-first+1)
}
