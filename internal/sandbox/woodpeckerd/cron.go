package woodpeckerd

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// cron starts pipelines of a branch.
type cron struct {
	ID       int    `json:"id"`
	Name     string `json:"name"`
	Schedule string `json:"schedule"`
	Branch   string `json:"branch"`
	Enabled  bool   `json:"enabled"`
}

// Cron describes a schedule, for tests.
type Cron struct{ Name, Branch, Schedule string }

// Crons lists the schedules of a repository.
func (s *Server) Crons(path string) (out []Cron) {
	s.Do(func() {
		for _, x := range s.state.Places[path].Crons {
			out = append(out, Cron{x.Name, x.Branch, x.Schedule})
		}
	})
	return out
}

// SetVersion makes the server one of another version.
func (s *Server) SetVersion(v string) { s.Do(func() { s.version = v }) }

var (
	five      = pattern.New(`^(\S+ ){4}\S+$`)
	fiveOrSix = pattern.New(`^(\S+ ){4,5}\S+$`) // the last of six, the day of the week, may be left out
)

func (x *cron) shown() map[string]any {
	return map[string]any{"id": x.ID, "name": x.Name, "schedule": x.Schedule, "branch": x.Branch, "enabled": x.Enabled, "repo_id": 1, "creator_id": 1, "next_exec": 1, "created": 1}
}

// change takes over what a request says; what it does not say stays.
func (s *Server) change(p *place, x *cron, r *http.Request) *embedded.Answer {
	no := func(status int, message string) *embedded.Answer {
		a := fail(status, message)
		return &a
	}
	var in struct {
		Name, Schedule, Branch string
		Enabled                *bool
	}
	if !embedded.Read(r, &in) {
		return no(400, "Error parsing request.")
	}
	for to, v := range map[*string]string{&x.Name: in.Name, &x.Schedule: in.Schedule, &x.Branch: in.Branch} {
		if v != "" {
			*to = v
		}
	}
	if in.Enabled != nil {
		x.Enabled = *in.Enabled
	}
	form := five
	if strings.HasPrefix(s.version, "2.") {
		form = fiveOrSix
	}
	switch {
	case x.Name == "":
		return no(422, "Error inserting cron. validate failed: name is required")
	case !form.MatchString(x.Schedule):
		return no(422, "Error inserting cron. validate failed: can't parse schedule")
	case x.Branch != "" && !s.Known(s.pathOf(p), x.Branch):
		return no(400, "Error inserting cron. branch not resolved: not found")
	}
	return nil
}

func (s *Server) listCrons(p *place, r *http.Request) embedded.Answer {
	var all []any
	for _, x := range p.Crons {
		all = append(all, x.shown())
	}
	return page(r, all)
}

// crons serves the schedules of repositories, but for their list.
func (s *Server) crons(base string) map[string]embedded.Action {
	one := func(act func(p *place, at int, r *http.Request) embedded.Answer) embedded.Action {
		return s.in(false, func(p *place, r *http.Request) embedded.Answer {
			at := slices.IndexFunc(p.Crons, func(x *cron) bool { return strconv.Itoa(x.ID) == r.PathValue("cron") })
			if at < 0 {
				return fail(404, "")
			}
			return act(p, at, r)
		})
	}
	return map[string]embedded.Action{
		"GET /version": func(*http.Request) embedded.Answer {
			return embedded.OK(map[string]string{"source": "https://github.com/woodpecker-ci/woodpecker", "version": s.version})
		},
		"POST " + base: s.in(false, func(p *place, r *http.Request) embedded.Answer {
			s.state.NextID++
			x := &cron{ID: s.state.NextID}
			if no := s.change(p, x, r); no != nil {
				return *no
			}
			if slices.ContainsFunc(p.Crons, func(y *cron) bool { return y.Name == x.Name }) {
				return fail(500, "Error inserting cron. UNIQUE constraint failed")
			}
			p.Crons = append(p.Crons, x)
			return embedded.OK(x.shown())
		}),
		"PATCH " + base + "/{cron}": one(func(p *place, at int, r *http.Request) embedded.Answer {
			x := *p.Crons[at]
			if no := s.change(p, &x, r); no != nil {
				return *no
			}
			p.Crons[at] = &x
			return embedded.OK(x.shown())
		}),
		"DELETE " + base + "/{cron}": one(func(p *place, at int, _ *http.Request) embedded.Answer {
			p.Crons = slices.Delete(p.Crons, at, at+1)
			return embedded.Answer{Status: http.StatusNoContent}
		}),
	}
}
