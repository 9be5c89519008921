package codebuild_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

type buildspec struct {
	Version string
	Env     struct {
		Variables      map[string]string
		SecretsManager map[string]string `yaml:"secrets-manager"`
		ParameterStore map[string]string `yaml:"parameter-store"`
	}
	Phases map[string]struct{ Commands []string }
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: codebuild.Render, Before: true,
		Targets: []setup.Target{{Store: "aws-secrets-manager", Address: "ci/astro"}, {Store: "aws-ssm", Address: "/ci/astro"}},
		Fits: func(raw []byte) error { // no schema of buildspecs is at hand
			var b buildspec
			if err := yaml.UnmarshalWithOptions(raw, &b, yaml.Strict()); err != nil {
				return err
			}
			if b.Version != "0.2" || len(b.Phases["build"].Commands) != 1 || len(b.Env.SecretsManager)+len(b.Env.ParameterStore) == 0 {
				return errors.New("not a buildspec")
			}
			for name := range b.Env.Variables {
				if strings.Contains(name, "TOKEN") || strings.Contains(name, "KEY") {
					return errors.New("a secret is a plain variable")
				}
			}
			return nil
		},
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			var b buildspec
			if err := yaml.Unmarshal(raw, &b); err != nil {
				return "", nil, err
			}
			env := map[string]string{"CODEBUILD_WEBHOOK_PREV_COMMIT": before, "CODEBUILD_RESOLVED_SOURCE_VERSION": after, "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/main"}
			maps.Copy(env, b.Env.Variables)
			for _, from := range []map[string]string{b.Env.SecretsManager, b.Env.ParameterStore} {
				for k := range from {
					env[k] = secrets[k]
					for _, v := range secrets { // what is stored at the address, under whatever name
						if len(secrets) == 1 {
							env[k] = v
						}
					}
				}
			}
			return b.Phases["build"].Commands[0], env, nil
		},
	})
}

// A build that a webhook started for another branch deploys nothing, and is no failure.
func TestAnotherBranch(t *testing.T) {
	t.Parallel()
	raw, err := codebuild.Render(providertest.PipelinePlan(setup.DeploymentToken, setup.Target{Store: "aws-ssm", Address: "/ci/astro"}))
	if err != nil {
		t.Fatal(err)
	}
	var b buildspec
	if err := yaml.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	r := testkit.NewRunner(t)
	out, ok := r.Run([]string{"sh"}, b.Phases["build"].Commands[0], map[string]string{"BRANCH": "main", "CODEBUILD_WEBHOOK_HEAD_REF": "refs/heads/other"})
	if !ok || r.Called() != "" || !strings.Contains(out, "Nothing to do") {
		t.Errorf("%v %s", ok, out)
	}
}

func TestOtherStores(t *testing.T) {
	t.Parallel()
	for _, at := range []setup.Target{{Store: "github", Address: "acme/etl"}, {Store: "aws-secrets-manager", Address: "a:b"}, {Store: "aws-ssm", Address: "a b"}} {
		if _, err := codebuild.Render(providertest.PipelinePlan(setup.DeploymentToken, at)); err == nil {
			t.Errorf("%s is rendered", at)
		}
	}
}
