package woodpecker_test

import (
	"errors"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: woodpecker.Render, Before: true,
		Targets: []setup.Target{{Store: "woodpecker", Address: "acme/etl"}, {Store: "woodpecker", Address: "acme"}},
		Fits:    testkit.NewSchema(t, "woodpecker.schema.json", nil).Fits,
		Job:     job,
	})
}

// job is what a runner executes.
func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	var doc struct {
		Steps []struct {
			Environment map[string]any
			Commands    []string
		}
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	env := map[string]string{"CI_PREV_COMMIT_SHA": before, "CI_COMMIT_SHA": after}
	for k, v := range doc.Steps[0].Environment {
		switch v := v.(type) {
		case string:
			env[k] = v
		case map[string]any:
			name, ok := v["from_secret"].(string) // the schema takes anything here
			if !ok {
				return "", nil, errors.New("from_secret is no name")
			}
			env[k] = secrets[name]
		}
	}
	return doc.Steps[0].Commands[0], env, nil
}
