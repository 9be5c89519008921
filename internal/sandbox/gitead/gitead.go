// Package gitead is an embedded Gitea, or Forgejo, as far as secrets and runs of Actions and pull requests
// go. It refuses what the stricter of the two refuses: a name that contains GITEA_ or GITHUB_, a value
// above 64 KiB. Names are kept in capital letters, and an update without a description blanks it.
package gitead

import (
	"errors"
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

// Kind is what the server is.
type Kind int

// The kinds of server, which differ in what they tell.
const (
	Gitea   Kind = iota // names the run that it made, serves jobs and logs
	Older               // Gitea 1.24: a dispatch answers nothing
	Forgejo             // shows no descriptions; names the run, whose status says how it ended; no jobs and logs
	Oldest              // tells nothing about runs
)

// Server is one embedded server.
type Server struct {
	embedded.Server
	embedded.Runs
	kind  Kind
	state state
}

type state struct {
	Key    embedded.Key      `json:"key"`
	Places map[string]*place `json:"places"` // repositories by owner/name, organizations by name
	NextID int               `json:"nextId"`
}

// place is a repository or an organization.
type place struct {
	Archived bool      `json:"archived"`
	Off      bool      `json:"off"`    // without Actions
	Pushed   []string  `json:"pushed"` // names of the workflows on the branches
	Secrets  []*stored `json:"secrets"`
	Runs     []*run    `json:"runs"` // the newest one first

	Empty    bool                         `json:"empty,omitempty"`    // without a commit
	Branches map[string]map[string]string `json:"branches,omitempty"` // files by path
	Rules    []Rule                       `json:"rules,omitempty"`
	Pulls    []*pull                      `json:"pulls,omitempty"` // by number
}

type stored struct {
	Name        string    `json:"name"`
	Sealed      []byte    `json:"sealed"`
	Description string    `json:"description"`
	Created     time.Time `json:"created"`
}

// run makes one step forward each time that it is looked at.
type run struct {
	ID       int    `json:"id"`
	Workflow string `json:"workflow"`
	Branch   string `json:"branch"`
	Looks    int    `json:"looks"`
	Over     bool   `json:"over"`
	Failed   string `json:"failed"` // what it said; "" when it went well
}

// New starts a server with the data of o.State, or with the repository acme/etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Places: map[string]*place{"acme": {}, "acme/etl": {}}}
	})
}

// Be makes the server one of another kind.
func (s *Server) Be(k Kind) { s.Do(func() { s.kind = k }) }

// AddRepo makes a repository; an archived one takes no secrets, one that is off runs nothing.
func (s *Server) AddRepo(path string, archived, off bool) {
	s.Do(func() { s.state.Places[path] = &place{Archived: archived, Off: off} })
}

// Push puts a workflow with such jobs on the branches of a repository, which is made when it is missing.
func (s *Server) Push(path, file string, jobs ...embedded.Job) {
	s.Do(func() {
		if s.state.Places[path] == nil {
			s.state.Places[path] = &place{}
		}
		name := file[strings.LastIndex(file, "/")+1:]
		s.state.Places[path].Pushed = append(s.state.Places[path].Pushed, name)
		s.Reads(path+" "+name, jobs...)
	})
}

// Open reads a secret of a repository or an organization, and its description.
func (s *Server) Open(path, name string) (v *secret.Value, description string, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if p := s.state.Places[path]; p != nil {
			if x := p.named(name); x != nil {
				v, description, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Description, nil
			}
		}
	})
	return v, description, err
}

func (p *place) named(name string) *stored {
	for _, x := range p.Secrets {
		if strings.EqualFold(x.Name, name) {
			return x
		}
	}
	return nil
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"message": message, "url": "https://gitea.example/api/swagger"}}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	const repo, org = "/api/v1/repos/{owner}/{name}", "/api/v1/orgs/{owner}"
	routes := map[string]embedded.Action{
		"GET " + repo: s.in(false, s.about),
		"POST " + repo + "/actions/workflows/{file}/dispatches": s.in(true, s.dispatch),
		"GET " + repo + "/actions/runs":                         s.in(false, s.runs),
		"GET " + repo + "/actions/runs/{id}":                    s.in(false, s.look),
		"GET " + repo + "/actions/runs/{id}/jobs":               s.in(false, s.jobs),
		"GET " + repo + "/actions/jobs/{id}/logs":               s.in(false, s.log),
	}
	maps.Copy(routes, s.proposing(repo))
	for _, base := range []string{repo, org} {
		routes["GET "+base+"/actions/secrets"] = s.in(true, s.list)
		routes["PUT "+base+"/actions/secrets/{secret}"] = s.in(true, s.put)
		routes["DELETE "+base+"/actions/secrets/{secret}"] = s.in(true, s.remove)
	}
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		scheme, v, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		ok := (scheme == "token" || scheme == "Bearer") && s.Accepts(v)
		return fail(401, "invalid username, password or token"), ok
	}, fail(404, "Not Found"), routes)
}

