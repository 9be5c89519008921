package circleci_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	at := setup.Target{Store: "circleci", Address: "context:gh/acme/astro prod"}
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: circleci.Render, Targets: []setup.Target{{Store: "circleci", Address: "gh/acme/etl"}, at},
		Fits: testkit.NewSchema(t, "circleci-yaml-language-server.schema.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			return job(bytes.ReplaceAll(raw, []byte("astro-etl-prod-rotation:"), []byte("astro-etl-prod:")), secrets, before, after)
		},
	}})
	p := providertest.RenewalPlan(setup.Weekly, at)
	p.Repository.Host = circleci.Cloud
	raw, err := circleci.Render(p)
	if err != nil || strings.Contains(string(raw), "CIRCLE_HOST") {
		t.Fatalf("%v\n%s", err, raw)
	}
	// Only its schedule starts it: a workflow with triggers has no other begin.
	var doc struct {
		Workflows map[string]struct {
			Triggers []struct {
				Schedule struct {
					Cron    string
					Filters struct{ Branches struct{ Only string } }
				}
			}
			Jobs []map[string]map[string]any
		}
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	w := doc.Workflows["astro-etl-prod-rotation"]
	if len(doc.Workflows) != 1 || len(w.Triggers) != 1 || w.Triggers[0].Schedule.Cron != p.Pipeline.Cron || w.Triggers[0].Schedule.Filters.Branches.Only != "main" {
		t.Errorf("%+v", doc)
	}
	if len(w.Jobs) != 1 || w.Jobs[0]["astro-etl-prod-rotation"]["context"] == nil {
		t.Errorf("without its context: %+v", w.Jobs)
	}
	p.Repository.Host = "circleci.example.com"
	if raw, err := circleci.Render(p); err != nil || !strings.Contains(string(raw), `CIRCLE_HOST: "circleci.example.com"`) {
		t.Errorf("%v\n%s", err, raw)
	}
	p.Repository.Path = "circleci/one/two"
	if _, err := circleci.Render(p); err == nil || !strings.Contains(hint.Of(err).Next, "astro-ci rotate --due") {
		t.Errorf("a project of the GitHub App: %v", err)
	}
}
