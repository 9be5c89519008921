// Package gitlabd is an embedded GitLab, as far as CI/CD variables, environments and protected
// branches go. It refuses what the real one refuses.
package gitlabd

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/sealed"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Options make a server.
type Options struct {
	Now   func() time.Time
	State []byte // what State returned before; nil starts with the default data
}

// Server is one embedded GitLab.
type Server struct {
	Faults fault.Set

	mu       sync.Mutex
	now      func() time.Time
	token    *secret.Value
	tokenSum [32]byte
	oldest   bool // it is older than hidden variables
	state    state
	onChange func()
}

// state is everything that is kept.
type state struct {
	Key      sealed.Key          `json:"key"`
	Projects map[string]*project `json:"projects"` // by path
	Groups   map[string]*group   `json:"groups"`   // by path
	NextID   int                 `json:"nextId"`
}

type project struct {
	ID           int         `json:"id"`
	Level        int         `json:"level"` // of the log-in: 40 Maintainer, 30 Developer
	Archived     bool        `json:"archived"`
	Protected    []string    `json:"protected"` // branches
	Environments []string    `json:"environments"`
	Variables    []*variable `json:"variables"`
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
func New(o Options) (*Server, error) {
	s := &Server{now: o.Now, onChange: func() {}}
	if s.now == nil {
		s.now = time.Now
	}
	token := "glpat-" + rand.Text()
	s.token, s.tokenSum = secret.New([]byte(token)), sha256.Sum256([]byte(token))
	if o.State != nil {
		return s, json.Unmarshal(o.State, &s.state)
	}
	s.state = state{Key: sealed.NewKey(), Projects: map[string]*project{}, Groups: map[string]*group{}, NextID: 1000}
	s.AddProject("acme", "etl")
	s.state.Projects["acme/etl"].Environments = []string{"staging"}
	return s, nil
}

// Token is a log-in that the server accepts.
func (s *Server) Token() *secret.Value { return s.token }

// OnChange calls f after each request that changed something.
func (s *Server) OnChange(f func()) { s.onChange = f }

// State is everything there is, as JSON.
func (s *Server) State() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s.state)
	if err != nil {
		panic(err) // plain data always encodes
	}
	return b
}

// AddProject makes a project, and its group, unless they exist.
func (s *Server) AddProject(namespace, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Groups[namespace] == nil {
		s.state.Groups[namespace] = &group{Level: 50}
	}
	if path := namespace + "/" + name; s.state.Projects[path] == nil {
		s.state.NextID++
		s.state.Projects[path] = &project{ID: s.state.NextID, Level: 40, Protected: []string{"main"}}
	}
}

// Change sets the role of the log-in in a project and its group, and whether the project is archived.
func (s *Server) Change(path string, level int, archived bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.state.Projects[path]
	p.Level, p.Archived = level, archived
	for _, g := range s.state.Groups {
		g.Level = level
	}
}

// BeOld makes the server one that knows no hidden variables yet.
func (s *Server) BeOld() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldest = true
}

// Variable describes a variable, for tests.
type Variable struct{ Protected, Masked, Hidden, Raw bool }

// Open reads a variable: of a project with an environment scope (* for all), or of a group.
func (s *Server) Open(path, environment, key string, ofGroup bool) (*secret.Value, Variable, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var in []*variable
	if g := s.state.Groups[path]; ofGroup && g != nil {
		in = g.Variables
	} else if p := s.state.Projects[path]; !ofGroup && p != nil {
		in = p.Variables
	}
	for _, v := range in {
		if v.Key == key && v.Environment == environment {
			return secret.New([]byte(s.state.Key.Open(v.Sealed))), Variable{v.Protected, v.Masked, v.Hidden, v.Raw}, nil
		}
	}
	return nil, Variable{}, errors.New("no such variable")
}

// allowed reports whether the request carries the server's token.
func (s *Server) allowed(r *http.Request) bool {
	sum := sha256.Sum256([]byte(r.Header.Get("PRIVATE-TOKEN")))
	bearer := sha256.Sum256([]byte(trimBearer(r.Header.Get("Authorization"))))
	return subtle.ConstantTimeCompare(sum[:], s.tokenSum[:])|subtle.ConstantTimeCompare(bearer[:], s.tokenSum[:]) == 1
}
