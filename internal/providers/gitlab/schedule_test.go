package gitlab_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

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

// An access token of GitLab ends; the one that runs get is asked when, and only that one.
func TestEndOfTheRunsLogIn(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	as := w.Store.(providers.Scheduler).As(server.Token())
	at, end := target("acme/etl", "ASTRO_API_TOKEN"), time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC)
	check := func(want time.Time) {
		t.Helper()
		if acc, err := as.Check(t.Context(), at); err != nil || !acc.Ends.Equal(want) {
			t.Errorf("ends at %v, %v, not at %v", acc.Ends, err, want)
		}
	}
	check(time.Time{})
	server.SetEnd(end)
	check(end)
	server.UseOAuth()
	check(time.Time{})
	w.Deny()
	if _, err := as.Check(t.Context(), at); err == nil {
		t.Error("a log-in that may write nothing passed")
	}
}
