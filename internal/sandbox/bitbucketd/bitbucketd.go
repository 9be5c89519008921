// Package bitbucketd is an embedded Bitbucket Cloud, as far as variables of pipelines, deployment
// environments and pull requests go. It refuses what the real one refuses.
package bitbucketd

import (
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Email is the account of the log-in.
const Email = "ada@acme.example"

// Server is one embedded Bitbucket.
type Server struct {
	embedded.Server
	embedded.Runs
	state state
}

type state struct {
	Key    embedded.Key      `json:"key"`
	Places map[string]*place `json:"places"` // by workspace, or WORKSPACE/REPOSITORY
	NextID int               `json:"nextId"`
	Narrow bool              `json:"narrow"` // the log-in may not see workspaces
}

// place is a repository or a workspace.
type place struct {
	ID           string         `json:"id"`     // in braces
	Off          bool           `json:"off"`    // Pipelines are switched off
	Pushed       bool           `json:"pushed"` // a pipeline is on the branch main
	Runs         []*run         `json:"runs"`
	Variables    []*variable    `json:"variables"`
	Environments []*environment `json:"environments"`
	Schedules    []*schedule    `json:"schedules,omitempty"`

	Heads        map[string]string            `json:"heads,omitempty"`   // the newest commits, by branch
	Commits      map[string]map[string]string `json:"commits,omitempty"` // files by path, by commit
	Restrictions []Restriction                `json:"restrictions,omitempty"`
	Pulls        []*pull                      `json:"pulls,omitempty"`
}

type environment struct {
	ID        string      `json:"id"`
	Name      string      `json:"name"`
	Variables []*variable `json:"variables"`
}

type variable struct {
	ID      string `json:"id"`
	Key     string `json:"key"`
	Sealed  []byte `json:"sealed"`
	Secured bool   `json:"secured"`
}

// New starts a server with the data of o.State, or with the repository acme/etl, which has an
// environment "Staging".
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "ATATT3x", &s.state, func() {
		s.state = state{embedded.NewKey(), map[string]*place{}, 0, false}
		s.AddRepo("acme/etl")
		s.state.Places["acme/etl"].Environments = []*environment{{ID: s.id(), Name: "Staging"}}
	})
}

// AddRepo makes a repository and its workspace, unless they exist.
func (s *Server) AddRepo(path string) {
	workspace, _, _ := strings.Cut(path, "/")
	s.Do(func() {
		for _, p := range []string{path, workspace} {
			if s.state.Places[p] == nil {
				s.state.Places[p] = &place{ID: s.id()}
			}
		}
		if p, b := s.state.Places[path], s.Trunk(); b != "main" && p.heads()[b] == "" {
			p.add(b, "", "README.md", "")
		}
	})
}

// BeNarrow takes the scope that shows workspaces away from the log-in.
func (s *Server) BeNarrow() { s.Do(func() { s.state.Narrow = true }) }

// SwitchOff switches Pipelines off in a repository.
func (s *Server) SwitchOff(path string) { s.Do(func() { s.state.Places[path].Off = true }) }

// Open reads a variable of a workspace, of a repository, or of an environment of a repository, and
// whether it is secured.
func (s *Server) Open(path, env, key string) (v *secret.Value, secured bool, err error) {
	err = errors.New("no such variable")
	s.Do(func() {
		p := s.state.Places[path]
		if p == nil {
			return
		}
		in := p.Variables
		for _, e := range p.Environments {
			if strings.EqualFold(e.Name, env) {
				in = e.Variables
			} else if env != "" {
				in = nil
			}
		}
		for _, x := range in {
			if x.Key == key {
				v, secured, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Secured, nil
			}
		}
	})
	return v, secured, err
}

func (s *Server) id() string {
	s.state.NextID++
	return fmt.Sprintf("{%08x-0000-4000-8000-%012x}", s.state.NextID, []byte(rand.Text())[:6])
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"type": "error", "error": map[string]any{"message": message}}}
}

