package woodpecker_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: woodpecker.Render, Targets: []setup.Target{{Store: "woodpecker", Address: "acme/etl"}, {Store: "woodpecker", Address: "acme"}},
		Fits: testkit.NewSchema(t, "woodpecker.schema.json", nil).Fits,
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			script, env, err := job(raw, secrets, before, after)
			env["CI_SYSTEM_URL"] = "https://ci.example.com/below"
			return script + "\n[ \"$WOODPECKER_SERVER\" = https://ci.example.com/below ] || exit 7\n", env, err
		},
	}})
	raw, err := woodpecker.Render(providertest.RenewalPlan(setup.Weekly, setup.Target{Store: "woodpecker", Address: "acme/etl"}))
	if err != nil || strings.Contains(string(raw), "push") || !strings.Contains(string(raw), "cron: \"astro-ci etl-prod-rotation\"\n") {
		t.Errorf("%v\n%s", err, raw)
	}
}

// What a scheduled run reads is for scheduled runs alone.
func TestScheduledSecret(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	for scheduled, want := range map[bool]string{true: "cron", false: "push manual"} {
		if _, err := w.Store.Put(t.Context(), target("acme/etl", name), testkit.Canary(t), providers.Meta{Scheduled: scheduled}); err != nil {
			t.Fatal(err)
		}
		if _, events, err := server.Open("acme/etl", name); err != nil || strings.Join(events, " ") != want {
			t.Errorf("%v: %v, %v", scheduled, events, err)
		}
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	for version, seconds := range map[string]string{"3.12.0": "", "2.8.3": "0 ", "next-0f1e2d3c4b": ""} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			providertest.Timers(t, etl, func(t *testing.T) *providertest.TimerWorld {
				server, w := newWorld(t)
				server.SetVersion(version)
				timer, ok := w.Store.(providers.Timer)
				if !ok {
					t.Fatal("Woodpecker keeps no schedules")
				}
				return &providertest.TimerWorld{
					Timer: timer, Faults: w.Faults, Deny: w.Deny,
					Create: func() (string, string) { return http.MethodPost, "/api/repos/*/cron" },
					Kept: func() (out []providers.Schedule) {
						for _, s := range server.Crons("acme/etl") {
							cron, ok := strings.CutPrefix(s.Schedule, seconds)
							if !ok {
								t.Errorf("%s would be at another time", s.Schedule)
							}
							out = append(out, providers.Schedule{Name: s.Name, Cron: cron, Branch: s.Branch})
						}
						return out
					},
				}
			})
		})
	}
	_, w := newWorld(t)
	_, err := w.Store.(providers.Timer).SetSchedule(t.Context(), etl, providers.Schedule{Name: "x", Cron: "1 2 * * *", Branch: "other"})
	if err == nil || !strings.Contains(hint.Of(err).Next, "branch has to be there") {
		t.Errorf("a branch that is not there: %v", err)
	}
}
