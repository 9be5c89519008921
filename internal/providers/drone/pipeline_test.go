package drone_test

import (
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: drone.Render, Before: true,
		Targets: []setup.Target{{Store: "drone", Address: "acme/etl"}, {Store: "drone", Address: "acme"}},
		Fits:    testkit.NewSchema(t, "drone.schema.json", map[string]string{"https://json.schemastore.org/kubernetes-definitions.json": "kubernetes-definitions.stub.json"}).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			var doc struct {
				Steps []struct {
					Environment map[string]any
					Commands    []string
				}
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return "", nil, err
			}
			env := map[string]string{"DRONE_COMMIT_BEFORE": before, "DRONE_COMMIT_SHA": after}
			for k, v := range doc.Steps[0].Environment {
				switch v := v.(type) {
				case string:
					env[k] = v
				case map[string]any:
					name, _ := v["from_secret"].(string)
					env[k] = secrets[name]
				}
			}
			return doc.Steps[0].Commands[0], env, nil
		},
	})
}
