package gitead

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// Rule protects the branches that match.
type Rule struct {
	Pattern string `json:"pattern"` // a star is no slash
	Push    bool   `json:"push"`    // the log-in may push all the same
}

// pull is a pull request.
type pull struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	Head   string `json:"head"`
	Base   string `json:"base"`
	From   string `json:"from"` // OWNER/NAME of the head
	Closed bool   `json:"closed"`
	Merged bool   `json:"merged"`
}

// Pull is a pull request, for tests.
type Pull struct {
	Title, Base string
	Open        bool
	Files       map[string]string // that differ from the base
}

// Commit puts a file on a branch, which is made.
func (s *Server) Commit(path, branch, file, text string) {
	s.Do(func() {
		p := s.state.Places[path]
		if p.branches()[branch] == nil {
			p.Branches[branch] = map[string]string{}
		}
		p.Branches[branch][file] = text
	})
}

// Protect adds a rule to a repository.
func (s *Server) Protect(path string, r Rule) {
	s.Do(func() {
		p := s.state.Places[path]
		p.Rules = append(p.Rules, r)
	})
}

// Clear makes a repository one without a commit.
func (s *Server) Clear(path string) { s.Do(func() { s.state.Places[path].Empty = true }) }

// Fork opens a pull request from a branch of another repository.
func (s *Server) Fork(path, from, branch string) {
	s.Do(func() {
		p := s.state.Places[path]
		p.Pulls = append(p.Pulls, &pull{Number: len(p.Pulls) + 1, Title: "Theirs", Head: branch, Base: "main", From: from})
	})
}

// Merge merges the newest pull request of a repository; its branch stays.
func (s *Server) Merge(path string) {
	s.Do(func() {
		p := s.state.Places[path]
		q := p.Pulls[len(p.Pulls)-1]
		maps.Copy(p.Branches[q.Base], p.Branches[q.Head])
		q.Closed, q.Merged = true, true
	})
}

// HasBranch reports whether a repository has a branch.
func (s *Server) HasBranch(path, branch string) (ok bool) {
	s.Do(func() { ok = s.state.Places[path].branches()[branch] != nil })
	return ok
}

// Pulls lists the pull requests of a repository.
func (s *Server) Pulls(path string) (out []Pull) {
	s.Do(func() {
		p := s.state.Places[path]
		for _, q := range p.Pulls {
			files := map[string]string{}
			for file, text := range p.branches()[q.Head] {
				if before, there := p.Branches[q.Base][file]; !there || before != text {
					files[file] = text
				}
			}
			out = append(out, Pull{q.Title, q.Base, !q.Closed, files})
		}
	})
	return out
}

// branches are the files of each branch; main is there from the begin.
func (p *place) branches() map[string]map[string]string {
	if p.Empty {
		return nil
	}
	if p.Branches == nil {
		p.Branches = map[string]map[string]string{"main": {"README.md": ""}}
	}
	return p.Branches
}

// rule is the first one that is about a branch.
func (p *place) rule(branch string) *Rule {
	for i, r := range p.Rules {
		if ok, _ := path.Match(r.Pattern, branch); ok {
			return &p.Rules[i]
		}
	}
	return nil
}

// closed reports whether the log-in may not push to the branch.
func (p *place) closed(branch string) bool {
	r := p.rule(branch)
	return r != nil && !r.Push
}

// sum is a content's name, as git gives it to a file.
func sum(text string) string {
	h := sha1.Sum([]byte("blob " + strconv.Itoa(len(text)) + "\x00" + text))
	return hex.EncodeToString(h[:])
}

// proposing are the routes that a request takes.
func (s *Server) proposing(repo string) map[string]embedded.Action {
	return map[string]embedded.Action{
		"GET " + repo + "/branches/{branch...}":    s.in(false, getBranch),
		"POST " + repo + "/branches":               s.writing(createBranch),
		"DELETE " + repo + "/branches/{branch...}": s.writing(deleteBranch),
		"GET " + repo + "/contents/{path...}":      s.in(false, s.content),
		"POST " + repo + "/contents/{path...}":     s.writing(createFile),
		"PUT " + repo + "/contents/{path...}":      s.writing(updateFile),
		"GET " + repo + "/pulls":                   s.in(false, pulls),
		"POST " + repo + "/pulls":                  s.writing(openPull),
		"PATCH " + repo + "/pulls/{index}":         s.writing(editPull),
	}
}

// writing is for repositories that are not archived.
func (s *Server) writing(act func(p *place, r *http.Request) embedded.Answer) embedded.Action {
	return s.in(false, func(p *place, r *http.Request) embedded.Answer {
		if p.Archived {
			return fail(423, "Repo is archived.")
		}
		return act(p, r)
	})
}

