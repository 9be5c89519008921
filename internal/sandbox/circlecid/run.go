package circlecid

import (
	"net/http"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// run is a pipeline with one workflow and one job. It makes one step forward each time that it is
// looked at.
type run struct {
	Slug    string    `json:"slug"`
	Branch  string    `json:"branch"`
	Number  int       `json:"number"`
	Created time.Time `json:"created"`
	Looks   int       `json:"looks"`
	Over    bool      `json:"over"`
	Failed  bool      `json:"failed"`
	NoFile  bool      `json:"noFile"` // there is no configuration on the branch
}

// Push puts a configuration with such jobs on the branches of a project.
func (s *Server) Push(slug string, jobs ...embedded.Job) {
	s.Do(func() {
		s.state.Pushed[slug] = true
		s.Reads(slug, jobs...)
	})
}

func (s *Server) trigger(_ map[string]*stored, r *http.Request) embedded.Answer {
	var body struct{ Branch string }
	if !embedded.Read(r, &body) || body.Branch == "" {
		return fail(400, "Malformed body")
	}
	slug := r.PathValue("slug")
	id := uuid()
	x := &run{Slug: slug, Branch: body.Branch, Number: len(s.state.Runs) + 1, Created: s.Now(), NoFile: !s.state.Pushed[slug] || !s.Known(slug, body.Branch)}
	s.state.Runs[id] = x
	return embedded.Answer{Status: http.StatusCreated, Body: map[string]any{"id": id, "number": x.Number, "state": "pending", "created_at": x.Created}}
}

func (s *Server) pipeline(r *http.Request) embedded.Answer {
	x := s.state.Runs[r.PathValue("id")]
	if x == nil {
		return fail(404, "Pipeline not found")
	}
	errs, state := []any{}, "created"
	if x.NoFile {
		state, errs = "errored", []any{map[string]any{"type": "config-fetch", "message": "No configuration was found in your project."}}
	}
	return embedded.OK(map[string]any{
		"id": r.PathValue("id"), "number": x.Number, "state": state, "errors": errs, "project_slug": x.Slug, "created_at": x.Created, "updated_at": x.Created,
		"trigger": map[string]any{"type": "api", "received_at": x.Created, "actor": map[string]any{"login": "ada", "avatar_url": nil}},
	})
}

func (s *Server) workflows(r *http.Request) embedded.Answer {
	id := r.PathValue("id")
	x := s.state.Runs[id]
	if x == nil {
		return fail(404, "Pipeline not found")
	}
	if x.NoFile {
		return page(r, nil)
	}
	if x.Looks++; x.Looks > 2 && !x.Over {
		x.Over = true
		x.Failed = s.Run(x.Slug, x.Branch, func(j embedded.Job) *secret.Value { return s.value(x.Slug, j) }) != ""
	}
	status, stopped := "running", any(nil)
	if x.Over {
		status, stopped = map[bool]string{false: "success", true: "failed"}[x.Failed], s.Now()
	}
	return page(r, []any{map[string]any{
		"id": id, "pipeline_id": id, "name": "astro", "status": status, "project_slug": x.Slug, "pipeline_number": x.Number,
		"created_at": x.Created, "stopped_at": stopped, "started_by": "00000000-0000-4000-8000-000000000001",
	}})
}

// value is what a job gets, of its context before its project.
func (s *Server) value(slug string, j embedded.Job) *secret.Value {
	found := s.state.Projects[slug][j.Secret]
	for _, c := range s.state.Contexts {
		if x := c.Variables[j.Secret]; x != nil && c.Name == j.In && strings.HasPrefix(slug, c.Organization+"/") {
			found = x
		}
	}
	if found == nil {
		return nil
	}
	return secret.New([]byte(s.state.Key.Open(found.Sealed)))
}

func (s *Server) jobs(r *http.Request) embedded.Answer {
	x := s.state.Runs[r.PathValue("id")]
	if x == nil {
		return fail(404, "Workflow not found")
	}
	status := map[bool]string{false: "success", true: "failed"}[x.Failed]
	return page(r, []any{map[string]any{
		"id": r.PathValue("id"), "name": "astro-deploy", "status": status, "type": "build", "project_slug": x.Slug, "job_number": x.Number,
		"started_at": x.Created, "stopped_at": s.Now(), "dependencies": []any{},
	}})
}
