// Package buildkited is an embedded Buildkite, as far as the secrets of clusters and builds go. It
// refuses what the real one refuses: a value changes at an address of its own only, and a token shows
// its scopes.
package buildkited

import (
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

// The organization and its one cluster.
const (
	Organization = "acme"
	Cluster      = "42f1a7da-812d-4430-93d8-1cc7c33a6bcf"
)

// Server is one embedded Buildkite.
type Server struct {
	embedded.Server
	embedded.Runs
	scopes []string
	ends   *time.Time // of the token; nil: never
	state  state
}

type state struct {
	Key       embedded.Key         `json:"key"`
	Pipelines map[string]*pipeline `json:"pipelines"`
	Secrets   []*stored            `json:"secrets"`
	NextID    int                  `json:"nextId"`
}

type pipeline struct {
	Pushed bool   `json:"pushed"` // its steps are on the branches
	Runs   []*run `json:"runs"`

	Schedules []*schedule `json:"schedules,omitempty"`
}

type stored struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"`
	Sealed  []byte    `json:"sealed"`
	Policy  string    `json:"policy"`
	Updated time.Time `json:"updated"`
}

// run is a build with one job. It makes one step forward each time that it is looked at.
type run struct {
	Number int    `json:"number"`
	Branch string `json:"branch"`
	Looks  int    `json:"looks"`
	Over   bool   `json:"over"`
	Failed string `json:"failed"` // what it said; "" when it went well
}

// New starts a server with the data of o.State, or with the pipeline etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{scopes: []string{"read_clusters", "read_pipelines", "read_secret_details", "write_secrets", "read_builds", "write_builds", "write_pipelines"}}
	return s, s.Init(o, "bkua_", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Pipelines: map[string]*pipeline{"etl": {}}}
	})
}

// AddPipeline makes a pipeline, unless it exists.
func (s *Server) AddPipeline(name string) {
	s.Do(func() {
		if s.state.Pipelines[name] == nil {
			s.state.Pipelines[name] = &pipeline{}
		}
	})
}

// Push puts such steps of a pipeline on the branches.
func (s *Server) Push(name string, jobs ...embedded.Job) {
	s.Do(func() {
		s.state.Pipelines[name].Pushed = true
		s.Reads(name, jobs...)
	})
}

// SetScopes gives the log-in other scopes.
func (s *Server) SetScopes(scopes ...string) { s.Do(func() { s.scopes = scopes }) }

// SetEnd gives the token an end.
func (s *Server) SetEnd(at time.Time) { s.Do(func() { s.ends = &at }) }

// Open reads a secret and its policy.
func (s *Server) Open(key string) (v *secret.Value, policy string, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if x := s.named(key); x != nil {
			v, policy, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Policy, nil
		}
	})
	return v, policy, err
}

func (s *Server) named(key string) *stored {
	for _, x := range s.state.Secrets {
		if x.Key == key {
			return x
		}
	}
	return nil
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]string{"message": message}}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	const secrets, builds = "/v2/organizations/{org}/clusters/{cluster}/secrets", "/v2/organizations/{org}/pipelines/{pipeline}/builds"
	routes := map[string]embedded.Action{
		"GET /v2/access-token": func(*http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"uuid": Cluster, "scopes": s.scopes, "expires_at": s.ends, "user": map[string]any{"name": "Ada Example"}})
		},
		"GET /v2/organizations/{org}/pipelines/{pipeline}": s.in("", func(*pipeline, *http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"default_branch": s.Trunk(), "visibility": "private", "cluster_id": Cluster})
		}),
		"GET " + secrets:                 s.of("read_secret_details", s.list),
		"POST " + secrets:                s.of("write_secrets", s.create),
		"PUT " + secrets + "/{id}/value": s.of("write_secrets", s.put),
		"DELETE " + secrets + "/{id}":    s.of("write_secrets", s.remove),
		"POST " + builds:                 s.in("write_builds", s.start),
		"GET " + builds + "/{number}":    s.in("read_builds", s.look),
		"GET " + builds + "/{number}/jobs/{job}/log": s.in("read_builds", func(p *pipeline, r *http.Request) embedded.Answer {
			if x := p.run(r); x != nil && r.PathValue("job") == job {
				return embedded.OK(map[string]any{"content": "\x1b_bk;t=1700000000000\a+ set -e\r\n\x1b_bk;t=1700000000001\aerror: " + x.Failed + "\r\n", "size": 1})
			}
			return fail(404, "No job found")
		}),
	}
	maps.Copy(routes, s.schedules("/v2/organizations/{org}/pipelines/{pipeline}/schedules"))
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		return fail(401, "Authentication required. Please supply a valid API Access Token."), s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	}, fail(404, "No such route"), routes)
}

const job = "01890c3e-0000-4000-8000-000000000001"

// of guards what belongs to the cluster.
func (s *Server) of(scope string, act embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		switch {
		case r.PathValue("org") != Organization || r.PathValue("cluster") != Cluster:
			return fail(404, "No cluster found")
		case s.Denied() || !slices.Contains(s.scopes, scope):
			return fail(403, "Forbidden")
		}
		return act(r)
	}
}

// in finds the pipeline of a request.
func (s *Server) in(scope string, act func(p *pipeline, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		p := s.state.Pipelines[r.PathValue("pipeline")]
		switch {
		case r.PathValue("org") != Organization || p == nil:
			return fail(404, "No pipeline found")
		case scope != "" && (s.Denied() || !slices.Contains(s.scopes, scope)):
			return fail(403, "Forbidden")
		}
		return act(p, r)
	}
}

