package cli_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// belongings are what the sandbox and the project hold: the tokens of each setup, those of nobody's by their names, and the
// pipeline files.
type belongings struct {
	ours   map[string][]string // ids, by setup
	others map[string]string   // ids, by name
	files  []string
}

func (p *place) owns() (h belongings) {
	p.t.Helper()
	stdout, stderr, code := p.run("token", "list", "--sandbox", "--json")
	var list struct {
		Tokens []struct{ ID, Name, Description string }
	}
	if err := json.Unmarshal([]byte(stdout), &list); err != nil || code != 0 {
		p.t.Fatalf("exit %d, %v: %s", code, err, stderr)
	}
	h.ours, h.others = map[string][]string{}, map[string]string{}
	for _, t := range list.Tokens {
		if of := setup.ParseMark(t.Description).Setup; of != "" {
			h.ours[of] = append(h.ours[of], t.ID)
		} else {
			h.others[t.Name] = t.ID
		}
	}
	h.files = slices.Sorted(maps.Keys(p.workflows()))
	return h
}

// settled is a place with one setup in the sandbox, and two Workspaces without a credential.
func settled(t *testing.T) *place {
	t.Helper()
	p := newPlace(t)
	if _, stderr, code := p.run(card...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	for _, name := range []string{"Jenkins ml-prod", "Old notebook"} {
		if _, stderr, code := p.run("token", "revoke", p.owns().others[name], "--sandbox", "--yes"); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
	}
	return p
}

// lines is input, a line each.
func lines(all ...string) string { return strings.Join(all, "\n") + "\n" }

// astro-ci alone tells line by line what there is, and everything begins from there, fed by a pipe: a look, a
// rotation that is left and gone on with, two Workspaces at once, the same again for another one, and the end of a
// setup.
func TestPlainHome(t *testing.T) {
	t.Parallel()
	p := settled(t)
	before := p.owns()
	shown := ""
	home := func(input string, code int, says ...string) {
		t.Helper()
		stdout, stderr, got := p.runWith(input, "--plain", "--sandbox")
		if got != code {
			t.Fatalf("exit %d: %s\n%s", got, stderr, stdout)
		}
		for _, want := range says {
			if !strings.Contains(stdout, want) {
				t.Errorf("%q is not said in:\n%s", want, stdout)
			}
		}
		if strings.Contains(stdout+stderr, "\x1b") {
			t.Error("escape codes")
		}
		shown += stdout + stderr
	}

	manage := []string{"3", "", "", "", "yes"} // the job, and what is proposed
	home(lines(slices.Concat([]string{"1", "2", "", "1", "1", "yes", "b", "1", "1", "w", "", "2 3"}, manage, manage)...), 0,
		"1. etl-prod: due on ", "; 90 days left, until ", "; used by no run yet", "\n\n2 Workspaces without a credential:\n2. Finance\n3. Machine Learning\n",
		"it holds what astro-ci wrote last", "b shows the overview", "1 setup, 1 unfinished:", "1. Resume: ", "Every target holds the new token",
		"Workspace: Finance, given", "Workspace: Machine Learning, given", "etl-prod is done: ")
	now := p.owns()
	if len(now.ours) != 3 || len(now.ours["finance"]) != 1 || len(now.ours["machine-learning"]) != 1 {
		t.Errorf("on Astro: %v", now.ours)
	}
	if of := now.ours["etl-prod"]; len(of) != 1 || slices.Equal(of, before.ours["etl-prod"]) {
		t.Errorf("the token was %v and is %v", before.ours["etl-prod"], of)
	}
	if want := []string{"astro-etl-prod.yml", "astro-finance.yml", "astro-machine-learning.yml"}; !slices.Equal(now.files, want) {
		t.Errorf("files are %v", now.files)
	}

	// What is not agreed to is not done.
	home(lines("finance", "4", "yes", "b", "q"), 0, "Delete the token "+now.ours["finance"][0], "Nothing was done: that needs the name finance.", "b for the overview, or q to leave.")
	if after := p.owns(); len(after.ours) != 3 || len(after.files) != 3 {
		t.Errorf("without the name: %+v", after)
	}
	home(lines("finance", "4", "finance", "", "q"), 0, "Remove the secret github:acme/etl/ASTRO_API_TOKEN_FINANCE", "The setup finance is removed.", "2 setups:")
	home(lines("machine-learning", "3", "1", "yes"), 0, "Job: Manage Deployments as code, given", "Workspace: Finance\n")
	after := p.owns()
	if len(after.ours) != 3 || len(after.ours["finance"]) != 1 || slices.Equal(after.ours["finance"], now.ours["finance"]) || len(after.files) != 3 {
		t.Errorf("on Astro: %v, files %v", after.ours, after.files)
	}
	assertNoToken(t, p, shown)
}

// Wherever the input ends it is an error that says so, and what there was is there still.
func TestPlainHomeEnds(t *testing.T) {
	t.Parallel()
	p := settled(t)
	before := fmt.Sprint(p.owns())
	var told []string
	for _, script := range [][]string{
		{"?", "99", "1", "?", "2"}, // the list, a setup, what Astro says of it
		{"1", "1", "no"},           // a rotation
		{"1", "3", "2"},            // the same again
		{"1", "4", "yes"},          // the end of a setup
		{"2 3", "3", "", ""},       // several Workspaces
		{"n", "", "2"},             // a new set-up
	} {
		for n := range len(script) + 1 {
			input := strings.Join(script[:n], "\n")
			if n > 0 {
				input += "\n"
			}
			stdout, stderr, code := p.runWith(input, "--plain", "--sandbox")
			if code != 3 || strings.Count(stderr, "error: the input ended before all questions were answered\n  what to do: ") != 1 {
				t.Errorf("after %q: exit %d, %s\n%s", script[:n], code, stderr, stdout)
			}
			told = append(told, stdout, stderr)
		}
	}
	if now := fmt.Sprint(p.owns()); now != before {
		t.Errorf("before: %s\nnow: %s", before, now)
	}

	// While it waits, something stands: that is said as well, and it can be gone on with.
	stdout, stderr, code := p.runWith(lines("1", "1", "yes"), "--plain", "--sandbox")
	if code != 5 || !strings.Contains(stderr, "error: the input ended") || !strings.Contains(stdout, "Go on with: astro-ci --sandbox resume etl-prod") || len(p.owns().ours["etl-prod"]) != 2 {
		t.Errorf("exit %d: %s\n%s", code, stderr, stdout)
	}
	// The first of two Workspaces is done, and is kept.
	more, stderr, code := p.runWith(lines("2 3", "3", "", "", "", "yes", "3"), "--plain", "--sandbox")
	if now := p.owns(); code != 3 || !strings.Contains(stderr, "error: the input ended") || len(now.ours["finance"]) != 1 || len(now.ours["machine-learning"]) != 0 || len(now.files) != 2 {
		t.Errorf("exit %d, %+v: %s\n%s", code, now, stderr, more)
	}
	assertNoToken(t, p, append(told, stdout, stderr, more)...)
}

// Without any setup there is nothing to look at: a set-up begins, also after the only one was taken back.
func TestPlainHomeWithoutSetups(t *testing.T) {
	t.Parallel()
	p := settled(t)
	begins := func() {
		t.Helper()
		stdout, _, code := p.runWith("q\n", "--plain", "--sandbox")
		if code != 130 || !strings.HasPrefix(stdout, "Set up a pipeline\n") {
			t.Errorf("exit %d: %s", code, stdout)
		}
	}
	if stdout, stderr, code := p.runWith("q\n", "--plain", "--sandbox"); code != 0 || !strings.HasPrefix(stdout, "Overview\n") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if stdout, stderr, code := p.runWith("etl-prod\n", "remove", "etl-prod", "--plain", "--sandbox"); code != 0 || len(p.owns().ours) != 0 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	begins()
	p = newPlace(t)
	begins()
}

// What cannot be looked at is said once, and decides the exit code, whether somebody leaves or nobody is there.
func TestPlainHomeWithoutALogin(t *testing.T) {
	t.Parallel()
	p, _ := once(t)
	p.unset("ASTRO_API_TOKEN")
	stdout, stderr, code := p.runWith("q\n", "--plain")
	if code != 4 || strings.Count(stdout, "error: ") != 1 || strings.Contains(stderr, "error: ") || !strings.Contains(stdout, "Type r to try again, or q to leave.") {
		t.Errorf("left: exit %d: %s\n%s", code, stdout, stderr)
	}
	if stdout, stderr, code := p.runWith("", "--plain"); code != 4 || !strings.Contains(stderr, "astro-ci login") {
		t.Errorf("nobody is there: exit %d: %s\n%s", code, stdout, stderr)
	}
}
