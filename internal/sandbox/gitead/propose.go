package gitead

import (
	"crypto/sha1" // the mark of a file, as git makes them
	"encoding/base64"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// Pull is a pull request.
type Pull struct {
	Title string            `json:"title"`
	Head  string            `json:"head"`
	Base  string            `json:"base"`
	Fork  bool              `json:"fork"` // from a branch of that name elsewhere
	Open  bool              `json:"open"`
	Files map[string]string `json:"files"` // that differ from the base; filled in by Pulls
}

// branch is a branch with its files.
type branch struct {
	Files   map[string]string `json:"files"`
	Guarded bool              `json:"guarded"` // nobody pushes to it
}

// branches are those of a repository; every one has main.
func (p *place) branches() map[string]*branch {
	if p.Branches == nil {
		p.Branches = map[string]*branch{"main": {Files: map[string]string{}}}
	}
	return p.Branches
}

// Commit puts a file on a branch, as somebody else would; the branch is made when it is missing.
func (s *Server) Commit(path, name, file, text string) {
	s.Do(func() {
		all := s.state.Places[path].branches()
		if all[name] == nil {
			all[name] = &branch{Files: maps.Clone(all["main"].Files)}
		}
		all[name].Files[file] = text
	})
}

// HasBranch reports whether a repository has a branch.
func (s *Server) HasBranch(path, name string) (has bool) {
	s.Do(func() { has = s.state.Places[path].branches()[name] != nil })
	return has
}

// workflow reports whether a workflow was pushed to the branch main, or merged into it.
func (p *place) workflow(file string) bool {
	for at := range p.branches()["main"].Files {
		if strings.HasPrefix(at, ".gitea/workflows/") && strings.HasSuffix(at, "/"+file) {
			return true
		}
	}
	return slices.Contains(p.Pushed, file)
}

// Protect lets nobody push to a branch.
func (s *Server) Protect(path, name string) {
	s.Do(func() { s.state.Places[path].branches()[name].Guarded = true })
}

// Fork opens a pull request from a branch of the same name in a fork.
func (s *Server) Fork(path, head, base string) {
	s.Do(func() {
		p := s.state.Places[path]
		p.Pulls = append(p.Pulls, &Pull{Title: "theirs", Head: head, Base: base, Fork: true, Open: true})
	})
}

// Pulls are the pull requests of a repository.
func (s *Server) Pulls(path string) (out []Pull) {
	s.Do(func() {
		p := s.state.Places[path]
		for _, q := range p.Pulls {
			x := *q
			x.Files = map[string]string{}
			if head, base := p.branches()[q.Head], p.branches()[q.Base]; head != nil && base != nil && !q.Fork {
				for file, text := range head.Files {
					if old, there := base.Files[file]; !there || old != text {
						x.Files[file] = text
					}
				}
			}
			out = append(out, x)
		}
	})
	return out
}

// proposals are the routes of branches, files and pull requests.
func (s *Server) proposals(repo string) map[string]embedded.Action {
	return map[string]embedded.Action{
		"GET " + repo + "/branches/{branch...}":    s.in(false, s.branch),
		"POST " + repo + "/branches":               s.in(true, s.makeBranch),
		"DELETE " + repo + "/branches/{branch...}": s.in(true, s.dropBranch),
		"GET " + repo + "/contents/{path...}":      s.in(false, s.file),
		"POST " + repo + "/contents/{path...}":     s.in(true, s.write),
		"PUT " + repo + "/contents/{path...}":      s.in(true, s.write),
		"GET " + repo + "/pulls":                   s.in(false, s.pulls),
		"POST " + repo + "/pulls":                  s.in(true, s.open),
		"PATCH " + repo + "/pulls/{number}":        s.in(true, s.edit),
	}
}

func (s *Server) branch(p *place, r *http.Request) embedded.Answer {
	x := p.branches()[r.PathValue("branch")]
	if x == nil {
		return fail(404, "branch does not exist")
	}
	return embedded.OK(map[string]any{"name": r.PathValue("branch"), "commit": map[string]any{"id": strings.Repeat("a", 40)}, "protected": x.Guarded, "user_can_push": !x.Guarded && !s.Denied(), "user_can_merge": true})
}

func (s *Server) makeBranch(p *place, r *http.Request) embedded.Answer {
	var in struct {
		New string `json:"new_branch_name"`
		Old string `json:"old_branch_name"`
	}
	all := p.branches()
	switch {
	case !embedded.Read(r, &in) || in.New == "":
		return fail(422, "[BranchName]: Required")
	case all[in.Old] == nil:
		return fail(404, "The old branch does not exist")
	case all[in.New] != nil:
		return fail(409, "The branch already exists.")
	}
	all[in.New] = &branch{Files: maps.Clone(all[in.Old].Files)}
	return embedded.Answer{Status: 201, Body: map[string]any{"name": in.New}}
}

func (s *Server) dropBranch(p *place, r *http.Request) embedded.Answer {
	name := r.PathValue("branch")
	switch {
	case p.branches()[name] == nil:
		return fail(404, "branch not found")
	case name == "main":
		return fail(403, "can not delete default branch")
	}
	delete(p.Branches, name)
	return embedded.Answer{Status: 204}
}

func mark(text string) string {
	sum := sha1.Sum([]byte(text))
	return hex.EncodeToString(sum[:])
}

func (s *Server) file(p *place, r *http.Request) embedded.Answer {
	x := p.branches()[r.URL.Query().Get("ref")]
	if x == nil {
		return fail(404, "object does not exist")
	}
	text, there := x.Files[r.PathValue("path")]
	if !there {
		return fail(404, "object does not exist")
	}
	return embedded.OK(map[string]any{"type": "file", "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(text)), "sha": mark(text), "path": r.PathValue("path")})
}

func (s *Server) write(p *place, r *http.Request) embedded.Answer {
	var in struct {
		Message string `json:"message"`
		Content string `json:"content"`
		Branch  string `json:"branch"`
		SHA     string `json:"sha"`
	}
	if !embedded.Read(r, &in) {
		return fail(422, "[]: invalid body")
	}
	raw, err := base64.StdEncoding.DecodeString(in.Content)
	x := p.branches()[in.Branch]
	if err != nil || x == nil {
		return fail(422, "[Content]: invalid, or no such branch")
	}
	old, there := x.Files[r.PathValue("path")]
	switch {
	case x.Guarded:
		return fail(403, "branch is protected")
	case r.Method == http.MethodPost && there:
		return fail(422, "repository file already exists")
	case r.Method == http.MethodPut && (!there || in.SHA != mark(old)):
		return fail(422, "sha does not match")
	}
	x.Files[r.PathValue("path")] = string(raw)
	return embedded.Answer{Status: map[bool]int{true: 200, false: 201}[there], Body: map[string]any{"content": map[string]any{"path": r.PathValue("path")}}}
}

func (q *Pull) shown(p *place, repo string) map[string]any {
	from := map[string]any{"full_name": repo}
	if q.Fork {
		from = map[string]any{"full_name": "eve/etl"}
	}
	return map[string]any{
		"number": slices.Index(p.Pulls, q) + 1, "title": q.Title, "state": map[bool]string{true: "open", false: "closed"}[q.Open],
		"head": map[string]any{"ref": q.Head, "repo": from}, "base": map[string]any{"ref": q.Base, "repo": map[string]any{"full_name": repo}},
	}
}

func pathOf(r *http.Request) string { return r.PathValue("owner") + "/" + r.PathValue("name") }

// pulls gives at most two at a time.
func (s *Server) pulls(p *place, r *http.Request) embedded.Answer {
	var all []*Pull
	for _, q := range slices.Backward(p.Pulls) {
		if state := r.URL.Query().Get("state"); q.Open == (state == "open") || state == "all" {
			all = append(all, q)
		}
	}
	size := min(number(r, "limit", 30), 2)
	from := min((number(r, "page", 1)-1)*size, len(all))
	out := []any{}
	for _, q := range all[from:min(from+size, len(all))] {
		out = append(out, q.shown(p, pathOf(r)))
	}
	return embedded.OK(out)
}

func (s *Server) open(p *place, r *http.Request) embedded.Answer {
	var in struct {
		Title string `json:"title"`
		Body  string `json:"body"`
		Head  string `json:"head"`
		Base  string `json:"base"`
	}
	switch {
	case !embedded.Read(r, &in) || in.Title == "":
		return fail(422, "[Title]: Required")
	case p.branches()[in.Head] == nil || p.branches()[in.Base] == nil:
		return fail(404, "could not find the branch")
	}
	for _, q := range p.Pulls {
		if q.Open && !q.Fork && q.Head == in.Head && q.Base == in.Base {
			return fail(409, "pull request already exists for these targets")
		}
	}
	q := &Pull{Title: in.Title, Head: in.Head, Base: in.Base, Open: true}
	p.Pulls = append(p.Pulls, q)
	return embedded.Answer{Status: 201, Body: q.shown(p, pathOf(r))}
}

func (s *Server) edit(p *place, r *http.Request) embedded.Answer {
	var in struct {
		State string `json:"state"`
	}
	n, err := strconv.Atoi(r.PathValue("number"))
	switch {
	case err != nil || n < 1 || n > len(p.Pulls):
		return fail(404, "pull request not found")
	case !embedded.Read(r, &in) || in.State != "closed":
		return fail(422, "[State]: invalid")
	}
	q := p.Pulls[n-1]
	q.Open = false
	return embedded.Answer{Status: 201, Body: q.shown(p, pathOf(r))}
}
