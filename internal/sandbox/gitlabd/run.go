package gitlabd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// run is a pipeline. It makes one step forward each time that it is looked at.
type run struct {
	ID      int       `json:"id"`
	Branch  string    `json:"branch"`
	Created time.Time `json:"created"`
	Looks   int       `json:"looks"`
	Over    bool      `json:"over"`
	Failed  string    `json:"failed"` // what it said; "" when it went well
}

// Push puts a .gitlab-ci.yml with such jobs on the branches of a project.
func (s *Server) Push(path string, jobs ...embedded.Job) {
	s.Do(func() {
		s.state.Projects[path].Pushed = true
		s.Reads(path, jobs...)
	})
}

// value is what a job gets, of its project before the groups that it is in, of its environment before all.
func (s *Server) value(at string, p *project, j embedded.Job) (v *secret.Value) {
	var in [][]*variable
	for i, c := range at {
		if g := s.state.Groups[at[:i]]; c == '/' && g != nil {
			in = append(in, g.Variables)
		}
	}
	for _, variables := range append(in, p.Variables) {
		for _, environment := range []string{"*", j.In} {
			for _, x := range variables {
				if x.Key == j.Secret && x.Environment == environment {
					v = secret.New([]byte(s.state.Key.Open(x.Sealed)))
				}
			}
		}
	}
	return v
}

func (s *Server) start(at string, p *project, r *http.Request) (int, any, *refusal) {
	var body struct {
		Ref       string
		Variables []any
	}
	switch {
	case json.NewDecoder(r.Body).Decode(&body) != nil:
		return 0, nil, refuse(http.StatusBadRequest, "ref is missing")
	case p.Level < 30:
		return 0, nil, refuse(http.StatusForbidden, "403 Forbidden")
	case body.Variables != nil:
		return 0, nil, refuse(http.StatusBadRequest, map[string]any{"base": []string{"Insufficient permissions to set pipeline variables"}})
	case !s.Known(at, body.Ref):
		return 0, nil, refuse(http.StatusBadRequest, map[string]any{"base": []string{"Reference not found"}})
	case !p.Pushed:
		return 0, nil, refuse(http.StatusBadRequest, map[string]any{"base": []string{"Missing CI config file"}})
	}
	s.state.NextID++
	x := &run{ID: s.state.NextID, Branch: body.Ref, Created: s.Now()}
	p.Runs = append(p.Runs, x)
	return http.StatusCreated, x.shown(at, p), nil
}

func (x *run) shown(at string, p *project) map[string]any {
	status := "pending"
	switch {
	case x.Over && x.Failed != "":
		status = "failed"
	case x.Over:
		status = "success"
	case x.Looks > 1:
		status = "running"
	}
	return map[string]any{
		"id": x.ID, "iid": x.ID, "project_id": p.ID, "status": status, "ref": x.Branch, "sha": fmt.Sprintf("%040d", x.ID), "source": "api",
		"web_url": "https://gitlab.com/" + at + "/-/pipelines/" + strconv.Itoa(x.ID), "created_at": x.Created.UTC().Format(time.RFC3339), "updated_at": x.Created.UTC().Format(time.RFC3339),
	}
}

func (p *project) run(id string) *run {
	for _, x := range p.Runs {
		if strconv.Itoa(x.ID) == id {
			return x
		}
	}
	return nil
}

func (s *Server) look(at string, p *project, x *run) (int, any, *refusal) {
	if x.Looks++; x.Looks > 2 && !x.Over {
		x.Over = true
		x.Failed = s.Run(at, x.Branch, func(j embedded.Job) *secret.Value { return s.value(at, p, j) })
	}
	return 200, x.shown(at, p), nil
}

// jobs of a pipeline: one.
func (x *run) jobs() []any {
	status := "success"
	if x.Failed != "" {
		status = "failed"
	}
	return []any{map[string]any{"id": x.ID, "name": "astro-deploy", "status": status, "stage": "deploy"}}
}

func (x *run) trace() embedded.Answer {
	log := "\x1b[0KRunning with gitlab-runner\r\nsection_start:1:step_script\r\x1b[0K$ set -e\n\x1b[31merror: " + x.Failed + "\x1b[0m\nERROR: Job failed: exit code 1\n"
	return embedded.Answer{Status: 200, Body: []byte(log), Header: map[string]string{"Content-Type": "text/plain"}}
}
