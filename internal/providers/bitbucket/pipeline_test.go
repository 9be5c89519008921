package bitbucket_test

import (
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render:  bitbucket.Render,
		Targets: []setup.Target{{Store: "bitbucket", Address: "acme/etl"}, {Store: "bitbucket", Address: "acme/etl#Production"}, {Store: "bitbucket", Address: "acme"}},
		Fits:    testkit.NewSchema(t, "bitbucket-pipelines.check-jsonschema-vendored.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
			var doc struct {
				Pipelines struct {
					Branches map[string][]struct{ Step struct{ Script []string } }
				}
			}
			err := yaml.Unmarshal(raw, &doc)
			for _, steps := range doc.Pipelines.Branches {
				return steps[0].Step.Script[0], secrets, err
			}
			return "", nil, err
		},
	})
}
