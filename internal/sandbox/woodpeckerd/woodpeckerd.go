// Package woodpeckerd is an embedded Woodpecker, as far as secrets and pipelines go. It refuses what the
// real one refuses: repositories go by numbers, a secret needs events, a duplicate is a 500, a patch
// without a value keeps the old one, and errors are plain text.
package woodpeckerd

import (
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Server is one embedded Woodpecker.
type Server struct {
	embedded.Server
	embedded.Runs
	version string
	state   state
}

type state struct {
	Key    embedded.Key      `json:"key"`
	Places map[string]*place `json:"places"` // repositories by owner/name, organizations by name
	NextID int               `json:"nextId"`
}

// place is a repository or an organization.
type place struct {
	ID      int       `json:"id"`
	Org     bool      `json:"org"`
	Active  bool      `json:"active"`
	Pushed  bool      `json:"pushed"` // a workflow is on the branch main
	Secrets []*stored `json:"secrets"`
	Runs    []*run    `json:"runs"`
	Crons   []*cron   `json:"crons,omitempty"`
}

type stored struct {
	ID     int      `json:"id"`
	Name   string   `json:"name"`
	Sealed []byte   `json:"sealed"`
	Events []string `json:"events"`
	Note   string   `json:"note"`
}

// run is a pipeline with one step. It makes one step forward each time that it is looked at.
type run struct {
	Number int    `json:"number"`
	Branch string `json:"branch"`
	Looks  int    `json:"looks"`
	Over   bool   `json:"over"`
	Failed string `json:"failed"` // what it said; "" when it went well
}

// New starts a server with the data of o.State, or with the repository acme/etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{version: "3.12.0"}
	return s, s.Init(o, "", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Places: map[string]*place{}}
		s.add("acme/etl", true)
		s.state.NextID++
		s.state.Places["acme"] = &place{ID: s.state.NextID, Org: true}
	})
}

func (s *Server) add(path string, active bool) {
	if s.state.Places[path] == nil {
		s.state.NextID++
		s.state.Places[path] = &place{ID: s.state.NextID}
	}
	s.state.Places[path].Active = active
}

// AddRepo makes a repository; one that is not active builds nothing.
func (s *Server) AddRepo(path string, active bool) { s.Do(func() { s.add(path, active) }) }

// Push puts a workflow with such jobs on the branch main of a repository.
func (s *Server) Push(path string, jobs ...embedded.Job) {
	s.Do(func() {
		s.state.Places[path].Pushed = true
		s.Reads(path, jobs...)
	})
}

// Open reads a secret of a repository or an organization, and the events that get it.
func (s *Server) Open(path, name string) (v *secret.Value, events []string, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if p := s.state.Places[path]; p != nil {
			if x := p.named(name); x != nil {
				v, events, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Events, nil
			}
		}
	})
	return v, events, err
}

func (p *place) named(name string) *stored {
	for _, x := range p.Secrets {
		if x.Name == name {
			return x
		}
	}
	return nil
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: []byte(message), Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	routes := map[string]embedded.Action{
		"POST /api/repos/{id}/pipelines":           s.in(false, s.start),
		"GET /api/repos/{id}/pipelines/{number}":   s.in(false, s.look),
		"GET /api/repos/{id}/logs/{number}/{step}": s.in(false, s.log),
	}
	maps.Copy(routes, s.crons("/api/repos/{id}/cron"))
	for base, org := range map[string]bool{"/api/repos/{id}/secrets": false, "/api/orgs/{id}/secrets": true} {
		routes["GET "+strings.TrimSuffix(base, "secrets")+"{path}"] = s.lookupOr(org, s.in(org, s.list))
		routes["POST "+base] = s.in(org, s.create)
		routes["GET "+base+"/{secret}"] = s.in(org, s.get)
		routes["PATCH "+base+"/{secret}"] = s.in(org, s.patch)
		routes["DELETE "+base+"/{secret}"] = s.in(org, s.remove)
	}
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		v := r.Header.Get("Authorization")
		ok := len(v) > 7 && v[:7] == "Bearer " && s.Accepts(v[7:])
		return fail(401, "User not authorized"), ok
	}, fail(404, "Not Found"), routes)
}

