package cli_test

import (
	"net/http"
	"os"
	"strings"
	"testing"
)

// A person finds at the end of the wizard that they lack a right, leaves with the command that hands over what
// they answered, and runs it; somebody who has the right carries it out.
func TestJourneyOfAHandOver(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Change("acme", "etl", "pull", false, "")
	x := p.terminal("setup", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod")
	x.WaitFor("GH_TOKEN")
	for _, next := range []string{"What will the pipeline do?", "How long may the token live?", "Where is the secret kept?", "your log-in may only read acme/etl"} {
		x.Send(enter)
		x.WaitFor(next)
	}
	x.WaitFor("Press h to write down")
	x.WaitFor("q leave")
	x.Send("q")
	p.ends(x, 130)
	_, command, ok := strings.Cut(string(x.Raw()), "somebody who may has to do:\r\n  astro-ci ")
	command, _, _ = strings.Cut(command, "\r\n")
	if !ok {
		t.Fatalf("the command is not said: %s", x.Text())
	}

	x = p.terminal(strings.Fields(command)...)
	x.WaitFor("astro-ci-etl-prod/README.md")
	x.WaitFor("Nothing else was made.")
	p.ends(x, 0)
	page, file := p.read("astro-ci-etl-prod/README.md"), p.read("astro-ci-etl-prod/.github/workflows/astro-etl-prod.yml")
	for _, want := range []string{"WORKSPACE_AUTHOR", "your log-in may only read acme/etl", "Write access to the repository acme/etl", "gh secret set ASTRO_API_TOKEN --repo acme/etl"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if _, err := os.Stat(p.path("astro-ci.yaml")); err == nil || len(s.Astro().Tokens()) != 0 || s.GitHub().Faults.Count(http.MethodPut, "") != 0 {
		t.Errorf("something else was made: on Astro %v, %v", s.Astro().Tokens(), err)
	}

	s.GitHub().Change("acme", "etl", "push", false, "")
	x = p.terminal("apply", "-f", "astro-ci-etl-prod/astro-ci.yaml")
	x.WaitFor("create  etl-prod")
	x.WaitFor("Do this for 1? Type yes:")
	x.Send("yes" + enter)
	x.WaitFor("1 done.")
	p.ends(x, 0)
	if err := sound(p, s, 1); err != nil || !strings.Contains(p.read(".github/workflows/astro-etl-prod.yml"), file) {
		t.Errorf("the pipeline file is another one, or: %v", err)
	}
}
