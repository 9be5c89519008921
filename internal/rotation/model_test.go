package rotation

import (
	"flag"
	"fmt"
	"hash/maphash"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// The model checker drives Step and Learn themselves through every order of events in a small world:
// Astro, the targets, pipelines that run, requests that take effect late or not at all, and a process
// that may end between any two of its steps.

// tick is the unit of time. What is under way when a tick passes has ended: requests have taken effect or
// never will, runs are over. Quiet and drain are one tick.
const tick = 1000 * time.Second

var epoch = time.Unix(1_700_000_000, 0)

// class is what a store shows of a secret.
type class byte

const (
	readable  class = 'r' // the value itself
	metadata  class = 'm' // a mark that each write changes
	writeOnly class = 'w'
)

// config is one small world.
type config struct {
	classes []class
	mode    Mode
	aborts  bool // the person may want it to end
	// How often the process may end, and how often a request may fail.
	crashes, faults int8
	losses          int8 // how often the journal may be lost; the next process begins with the marks then
}

func (c config) String() string {
	return fmt.Sprintf("%s %s abort=%v, %d crashes, %d faults, %d losses", c.mode, string(asBytes(c.classes)), c.aborts, c.crashes, c.faults, c.losses)
}

func asBytes(c []class) (out []byte) {
	for _, x := range c {
		out = append(out, byte(x))
	}
	return out
}

// world is everything outside of the process.
type world struct {
	now      int8 // ticks
	made     int8 // tokens ever, the old one included
	alive    uint16
	attempt  [stranger + 1]int8 // by token
	content  [3]int8            // by target: the token, -1 for something else
	version  [3]int8
	creating [3]int8    // attempts whose token comes into being late, 0 for none
	writing  [3][2]int8 // target+1, token: writes that land late
	deleting uint16     // tokens whose delete lands late
	running  [2]int8    // tokens that runs have read, -1 for none
	starts   int8       // how many runs may still start
	crashes  int8
	faults   int8
	foreign  int8 // how often somebody else may still write the old token back
	carry
}

// node is one state of everything.
type node struct {
	s  State
	o  Observation
	w  world
	up bool // the process runs
}

// stranger is somebody else's token; nothing ever happens to it.
const stranger = 11

func start(c config) node {
	n := node{up: true, o: Observe(epoch)}
	b := Begin{Op: "op", Mode: c.mode, Quiet: tick, Drain: tick}
	b.Plan.Name = "x"
	for i := range c.classes {
		b.Plan.Targets = append(b.Plan.Targets, setup.Target{Store: names[i]})
	}
	n.w = world{running: [2]int8{-1, -1}, starts: 2, crashes: c.crashes, faults: c.faults, foreign: 1, carry: carry{losses: c.losses, on: c.losses > 0}}
	for i := range n.w.content {
		n.w.content[i] = -1
	}
	if c.mode != FirstSetup {
		b.Old = []string{"0"}
		n.w.made, n.w.alive, n.w.marks[0] = 1, 1, held{token: 1, at: -1}
		for i := range c.classes {
			n.w.content[i] = 0
		}
	}
	n.w.alive |= 1 << stranger
	n.s = State{}.With(Record{Kind: RecPlanned, Begin: &b})
	return n
}

var names = func() (out [stranger + 1]string) {
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}()

// mark is what a store says of a version.
func mark(version int8) string { return names[version%(stranger+1)] }

func (n node) time() time.Time { return epoch.Add(time.Duration(n.w.now) * tick) }

// record makes records durable.
func (n node) record(records []Record) node {
	for _, r := range records {
		r.At = n.time()
		n.s = n.s.With(r)
	}
	return n
}

// down is the world after the process has ended.
func (n node) down() node {
	n.up, n.o = false, Observe(n.time())
	n.w.crashes--
	return n
}

// create makes a token on Astro.
func (w *world) create(attempt int8) int8 {
	id := w.made
	w.attempt[id] = attempt
	w.alive |= 1 << id
	w.made++
	w.idle = false
	return id
}

func (w *world) write(target, token int8) {
	w.content[target] = token
	w.version[target]++
}

// effects are what a request may have done: 0 nothing, 1 its effect, 2 its effect later.
const (
	nothing = iota
	now
	later
)

// apply lets a request have its effect, at once or later; false when the model has no room for more.
func (n *node) apply(do Act, when int) bool {
	w := &n.w
	token := int8(-1)
	if do.Kind == Write || do.Kind == Delete {
		token = worldToken(n.s, do.Token)
	}
	switch {
	case when == nothing:
	case do.Kind == Create && when == now:
		if w.made >= stranger {
			return false
		}
		w.create(int8(do.Attempt))
	case do.Kind == Create:
		i := slices.Index(w.creating[:], 0)
		if i < 0 || w.made >= stranger {
			return false
		}
		w.creating[i] = int8(do.Attempt)
	case do.Kind == Write && when == now:
		w.write(int8(do.Target), token)
	case do.Kind == Write:
		i := slices.Index(w.writing[:], [2]int8{})
		if i < 0 {
			return false
		}
		w.writing[i] = [2]int8{int8(do.Target) + 1, token}
	case do.Kind == Mark:
		return w.mark(n.s, do.Token, when)
	case do.Kind == Delete && when == now:
		w.alive &^= 1 << token
	case do.Kind == Delete:
		w.deleting |= 1 << token
	}
	return true
}

func worldToken(s State, i int) int8 {
	n, _ := strconv.Atoi(s.Tokens[i].ID)
	return int8(n)
}

// answer is what a request that worked says; it is asked for after its effect.
func (n node) answer(c config, do Act) (a Answer) {
	switch do.Kind {
	case Create:
		a.ID = names[n.w.made-1]
	case Prove:
		if n.w.alive&(1<<worldToken(n.s, do.Token)) == 0 {
			a.Err, a.Unfit = errModel, true
		}
	case Write:
		a.Version = mark(n.w.version[do.Target])
	case Verify:
		x := n.s.Targets[do.Target]
		switch held := x.Holds == n.o.Holding; {
		case c.classes[do.Target] == writeOnly:
			a.Check = n.s.Compare(do.Target, true, "")
		case c.classes[do.Target] == readable && held:
			a.Check = sameIf(n.w.content[do.Target] == worldToken(n.s, x.Holds))
		default:
			a.Check = n.s.Compare(do.Target, true, mark(n.w.version[do.Target]))
		}
	case List:
		for id := range names {
			if n.w.alive&(1<<id) != 0 {
				a.Tokens = append(a.Tokens, Found{ID: names[id], Attempt: max(int(n.w.attempt[id]), 0)})
			}
		}
	case None, Mark, Delete, Wait, Stop:
	}
	return a
}

func sameIf(ok bool) Check {
	if ok {
		return Same
	}
	return Differs
}

type modelError struct{}

func (modelError) Error() string { return "no" }

var errModel = modelError{}

// protocol is what the model drives: the real one, or a spoilt one.
type protocol struct {
	step  func(State, Observation) Decision
	learn func(State, Observation, Act, Answer) ([]Record, Observation)
	again func(Observation) Observation
	wake  func(State, Observation) Observation // what a process makes of its start; nil for nothing
	from  func([]astro.Token) (Carried, bool)
}

var protocolItself = protocol{step: Step, learn: Learn, again: Observation.again, from: FromMarks}

// inFlight reports whether something of the past can still happen.
func (w world) inFlight() bool {
	return w.creating != [3]int8{} || w.writing != [3][2]int8{} || w.deleting != 0 || w.marking != held{}
}

// passed is the world one tick later, when nothing is under way any more.
func (n node) passed() node {
	n.w.now++
	n.w.running = [2]int8{-1, -1}
	n.o.Now = n.time()
	return n
}

// settle lets everything that is under way come to nothing.
func (n node) settle() node {
	n.w.creating, n.w.writing, n.w.deleting, n.w.marking = [3]int8{}, [3][2]int8{}, 0, held{}
	return n
}

// next yields every state that can follow.
func (p protocol) next(c config, n node, yield func(node)) {
	p.outside(c, n, yield)
	if n.s.Ended != "" {
		if n.unfinished() {
			yield(p.begin(n))
		}
		return
	}
	if !n.up {
		p.lose(n, yield)
		up := n
		up.up, up.o = true, Observe(n.time())
		if p.wake != nil {
			up.o = p.wake(n.s, up.o)
		}
		yield(up)
		return
	}
	if c.aborts && !n.o.Abort {
		m := n
		m.o.Abort = true
		yield(m)
	}
	n.o.Now = n.time()
	d := p.step(n.s, n.o)
	crash := n.w.crashes > 0
	if crash {
		for k := range len(d.Records) + 1 {
			yield(n.record(d.Records[:k]).down())
		}
	}
	n = n.record(d.Records)
	switch d.Do.Kind {
	case None:
		yield(n)
		return
	case Stop:
		p.lose(n, yield)
		m := n
		m.o = p.again(n.o)
		if m.o.Stopped || m.o.Failed != 0 || d.Do.Why == TooMany {
			return
		}
		yield(m)
		return
	case Wait:
		p.lose(n, yield)
		if !n.w.inFlight() {
			m := n.passed()
			_, m.o = p.learn(m.s, m.o, d.Do, Answer{})
			yield(m)
		}
		return
	}
	// It works.
	m := n
	if m.apply(d.Do, now) {
		p.hear(m, d.Do, m.answer(c, d.Do), crash, yield)
	}
	// It fails, clearly or not; whatever it does, the process may also end before it hears of it.
	effects := []int{nothing, now, later}
	if d.Do.Kind == Prove || d.Do.Kind == Verify || d.Do.Kind == List || d.Do.Kind == Mark && !n.w.on {
		effects = effects[:1]
	}
	for _, e := range effects {
		m := n
		if !m.apply(d.Do, e) {
			continue
		}
		if crash {
			yield(m.down())
		}
		if n.w.faults > 0 {
			m.w.faults--
			p.hear(m, d.Do, Answer{Err: errModel}, crash, yield)
			if e == nothing && d.Do.Kind == Create {
				p.hear(m, d.Do, Answer{Err: errModel, Refused: true}, crash, yield)
			}
		}
	}
}

// hear lets the process take an answer in; it may end before each record is durable.
func (p protocol) hear(n node, do Act, a Answer, crash bool, yield func(node)) {
	records, o := p.learn(n.s, n.o, do, a)
	if crash {
		for k := range records {
			yield(n.record(records[:k]).down())
		}
	}
	n = n.record(records)
	n.o = o
	yield(n)
}

// outside yields what happens without the process.
func (p protocol) outside(c config, n node, yield func(node)) {
	for i, a := range n.w.creating {
		if a != 0 {
			m := n
			m.w.creating[i] = 0
			yield(m) // it never takes effect
			m.w.create(a)
			yield(m)
		}
	}
	for i, x := range n.w.writing {
		if x[0] != 0 {
			m := n
			m.w.writing[i] = [2]int8{}
			yield(m)
			m.w.write(x[0]-1, x[1])
			yield(m)
		}
	}
	if n.w.marking != (held{}) {
		m := n
		m.w.marking = held{}
		yield(m)
		m.w.marks[n.w.marking.token-1] = n.w.marking
		yield(m)
	}
	for id := range n.w.made {
		if n.w.deleting&(1<<id) != 0 {
			m := n
			m.w.deleting &^= 1 << id
			m.w.alive &^= 1 << id
			yield(m)
		}
	}
	if n.w.starts > 0 {
		for i := range c.classes {
			if slot := slices.Index(n.w.running[:], -1); slot >= 0 && n.w.content[i] >= 0 && !slices.Contains(n.w.running[:], n.w.content[i]) {
				m := n
				m.w.running[slot] = n.w.content[i]
				m.w.starts--
				yield(m)
			}
		}
	}
	if n.w.foreign > 0 && c.mode == Planned && n.w.alive&1 != 0 && n.w.deleting&1 == 0 && n.s.Ended == "" && !n.o.fresh() {
		for i, k := range c.classes {
			if k != writeOnly && n.w.content[i] != 0 {
				m := n
				m.w.write(int8(i), 0)
				m.w.foreign--
				yield(m)
			}
		}
	}
	if !n.up && !n.w.inFlight() && n.w.now < 100 {
		yield(n.passed())
	}
}

// fresh reports whether a target was looked at since the last act: between the look and the end of a delete the
// claim does not hold for what others write.
func (o Observation) fresh() bool { return slices.Contains(o.Checked, Same) }

// fault is what is wrong with a state; "" when nothing is.
func (n node) fault(c config) string {
	if c.mode != Leaked {
		for i := range c.classes {
			if id := n.w.content[i]; id >= 0 && n.w.alive&(1<<id) == 0 {
				return fmt.Sprintf("target %d holds the dead token %d", i, id)
			}
		}
		for _, id := range n.w.running {
			if id >= 0 && n.w.alive&(1<<id) == 0 {
				return fmt.Sprintf("a run uses the dead token %d", id)
			}
		}
	}
	if n.w.alive&(1<<stranger) == 0 {
		return "somebody else's token is gone"
	}
	live := n.w.alive &^ (1 << stranger)
	switch n.s.Ended {
	case RecDone:
		if n.unfinished() {
			return "" // a later run has something to do
		}
		for _, a := range n.w.creating {
			if a > 0 {
				return "done, while a token may come into being"
			}
		}
		if live == 0 || live&(live-1) != 0 {
			return fmt.Sprintf("done with the tokens %b", live)
		}
		for i := range c.classes {
			if n.w.content[i] < 0 || live != 1<<n.w.content[i] {
				return fmt.Sprintf("done, and target %d holds %d", i, n.w.content[i])
			}
		}
	case RecAborted:
		for _, a := range n.w.creating {
			if a != 0 {
				return "aborted, while a token may come into being"
			}
		}
		if live != 1<<len(n.s.Old)-1 {
			return fmt.Sprintf("aborted with the tokens %b", live)
		}
	}
	return ""
}

// key tells states apart. Of times only counts whether a tick has passed since.
func (n node) key(buf []byte) []byte {
	at := n.time()
	age := func(t time.Time) byte {
		switch {
		case t.IsZero():
			return 0
		case at.Sub(t) >= tick:
			return 2
		}
		return 1
	}
	yes := func(all ...bool) (b byte) {
		for i, x := range all {
			if x {
				b |= 1 << i
			}
		}
		return b
	}
	s, o, w := n.s, n.o, n.w
	b := buf[:0]
	b = append(b, yes(s.Unclear, s.open, s.Aborting, n.up, o.Proven, o.Abort, o.Stopped, o.Unfit), yes(s.Ended == RecDone, s.Ended == RecAborted, o.Listed == nil, o.Mute), byte(s.Attempts), byte(s.Refused), age(s.IntentAt), age(s.Cut), byte(s.CutFor+1), byte(s.Marked+1))
	b = n.carryKey(b)
	for _, t := range s.Tokens {
		b = append(b, byte(worldToken(s, s.index(t.ID)))<<2|yes(t.Tried, t.Dead))
	}
	b = append(b, 255)
	for i, x := range s.Targets {
		b = append(b, byte(x.May), byte(x.May>>8), byte(x.Holds+1), yes(x.Forgotten, x.Version == mark(w.version[i]), x.Version == ""))
		for _, t := range x.Tried {
			b = append(b, age(t))
		}
	}
	b = append(b, byte(o.Holding+1), byte(o.Failed), byte(o.Clean))
	for _, c := range o.Checked {
		b = append(b, byte(c))
	}
	b = append(b, 254)
	for _, f := range o.Listed {
		b = append(b, f.ID[0])
	}
	b = append(b, 253, byte(w.made), byte(w.alive), byte(w.alive>>8), byte(w.deleting), byte(w.deleting>>8), byte(w.starts), byte(w.crashes), byte(w.faults), byte(w.foreign))
	for _, a := range w.attempt[:w.made] {
		b = append(b, byte(a))
	}
	for i := range w.content {
		b = append(b, byte(w.content[i]+1))
	}
	creating, writing := w.creating, w.writing
	slices.Sort(creating[:])
	slices.SortFunc(writing[:], func(x, y [2]int8) int { return int(x[0])*16 + int(x[1]) - int(y[0])*16 - int(y[1]) })
	running := w.running
	slices.Sort(running[:])
	for i := range creating {
		b = append(b, byte(creating[i]), byte(writing[i][0]), byte(writing[i][1]))
	}
	return append(b, byte(running[0]+1), byte(running[1]+1))
}

// result is what a search found.
type result struct {
	states  int
	ends    int
	fault   string
	history []string
}

type digest [2]uint64

var seeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

func sum(b []byte) digest { return digest{maphash.Bytes(seeds[0], b), maphash.Bytes(seeds[1], b)} }

// explore goes through every state, up to a limit, and stops at the first one that is wrong. Where a
// history is wanted, the way to it is kept.
func (p protocol) explore(c config, limit int, history bool) (r result) {
	seen := map[digest]digest{}
	good := map[digest]bool{} // from these the operation is known to end
	var buf []byte
	first := start(c)
	buf = first.key(buf)
	seen[sum(buf)] = digest{}
	todo := []node{first}
	var says map[digest]string
	if history {
		says = map[digest]string{}
	}
	for len(todo) > 0 && (limit == 0 || len(seen) < limit) {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		buf = n.key(buf)
		at := sum(buf)
		if n.s.Ended != "" {
			r.ends++
		}
		if r.fault = n.fault(c); r.fault == "" {
			r.fault = p.ends(c, n, good)
		}
		if r.fault != "" {
			for d := at; history && d != (digest{}); d = seen[d] {
				r.history = append(r.history, says[d])
			}
			slices.Reverse(r.history)
			break
		}
		p.next(c, n, func(m node) {
			buf = m.key(buf)
			k := sum(buf)
			if _, ok := seen[k]; ok {
				return
			}
			seen[k] = at
			if history {
				d := p.step(m.s, m.o)
				says[k] = fmt.Sprintf("up=%v now=%d alive=%b content=%v late=%v%v%v run=%v hold=%d failed=%b cut=%d next=%s target=%d token=%d until=%v",
					m.up, m.w.now, m.w.alive, m.w.content[:len(c.classes)], m.w.creating, m.w.writing, m.w.deleting, m.w.running, m.o.Holding, m.o.Failed, m.s.CutFor, d.Do.Kind, d.Do.Target, d.Do.Token, d.Do.Why)
			}
			todo = append(todo, m)
		})
	}
	r.states = len(seen)
	return r
}

// ends follows the way on which nothing fails any more; it has to come to an end.
func (p protocol) ends(c config, n node, good map[digest]bool) string {
	var way []digest
	for range 400 {
		k := sum(n.key(nil))
		if n.s.Ended != "" && !n.unfinished() || good[k] {
			for _, d := range way {
				good[d] = true
			}
			return ""
		}
		way = append(way, k)
		n = n.settle()
		if n.s.Ended != "" {
			n = p.begin(n)
		}
		if !n.up {
			n.up, n.o = true, Observe(n.time())
			if p.wake != nil {
				n.o = p.wake(n.s, n.o)
			}
		}
		n.o.Now = n.time()
		d := p.step(n.s, n.o)
		n = n.record(d.Records)
		switch d.Do.Kind {
		case None:
			if n.s.Ended == "" {
				return "nothing is left to do, and it is not over"
			}
			continue
		case Stop:
			if d.Do.Why == TooMany {
				return ""
			}
			n.o = p.again(n.o)
			continue
		case Wait:
			n = n.passed()
		default:
			if !n.apply(d.Do, now) {
				return ""
			}
		}
		records, o := p.learn(n.s, n.o, d.Do, n.answer(c, d.Do))
		n = n.record(records)
		n.o = o
	}
	d := p.step(n.s, n.o)
	return fmt.Sprintf("it does not come to an end: %s %s, %+v", d.Do.Kind, d.Do.Why, n.s)
}

// mixes are all ways to fill one to three targets.
func mixes() (out [][]class) {
	var mix func(c []class)
	mix = func(c []class) {
		if len(c) > 0 {
			out = append(out, c)
		}
		for _, k := range []class{readable, metadata, writeOnly} {
			if len(c) < 3 {
				mix(append(slices.Clone(c), k))
			}
		}
	}
	mix(nil)
	return out
}

// search is a world, and how much of it is gone through; 0 is all of it.
type search struct {
	config
	limit int
}

// searches are the worlds of a full search: some of them whole, the large ones in part.
func searches(part int) (out []search) {
	add := func(limit int, c []class, m Mode, aborts bool, crashes, faults int8) {
		out = append(out, search{config{c, m, aborts, crashes, faults, 0}, limit})
	}
	carry := func(limit int, c []class, crashes, faults, losses int8) {
		out = append(out, search{config{c, Planned, false, crashes, faults, losses}, limit})
	}
	for _, c := range mixes() {
		for _, m := range []Mode{Planned, FirstSetup} {
			add(0, c, m, false, 1, 1)
			add(part, c, m, false, 3, 3)
			if len(c) == 1 {
				for _, b := range [][2]int8{{3, 0}, {0, 3}, {2, 1}} {
					add(0, c, m, false, b[0], b[1])
				}
				add(0, c, m, true, 1, 1)
			}
		}
		if len(c) < 3 {
			add(0, c, Leaked, false, 1, 1)
		}
		carry(0, c, 0, 0, 2)
		carry(part/2, c, 1, 1, 1)
		if len(c) == 1 {
			carry(0, c, 1, 0, 2)
			carry(part, c, 2, 2, 2)
		}
	}
	return out
}

var part = flag.Int("part", 0, "go through the protocol's states: the small worlds whole, and so many states of each large one")

// TestModel goes through the states of the real protocol: no target ever holds a dead token, no run's
// token dies, at the end there is one token, and the end can be reached from everywhere.
func TestModel(t *testing.T) {
	t.Parallel()
	all := searches(*part)
	if *part == 0 { // every world a little
		for i := range all {
			all[i].limit = 1000
		}
	}
	var mu sync.Mutex
	var group sync.WaitGroup
	total, ends, next := 0, 0, 0
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() {
			for {
				mu.Lock()
				if next == len(all) {
					mu.Unlock()
					return
				}
				x := all[next]
				next++
				mu.Unlock()
				r := protocolItself.explore(x.config, x.limit, false)
				if r.fault != "" {
					again := protocolItself.explore(x.config, x.limit, true)
					t.Errorf("%s: %s after %d states\n%s", x.config, r.fault, r.states, strings.Join(again.history, "\n"))
				}
				mu.Lock()
				total, ends = total+r.states, ends+r.ends
				if x.limit == 0 && r.ends == 0 {
					t.Errorf("%s: no state is an end", x.config)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	_, _ = fmt.Fprintf(os.Stderr, "%d states of %d worlds, %d of them ends, and nothing wrong: %v\n", total, len(all), ends, !t.Failed())
	if *part > 0 && total < 10_000_000 {
		t.Errorf("%d states are too few", total)
	}
}