// lookupOr serves /lookup/PATH, and /ID/secrets by list.
func (s *Server) lookupOr(org bool, list embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		path := r.PathValue("path")
		p := s.state.Places[path]
		switch {
		case r.PathValue("id") != "lookup" && path == "secrets":
			return list(r)
		case r.PathValue("id") != "lookup" && path == "cron" && !org:
			return s.in(false, s.listCrons)(r)
		case r.PathValue("id") != "lookup":
			return fail(404, "")
		case p == nil || p.Org != org:
			return fail(404, "")
		case org:
			return embedded.OK(map[string]any{"id": p.ID, "name": path, "is_user": false, "forge_id": 1})
		}
		return embedded.OK(map[string]any{"id": p.ID, "full_name": path, "active": p.Active, "default_branch": s.Trunk(), "private": true, "visibility": "private"})
	}
}

// in finds the repository or organization of a request.
func (s *Server) in(org bool, act func(p *place, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		for _, p := range s.state.Places {
			if strconv.Itoa(p.ID) != r.PathValue("id") || p.Org != org {
				continue
			}
			if s.Denied() {
				return fail(403, "User not authorized")
			}
			return act(p, r)
		}
		return fail(404, "")
	}
}

func (x *stored) shown() map[string]any {
	return map[string]any{"id": x.ID, "name": x.Name, "events": x.Events, "images": []string{}, "note": x.Note}
}

func (s *Server) list(p *place, r *http.Request) embedded.Answer {
	var all []any
	for _, x := range p.Secrets {
		all = append(all, x.shown())
	}
	return page(r, all)
}

// page is one page of a list, of at most fifty.
func page(r *http.Request, all []any) embedded.Answer {
	n := func(name string, usual int) int {
		if v, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && v > 0 {
			return v
		}
		return usual
	}
	size := min(n("perPage", 50), 50)
	from := min((n("page", 1)-1)*size, len(all))
	return embedded.OK(append([]any{}, all[from:min(from+size, len(all))]...))
}

type input struct {
	Name   string   `json:"name"`
	Value  string   `json:"value"`
	Events []string `json:"events"`
	Images []string `json:"images"`
	Note   string   `json:"note"`
}

var known = []string{"push", "pull_request", "pull_request_closed", "pull_request_metadata", "tag", "release", "deployment", "cron", "manual"}

func (in input) fault() string {
	switch {
	case len(in.Events) == 0:
		return "no event specified"
	case slices.ContainsFunc(in.Events, func(e string) bool { return !slices.Contains(known, e) }):
		return "event does not exist"
	}
	return ""
}

func (s *Server) create(p *place, r *http.Request) embedded.Answer {
	var in input
	switch {
	case !embedded.Read(r, &in):
		return fail(400, "Error parsing secret")
	case in.Name == "" || in.Value == "":
		return fail(422, "Error inserting secret. empty name or value")
	case in.fault() != "":
		return fail(422, "Error inserting secret. "+in.fault())
	case p.named(in.Name) != nil:
		return fail(500, "Error inserting secret. UNIQUE constraint failed")
	}
	s.state.NextID++
	x := &stored{s.state.NextID, in.Name, s.state.Key.Seal(in.Value), in.Events, in.Note}
	p.Secrets = append(p.Secrets, x)
	return embedded.OK(x.shown())
}

func (s *Server) get(p *place, r *http.Request) embedded.Answer {
	if x := p.named(r.PathValue("secret")); x != nil {
		return embedded.OK(x.shown())
	}
	return fail(404, "")
}

