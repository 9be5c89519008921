//go:build unix

package cli_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// A person removes a setup from the overview. Nothing is done without its name; what GitHub refuses is tried again
// from there; what is left to do is said, and the overview follows.
func TestJourneyOfARemoval(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	x := p.terminal()
	x.WaitFor("x remove")
	x.WaitFor("› ✓ etl-prod")
	x.Send("x")
	x.WaitFor("Remove the setup etl-prod")
	x.WaitFor("What stays")
	x.WaitFor("until the change of")
	x.WaitFor("Pipelines that use the secret fail from then on.")
	x.WaitFor("Type etl-prod to remove it")
	x.WaitFor("esc overview")
	x.Send("etl-pro" + enter)
	x.WaitFor("Nothing was done. Type etl-prod to remove it, or press esc.")
	x.Send(esc)
	x.WaitFor("› ✓ etl-prod")
	if _, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err != nil || len(own(s)) != 1 || len(p.workflows()) != 1 {
		t.Fatalf("without the name: %v, on Astro %v, files %v", err, own(s), p.workflows())
	}

	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodDelete, Path: "/repos/acme/etl/actions/secrets/ASTRO_API_TOKEN", Status: http.StatusForbidden, Body: `{"message":"m"}`, Times: 1})
	x.Send("x")
	x.WaitFor("Type etl-prod to remove it")
	x.Send("etl-prod")
	x.WaitFor("› etl-prod")
	x.Send(enter)
	x.WaitFor("Where it stands")
	x.WaitFor("✗ Remove the secret " + hub)
	x.WaitFor("○ Delete the token")
	x.WaitFor("astro-ci remove etl-prod goes on")
	x.WaitFor("› Try again")
	if len(own(s)) != 1 {
		t.Errorf("the token went before the secret: %v", own(s))
	}
	x.Send(enter)
	x.WaitFor("✓ The setup etl-prod is removed")
	x.WaitFor("What is left to you")
	x.WaitFor("git add .github/workflows/astro-etl-prod.yml astro-ci.yaml && git commit -m")
	x.WaitFor("git push")
	x.WaitFor("enter overview")
	x.Send(enter)
	x.WaitFor("There is no setup yet.")
	x.Send("q")
	said := p.ends(x, 0)
	for _, want := range []string{"The setup etl-prod is removed.", "What stays:", "Next:", "git push"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not left on the terminal:\n%s", want, said)
		}
	}
	if _, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err == nil || len(own(s)) != 0 {
		t.Errorf("the secret is there: %v, on Astro %v", err == nil, own(s))
	}
	for _, path := range []string{".github", "astro-ci.yaml"} {
		if _, err := os.Stat(p.path(path)); !os.IsNotExist(err) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

// A removal that is left half-way says so, and the same command ends it.
func TestJourneyOfARemovalInPart(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodDelete, Path: "/repos/acme/etl/actions/secrets/ASTRO_API_TOKEN", Status: http.StatusForbidden, Body: `{"message":"m"}`, Times: 1})
	for _, args := range [][]string{nil, {"remove", "etl-prod"}} {
		x := p.terminal(args...)
		if args == nil {
			x.WaitFor("› ✓ etl-prod")
			x.Send("x")
		}
		x.WaitFor("Type etl-prod to remove it")
		x.Send("etl-prod")
		x.WaitFor("› etl-prod")
		x.Send(enter)
		if args == nil {
			x.WaitFor("› Try again")
			x.Send("q")
			if said := p.ends(x, 5); strings.Count(said, "error: ") != 1 || !strings.Contains(said, "What is done stays done. Go on with: astro-ci remove etl-prod") {
				t.Errorf("it is not said:\n%s", said)
			}
			continue
		}
		x.WaitFor("✓ The setup etl-prod is removed")
		x.WaitFor("Look whether .github/workflows/astro-etl-prod.yml is still on main of acme/etl")
		x.WaitFor("enter leave")
		x.Send(enter)
		p.ends(x, 0)
	}
	if len(own(s)) != 0 {
		t.Errorf("on Astro %v", own(s))
	}
}

// A setup whose rotation waits is neither removed nor repeated; the overview says why, and what to do first.
func TestJourneyOfWhatHasToWait(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	x := p.terminal()
	x.WaitFor("› ✓ etl-prod")
	x.Send("r")
	begin(x)
	x.WaitFor("Waiting for runs that may still use the old token")
	x.Send(esc)
	x.WaitFor("r resume")
	if strings.Contains(x.Text(), "x remove") {
		t.Errorf("it is offered:\n%s", x.Text())
	}
	x.Send("x")
	x.WaitFor("etl-prod was begun and is not finished. Resume it first; then it can be removed.")
	x.Send("a")
	x.WaitFor("Resume it first; then it can be repeated.")
	x.WaitFor("› ● etl-prod")
	x.Send("q")
	p.ends(x, 5)
	if len(own(s)) != 2 {
		t.Errorf("on Astro %v", own(s))
	}
}
