//go:build unix

package cli_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// refuse lets Vault refuse the next write.
func refuse(s *sandbox.Sandbox) {
	s.Vault().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/v1/secret/data/astro/etl", Status: http.StatusForbidden, Body: `{"errors":["permission denied"]}`, Times: 1})
}

// toARefusal is a set-up of two targets, of which only the life of the token and the first one are asked.
var toARefusal = []string{"setup", "--job", "deploy", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--also", "vault:secret/astro/etl"}

// refused walks through a set-up of two targets, of which the second one is refused.
func refused(t *testing.T) (*place, *sandbox.Sandbox, *testkit.Screen) {
	t.Helper()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	x := p.terminal(toARefusal...)
	x.WaitFor("GH_TOKEN")
	for _, next := range []string{"How long may the token live?", "Where is the secret kept?", "Do all of this now?"} {
		x.Send(enter)
		x.WaitFor(next)
	}
	refuse(s)
	agree(x)
	x.WaitFor("What exists now")
	x.WaitFor("✗ Failed: vault: write secret/astro/etl")
	x.WaitFor("What to do")
	x.WaitFor("permission denied")
	x.WaitFor("✓ Write the secret " + hub)
	x.WaitFor("› Try again from here")
	if len(own(s)) != 1 || len(held(s)) != 1 {
		t.Fatalf("on Astro %v, held by %d", own(s), len(held(s)))
	}
	return p, s, x
}

// What was refused in the middle of a set-up is tried again from there: nothing is made twice.
func TestJourneyOfATryAgain(t *testing.T) {
	t.Parallel()
	p, s, x := refused(t)
	first := own(s)[0].ID
	x.Send(enter)
	x.WaitFor("The pipeline has its own token for Astro")
	x.WaitFor("What is left to you")
	x.Send(enter)
	if said := p.ends(x, 0); !strings.Contains(said, "git push") {
		t.Errorf("what is left is not said: %s", said)
	}
	if err := sound(p, s, 2); err != nil || own(s)[0].ID != first {
		t.Errorf("%v, on Astro %v, not %s", err, own(s), first)
	}
	if n := s.GitHub().Faults.Count(http.MethodPut, "/secrets/ASTRO_API_TOKEN"); n != 1 {
		t.Errorf("the first target was written %d times", n)
	}
}

// What was made before something was refused can be taken back.
func TestJourneyOfTakingBack(t *testing.T) {
	t.Parallel()
	p, s, x := refused(t)
	x.Send(down)
	x.WaitFor("› Take back what was made")
	x.Send(enter)
	x.WaitFor("Everything that was made was taken back")
	x.WaitFor("Back to the review")
	x.Send("q")
	p.ends(x, 4)
	if len(own(s)) != 0 || len(held(s)) != 0 {
		t.Errorf("on Astro %v, held by %d", own(s), len(held(s)))
	}
	if _, err := os.Stat(p.path(".github/workflows/astro-etl-prod.yml")); err == nil {
		t.Error("the pipeline file was made")
	}
}

// What was left as it is, is offered by the overview, and is finished there.
func TestJourneyOfAResumedSetup(t *testing.T) {
	t.Parallel()
	p, s, x := refused(t)
	x.Send(down + down)
	x.WaitFor("› Leave it as it is        astro-ci resume etl-prod goes on")
	x.Send(enter)
	if said := p.ends(x, 5); !strings.Contains(said, "Go on with: astro-ci resume etl-prod") {
		t.Errorf("what goes on is not said: %s", said)
	}

	x = p.terminal()
	x.WaitFor("1 unfinished")
	x.WaitFor("› ● etl-prod")
	x.WaitFor("none yet")
	x.WaitFor("r resume")
	x.Send("r")
	x.WaitFor("Every target holds the new token, and it is the only one")
	x.WaitFor("Commit and push")
	x.Send(enter)
	x.WaitFor("› ✓ etl-prod")
	x.Send("q")
	if said := p.ends(x, 0); !strings.Contains(said, "etl-prod is done") {
		t.Errorf("it is not said: %s", said)
	}
	if err := sound(p, s, 2); err != nil {
		t.Error(err)
	}
	if !strings.Contains(p.read("astro-ci.yaml"), "  etl-prod:\n") {
		t.Error("the setup is not noted")
	}
}

// Line by line, what was left as it is names the command that goes on as well.
func TestPlainRefusal(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	refuse(s)
	stdout, stderr, code := p.runWith("\n\n\nyes\n3\n", append(toARefusal, "--plain")...)
	if code != 5 || !strings.Contains(stdout, "It was left as it is.\nGo on with:\n  astro-ci resume etl-prod\n") || len(own(s)) != 1 {
		t.Errorf("exit %d, on Astro %v: %s%s", code, own(s), stdout, stderr)
	}
	assertNoToken(t, p, stdout, stderr)
}
