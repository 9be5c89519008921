package azuredevops_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: func(p setup.Plan) ([]byte, error) {
			p.Platform, p.Pipeline.Reader.Server = "azure-devops", "Azure (prod)" // also for a secret in a vault
			return azuredevops.Render(p)
		},
		Targets: []setup.Target{
			{Store: "azure-devops", Address: "acme/data/group:astro-etl"}, {Store: "azure-devops", Address: "acme/data/pipeline:etl"}, {Store: keyvault.KeyVault, Address: "my-vault/etl"},
		},
		Fits: testkit.NewSchema(t, "azure-pipelines.check-jsonschema-vendored.json", nil).Fits,
		Job:  job,
	})
}

func job(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
	var doc struct {
		Jobs []struct {
			Steps []struct {
				Bash   string
				Env    map[string]string
				Task   string
				Inputs map[string]any
			}
		}
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	steps := doc.Jobs[0].Steps
	step := steps[len(steps)-1]
	if len(steps) == 3 { // what the task reads is a variable of the vault's own name
		read := steps[1]
		filter, _ := read.Inputs["SecretsFilter"].(string)
		if read.Task != "AzureKeyVault@2" || read.Inputs["azureSubscription"] != "Azure (prod)" || read.Inputs["KeyVaultName"] != "my-vault" {
			return "", nil, fmt.Errorf("the vault is not read: %+v", read)
		}
		inVault := map[string]string{}
		for name, value := range secrets {
			if _, id := keyvault.ID(setup.Target{Address: "my-vault/etl", Secret: name}); slices.Contains(strings.Split(filter, ","), id) {
				inVault[id] = value
			}
		}
		secrets = inVault
	}
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
}

// Without the name of a connection nothing is made; what an administrator runs is sound.
func TestConnection(t *testing.T) {
	t.Parallel()
	p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: keyvault.KeyVault, Address: "my-vault/etl"})
	p.Platform = "azure-devops"
	for _, name := range []string{"", "$(x)", "a\nb", "${{ x }}"} {
		p.Pipeline.Reader.Server = name
		if _, err := azuredevops.Render(p); err == nil || hint.Of(err).Next == "" {
			t.Errorf("%q: %v", name, err)
		}
	}
	script := azuredevops.Policy(p)
	if !strings.Contains(string(script), "etl-ASTRO-API-TOKEN") {
		t.Errorf("got %s", script)
	}
	testkit.Shellcheck(t, script)
}
