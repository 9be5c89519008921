package buildkited

import (
	"fmt"
	"net/http"
	"slices"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// schedule starts builds of a branch.
type schedule struct {
	ID      string            `json:"id"`
	Label   string            `json:"label"`
	Cron    string            `json:"cron"`
	Branch  string            `json:"branch"`
	Env     map[string]string `json:"env"`
	Enabled bool              `json:"enabled"`
}

// Schedule describes a schedule, for tests.
type Schedule struct {
	Label, Branch, Cron string
	Env                 map[string]string
}

// Schedules lists the schedules of a pipeline.
func (s *Server) Schedules(pipeline string) (out []Schedule) {
	s.Do(func() {
		for _, x := range s.state.Pipelines[pipeline].Schedules {
			out = append(out, Schedule{x.Label, x.Branch, x.Cron, x.Env})
		}
	})
	return out
}

// cronline is cron with a time zone that may be left out.
var cronline = pattern.New(`^(\S+ ){4}\S+( UTC)?$`)

func (x *schedule) shown() map[string]any {
	return map[string]any{"id": x.ID, "label": x.Label, "cronline": x.Cron, "branch": x.Branch, "commit": "HEAD", "env": x.Env, "enabled": x.Enabled, "failed_message": nil}
}

// change takes over what a request says; what it does not say stays.
func (x *schedule) change(r *http.Request) *embedded.Answer {
	var in struct {
		Label, Cronline, Branch, Commit, Message *string

		Env     map[string]string
		Enabled *bool
	}
	if !embedded.Read(r, &in) {
		a := fail(400, "Invalid JSON")
		return &a
	}
	for to, v := range map[*string]*string{&x.Label: in.Label, &x.Cron: in.Cronline, &x.Branch: in.Branch} {
		if v != nil {
			*to = *v
		}
	}
	if in.Env != nil {
		x.Env = in.Env
	}
	if in.Enabled != nil {
		x.Enabled = *in.Enabled
	}
	if !cronline.MatchString(x.Cron) {
		a := fail(422, "Validation failed: Cronline is invalid")
		return &a
	}
	return nil
}

// schedules serves the schedules of a pipeline: to see them takes another scope than to make them.
func (s *Server) schedules(base string) map[string]embedded.Action {
	one := func(act func(p *pipeline, at int, r *http.Request) embedded.Answer) embedded.Action {
		return s.in("write_pipelines", func(p *pipeline, r *http.Request) embedded.Answer {
			at := slices.IndexFunc(p.Schedules, func(x *schedule) bool { return x.ID == r.PathValue("id") })
			if at < 0 {
				return fail(404, "No pipeline schedule found")
			}
			return act(p, at, r)
		})
	}
	return map[string]embedded.Action{
		"GET " + base: s.in("read_pipelines", func(p *pipeline, r *http.Request) embedded.Answer {
			var all []any
			for _, x := range slices.Backward(p.Schedules) { // the newest first
				all = append(all, x.shown())
			}
			return page(r, all)
		}),
		"POST " + base: s.in("write_pipelines", func(p *pipeline, r *http.Request) embedded.Answer {
			s.state.NextID++
			x := &schedule{ID: fmt.Sprintf("%08d-0000-4000-8000-000000000001", s.state.NextID), Branch: s.Trunk(), Enabled: true}
			if no := x.change(r); no != nil {
				return *no
			}
			p.Schedules = append(p.Schedules, x)
			return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
		}),
		"PUT " + base + "/{id}": one(func(p *pipeline, at int, r *http.Request) embedded.Answer {
			x := *p.Schedules[at]
			if no := x.change(r); no != nil {
				return *no
			}
			p.Schedules[at] = &x
			return embedded.OK(x.shown())
		}),
		"DELETE " + base + "/{id}": one(func(p *pipeline, at int, _ *http.Request) embedded.Answer {
			p.Schedules = slices.Delete(p.Schedules, at, at+1)
			return embedded.Answer{Status: http.StatusNoContent}
		}),
	}
}
