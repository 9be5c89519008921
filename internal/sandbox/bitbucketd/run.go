package bitbucketd

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// run is a pipeline with one step. It makes one step forward each time that it is looked at.
type run struct {
	ID      string    `json:"id"`
	Number  int       `json:"number"`
	Branch  string    `json:"branch"`
	Created time.Time `json:"created"`
	Looks   int       `json:"looks"`
	Over    bool      `json:"over"`
	Failed  string    `json:"failed"` // what it said; "" when it went well
}

// Push puts a bitbucket-pipelines.yml with such steps on the branch main of a repository, and on the branches that they
// are for.
func (s *Server) Push(path string, steps ...embedded.Job) {
	s.Do(func() {
		s.state.Places[path].Pushed = true
		s.Reads(path, steps...)
	})
}

func (s *Server) start(p *place, r *http.Request) embedded.Answer {
	var body struct {
		Type   string
		Target struct {
			Type    string
			RefType string `json:"ref_type"`
			RefName string `json:"ref_name"`
		}
	}
	switch {
	case !embedded.Read(r, &body) || body.Target.Type != "pipeline_ref_target" || body.Target.RefType != "branch":
		return fail(400, "Bad request")
	case s.Denied():
		return fail(403, "Your credentials lack one or more required privilege scopes.")
	case p.Off || !p.Pushed || !s.Known(pathOf(r), body.Target.RefName):
		return fail(400, "No pipeline was found for the target")
	}
	x := &run{ID: s.id(), Number: len(p.Runs) + 1, Branch: body.Target.RefName, Created: s.Now()}
	p.Runs = append(p.Runs, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
}

func (x *run) state() map[string]any {
	switch {
	case x.Over && x.Failed != "":
		return map[string]any{"type": "pipeline_state_completed", "name": "COMPLETED", "result": map[string]any{"type": "pipeline_state_completed_failed", "name": "FAILED"}}
	case x.Over:
		return map[string]any{"type": "pipeline_state_completed", "name": "COMPLETED", "result": map[string]any{"type": "pipeline_state_completed_successful", "name": "SUCCESSFUL"}}
	case x.Looks > 1:
		return map[string]any{"type": "pipeline_state_in_progress", "name": "IN_PROGRESS", "stage": map[string]any{"type": "pipeline_state_in_progress_running", "name": "RUNNING"}}
	}
	return map[string]any{"type": "pipeline_state_pending", "name": "PENDING"}
}

func (x *run) shown() map[string]any {
	return map[string]any{"type": "pipeline", "uuid": x.ID, "build_number": x.Number, "created_on": x.Created, "state": x.state()}
}

// ofRun finds the pipeline of a request.
func (s *Server) ofRun(act func(p *place, x *run, r *http.Request) embedded.Answer) embedded.Action {
	return s.in(func(p *place, r *http.Request) embedded.Answer {
		for _, x := range p.Runs {
			if x.ID == r.PathValue("run") {
				return act(p, x, r)
			}
		}
		return fail(404, "Pipeline not found")
	})
}

func (s *Server) look(p *place, x *run, r *http.Request) embedded.Answer {
	if x.Looks++; x.Looks > 2 && !x.Over {
		x.Over = true
		x.Failed = s.Run(pathOf(r), x.Branch, func(j embedded.Job) *secret.Value { return s.value(p, s.state.Places[r.PathValue("ws")], j) })
	}
	return embedded.OK(x.shown())
}

// value is what a step gets: of its environment before its repository, and that before its workspace.
func (s *Server) value(repository, workspace *place, j embedded.Job) *secret.Value {
	var all []*variable
	for _, e := range repository.Environments {
		if strings.EqualFold(e.Name, j.In) {
			all = e.Variables
		}
	}
	for _, x := range slices.Concat(all, repository.Variables, workspace.Variables) {
		if x.Key == j.Secret {
			return secret.New([]byte(s.state.Key.Open(x.Sealed)))
		}
	}
	return nil
}

func (s *Server) steps(_ *place, x *run, r *http.Request) embedded.Answer {
	return page(r, []any{map[string]any{"type": "pipeline_step", "uuid": x.ID, "name": "Check the credential, install the Astro CLI, deploy", "state": x.state()}})
}

func (s *Server) stepLog(_ *place, x *run, _ *http.Request) embedded.Answer {
	return embedded.Answer{Status: 200, Body: []byte("+ set -e\nerror: " + x.Failed + "\n"), Header: map[string]string{"Content-Type": "application/octet-stream"}}
}
