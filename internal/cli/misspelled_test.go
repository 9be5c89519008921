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
