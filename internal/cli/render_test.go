package cli_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/fetch"
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
		"render --platform nope": "github", "render --platform gitlab --deployment " + someDeployment + " --cli-version 9.9.9": "built in",
		"render --platform gitlab --deployment " + someDeployment + " --target x": "STORE:ADDRESS", "check nope.yml": "nope.yml",
	} {
		if _, stderr, code := p.run(strings.Fields(args)...); code != 2 || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit %d: %s", args, code, stderr)
		}
	}
}

// Every pair of a platform and a backend can be printed without a log-in, with what the backend has to
// allow, and check finds nothing in it.
func TestRenderFromBackends(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	at := map[string]string{
		"vault": "secret/astro/etl", "aws-secrets-manager": "astro/etl", "aws-ssm": "/astro/etl", "gcp-secret-manager": "my-project/etl", "azure-key-vault": "my-vault/etl", "doppler": "etl/prd",
	}
	where := map[string]string{"vault": "https://vault.example.com:8200", "aws-secrets-manager": "eu-central-1", "aws-ssm": "eu-central-1"}
	for _, x := range all.Platforms() {
		for _, id := range x.Backends {
			args := []string{"render", "--platform", x.ID, "--deployment", someDeployment, "--target", id + ":" + at[id]}
			if fetch.Connects(x.ID, id) {
				args = append(args, "--reader-server", "Azure")
			}
			if fetch.Possible(x.ID, id) {
				_, role := fetch.Role(id)
				args = append(args, "--reader", role)
				if where[id] != "" {
					args = append(args, "--reader-server", where[id])
				}
			}
			if fetch.Possible(x.ID, id) && fetch.ByIDs(x.ID) != "" {
				const uuid = "11111111-1111-4111-8111-111111111111"
				args = append(args, "--reader-runs", uuid+"/"+uuid+map[string]string{"circleci": "/github.com/acme/etl"}[x.ID])
			}
			stdout, stderr, code := p.run(args...)
			if code != 0 || !strings.Contains(stdout, someDeployment) {
				t.Errorf("%v: exit %d: %s", args, code, stderr)
				continue
			}
			p.write(x.File, stdout)
			if stdout, stderr, code := p.run("check", x.File); code != 0 {
				t.Errorf("%v: exit %d: %s%s", args, code, stdout, stderr)
			}
			if stdout, stderr, code := p.run(append(args, "--policy")...); code != 0 || !strings.Contains(stdout, "etl") {
				t.Errorf("%v --policy: exit %d: %s", args, code, stderr)
			}
		}
	}
	for args, says := range map[string]string{
		"--target vault:secret/a": "--reader", "--target vault:secret/a --reader jwt/x": "--reader-server", "--target vault:secret/a --reader x --reader-server https://v": "METHOD/ROLE",
		"--target aws-ssm:/a --reader x --reader-server eu-central-1": "arn:aws:iam", "--target drone:a/b --reader x": "cannot read",
	} {
		if _, stderr, code := p.run(strings.Fields("render --platform github --deployment " + someDeployment + " " + args)...); code == 0 || !strings.Contains(stderr, says) {
			t.Errorf("%s: exit %d: %s", args, code, stderr)
		}
	}
}

// What a pipeline file needs is named by its flags, all of it at once.
func TestRenderSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, x := range []struct {
		args []string
		code int
		says []string
	}{
		{nil, 3, []string{"missing: --platform, --deployment"}},
		{[]string{"--platform", "jenkins"}, 3, []string{"missing: --deployment"}},
		{[]string{"--platform", "github", "--job", "users", "--credential", "workspace-token"}, 3, []string{"missing: --workspace\n"}},
		{[]string{"--platform", "github", "--deployment", "etl-prod", "--branch", "a b"}, 2, []string{`--deployment: "etl-prod" is not an Astro id`, "--branch: "}},
	} {
		stdout, stderr, code := p.run(append([]string{"render"}, x.args...)...)
		if code != x.code || stdout != "" {
			t.Errorf("%v: exit %d, want %d: %s%s", x.args, code, x.code, stdout, stderr)
		}
		for _, says := range x.says {
			if !strings.Contains(stderr, says) {
				t.Errorf("%v: %q is not said: %s", x.args, says, stderr)
			}
		}
	}
}
