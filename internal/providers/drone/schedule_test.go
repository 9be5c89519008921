package drone_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestScheduled(t *testing.T) {
	t.Parallel()
	providertest.Scheduled(t, providertest.ScheduledSubject{PipelineSubject: providertest.PipelineSubject{
		Render: drone.Render, Targets: []setup.Target{{Store: "drone", Address: "acme/etl"}, {Store: "drone", Address: "acme"}}, Fits: fits(t),
		Job: func(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
			script, env, err := job(raw, secrets, before, after)
			env["DRONE_SYSTEM_PROTO"], env["DRONE_SYSTEM_HOST"] = "https", "ci.example.com"
			return script + "\n[ \"$DRONE_SERVER\" = https://ci.example.com ] || exit 7\n", env, err
		},
	}})
	p := providertest.RenewalPlan(setup.Weekly, setup.Target{Store: "drone", Address: "acme/etl"})
	p.Name = "a.b_-rotation"
	raw, err := drone.Render(p)
	if err != nil || strings.Contains(string(raw), "push") || !strings.Contains(string(raw), "cron:\n    - \"astro-ci-a-b_-rotation\"\n") {
		t.Errorf("%v\n%s", err, raw)
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	repo := setup.Repository{Host: "drone.example", Path: "acme/etl"}
	providertest.Timers(t, repo, func(t *testing.T) *providertest.TimerWorld {
		server, w := newWorld(t)
		timer, ok := w.Store.(providers.Timer)
		if !ok {
			t.Fatal("Drone keeps no schedules")
		}
		return &providertest.TimerWorld{
			Timer: timer, Faults: w.Faults, Deny: w.Deny,
			Create: func() (string, string) { return http.MethodPost, "/api/repos/*/*/cron" },
			Kept: func() (out []providers.Schedule) {
				for _, s := range server.Crons("acme/etl") {
					cron, ok := strings.CutPrefix(s.Expr, "0 ")
					if !ok || len(strings.Fields(cron)) != 5 {
						t.Errorf("%s would be at another time", s.Expr)
					}
					out = append(out, providers.Schedule{Name: strings.Replace(s.Name, "astro-ci-", "astro-ci ", 1), Cron: cron, Branch: s.Branch})
				}
				return out
			},
		}
	})
}
