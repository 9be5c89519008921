// Package azured is an embedded Azure DevOps, as far as variable groups, pipelines and pull requests go.
// It refuses what the real one refuses: a write replaces a whole group, a group without its project is no group
// of anybody, and a definition of an old revision is not taken.
package azured

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Server is one embedded Azure DevOps with one organization, acme, and its project "data".
type Server struct {
	embedded.Server
	embedded.Runs
	meddler func(g *group)
	held    bool // runs wait for an approval
	state   state
}

const (
	organization = "acme"
	project      = "data"
	projectID    = "6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c"
)

type state struct {
	Key         embedded.Key        `json:"key"`
	Repos       map[string]string   `json:"repos"` // name -> id
	Groups      map[int]*group      `json:"groups"`
	Definitions map[int]*definition `json:"definitions"`
	NextID      int                 `json:"nextId"`
	Runs        []*run              `json:"runs"`
	Pushed      []string            `json:"pushed"`         // id of a repository and path of a file on its branch main
	Code        map[string]*place   `json:"code,omitempty"` // by the id of the repository
}

type group struct {
	Name       string               `json:"name"`
	Type       string               `json:"type"`
	About      string               `json:"about"`
	Variables  map[string]*variable `json:"variables"`
	ModifiedOn time.Time            `json:"modifiedOn"`
	Pipelines  []int                `json:"pipelines"` // that may use it
	Locked     bool                 `json:"locked"`    // the log-in may not manage it
}

type variable struct {
	Sealed []byte `json:"sealed"`
	Secret bool   `json:"secret"`
}

type definition struct {
	Name      string               `json:"name"`
	Repo      string               `json:"repo"` // its id
	File      string               `json:"file"`
	Revision  int                  `json:"revision"`
	Variables map[string]*variable `json:"variables"`
}

// New starts a server with the data of o.State, or with the repository etl.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Repos: map[string]string{}, Groups: map[int]*group{}, Definitions: map[int]*definition{}, NextID: 100}
		s.AddRepo(organization + "/" + project + "/etl")
	})
}

// AddRepo makes a repository of the one project, unless it exists.
func (s *Server) AddRepo(path string) {
	name := path[strings.LastIndex(path, "/")+1:]
	s.Do(func() {
		if s.state.Repos[name] == "" {
			s.state.NextID++
			s.state.Repos[name] = fmt.Sprintf("5febef5a-833d-4e14-b9c0-%012d", s.state.NextID)
		}
		if b := s.Trunk(); b != "main" && s.place(name).Heads[b] == "" {
			s.place(name).add(b, "", "README.md", "")
		}
	})
}

// AddGroup makes a group of a type (Vsts, AzureKeyVault) with plain and secret variables; one that is
// locked can be seen and not changed.
func (s *Server) AddGroup(name, kind string, locked bool, plain, secrets map[string]string) {
	s.Do(func() {
		g := &group{Name: name, Type: kind, Locked: locked, Variables: map[string]*variable{}, ModifiedOn: s.Now()}
		for k, v := range plain {
			g.Variables[k] = &variable{s.state.Key.Seal(v), false}
		}
		for k, v := range secrets {
			g.Variables[k] = &variable{s.state.Key.Seal(v), true}
		}
		s.state.NextID++
		s.state.Groups[s.state.NextID] = g
	})
}

// Meddle makes somebody else take a variable out of each group right after it was written.
func (s *Server) Meddle(name string) {
	s.Do(func() { s.meddler = func(g *group) { delete(g.Variables, name) } })
}

// Open reads a variable of a group or a pipeline, and whether it is a secret.
func (s *Server) Open(holder, name string) (v *secret.Value, isSecret bool, err error) {
	err = errors.New("no such variable")
	s.Do(func() {
		for _, in := range s.holders(holder) {
			if x := in[name]; x != nil {
				v, isSecret, err = secret.New([]byte(s.state.Key.Open(x.Sealed))), x.Secret, nil
			}
		}
	})
	return v, isSecret, err
}

func (s *Server) holders(name string) (out []map[string]*variable) {
	for _, g := range s.state.Groups {
		if g.Name == name {
			out = append(out, g.Variables)
		}
	}
	for _, d := range s.state.Definitions {
		if d.Name == name {
			out = append(out, d.Variables)
		}
	}
	return out
}

