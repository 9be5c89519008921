package githubd

import (
	"crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// pull is a pull request.
type pull struct {
	Number int    `json:"number"`
	Title  string `json:"title"`
	Head   string `json:"head"`
	Base   string `json:"base"`
	Closed bool   `json:"closed"`
}

// Pull is a pull request, for tests.
type Pull struct {
	Title, Base string
	Open        bool
	Files       map[string]string // that differ from the base
}

// Commit puts a file on a branch, which is made.
func (s *Server) Commit(owner, name, branch, path, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.Repos[strings.ToLower(owner+"/"+name)]
	if x.branches()[branch] == nil {
		x.Branches[branch] = map[string]string{}
	}
	x.Branches[branch][path] = text
}

// HasBranch reports whether a branch is there.
func (s *Server) HasBranch(owner, name, branch string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state.Repos[strings.ToLower(owner+"/"+name)].branches()[branch] != nil
}

// Protect guards a branch by rules.
func (s *Server) Protect(owner, name, branch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.Repos[strings.ToLower(owner+"/"+name)]
	x.Protected = append(x.Protected, branch)
}

// Pulls lists the pull requests of a repository.
func (s *Server) Pulls(owner, name string) (out []Pull) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.Repos[strings.ToLower(owner+"/"+name)]
	for _, p := range x.Pulls {
		files := map[string]string{}
		for path, text := range x.branches()[p.Head] {
			if x.branches()[p.Base][path] != text {
				files[path] = text
			}
		}
		out = append(out, Pull{p.Title, p.Base, !p.Closed, files})
	}
	return out
}

// branches are the branches with their files; main is there from the begin.
func (x *repo) branches() map[string]map[string]string {
	if x.Branches == nil {
		x.Branches = map[string]map[string]string{"main": {}}
	}
	return x.Branches
}

func sum(v any) string {
	raw, err := json.Marshal(v)
	if err != nil {
		panic(err) // plain data always encodes
	}
	h := sha1.Sum(raw)
	return hex.EncodeToString(h[:])
}

// read decodes the body of a request.
func read(r *http.Request, into any) *refusal {
	if json.NewDecoder(r.Body).Decode(into) != nil {
		return refuse(400, "Problems parsing JSON")
	}
	return nil
}

func (s *Server) proposals(on func(string, answer)) {
	on("GET /repos/{owner}/{repo}/branches/{branch}", s.getBranch)
	on("GET /repos/{owner}/{repo}/git/ref/heads/{branch...}", s.getRef)
	on("POST /repos/{owner}/{repo}/git/refs", s.createRef)
	on("DELETE /repos/{owner}/{repo}/git/refs/heads/{branch...}", s.deleteRef)
	on("GET /repos/{owner}/{repo}/contents/{path...}", s.getContent)
	on("PUT /repos/{owner}/{repo}/contents/{path...}", s.putContent)
	on("GET /repos/{owner}/{repo}/pulls", s.listPulls)
	on("POST /repos/{owner}/{repo}/pulls", s.createPull)
	on("PATCH /repos/{owner}/{repo}/pulls/{number}", s.closePull)
}

func (s *Server) getBranch(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	name := r.PathValue("branch")
	files := x.branches()[name]
	if files == nil {
		return 0, nil, refuse(404, "Branch not found")
	}
	at := "http://" + r.Host + "/repos/" + x.Owner + "/" + x.Name
	return 200, map[string]any{
		"name": name, "protected": slices.Contains(x.Protected, name), "protection": map[string]any{}, "protection_url": at + "/branches/" + name + "/protection",
		"_links": map[string]any{"html": at + "/tree/" + name, "self": at + "/branches/" + name},
		"commit": commit(at, sum(files)),
	}, nil
}

// commit is a commit of GitHub's description.
func commit(at, sha string) map[string]any {
	out := urls(at+"/commits/"+sha, "url", "html_url", "comments_url")
	out["sha"], out["node_id"], out["author"], out["committer"], out["parents"] = sha, sha, nil, nil, []any{}
	out["commit"] = map[string]any{"author": nil, "committer": nil, "comment_count": 0, "message": "x", "tree": map[string]any{"sha": sha, "url": at + "/tree"}, "url": at + "/git/commits/" + sha}
	return out
}

