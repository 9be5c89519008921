package bitbucketd

import (
	"crypto/rand"
	"fmt"
	"io"
	"maps"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// User is the id of the log-in's account, which is a member of no group.
const User = "{0a0a0a0a-0000-4000-8000-000000000001}"

// Restriction says who may push to the branches that match.
type Restriction struct {
	Pattern string   `json:"pattern"`
	Type    string   `json:"type,omitempty"` // of the branching model, instead of a pattern
	Users   []string `json:"users"`
	Groups  []string `json:"groups"`
}

// pull is a pull request.
type pull struct {
	Number   int    `json:"id"`
	Title    string `json:"title"`
	Source   string `json:"source"`
	Target   string `json:"target"`
	From     string `json:"from"` // WORKSPACE/REPOSITORY of the source
	Declined bool   `json:"declined"`
}

// Pull is a pull request, for tests.
type Pull struct {
	Title, Target string
	Open          bool
	Files         map[string]string // that differ from the target
}

// Commit puts a file on a branch, which is made.
func (s *Server) Commit(path, branch, file, text string) {
	s.Do(func() {
		p := s.state.Places[path]
		p.add(branch, p.heads()[branch], file, text)
	})
}

// Restrict adds a restriction to a repository.
func (s *Server) Restrict(path string, r Restriction) {
	s.Do(func() {
		p := s.state.Places[path]
		p.Restrictions = append(p.Restrictions, r)
	})
}

// Fork opens a pull request from a branch of another repository.
func (s *Server) Fork(path, from, branch string) {
	s.Do(func() {
		p := s.state.Places[path]
		p.Pulls = append(p.Pulls, &pull{len(p.Pulls) + 1, "Theirs", branch, "main", from, false})
	})
}

// HasBranch reports whether a repository has a branch.
func (s *Server) HasBranch(path, branch string) (ok bool) {
	s.Do(func() { ok = s.state.Places[path].heads()[branch] != "" })
	return ok
}

// Pulls lists the pull requests of a repository.
func (s *Server) Pulls(path string) (out []Pull) {
	s.Do(func() {
		p := s.state.Places[path]
		for _, q := range p.Pulls {
			files := map[string]string{}
			for file, text := range p.files(q.Source) {
				if p.files(q.Target)[file] != text {
					files[file] = text
				}
			}
			out = append(out, Pull{q.Title, q.Target, !q.Declined, files})
		}
	})
	return out
}

// heads are the newest commits of the branches; main is there from the begin.
func (p *place) heads() map[string]string {
	if p.Heads == nil {
		p.Heads, p.Commits = map[string]string{}, map[string]map[string]string{}
		p.add("main", "", "README.md", "")
	}
	return p.Heads
}

func (p *place) files(branch string) map[string]string { return p.Commits[p.heads()[branch]] }

// add makes a commit on top of another one, the newest of a branch.
func (p *place) add(branch, parent, file, text string) {
	var hash [20]byte
	_, _ = rand.Read(hash[:])
	files := maps.Clone(p.Commits[parent])
	if files == nil {
		files = map[string]string{}
	}
	files[file] = text
	p.Heads[branch] = fmt.Sprintf("%x", hash)
	p.Commits[p.Heads[branch]] = files
}

// closed reports whether the log-in may not push to the branch.
func (p *place) closed(branch string) bool {
	return slices.ContainsFunc(p.Restrictions, func(r Restriction) bool {
		matches := r.Type == "production" && branch == "main" || r.Type == "feature" && strings.HasPrefix(branch, "feature/")
		if r.Type == "" {
			matches = regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(r.Pattern), `\*`, ".*") + "$").MatchString(branch)
		}
		return matches && !slices.Contains(r.Users, User)
	})
}

