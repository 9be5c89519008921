package azured

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// run is a run of a pipeline with one task. It makes one step forward each time that it is looked at.
type run struct {
	ID         int       `json:"id"`
	Definition int       `json:"definition"`
	Created    time.Time `json:"created"`
	Looks      int       `json:"looks"`
	Over       bool      `json:"over"`
	Failed     string    `json:"failed"` // what it said; "" when it went well
}

// Push puts a pipeline file with such jobs on the branches of a repository, named by its full path.
func (s *Server) Push(repo, file string, jobs ...embedded.Job) {
	s.Do(func() {
		at := s.state.Repos[repo[strings.LastIndex(repo, "/")+1:]] + " " + file
		s.state.Pushed = append(s.state.Pushed, at)
		s.Reads(at, jobs...)
	})
}

// Hold makes runs wait for somebody's approval, until it is called again.
func (s *Server) Hold(on bool) { s.Do(func() { s.held = on }) }

func (s *Server) startRun(r *http.Request) embedded.Answer {
	var b struct {
		Resources struct {
			Repositories struct {
				Self struct{ RefName string }
			}
		}
	}
	id, d := s.definition(r)
	switch {
	case d == nil:
		return fail(404, "The pipeline does not exist")
	case !embedded.Read(r, &b) || b.Resources.Repositories.Self.RefName == "":
		return fail(400, "The request is invalid")
	case !s.pushed(d, b.Resources.Repositories.Self.RefName):
		return fail(400, "/"+strings.TrimPrefix(d.File, "/")+": File not found in repository")
	}
	s.state.NextID++
	x := &run{ID: s.state.NextID, Definition: id, Created: s.Now()}
	s.state.Runs = append(s.state.Runs, x)
	return embedded.OK(map[string]any{"id": x.ID, "name": strconv.Itoa(x.ID), "state": "inProgress", "createdDate": x.Created, "pipeline": map[string]any{"id": id, "name": d.Name, "folder": `\`, "revision": 1}})
}

// pushed reports whether a branch has the pipeline's file.
func (s *Server) pushed(d *definition, ref string) bool {
	file, committed := strings.TrimPrefix(d.File, "/"), false
	if p := s.state.Code[d.Repo]; p != nil {
		_, committed = p.files(strings.TrimPrefix(ref, heads))[file]
	}
	return committed || s.Known(d.Repo+" "+file, strings.TrimPrefix(ref, heads)) && slices.Contains(s.state.Pushed, d.Repo+" "+file)
}

// ofRun finds the run of a request.
func (s *Server) ofRun(act func(x *run) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		for _, x := range s.state.Runs {
			if strconv.Itoa(x.ID) == r.PathValue("build") {
				return act(x)
			}
		}
		return fail(404, "The requested build "+r.PathValue("build")+" could not be found")
	}
}

func (s *Server) getBuild(x *run) embedded.Answer {
	if x.Looks++; x.Looks > 2 && !x.Over && !s.held {
		x.Over = true
		d := s.state.Definitions[x.Definition]
		x.Failed = s.Run(d.Repo+" "+strings.TrimPrefix(d.File, "/"), "", func(j embedded.Job) *secret.Value { return s.value(x.Definition, j) })
	}
	out := map[string]any{"id": x.ID, "buildNumber": strconv.Itoa(x.ID), "queueTime": x.Created, "status": "inProgress"}
	switch {
	case x.Over:
		out["status"], out["result"] = "completed", x.result()
	case x.Looks < 2:
		out["status"] = "notStarted"
	}
	return embedded.OK(out)
}

func (x *run) result() string {
	if x.Failed != "" {
		return "failed"
	}
	return "succeeded"
}

// value is what a step gets, of its pipeline or of the group that it names and may use.
func (s *Server) value(definition int, j embedded.Job) *secret.Value {
	in := []map[string]*variable{s.state.Definitions[definition].Variables}
	for _, g := range s.state.Groups {
		if g.Name == j.In && slices.Contains(g.Pipelines, definition) {
			in = append(in, g.Variables)
		}
	}
	for _, variables := range in {
		if v := variables[j.Secret]; v != nil {
			return secret.New([]byte(s.state.Key.Open(v.Sealed)))
		}
	}
	return nil
}

func (s *Server) timeline(x *run) embedded.Answer {
	record := func(kind, name, state string, more ...string) map[string]any {
		out := map[string]any{"id": "96ac2280-8cb4-5df5-99de-dd2da759617d", "type": kind, "name": name, "state": state}
		if len(more) > 0 {
			out["result"] = more[0]
		}
		return out
	}
	records := []any{record("Stage", "__default", "inProgress")}
	switch {
	case x.Over:
		task := record("Task", "Check the credential, install the Astro CLI, deploy", "completed", x.result())
		task["log"] = map[string]any{"id": 7, "type": "Container"}
		records = append(records, record("Task", "Checkout", "completed", "succeeded"), task)
	case s.held:
		records = append(records, record("Checkpoint", "Checkpoint", "inProgress"), record("Checkpoint.Approval", "", "inProgress"))
	}
	return embedded.OK(map[string]any{"id": "96ac2280-8cb4-5df5-99de-dd2da759617d", "records": records})
}

func (s *Server) buildLog(x *run) embedded.Answer {
	log := "2026-11-24T08:00:00.0000000Z ##[section]Starting: Check the credential\r\n2026-11-24T08:00:01.0000000Z error: " + x.Failed + "\r\n"
	return embedded.Answer{Status: http.StatusOK, Body: []byte(log), Header: map[string]string{"Content-Type": "text/plain"}}
}