func ref(host, name string, files map[string]string) map[string]any {
	at := "http://" + host + "/git/refs/heads/" + name
	return map[string]any{"ref": "refs/heads/" + name, "node_id": name, "url": at, "object": map[string]any{"type": "commit", "sha": sum(files), "url": at + "/object"}}
}

func (s *Server) getRef(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	files := x.branches()[r.PathValue("branch")]
	if files == nil {
		return 0, nil, notFound
	}
	return 200, ref(r.Host, r.PathValue("branch"), files), nil
}

// writes finds the repository of a request that changes its contents.
func (s *Server) writes(r *http.Request) (*repo, *refusal) {
	x, no := s.repo(r, true)
	if no == nil && x.Permission == "pull" {
		no = forbidden("contents=write")
	}
	return x, no
}

func (s *Server) createRef(r *http.Request) (int, any, *refusal) {
	x, no := s.writes(r)
	var in struct{ Ref, SHA string }
	if no == nil {
		no = read(r, &in)
	}
	if no != nil {
		return 0, nil, no
	}
	name, ok := strings.CutPrefix(in.Ref, "refs/heads/")
	if !ok || name == "" {
		return 0, nil, refuse(422, "Reference name must start with 'refs/'.")
	}
	if x.branches()[name] != nil {
		return 0, nil, refuse(422, "Reference already exists")
	}
	for _, files := range x.branches() {
		if sum(files) == in.SHA {
			x.Branches[name] = maps.Clone(files)
			return 201, ref(r.Host, name, files), nil
		}
	}
	return 0, nil, refuse(422, "Object does not exist")
}

func (s *Server) deleteRef(r *http.Request) (int, any, *refusal) {
	x, no := s.writes(r)
	if no != nil {
		return 0, nil, no
	}
	name := r.PathValue("branch")
	if x.branches()[name] == nil {
		return 0, nil, refuse(422, "Reference does not exist")
	}
	delete(x.Branches, name)
	for _, p := range x.Pulls {
		p.Closed = p.Closed || p.Head == name
	}
	return http.StatusNoContent, nil, nil
}

func (s *Server) getContent(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	branch := r.URL.Query().Get("ref")
	text, ok := x.branches()[branch][r.PathValue("path")]
	if !ok {
		return 0, nil, notFound
	}
	return 200, blob(r.Host, r.PathValue("path"), text), nil
}

// blob is a file; GitHub breaks the base64 into lines.
func blob(host, path, text string) map[string]any {
	enc := base64.StdEncoding.EncodeToString([]byte(text))
	var lines strings.Builder
	for i := 0; i < len(enc); i += 60 {
		lines.WriteString(enc[i:min(i+60, len(enc))] + "\n")
	}
	at := "http://" + host + "/contents/" + path
	return map[string]any{
		"type": "file", "encoding": "base64", "size": len(text), "name": path[strings.LastIndex(path, "/")+1:], "path": path, "content": lines.String(), "sha": sum(text),
		"_links": map[string]any{"git": at, "html": at, "self": at}, "git_url": at, "html_url": at, "download_url": at, "url": at,
	}
}

func (s *Server) putContent(r *http.Request) (int, any, *refusal) {
	x, no := s.writes(r)
	var in struct{ Message, Content, Branch, SHA string }
	if no == nil {
		no = read(r, &in)
	}
	if no != nil {
		return 0, nil, no
	}
	path := r.PathValue("path")
	if strings.HasPrefix(path, ".github/workflows/") && s.scopes != nil && !slices.Contains(s.scopes, "workflow") {
		return 0, nil, notFound
	}
	raw, err := base64.StdEncoding.DecodeString(in.Content)
	files := x.branches()[in.Branch]
	switch before, there := files[path]; {
	case err != nil || in.Message == "":
		return 0, nil, refuse(422, "Invalid request.")
	case files == nil:
		return 0, nil, refuse(404, "Branch "+in.Branch+" not found")
	case slices.Contains(x.Protected, in.Branch):
		return 0, nil, refuse(409, "Repository rule violations found")
	case there && in.SHA == "":
		return 0, nil, refuse(422, `Invalid request. "sha" wasn't supplied.`)
	case there && in.SHA != sum(before):
		return 0, nil, refuse(409, path+" does not match "+in.SHA)
	case there:
		files[path] = string(raw)
		return 200, map[string]any{"content": blob(r.Host, path, string(raw)), "commit": map[string]any{"sha": sum(files)}}, nil
	}
	files[path] = string(raw)
	return 201, map[string]any{"content": blob(r.Host, path, string(raw)), "commit": map[string]any{"sha": sum(files)}}, nil
}

