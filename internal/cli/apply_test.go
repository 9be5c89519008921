package cli_test

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// setupsOnAstro counts the live tokens of each setup.
func setupsOnAstro(s *sandbox.Sandbox) map[string]int {
	out := map[string]int{}
	for _, t := range s.Astro().Tokens() {
		if name := setup.ParseMark(t.Description).Setup; name != "" {
			out[name]++
		}
	}
	return out
}

var writes = regexp.MustCompile(`(?m)^\S+ (POST|PUT|PATCH|DELETE) `)

// The second Workspace takes one answer, a file brings everything to what it says, and doing it again writes
// nothing; what was made can be taken back.
func TestApply(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	read := func() string { return p.read("astro-ci.yaml") }
	write := func(text string) { p.write("astro-ci.yaml", text) }
	good := func(args ...string) (out, stderr string) {
		t.Helper()
		out, stderr, code := p.run(args...)
		if code != 0 {
			t.Fatalf("%v: exit %d: %s%s", args, code, out, stderr)
		}
		return out, stderr
	}

	if _, _, code := p.run("apply", "--no-input"); code != 2 {
		t.Errorf("without a file: exit %d", code)
	}
	good(byFlags...)
	good("setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod")
	if got := setupsOnAstro(s); got["etl-prod"] != 1 || got["ml-prod"] != 1 {
		t.Fatalf("on Astro: %v", got)
	}
	second := strings.SplitN(read(), "  ml-prod:\n", 2)
	if len(second) != 2 || !strings.Contains(second[1], "role: WORKSPACE_AUTHOR\n") || !strings.Contains(second[1], "secret-name: ASTRO_API_TOKEN_ML_PROD\n") || !strings.Contains(second[1], "# Machine Learning\n") {
		t.Errorf("the file:\n%s", read())
	}

	// As it should be: nothing is written, twice.
	for range 2 {
		if out, stderr := good("apply", "--no-input", "--debug"); writes.MatchString(stderr) || out != "2 unchanged.\n" {
			t.Errorf("it wrote: %s%s", out, stderr)
		}
	}
	if _, stderr := good("apply", "--no-input", "--debug"); !strings.Contains(stderr, "astro GET ") {
		t.Errorf("requests are not seen: %s", stderr)
	}

	// A new entry is made, another life changes a token, and what cannot be done keeps neither back.
	const more = "  other: # by hand\n    job: deployments\n    credential: workspace-token\n    workspace: Finance\n    role: WORKSPACE_OWNER\n    secret-name: ASTRO_API_TOKEN_WS\n  wrong:\n    workspace: Nope\n"
	write(strings.Replace(read(), "expires-in: 90d", "expires-in: 30d", 1) + more)
	before := read()
	out, stderr, code := p.run("apply", "--no-input", "--yes", "--json", "--wait", "--drain", "1ms")
	var all struct {
		Setups []struct{ Setup, Verdict, State, Token, Error string }
	}
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 5 || len(all.Setups) != 4 {
		t.Fatalf("exit %d, %v: %s%s", code, err, out, stderr)
	}
	for i, want := range []string{"etl-prod change done", "ml-prod keep done", "other create done", "wrong wrong failed"} {
		if x := all.Setups[i]; x.Setup+" "+x.Verdict+" "+x.State != want || (x.Error != "") != (i == 3) {
			t.Errorf("got %+v, want %s", x, want)
		}
	}
	if read() != before {
		t.Error("apply changed the file of the setups")
	}
	if got := setupsOnAstro(s); got["etl-prod"] != 1 || got["other"] != 1 {
		t.Errorf("on Astro: %v", got)
	}
	assertNoToken(t, p)

	// What the file does not name stays until it is pruned.
	write(strings.Split(strings.Replace(read(), more, "", 1), "  ml-prod:\n")[0])
	if out, _ := good("apply", "--dry-run"); !strings.Contains(out, "left alone  ml-prod") || !strings.Contains(out, "left alone  other") {
		t.Errorf("orphans: %s", out)
	}
	good("apply", "--no-input", "--yes", "--prune")
	if got := setupsOnAstro(s); len(got) != 1 || got["etl-prod"] != 1 {
		t.Errorf("on Astro: %v", got)
	}

	// And the last one by name.
	if _, _, code := p.run("remove", "etl-prod", "--no-input"); code != 3 {
		t.Errorf("without consent: exit %d", code)
	}
	out, _ = good("remove", "etl-prod", "--no-input", "--confirm", "etl-prod", "--json")
	if !strings.Contains(out, `"stays":["runs of the pipeline go on`) || len(setupsOnAstro(s)) != 0 {
		t.Errorf("removed: %s, on Astro %v", out, setupsOnAstro(s))
	}
	if _, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err == nil {
		t.Error("the secret is still there")
	}
	if left, err := filepath.Glob(p.path(".github/workflows/*")); err != nil || len(left) > 0 || !strings.Contains(read(), "setups: {}") {
		t.Errorf("left: %v, %v\n%s", left, err, read())
	}
	if out, _, code := p.run("status", "--setups"); code != 0 || slices.Contains(strings.Fields(out), "etl-prod") {
		t.Errorf("status: exit %d: %s", code, out)
	}
}
