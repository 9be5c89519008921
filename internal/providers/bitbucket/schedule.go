package bitbucket

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
	docsAccessTokens = "https://support.atlassian.com/bitbucket-cloud/docs/repository-access-tokens/"
	docsSchedules    = "https://support.atlassian.com/bitbucket-cloud/docs/pipeline-triggers/"
	loginVariable    = "BITBUCKET_ACCESS_TOKEN"
	schedulesPath    = "/pipelines_config/schedules"
)

// alone makes the run's own log-in the only one: variables of the repository would be looked at before it.
const alone pipeline.Literal = "unset BITBUCKET_API_TOKEN BITBUCKET_PASSWORD\n"

// Scheduled says what a scheduled pipeline needs. An API token of a person would do more, and takes an
// address beside it.
func (p *Provider) Scheduled() providers.Scheduled {
	return providers.Scheduled{
		Link:  docsAccessTokens,
		Right: "An access token of the repository (Repository settings, Access tokens) with Repositories: Read and Pipelines: Read, Write and Edit variables; for variables of a workspace one of the workspace.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store { return New(p.options.As("", login)) }

// begins is where the plan's pipeline stands in the file: what a schedule starts is a custom pipeline.
func begins(p setup.Plan) (section, name string) {
	if p.Job.Scheduled() {
		return "custom", custom(providers.ScheduleOf(p).Name)
	}
	return "branches", p.Pipeline.Branch
}

// custom is the name of the pipeline that a schedule starts, by which the schedule is known.
func custom(schedule string) string { return strings.ReplaceAll(schedule, " ", "-") }

// pipelineSchedule is a schedule as the API describes it.
type pipelineSchedule struct {
	ID      string `json:"uuid"` // in braces
	Enabled bool   `json:"enabled"`
	Cron    string `json:"cron_pattern"`
	Target  struct {
		Branch   string `json:"ref_name"`
		Selector struct {
			Type    string `json:"type"`
			Pattern string `json:"pattern"`
		} `json:"selector"`
	} `json:"target"`
}

// days are the days of the week by their names: as numbers they begin with 1 here, on Sunday.
var days = map[string]string{"0": "SUN", "1": "MON", "2": "TUE", "3": "WED", "4": "THU", "5": "FRI", "6": "SAT"}

// sevenFields is a schedule of five fields in seven: with seconds and years, and with a question mark for the
// day that is not said.
func sevenFields(cron string) string {
	f := strings.Fields(cron)
	if day, ok := days[f[4]]; ok {
		return "0 " + strings.Join([]string{f[0], f[1], "?", f[3], day, "*"}, " ")
	}
	return "0 " + strings.Join([]string{f[0], f[1], f[2], f[3], "?", "*"}, " ")
}

// timetable is how Bitbucket keeps the schedules of a pipeline. What is there can only be switched on and off.
func (p *Provider) timetable(r setup.Repository, s providers.Schedule) providers.Timetable[pipelineSchedule] {
	at, name := "/repositories/"+r.Path+schedulesPath, custom(s.Name)
	t := providers.Timetable[pipelineSchedule]{
		Find: func(ctx context.Context) ([]pipelineSchedule, error) {
			all, err := pages[pipelineSchedule](ctx, p.api, at)
			return slices.DeleteFunc(all, func(x pipelineSchedule) bool {
				return x.Target.Selector.Type != "custom" || x.Target.Selector.Pattern != name
			}), err
		},
		Create: func(ctx context.Context) error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at, Body: map[string]any{
				"type": "pipeline_schedule", "enabled": true, "cron_pattern": sevenFields(s.Cron),
				"target": map[string]any{
					"type": "pipeline_ref_target", "ref_type": "branch", "ref_name": s.Branch,
					"selector": map[string]any{"type": "custom", "pattern": name},
				},
			}})
		},
		Delete: func(ctx context.Context, x pipelineSchedule) error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/" + url.PathEscape(x.ID)})
		},
	}
	t.Change = func(ctx context.Context, x pipelineSchedule) error {
		if x.Enabled && x.Cron == sevenFields(s.Cron) && x.Target.Branch == s.Branch {
			return nil
		}
		return t.Replace(ctx, x)
	}
	return t
}

// SetSchedule makes the schedule, or brings the one that is there to what is said.
func (p *Provider) SetSchedule(ctx context.Context, r setup.Repository, s providers.Schedule) (created bool, err error) {
	return p.timetable(r, s).Set(ctx)
}

// RemoveSchedule deletes the schedules of this name.
func (p *Provider) RemoveSchedule(ctx context.Context, r setup.Repository, name string) error {
	return p.timetable(r, providers.Schedule{Name: name}).Remove(ctx)
}
