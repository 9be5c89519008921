package rotation_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net/http"
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
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/droned"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/sandbox/vaultd"
	"github.com/astro-ci/astro-ci/internal/sandbox/woodpeckerd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

var (
	histories = flag.Int("histories", 40, "how many simulated rotations to go through")
	seed      = flag.Uint64("seed", 0, "replay the history of this seed only")
)

const simDrain = 2 * time.Hour

// weather lets a fifth of the requests fail, and ends the process now and then.
type weather struct {
	*testkit.Weather
	mu      sync.Mutex // requests are sent side by side
	crashes int        // how often the process may still end
	dead    bool       // it has ended
}

var errDead = errors.New("the process has ended")

func (w *weather) crash() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.dead {
		return true
	}
	if w.crashes > 0 && w.IntN(40) == 0 {
		w.crashes--
		w.dead = true
	}
	return w.dead
}

func (w *weather) ended() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.dead
}

func (w *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	// What is sent at one instant arrives in an order that follows from what it is: so a history can be replayed.
	h := fnv.New32a()
	_, _ = io.WriteString(h, r.Method+r.URL.String())
	time.Sleep(time.Duration(h.Sum32() % 1e6))
	if w.ended() {
		return nil, errDead
	}
	if !w.crash() {
		return w.Weather.RoundTrip(r)
	}
	if resp, err := w.Fail(r); err == nil {
		_ = resp.Body.Close()
	}
	return nil, errDead
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

// place is one target of a history: what it holds, and how somebody else writes it by hand; nil where the
// store does not show such a write.
type place struct {
	target setup.Target
	open   func() (*secret.Value, error)
	byHand func(*secret.Value) error
}

// sim is the whole world of one history.
type sim struct {
	t       *testing.T
	seed    uint64
	blind   bool // nobody looks at the targets again
	weather *weather
	astro   *astrod.Server
	places  []place
	plan    setup.Plan
	clients func() (rotation.Issuer, map[string]providers.Store) // of a new process
	log     memory
	foreign func() // what somebody else does while runs may still use the old token; nil once it is done
	loses   bool   // a machine that ends may take its journal along
	lost    int
	quiet   time.Duration
	drain   time.Duration
	mu      sync.Mutex // for broken: runs read side by side
	broken  []string
	last    error // what failed last
	seen    tally
}

// tally counts what happened in histories.
type tally struct{ ended, inSetup, byHand int }

func (s *sim) wrong(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = append(s.broken, time.Now().Format("15:04:05 ")+fmt.Sprintf(format, args...))
}

func newSim(t *testing.T, n uint64, listen func(http.Handler) http.RoundTripper) *sim {
	s := &sim{t: t, seed: n, weather: &weather{Weather: testkit.NewWeather(nil, rand.New(rand.NewPCG(n, 1))), crashes: 4}}
	s.log.w = s.weather
	var err [5]error
	var hub *githubd.Server
	var wood *woodpeckerd.Server
	var dr *droned.Server
	var vlt *vaultd.Server
	s.astro, err[0] = astrod.New(astrod.Options{Limited: true})
	hub, err[1] = githubd.New(githubd.Options{Limited: true})
	wood, err[2] = woodpeckerd.New(embedded.Options{})
	dr, err[3] = droned.New(embedded.Options{})
	vlt, err[4] = vaultd.New(embedded.Options{})
	if err := errors.Join(err[:]...); err != nil {
		t.Fatal(err)
	}
	m := http.NewServeMux()
	m.Handle("/v1/", s.astro.Handler())
	for path, h := range map[string]http.Handler{"/hub": hub.Handler(), "/wood": wood.Handler(), "/drone": dr.Handler(), "/vault": vlt.Handler()} {
		m.Handle(path+"/", http.StripPrefix(path, h))
	}
	s.weather.Base = listen(m)
	chance, one := rand.New(rand.NewPCG(n, 2)), sync.Mutex{}
	jitter := func() float64 {
		one.Lock()
		defer one.Unlock()
		return chance.Float64()
	}
	gh := func(base http.RoundTripper, hosts *httpx.Hosts) *github.Provider {
		p, err := github.New(github.Options{Host: "github.com", APIURL: address("/hub"), Token: hub.Token(), Base: base, Agent: "astro-ci/test", Jitter: jitter, Hosts: hosts})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	s.clients = func() (rotation.Issuer, map[string]providers.Store) {
		wire := httpx.Options{Base: s.weather, Agent: "astro-ci/test", Jitter: jitter, Hosts: &httpx.Hosts{}}
		login := func(v *secret.Value, path string) providers.Options {
			return providers.Options{Server: address(path), Login: providers.Login{Value: v}, Wire: wire}
		}
		forEver := func(r *http.Request) error { return httpx.Bearer(s.astro.Login("ada@acme.example"))(r) }
		stores := map[string]providers.Store{
			"github":     gh(s.weather, wire.Hosts),
			"woodpecker": woodpecker.New(login(wood.Token(), "/wood")),
			"drone":      drone.New(login(dr.Token(), "/drone")),
			"vault":      vault.New(vault.Options{Options: login(vlt.Token(), "/vault")}),
		}
		if s.blind {
			for id, x := range stores {
				stores[id] = blind{x}
			}
		}
		return astro.New(address("/v1"), forEver, wire), stores
	}
	org, ws, dep := s.astro.Find("Data Platform", "etl-prod")
	s.plan = setup.Plan{Setup: setup.Setup{
		Name: "etl", Organization: setup.Ref{ID: org}, Workspace: setup.Ref{ID: ws}, Deployment: setup.Ref{ID: dep}, Job: setup.DeployCode,
		Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		Platform:   "github", Repository: setup.Repository{Host: "github.com", Path: "acme/etl"},
	}}
	const name, entry = setup.TokenVariable, "secret/astro/etl"
	target := func(store, address string) setup.Target {
		return setup.Target{Store: store, Address: address, Secret: name}
	}
	all := []place{
		{target("github", "acme/etl"), func() (*secret.Value, error) { return hub.OpenRepo("acme", "etl", name) }, func(v *secret.Value) error {
			_, err := gh(s.weather.Base, nil).Put(t.Context(), target("github", "acme/etl"), v, providers.Meta{})
			return err
		}},
		{target("vault", entry), func() (*secret.Value, error) { return vlt.Open("", entry, name) }, func(v *secret.Value) error {
			return v.Use(func(b []byte) error { vlt.Write("", entry, map[string]string{name: string(b)}); return nil })
		}},
		{target("woodpecker", "acme/etl"), func() (*secret.Value, error) { v, _, err := wood.Open("acme/etl", name); return v, err }, nil},
		{target("drone", "acme/etl"), func() (*secret.Value, error) { v, _, err := dr.Open("acme/etl", name); return v, err }, nil},
	}
	s.weather.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	s.places = all[:1+s.weather.IntN(3)]
	for _, x := range s.places {
		s.plan.Targets = append(s.plan.Targets, x.target)
	}
	return s
}

// blind is a store that shows nothing of what it holds.
type blind struct{ providers.Store }

func (b blind) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	st, err := b.Store.Stat(ctx, t)
	st.Version = ""
	return st, err
}

// process is a driver on what the journal holds.
func (s *sim) process() (*rotation.Driver, *rotation.Book) {
	b, err := rotation.NewBook(s.log.raw, &s.log, time.Now)
	if err != nil {
		s.t.Fatal(err)
	}
	issuer, stores := s.clients()
	return rotation.New(b, rotation.Deps{Issuer: issuer, Stores: stores, Now: time.Now}), b
}

// meddle lets somebody else put back, while runs may still use the old token, what a target held before.
func (s *sim) meddle() {
	var seen []place
	for _, x := range s.places {
		if x.byHand != nil {
			seen = append(seen, x)
		}
	}
	if len(seen) == 0 || s.weather.IntN(2) == 0 {
		return
	}
	x := seen[s.weather.IntN(len(seen))]
	old, err := x.open()
	if err != nil {
		s.t.Fatal(err)
	}
	s.foreign = func() {
		if err := x.byHand(old); err != nil {
			s.t.Fatal(err)
		}
	}
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
			if halt.Act.Why == rotation.Draining && s.foreign != nil {
				time.Sleep(time.Until(halt.Act.Until) / 2)
				s.foreign()
				s.seen.byHand++
				s.foreign = nil
			}
			time.Sleep(time.Until(halt.Act.Until))
		} else if halt.Err != nil && !s.weather.dead {
			s.last = halt.Err
			time.Sleep(time.Duration(1+s.weather.IntN(300)) * time.Second)
		}
		if s.weather.dead {
			s.weather.dead = false
			s.seen.ended++
			if b.State().Mode == rotation.FirstSetup {
				s.seen.inSetup++
			}
			time.Sleep(time.Duration(s.weather.IntN(200)) * time.Second)
			if s.loses && s.weather.IntN(2) == 0 {
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
	issuer, _ := s.clients()
	all, err := issuer.TokensAt(s.t.Context(), s.plan.Setup)
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
	v, err := s.places[target].open()
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

// pace is how a history differs from what the program does.
type pace struct {
	quiet, drain time.Duration
	blind        bool
}

var usual = pace{quiet: rotation.Quiet, drain: simDrain}

// history is one life of a setup in bad weather: the first set-up, then rotations, while pipelines run and
// somebody else writes a target by hand. It returns what was wrong.
func history(t *testing.T, n uint64, x pace) (broken []string, digest string, seen tally) {
	synctest.Test(t, func(t *testing.T) {
		end := func() {}
		s := newSim(t, n, func(h http.Handler) (base http.RoundTripper) {
			base, end = inMemory(h)
			return base
		})
		s.blind = x.blind
		s.quiet, s.drain = x.quiet, x.drain
		begin := func(mode rotation.Mode, op string, old ...string) func(*rotation.Book) error {
			return func(b *rotation.Book) error {
				return b.Begin(rotation.Begin{Op: op, Mode: mode, Plan: s.plan, Old: old, Quiet: x.quiet, Drain: x.drain})
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		var runs sync.WaitGroup
		runs.Go(func() {
			chance := rand.New(rand.NewPCG(n, 3))
			for providers.Pause(ctx, time.Duration(chance.IntN(1800))*time.Second) == nil {
				target, own := chance.IntN(len(s.places)), rand.New(rand.NewPCG(n, chance.Uint64()))
				runs.Go(func() { s.run(ctx, own, target) })
			}
		})
		s.until(begin(rotation.FirstSetup, "first"))
		s.weather.Late.Wait()
		s.check("the first set-up")
		s.loses = n%2 == 0
		for i := range 2 {
			s.meddle()
			_, b := s.process()
			s.until(begin(rotation.Planned, fmt.Sprint("op", i), b.State().Last))
			s.weather.Late.Wait()
			s.check(fmt.Sprint("rotation ", i))
		}
		cancel()
		runs.Wait()
		end()
		broken, seen = s.broken, s.seen
		for _, r := range s.log.raw {
			digest += string(r[:min(len(r), 60)])
		}
		digest = fmt.Sprint(len(s.log.raw), " records, ", time.Since(epoch), ", ", len(digest))
	})
	return broken, digest, seen
}

// check looks at the world after an operation: one token, which every target holds.
func (s *sim) check(what string) {
	own := 0
	for _, t := range s.astro.Tokens() {
		if strings.HasPrefix(t.Description, "astro-ci setup=") {
			own++
		}
	}
	if own != 1 {
		s.wrong("%s ended with %d tokens", what, own)
	}
	for _, x := range s.places {
		if v, err := x.open(); err != nil || s.astro.Use(v) != nil {
			s.wrong("%s ended, and %s does not hold a token that works: %v", what, x.target, err)
		}
	}
}

// The simulation sees what it is for: without the waiting, runs break and tokens are left over; where nobody
// looks again, what somebody else put back dies.
func TestSimulationSeesFaults(t *testing.T) {
	for name, x := range map[string]pace{
		"no drain": {quiet: rotation.Quiet}, "no quiet": {drain: simDrain}, "no look": {quiet: rotation.Quiet, drain: simDrain, blind: true},
	} {
		found := false
		for n := uint64(1401); n <= 2001 && !found; n++ { // from here on it does not take long
			broken, _, _ := history(t, n, x)
			found = len(broken) > 0
		}
		if !found {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}

// TestSimulation goes through whole histories of a set-up and its rotations over the real clients and the strict servers,
// with a fifth of the requests failing and processes that end, while pipelines run all the time.
func TestSimulation(t *testing.T) {
	first, last := uint64(1), uint64(*histories)
	if *seed > 0 {
		first, last = *seed, *seed
	}
	var all tally
	for n := first; n <= last && !t.Failed(); n++ {
		broken, digest, seen := history(t, n, usual)
		all.ended, all.inSetup, all.byHand = all.ended+seen.ended, all.inSetup+seen.inSetup, all.byHand+seen.byHand
		if len(broken) > 0 {
			t.Errorf("history %d (%s); replay it with: go test ./internal/rotation -run TestSimulation -seed %d\n%s", n, digest, n, strings.Join(broken, "\n"))
		}
		if *seed > 0 {
			if _, again, _ := history(t, n, usual); again != digest {
				t.Errorf("it is another one each time: %s, %s", digest, again)
			}
		}
	}
	_, _ = fmt.Fprintf(os.Stderr, "%d histories; processes ended %d times, %d of them in the first set-up; %d writes by hand\n", last-first+1, all.ended, all.inSetup, all.byHand)
}
