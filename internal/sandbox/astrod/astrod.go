// Package astrod is an embedded Astro: the part of the API that credentials need, as strict as the
// real one. Tokens are signed and checked by signature, id and revision, so that no token's value
// is kept anywhere.
package astrod

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Options make a server.
type Options struct {
	Now     func() time.Time
	State   []byte // what State returned before; nil starts with the default data
	Limited bool   // refuse more requests a second than the API allows a token
}

// Server is one embedded Astro.
type Server struct {
	Faults fault.Set

	mu       sync.Mutex
	now      func() time.Time
	limited  bool
	windows  map[string]*fault.Window // by caller and method
	codes    map[string]code
	refresh  map[[32]byte]string // SHA-256 of a refresh token -> user
	state    state
	onChange func()
}

// state is everything that is kept.
type state struct {
	Key           []byte         `json:"key"` // ed25519 seed that signs tokens
	Organizations []organization `json:"organizations"`
	Workspaces    []workspace    `json:"workspaces"`
	Deployments   []deployment   `json:"deployments"`
	CustomRoles   []role         `json:"customRoles"`
	Users         []user         `json:"users"`
	Tokens        []*token       `json:"tokens"`
	Keys          []key          `json:"keys"`
	Deploys       []deploy       `json:"deploys"`
	NextID        int            `json:"nextId"`
}

type organization struct {
	ID, Name    string
	Plan        string
	IPAllowList bool
}

type workspace struct {
	ID, Organization, Name string
	CICDEnforced           bool
}

type deployment struct {
	ID, Workspace, Name, Status string
	DAGDeploys, CICDEnforced    bool
}

type user struct {
	ID, Username, FullName string
	Roles                  []grant
}

// grant is a role on one thing.
type grant struct{ EntityType, EntityID, Role string }

type token struct {
	ID, Organization, Name, Description, Scope, Kind string
	Roles                                            []grant
	Days                                             int
	Revision                                         int // rotate raises it; older values are dead
	CreatedAt, StartAt, UpdatedAt, EndAt             time.Time
	LastUsedAt, LastRotatedAt                        time.Time
	CreatedBy, Creator                               string // id; name, where it is no longer a user's
}

type deploy struct {
	ID, Deployment, Type, Status, Version string
	CreatedAt                             time.Time
}

// New starts a server with the data of o.State, or with the organization Acme Analytics.
func New(o Options) (*Server, error) {
	s := &Server{now: o.Now, limited: o.Limited, windows: map[string]*fault.Window{}, codes: map[string]code{}, refresh: map[[32]byte]string{}, onChange: func() {}}
	if s.now == nil {
		s.now = time.Now
	}
	if o.State != nil {
		return s, json.Unmarshal(o.State, &s.state)
	}
	s.state.Key = make([]byte, ed25519.SeedSize)
	if _, err := rand.Read(s.state.Key); err != nil {
		return nil, err
	}
	s.seed()
	return s, nil
}

// OnChange calls f after each request that changed something.
func (s *Server) OnChange(f func()) { s.onChange = f }

// State is everything there is, as JSON. It holds no token's value.
func (s *Server) State() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := json.Marshal(s.state)
	if err != nil {
		panic(err) // plain data always encodes
	}
	return b
}

// Login is a fresh log-in of the user with this name; the default data has ada@acme.example, an
// Organization Owner.
func (s *Server) Login(username string) *secret.Value {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, u := range s.state.Users {
		if u.Username == username {
			return s.sign(claims{Subject: u.ID, Permissions: []string{}, Issued: s.now().Unix(), Expires: s.now().Add(loginLife).Unix()})
		}
	}
	panic("no user " + username) // a mistake of the caller
}

// Token describes one token, for tests.
type Token struct {
	ID, Name, Description, Scope, Role, Entity string
	Days                                       int
	CreatedAt, EndAt, LastUsedAt               time.Time
	CreatedBy                                  string
}

// Tokens lists the tokens that exist.
func (s *Server) Tokens() (out []Token) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.state.Tokens {
		out = append(out, Token{t.ID, t.Name, t.Description, t.Scope, t.Roles[0].Role, t.Roles[0].EntityID, t.Days, t.CreatedAt, t.EndAt, t.LastUsedAt, t.CreatedBy})
	}
	return out
}

// Accepts reports whether v is the present value of the token with this id.
func (s *Server) Accepts(v *secret.Value, id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var who *caller
	_ = v.Use(func(b []byte) error { who, _ = s.authenticate(string(b)); return nil })
	return who != nil && who.token != nil && who.token.ID == id
}