// MayUse are the names of the pipelines that may use a group.
func (s *Server) MayUse(name string) (out []string) {
	s.Do(func() {
		for _, g := range s.state.Groups {
			for _, id := range g.Pipelines {
				if g.Name == name {
					out = append(out, s.state.Definitions[id].Name)
				}
			}
		}
	})
	return out
}

// Pipelines are the names of the pipelines there are.
func (s *Server) Pipelines() (out []string) {
	s.Do(func() {
		for _, d := range s.state.Definitions {
			out = append(out, d.Name+" "+d.File)
		}
	})
	return out
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"$id": "1", "message": message, "typeKey": "Exception", "errorCode": 0}}
}

// Handler serves the REST API.
func (s *Server) Handler() http.Handler {
	const all, one = "/{org}/_apis", "/{org}/{project}/_apis"
	routes := map[string]embedded.Action{
		"GET " + all + "/projects/{project}": func(*http.Request) embedded.Answer {
			return embedded.OK(map[string]any{"id": projectID, "name": project, "state": "wellFormed", "visibility": "private"})
		},
		"GET " + one + "/git/repositories/{repo}":                            s.repo,
		"GET " + one + "/distributedtask/variablegroups":                     s.listGroups,
		"POST " + all + "/distributedtask/variablegroups":                    s.writing(s.createGroup),
		"PUT " + all + "/distributedtask/variablegroups/{id}":                s.writing(s.putGroup),
		"DELETE " + all + "/distributedtask/variablegroups/{id}":             s.writing(s.deleteGroup),
		"PATCH " + one + "/pipelines/pipelinepermissions/variablegroup/{id}": s.writing(s.authorize),
		"GET " + one + "/build/definitions":                                  s.listDefinitions,
		"GET " + one + "/build/definitions/{id}":                             s.getDefinition,
		"PUT " + one + "/build/definitions/{id}":                             s.writing(s.putDefinition),
		"POST " + one + "/pipelines":                                         s.writing(s.createPipeline),
		"POST " + one + "/pipelines/{id}/runs":                               s.writing(s.startRun),
		"GET " + one + "/build/builds/{build}":                               s.ofRun(s.getBuild),
		"GET " + one + "/build/builds/{build}/timeline":                      s.ofRun(s.timeline),
		"GET " + one + "/build/builds/{build}/logs/{log}":                    s.ofRun(s.buildLog),
	}
	maps.Copy(routes, s.proposing(one))
	for pattern, act := range routes {
		routes[pattern] = s.inside(act)
	}
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		user, pass, ok := r.BasicAuth()
		if ok = ok && user == "" && s.Accepts(pass) || s.Accepts(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")); ok {
			return embedded.Answer{}, true
		}
		if r.Header.Get("X-TFS-FedAuthRedirect") != "Suppress" {
			return embedded.Answer{Status: 203, Body: []byte("<html>Sign in</html>"), Header: map[string]string{"Content-Type": "text/html"}}, false
		}
		return fail(401, "TF400813: The user is not authorized to access this resource."), false
	}, fail(404, "The controller for path was not found"), routes)
}

func (s *Server) inside(act embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		version := r.URL.Query().Get("api-version")
		switch {
		case !strings.HasPrefix(version, "7.1"):
			return fail(400, "No api-version was supplied for the request.")
		case r.PathValue("org") != organization:
			return fail(404, "TF400000: the organization does not exist")
		case r.PathValue("project") != "" && r.PathValue("project") != project:
			return fail(404, "TF200016: The following project does not exist: "+r.PathValue("project"))
		}
		return act(r)
	}
}

func (s *Server) writing(act embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		if s.Denied() {
			return fail(403, "You do not have permissions to perform this operation.")
		}
		return act(r)
	}
}

func (s *Server) repo(r *http.Request) embedded.Answer {
	name := r.PathValue("repo")
	id := s.state.Repos[name]
	if id == "" {
		return fail(404, "TF401019: The Git repository with name or identifier "+name+" does not exist")
	}
	return embedded.OK(map[string]any{"id": id, "name": name, "defaultBranch": heads + s.Trunk(), "isDisabled": false, "project": map[string]any{"id": projectID, "name": project}})
}

func shown(in map[string]*variable, open func([]byte) string) map[string]any {
	out := map[string]any{}
	for k, v := range in {
		if v.Secret {
			out[k] = map[string]any{"value": nil, "isSecret": true}
		} else {
			out[k] = map[string]any{"value": open(v.Sealed)}
		}
	}
	return out
}

