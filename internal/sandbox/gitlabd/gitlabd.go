// Package gitlabd is an embedded GitLab, as far as CI/CD variables, environments and protected
// branches go. It refuses what the real one refuses.
package gitlabd

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Server is one embedded GitLab.
type Server struct {
	embedded.Server
	embedded.Runs
	oldest bool      // it is older than hidden variables
	oauth  bool      // the log-in is no access token
	ends   time.Time // of the access token; zero: never
	state  state
}

// state is everything that is kept.
type state struct {
	Key      embedded.Key        `json:"key"`
	Projects map[string]*project `json:"projects"` // by path
	Groups   map[string]*group   `json:"groups"`   // by path
	NextID   int                 `json:"nextId"`
}

type project struct {
	ID           int         `json:"id"`
	Level        int         `json:"level"` // of the log-in: 40 Maintainer, 30 Developer
	Archived     bool        `json:"archived"`
	Protected    []string    `json:"protected"` // branches
	NoForks      bool        `json:"noForks"`   // no pipeline of a fork runs here
	Environments []string    `json:"environments"`
	Variables    []*variable `json:"variables"`
	Pushed       bool        `json:"pushed"` // a .gitlab-ci.yml is on the branch main
	Runs         []*run      `json:"runs"`
	Schedules    []*schedule `json:"schedules,omitempty"`

	Branches map[string]map[string]string `json:"branches,omitempty"` // files by path, by branch
	Merges   []*merge                     `json:"merges,omitempty"`
}

type group struct {
	Level     int         `json:"level"`
	Variables []*variable `json:"variables"`
}

type variable struct {
	Key         string `json:"key"`
	Sealed      []byte `json:"sealed"` // the value
	Protected   bool   `json:"protected"`
	Masked      bool   `json:"masked"`
	Hidden      bool   `json:"hidden"`
	Raw         bool   `json:"raw"`
	Type        string `json:"type"`
	Environment string `json:"environment"`
	Description string `json:"description"`
}

// New starts a server with the data of o.State, or with the project acme/etl, whose branch main is
// protected and which has an environment "staging".
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "glpat-", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Projects: map[string]*project{}, Groups: map[string]*group{}, NextID: 1000}
		s.AddProject("acme", "etl")
		s.state.Projects["acme/etl"].Environments = []string{"staging"}
	})
}

// SetEnd gives the access token an end.
func (s *Server) SetEnd(at time.Time) { s.Do(func() { s.ends = at }) }

// UseOAuth makes the log-in one of OAuth instead of an access token.
func (s *Server) UseOAuth() { s.Do(func() { s.oauth = true }) }

// AddProject makes a project, and its group, unless they exist.
func (s *Server) AddProject(namespace, name string) {
	s.Do(func() {
		if s.state.Groups[namespace] == nil {
			s.state.Groups[namespace] = &group{Level: 50}
		}
		path := namespace + "/" + name
		if s.state.Projects[path] == nil {
			s.state.NextID++
			s.state.Projects[path] = &project{ID: s.state.NextID, Level: 40, Protected: []string{s.Trunk()}}
		}
		if p, b := s.state.Projects[path], s.Trunk(); b != "main" && p.branches()[b] == nil {
			p.Branches[b] = map[string]string{}
		}
	})
}

// Change sets the role of the log-in in a project and its group, and whether the project is archived.
func (s *Server) Change(path string, level int, archived bool) {
	s.Do(func() {
		p := s.state.Projects[path]
		p.Level, p.Archived = level, archived
		for _, g := range s.state.Groups {
			g.Level = level
		}
	})
}

// Rule sets which branches of a project are protected, and whether pipelines of forks run in it.
func (s *Server) Rule(path string, protected []string, forks bool) {
	s.Do(func() { s.state.Projects[path].Protected, s.state.Projects[path].NoForks = protected, !forks })
}

// BeOld makes the server one that knows no hidden variables yet.
func (s *Server) BeOld() { s.Do(func() { s.oldest = true }) }

// Variable describes a variable, for tests.
type Variable struct{ Protected, Masked, Hidden, Raw bool }

// Open reads a variable: of a project with an environment scope (* for all), or of a group.
func (s *Server) Open(path, environment, key string, ofGroup bool) (out *secret.Value, shape Variable, err error) {
	err = errors.New("no such variable")
	s.Do(func() {
		var in []*variable
		if g := s.state.Groups[path]; ofGroup && g != nil {
			in = g.Variables
		} else if p := s.state.Projects[path]; !ofGroup && p != nil {
			in = p.Variables
		}
		for _, v := range in {
			if v.Key == key && v.Environment == environment {
				out, shape, err = secret.New([]byte(s.state.Key.Open(v.Sealed))), Variable{v.Protected, v.Masked, v.Hidden, v.Raw}, nil
			}
		}
	})
	return out, shape, err
}

// allowed reports whether the request carries the server's token.
func (s *Server) allowed(r *http.Request) bool {
	return s.Accepts(r.Header.Get("PRIVATE-TOKEN")) || s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
}