func (p *place) shown(branch string) map[string]any {
	files, err := json.Marshal(p.Branches[branch])
	if err != nil {
		panic(err) // plain data always encodes
	}
	return map[string]any{
		"name": branch, "commit": map[string]any{"id": sum(string(files))}, "protected": p.rule(branch) != nil,
		"user_can_push": !p.closed(branch), "user_can_merge": true, "required_approvals": 0, "enable_status_check": false,
	}
}

func getBranch(p *place, r *http.Request) embedded.Answer {
	name := r.PathValue("branch")
	if p.branches()[name] == nil {
		return fail(404, "The target couldn't be found.")
	}
	return embedded.OK(p.shown(name))
}

func createBranch(p *place, r *http.Request) embedded.Answer {
	var in struct { // newer servers know old_ref_name as well
		New string `json:"new_branch_name"`
		Old string `json:"old_branch_name"`
	}
	if !embedded.Read(r, &in) || in.New == "" || len(in.New) > 100 || len(in.Old) > 100 || strings.ContainsAny(in.New, " ~^:?*[\\") {
		return fail(422, "[BranchName]: GitRefName")
	}
	if in.Old == "" {
		in.Old = "main"
	}
	switch {
	case p.branches() == nil:
		return fail(404, "Git Repository is empty.")
	case p.Branches[in.Old] == nil:
		return fail(404, "The old branch does not exist")
	case p.Branches[in.New] != nil:
		return fail(409, "The branch already exists.")
	}
	for name := range p.Branches {
		if strings.HasPrefix(name, in.New+"/") || strings.HasPrefix(in.New, name+"/") {
			return fail(409, "The branch with the same name already exists.")
		}
	}
	if p.closed(in.New) { // the push behind it is refused, which nobody expects there
		return fail(500, "PushRejected")
	}
	p.Branches[in.New] = maps.Clone(p.Branches[in.Old])
	return embedded.Answer{Status: http.StatusCreated, Body: p.shown(in.New)}
}

func deleteBranch(p *place, r *http.Request) embedded.Answer {
	name := r.PathValue("branch")
	switch {
	case p.branches()[name] == nil:
		return fail(404, "branch does not exist")
	case name == "main":
		return fail(403, "can not delete default branch")
	case p.rule(name) != nil: // whoever may push
		return fail(403, "branch protected")
	}
	delete(p.Branches, name)
	return embedded.Answer{Status: http.StatusNoContent}
}

func described(file, text string) map[string]any {
	return map[string]any{
		"name": path.Base(file), "path": file, "sha": sum(text), "type": "file", "size": len(text), "target": nil,
		"encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(text)),
	}
}

// content is a file, or what is in a folder.
func (s *Server) content(p *place, r *http.Request) embedded.Answer {
	files, file := p.branches()[r.URL.Query().Get("ref")], r.PathValue("path")
	if text, there := files[file]; there {
		return embedded.OK(described(file, text))
	}
	list := []any{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if rest, below := strings.CutPrefix(name, file+"/"); below {
			x := described(name, files[name])
			x["encoding"], x["content"] = nil, nil
			if folder, _, deeper := strings.Cut(rest, "/"); deeper {
				x = map[string]any{"name": folder, "path": file + "/" + folder, "type": "dir"}
			}
			list = append(list, x)
		}
	}
	if len(list) == 0 && (!p.Empty || s.kind == Gitea) { // older ones know no paths where nothing is
		return fail(404, "The target couldn't be found.")
	}
	return embedded.OK(list)
}

// change is what a commit of one file asks for.
type change struct {
	Branch  string `json:"branch"`
	Message string `json:"message"`
	Content string `json:"content"`
	SHA     string `json:"sha"`
}

// commit puts a file on a branch when check lets it.
func commit(p *place, r *http.Request, status int, check func(in change, before string, there bool) *embedded.Answer) embedded.Answer {
	var in change
	file := r.PathValue("path")
	if !embedded.Read(r, &in) {
		return fail(422, "[]: invalid body")
	}
	if in.Branch == "" {
		in.Branch = "main"
	}
	raw, err := base64.StdEncoding.DecodeString(in.Content)
	switch {
	case p.closed(in.Branch):
		return fail(403, "user should have a permission to write to this branch")
	case err != nil:
		return fail(422, err.Error())
	case p.branches()[in.Branch] == nil:
		return fail(404, "branch does not exist [name: "+in.Branch+"]")
	case file == "" || file != path.Clean(file) || strings.HasPrefix(file, "../") || slices.Contains(strings.Split(file, "/"), ".git"):
		return fail(422, "path is invalid [path: "+file+"]")
	}
	files := p.Branches[in.Branch]
	for name := range files {
		if strings.HasPrefix(name, file+"/") || strings.HasPrefix(file, name+"/") {
			return fail(422, "path is invalid [path: "+file+"]")
		}
	}
	before, there := files[file]
	if no := check(in, before, there); no != nil {
		return *no
	}
	files[file] = string(raw)
	return embedded.Answer{Status: status, Body: map[string]any{"content": described(file, string(raw)), "commit": map[string]any{"sha": sum(in.Message), "message": in.Message}}}
}