// in finds the repository or organization of a request. Secrets and starts need the right to write.
func (s *Server) in(right bool, act func(p *place, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		path := r.PathValue("owner")
		if name := r.PathValue("name"); name != "" {
			path += "/" + name
		}
		p := s.state.Places[path]
		switch {
		case p == nil:
			return fail(404, "The target couldn't be found.")
		case right && s.Denied():
			return fail(403, "user should be an owner or a collaborator with admin write of a repository")
		}
		return act(p, r)
	}
}

func (s *Server) about(p *place, r *http.Request) embedded.Answer {
	return embedded.OK(map[string]any{
		"id": 1, "full_name": r.PathValue("owner") + "/" + r.PathValue("name"), "default_branch": s.Trunk(), "private": true,
		"archived": p.Archived, "has_actions": !p.Off,
	})
}

func number(r *http.Request, name string, usual int) int {
	if v, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && v > 0 {
		return v
	}
	return usual
}

// list gives at most 30 at a time, as a server may be set.
func (s *Server) list(p *place, r *http.Request) embedded.Answer {
	size := min(number(r, "limit", 30), 30)
	from := min((number(r, "page", 1)-1)*size, len(p.Secrets))
	out := []any{}
	for _, x := range p.Secrets[from:min(from+size, len(p.Secrets))] {
		shown := map[string]any{"name": x.Name, "created_at": x.Created}
		if s.kind != Forgejo {
			shown["description"] = x.Description
		}
		out = append(out, shown)
	}
	return embedded.OK(out)
}

var (
	name     = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
	reserved = pattern.New(`(?i)^FORGEJO_|GITEA_|GITHUB_`)
)

func (s *Server) put(p *place, r *http.Request) embedded.Answer {
	var in struct{ Data, Description string }
	called := r.PathValue("secret")
	switch {
	case !embedded.Read(r, &in):
		return fail(422, "[]: invalid body")
	case in.Data == "":
		return fail(422, "[Data]: Required")
	case !name.MatchString(called) || reserved.MatchString(called):
		return fail(400, "invalid secret name")
	case len(in.Data) > 65536:
		return fail(400, "data too long")
	}
	x, status := p.named(called), http.StatusNoContent
	if x == nil {
		x, status = &stored{Name: strings.ToUpper(called), Created: s.Now().UTC()}, http.StatusCreated
		p.Secrets = append(p.Secrets, x)
	}
	x.Sealed, x.Description = s.state.Key.Seal(in.Data), in.Description
	return embedded.Answer{Status: status}
}

func (s *Server) remove(p *place, r *http.Request) embedded.Answer {
	x := p.named(r.PathValue("secret"))
	if x == nil {
		return fail(404, "secret not found")
	}
	p.Secrets = slices.DeleteFunc(p.Secrets, func(y *stored) bool { return y == x })
	return embedded.Answer{Status: http.StatusNoContent}
}

func (s *Server) dispatch(p *place, r *http.Request) embedded.Answer {
	var in struct {
		Ref    string            `json:"ref"`
		Inputs map[string]string `json:"inputs"`
		Return bool              `json:"return_run_info"`
	}
	file := r.PathValue("file")
	switch {
	case !embedded.Read(r, &in) || in.Ref == "":
		return fail(422, "[Ref]: Required")
	case p.Off || !slices.Contains(p.Pushed, file):
		return fail(404, "workflow not found")
	case !s.Known(r.PathValue("owner")+"/"+r.PathValue("name")+" "+file, in.Ref):
		return fail(404, "The target couldn't be found.")
	}
	s.state.NextID++
	x := &run{ID: s.state.NextID, Workflow: file, Branch: in.Ref}
	p.Runs = slices.Insert(p.Runs, 0, x)
	switch {
	case s.kind == Gitea && r.URL.Query().Get("return_run_details") == "true":
		return embedded.OK(map[string]any{"workflow_run_id": x.ID, "run_url": "https://gitea.example/api", "html_url": "https://gitea.example/acme/etl/actions/runs/1"})
	case s.kind == Forgejo && in.Return:
		return embedded.Answer{Status: http.StatusCreated, Body: map[string]any{"id": x.ID, "run_number": 1, "jobs": []string{"deploy"}}}
	}
	return embedded.Answer{Status: http.StatusNoContent}
}

