package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
)

// verdicts is what verify --json prints: of each setup its token and its targets, by subject.
func (p *place) verify(args ...string) (map[string]map[string]string, string, int) {
	p.t.Helper()
	out, stderr, code := p.run(append([]string{"verify", "--json"}, args...)...)
	var v struct {
		Person bool
		Setups []struct {
			Setup   string
			Token   *struct{ Subject, Verdict string }
			Targets []struct{ Subject, Verdict, Next string }
		}
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil {
		p.t.Fatalf("%v: %s%s", err, out, stderr)
	}
	if v.Person != (code == 6) {
		p.t.Errorf("exit %d: %s", code, out)
	}
	all := map[string]map[string]string{}
	for _, s := range v.Setups {
		all[s.Setup] = map[string]string{}
		if s.Token != nil {
			all[s.Setup]["token"] = s.Token.Verdict
		}
		for _, t := range s.Targets {
			all[s.Setup][t.Subject] = t.Verdict
			if (t.Verdict == "missing" || t.Verdict == "changed") && !strings.Contains(t.Next, "astro-ci rotate "+s.Setup) {
				p.t.Errorf("what to do about %s: %q", t.Subject, t.Next)
			}
		}
	}
	return all, stderr, code
}

const (
	hub   = "github:acme/etl/ASTRO_API_TOKEN"
	safe  = "vault:secret/astro/etl/ASTRO_API_TOKEN"
	agent = "gitlab:acme/etl/ASTRO_API_TOKEN"
)

// What Astro and each store say of a setup, whether a journal knows it, or only astro-ci.yaml.
func TestVerify(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	if out, stderr, code := p.run("verify"); code != 0 || !strings.Contains(out, "no setup") {
		t.Fatalf("nothing: exit %d: %s%s", code, out, stderr)
	}
	if _, stderr, code := p.run(append(byFlags, "--also", "vault:secret/astro/etl,gitlab:acme/etl")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	want := func(when string, exit int, token, github, vault, gitlab string, names ...string) {
		t.Helper()
		v, stderr, code := p.verify(names...)
		got := v["etl-prod"]
		if code != exit || len(v) != 1 || got["token"] != token || got[hub] != github || got[safe] != vault || got[agent] != gitlab {
			t.Errorf("%s: exit %d: %v %s", when, code, v, stderr)
		}
	}
	want("all well", 0, "holds", "holds", "holds", "unclear")
	want("by name", 0, "holds", "holds", "holds", "unclear", "etl-prod")
	if _, stderr, code := p.run("verify", "nope"); code != 2 || !strings.Contains(stderr, "nope") {
		t.Errorf("a name that is none: exit %d: %s", code, stderr)
	}

	// A store that does not answer is told, and is no reason to call somebody.
	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/repos/acme/etl/actions/secrets/ASTRO_API_TOKEN", Status: 403, Body: `{"message":"m"}`, Times: 1})
	want("not allowed", 4, "holds", "unclear", "holds", "unclear")

	// Without a journal, the marks of the token tell; a rotation leaves them.
	p.nextSecond()
	if _, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--wait"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	journals := filepath.Join(p.home, ".local", "state", "astro-ci", "journals")
	if err := os.Rename(journals, journals+".away"); err != nil {
		t.Fatal(err)
	}
	want("no journal", 0, "holds", "holds", "holds", "unclear")
	if err := os.Rename(journals+".away", journals); err != nil {
		t.Fatal(err)
	}

	s.Vault().Write("", "secret/astro/etl", map[string]string{"ASTRO_API_TOKEN": "another"})
	want("somebody else wrote", 6, "holds", "holds", "changed", "unclear")
	out, _, code := p.run("verify")
	if code != 6 || !strings.Contains(out, "! changed  "+safe) || !strings.Contains(out, "-> astro-ci rotate etl-prod") {
		t.Errorf("exit %d: %s", code, out)
	}
	p.revoke(s, "setup=etl-prod ")
	want("no token", 6, "missing", "holds", "changed", "unclear")
	p.unset("ASTRO_API_TOKEN")
	if _, stderr, code := p.run("verify"); code != 4 || !strings.Contains(stderr, "astro-ci login") {
		t.Errorf("no log-in: exit %d: %s", code, stderr)
	}
	assertNoToken(t, p)
}
