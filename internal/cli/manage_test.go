package cli_test

import (
	"strings"
	"testing"
)

// A person repeats a set-up for the next Workspace from the overview, brings a file about, and takes a setup
// back, on a real terminal; what is not agreed to is not done. TestApply does the same by flags.
func TestJourneyOfManySetups(t *testing.T) {
	t.Parallel()
	p, s := once(t)

	// The next Workspace: only that is asked, and what lies in it.
	x := p.terminal()
	x.WaitFor("etl-prod")
	x.WaitFor("a again")
	x.Send("a")
	x.WaitFor("Nothing is created before you confirm")
	x.WaitFor("GH_TOKEN")
	x.Send(enter)
	x.WaitFor("Which Workspace?")
	x.WaitFor("› Finance") // not the one that it is for
	x.WaitFor("etl-prod is for this one already")
	x.Send(down)
	x.WaitFor("› Machine Learning")
	x.Send(enter)
	x.WaitFor("Which Deployment?")
	x.WaitFor("› ml-dev")
	x.Send(enter)
	x.WaitFor("Do all of this now?")
	x.WaitFor(".github/workflows/astro-ml-dev.yml")
	x.Send(right + enter)
	x.WaitFor("What is left to you")
	x.WaitFor("enter overview")
	x.Send(enter)
	x.WaitFor("2 setups") // it ends where it was begun
	x.WaitFor("ml-dev")
	x.Send("q")
	p.ends(x, 0)
	const next = "ml-dev"
	if got := setupsOnAstro(s); len(got) != 2 || got["etl-prod"] != 1 || got[next] != 1 {
		t.Fatalf("on Astro: %v", got)
	}

	// The file is brought about: a plan, a no, a yes, and what became of it.
	p.write("astro-ci.yaml", p.read("astro-ci.yaml")+"  tables:\n    job: deployments\n    credential: workspace-token\n    workspace: Finance\n    role: WORKSPACE_OWNER\n    secret-name: ASTRO_API_TOKEN_TABLES\n")
	for _, answer := range []string{"no", "yes"} {
		x = p.terminal("apply")
		x.WaitFor("create  tables")
		x.WaitFor("1 to create, 2 as they should be.")
		x.WaitFor("Do this for 1? Type yes:")
		if setupsOnAstro(s)["tables"] != 0 {
			t.Error("it was made before the yes")
		}
		x.Send(answer + enter)
		if answer == "no" {
			x.WaitFor("Nothing was done.")
			p.ends(x, 130)
			continue
		}
		x.WaitFor("1 of 1: tables, done")
		x.WaitFor("1 done, 2 unchanged.")
		p.ends(x, 0)
	}
	if got := setupsOnAstro(s); len(got) != 3 || got["tables"] != 1 {
		t.Errorf("on Astro: %v", got)
	}
	x = p.terminal("apply") // a second time there is nothing to agree to
	x.WaitFor("3 as they should be.")
	x.WaitFor("3 unchanged.")
	p.ends(x, 0)

	// A setup is taken back by its name, and by nothing else: from the overview, and by its command.
	x = p.terminal()
	x.WaitFor("x remove")
	x.Send("/")
	x.WaitFor("enter keep")
	x.Send(next + enter)
	x.WaitFor("› ✓ " + next)
	x.Send("x")
	x.WaitFor("Remove the setup " + next)
	x.WaitFor("What stays")
	x.WaitFor("Type " + next + " to remove it")
	x.Send("yes" + enter)
	x.WaitFor("Nothing was done. Type " + next)
	x.Send(esc)
	x.WaitFor("3 setups")
	if got := setupsOnAstro(s); len(got) != 3 {
		t.Fatalf("without the name: %v", got)
	}
	x.Send("q")
	p.ends(x, 0)
	x = p.terminal("remove", next)
	x.WaitFor("Type " + next + " to remove it")
	x.Send(esc)
	x.WaitFor("Nothing was done.")
	p.ends(x, 130)
	x = p.terminal("remove", next)
	x.WaitFor("Delete the token")
	x.WaitFor("Type " + next + " to remove it")
	x.Send(next)
	x.WaitFor("› " + next)
	x.Send(enter)
	x.WaitFor("✓ The setup " + next + " is removed")
	x.WaitFor("git push")
	x.Send(enter)
	said := p.ends(x, 0)
	for _, want := range []string{"The setup " + next + " is removed.", "What stays:", "git add .github/workflows/astro-" + next + ".yml astro-ci.yaml &&"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not left on the terminal:\n%s", want, said)
		}
	}
	if got := setupsOnAstro(s); len(got) != 2 || got[next] != 0 || strings.Contains(p.read("astro-ci.yaml"), next) {
		t.Errorf("on Astro: %v", got)
	}
}
