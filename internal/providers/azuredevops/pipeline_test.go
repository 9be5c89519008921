package azuredevops_test

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render:  azuredevops.Render,
		Targets: []setup.Target{{Store: "azure-devops", Address: "acme/data/group:astro-etl"}, {Store: "azure-devops", Address: "acme/data/pipeline:etl"}},
		Fits:    testkit.NewSchema(t, "azure-pipelines.check-jsonschema-vendored.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
			var doc struct {
				Jobs []struct {
					Steps []struct {
						Bash string
						Env  map[string]string
					}
				}
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				return "", nil, err
			}
			step := doc.Jobs[0].Steps[1]
			env := map[string]string{}
			for k, v := range step.Env {
				if name, ok := strings.CutPrefix(v, "$("); ok {
					if secret, ok := secrets[strings.TrimSuffix(name, ")")]; ok {
						v = secret // one that is not there stays as it stands
					}
				}
				env[k] = v
			}
			return step.Bash, env, nil
		},
	})
}
