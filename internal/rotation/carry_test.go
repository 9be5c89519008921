package rotation

import (
	"math/bits"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// A part of the model: journals that are lost. The next process knows what the descriptions of the tokens
// say, and nothing else. One that ended its operation while a token of a lost one was left over, or came
// into being, is followed by another process.

// held is what the description of a token says.
type held struct {
	token int8    // 1 more than it is; 0 for none
	at    int8    // ticks
	seals [3]int8 // versions; -1 for none
}

// seals are those of each target, of no mark and of each version.
var seals = func() (out [3][stranger + 2]string) {
	for i := range out {
		t := setup.Target{Store: names[i]}
		out[i][0] = setup.Seal(t, "")
		for v := range names {
			out[i][v+1] = setup.Seal(t, names[v])
		}
	}
	return out
}()

// carry is what the world needs for it.
type carry struct {
	on      bool // the world has losses
	losses  int8 // how often it may still happen
	idle    bool // the last process found nothing to do
	marks   [stranger]held
	marking held // lands late
}

// mark changes the description of a token.
func (w *world) mark(s State, token, when int) bool {
	if !w.on || when == nothing {
		return true
	}
	h := held{token: worldToken(s, token) + 1, at: int8(max(s.Cut.Sub(epoch)/tick, -1))}
	for i, x := range s.Targets {
		n, err := strconv.Atoi(x.Version)
		if err != nil {
			n = -1
		}
		h.seals[i] = int8(n)
	}
	if when == later {
		free := w.marking == held{}
		w.marking = h
		return free
	}
	w.marks[h.token-1] = h
	return true
}

// tokens are what Astro lists of the setup.
func (n node) tokens() (out []astro.Token) {
	for id := range n.w.made {
		if n.w.alive&(1<<id) == 0 {
			continue
		}
		m := setup.Mark{Setup: "x", Operation: "o"}
		if h := n.w.marks[id]; h.token != 0 {
			m.Held = epoch.Add(time.Duration(h.at) * tick)
			for i := range n.s.Plan.Targets {
				m.Seals = append(m.Seals, seals[i][h.seals[i]+1])
			}
		}
		out = append(out, astro.Token{ID: names[id], CreatedAt: epoch.Add(time.Duration(id) * time.Second), Description: display.Clean(m.String())})
	}
	return out
}

// lose yields the world after the journal and the machine are gone.
func (p protocol) lose(n node, yield func(node)) {
	if n.w.losses > 0 {
		n.w.losses--
		yield(p.begin(n))
	}
}

// begin is what a process does that has no journal.
func (p protocol) begin(n node) node {
	c, unfinished := p.from(n.tokens())
	b := Begin{Op: "op", Mode: Planned, Plan: n.s.Plan, Quiet: tick, Drain: tick, Carried: &c}
	for id := range n.w.made {
		if n.w.alive&(1<<id) != 0 {
			b.Old = append(b.Old, names[id])
		}
		n.w.attempt[id] = -1 // of an operation that nobody knows any more
	}
	for i, a := range n.w.creating {
		if a != 0 {
			n.w.creating[i] = -1
		}
	}
	n.up, n.o = true, Observe(n.time())
	n.s = State{}.With(Record{Kind: RecPlanned, At: n.time(), Begin: &b})
	if n.w.idle = !unfinished; n.w.idle {
		n.s.Ended = RecDone
	}
	return n
}

// unfinished reports whether an operation ended and left something to the next one.
func (n node) unfinished() bool {
	return n.w.on && n.s.Ended == RecDone && !n.w.idle && bits.OnesCount16(n.w.alive&^(1<<stranger)) > 1
}

// carryKey tells states apart by what the marks say, as far as it counts.
func (n node) carryKey(b []byte) []byte {
	if !n.w.on {
		return b
	}
	b = append(b, byte(n.w.losses))
	if n.w.idle {
		b = append(b, 1)
	}
	if c := n.s.Carried; c != nil {
		b = append(b, 2, byte(n.s.index(c.Held)+1))
		if !n.time().Before(n.s.unknown()) {
			b = append(b, 1)
		}
		for i, seal := range c.Seals {
			switch seal {
			case seals[i][n.w.version[i]%(stranger+1)+1]:
				b = append(b, 1)
			case seals[i][0]:
				b = append(b, 2)
			default:
				b = append(b, 0)
			}
		}
	}
	say := func(h held) {
		if h.token == 0 {
			b = append(b, 0)
			return
		}
		x := byte(1)
		for i := range n.s.Plan.Targets {
			x <<= 2
			switch h.seals[i] {
			case n.w.version[i] % (stranger + 1):
				x |= 1
			case -1:
				x |= 2
			}
		}
		if n.w.now > h.at {
			x |= 128
		}
		b = append(b, x, byte(h.token))
	}
	say(n.w.marking)
	for id := range n.w.made {
		if n.w.alive&(1<<id) != 0 {
			say(n.w.marks[id])
		}
	}
	return b
}

// The newest token decides, and only what its mark says.
func TestFromMarks(t *testing.T) {
	token := func(id string, at int, m setup.Mark) astro.Token {
		return astro.Token{ID: id, CreatedAt: epoch.Add(time.Duration(at) * time.Second), Description: display.Clean(m.String())}
	}
	plain := setup.Mark{Setup: "x", Operation: "o.1"}
	held := plain
	held.Held, held.Seals = epoch, []string{seals[0][3]}
	is := Carried{Held: "2", Since: epoch.UTC(), Seals: held.Seals}
	for name, x := range map[string]struct {
		tokens     []astro.Token
		want       Carried
		unfinished bool
	}{
		"none":                         {},
		"one, as a set-up leaves it":   {tokens: []astro.Token{token("2", 2, plain)}},
		"one that is held":             {tokens: []astro.Token{token("2", 2, held)}, want: is},
		"the newest is held":           {tokens: []astro.Token{token("1", 1, plain), token("2", 2, held)}, want: is, unfinished: true},
		"the newest is not":            {tokens: []astro.Token{token("1", 1, held), token("2", 2, plain)}, unfinished: true},
		"in another order":             {tokens: []astro.Token{token("2", 2, held), token("1", 1, held)}, want: is, unfinished: true},
		"two of one moment":            {tokens: []astro.Token{token("1", 2, plain), token("2", 2, held)}, unfinished: true},
		"two of one moment, otherwise": {tokens: []astro.Token{token("1", 2, held), token("2", 2, plain)}, unfinished: true},
	} {
		if c, unfinished := FromMarks(x.tokens); !reflect.DeepEqual(c, x.want) || unfinished != x.unfinished {
			t.Errorf("%s: %+v, %v", name, c, unfinished)
		}
	}
}

// Seals tell what a store shows of a target that was written by an operation that nobody knows.
func TestCompareBySeals(t *testing.T) {
	a, b, other := setup.Target{Store: "a"}, setup.Target{Store: "b"}, setup.Target{Store: "c"}
	c := Carried{Seals: []string{setup.Seal(a, "7"), setup.Seal(b, "")}}
	for name, x := range map[string]struct {
		target  setup.Target
		exists  bool
		version string
		want    Check
	}{
		"as it was":                     {a, true, "7", Same},
		"written since":                 {a, true, "8", Differs},
		"gone":                          {a, false, "", Differs},
		"not shown":                     {a, true, "", Unseen},
		"a store that shows nothing":    {b, true, "", Unseen},
		"a write that had no mark":      {b, true, "7", Unseen},
		"a target that was not there":   {other, true, "7", Differs},
		"such a one that shows nothing": {other, true, "", Differs},
	} {
		if got := c.Compare(x.target, x.exists, x.version); got != x.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