func (s *Server) listPulls(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	q := r.URL.Query()
	out := []any{}
	for _, p := range x.Pulls {
		if !p.Closed && (q.Get("head") == "" || strings.EqualFold(q.Get("head"), x.Owner+":"+p.Head)) && (q.Get("base") == "" || q.Get("base") == p.Base) {
			out = append(out, s.shown(p, x, r.Host))
		}
	}
	return 200, out, nil
}

// shown is a pull-request of GitHub's description.
func (s *Server) shown(p *pull, x *repo, host string) map[string]any {
	state := "open"
	if p.Closed {
		state = "closed"
	}
	at := "http://" + host + "/repos/" + x.Owner + "/" + x.Name + "/pulls/" + strconv.Itoa(p.Number)
	out := urls(at, "comments_url", "commits_url", "diff_url", "html_url", "issue_url", "patch_url", "review_comment_url", "review_comments_url", "statuses_url", "url")
	links := map[string]any{}
	for _, k := range []string{"comments", "commits", "statuses", "html", "issue", "review_comments", "review_comment", "self"} {
		links[k] = map[string]any{"href": at + "/" + k}
	}
	who := account(host, "ada", "User")
	end := func(branch string) map[string]any {
		return map[string]any{"label": x.Owner + ":" + branch, "ref": branch, "repo": s.repoBody(x, host), "sha": sum(x.branches()[branch]), "user": who}
	}
	for _, k := range []string{"assignee", "body", "closed_at", "merge_commit_sha", "merged_at", "milestone", "auto_merge", "mergeable", "merged_by"} {
		out[k] = nil
	}
	for _, k := range []string{"additions", "changed_files", "comments", "commits", "deletions", "review_comments"} {
		out[k] = 0
	}
	out["_links"], out["labels"], out["base"], out["head"] = links, []any{}, end(p.Base), end(p.Head)
	out["id"], out["node_id"], out["number"], out["title"], out["state"] = p.Number, nodeID("PR", p.Number), p.Number, p.Title, state
	out["locked"], out["merged"], out["maintainer_can_modify"], out["mergeable_state"], out["user"], out["author_association"] = false, false, false, "unknown", who, "OWNER"
	out["created_at"], out["updated_at"] = stamp, stamp
	return out
}

func (s *Server) createPull(r *http.Request) (int, any, *refusal) {
	x, no := s.writes(r)
	var in struct{ Title, Body, Head, Base string }
	if no == nil {
		no = read(r, &in)
	}
	if no != nil {
		return 0, nil, no
	}
	head, base := x.branches()[in.Head], x.branches()[in.Base]
	switch {
	case in.Title == "" || head == nil || base == nil:
		return 0, nil, refuse(422, "Validation Failed")
	case sum(head) == sum(base):
		return 0, nil, refuse(422, "No commits between "+in.Base+" and "+in.Head)
	case slices.ContainsFunc(x.Pulls, func(p *pull) bool { return !p.Closed && p.Head == in.Head && p.Base == in.Base }):
		return 0, nil, refuse(422, "A pull request already exists for "+x.Owner+":"+in.Head+".")
	}
	p := &pull{Number: len(x.Pulls) + 1, Title: in.Title, Head: in.Head, Base: in.Base}
	x.Pulls = append(x.Pulls, p)
	return 201, s.shown(p, x, r.Host), nil
}

func (s *Server) closePull(r *http.Request) (int, any, *refusal) {
	x, no := s.writes(r)
	var in struct{ State string }
	if no == nil {
		no = read(r, &in)
	}
	if no != nil {
		return 0, nil, no
	}
	for _, p := range x.Pulls {
		if strconv.Itoa(p.Number) == r.PathValue("number") && in.State == "closed" {
			p.Closed = true
			return 200, s.shown(p, x, r.Host), nil
		}
	}
	return 0, nil, notFound
}