func (s *Server) patch(p *place, r *http.Request) embedded.Answer {
	x := p.named(r.PathValue("secret"))
	in := input{Events: nil}
	switch {
	case x == nil:
		return fail(404, "")
	case !embedded.Read(r, &in):
		return fail(400, "Error parsing secret")
	case in.Events != nil && in.fault() != "":
		return fail(422, "Error updating secret. "+in.fault())
	}
	if in.Value != "" {
		x.Sealed = s.state.Key.Seal(in.Value)
	}
	if in.Events != nil {
		x.Events = in.Events
	}
	x.Note = in.Note
	return embedded.OK(x.shown())
}

func (s *Server) remove(p *place, r *http.Request) embedded.Answer {
	x := p.named(r.PathValue("secret"))
	if x == nil {
		return fail(404, "")
	}
	p.Secrets = slices.DeleteFunc(p.Secrets, func(y *stored) bool { return y == x })
	return embedded.Answer{Status: http.StatusNoContent}
}

func (s *Server) start(p *place, r *http.Request) embedded.Answer {
	var in struct{ Branch string }
	switch {
	case !embedded.Read(r, &in) || in.Branch == "":
		return fail(400, "Error parsing options")
	case !s.Known(s.pathOf(p), in.Branch):
		return fail(500, "could not get branch head")
	case !p.Pushed:
		return embedded.Answer{Status: http.StatusNoContent}
	}
	x := &run{Number: len(p.Runs) + 1, Branch: in.Branch}
	p.Runs = append(p.Runs, x)
	return embedded.OK(x.shown())
}

func (x *run) status() string {
	switch {
	case x.Over && x.Failed != "":
		return "failure"
	case x.Over:
		return "success"
	case x.Looks > 1:
		return "running"
	}
	return "pending"
}

func (x *run) shown() map[string]any {
	return map[string]any{"id": x.Number, "number": x.Number, "status": x.status(), "event": "manual", "branch": x.Branch, "workflows": []any{map[string]any{
		"id": 1, "pid": 1, "name": "astro-etl-prod", "state": x.status(), "children": []any{
			map[string]any{"id": 1, "pid": 2, "ppid": 1, "name": "clone", "state": "success", "exit_code": 0},
			map[string]any{"id": 2, "pid": 3, "ppid": 1, "name": "deploy", "state": x.status(), "exit_code": 1},
		},
	}}}
}

func (p *place) run(r *http.Request) *run {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 || n > len(p.Runs) {
		return nil
	}
	return p.Runs[n-1]
}

func (s *Server) look(p *place, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil {
		return fail(404, "")
	}
	if x.Looks++; x.Looks > 2 && !x.Over {
		x.Over = true
		path := s.pathOf(p)
		x.Failed = s.Run(path, x.Branch, func(j embedded.Job) *secret.Value { return s.value(path, j) })
	}
	return embedded.OK(x.shown())
}

func (s *Server) pathOf(p *place) string {
	for path, x := range s.state.Places {
		if x == p {
			return path
		}
	}
	return ""
}

// value is what a job gets, of its repository before its organization.
func (s *Server) value(path string, j embedded.Job) *secret.Value {
	organization, _, _ := strings.Cut(path, "/")
	for _, at := range []string{path, organization} {
		if p := s.state.Places[at]; p != nil {
			if x := p.named(j.Secret); x != nil && slices.Contains(x.Events, "manual") {
				return secret.New([]byte(s.state.Key.Open(x.Sealed)))
			}
		}
	}
	return nil
}

func (s *Server) log(p *place, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil || r.PathValue("step") != "2" {
		return fail(404, "")
	}
	line := func(n int, text string) map[string]any {
		return map[string]any{"id": n, "step_id": 2, "line": n, "time": n, "type": 0, "data": base64.StdEncoding.EncodeToString([]byte(text))}
	}
	return embedded.OK([]any{line(0, "+ set -e"), line(1, "error: "+x.Failed)})
}
