// Package circlecid is an embedded CircleCI, as far as contexts and project variables go. It refuses
// what the real one refuses: everybody may look, only some may write, and a variable of a project is
// not replaced by a second POST.
package circlecid

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const (
	pageSize     = 20
	maxVariables = 100 // in a context
	maxValue     = 32_000
)

// Server is one embedded CircleCI.
type Server struct {
	embedded.Server
	embedded.Runs
	replaces bool
	state    state
}

type state struct {
	Key      embedded.Key                  `json:"key"`
	Projects map[string]map[string]*stored `json:"projects"` // by slug, then name
	Contexts map[string]*context           `json:"contexts"` // by id
	Runs     map[string]*run               `json:"runs"`     // by the id of the pipeline
	Pushed   map[string]bool               `json:"pushed"`   // projects with a configuration
}

type context struct {
	Organization string             `json:"organization"` // its slug
	Name         string             `json:"name"`
	CreatedAt    time.Time          `json:"createdAt"`
	Variables    map[string]*stored `json:"variables"`
}

type stored struct {
	Sealed    []byte    `json:"sealed"`
	Ending    string    `json:"ending"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
}

// New starts a server with the data of o.State, or with the project gh/acme/etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "CCIPAT_", &s.state, func() {
		s.state = state{embedded.NewKey(), map[string]map[string]*stored{"gh/acme/etl": {}}, map[string]*context{}, map[string]*run{}, map[string]bool{}}
	})
}

// AddProject makes a project of a repository of GitHub, unless it exists.
func (s *Server) AddProject(repository string) {
	s.Do(func() {
		if slug := "gh/" + repository; s.state.Projects[slug] == nil {
			s.state.Projects[slug] = map[string]*stored{}
		}
	})
}

// AddApp makes a project of CircleCI's GitHub App.
func (s *Server) AddApp(organization, project string) {
	s.Do(func() { s.state.Projects["circleci/"+organization+"/"+project] = map[string]*stored{} })
}

// AddContext makes a context of gh/acme.
func (s *Server) AddContext(name string) { s.Do(func() { s.addContext("gh/acme", name) }) }

func (s *Server) addContext(organization, name string) string {
	id := uuid()
	s.state.Contexts[id] = &context{organization, name, s.Now(), map[string]*stored{}}
	return id
}

// Replace makes a second POST of a project's variable replace the first: CircleCI's own sources say
// both.
func (s *Server) Replace() { s.Do(func() { s.replaces = true }) }

// Open reads a variable of a project, by its slug, or of a context, as ORGANIZATION/NAME.
func (s *Server) Open(place, name string) (v *secret.Value, err error) {
	err = errors.New("no such variable")
	s.Do(func() {
		in := s.state.Projects[place]
		for _, c := range s.state.Contexts {
			if c.Organization+"/"+c.Name == place {
				in = c.Variables
			}
		}
		if x := in[name]; x != nil {
			v, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), nil
		}
	})
	return v, err
}

func uuid() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// named is the id of what has a name.
func named(name string) string {
	b := sha256.Sum256([]byte(name))
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]string{"message": message}}
}

// Handler serves the API below /api/v2.
func (s *Server) Handler() http.Handler {
	const api = "/api/v2"
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		return fail(401, "You must log in first."), s.Accepts(r.Header.Get("Circle-Token")) || s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}, fail(404, "Not found."), map[string]embedded.Action{
		"GET " + api + "/me": func(*http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"id": "00000000-0000-4000-8000-000000000001", "login": "ada", "name": "Ada"})
		},
		"GET " + api + "/project/{slug}":                              s.ofProject(s.project),
		"GET " + api + "/project/{slug}/envvar":                       s.ofProject(s.listProject),
		"POST " + api + "/project/{slug}/envvar":                      s.ofProject(s.writing(s.post)),
		"DELETE " + api + "/project/{slug}/envvar/{name}":             s.ofProject(s.writing(s.remove)),
		"POST " + api + "/project/{slug}/pipeline":                    s.ofProject(s.trigger),
		"GET " + api + "/pipeline/{id}":                               s.pipeline,
		"GET " + api + "/pipeline/{id}/workflow":                      s.workflows,
		"GET " + api + "/workflow/{id}/job":                           s.jobs,
		"GET " + api + "/context":                                     s.contexts,
		"POST " + api + "/context":                                    s.createContext,
		"GET " + api + "/context/{id}/environment-variable":           s.ofContext(s.listContext),
		"PUT " + api + "/context/{id}/environment-variable/{name}":    s.ofContext(s.writing(s.put)),
		"DELETE " + api + "/context/{id}/environment-variable/{name}": s.ofContext(s.writing(s.remove)),
	})
}

type action func(in map[string]*stored, r *http.Request) embedded.Answer

func (s *Server) ofProject(act action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		in, ok := s.state.Projects[r.PathValue("slug")]
		if !ok {
			return fail(404, "Project not found")
		}
		return act(in, r)
	}
}

func (s *Server) ofContext(act action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		c := s.state.Contexts[r.PathValue("id")]
		if c == nil {
			return fail(404, "Context not found.")
		}
		return act(c.Variables, r)
	}
}

func (s *Server) writing(act action) action {
	return func(in map[string]*stored, r *http.Request) embedded.Answer {
		if s.Denied() {
			return fail(403, "Permission denied")
		}
		return act(in, r)
	}
}

func (s *Server) project(_ map[string]*stored, r *http.Request) embedded.Answer {
	slug := r.PathValue("slug")
	parts := strings.Split(slug, "/")
	vcs := map[string]any{"vcs_url": "https://github.com/" + parts[1] + "/" + parts[2], "provider": "GitHub", "default_branch": s.Trunk()}
	if parts[0] == "circleci" { // the GitHub App: the address of the code is not said
		vcs["vcs_url"], vcs["provider"] = "//circleci.com/"+parts[1]+"/"+parts[2], "CircleCI"
	}
	return embedded.OK(map[string]any{
		"slug": slug, "name": parts[2], "id": named(slug),
		"organization_name": parts[1], "organization_slug": parts[0] + "/" + parts[1], "organization_id": named(parts[0] + "/" + parts[1]),
		"vcs_info": vcs,
	})
}

// page is one page of a list.
func page(r *http.Request, all []any) embedded.Answer {
	from, _ := strconv.Atoi(r.URL.Query().Get("page-token"))
	to := min(len(all), from+pageSize)
	var next any
	if to < len(all) {
		next = strconv.Itoa(to)
	}
	return embedded.OK(map[string]any{"items": append([]any{}, all[min(from, to):to]...), "next_page_token": next})
}

func (s *Server) listProject(in map[string]*stored, r *http.Request) embedded.Answer {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(in)) {
		all = append(all, map[string]any{"name": name, "value": "xxxx" + in[name].Ending})
	}
	return page(r, all)
}

func (s *Server) listContext(in map[string]*stored, r *http.Request) embedded.Answer {
	var all []any
	for _, name := range slices.Sorted(maps.Keys(in)) {
		x := in[name]
		all = append(all, map[string]any{
			"variable": name, "context_id": r.PathValue("id"), "created_at": x.CreatedAt, "updated_at": x.UpdatedAt, "truncated_value": x.Ending,
		})
	}
	return page(r, all)
}

var validName = pattern.New(`^[A-Za-z_][A-Za-z0-9_]{0,299}$`)

func (s *Server) seal(in map[string]*stored, name, value string) embedded.Answer {
	switch {
	case !validName.MatchString(name):
		return fail(400, "Environment variable name is invalid")
	case value == "" || len(value) > maxValue:
		return fail(400, "Environment variable value is invalid")
	}
	now := s.Now()
	x := &stored{s.state.Key.Seal(value), value[max(0, len(value)-4):], now, now}
	if old := in[name]; old != nil {
		x.CreatedAt = old.CreatedAt
	}
	in[name] = x
	return embedded.OK(nil)
}

func (s *Server) post(in map[string]*stored, r *http.Request) embedded.Answer {
	var body struct{ Name, Value string }
	if !embedded.Read(r, &body) {
		return fail(400, "Malformed body")
	}
	if in[body.Name] != nil && !s.replaces {
		return fail(400, "env var already exists: "+body.Name)
	}
	a := s.seal(in, body.Name, body.Value)
	if a.Status != http.StatusOK {
		return a
	}
	return embedded.Answer{Status: http.StatusCreated, Body: map[string]string{"name": body.Name, "value": "xxxx" + in[body.Name].Ending}}
}

func (s *Server) put(in map[string]*stored, r *http.Request) embedded.Answer {
	var body struct{ Value string }
	name := r.PathValue("name")
	if !embedded.Read(r, &body) {
		return fail(400, "Malformed body")
	}
	if in[name] == nil && len(in) >= maxVariables {
		return fail(400, "A context holds at most 100 variables")
	}
	a := s.seal(in, name, body.Value)
	if a.Status == http.StatusOK {
		x := in[name]
		a.Body = map[string]any{"variable": name, "context_id": r.PathValue("id"), "created_at": x.CreatedAt, "updated_at": x.UpdatedAt}
	}
	return a
}

func (s *Server) remove(in map[string]*stored, r *http.Request) embedded.Answer {
	if in[r.PathValue("name")] == nil {
		return fail(404, "Environment variable not found.")
	}
	delete(in, r.PathValue("name"))
	return embedded.OK(map[string]string{"message": "Environment variable deleted."})
}

func (s *Server) contexts(r *http.Request) embedded.Answer {
	organization := r.URL.Query().Get("owner-slug")
	if organization == "" && r.URL.Query().Get("owner-id") == "" {
		return fail(400, "owner-id or owner-slug is needed")
	}
	var all []any
	for _, id := range slices.Sorted(maps.Keys(s.state.Contexts)) {
		if c := s.state.Contexts[id]; c.Organization == organization {
			all = append(all, map[string]any{"id": id, "name": c.Name, "created_at": c.CreatedAt})
		}
	}
	return page(r, all)
}

func (s *Server) createContext(r *http.Request) embedded.Answer {
	var body struct {
		Name  string
		Owner struct{ ID, Slug, Type string }
	}
	switch {
	case !embedded.Read(r, &body) || body.Owner.Slug == "" || body.Name == "" || len(body.Name) > 200:
		return fail(400, "Malformed body")
	case s.Denied() || body.Owner.Slug != "gh/acme":
		return fail(403, "owner does not exist or you don't have permission")
	}
	for _, c := range s.state.Contexts {
		if c.Organization == body.Owner.Slug && c.Name == body.Name {
			return fail(409, "A context of this name exists")
		}
	}
	id := s.addContext(body.Owner.Slug, body.Name)
	return embedded.OK(map[string]any{"id": id, "name": body.Name, "created_at": s.state.Contexts[id].CreatedAt})
}
