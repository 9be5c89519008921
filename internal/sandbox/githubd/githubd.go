// Package githubd is an embedded GitHub, as far as secrets, environments and repositories go. It
// refuses what the real one refuses, and opens every sealed box with the private key of exactly
// the scope it was written to.
package githubd

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/nacl/box"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Options make a server.
type Options struct {
	Now     func() time.Time
	State   []byte // what State returned before; nil starts with the default data
	Limited bool   // refuse what is over GitHub's limits
}

// Server is one embedded GitHub.
type Server struct {
	embedded.Runs
	Faults fault.Set

	mu       sync.Mutex
	now      func() time.Time
	token    *secret.Value
	sums     [][32]byte // of the tokens that are accepted
	scopes   []string   // of the token; nil: a fine-grained token, which shows none
	ends     string     // of the token, as it is told; "" when it has none
	state    state
	onChange func()

	limits *limits // nil: none

	oldServer bool   // of the time before a dispatch named its run
	logs      string // address of the logs
}

// state is everything that is kept.
type state struct {
	Repos  map[string]*repo  `json:"repos"` // by lower-case owner/name
	Orgs   map[string]*scope `json:"orgs"`  // by lower-case login
	Runs   []*run            `json:"runs"`
	NextID int               `json:"nextId"`
}

type repo struct {
	ID           int               `json:"id"`
	Owner        string            `json:"owner"`
	Name         string            `json:"name"`
	Private      bool              `json:"private"`
	Archived     bool              `json:"archived"`
	MovedTo      string            `json:"movedTo,omitempty"` // owner/name after a rename
	Permission   string            `json:"permission"`        // admin, push or pull
	Secrets      *scope            `json:"secrets"`
	Environments map[string]*envir `json:"environments"` // by lower-case name
	Workflows    []string          `json:"workflows"`    // names of files on the default branch

	Branches  map[string]map[string]string `json:"branches,omitempty"` // files by path, by branch
	Protected []string                     `json:"protected,omitempty"`
	Rules     *Rules                       `json:"rules,omitempty"` // nil: the usual ones
	Pulls     []*pull                      `json:"pulls,omitempty"`
}

type envir struct {
	ID        int       `json:"id"`
	Name      string    `json:"name"`
	Reviewers int       `json:"reviewers"`
	Admits    *Admits   `json:"admits,omitempty"` // nil: every branch
	CreatedAt time.Time `json:"createdAt"`
	Secrets   *scope    `json:"secrets"`
}

// scope is one place with secrets and its own key pair.
type scope struct {
	KeyID   string             `json:"keyId"`
	Public  []byte             `json:"public"`
	Private []byte             `json:"private"`
	Limit   int                `json:"limit"`
	Secrets map[string]*sealed `json:"secrets"` // by upper-case name
}

type sealed struct {
	Name       string    `json:"name"`
	Box        []byte    `json:"box"`
	CreatedAt  time.Time `json:"createdAt"`
	UpdatedAt  time.Time `json:"updatedAt"`
	Visibility string    `json:"visibility,omitempty"`
	Selected   []int     `json:"selected,omitempty"`
}

// New starts a server with the data of o.State, or with the organization acme and its private
// repository acme/etl, which has an environment "staging".
func New(o Options) (*Server, error) {
	s := &Server{now: o.Now, scopes: []string{"repo", "workflow", "admin:org"}, onChange: func() {}}
	if s.now == nil {
		s.now = time.Now
	}
	if o.Limited {
		s.limits = &limits{points: map[string]*fault.Window{}}
	}
	s.token = s.AnotherToken()
	if o.State != nil {
		return s, json.Unmarshal(o.State, &s.state)
	}
	s.state = state{Repos: map[string]*repo{}, Orgs: map[string]*scope{}, NextID: 1000}
	s.AddRepo("acme", "etl")
	s.AddEnvironment("acme", "etl", "staging", 1)
	return s, nil
}

// Token is a log-in that the server accepts.
func (s *Server) Token() *secret.Value { return s.token }

// AnotherToken is one more log-in that the server accepts.
func (s *Server) AnotherToken() *secret.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := []byte("gho_" + rand.Text())
	s.sums = append(s.sums, sha256.Sum256(token))
	return secret.New(token)
}

// SetEnd makes the server say when its token ends, as GitHub does: "2027-01-31 12:00:00 UTC". "" stands for a token
// without an end.
func (s *Server) SetEnd(ends string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ends = ends
}

// SetScopes gives the token other scopes; nil makes it a fine-grained token, which shows none.
func (s *Server) SetScopes(scopes []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scopes = scopes
}

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