func (s *Server) shownGroup(id int) map[string]any {
	g := s.state.Groups[id]
	return map[string]any{
		"id": id, "name": g.Name, "type": g.Type, "description": g.About, "isShared": false, "variables": shown(g.Variables, s.state.Key.Open),
		"modifiedOn": g.ModifiedOn, "createdOn": g.ModifiedOn,
		"variableGroupProjectReferences": []any{map[string]any{"name": g.Name, "description": g.About, "projectReference": map[string]any{"id": projectID, "name": project}}},
	}
}

func (s *Server) listGroups(r *http.Request) embedded.Answer {
	const pageSize = 3
	q := r.URL.Query()
	from, _ := strconv.Atoi(q.Get("continuationToken"))
	var ids []int
	for id, g := range s.state.Groups {
		if q.Get("groupName") != "" && !strings.EqualFold(g.Name, q.Get("groupName")) || q.Get("actionFilter") == "manage" && (g.Locked || s.Denied()) {
			continue
		}
		ids = append(ids, id)
	}
	slices.Sort(ids)
	out := embedded.OK(nil)
	to := min(len(ids), from+pageSize)
	if to < len(ids) {
		out.Header = map[string]string{"X-Ms-Continuationtoken": strconv.Itoa(to)}
	}
	page := []any{}
	for _, id := range ids[min(from, len(ids)):to] {
		page = append(page, s.shownGroup(id))
	}
	out.Body = map[string]any{"count": len(page), "value": page}
	return out
}

// body is what may come with a group; the rest of what a read gave is let pass.
type body struct {
	Name      string
	Type      string
	About     string `json:"description"`
	Variables map[string]struct {
		Value  *string
		Secret bool `json:"isSecret"`
	}
	References []struct {
		Project struct{ ID string } `json:"projectReference"`
	} `json:"variableGroupProjectReferences"`
	Revision int
}

// write replaces all variables: a secret that comes without a value keeps its own, one that does not
// come is gone.
func (s *Server) write(old map[string]*variable, b body) map[string]*variable {
	out := map[string]*variable{}
	for k, v := range b.Variables {
		switch {
		case v.Value != nil:
			out[k] = &variable{s.state.Key.Seal(*v.Value), v.Secret}
		case v.Secret && old[k] != nil:
			out[k] = old[k]
		}
	}
	return out
}

func read(r *http.Request) (b body, ok bool) { return b, json.NewDecoder(r.Body).Decode(&b) == nil }

func (s *Server) createGroup(r *http.Request) embedded.Answer {
	b, ok := read(r)
	switch {
	case !ok || b.Name == "" || b.Type != "Vsts" || len(b.Variables) == 0:
		return fail(400, "The variable group is invalid")
	case len(b.References) != 1 || b.References[0].Project.ID != projectID:
		return fail(401, "You are not authorized to access the project")
	}
	for _, g := range s.state.Groups {
		if strings.EqualFold(g.Name, b.Name) {
			return fail(409, "Variable group with name "+b.Name+" already exists")
		}
	}
	s.state.NextID++
	s.state.Groups[s.state.NextID] = &group{Name: b.Name, Type: b.Type, About: b.About, Variables: s.write(nil, b), ModifiedOn: s.Now()}
	return s.written(s.state.NextID)
}

func (s *Server) written(id int) embedded.Answer {
	out := embedded.OK(s.shownGroup(id))
	if s.meddler != nil {
		s.meddler(s.state.Groups[id])
	}
	return out
}

func (s *Server) group(r *http.Request) (int, *group) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	return id, s.state.Groups[id]
}

func (s *Server) putGroup(r *http.Request) embedded.Answer {
	id, g := s.group(r)
	b, ok := read(r)
	switch {
	case g == nil:
		return fail(404, "The variable group does not exist")
	case g.Locked:
		return fail(403, "You need to have user permissions on the variable group")
	case !ok || b.Name == "" || len(b.Variables) == 0:
		return fail(400, "The variable group is invalid")
	case len(b.References) != 1 || b.References[0].Project.ID != projectID:
		return fail(401, "You are not authorized to access the project")
	}
	g.Name, g.About, g.Variables, g.ModifiedOn = b.Name, b.About, s.write(g.Variables, b), s.Now()
	return s.written(id)
}

func (s *Server) deleteGroup(r *http.Request) embedded.Answer {
	id, g := s.group(r)
	if g == nil || r.URL.Query().Get("projectIds") != projectID {
		return fail(400, "The variable group does not exist, or no project was named")
	}
	delete(s.state.Groups, id)
	return embedded.Answer{Status: http.StatusNoContent}
}

