// Package jenkinsd is an embedded Jenkins, as far as secret texts and builds go. It refuses what the real one
// refuses, in its own odd ways: a password needs a crumb and its session, an update that is not taken
// answers 200, and what it cannot read is a 500.
package jenkinsd

import (
	"crypto/rand"
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// User is who the log-in belongs to.
const User = "ada"

// Server is one embedded Jenkins.
type Server struct {
	embedded.Server
	embedded.Runs
	crumb    string // that a password needs; "" while none was issued
	password bool   // the log-in is a password
	readOnly bool
	is       mode
	state    state
}

type state struct {
	Key    embedded.Key                  `json:"key"`
	Jobs   map[string]string             `json:"jobs"`   // full name -> class
	Stored map[string]map[string]*stored `json:"stored"` // by folder, "" for the system, then id
	Pushed []pushed                      `json:"pushed"` // where a Jenkinsfile is
	Builds []*build                      `json:"builds"` // the oldest first
}

type stored struct {
	Description string `json:"description"`
	Type        string `json:"type"`
	Sealed      []byte `json:"sealed"`
}

const (
	folder      = "com.cloudbees.hudson.plugins.folder.Folder"
	multibranch = "org.jenkinsci.plugins.workflow.multibranch.WorkflowMultiBranchProject"
	job         = "org.jenkinsci.plugins.workflow.job.WorkflowJob"
)

// New starts a server with the data of o.State, or with the folder "team", the multibranch project
// "team/etl" and the plain job "etl".
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "11", &s.state, func() {
		s.state = state{
			Key: embedded.NewKey(), Jobs: map[string]string{"team": folder, "team/etl": multibranch, "etl": job},
			Stored: map[string]map[string]*stored{"": {}, "team": {}, "team/etl": {}},
		}
	})
}

// UsePassword makes the log-in a password, which needs a crumb.
func (s *Server) UsePassword() { s.Do(func() { s.password = true }) }

// BeReadOnly makes updates answer 200 without being taken.
func (s *Server) BeReadOnly() { s.Do(func() { s.readOnly = true }) }

// AddOther makes a credential of another kind in the system's store.
func (s *Server) AddOther(id string) {
	s.Do(func() { s.state.Stored[""][id] = &stored{Type: "Username with password"} })
}

// Open reads a secret text of a folder, or of the system (""), and its description.
func (s *Server) Open(folder, id string) (v *secret.Value, description string, err error) {
	err = errors.New("no such credential")
	s.Do(func() {
		if x := s.state.Stored[folder][id]; x != nil {
			v, description, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Description, nil
		}
	})
	return v, description, err
}

func page(status int, text string) embedded.Answer {
	return embedded.Answer{Status: status, Body: []byte("<html><body>" + text + "</body></html>"), Header: map[string]string{"Content-Type": "text/html;charset=utf-8", "X-Jenkins": "2.504.3"}}
}

func forbidden(right string) embedded.Answer {
	a := page(403, "Forbidden")
	a.Header["X-Required-Permission"] = right
	return a
}

var (
	system   = pattern.New(`^/credentials/store/system/domain/_(/.*)$`)
	inFolder = pattern.New(`^((?:/job/[^/]+)+)/credentials/store/folder/domain/_(/.*)$`)
	ofJob    = pattern.New(`^((?:/job/[^/]+)+)/api/json$`)
	one      = pattern.New(`^/credential/([^/]+)/config\.xml$`)
)

