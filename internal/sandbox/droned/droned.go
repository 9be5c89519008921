// Package droned is an embedded Drone, as far as secrets go. It refuses what the real one refuses,
// in the real one's own odd ways: a duplicate is a 500, a missing right in an organization a 401.
package droned

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"
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

// Server is one embedded Drone.
type Server struct {
	Faults fault.Set

	mu       sync.Mutex
	now      func() time.Time
	token    *secret.Value
	tokenSum [32]byte
	denied   bool
	state    state
	onChange func()
}

type state struct {
	Key    sealed.Key         `json:"key"`
	Repos  map[string]bool    `json:"repos"`  // by path; false: not activated
	Stored map[string]*stored `json:"stored"` // by place and lower-case name: "acme/etl token", "acme token"
	NextID int                `json:"nextId"`
}

type stored struct {
	ID          int    `json:"id"`
	Name        string `json:"name"`
	Sealed      []byte `json:"sealed"`
	PullRequest bool   `json:"pullRequest"`
}

// New starts a server with the data of o.State, or with the repository acme/etl.
func New(o Options) (*Server, error) {
	s := &Server{now: o.Now, onChange: func() {}}
	if s.now == nil {
		s.now = time.Now
	}
	token := rand.Text()
	s.token, s.tokenSum = secret.New([]byte(token)), sha256.Sum256([]byte(token))
	if o.State != nil {
		return s, json.Unmarshal(o.State, &s.state)
	}
	s.state = state{Key: sealed.NewKey(), Repos: map[string]bool{"acme/etl": true}, Stored: map[string]*stored{}}
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

// AddRepo makes a repository; one that is not active builds nothing.
func (s *Server) AddRepo(path string, active bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Repos[path] = active
}

// Deny takes the right to write away.
func (s *Server) Deny() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.denied = true
}

// Open reads a secret of a repository or an organization, and whether pull requests get it.
func (s *Server) Open(place, name string) (v *secret.Value, pullRequest bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.Stored[place+" "+strings.ToLower(name)]
	if x == nil {
		return nil, false, errors.New("no such secret")
	}
	return secret.New([]byte(s.state.Key.Open(x.Sealed))), x.PullRequest, nil
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	on := func(pattern string, a func(r *http.Request) (int, any)) { m.HandleFunc(pattern, s.guard(a)) }
	on("GET /api/user", func(*http.Request) (int, any) {
		return 200, map[string]any{"id": 1, "login": "ada", "active": true, "admin": false}
	})
	on("GET /api/repos/{ns}/{name}", func(r *http.Request) (int, any) {
		active, ok := s.state.Repos[repoOf(r)]
		if !ok {
			return fail(404, "Not Found")
		}
		return 200, map[string]any{"slug": repoOf(r), "default_branch": "main", "active": active, "visibility": "private"}
	})
	for _, x := range []struct {
		base  string
		place func(r *http.Request) (string, int, any)
	}{{"/api/repos/{ns}/{name}/secrets", s.ofRepo}, {"/api/secrets/{ns}", s.ofOrganization}} {
		on("GET "+x.base, s.at(x.place, s.list))
		on("POST "+x.base, s.at(x.place, s.create))
		on("GET "+x.base+"/{secret}", s.at(x.place, s.find))
		on("PATCH "+x.base+"/{secret}", s.at(x.place, s.update))
		on("DELETE "+x.base+"/{secret}", s.at(x.place, s.remove))
	}
	on("/", func(*http.Request) (int, any) { return fail(404, "Not Found") })
	return s.Faults.Wrap(m)
}

func repoOf(r *http.Request) string { return r.PathValue("ns") + "/" + r.PathValue("name") }

func fail(status int, message string) (int, any) {
	return status, map[string]string{"message": message}
}

func (s *Server) guard(a func(r *http.Request) (int, any)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		status, body := fail(401, "Unauthorized")
		sum := sha256.Sum256([]byte(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")))
		if subtle.ConstantTimeCompare(sum[:], s.tokenSum[:]) == 1 && r.URL.Query().Get("access_token") == "" {
			status, body = a(r)
		}
		s.mu.Unlock()
		if status < 300 && r.Method != http.MethodGet {
			s.onChange()
		}
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		if body == nil {
			w.WriteHeader(status)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

// at finds the place of a request, a repository or an organization.
func (s *Server) at(place func(*http.Request) (string, int, any), do func(string, *http.Request) (int, any)) func(*http.Request) (int, any) {
	return func(r *http.Request) (int, any) {
		p, status, body := place(r)
		if status != 0 {
			return status, body
		}
		return do(p, r)
	}
}

func (s *Server) ofRepo(r *http.Request) (string, int, any) {
	if _, ok := s.state.Repos[repoOf(r)]; !ok {
		status, body := fail(404, "Not Found")
		return "", status, body
	}
	if s.denied {
		status, body := fail(403, "Forbidden")
		return "", status, body
	}
	return repoOf(r), 0, nil
}

func (s *Server) ofOrganization(r *http.Request) (string, int, any) {
	if s.denied {
		status, body := fail(401, "Forbidden")
		return "", status, body
	}
	return r.PathValue("ns"), 0, nil
}

func (s *Server) list(place string, _ *http.Request) (int, any) {
	out := []any{}
	for k, x := range s.state.Stored {
		if strings.HasPrefix(k, place+" ") {
			out = append(out, x.shown())
		}
	}
	return 200, out
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

var badName = regexp.MustCompile(`[^a-zA-Z0-9-_.]+`)

func read(r *http.Request) (in input, ok bool) {
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	return in, d.Decode(&in) == nil
}

func (s *Server) create(place string, r *http.Request) (int, any) {
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
	return 200, x.shown()
}

func (s *Server) named(place string, r *http.Request) *stored {
	return s.state.Stored[place+" "+strings.ToLower(r.PathValue("secret"))]
}

func (s *Server) find(place string, r *http.Request) (int, any) {
	if x := s.named(place, r); x != nil {
		return 200, x.shown()
	}
	return fail(404, "sql: no rows in result set")
}

func (s *Server) update(place string, r *http.Request) (int, any) {
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
	return 200, x.shown()
}

func (s *Server) remove(place string, r *http.Request) (int, any) {
	x := s.named(place, r)
	if x == nil {
		return fail(404, "sql: no rows in result set")
	}
	delete(s.state.Stored, place+" "+strings.ToLower(x.Name))
	return http.StatusNoContent, nil
}
