//go:build unix

package cli_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
)

// A person leaves a rotation at once while Vault does not answer, and finishes it later with one command.
func TestJourneyOfAResumedRotation(t *testing.T) {
	t.Parallel()
	p, s := twice(t)
	s.Vault().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/v1/secret/data/astro/etl", Kind: fault.Hang, Times: 1})
	x := p.terminal("rotate", "etl-prod", "--drain", "1ms")
	begin(x)
	open := regexp.MustCompile(`[⠀-⣿] Write the secret ` + safe) // with the sign that turns
	x.Until("the write to Vault", open.MatchString)
	x.Send(ctrlC)
	x.WaitFor("ctrl+c again leaves at once")
	x.Send(ctrlC)
	said := p.ends(x, 130)
	if !strings.Contains(said, "may have happened or not. Go on with: astro-ci resume etl-prod") {
		t.Errorf("what goes on is not said: %s", said)
	}
	if err := alive(s); err != nil || len(own(s)) != 2 {
		t.Fatalf("%v, on Astro %v", err, own(s))
	}

	x = p.terminal("resume")
	x.WaitFor("Every target holds the new token, and it is the only one")
	x.Send(enter)
	if said := p.ends(x, 0); !strings.Contains(said, "etl-prod is done") {
		t.Errorf("it is not said: %s", said)
	}
	if err := sound(p, s, 2); err != nil {
		t.Error(err)
	}
	x = p.terminal("resume")
	x.WaitFor("Nothing is unfinished.")
	p.ends(x, 0)
}
