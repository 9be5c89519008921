package woodpecker

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSchedules = "https://woodpecker-ci.org/docs/usage/cron"
	loginVariable = "WOODPECKER_TOKEN"
)

// server tells the run which Woodpecker it is one of.
const server pipeline.Literal = "WOODPECKER_SERVER=\"$CI_SYSTEM_URL\"\nexport WOODPECKER_SERVER\n"

// events are those that get a secret: a scheduled run's own never reach what a push or a person starts.
func events(m providers.Meta) []string {
	if m.Scheduled {
		return []string{"cron"}
	}
	return []string{"push", "manual"}
}

// onSchedule is when the workflow runs: when its own schedule starts a pipeline.
func onSchedule(p setup.Plan) pipeline.Map {
	return pipeline.Map{
		{Key: "event", Value: pipeline.Plain("cron"), Above: []string{"Its schedule starts it, and no other one."}},
		{Key: "cron", Value: providers.ScheduleOf(p).Name},
	}
}

// Scheduled says what a scheduled workflow needs.
func (p *Provider) Scheduled() providers.Scheduled {
	link := docsLogin
	if p != nil {
		link = "https://" + p.host + "/user"
	}
	return providers.Scheduled{
		Link:  link,
		Right: "A token of a user who may push to the repository, or administrates the organization whose secret it is; best one of a user made for it: a token of Woodpecker may do all that its user may.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store { return New(p.options.As("", login)) }

// cron is a schedule as the API describes it.
type cron struct {
	ID   int64  `json:"id"`
	Name string `json:"name"`
}

// expression is a schedule of five fields as this server takes it: before version 3 it begins with seconds,
// and five fields would mean something else. A server whose version is no number is a newer one.
func (p *Provider) expression(ctx context.Context, fields string) (string, error) {
	var v struct {
		Version string `json:"version"`
	}
	if err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/version", Out: &v}); err != nil {
		return "", err
	}
	major, _, _ := strings.Cut(strings.TrimPrefix(v.Version, "v"), ".")
	if n, err := strconv.Atoi(major); err == nil && n < 3 {
		return "0 " + fields, nil
	}
	return fields, nil
}

// timetable is how Woodpecker keeps the schedules of a name; there is never more than one.
func (p *Provider) timetable(ctx context.Context, r setup.Repository, s providers.Schedule) (t providers.Timetable[cron], err error) {
	x, err := p.repo(ctx, r.Path)
	at := "/api/repos/" + strconv.FormatInt(x.ID, 10) + "/cron"
	send := func(ctx context.Context, method, path string) error {
		expression, err := p.expression(ctx, s.Cron)
		if err != nil {
			return err
		}
		return p.do(ctx, httpx.Call{Method: method, Path: path, Body: map[string]any{"name": s.Name, "schedule": expression, "branch": s.Branch, "enabled": true}})
	}
	of := func(x cron) string { return at + "/" + strconv.FormatInt(x.ID, 10) }
	return providers.Timetable[cron]{
		Find: func(ctx context.Context) ([]cron, error) {
			all, err := pages[cron](ctx, p, at)
			return slices.DeleteFunc(all, func(x cron) bool { return x.Name != s.Name }), err
		},
		Create: func(ctx context.Context) error { return send(ctx, http.MethodPost, at) },
		Change: func(ctx context.Context, x cron) error { return send(ctx, http.MethodPatch, of(x)) },
		Delete: func(ctx context.Context, x cron) error {
			return p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: of(x)})
		},
	}, err
}

// SetSchedule makes the schedule, or changes the one of this name. It runs with the rights of the person
// whose log-in made it.
func (p *Provider) SetSchedule(ctx context.Context, r setup.Repository, s providers.Schedule) (created bool, err error) {
	t, err := p.timetable(ctx, r, s)
	if err != nil {
		return false, err
	}
	return t.Set(ctx)
}

// RemoveSchedule deletes the schedule of this name.
func (p *Provider) RemoveSchedule(ctx context.Context, r setup.Repository, name string) error {
	t, err := p.timetable(ctx, r, providers.Schedule{Name: name})
	if err != nil {
		return err
	}
	return t.Remove(ctx)
}
