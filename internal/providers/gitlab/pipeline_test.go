package gitlab_test

import (
	"maps"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: gitlab.Render, Before: true,
		Targets: []setup.Target{{Store: "gitlab", Address: "acme/sub/etl"}, {Store: "gitlab", Address: "acme/etl#production"}, {Store: "gitlab", Address: "group:acme"}},
		Fits:    testkit.NewSchema(t, "gitlab-ci.check-jsonschema-vendored.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			var doc map[string]struct {
				Variables map[string]string
				Script    []string
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return "", nil, err
			}
			job := doc["astro-etl-prod"]
			env := map[string]string{}
			maps.Copy(env, secrets) // every one is an environment variable
			for k, v := range job.Variables {
				switch {
				case v == "$CI_COMMIT_BEFORE_SHA":
					v = before
				case v == "$CI_COMMIT_SHA":
					v = after
				case v[0] == '$':
					v = secrets[v[1:]]
				}
				env[k] = v
			}
			return job.Script[0], env, nil
		},
	})
}
