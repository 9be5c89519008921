package jenkins_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var (
	constant = regexp.MustCompile(`(?m)^        ([A-Z0-9_]+) = '((?:[^'\\]|\\.)*)'(?: // .*)?$`)
	binding  = regexp.MustCompile(`string\(credentialsId: '([^']+)', variable: '([^']+)'\)`)
)

// fromVault is how the plugin is told what to read, and where to put it.
var fromVault = regexp.MustCompile(`\[envVar: '([^']+)', vaultKey: '([^']+)'\]`)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: func(p setup.Plan) ([]byte, error) {
			p.Platform = "jenkins" // also for a secret in Vault
			raw, err := jenkins.Render(p)
			if err == nil && strings.Contains(string(raw), "withVault") != (p.Target().Store == "vault") {
				err = errors.New("it is read from elsewhere")
			}
			return raw, err
		}, Before: true,
		Targets: []setup.Target{{Store: "jenkins", Address: "system"}, {Store: "jenkins", Address: "folder/sub"}, {Store: "vault", Address: "secret/astro/etl"}},
		Fits:    fits, Job: job,
	})
}

// fits checks a file. There is no schema for the text of a Jenkinsfile: braces and quotes have to match, and a shell
// text stands between single quotes, or Groovy would put the secret into it.
func fits(raw []byte) error {
	text := string(raw)
	outside := strings.Split(text, "'''")
	switch {
	case len(outside) != 3:
		return errors.New("not one shell text")
	case strings.Count(outside[0]+outside[2], "{") != strings.Count(outside[0]+outside[2], "}"):
		return errors.New("braces do not match")
	case strings.Contains(text, `sh "`), strings.Contains(text, `"""`):
		return errors.New("a shell text between double quotes")
	}
	return nil
}

// job is what a runner executes.
func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	parts := strings.Split(string(raw), "'''")
	if len(parts) != 3 {
		return "", nil, errors.New("not one shell text")
	}
	env := map[string]string{"BEFORE": before, "AFTER": after}
	for _, m := range constant.FindAllStringSubmatch(parts[0], -1) {
		env[m[1]] = strings.NewReplacer(`\'`, "'", `\\`, `\`).Replace(m[2])
	}
	for _, m := range binding.FindAllStringSubmatch(parts[0], -1) {
		env[m[2]] = secrets[m[1]]
	}
	for _, m := range fromVault.FindAllStringSubmatch(parts[0], -1) {
		env[m[1]] = secrets[m[2]]
	}
	return parts[1], env, nil
}
