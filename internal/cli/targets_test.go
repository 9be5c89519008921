package cli_test

import (
	"slices"
	"strings"
	"testing"
)

// One credential in several places: a set-up writes them all, a rotation too; a place is added and taken
// away by one command each, and one that fails does not keep the others from getting the token.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	args := append(slices.Clone(byFlags), "--also", "vault:secret/astro/etl,aws-ssm:/astro/etl=OTHER_NAME")
	if _, stderr, code := p.run(args...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	holds := func(what string, want bool) {
		t.Helper()
		v, err := s.Vault().Open("", "secret/astro/etl", "ASTRO_API_TOKEN")
		switch what {
		case "aws":
			v, err = s.AWS().Open("/astro/etl/OTHER_NAME")
		case "secrets manager":
			v, err = s.AWS().Open("astro/etl/ASTRO_API_TOKEN")
		case "github":
			v, err = s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN")
		}
		tokens := s.Astro().Tokens()
		if is := err == nil && s.Astro().Accepts(v, tokens[len(tokens)-1].ID); is != want {
			t.Errorf("%s holds the newest token: %v, %v", what, is, err)
		}
	}
	for _, what := range []string{"vault", "aws", "github"} {
		holds(what, true)
	}
	if out, _, code := p.run("targets", "etl-prod"); code != 0 || !strings.Contains(out, "github:acme/etl/ASTRO_API_TOKEN, the pipeline reads it\nvault:secret/astro/etl/ASTRO_API_TOKEN\n") {
		t.Errorf("list: exit %d: %s", code, out)
	}

	// A rotation with one target that refuses: the others have the new token, and the old one lives.
	n := len(s.Astro().Tokens())
	s.Vault().Refuse(true)
	out, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms")
	if code != 1 && code != 4 && code != 5 || len(s.Astro().Tokens()) != n {
		t.Errorf("nothing is made before it is known that it can be stored: exit %d: %s%s", code, out, stderr)
	}
	s.Vault().Refuse(false)
	s.Vault().RefuseWrites(true)
	out, stderr, code = p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms")
	if code != 5 || !strings.Contains(out, "astro-ci resume etl-prod") || len(s.Astro().Tokens()) != n+1 || !strings.Contains(stderr, "vault:") {
		t.Fatalf("one target refuses: exit %d: %s%s", code, out, stderr)
	}
	holds("github", true)
	holds("aws", true)
	holds("vault", false)
	s.Vault().RefuseWrites(false)
	if out, stderr, code = p.run("resume", "--wait"); code != 0 || len(s.Astro().Tokens()) != n {
		t.Fatalf("resume: exit %d: %s%s", code, out, stderr)
	}
	holds("vault", true)

	if _, stderr, code := p.run("targets", "add", "etl-prod", "vault:secret/astro/etl", "--yes"); code != 2 || !strings.Contains(stderr, "already") {
		t.Errorf("twice the same: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("targets", "add", "etl-prod", "nonsense", "--yes"); code != 2 || !strings.Contains(stderr, "STORE:ADDRESS") {
		t.Errorf("no target: exit %d: %s", code, stderr)
	}
	if out, stderr, code := p.run("targets", "add", "etl-prod", "aws-secrets-manager:astro/etl", "--yes", "--no-input", "--wait", "--drain", "1ms"); code != 0 || len(s.Astro().Tokens()) != n {
		t.Fatalf("add: exit %d: %s%s", code, out, stderr)
	}
	for _, what := range []string{"vault", "aws", "github", "secrets manager"} {
		holds(what, true)
	}
	if _, stderr, code := p.run("targets", "remove", "etl-prod", "github:acme/etl/ASTRO_API_TOKEN", "--yes"); code != 2 || !strings.Contains(stderr, "pipeline") {
		t.Errorf("the one that the pipeline reads: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("targets", "remove", "etl-prod", "aws-ssm:/astro/etl/OTHER_NAME", "--no-input"); code != 2 || !strings.Contains(stderr, "--yes") {
		t.Errorf("no confirmation: exit %d: %s", code, stderr)
	}
	if out, stderr, code := p.run("targets", "remove", "etl-prod", "aws-ssm:/astro/etl/OTHER_NAME", "--yes"); code != 0 {
		t.Fatalf("remove: exit %d: %s%s", code, out, stderr)
	}
	if _, err := s.AWS().Open("/astro/etl/OTHER_NAME"); err == nil {
		t.Error("the removed secret is still there")
	}
	if out, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input", "--wait", "--drain", "1ms"); code != 0 || strings.Contains(out+stderr, "OTHER_NAME") {
		t.Errorf("a rotation after it: exit %d: %s%s", code, out, stderr)
	}
	for _, what := range []string{"vault", "github", "secrets manager"} {
		holds(what, true)
	}
	assertNoToken(t, p)
}
