package drone

import (
	"context"
	"fmt"
	"hash/fnv"
	"net/http"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSchedules = "https://docs.drone.io/cron/"
	loginVariable = "DRONE_TOKEN"
)

// server tells the run which Drone it is one of.
const server pipeline.Literal = "DRONE_SERVER=\"$DRONE_SYSTEM_PROTO://$DRONE_SYSTEM_HOST\"\nexport DRONE_SERVER\n"

// onSchedule is when the pipeline runs: when its own schedule starts a build.
func onSchedule(p setup.Plan) pipeline.Map {
	return pipeline.Map{
		{Key: "event", Value: pipeline.List{pipeline.Plain("cron")}, Above: []string{"Its schedule starts it, and no other one."}},
		{Key: "cron", Value: pipeline.List{slug(providers.ScheduleOf(p).Name)}},
	}
}

var notSlug = pattern.New(`[^a-z0-9_]+`)

// slug is a name in the form that Drone gives those of schedules. A sum of the name keeps those apart that
// would have the same form.
func slug(name string) string {
	out := strings.Trim(notSlug.ReplaceAllString(strings.ToLower(name), "-"), "-_")
	if out == strings.ReplaceAll(name, " ", "-") { // a space stands in all of them, at the same place
		return out
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name))
	return fmt.Sprintf("%s-%08x", out, h.Sum32())
}

// Scheduled says what a scheduled pipeline needs.
func (p *Provider) Scheduled() providers.Scheduled {
	link := docsLogin
	if p != nil {
		link = "https://" + p.host + "/account"
	}
	return providers.Scheduled{
		Link:  link,
		Right: "The token of a user who may push to the repository, or administrates the organization whose secret it is; best one of a user made for it: each user of Drone has one token, which may do all that its user may.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store { return New(p.options.As("", login)) }

// cron is a schedule as the API describes it.
type cron struct {
	Name     string `json:"name"`
	Expr     string `json:"expr"`
	Branch   string `json:"branch"`
	Disabled bool   `json:"disabled"`
}

// timetable is how Drone keeps the schedules of a name; there is never more than one. An expression begins
// with seconds, and cannot be changed.
func (p *Provider) timetable(r setup.Repository, s providers.Schedule) providers.Timetable[cron] {
	want, at := cron{Name: slug(s.Name), Expr: "0 " + s.Cron, Branch: s.Branch}, "/api/repos/"+r.Path+"/cron"
	t := providers.Timetable[cron]{
		Find: func(ctx context.Context) (all []cron, err error) {
			err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &all})
			return slices.DeleteFunc(all, func(x cron) bool { return x.Name != want.Name }), err
		},
		Create: func(ctx context.Context) error {
			return p.do(ctx, httpx.Call{Method: http.MethodPost, Path: at, Body: map[string]any{"name": want.Name, "expr": want.Expr, "branch": want.Branch}})
		},
		Delete: func(ctx context.Context, x cron) error {
			return p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/" + x.Name})
		},
	}
	t.Change = func(ctx context.Context, x cron) error {
		if x == want {
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

// RemoveSchedule deletes the schedule of this name.
func (p *Provider) RemoveSchedule(ctx context.Context, r setup.Repository, name string) error {
	return p.timetable(r, providers.Schedule{Name: name}).Remove(ctx)
}
