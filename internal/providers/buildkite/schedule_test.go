package buildkite_test

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/buildkite"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	at := setup.Target{Store: "buildkite", Address: here}
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: buildkite.Render, Targets: []setup.Target{at}, Fits: testkit.NewSchema(t, "buildkite.schema.json", nil).Fits, Job: job,
	}})
	// The two steps of one file never run in the same build, and a secret feeds no variable of Buildkite's own.
	deploys, err := buildkite.Render(providertest.PipelinePlan(setup.DeploymentToken, at))
	if err != nil || !strings.Contains(string(deploys), `&& build.env(\"ASTRO_CI_SCHEDULE\") == null`) {
		t.Errorf("%v\n%s", err, deploys)
	}
	renews, err := buildkite.Render(providertest.RenewalPlan(setup.Weekly, at))
	if err != nil || !strings.Contains(string(renews), `build.source == \"schedule\" && build.env(\"ASTRO_CI_SCHEDULE\") == \"astro-ci etl-prod-rotation\"`) || strings.Contains(string(renews), "BUILDKITE_API_TOKEN: \"ASTRO") {
		t.Errorf("%v\n%s", err, renews)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	providertest.Timers(t, etl, func(t *testing.T) *providertest.TimerWorld {
		server, w := newWorld(t)
		timer, ok := w.Store.(providers.Timer)
		if !ok {
			t.Fatal("Buildkite keeps no schedules")
		}
		return &providertest.TimerWorld{
			Timer: timer, Faults: w.Faults, Deny: w.Deny,
			Create: func() (string, string) { return http.MethodPost, "/v2/organizations/acme/pipelines/etl/schedules" },
			Kept: func() (out []providers.Schedule) {
				for _, s := range server.Schedules("etl") {
					if !maps.Equal(s.Env, map[string]string{"ASTRO_CI_SCHEDULE": s.Label}) {
						t.Errorf("%s starts builds with %v", s.Label, s.Env)
					}
					out = append(out, providers.Schedule{Name: s.Label, Cron: strings.TrimSuffix(s.Cron, " UTC"), Branch: s.Branch})
				}
				return out
			},
		}
	})
	server, w := newWorld(t)
	server.SetScopes("read_pipelines")
	_, err := w.Store.(providers.Timer).SetSchedule(t.Context(), etl, providers.Schedule{Name: "x", Cron: "1 2 * * *", Branch: "main"})
	if err == nil || !strings.Contains(hint.Of(err).Next, "write_pipelines") {
		t.Errorf("a scope less: %v", err)
	}
}