func createFile(p *place, r *http.Request) embedded.Answer {
	return commit(p, r, http.StatusCreated, func(in change, _ string, there bool) (no *embedded.Answer) {
		if there || in.SHA != "" {
			x := fail(422, "repository file already exists [path: "+r.PathValue("path")+"]")
			no = &x
		}
		return no
	})
}

func updateFile(p *place, r *http.Request) embedded.Answer {
	return commit(p, r, http.StatusOK, func(in change, before string, there bool) *embedded.Answer {
		x := fail(422, fmt.Sprintf("sha does not match [given: %s, expected: %s]", in.SHA, sum(before)))
		switch {
		case in.SHA == "":
			x = fail(422, "[SHA]: Required")
		case !there:
			x = fail(404, "repository file does not exist [path: "+r.PathValue("path")+"]")
		case in.SHA == sum(before):
			return nil
		}
		return &x
	})
}

// pulls gives at most 30 at a time, as a server may be set, the newest first.
func pulls(p *place, r *http.Request) embedded.Answer {
	all := []any{}
	for _, q := range slices.Backward(p.Pulls) {
		if state := r.URL.Query().Get("state"); state == "all" || q.Closed == (state == "closed") {
			all = append(all, p.described(q, r))
		}
	}
	size := min(number(r, "limit", 30), 30)
	from := min((number(r, "page", 1)-1)*size, len(all))
	return embedded.OK(all[from:min(from+size, len(all))])
}

// described is a pull request; the ref of one whose branch is gone is one of the server's own.
func (p *place) described(q *pull, r *http.Request) map[string]any {
	here, state := r.PathValue("owner")+"/"+r.PathValue("name"), "open"
	if q.Closed {
		state = "closed"
	}
	head := map[string]any{"label": q.Head, "ref": q.Head, "repo_id": 1, "repo": map[string]any{"full_name": q.From}}
	switch {
	case q.From != here:
		head["repo_id"] = 2
	case p.branches()[q.Head] == nil:
		head["ref"] = fmt.Sprintf("refs/pull/%d/head", q.Number)
	}
	return map[string]any{
		"number": q.Number, "title": q.Title, "state": state, "merged": q.Merged, "head": head,
		"base":     map[string]any{"label": q.Base, "ref": q.Base, "repo_id": 1, "repo": map[string]any{"full_name": here}},
		"html_url": "https://gitea.example/" + here + "/pulls/" + strconv.Itoa(q.Number),
	}
}

func openPull(p *place, r *http.Request) embedded.Answer {
	var in struct{ Title, Body, Head, Base string }
	here := r.PathValue("owner") + "/" + r.PathValue("name")
	switch {
	case !embedded.Read(r, &in) || in.Title == "" || in.Head == "" || in.Base == "":
		return fail(422, "[Title]: Required")
	case in.Head == in.Base:
		return fail(422, "Invalid PullRequest: There are no changes between the head and the base")
	case p.branches()[in.Head] == nil || p.Branches[in.Base] == nil:
		return fail(404, "The target couldn't be found.")
	}
	for _, q := range p.Pulls {
		if !q.Closed && q.Head == in.Head && q.Base == in.Base && q.From == here {
			return fail(409, "pull request already exists for these targets")
		}
	}
	q := &pull{Number: len(p.Pulls) + 1, Title: in.Title, Head: in.Head, Base: in.Base, From: here}
	p.Pulls = append(p.Pulls, q)
	return embedded.Answer{Status: http.StatusCreated, Body: p.described(q, r)}
}

func editPull(p *place, r *http.Request) embedded.Answer {
	var in struct{ State string }
	if !embedded.Read(r, &in) || in.State != "open" && in.State != "closed" {
		return fail(422, "unknown state")
	}
	for _, q := range p.Pulls {
		if strconv.Itoa(q.Number) != r.PathValue("index") {
			continue
		}
		if q.Merged {
			return fail(412, "cannot change state of this pull request, it was already merged")
		}
		q.Closed = in.State == "closed"
		return embedded.Answer{Status: http.StatusCreated, Body: p.described(q, r)}
	}
	return fail(404, "The target couldn't be found.")
}
