package droned

import (
	"net/http"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// cron starts builds of a branch.
type cron struct {
	Name     string `json:"name"`
	Expr     string `json:"expr"`
	Branch   string `json:"branch"`
	Disabled bool   `json:"disabled"`
}

// Cron describes a schedule, for tests.
type Cron struct{ Name, Branch, Expr string }

// Crons lists the schedules of a repository.
func (s *Server) Crons(path string) (out []Cron) {
	s.Do(func() {
		for _, x := range s.state.Crons[path] {
			out = append(out, Cron{x.Name, x.Branch, x.Expr})
		}
	})
	return out
}

var (
	// An expression begins with seconds; the last field, the day of the week, may be left out.
	expression = pattern.New(`^(\S+ ){4,5}\S+$`)
	notSlug    = pattern.New(`[^a-z0-9_]+`)
)

func (x cron) shown() map[string]any {
	return map[string]any{"id": 1, "repo_id": 1, "name": x.Name, "expr": x.Expr, "event": "push", "branch": x.Branch, "disabled": x.Disabled, "next": 1, "prev": 0, "created": 1, "updated": 1, "version": 1}
}

// crons serves the schedules of repositories, to those alone who may push. A change never is one of the time.
func (s *Server) crons(base string) map[string]embedded.Action {
	in := func(act func(repo string, r *http.Request) embedded.Answer) embedded.Action {
		return func(r *http.Request) embedded.Answer {
			repo, no := s.ofRepo(r)
			if repo == "" {
				return no
			}
			return act(repo, r)
		}
	}
	one := func(act func(repo string, at int, r *http.Request) embedded.Answer) embedded.Action {
		return in(func(repo string, r *http.Request) embedded.Answer {
			at := slices.IndexFunc(s.state.Crons[repo], func(x cron) bool { return x.Name == r.PathValue("cron") })
			if at < 0 {
				return fail(404, "sql: no rows in result set")
			}
			return act(repo, at, r)
		})
	}
	return map[string]embedded.Action{
		"GET " + base: in(func(repo string, _ *http.Request) embedded.Answer {
			all := []any{}
			for _, x := range s.state.Crons[repo] {
				all = append(all, x.shown())
			}
			return embedded.OK(all)
		}),
		"POST " + base: in(s.addCron),
		"PATCH " + base + "/{cron}": one(func(repo string, at int, r *http.Request) embedded.Answer {
			var body struct {
				Branch, Target *string
				Disabled       *bool
			}
			if !embedded.Read(r, &body) {
				return fail(400, "invalid body")
			}
			x := &s.state.Crons[repo][at]
			if body.Branch != nil {
				x.Branch = *body.Branch
			}
			if body.Disabled != nil {
				x.Disabled = *body.Disabled
			}
			return embedded.OK(x.shown())
		}),
		"DELETE " + base + "/{cron}": one(func(repo string, at int, _ *http.Request) embedded.Answer {
			s.state.Crons[repo] = slices.Delete(s.state.Crons[repo], at, at+1)
			return embedded.Answer{Status: http.StatusNoContent}
		}),
	}
}

func (s *Server) addCron(repo string, r *http.Request) embedded.Answer {
	var x cron
	if !embedded.Read(r, &x) {
		return fail(400, "invalid body")
	}
	x.Name = strings.Trim(notSlug.ReplaceAllString(strings.ToLower(x.Name), "-"), "-_")
	switch {
	case !expression.MatchString(x.Expr):
		return fail(400, "Invalid Cronjob Expression")
	case x.Name == "":
		return fail(400, "Invalid Cronjob Name")
	case x.Branch == "":
		return fail(400, "Invalid Cronjob Branch")
	case slices.ContainsFunc(s.state.Crons[repo], func(y cron) bool { return y.Name == x.Name }):
		return fail(500, "UNIQUE constraint failed: cron.cron_repo_id, cron.cron_name")
	}
	if s.state.Crons == nil {
		s.state.Crons = map[string][]cron{}
	}
	s.state.Crons[repo] = append(s.state.Crons[repo], x)
	return embedded.OK(x.shown())
}