func (s *Server) id() string {
	s.state.NextID++
	return fmt.Sprintf("cm%023d", s.state.NextID)
}

// seed makes the default data.
func (s *Server) seed() {
	org := s.addOrganization("Acme Analytics")
	s.state.Users = []user{{ID: s.id(), Username: "ada@acme.example", FullName: "Ada Example", Roles: []grant{{"ORGANIZATION", org, "ORGANIZATION_OWNER"}}}}
	data := s.addWorkspace(org, "Data Platform")
	s.addDeployment(data, "etl-prod", true, false)
	ml := s.addWorkspace(org, "Machine Learning")
	s.addDeployment(ml, "ml-dev", true, false)
	s.addDeployment(ml, "ml-prod", false, true)
	s.addWorkspace(org, "Finance")
}

func (s *Server) addOrganization(name string) string {
	id := s.id()
	s.state.Organizations = append(s.state.Organizations, organization{ID: id, Name: name, Plan: "TEAM"})
	return id
}

func (s *Server) addWorkspace(org, name string) string {
	id := s.id()
	s.state.Workspaces = append(s.state.Workspaces, workspace{ID: id, Organization: org, Name: name})
	return id
}

func (s *Server) addDeployment(ws, name string, dags, enforced bool) {
	s.state.Deployments = append(s.state.Deployments, deployment{ID: s.id(), Workspace: ws, Name: name, Status: "HEALTHY", DAGDeploys: dags, CICDEnforced: enforced})
}

// AddWorkspace makes a Workspace with Deployments of these names and returns the Workspace's id.
func (s *Server) AddWorkspace(name string, deployments ...string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	ws := s.addWorkspace(s.state.Organizations[0].ID, name)
	for _, d := range deployments {
		s.addDeployment(ws, d, true, false)
	}
	return ws
}

// AddUser gives a user a role on one thing, and makes the user first where there is none yet, for Login.
func (s *Server) AddUser(username, entityType, entityID, roleName string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.state.Users {
		if u := &s.state.Users[i]; u.Username == username {
			u.Roles = append(u.Roles, grant{entityType, entityID, roleName})
			return
		}
	}
	s.state.Users = append(s.state.Users, user{ID: s.id(), Username: username, FullName: username, Roles: []grant{{entityType, entityID, roleName}}})
}

// Change sets the plan of the first Organization (TEAM, ENTERPRISE) and whether it has an IP access
// list.
func (s *Server) Change(plan string, ipAllowList bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Organizations[0].Plan, s.state.Organizations[0].IPAllowList = plan, ipAllowList
}

// CustomRoles are the names of the custom roles and their permissions.
func (s *Server) CustomRoles() map[string][]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := map[string][]string{}
	for _, r := range s.state.CustomRoles {
		out[r.Name] = r.Permissions
	}
	return out
}

// AddCustomRole makes a custom role for Deployments.
func (s *Server) AddCustomRole(name string, permissions ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.CustomRoles = append(s.state.CustomRoles, role{ID: s.id(), Name: name, Scope: "DEPLOYMENT", Permissions: permissions, CreatedAt: s.now().UTC()})
}

// Find returns the ids of the Organization, and of the Workspace and Deployment with these names;
// "" for a name that is not there.
func (s *Server) Find(workspaceName, deploymentName string) (org, ws, dep string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	org = s.state.Organizations[0].ID
	for _, w := range s.state.Workspaces {
		if w.Name == workspaceName {
			ws = w.ID
		}
	}
	for _, d := range s.state.Deployments {
		if d.Name == deploymentName {
			dep = d.ID
		}
	}
	return org, ws, dep
}

// Age makes every last use of a token an hour older.
func (s *Server) Age() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.state.Tokens {
		if !t.LastUsedAt.IsZero() {
			t.LastUsedAt = t.LastUsedAt.Add(-time.Hour)
		}
	}
}

// Grow makes every token older; what it was signed for stays.
func (s *Server) Grow(by time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.state.Tokens {
		t.CreatedAt, t.StartAt = t.CreatedAt.Add(-by), t.StartAt.Add(-by)
		if !t.EndAt.IsZero() {
			t.EndAt = t.EndAt.Add(-by)
		}
	}
}

// Delete takes a token away, as somebody else would.
func (s *Server) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.state.Tokens)
	s.state.Tokens = slices.DeleteFunc(s.state.Tokens, func(t *token) bool { return t.ID == id })
	if len(s.state.Tokens) == n {
		return errors.New("no such token")
	}
	return nil
}