func (s *Server) shown(p *place, x *run, r *http.Request) map[string]any {
	status, conclusion := "queued", ""
	switch {
	case x.Over && x.Failed != "":
		status, conclusion = "completed", "failure"
	case x.Over:
		status, conclusion = "completed", "success"
	case x.Looks > 2:
		status = "in_progress"
	}
	number := len(p.Runs) - slices.Index(p.Runs, x)
	link := "https://gitea.example/" + r.PathValue("owner") + "/" + r.PathValue("name") + "/actions/runs/" + strconv.Itoa(number)
	if s.kind == Forgejo {
		if status = map[string]string{"queued": "waiting", "in_progress": "running"}[status]; status == "" {
			status = conclusion
		}
		return map[string]any{"id": x.ID, "html_url": link, "workflow_id": x.Workflow, "event": "workflow_dispatch", "status": status, "index_in_repo": number}
	}
	return map[string]any{"id": x.ID, "html_url": link, "path": x.Workflow + "@refs/heads/" + x.Branch, "event": "workflow_dispatch", "status": status, "conclusion": conclusion, "run_number": number}
}

func (s *Server) runs(p *place, r *http.Request) embedded.Answer {
	if s.kind == Oldest {
		return fail(404, "Not Found")
	}
	out := []any{}
	for _, x := range p.Runs[:min(number(r, "limit", 30), len(p.Runs))] {
		out = append(out, s.shown(p, x, r))
	}
	return embedded.OK(map[string]any{"total_count": len(p.Runs), "workflow_runs": out})
}

func (p *place) run(r *http.Request) *run {
	for _, x := range p.Runs {
		if strconv.Itoa(x.ID) == r.PathValue("id") {
			return x
		}
	}
	return nil
}

func (s *Server) look(p *place, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil || s.kind == Oldest {
		return fail(404, "Not Found")
	}
	if x.Looks++; x.Looks > 3 && !x.Over {
		x.Over = true
		owner := r.PathValue("owner")
		x.Failed = s.Run(owner+"/"+r.PathValue("name")+" "+x.Workflow, "", func(j embedded.Job) *secret.Value { return s.value(j, p, s.state.Places[owner]) })
	}
	return embedded.OK(s.shown(p, x, r))
}

// value is what a job gets, of its repository before its organization.
func (s *Server) value(j embedded.Job, in ...*place) *secret.Value {
	for _, p := range in {
		if p == nil {
			continue
		}
		if x := p.named(j.Secret); x != nil {
			return secret.New([]byte(s.state.Key.Open(x.Sealed)))
		}
	}
	return nil
}

func (s *Server) jobs(p *place, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil || s.kind == Forgejo || s.kind == Oldest {
		return fail(404, "Not Found")
	}
	conclusion := ""
	if x.Over {
		conclusion = map[bool]string{true: "success", false: "failure"}[x.Failed == ""]
	}
	return embedded.OK(map[string]any{"total_count": 1, "workflow_jobs": []any{map[string]any{
		"id": x.ID, "name": "deploy", "status": "completed", "conclusion": conclusion, "steps": []any{
			map[string]any{"name": "Check out the project", "number": 1, "conclusion": "success"},
			map[string]any{"name": "Deploy to Astro", "number": 2, "conclusion": conclusion},
		},
	}}})
}

func (s *Server) log(p *place, r *http.Request) embedded.Answer {
	x := p.run(r)
	if x == nil || !x.Over || s.kind == Forgejo || s.kind == Oldest {
		return fail(404, "Not Found")
	}
	const at = "2026-01-02T03:04:05.0000000Z "
	return embedded.Answer{Status: http.StatusOK, Body: []byte(at + "set -e\n" + at + "error: " + x.Failed + "\n"), Header: map[string]string{"Content-Type": "text/plain; charset=utf-8"}}
}