// Handler serves the API below /2.0.
func (s *Server) Handler() http.Handler {
	const repo, workspace = "/2.0/repositories/{ws}/{slug}", "/2.0/workspaces/{ws}"
	routes := map[string]embedded.Action{
		"GET " + workspace: s.in(func(p *place, r *http.Request) embedded.Answer {
			if s.state.Narrow {
				return fail(403, "Your credentials lack one or more required privilege scopes.")
			}
			return embedded.OK(map[string]any{"type": "workspace", "uuid": p.ID, "slug": pathOf(r), "name": pathOf(r), "is_private": true})
		}),
		"GET " + repo: s.in(func(p *place, r *http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"type": "repository", "uuid": p.ID, "full_name": pathOf(r), "is_private": true, "mainbranch": map[string]any{"type": "branch", "name": s.Trunk()}})
		}),
		"GET " + repo + "/pipelines_config": s.in(func(p *place, _ *http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"type": "repository_pipelines_configuration", "enabled": !p.Off})
		}),
		"GET " + repo + "/environments": s.in(func(p *place, r *http.Request) embedded.Answer {
			var all []any
			for _, e := range p.Environments {
				all = append(all, e.shown())
			}
			return page(r, all)
		}),
		"POST " + repo + "/environments":                    s.in(s.addEnvironment),
		"POST " + repo + "/pipelines":                       s.in(s.start),
		"GET " + repo + "/pipelines/{run}":                  s.ofRun(s.look),
		"GET " + repo + "/pipelines/{run}/steps":            s.ofRun(s.steps),
		"GET " + repo + "/pipelines/{run}/steps/{step}/log": s.ofRun(s.stepLog),
	}
	maps.Copy(routes, s.proposing(repo))
	maps.Copy(routes, s.schedules(repo+"/pipelines_config/schedules"))
	for base, of := range map[string]func(func(*[]*variable, *http.Request) embedded.Answer) embedded.Action{
		repo + "/pipelines_config/variables": s.own, workspace + "/pipelines-config/variables": s.own,
		repo + "/deployments_config/environments/{env}/variables": s.ofEnvironment,
	} {
		routes["GET "+base] = of(s.list)
		routes["POST "+base] = of(s.writing(s.create))
		routes["PUT "+base+"/{id}"] = of(s.writing(s.update))
		routes["DELETE "+base+"/{id}"] = of(s.writing(s.remove))
	}
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		user, pass, basic := r.BasicAuth()
		ok := basic && user == Email && s.Accepts(pass) || s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		return fail(401, "Token is invalid, expired, or not supported for this endpoint."), ok
	}, fail(404, "Resource not found"), routes)
}

// pathOf is WORKSPACE/REPOSITORY, or the workspace alone.
func pathOf(r *http.Request) string {
	return strings.TrimSuffix(r.PathValue("ws")+"/"+r.PathValue("slug"), "/")
}

func (s *Server) in(act func(*place, *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		p := s.state.Places[pathOf(r)]
		if p == nil {
			return fail(404, "You may not have access to this repository or it no longer exists in this workspace.")
		}
		if p.ID == "" { // of a state that was kept before places had ids
			p.ID = s.id()
		}
		return act(p, r)
	}
}

func (s *Server) own(act func(*[]*variable, *http.Request) embedded.Answer) embedded.Action {
	return s.in(func(p *place, r *http.Request) embedded.Answer { return act(&p.Variables, r) })
}

func (s *Server) ofEnvironment(act func(*[]*variable, *http.Request) embedded.Answer) embedded.Action {
	return s.in(func(p *place, r *http.Request) embedded.Answer {
		for _, e := range p.Environments {
			if e.ID == r.PathValue("env") {
				return act(&e.Variables, r)
			}
		}
		return fail(404, "Environment not found")
	})
}

func (s *Server) writing(act func(*[]*variable, *http.Request) embedded.Answer) func(*[]*variable, *http.Request) embedded.Answer {
	return func(in *[]*variable, r *http.Request) embedded.Answer {
		if s.Denied() {
			return fail(403, "Your credentials lack one or more required privilege scopes.")
		}
		return act(in, r)
	}
}

