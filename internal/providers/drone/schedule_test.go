package drone_test

import (
	"net/http"
	"regexp"
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
	seen := map[string]string{}
	for _, name := range []string{"a-b_-rotation", "a.b_-rotation", "a.b-rotation", "a-b.-rotation"} {
		p.Name = name
		raw, err := drone.Render(p)
		_, cron, ok := strings.Cut(string(raw), "cron:\n    - \"")
		cron, _, _ = strings.Cut(cron, "\"\n")
		if err != nil || !ok || strings.Contains(string(raw), "push") || !form.MatchString(cron) || seen[cron] != "" {
			t.Errorf("%s: %v: %q, like that of %s", name, err, cron, seen[cron])
		}
		seen[cron] = name
	}
}

// form is the one that Drone gives the names of schedules.
var form = regexp.MustCompile(`^astro-ci-[a-z0-9]+([-_]+[a-z0-9]+)*$`)

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
