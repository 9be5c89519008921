package gitea_test

import (
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/gitea"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const file = ".gitea/workflows/astro-etl.yaml"

func render(p setup.Plan) ([]byte, error) {
	p.Pipeline.File = file
	return gitea.Render(p)
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: render, Before: true,
		Targets: []setup.Target{{Store: "gitea", Address: "acme/etl"}, {Store: "gitea", Address: "acme"}},
		Fits:    testkit.NewSchema(t, "github-workflows.check-jsonschema-vendored.json", nil).Fits,
		Job:     job,
	})
}

func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	var doc struct {
		Jobs map[string]struct {
			Steps []struct {
				Env map[string]string
				Run string
			}
		}
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	put := []string{"${{ github.event.before }}", before, "${{ github.sha }}", after}
	for k, v := range secrets {
		put = append(put, "${{ secrets."+k+" }}", v)
	}
	env := map[string]string{}
	var step struct {
		Env map[string]string
		Run string
	}
	for _, j := range doc.Jobs {
		step = j.Steps[1]
	}
	for k, v := range step.Env {
		env[k] = strings.NewReplacer(put...).Replace(v)
		if strings.HasPrefix(v, "${{ secrets.") && env[k] == v { // a secret that is not there is empty
			env[k] = ""
		}
	}
	return step.Run, env, nil
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	providertest.Scheduled(t, providertest.ScheduledSubject{Issues: true, PipelineSubject: providertest.PipelineSubject{
		Render: render, Targets: []setup.Target{{Store: "gitea", Address: "acme/etl"}},
		Fits: testkit.NewSchema(t, "github-workflows.check-jsonschema-vendored.json", nil).Fits, Job: job,
	}})
	for every, want := range map[setup.Cadence]string{setup.Weekly: "contents: read", setup.Reminder: "issues: write"} {
		raw, err := render(providertest.RenewalPlan(every, setup.Target{Store: "gitea", Address: "acme/etl"}))
		if err != nil || strings.Contains(string(raw), "push:") || !strings.Contains(string(raw), "schedule:") || !strings.Contains(string(raw), want) {
			t.Errorf("%s: %v\n%s", every, err, raw)
		}
	}
}

func TestFilesThatAreNotRun(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"astro.yaml", ".gitea/astro.yaml", ".gitea/workflows/x/astro.yaml", ".gitea/workflows/astro.txt", ".woodpecker/astro.yaml"} {
		p := providertest.PipelinePlan(setup.DeploymentToken, setup.Target{Store: "gitea", Address: "acme/etl"})
		p.Pipeline.File = bad
		if _, err := gitea.Render(p); err == nil {
			t.Errorf("%s is rendered", bad)
		}
	}
}
