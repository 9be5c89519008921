package buildkite_test

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/buildkite"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/buildkited"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// lone is a dollar sign that the agent would take for the begin of a variable when it uploads the file.
var lone = regexp.MustCompile(`(^|[^$])(\$\$)*\$([^$]|$)`)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render:  buildkite.Render,
		Targets: []setup.Target{{Store: "buildkite", Address: "acme/" + buildkited.Cluster}},
		Fits:    testkit.NewSchema(t, "buildkite.schema.json", nil).Fits,
		Job:     job,
	})
}

// job is what the agent executes.
func job(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
	if lone.Match(raw) {
		return "", nil, errors.New("the agent would replace a variable")
	}
	var doc struct {
		Steps []struct {
			Secrets, Env map[string]string
			Command      string
		}
	}
	// What the agent makes of the file: $$ is a dollar sign.
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(string(raw), "$$", "$")), &doc); err != nil {
		return "", nil, err
	}
	env := doc.Steps[0].Env
	for variable, name := range doc.Steps[0].Secrets {
		env[variable] = secrets[name]
	}
	return doc.Steps[0].Command, env, nil
}

// The agent's own program gives the build an identity.
func TestFetches(t *testing.T) {
	t.Parallel()
	providertest.Fetches(t, providertest.FetchSubject{
		Platform: "buildkite", Render: buildkite.Render, Fits: testkit.NewSchema(t, "buildkite.schema.json", nil).Fits, Job: job,
		Vouch: func(t *testing.T, _ []byte, env map[string]string, bin string, mint func(string) string) {
			t.Helper()
			agent := "#!/bin/sh\n[ \"$1 $2 $3\" = 'oidc request-token --audience' ] && [ \"$4\" = '" + env["AUDIENCE"] + "' ] && echo '" + mint(env["AUDIENCE"]) + "'\n"
			if err := os.WriteFile(filepath.Join(bin, "buildkite-agent"), []byte(agent), 0o755); err != nil {
				t.Fatal(err)
			}
		},
	})
}
