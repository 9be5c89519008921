package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers/all"
)

const someDeployment = "cm00000000000000000000abc"

// Every platform's file can be printed without a log-in, and none of ours has a fault that check
// knows.
func TestRenderAndCheck(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, x := range all.Platforms() {
		for _, more := range [][]string{{"--deploy", "infer", "--project-folder", "teams/etl"}, {"--deploy", "infer"}, {"--deploy", "dags", "--branch", "prod"}, {"--credential", "workspace-token", "--workspace", someDeployment, "--deploy", "image-only", "--secret-name", "PROD_TOKEN"}} {
			stdout, stderr, code := p.run(append([]string{"render", "--platform", x.ID, "--deployment", someDeployment}, more...)...)
			if code != 0 || !strings.Contains(stdout, someDeployment) || strings.Contains(stdout, "\x1b") {
				t.Errorf("%s %v: exit %d: %s", x.ID, more, code, stderr)
				continue
			}
			p.write(x.File, stdout)
			if stdout, stderr, code := p.run("check", x.File); code != 0 {
				t.Errorf("%s %v: exit %d: %s%s", x.ID, more, code, stdout, stderr)
			}
		}
	}
	if _, stderr, code := p.run("check"); code != 0 || !strings.Contains(stderr, fmt.Sprintf("looked at: %d", len(all.Platforms()))) {
		t.Errorf("all files: exit %d: %s", code, stderr)
	}
	p.write("Jenkinsfile", "sh 'curl -sSL install.astronomer.io | sudo bash -s'\n")
	stdout, _, code := p.run("check")
	if code != 1 || !strings.Contains(stdout, "Jenkinsfile:1: unpinned-install") || !strings.Contains(stdout, "fix:") {
		t.Errorf("exit %d: %s", code, stdout)
	}
	stdout, _, code = p.run("check", "--json")
	var out struct {
		Files    int
		Findings []struct {
			File, Rule, Why, Fix string
			Line                 int
		}
	}
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || code != 1 || out.Files != len(all.Platforms()) || len(out.Findings) != 1 || out.Findings[0].Line != 1 {
		t.Errorf("exit %d, %v: %s", code, err, stdout)
	}
	for args, says := range map[string]string{
		"render --platform nope": "github", "render --platform gitlab": "deployment", "render --platform gitlab --deployment " + someDeployment + " --cli-version 9.9.9": "built in",
		"render --platform gitlab --deployment " + someDeployment + " --target x": "STORE:ADDRESS", "check nope.yml": "nope.yml",
	} {
		if _, stderr, code := p.run(strings.Fields(args)...); code != 2 || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit %d: %s", args, code, stderr)
		}
	}
}
