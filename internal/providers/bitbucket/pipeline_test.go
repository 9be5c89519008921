package bitbucket_test

import (
	"maps"
	"strings"
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
		Job:     job,
	})
}

type step struct {
	OIDC   bool
	Script []string
}

func stepOf(raw []byte) (out step, err error) {
	var doc struct {
		Pipelines struct {
			Branches map[string][]struct{ Step step }
		}
	}
	err = yaml.Unmarshal(raw, &doc)
	for _, steps := range doc.Pipelines.Branches {
		out = steps[0].Step
	}
	return out, err
}

// job is what a runner executes: every variable is in the environment.
func job(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
	s, err := stepOf(raw)
	env := map[string]string{}
	maps.Copy(env, secrets)
	return strings.Join(s.Script, "\n"), env, err
}

const (
	workspace  = "11111111-1111-4111-8111-111111111111"
	repository = "22222222-2222-4222-8222-222222222222"
	stranger   = "33333333-3333-4333-8333-333333333333"
)

// Bitbucket vouches for a step that has oidc: true.
func TestFetches(t *testing.T) {
	t.Parallel()
	providertest.Fetches(t, providertest.FetchSubject{
		Platform: "bitbucket", Render: bitbucket.Render, Fits: testkit.NewSchema(t, "bitbucket-pipelines.check-jsonschema-vendored.json", nil).Fits, Job: job,
		Repository: setup.Repository{Host: bitbucket.Host, Path: "acme/etl"}, Runs: workspace + "/" + repository,
		Says: func(other bool, branch string) map[string]string {
			id := repository
			if other {
				id = stranger
			}
			return map[string]string{
				"sub": "{" + id + "}:{" + stranger + "}", "workspaceUuid": "{" + workspace + "}", "repositoryUuid": "{" + id + "}", "stepUuid": "{" + stranger + "}", "branchName": branch,
			}
		},
		Vouch: func(t *testing.T, raw []byte, env map[string]string, _ string, mint func(string) string) {
			t.Helper()
			if s, err := stepOf(raw); err != nil || !s.OIDC {
				t.Fatalf("the step asks for no identity: %v", err)
			}
			env["BITBUCKET_STEP_OIDC_TOKEN"] = mint("ari:cloud:bitbucket::workspace/" + workspace)
		},
	})
}
