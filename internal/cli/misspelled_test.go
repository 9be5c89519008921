package cli_test

import (
	"strings"
	"testing"
)

// An address that a store does not take is wrong use wherever it is said, and nobody is told to ask for rights.
func TestMisspelledTarget(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	if _, stderr, code := p.run(byFlags...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.write("setups.yaml", `version: 1
setups:
  bk: {organization: Acme, job: deploy, credential: workspace-token, workspace: Data Platform, deployment: etl-prod, role: WORKSPACE_AUTHOR, platform: github, repo: acme/etl, also: "aws-ssm:astro"}
`)
	again := func(more ...string) []string { return append(append([]string{}, byFlags...), more...) }
	for _, args := range [][]string{
		again("--name", "bk", "--also", "aws-ssm:astro"),
		again("--name", "bk", "--also", "aws-ssm:astro", "--dry-run"),
		again("--name", "bk", "--also", "aws-ssm:astro", "--hand-over", "pack"),
		again("--name", "bk", "--target", "github:acme"+"/etl/x"),
		{"targets", "add", "etl-prod", "aws-ssm:astro", "--yes"},
		{"apply", "-f", "setups.yaml", "--dry-run"},
		{"apply", "-f", "setups.yaml", "--yes"},
	} {
		stdout, stderr, code := p.run(args...)
		if strings.Contains(stderr, "astro-ci.yaml: line") {
			t.Errorf("%v: another file is named than the one that was given: %s", args, stderr)
		}
		if code != 2 || strings.Contains(stderr, "hand it over") || !strings.Contains(stdout+stderr, "rite ") {
			t.Errorf("%v: exit %d: %s%s", args, code, stdout, stderr)
		}
	}
	if _, stderr, code := p.run("apply", "-f", "nosuch.yaml"); code != 2 || !strings.Contains(stderr, "nosuch.yaml") {
		t.Errorf("a file that is not there: exit %d: %s", code, stderr)
	}
}

// The same mistake has the same words and the same code, whatever the command: a name that was not given is a missing
// answer, and those that there are are listed; one that there is not is wrong use.
func TestSameMistakeSameCode(t *testing.T) {
	t.Parallel()
	p, _ := online(t)
	none := newPlace(t) // no log-in
	for _, args := range [][]string{byFlags, {"setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod"}} {
		if _, stderr, code := p.run(args...); code != 0 {
			t.Fatalf("%v: exit %d: %s", args, code, stderr)
		}
	}
	for _, x := range []struct {
		at   *place
		args []string
		code int
		says string
	}{
		{p, []string{"rotate", "--yes"}, 3, "which setup is meant\n  what to do: Name one of them: etl-prod, ml-prod."},
		{p, []string{"remove"}, 3, "which setup is meant\n  what to do: Name one of them: etl-prod, ml-prod."},
		{p, []string{"targets"}, 3, "which setup is meant\n  what to do: Name one of them: etl-prod, ml-prod."},
		{p, []string{"run"}, 3, "which setup is meant\n  what to do: Name one of them: etl-prod in "},
		{none, []string{"remove"}, 3, "astro-ci setup makes one"},
		{p, []string{"remove", "a", "b"}, 2, "takes one"},
		{p, []string{"token", "show", "nosuch"}, 2, "See the ids with: astro-ci token list"},
		{p, []string{"token", "revoke", "nosuch", "--yes"}, 2, "See the ids with: astro-ci token list"},
		{p, []string{"verify", "nosuch"}, 2, "astro-ci status lists"},
		{p, []string{"help", "tokens"}, 2, "Did you mean: astro-ci help token\n"},
		{p, []string{"help", "exit", "code"}, 2, "Did you mean: astro-ci help exit-codes\n"},
		{none, []string{"setup", "--no-input", "--yes", "--credential", "foo"}, 2, "deployment-token"},
		{none, []string{"setup", "--no-input", "--yes", "--also", "aws-ssm:astro"}, 2, "aws-ssm"},
		{none, []string{"setup", "--no-input", "--yes", "--credential", "workspace-token", "--secret-name", "TOKEN", "--branch", "main", "--name", "etl"}, 4, "astro-ci login"},
	} {
		stdout, stderr, code := x.at.run(x.args...)
		if code != x.code || !strings.Contains(stderr, x.says) {
			t.Errorf("%v: exit %d, want %d and %q: %s%s", x.args, code, x.code, x.says, stdout, stderr)
		}
	}
	if stdout, _, code := p.run("help", "exit", "codes"); code != 0 || !strings.Contains(stdout, "130") {
		t.Errorf("a topic of two words: exit %d: %s", code, stdout)
	}
}
