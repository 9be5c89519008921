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

// The only target of a set-up that the platform refuses is given up: what was begun is taken back, and the screen
// says so instead of naming a token that does not exist.
func TestJourneyOfASetUpThatIsGivenUp(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodPut, Path: "/repos/acme/etl/actions/secrets/ASTRO_API_TOKEN", Status: http.StatusForbidden, Body: `{"message":"m"}`, Times: 9})
	if stdout, stderr, code := p.run(byFlags...); code != 5 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	x := p.terminal("resume")
	x.WaitFor("› Try again")
	x.Send(down)
	x.WaitFor("› Give up " + hub)
	x.Send(enter)
	x.WaitFor("The set-up then")
	x.Send("etl-prod")
	x.WaitFor("› etl-prod")
	x.Send(enter)
	x.WaitFor("The set-up of etl-prod is taken back; nothing of it is left")
	if said := x.Text(); strings.Contains(said, "Every target holds") || strings.Contains(said, "Commit and push") {
		t.Errorf("it is said to be done: %s", said)
	}
	x.Send(enter)
	if said := p.ends(x, 0); !strings.Contains(said, "etl-prod is taken back") || len(own(s)) != 0 {
		t.Errorf("on Astro %v: %s", own(s), said)
	}
}
