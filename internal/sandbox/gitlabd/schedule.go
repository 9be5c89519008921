package gitlabd

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

// schedule is a pipeline schedule.
type schedule struct {
	ID          int    `json:"id"`
	Description string `json:"description"`
	Ref         string `json:"ref"`
	Cron        string `json:"cron"`
	Zone        string `json:"cron_timezone"`
	Active      bool   `json:"active"`
}

// Schedule describes a pipeline schedule, for tests.
type Schedule struct{ Description, Ref, Cron string }

// Schedules lists the pipeline schedules of a project.
func (s *Server) Schedules(path string) (out []Schedule) {
	s.Do(func() {
		for _, x := range s.state.Projects[path].Schedules {
			out = append(out, Schedule{x.Description, x.Ref, x.Cron})
		}
	})
	return out
}

var fiveFields = pattern.New(`^(\S+ ){4}\S+$`)

// schedules serves the pipeline schedules of a project: a Developer may make them where the branch takes
// pushes of Developers, which a protected one does not.
func (s *Server) schedules(header map[string]string, r *http.Request, p *project, sub []string) (int, any, *refusal) {
	at := -1
	if len(sub) == 1 {
		at = slices.IndexFunc(p.Schedules, func(x *schedule) bool { return strconv.Itoa(x.ID) == sub[0] })
	}
	switch {
	case p.Level < developer:
		return 0, nil, refuse(http.StatusForbidden, "403 Forbidden")
	case len(sub) == 0 && r.Method == http.MethodGet:
		var all []any
		for _, x := range p.Schedules {
			all = append(all, x)
		}
		return s.page(header, r, all)
	case len(sub) > 1 || len(sub) == 1 && at < 0:
		return 0, nil, refuse(http.StatusNotFound, "404 Pipeline Schedule Not Found")
	case len(sub) == 1 && r.Method == http.MethodGet:
		return 200, p.Schedules[at], nil
	case len(sub) == 1 && r.Method == http.MethodDelete:
		p.Schedules = slices.Delete(p.Schedules, at, at+1)
		return 204, nil, nil
	case len(sub) == 0 && r.Method == http.MethodPost:
		s.state.NextID++
		x := &schedule{ID: s.state.NextID, Zone: "UTC", Active: true}
		if no := x.change(r, p); no != nil {
			return 0, nil, no
		}
		p.Schedules = append(p.Schedules, x)
		return 201, x, nil
	case len(sub) == 1 && r.Method == http.MethodPut:
		x := *p.Schedules[at]
		if no := x.change(r, p); no != nil {
			return 0, nil, no
		}
		p.Schedules[at] = &x
		return 200, &x, nil
	}
	return 0, nil, notFound
}

// change takes over what a request says.
func (x *schedule) change(r *http.Request, p *project) *refusal {
	if err := json.NewDecoder(r.Body).Decode(x); err != nil {
		return refuse(http.StatusBadRequest, "400 Bad request")
	}
	branch := strings.TrimPrefix(x.Ref, "refs/heads/")
	switch {
	case x.Description == "" || x.Ref == "" || x.Cron == "":
		return &refusal{http.StatusBadRequest, map[string]any{"error": "description, ref, cron are missing"}}
	case !fiveFields.MatchString(x.Cron):
		return refuse(http.StatusBadRequest, map[string]any{"cron": []string{"is invalid syntax"}})
	case p.Level < maintainer && slices.Contains(p.Protected, branch):
		return refuse(http.StatusForbidden, "403 Forbidden")
	}
	return nil
}
