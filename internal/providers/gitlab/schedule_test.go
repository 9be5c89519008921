package gitlab_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: gitlab.Render, Targets: []setup.Target{{Store: "gitlab", Address: "acme/etl"}, {Store: "gitlab", Address: "acme/etl#production"}},
		Fits: testkit.NewSchema(t, "gitlab-ci.check-jsonschema-vendored.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			return job(bytes.Replace(raw, []byte("\nastro-etl-prod-rotation:"), []byte("\nastro-etl-prod:"), 1), secrets, before, after)
		},
	}})
	// Only its own schedule starts it.
	raw, err := gitlab.Render(providertest.RenewalPlan(setup.Weekly, setup.Target{Store: "gitlab", Address: "acme/etl"}))
	if err != nil || strings.Count(string(raw), "$CI_PIPELINE_SOURCE") != 1 || !strings.Contains(string(raw), `$CI_PIPELINE_SCHEDULE_DESCRIPTION == \"astro-ci etl-prod-rotation\" && $CI_COMMIT_BRANCH == \"main\"`) {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	providertest.Timers(t, setup.Repository{Host: "gitlab.com", Path: "acme/etl"}, func(t *testing.T) *providertest.TimerWorld {
		server, w := newWorld(t)
		timer, ok := w.Store.(providers.Timer)
		if !ok {
			t.Fatal("GitLab keeps no schedules")
		}
		return &providertest.TimerWorld{
			Timer: timer, Faults: w.Faults, Deny: w.Deny,
			Create: func() (string, string) { return http.MethodPost, "/api/v4/projects/*/*/pipeline_schedules" },
			Kept: func() (out []providers.Schedule) {
				for _, s := range server.Schedules("acme/etl") {
					out = append(out, providers.Schedule{Name: s.Description, Cron: s.Cron, Branch: strings.TrimPrefix(s.Ref, "refs/heads/")})
				}
				return out
			},
		}
	})
}
