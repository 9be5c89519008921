package gitlab

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsProjectTokens = "https://docs.gitlab.com/user/project/settings/project_access_tokens/"

// Scheduled says what a scheduled pipeline needs: the token that GitLab gives each job cannot write
// variables, and cannot open issues.
func (p *Provider) Scheduled() providers.Scheduled {
	return providers.Scheduled{
		Link:  docsProjectTokens,
		Right: "A project access token (Settings, Access tokens) with the role Maintainer and the scope api; for variables of a group a group access token with the role Owner.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store {
	o := p.options
	o.Login = Login{Value: login}
	return ofRuns{New(o)}
}

// ofRuns is GitLab as scheduled runs see it: on GitLab every access token ends, and who renews theirs has to know when.
type ofRuns struct{ *Provider }

// Check tells the end of the log-in as well.
func (x ofRuns) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	out, err := x.Provider.Check(ctx, t)
	if err == nil {
		out.Ends, err = x.api.loginEnds(ctx)
	}
	return out, err
}

// pipelineSchedule is a schedule as the API describes it.
type pipelineSchedule struct {
	ID          int    `json:"id"`
	Description string `json:"description"`
}

// timetable is how GitLab keeps the schedules of a name, which is their description.
func (p *Provider) timetable(r setup.Repository, s providers.Schedule) providers.Timetable[pipelineSchedule] {
	at := "/projects/" + url.PathEscape(r.Path) + "/pipeline_schedules"
	of := func(x pipelineSchedule) string { return at + "/" + strconv.Itoa(x.ID) }
	body := map[string]any{"description": s.Name, "ref": "refs/heads/" + s.Branch, "cron": s.Cron, "cron_timezone": "UTC", "active": true}
	return providers.Timetable[pipelineSchedule]{
		Find: func(ctx context.Context) ([]pipelineSchedule, error) {
			all, err := pages[pipelineSchedule](ctx, p.api, at)
			return slices.DeleteFunc(all, func(x pipelineSchedule) bool { return x.Description != s.Name }), err
		},
		Create: func(ctx context.Context) error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at, Body: body})
		},
		Change: func(ctx context.Context, x pipelineSchedule) error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodPut, Path: of(x), Body: body})
		},
		Delete: func(ctx context.Context, x pipelineSchedule) error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodDelete, Path: of(x)})
		},
	}
}

// SetSchedule makes the schedule, or changes the one of this name. It runs with the rights of the person
// whose log-in made it.
func (p *Provider) SetSchedule(ctx context.Context, r setup.Repository, s providers.Schedule) (created bool, err error) {
	return p.timetable(r, s).Set(ctx)
}

// RemoveSchedule deletes the schedules of this name.
func (p *Provider) RemoveSchedule(ctx context.Context, r setup.Repository, name string) error {
	return p.timetable(r, providers.Schedule{Name: name}).Remove(ctx)
}

// rotation is the script of the job that renews the token. Its log-ins are set in the script: a variable of
// the project of the same name, the one of the pipeline that deploys, would win over one of the job.
func rotation(p setup.Plan, place string) (pipeline.Portable, error) {
	x, err := pipeline.NewRotation(p, place, "GITLAB_TOKEN")
	x.Script = pipeline.Exports(pipeline.Reads(p, "GITLAB_TOKEN")) + x.Script
	if p.Repository.Host != "gitlab.com" {
		x.Env = append(x.Env, pipeline.Pair{Key: "GITLAB_HOST", Value: p.Repository.Host})
	}
	return x, err
}

// onSchedule is when the job runs: when its own schedule starts a pipeline, by itself or by hand.
func onSchedule(p setup.Plan, branch string) pipeline.Pair {
	return pipeline.Pair{
		Key: "rules", Value: pipeline.List{
			pipeline.Map{{Key: "if", Value: `$CI_PIPELINE_SOURCE == "schedule" && $CI_PIPELINE_SCHEDULE_DESCRIPTION == "` + providers.ScheduleOf(p).Name + `" && $CI_COMMIT_BRANCH == ` + branch}},
		}, Above: []string{"Its schedule starts it, and no other one; GitLab tells them apart since 17.8."},
	}
}
