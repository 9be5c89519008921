package circleci_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: circleci.Render, Before: true,
		Targets: []setup.Target{{Store: "circleci", Address: "gh/acme/etl"}, {Store: "circleci", Address: "context:gh/acme/astro prod"}},
		Fits:    testkit.NewSchema(t, "circleci-yaml-language-server.schema.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			var doc struct {
				Jobs map[string]struct {
					Environment map[string]string
					Steps       []any
				}
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return "", nil, err
			}
			job := doc.Jobs["astro-etl-prod"]
			env := map[string]string{}
			maps.Copy(env, secrets) // every one is an environment variable
			for k, v := range job.Environment {
				env[k] = strings.NewReplacer("<< pipeline.git.base_revision >>", before, "<< pipeline.git.revision >>", after).Replace(v)
			}
			run, _ := job.Steps[1].(map[string]any)["run"].(map[string]any)
			script, _ := run["command"].(string)
			return script, env, nil
		},
	})
}