// AddRepo makes a private repository, and its owner as an organization, unless they exist.
func (s *Server) AddRepo(owner, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state.Orgs[strings.ToLower(owner)] == nil {
		s.state.Orgs[strings.ToLower(owner)] = newScope(1000)
	}
	key := strings.ToLower(owner + "/" + name)
	if s.state.Repos[key] == nil {
		s.state.Repos[key] = &repo{
			ID: s.id(), Owner: owner, Name: name, Private: true, Permission: "admin", Secrets: newScope(100), Environments: map[string]*envir{},
		}
	}
	if x, b := s.state.Repos[key], s.Trunk(); b != "main" && x.branches()[b] == nil {
		x.Branches[b] = map[string]string{}
	}
}

// AddEnvironment makes an environment with a number of required reviewers.
func (s *Server) AddEnvironment(owner, name, environment string, reviewers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Repos[strings.ToLower(owner+"/"+name)].Environments[strings.ToLower(environment)] = &envir{
		ID: s.id(), Name: environment, Reviewers: reviewers, CreatedAt: s.now().UTC(), Secrets: newScope(100),
	}
}

// Change lets a test change a repository: its permission for the token (admin, push, pull),
// whether it is archived, where it moved to.
func (s *Server) Change(owner, name, permission string, archived bool, movedTo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.state.Repos[strings.ToLower(owner+"/"+name)]
	r.Permission, r.Archived, r.MovedTo = permission, archived, movedTo
}

// OpenRepo opens a repository secret.
func (s *Server) OpenRepo(owner, name, secretName string) (*secret.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.state.Repos[strings.ToLower(owner+"/"+name)]
	if r == nil {
		return nil, errors.New("no such repository")
	}
	return r.Secrets.open(secretName)
}

// OpenEnvironment opens an environment secret.
func (s *Server) OpenEnvironment(owner, name, environment, secretName string) (*secret.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.state.Repos[strings.ToLower(owner+"/"+name)]
	if r == nil || r.Environments[strings.ToLower(environment)] == nil {
		return nil, errors.New("no such environment")
	}
	return r.Environments[strings.ToLower(environment)].Secrets.open(secretName)
}

// OpenOrganization opens an organization secret, and says which repositories (by id) may use it.
func (s *Server) OpenOrganization(org, secretName string) (v *secret.Value, visibility string, selected []int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.state.Orgs[strings.ToLower(org)]
	if o == nil || o.Secrets[secretName] == nil {
		return nil, "", nil, errors.New("no such organization secret")
	}
	v, err = o.open(secretName)
	return v, o.Secrets[secretName].Visibility, o.Secrets[secretName].Selected, err
}

// Reviewers tells how many reviewers an environment has, or -1 when it does not exist.
func (s *Server) Reviewers(owner, name, environment string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.state.Repos[strings.ToLower(owner+"/"+name)].Environments[strings.ToLower(environment)]; e != nil {
		return e.Reviewers
	}
	return -1
}

func (s *Server) id() int {
	s.state.NextID++
	return s.state.NextID
}

func newScope(limit int) *scope {
	pub, priv, err := box.GenerateKey(rand.Reader)
	if err != nil {
		panic(err) // crypto/rand never fails
	}
	sum := sha256.Sum256(pub[:])
	return &scope{KeyID: hex.EncodeToString(sum[:8]), Public: pub[:], Private: priv[:], Limit: limit, Secrets: map[string]*sealed{}}
}

func (c *scope) open(name string) (*secret.Value, error) {
	x := c.Secrets[strings.ToUpper(name)]
	if x == nil {
		return nil, fmt.Errorf("no secret %s", name)
	}
	plain, ok := c.decrypt(x.Box)
	if !ok {
		return nil, fmt.Errorf("secret %s does not open", name)
	}
	return secret.New(plain), nil
}

func (c *scope) decrypt(sealed []byte) ([]byte, bool) {
	return box.OpenAnonymous(nil, sealed, (*[32]byte)(c.Public), (*[32]byte)(c.Private))
}

func (c *scope) key() map[string]any {
	return map[string]any{"key_id": c.KeyID, "key": base64.StdEncoding.EncodeToString(c.Public)}
}

// allowed reports whether the request carries the server's token.
func (s *Server) allowed(r *http.Request) bool {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum := sha256.Sum256([]byte(value))
	return (strings.EqualFold(scheme, "bearer") || strings.EqualFold(scheme, "token")) && slices.ContainsFunc(s.sums, func(x [32]byte) bool { return subtle.ConstantTimeCompare(sum[:], x[:]) == 1 })
}