func (x *stored) shown() map[string]any {
	return map[string]any{"id": x.ID, "key": x.Key, "policy": x.Policy, "updated_at": x.Updated, "created_at": x.Updated, "last_read_at": nil}
}

func (s *Server) list(r *http.Request) embedded.Answer {
	var all []any
	for _, x := range s.state.Secrets {
		all = append(all, x.shown())
	}
	return page(r, all)
}

// page is one page of a list, thirty long unless more is asked for.
func page(r *http.Request, all []any) embedded.Answer {
	n := func(name string, usual int) int {
		if v, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && v > 0 {
			return v
		}
		return usual
	}
	size, page := min(n("per_page", 30), 100), n("page", 1)
	from := min((page-1)*size, len(all))
	to := min(from+size, len(all))
	a := embedded.OK(append([]any{}, all[from:to]...))
	if to < len(all) {
		a.Header = map[string]string{"Link": fmt.Sprintf(`<%s?page=%d&per_page=%d>; rel="next"`, r.URL.Path, page+1, size)}
	}
	return a
}

var validKey = pattern.New(`^[A-Za-z][A-Za-z0-9_]{0,254}$`)

func (s *Server) create(r *http.Request) embedded.Answer {
	var in struct{ Key, Value, Description, Policy string }
	switch {
	case !embedded.Read(r, &in):
		return fail(400, "Invalid JSON")
	case !validKey.MatchString(in.Key) || strings.HasPrefix(in.Key, "BUILDKITE") || strings.HasPrefix(in.Key, "BK"):
		return fail(422, "Key is invalid")
	case in.Value == "" || len(in.Value) >= 8<<10:
		return fail(422, "Value must be less than 8 kilobytes")
	case s.named(in.Key) != nil:
		return fail(422, "Key has already been taken")
	}
	s.state.NextID++
	x := &stored{fmt.Sprintf("%08d-0000-4000-8000-000000000000", s.state.NextID), in.Key, s.state.Key.Seal(in.Value), in.Policy, s.Now()}
	s.state.Secrets = append(s.state.Secrets, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
}

func (s *Server) find(r *http.Request) *stored {
	for _, x := range s.state.Secrets {
		if x.ID == r.PathValue("id") {
			return x
		}
	}
	return nil
}

func (s *Server) put(r *http.Request) embedded.Answer {
	var in struct{ Value string }
	x := s.find(r)
	switch {
	case x == nil:
		return fail(404, "No secret found")
	case !embedded.Read(r, &in) || in.Value == "" || len(in.Value) >= 8<<10:
		return fail(422, "Value must be less than 8 kilobytes")
	}
	x.Sealed, x.Updated = s.state.Key.Seal(in.Value), s.Now()
	return embedded.OK(x.shown())
}

func (s *Server) remove(r *http.Request) embedded.Answer {
	x := s.find(r)
	if x == nil {
		return fail(404, "No secret found")
	}
	s.state.Secrets = slices.DeleteFunc(s.state.Secrets, func(y *stored) bool { return y == x })
	return embedded.Answer{Status: http.StatusNoContent}
}

func (s *Server) start(p *pipeline, r *http.Request) embedded.Answer {
	var in struct{ Commit, Branch, Message string }
	switch {
	case !embedded.Read(r, &in) || in.Commit == "" || in.Branch == "":
		return fail(422, "Commit and branch are required")
	case !s.Known(r.PathValue("pipeline"), in.Branch):
		return fail(422, "Branches have been disabled for this pipeline")
	}
	x := &run{Number: len(p.Runs) + 1, Branch: in.Branch}
	if !p.Pushed {
		x.Over, x.Failed = true, "No pipeline configuration file was found in .buildkite"
	}
	p.Runs = append(p.Runs, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
}

func (x *run) shown() map[string]any {
	state, of := "scheduled", "scheduled"
	switch {
	case x.Over && x.Failed != "":
		state, of = "failed", "failed"
	case x.Over:
		state, of = "passed", "passed"
	case x.Looks > 1:
		state, of = "running", "running"
	}
	return map[string]any{"id": job, "number": x.Number, "state": state, "jobs": []any{
		map[string]any{"id": "01890c3e-0000-4000-8000-000000000000", "type": "script", "name": ":pipeline: Upload", "state": "passed"},
		map[string]any{"id": job, "type": "script", "name": "Deploy to Astro", "state": of},
	}}
}

func (p *pipeline) run(r *http.Request) *run {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil || n < 1 || n > len(p.Runs) {
		return nil
	}
	return p.Runs[n-1]
}

func (s *Server) look(p *pipeline, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil {
		return fail(404, "No build found")
	}
	if x.Looks++; x.Looks > 2 && !x.Over {
		x.Over = true
		name := r.PathValue("pipeline")
		x.Failed = s.Run(name, x.Branch, func(j embedded.Job) *secret.Value { return s.value(name, j) })
	}
	return embedded.OK(x.shown())
}

// value is what a step gets, as far as the secret's policy lets the pipeline read it.
func (s *Server) value(pipeline string, j embedded.Job) *secret.Value {
	x := s.named(j.Secret)
	if x == nil || x.Policy != "" && !strings.Contains(x.Policy, "pipeline_slug: "+pipeline+"\n") {
		return nil
	}
	return secret.New([]byte(s.state.Key.Open(x.Sealed)))
}
