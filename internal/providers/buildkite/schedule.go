package buildkite

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSchedules = "https://buildkite.com/docs/apis/rest-api/pipeline-schedules"
	loginVariable = "BUILDKITE_API_TOKEN"
	// mark is the variable by which a build says what scheduled it: each build runs all steps of the file.
	mark = "ASTRO_CI_SCHEDULE"
)

// pushed is when a step runs that deploys.
var pushed = pipeline.Pair{
	Key: "if", Value: `build.pull_request.id == null && build.env("` + mark + `") == null`,
	Above: []string{"No pull requests: they must not see the secret. No schedule that renews a token."},
}

// onSchedule is when the step runs: when its own schedule starts a build.
func onSchedule(p setup.Plan) pipeline.Pair {
	return pipeline.Pair{
		Key: "if", Value: `build.pull_request.id == null && build.source == "schedule" && build.env("` + mark + `") == "` + providers.ScheduleOf(p).Name + `"`,
		Above: []string{"Its schedule starts it, and no other one."},
	}
}

// Scheduled says what a scheduled build needs.
func (p *Provider) Scheduled() providers.Scheduled {
	return providers.Scheduled{
		Link:  docsLogin,
		Right: "An API access token with the scopes " + strings.Join(scopes[:4], ", ") + ", of somebody who maintains the cluster.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store {
	return New(p.options.As(p.organization, login))
}

// pipelineSchedule is a schedule as the API describes it.
type pipelineSchedule struct {
	ID    string `json:"id"`
	Label string `json:"label"`
}

// timetable is how Buildkite keeps the schedules of a name, which is their label.
func (p *Provider) timetable(r setup.Repository, s providers.Schedule) providers.Timetable[pipelineSchedule] {
	at := of(r) + "/schedules"
	send := func(ctx context.Context, method, path string, body any) error {
		_, err := p.do(ctx, httpx.Call{Method: method, Path: path, Body: body})
		return err
	}
	body := map[string]any{
		"label": s.Name, "cronline": s.Cron + " UTC", "branch": s.Branch, "commit": "HEAD", "enabled": true,
		"message": "Renew what is due (" + s.Name + ")", "env": map[string]string{mark: s.Name},
	}
	return providers.Timetable[pipelineSchedule]{
		Find: func(ctx context.Context) ([]pipelineSchedule, error) {
			all, err := pages[pipelineSchedule](ctx, p, at)
			return slices.DeleteFunc(all, func(x pipelineSchedule) bool { return x.Label != s.Name }), err
		},
		Create: func(ctx context.Context) error { return send(ctx, http.MethodPost, at, body) },
		Change: func(ctx context.Context, x pipelineSchedule) error {
			return send(ctx, http.MethodPut, at+"/"+url.PathEscape(x.ID), body)
		},
		Delete: func(ctx context.Context, x pipelineSchedule) error {
			return send(ctx, http.MethodDelete, at+"/"+url.PathEscape(x.ID), nil)
		},
	}
}

// SetSchedule makes the schedule, or changes the one of this name.
func (p *Provider) SetSchedule(ctx context.Context, r setup.Repository, s providers.Schedule) (created bool, err error) {
	return p.timetable(r, s).Set(ctx)
}

// RemoveSchedule deletes the schedules of this name.
func (p *Provider) RemoveSchedule(ctx context.Context, r setup.Repository, name string) error {
	return p.timetable(r, providers.Schedule{Name: name}).Remove(ctx)
}