// Handler serves the remote API.
func (s *Server) Handler() http.Handler {
	return s.Server.Handler(func(r *http.Request) embedded.Answer {
		if user, pass, ok := r.BasicAuth(); !ok || user != User || !s.Accepts(pass) {
			return page(401, "Invalid password/token for user")
		}
		if r.URL.Path == "/crumbIssuer/api/json" {
			s.crumb = rand.Text()
			return embedded.Answer{Status: 200, Body: map[string]string{"crumb": s.crumb, "crumbRequestField": "Jenkins-Crumb"}, Header: map[string]string{"Set-Cookie": "JSESSIONID.x=" + s.crumb + "; Path=/; HttpOnly"}}
		}
		if s.password && r.Method != http.MethodGet && (s.crumb == "" || r.Header.Get("Jenkins-Crumb") != s.crumb || r.Header.Get("Cookie") != "JSESSIONID.x="+s.crumb) {
			return page(403, "No valid crumb was included in the request")
		}
		if m := ofJob.FindStringSubmatch(r.URL.Path); m != nil && r.Method == http.MethodGet {
			name := nameOf(m[1])
			if class := s.class(name); class != "" {
				return embedded.OK(s.shown(name, class, r.URL.Query().Get("tree")))
			}
			return page(404, "Not Found")
		}
		if a, ok := s.ofBuilds(r); ok {
			return a
		}
		at, rest := "", ""
		if m := system.FindStringSubmatch(r.URL.Path); m != nil {
			rest = m[1]
		} else if m := inFolder.FindStringSubmatch(r.URL.Path); m != nil {
			at, rest = nameOf(m[1]), m[2]
		}
		in := s.state.Stored[at]
		if rest == "" || in == nil {
			return page(404, "Not Found")
		}
		return s.store(in, rest, r)
	})
}

func nameOf(path string) string {
	return strings.ReplaceAll(strings.TrimPrefix(path, "/job/"), "/job/", "/")
}

func (s *Server) store(in map[string]*stored, rest string, r *http.Request) embedded.Answer {
	m := one.FindStringSubmatch(rest)
	switch {
	case rest == "/api/json" && r.Method == http.MethodGet:
		all := []any{}
		for id, x := range in {
			all = append(all, map[string]any{"id": id, "description": x.Description, "typeName": x.Type})
		}
		return embedded.OK(map[string]any{"_class": "com.cloudbees.plugins.credentials.CredentialsStoreAction$DomainWrapper", "credentials": all})
	case rest == "/createCredentials" && r.Method == http.MethodPost:
		if s.Denied() {
			return forbidden("com.cloudbees.plugins.credentials.CredentialsProvider.Create")
		}
		return s.create(in, r)
	case m != nil && in[m[1]] == nil:
		return page(404, "Not Found")
	case m != nil && s.Denied():
		return forbidden("com.cloudbees.plugins.credentials.CredentialsProvider.Update")
	case m != nil && r.Method == http.MethodPost:
		id, x, status := s.read(r)
		switch {
		case x == nil:
			return page(status, "Could not be read")
		case id != m[1]:
			return page(500, "The id differs")
		case !s.readOnly:
			in[id] = x
		}
		return page(200, "")
	case m != nil && r.Method == http.MethodDelete:
		delete(in, m[1])
		return page(200, "")
	}
	return page(404, "Not Found")
}

func (s *Server) create(in map[string]*stored, r *http.Request) embedded.Answer {
	id, x, status := s.read(r)
	if x == nil {
		return page(status, "Could not be read")
	}
	if in[id] != nil {
		return page(409, "")
	}
	in[id] = x
	return page(200, "")
}

// read decodes a credential; what is no XML of the right class is refused.
func (s *Server) read(r *http.Request) (id string, x *stored, status int) {
	if kind := r.Header.Get("Content-Type"); kind != "application/xml" && kind != "text/xml" {
		return "", nil, 400
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil {
		return "", nil, 500
	}
	var c struct {
		XMLName     xml.Name `xml:"org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"`
		Scope       string   `xml:"scope"`
		ID          string   `xml:"id"`
		Description string   `xml:"description"`
		Secret      string   `xml:"secret"`
	}
	if xml.Unmarshal(raw, &c) != nil || c.Scope != "GLOBAL" || c.ID == "" || c.Secret == "" || strings.Contains(string(raw), "secret-redacted") {
		return "", nil, 500
	}
	return c.ID, &stored{Description: c.Description, Type: "Secret text", Sealed: s.state.Key.Seal(c.Secret)}, 200
}
