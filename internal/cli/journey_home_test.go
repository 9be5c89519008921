//go:build unix

package cli_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// The overview shows how much of a token's life is left, and that it is due; two Workspaces without a credential
// are picked on its second page and set up one after the other. It is left with a key, and nothing happens then.
func TestJourneyFromTheOverview(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	x := p.terminal()
	x.WaitFor("› ✓ etl-prod")
	x.WaitFor("━━━━━━━━━━━━ 90 days")
	x.WaitFor("2 Workspaces without a credential")
	x.Send("q")
	if said := p.ends(x, 0); strings.TrimSpace(said) != "" {
		t.Errorf("left: %s", said)
	}

	s.Astro().Grow(61 * 24 * time.Hour)
	x = p.terminal()
	x.WaitFor("1 due")
	x.WaitFor("› ! etl-prod")
	x.WaitFor("━━━━──────── 29 days")
	x.WaitFor("due since")
	x.Send(testkit.Tab)
	x.WaitFor("› [ ] Finance")
	x.Send(" " + down)
	x.WaitFor("[x] Finance")
	x.Send(" ")
	x.WaitFor("[x] Machine Learning")
	x.WaitFor("s set up these 2")
	x.Send("s")
	for i, w := range []string{"Finance", "Machine Learning"} {
		x.WaitFor(fmt.Sprintf("Set up %s, %d of 2", w, i+1))
		x.WaitFor("Give a pipeline its own token for Astro")
		x.WaitFor("GH_TOKEN")
		x.Send(enter)
		x.WaitFor("What will the pipeline do?")
		x.Send(down + down)
		x.WaitFor("› Manage Deployments as code")
		for _, next := range []string{"Which credential?", "How long may the token live?", "Where is the secret kept?", "Do all of this now?"} {
			x.Send(enter)
			x.WaitFor(next)
		}
		x.WaitFor(w + " · given")
		agree(x)
		x.WaitFor("What is left to you")
		x.WaitFor("enter " + []string{"next Workspace", "overview"}[i])
		x.Send(enter)
	}
	x.WaitFor("3 setups")
	x.Send("s") // and once more, but back before the first answer
	x.WaitFor("enter begin")
	x.Send(enter)
	x.WaitFor("What will the pipeline do?")
	x.Send(esc)
	x.WaitFor("3 setups")
	x.Send("q")
	if said := p.ends(x, 0); strings.Contains(said, "Nothing was created") || strings.Count(said, "git push") != 2 {
		t.Errorf("what became of the set-ups is not said, or too much: %s", said)
	}
	if got := setupsOnAstro(s); len(got) != 3 || got["finance"] != 1 || got["machine-learning"] != 1 {
		t.Errorf("on Astro: %v", got)
	}
	for setup, secret := range map[string]string{"finance": "ASTRO_API_TOKEN_FINANCE", "machine-learning": "ASTRO_API_TOKEN_MACHINE_LEARNING"} {
		if v, err := s.GitHub().OpenRepo("acme", "etl", secret); err != nil || !s.Astro().Accepts(v, marked(s)[setup][0]) {
			t.Errorf("%s does not hold the token of %s: %v", secret, setup, err)
		}
		if file := p.read(".github/workflows/astro-" + setup + ".yml"); !strings.Contains(file, secret) {
			t.Errorf("the pipeline file of %s:\n%s", setup, file)
		}
	}

	x = p.terminal()
	x.WaitFor("3 setups")
	x.WaitFor("1 due")
	x.WaitFor("✓ machine-learning")
	x.Send("q")
	p.ends(x, 0)
	x = p.terminal("status")
	x.WaitFor("machine-learning")
	said := p.ends(x, 0)
	for _, want := range []string{"etl-prod                  ███░░░░░░░", "machine-learning          ██████████", "astro-ci rotate etl-prod"} {
		if !strings.Contains(said, want) {
			t.Errorf("status does not say %q:\n%s", want, said)
		}
	}
}
