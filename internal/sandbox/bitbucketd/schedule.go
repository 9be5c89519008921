package bitbucketd

import (
	"net/http"
	"slices"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// maxSchedules is how many a repository may have.
const maxSchedules = 10

// schedule starts a custom pipeline of a branch.
type schedule struct {
	ID       string `json:"id"`
	Enabled  bool   `json:"enabled"`
	Cron     string `json:"cron"`
	Branch   string `json:"branch"`
	Pipeline string `json:"pipeline"`
}

// Schedule describes a schedule, for tests.
type Schedule struct{ Pipeline, Branch, Cron string }

// Schedules lists the schedules of a repository.
func (s *Server) Schedules(path string) (out []Schedule) {
	s.Do(func() {
		for _, x := range s.state.Places[path].Schedules {
			out = append(out, Schedule{x.Pipeline, x.Branch, x.Cron})
		}
	})
	return out
}

// sevenFields is cron with seconds and years. Exactly one of the two days is a question mark.
var (
	sevenFields = pattern.New(`^0 [0-5]?[0-9] ([01]?[0-9]|2[0-3]) (\*|\?|[0-9]+) (\*|[0-9]+) (\*|\?|[1-7]|SUN|MON|TUE|WED|THU|FRI|SAT) \*$`)
	oneDay      = pattern.New(`^[^?]*\?[^?]*$`)
)

func (x *schedule) shown() map[string]any {
	return map[string]any{
		"type": "pipeline_schedule", "uuid": x.ID, "enabled": x.Enabled, "cron_pattern": x.Cron, "target": map[string]any{
			"type": "pipeline_ref_target", "ref_type": "branch", "ref_name": x.Branch, "selector": map[string]any{"type": "custom", "pattern": x.Pipeline},
		},
	}
}

// schedules serves the schedules of a repository. Who may look may not always change them, and a change
// switches one on or off and does nothing else.
func (s *Server) schedules(base string) map[string]embedded.Action {
	one := func(act func(p *place, at int, r *http.Request) embedded.Answer) embedded.Action {
		return s.in(func(p *place, r *http.Request) embedded.Answer {
			at := slices.IndexFunc(p.Schedules, func(x *schedule) bool { return x.ID == r.PathValue("id") })
			switch {
			case s.Denied():
				return fail(403, "Your credentials lack one or more required privilege scopes.")
			case at < 0:
				return fail(404, "Schedule not found")
			}
			return act(p, at, r)
		})
	}
	return map[string]embedded.Action{
		"GET " + base: s.in(func(p *place, r *http.Request) embedded.Answer {
			var all []any
			for _, x := range p.Schedules {
				all = append(all, x.shown())
			}
			return page(r, all)
		}),
		"POST " + base: s.in(s.addSchedule),
		"PUT " + base + "/{id}": one(func(p *place, at int, r *http.Request) embedded.Answer {
			var body struct{ Enabled *bool }
			if !embedded.Read(r, &body) || body.Enabled == nil {
				return fail(400, "Bad request")
			}
			p.Schedules[at].Enabled = *body.Enabled
			return embedded.OK(p.Schedules[at].shown())
		}),
		"DELETE " + base + "/{id}": one(func(p *place, at int, _ *http.Request) embedded.Answer {
			p.Schedules = slices.Delete(p.Schedules, at, at+1)
			return embedded.Answer{Status: http.StatusNoContent}
		}),
	}
}

func (s *Server) addSchedule(p *place, r *http.Request) embedded.Answer {
	var body struct {
		Type    string
		Enabled bool
		Cron    string `json:"cron_pattern"`
		Target  struct {
			Type     string
			RefType  string `json:"ref_type"`
			RefName  string `json:"ref_name"`
			Selector struct{ Type, Pattern string }
		}
	}
	switch {
	case !embedded.Read(r, &body) || body.Target.RefType != "branch" || body.Target.RefName == "" || body.Target.Selector.Type != "custom" || body.Target.Selector.Pattern == "":
		return fail(400, "Bad request")
	case s.Denied():
		return fail(403, "Your credentials lack one or more required privilege scopes.")
	case !sevenFields.MatchString(body.Cron) || !oneDay.MatchString(body.Cron):
		return fail(400, "The cron pattern is invalid")
	case !s.Known(pathOf(r), body.Target.RefName):
		return fail(400, "The branch was not found")
	case len(p.Schedules) >= maxSchedules:
		return fail(401, "The maximum limit of schedules for this repository was reached")
	}
	x := &schedule{s.id(), body.Enabled, body.Cron, body.Target.RefName, body.Target.Selector.Pattern}
	p.Schedules = append(p.Schedules, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
}
