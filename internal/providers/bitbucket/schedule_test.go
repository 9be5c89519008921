package bitbucket_test

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: bitbucket.Render, Targets: []setup.Target{{Store: "bitbucket", Address: "acme/etl"}, {Store: "bitbucket", Address: "acme/etl#Production"}},
		Fits: testkit.NewSchema(t, "bitbucket-pipelines.check-jsonschema-vendored.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			script, env, err := job(bytes.Replace(raw, []byte("\n  custom:"), []byte("\n  branches:"), 1), secrets, before, after)
			env["LOGIN"] = "" // makes the stand-in for astro-ci see it; the script sets it
			// A person's log-in among the variables of the repository is not the run's.
			env["BITBUCKET_EMAIL"], env["BITBUCKET_API_TOKEN"] = "ada@example.com", "another"
			return script + "\n[ -z \"$BITBUCKET_API_TOKEN\" ] || exit 7\n", env, err
		},
	}})
	raw, err := bitbucket.Render(providertest.RenewalPlan(setup.Weekly, setup.Target{Store: "bitbucket", Address: "acme/etl"}))
	if err != nil || strings.Contains(string(raw), "branches:") || !strings.Contains(string(raw), "\n    \"astro-ci-etl-prod-rotation\":\n") {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	fiveFields := strings.NewReplacer("SUN", "0", "MON", "1", "TUE", "2", "WED", "3", "THU", "4", "FRI", "5", "SAT", "6", "?", "*")
	providertest.Timers(t, etl, func(t *testing.T) *providertest.TimerWorld {
		server, w := newWorld(t, "")
		timer, ok := w.Store.(providers.Timer)
		if !ok {
			t.Fatal("Bitbucket keeps no schedules")
		}
		return &providertest.TimerWorld{
			Timer: timer, Faults: w.Faults, Deny: w.Deny,
			Create: func() (string, string) {
				return http.MethodPost, "/2.0/repositories/*/*/pipelines_config/schedules"
			},
			Kept: func() (out []providers.Schedule) {
				for _, s := range server.Schedules("acme/etl") {
					cron := strings.TrimSuffix(strings.TrimPrefix(fiveFields.Replace(s.Cron), "0 "), " *")
					out = append(out, providers.Schedule{Name: strings.Replace(s.Pipeline, "astro-ci-", "astro-ci ", 1), Cron: cron, Branch: s.Branch})
				}
				return out
			},
		}
	})
}

// Bitbucket's cron has seconds and years, and says a day in one of two fields only.
func TestPatterns(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	timer := w.Store.(providers.Timer)
	for cron, want := range map[string]string{"19 20 * * 6": "0 19 20 ? * SAT *", "5 0 * * 0": "0 5 0 ? * SUN *", "1 2 * * *": "0 1 2 * * ? *"} {
		if _, err := timer.SetSchedule(t.Context(), etl, providers.Schedule{Name: "x", Cron: cron, Branch: "main"}); err != nil {
			t.Fatal(err)
		}
		if got := server.Schedules("acme/etl"); len(got) != 1 || got[0].Cron != want {
			t.Errorf("%s: %v", cron, got)
		}
	}
	for i := range 9 {
		if _, err := timer.SetSchedule(t.Context(), etl, providers.Schedule{Name: fmt.Sprint(i), Cron: "1 2 * * *", Branch: "main"}); err != nil {
			t.Fatal(err)
		}
	}
	_, err := timer.SetSchedule(t.Context(), etl, providers.Schedule{Name: "one too many", Cron: "1 2 * * *", Branch: "main"})
	if err == nil || !strings.Contains(hint.Of(err).Next, "as many schedules") {
		t.Errorf("one too many: %v", err)
	}
}
