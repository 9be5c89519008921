// Package droned is an embedded Drone, as far as secrets and builds go. It refuses what the real one
// refuses, in the real one's own odd ways: a duplicate is a 500, a missing right in an organization a 401.
package droned

import (
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Server is one embedded Drone.
type Server struct {
	embedded.Server
	embedded.Runs
	state state
}

type state struct {
	Key    embedded.Key       `json:"key"`
	Repos  map[string]bool    `json:"repos"`  // by path; false: not activated
	Stored map[string]*stored `json:"stored"` // by place and lower-case name: "acme/etl token", "acme token"
	NextID int                `json:"nextId"`
	Pushed map[string]File    `json:"pushed"` // what the .drone.yml is like, by path
	Builds []*build           `json:"builds"`
	Crons  map[string][]cron  `json:"crons,omitempty"` // by path
}

type stored struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Sealed      []byte `json:"sealed"`
	PullRequest bool   `json:"pullRequest"`
}

// New starts a server with the data of o.State, or with the repository acme/etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Repos: map[string]bool{"acme/etl": true}, Stored: map[string]*stored{}}
	})
}

// AddRepo makes a repository; one that is not active builds nothing.
func (s *Server) AddRepo(path string, active bool) { s.Do(func() { s.state.Repos[path] = active }) }

// Open reads a secret of a repository or an organization, and whether pull requests get it.
func (s *Server) Open(place, name string) (v *secret.Value, pullRequest bool, err error) {
	s.Do(func() {
		x := s.state.Stored[place+" "+strings.ToLower(name)]
		if x == nil {
			err = errors.New("no such secret")
			return
		}
		v, pullRequest = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.PullRequest
	})
	return v, pullRequest, err
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	routes := map[string]embedded.Action{
		"GET /api/user": func(*http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"id": 1, "login": "ada", "active": true, "admin": false})
		},
		"GET /api/repos/{ns}/{name}": func(r *http.Request) embedded.Answer {
			active, ok := s.state.Repos[repoOf(r)]
			if !ok {
				return fail(404, "Not Found")
			}
			return embedded.OK(map[string]any{"slug": repoOf(r), "default_branch": s.Trunk(), "active": active, "visibility": "private"})
		},
	}
	const builds = "/api/repos/{ns}/{name}/builds"
	maps.Copy(routes, s.crons("/api/repos/{ns}/{name}/cron"))
	routes["POST "+builds] = s.start
	routes["GET "+builds+"/{build}"] = s.ofBuild(s.look)
	routes["GET "+builds+"/{build}/logs/{stage}/{step}"] = s.ofBuild(s.stepLog)
	for base, place := range map[string]func(r *http.Request) (string, embedded.Answer){"/api/repos/{ns}/{name}/secrets": s.ofRepo, "/api/secrets/{ns}": s.ofOrganization} {
		for pattern, do := range map[string]func(string, *http.Request) embedded.Answer{
			"GET " + base: s.list, "POST " + base: s.create, "GET " + base + "/{secret}": s.find, "PATCH " + base + "/{secret}": s.update, "DELETE " + base + "/{secret}": s.remove,
		} {
			routes[pattern] = func(r *http.Request) embedded.Answer {
				p, no := place(r)
				if p == "" {
					return no
				}
				return do(p, r)
			}
		}
	}
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		return fail(401, "Unauthorized"), s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")) && r.URL.Query().Get("access_token") == ""
	}, fail(404, "Not Found"), routes)
}

func repoOf(r *http.Request) string { return r.PathValue("ns") + "/" + r.PathValue("name") }

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]string{"message": message}}
}

func (s *Server) ofRepo(r *http.Request) (string, embedded.Answer) {
	if _, ok := s.state.Repos[repoOf(r)]; !ok {
		return "", fail(404, "Not Found")
	}
	if s.Denied() {
		return "", fail(403, "Forbidden")
	}
	return repoOf(r), embedded.Answer{}
}

func (s *Server) ofOrganization(r *http.Request) (string, embedded.Answer) {
	if s.Denied() {
		return "", fail(401, "Forbidden")
	}
	return r.PathValue("ns"), embedded.Answer{}
}

func (s *Server) list(place string, _ *http.Request) embedded.Answer {
	out := []any{}
	for k, x := range s.state.Stored {
		if strings.HasPrefix(k, place+" ") {
			out = append(out, x.shown())
		}
	}
	return embedded.OK(out)
}

func (x *stored) shown() map[string]any {
	return map[string]any{"id": x.ID, "name": x.Name, "pull_request": x.PullRequest}
}

type input struct {
	Name            *string `json:"name"`
	Data            *string `json:"data"`
	PullRequest     *bool   `json:"pull_request"`
	PullRequestPush *bool   `json:"pull_request_push"`
}

var badName = pattern.New(`[^a-zA-Z0-9-_.]+`)

func read(r *http.Request) (in input, ok bool) {
	return in, embedded.Read(r, &in)
}

func (s *Server) create(place string, r *http.Request) embedded.Answer {
	in, ok := read(r)
	switch {
	case !ok:
		return fail(400, "invalid body")
	case in.Name == nil || *in.Name == "" || badName.MatchString(*in.Name):
		return fail(400, "Invalid Secret Name")
	case in.Data == nil || *in.Data == "":
		return fail(400, "Invalid Secret Value")
	case s.state.Stored[place+" "+strings.ToLower(*in.Name)] != nil:
		return fail(500, "UNIQUE constraint failed: secrets.secret_repo_id, secrets.secret_name")
	}
	s.state.NextID++
	x := &stored{ID: s.state.NextID, Name: *in.Name, Sealed: s.state.Key.Seal(*in.Data), PullRequest: in.PullRequest != nil && *in.PullRequest}
	s.state.Stored[place+" "+strings.ToLower(x.Name)] = x
	return embedded.OK(x.shown())
}

func (s *Server) named(place string, r *http.Request) *stored {
	return s.state.Stored[place+" "+strings.ToLower(r.PathValue("secret"))]
}

func (s *Server) find(place string, r *http.Request) embedded.Answer {
	if x := s.named(place, r); x != nil {
		return embedded.OK(x.shown())
	}
	return fail(404, "sql: no rows in result set")
}

func (s *Server) update(place string, r *http.Request) embedded.Answer {
	x := s.named(place, r)
	in, ok := read(r)
	switch {
	case x == nil:
		return fail(404, "sql: no rows in result set")
	case !ok || in.Name != nil:
		return fail(400, "invalid body")
	case in.Data != nil && *in.Data == "":
		return fail(400, "Invalid Secret Value")
	}
	if in.Data != nil {
		x.Sealed = s.state.Key.Seal(*in.Data)
	}
	if in.PullRequest != nil {
		x.PullRequest = *in.PullRequest
	}
	return embedded.OK(x.shown())
}

func (s *Server) remove(place string, r *http.Request) embedded.Answer {
	x := s.named(place, r)
	if x == nil {
		return fail(404, "sql: no rows in result set")
	}
	delete(s.state.Stored, place+" "+strings.ToLower(x.Name))
	return embedded.Answer{Status: http.StatusNoContent}
}