func (s *Server) authorize(r *http.Request) embedded.Answer {
	var b struct {
		Pipelines []struct {
			ID         int
			Authorized bool
		}
	}
	id, g := s.group(r)
	if g == nil || !embedded.Read(r, &b) || len(b.Pipelines) == 0 || !strings.Contains(r.URL.Query().Get("api-version"), "preview") {
		return fail(400, "The resource does not exist, or the request is invalid")
	}
	for _, p := range b.Pipelines {
		if s.state.Definitions[p.ID] == nil {
			return fail(400, "The pipeline does not exist")
		}
		if g.Pipelines = slices.DeleteFunc(g.Pipelines, func(x int) bool { return x == p.ID }); p.Authorized {
			g.Pipelines = append(g.Pipelines, p.ID)
		}
	}
	shown := []any{}
	for _, p := range g.Pipelines {
		shown = append(shown, map[string]any{"id": p, "authorized": true})
	}
	return embedded.OK(map[string]any{"pipelines": shown, "resource": map[string]any{"type": "variablegroup", "id": strconv.Itoa(id)}})
}

func (s *Server) shownDefinition(id int) map[string]any {
	d := s.state.Definitions[id]
	return map[string]any{
		"id": id, "name": d.Name, "path": `\`, "revision": d.Revision, "type": "build", "createdDate": s.Now(), "variables": shown(d.Variables, s.state.Key.Open),
		"process":    map[string]any{"type": 2, "yamlFilename": d.File},
		"repository": map[string]any{"id": d.Repo, "type": "TfsGit"},
	}
}

func (s *Server) listDefinitions(r *http.Request) embedded.Answer {
	q := r.URL.Query()
	if q.Get("repositoryId") != "" && q.Get("repositoryType") == "" {
		return fail(400, "A repository type is needed")
	}
	out := []any{}
	for id, d := range s.state.Definitions {
		if (q.Get("name") == "" || strings.EqualFold(q.Get("name"), d.Name)) && (q.Get("repositoryId") == "" || q.Get("repositoryId") == d.Repo) {
			out = append(out, s.shownDefinition(id))
		}
	}
	return embedded.OK(map[string]any{"count": len(out), "value": out})
}

func (s *Server) definition(r *http.Request) (int, *definition) {
	id, _ := strconv.Atoi(r.PathValue("id"))
	return id, s.state.Definitions[id]
}

func (s *Server) getDefinition(r *http.Request) embedded.Answer {
	id, d := s.definition(r)
	if d == nil {
		return fail(404, "The definition does not exist")
	}
	return embedded.OK(s.shownDefinition(id))
}

func (s *Server) putDefinition(r *http.Request) embedded.Answer {
	id, d := s.definition(r)
	b, ok := read(r)
	switch {
	case d == nil:
		return fail(404, "The definition does not exist")
	case !ok || b.Name == "":
		return fail(400, "The definition is invalid")
	case b.Revision != d.Revision:
		return fail(409, "The definition was changed since it was read")
	}
	d.Variables, d.Revision = s.write(d.Variables, b), d.Revision+1
	return embedded.OK(s.shownDefinition(id))
}

func (s *Server) createPipeline(r *http.Request) embedded.Answer {
	var b struct {
		Name, Folder  string
		Configuration struct {
			Type, Path string
			Repository struct{ ID, Type string }
		}
	}
	known := false
	if embedded.Read(r, &b) {
		for _, id := range s.state.Repos {
			known = known || id == b.Configuration.Repository.ID
		}
	}
	if !known || b.Name == "" || b.Configuration.Type != "yaml" || b.Configuration.Repository.Type != "azureReposGit" {
		return fail(400, "The pipeline is invalid")
	}
	for _, d := range s.state.Definitions {
		if strings.EqualFold(d.Name, b.Name) {
			return fail(409, "A pipeline of this name exists")
		}
	}
	s.state.NextID++
	s.state.Definitions[s.state.NextID] = &definition{b.Name, b.Configuration.Repository.ID, b.Configuration.Path, 1, map[string]*variable{}}
	link := (&url.URL{Scheme: "https", Host: "dev.azure.com", Path: "/" + organization}).String()
	return embedded.OK(map[string]any{"id": s.state.NextID, "name": b.Name, "folder": `\`, "revision": 1, "url": link})
}
