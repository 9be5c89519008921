package github_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func renderScheduled(p setup.Plan) ([]byte, error) {
	p.Pipeline.File, p.Repository = ".github/workflows/astro-rotation.yml", setup.Repository{Host: "github.com", Path: "acme/etl"}
	return github.Render(p)
}

func TestScheduled(t *testing.T) {
	t.Parallel()
	schema := workflowSchema(t)
	providertest.Scheduled(t, providertest.ScheduledSubject{Issues: true, PipelineSubject: providertest.PipelineSubject{
		Render:  renderScheduled,
		Targets: []setup.Target{{Store: "github", Address: "acme/etl"}, {Store: "github", Address: "acme/etl#production"}},
		Fits: func(raw []byte) error {
			lint(t, "workflow", raw, "")
			if schema != nil {
				fits(t, "workflow", schema, raw)
			}
			return nil
		},
		Job: func(raw []byte, secrets map[string]string, _, _ string) (string, map[string]string, error) {
			var w workflow
			if err := yaml.Unmarshal(raw, &w); err != nil {
				return "", nil, err
			}
			for _, j := range w.Jobs {
				x := j.Steps[len(j.Steps)-1]
				for k, v := range x.Env {
					if name, ok := strings.CutPrefix(v, "${{ secrets."); ok {
						x.Env[k] = secrets[strings.TrimSuffix(name, " }}")]
					}
				}
				return x.Run, x.Env, nil
			}
			return "", nil, errors.New("no job")
		},
	}})
}

// A scheduled workflow has no rights beyond reading the code, and opening issues where it reminds; no push
// starts it, and runs for one setup follow one another.
func TestScheduledWorkflow(t *testing.T) {
	t.Parallel()
	for every, rights := range map[setup.Cadence]string{setup.Weekly: "map[contents:read]", setup.Reminder: "map[contents:read issues:write]"} {
		raw, err := renderScheduled(providertest.RenewalPlan(every, setup.Target{Store: "github", Address: "acme/etl#production"}))
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(raw, &w); err != nil {
			t.Fatal(err)
		}
		_, push := w.On["push"]
		if _, ok := w.On["schedule"]; !ok || push || len(w.On) != 2 || len(w.Permissions) != 0 || w.Concurrency.Group != "astro-rotation-etl-prod" {
			t.Errorf("%s: %+v\n%s", every, w, raw)
		}
		for _, j := range w.Jobs {
			if fmt.Sprint(j.Permissions) != rights || j.Environment != "production" || len(j.Steps) != 2 {
				t.Errorf("%s: %+v", every, j)
			}
		}
		if every == setup.Reminder && (strings.Contains(string(raw), setup.RotationSecret) || strings.Contains(string(raw), setup.LoginSecret)) {
			t.Errorf("a reminder has a log-in:\n%s", raw)
		}
	}
	p := providertest.RenewalPlan(setup.Daily, setup.Target{Store: "github", Address: "acme/etl"})
	p.Pipeline.File, p.Repository = ".github/workflows/x.yml", setup.Repository{Host: "ghe.corp", Path: "acme/etl"}
	if raw, err := github.Render(p); err != nil || !strings.Contains(string(raw), "GH_ENTERPRISE_TOKEN: ${{ secrets.ASTRO_CI_PLATFORM_TOKEN }}") || !strings.Contains(string(raw), `GH_HOST: "ghe.corp"`) {
		t.Errorf("%v\n%s", err, raw)
	}
}