// page is one page of a list, ten long unless more is asked for.
func page(r *http.Request, all []any) embedded.Answer {
	q := r.URL.Query()
	length, err := strconv.Atoi(q.Get("pagelen"))
	if err != nil || length < 1 {
		length = 10
	}
	length = min(length, 100)
	number, err := strconv.Atoi(q.Get("page"))
	if err != nil || number < 1 {
		number = 1
	}
	from := min(len(all), (number-1)*length)
	to := min(len(all), from+length)
	body := map[string]any{"page": number, "pagelen": length, "size": len(all), "values": append([]any{}, all[from:to]...)}
	if to < len(all) {
		next := url.URL{Scheme: "http", Host: r.Host, Path: r.URL.Path, RawQuery: url.Values{"page": {strconv.Itoa(number + 1)}, "pagelen": {strconv.Itoa(length)}}.Encode()}
		body["next"] = next.String()
	}
	return embedded.OK(body)
}

func (e *environment) shown() map[string]any {
	return map[string]any{"type": "deployment_environment", "uuid": e.ID, "name": e.Name}
}

func (s *Server) addEnvironment(p *place, r *http.Request) embedded.Answer {
	var body struct {
		Type, Name string
		Kind       struct{ Type, Name string } `json:"environment_type"`
	}
	switch {
	case !embedded.Read(r, &body) || body.Name == "" || !slices.Contains([]string{"Test", "Staging", "Production"}, body.Kind.Name):
		return fail(400, "Bad request")
	case s.Denied():
		return fail(403, "Your credentials lack one or more required privilege scopes.")
	case slices.ContainsFunc(p.Environments, func(e *environment) bool { return strings.EqualFold(e.Name, body.Name) }):
		return fail(409, "An environment with this name already exists.")
	}
	e := &environment{ID: s.id(), Name: body.Name}
	p.Environments = append(p.Environments, e)
	return embedded.Answer{Status: http.StatusCreated, Body: e.shown()}
}

func (s *Server) shown(v *variable) map[string]any {
	out := map[string]any{"type": "pipeline_variable", "uuid": v.ID, "key": v.Key, "secured": v.Secured}
	if !v.Secured {
		out["value"] = s.state.Key.Open(v.Sealed)
	}
	return out
}

func (s *Server) list(in *[]*variable, r *http.Request) embedded.Answer {
	var all []any
	for _, v := range *in {
		all = append(all, s.shown(v))
	}
	return page(r, all)
}

var validKey = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)

type input struct {
	Type, Key, Value string
	Secured          bool
}

func (s *Server) create(in *[]*variable, r *http.Request) embedded.Answer {
	var body input
	switch {
	case !embedded.Read(r, &body) || !validKey.MatchString(body.Key) || body.Value == "":
		return fail(400, "Bad request")
	case slices.ContainsFunc(*in, func(v *variable) bool { return v.Key == body.Key }):
		return fail(409, "A variable with the provided key already exists.")
	}
	v := &variable{s.id(), body.Key, s.state.Key.Seal(body.Value), body.Secured}
	*in = append(*in, v)
	return embedded.Answer{Status: http.StatusCreated, Body: s.shown(v)}
}

func (s *Server) update(in *[]*variable, r *http.Request) embedded.Answer {
	var body input
	if !embedded.Read(r, &body) || !validKey.MatchString(body.Key) || body.Value == "" {
		return fail(400, "Bad request")
	}
	for _, v := range *in {
		if v.ID == r.PathValue("id") {
			v.Key, v.Sealed, v.Secured = body.Key, s.state.Key.Seal(body.Value), body.Secured
			return embedded.OK(s.shown(v))
		}
	}
	return fail(404, "Variable not found")
}

func (s *Server) remove(in *[]*variable, r *http.Request) embedded.Answer {
	n := len(*in)
	*in = slices.DeleteFunc(*in, func(v *variable) bool { return v.ID == r.PathValue("id") })
	if len(*in) == n {
		return fail(404, "Variable not found")
	}
	return embedded.Answer{Status: http.StatusNoContent}
}