// proposing are the routes that a request takes.
func (s *Server) proposing(repo string) map[string]embedded.Action {
	return map[string]embedded.Action{
		"GET /2.0/user": func(r *http.Request) embedded.Answer {
			if _, _, basic := r.BasicAuth(); !basic {
				return fail(403, "This API is not accessible with an access token.")
			}
			return embedded.OK(map[string]any{"type": "user", "uuid": User})
		},
		"GET " + repo + "/branch-restrictions": s.in(s.restrictions),
		"GET " + repo + "/effective-branching-model": s.in(func(*place, *http.Request) embedded.Answer {
			return embedded.OK(map[string]any{
				"type": "effective_repo_branching_model", "development": map[string]any{"name": "develop", "use_mainbranch": false},
				"production": map[string]any{"name": "main", "use_mainbranch": true}, "branch_types": []any{map[string]any{"kind": "feature", "prefix": "feature/"}},
			})
		}),
		"GET " + repo + "/refs/branches/{name...}": s.in(func(p *place, r *http.Request) embedded.Answer {
			name := r.PathValue("name")
			if p.heads()[name] == "" {
				return fail(404, "Branch \""+name+"\" does not exist")
			}
			return embedded.OK(map[string]any{"type": "branch", "name": name, "target": map[string]any{"type": "commit", "hash": p.Heads[name]}})
		}),
		"DELETE " + repo + "/refs/branches/{name...}": s.in(deleteBranch),
		"GET " + repo + "/src/{commit}/{path...}": s.in(func(p *place, r *http.Request) embedded.Answer {
			p.heads()
			text, there := p.Commits[r.PathValue("commit")][r.PathValue("path")]
			if !there {
				return fail(404, "No such file or directory: "+r.PathValue("path"))
			}
			return embedded.Answer{Status: 200, Body: []byte(text), Header: map[string]string{"Content-Type": "text/plain"}}
		}),
		"POST " + repo + "/src":                            s.in(commit),
		"GET " + repo + "/pullrequests":                    s.in(pulls),
		"POST " + repo + "/pullrequests":                   s.in(openPull),
		"POST " + repo + "/pullrequests/{pull_id}/decline": s.in(decline),
	}
}

// restrictions are for administrators.
func (s *Server) restrictions(p *place, r *http.Request) embedded.Answer {
	if s.Denied() {
		return fail(403, "Your credentials lack one or more required privilege scopes.")
	}
	all := []any{map[string]any{"type": "branchrestriction", "id": 1, "kind": "force", "branch_match_kind": "glob", "pattern": "*"}}
	for i, x := range p.Restrictions {
		users, groups := []any{}, []any{}
		for _, id := range x.Users {
			users = append(users, map[string]any{"type": "user", "uuid": id})
		}
		for _, slug := range x.Groups {
			groups = append(groups, map[string]any{"type": "group", "slug": slug})
		}
		out := map[string]any{"type": "branchrestriction", "id": i + 2, "kind": "push", "branch_match_kind": "glob", "pattern": x.Pattern, "users": users, "groups": groups}
		if x.Type != "" {
			out["branch_match_kind"], out["branch_type"] = "branching_model", x.Type
		}
		all = append(all, out)
	}
	return page(r, all)
}

func deleteBranch(p *place, r *http.Request) embedded.Answer {
	name := r.PathValue("name")
	switch {
	case p.heads()[name] == "":
		return fail(404, "Branch \""+name+"\" does not exist")
	case name == "main":
		return fail(400, "The main branch cannot be deleted")
	case p.closed(name):
		return fail(403, "You are not allowed to delete this branch")
	}
	delete(p.Heads, name)
	return embedded.Answer{Status: http.StatusNoContent}
}

