//go:build unix

package cli_test

import (
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
)

// twice is a place with a setup whose token is kept in two stores.
func twice(t *testing.T) (*place, *sandbox.Sandbox) {
	t.Helper()
	return once(t, "--also", "vault:secret/astro/etl")
}

// A person replaces a token by the name of its setup, from the plan to the receipt, and the next one from the
// overview, which they leave while runs may still use the old token. Every target holds a token that works, at
// each step. TestGuidedRotation goes on from there.
func TestJourneyOfARotation(t *testing.T) {
	t.Parallel()
	p, s := twice(t)
	first := own(s)[0].ID

	x := p.terminal("rotate", "etl-prod", "--drain", "1ms")
	x.WaitFor("Replace the token of etl-prod")
	x.WaitFor("90 days left")
	x.WaitFor("What will be done")
	x.WaitFor(safe)
	x.WaitFor("Begin now?")
	x.Send(enter) // the default is no
	x.WaitFor("Nothing was done.")
	if len(own(s)) != 1 {
		t.Errorf("it began before the yes: %v", own(s))
	}
	begin(x)
	x.WaitFor("Every target holds the new token, and it is the only one")
	x.WaitFor("Deleted  " + first)
	x.Send(enter)
	if said := p.ends(x, 0); !strings.Contains(said, "etl-prod is done") {
		t.Errorf("it is not said: %s", said)
	}
	if err := sound(p, s, 2); err != nil || own(s)[0].ID == first {
		t.Errorf("%v, on Astro %v", err, own(s))
	}

	x = p.terminal()
	x.WaitFor("› ✓ etl-prod")
	x.WaitFor("r rotate")
	x.Send("r")
	x.WaitFor("esc overview")
	begin(x)
	x.WaitFor("Waiting for runs that may still use the old token")
	x.WaitFor("You can leave, and close the terminal.")
	all := own(s)
	if err := alive(s); err != nil || len(all) != 2 {
		t.Fatalf("%v, on Astro %v", err, all)
	}
	for name, v := range held(s) {
		if !s.Astro().Accepts(v, all[1].ID) {
			t.Errorf("%s does not hold the new token", name)
		}
	}
	x.Send(esc)
	x.WaitFor("1 unfinished")
	x.WaitFor("waiting until")
	x.WaitFor("r resume")
	x.Send("q")
	if said := p.ends(x, 5); !strings.Contains(said, "Go on with: astro-ci resume etl-prod") || len(own(s)) != 2 {
		t.Errorf("left with %v: %s", own(s), said)
	}
}