// commit takes the one form of it that keeps a file as it is: a part with the name of a file.
func commit(p *place, r *http.Request) embedded.Answer {
	if err := r.ParseMultipartForm(1 << 20); err != nil || len(r.MultipartForm.File) != 1 {
		return fail(400, "Unsupported Content-Type; use multipart/form-data or application/x-www-form-urlencoded")
	}
	branch, parent := r.PostFormValue("branch"), r.PostFormValue("parents")
	head := p.heads()[branch]
	switch {
	case branch == "" || p.Commits[parent] == nil:
		return fail(400, "parents: commit not found")
	case p.closed(branch):
		return fail(403, "You are not allowed to push to this branch")
	case head != "" && head != parent:
		return fail(409, "The parent is not the tip of the branch")
	}
	for field, parts := range r.MultipartForm.File {
		file := strings.TrimPrefix(field, "/")
		f, err := parts[0].Open()
		if err != nil || file == "" || file != path.Clean(file) {
			return fail(400, "Bad path")
		}
		text, _ := io.ReadAll(f)
		p.add(branch, parent, file, string(text))
	}
	return embedded.Answer{Status: http.StatusCreated, Header: map[string]string{"Location": "http://" + r.Host + "/2.0/repositories/" + pathOf(r) + "/commit/" + p.Heads[branch]}}
}

// filter is the one question about pull requests that is understood.
var filter = pattern.New(`^source\.branch\.name ?= ?"((?:[^"\\]|\\.)*)" AND destination\.branch\.name ?= ?"((?:[^"\\]|\\.)*)"$`)

var unquoted = pattern.New(`\\(.)`)

func pulls(p *place, r *http.Request) embedded.Answer {
	q := r.URL.Query()
	asked := filter.FindStringSubmatch(q.Get("q"))
	length, _ := strconv.Atoi(q.Get("pagelen"))
	switch {
	case asked == nil || q.Get("state") != "OPEN":
		return fail(400, "Invalid query")
	case length > 50: // less than elsewhere
		return fail(400, "Invalid pagelen")
	}
	all := []any{}
	for _, x := range p.Pulls {
		if !x.Declined && x.Source == unquoted.ReplaceAllString(asked[1], "$1") && x.Target == unquoted.ReplaceAllString(asked[2], "$1") {
			all = append(all, x.shown(pathOf(r)))
		}
	}
	return page(r, all)
}

func (x *pull) shown(target string) map[string]any {
	state := "OPEN"
	if x.Declined {
		state = "DECLINED"
	}
	end := func(branch, of string) map[string]any {
		return map[string]any{"branch": map[string]any{"name": branch}, "repository": map[string]any{"type": "repository", "full_name": of}}
	}
	return map[string]any{"type": "pullrequest", "id": x.Number, "state": state, "title": x.Title, "source": end(x.Source, x.From), "destination": end(x.Target, target)}
}

// openPull makes a pull request; one that is open for the same branches is changed instead.
func openPull(p *place, r *http.Request) embedded.Answer {
	type end struct{ Branch struct{ Name string } }
	var in struct {
		Type, Title, Description string
		Source, Destination      end
		Close                    bool `json:"close_source_branch"`
	}
	if !embedded.Read(r, &in) || in.Title == "" {
		return fail(400, "title: This field is required.")
	}
	source, target := in.Source.Branch.Name, in.Destination.Branch.Name
	switch {
	case p.heads()[source] == "":
		return fail(400, "source.branch.name: branch not found")
	case p.Heads[target] == "":
		return fail(400, "destination.branch.name: branch not found")
	case p.Heads[source] == p.Heads[target]:
		return fail(400, "There are no changes to be pulled")
	}
	for _, x := range p.Pulls {
		if !x.Declined && x.Source == source && x.Target == target && x.From == pathOf(r) {
			x.Title = in.Title
			return embedded.Answer{Status: http.StatusCreated, Body: x.shown(pathOf(r))}
		}
	}
	x := &pull{len(p.Pulls) + 1, in.Title, source, target, pathOf(r), false}
	p.Pulls = append(p.Pulls, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown(pathOf(r))}
}

func decline(p *place, r *http.Request) embedded.Answer {
	for _, x := range p.Pulls {
		if strconv.Itoa(x.Number) != r.PathValue("pull_id") {
			continue
		}
		if x.Declined {
			return fail(400, "This pull request is already closed.")
		}
		x.Declined = true
		return embedded.OK(x.shown(pathOf(r)))
	}
	return fail(404, "Pull request not found")
}
