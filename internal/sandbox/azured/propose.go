package azured

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

const (
	heads    = "refs/heads/"
	noCommit = "0000000000000000000000000000000000000000"
)

// Policy is a rule for the branches that it is about, or, about none, for every push.
type Policy struct {
	Ref      string `json:"ref"`            // refs/heads/main
	Match    string `json:"match"`          // Exact, Prefix, DefaultBranch
	Optional bool   `json:"optional"`       // it does not block
	Disabled bool   `json:"disabled"`       // it is kept and not applied
	Push     bool   `json:"push,omitempty"` // about no branch
}

// place is the code of a repository.
type place struct {
	Heads    map[string]string            `json:"heads"`   // the newest commits, by branch
	Commits  map[string]map[string]string `json:"commits"` // files by path, by commit
	Policies []Policy                     `json:"policies"`
	Pulls    []*pull                      `json:"pulls"`
}

// pull is a pull request.
type pull struct {
	Number    int    `json:"id"`
	Title     string `json:"title"`
	Source    string `json:"source"`
	Target    string `json:"target"`
	Fork      bool   `json:"fork"` // the source is a branch of another repository
	Abandoned bool   `json:"abandoned"`
}

// Pull is a pull request, for tests.
type Pull struct {
	Title, Target string
	Number        int
	Open          bool
	Files         map[string]string // that differ from the target
}

// Commit puts a file on a branch of a repository, named by its full path; the branch is made.
func (s *Server) Commit(repo, branch, file, text string) {
	s.Do(func() {
		p := s.place(repo)
		p.add(branch, p.Heads[branch], file, text)
	})
}

// Require adds a policy to a repository.
func (s *Server) Require(repo string, x Policy) {
	s.Do(func() {
		p := s.place(repo)
		p.Policies = append(p.Policies, x)
	})
}

// Fork opens a pull request from a branch of a fork.
func (s *Server) Fork(repo, branch string) {
	s.Do(func() {
		p := s.place(repo)
		s.state.NextID++
		p.Pulls = append(p.Pulls, &pull{s.state.NextID, "Theirs", branch, "main", true, false})
	})
}

// HasBranch reports whether a repository has a branch.
func (s *Server) HasBranch(repo, branch string) (ok bool) {
	s.Do(func() { ok = s.place(repo).Heads[branch] != "" })
	return ok
}

// Pulls lists the pull requests of a repository.
func (s *Server) Pulls(repo string) (out []Pull) {
	s.Do(func() {
		p := s.place(repo)
		for _, q := range p.Pulls {
			files := map[string]string{}
			for file, text := range p.files(q.Source) {
				if p.files(q.Target)[file] != text {
					files[file] = text
				}
			}
			out = append(out, Pull{q.Title, q.Target, q.Number, !q.Abandoned, files})
		}
	})
	return out
}

// place is the code of a repository, with the branch main from the begin.
func (s *Server) place(repo string) *place {
	id := s.state.Repos[repo[strings.LastIndex(repo, "/")+1:]]
	if s.state.Code == nil {
		s.state.Code = map[string]*place{}
	}
	if s.state.Code[id] == nil {
		p := &place{Heads: map[string]string{}, Commits: map[string]map[string]string{}}
		p.add("main", "", "README.md", "")
		s.state.Code[id] = p
	}
	return s.state.Code[id]
}

func (p *place) files(branch string) map[string]string { return p.Commits[p.Heads[branch]] }

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

// about reports whether a policy says something about the branch.
func (x Policy) about(ref string) bool {
	switch x.Match {
	case "Prefix":
		return ref == x.Ref || strings.HasPrefix(ref, strings.TrimSuffix(x.Ref, "/")+"/")
	case "DefaultBranch":
		return ref == heads+"main"
	}
	return x.Push || ref == x.Ref
}

// closed reports whether the branch takes no push.
func (p *place) closed(ref string) bool {
	return slices.ContainsFunc(p.Policies, func(x Policy) bool { return x.about(ref) && !x.Push && !x.Optional && !x.Disabled })
}

// proposing are the routes that a request takes, below those of the project.
func (s *Server) proposing(project string) map[string]embedded.Action {
	repo := project + "/git/repositories/{repo}"
	return map[string]embedded.Action{
		"GET " + project + "/git/policy/configurations": s.policies,
		"GET " + repo + "/refs":                         s.in(refs),
		"POST " + repo + "/refs":                        s.in(s.updateRefs),
		"GET " + repo + "/items":                        s.in(item),
		"POST " + repo + "/pushes":                      s.writing(s.in(s.push)),
		"GET " + repo + "/pullrequests":                 s.in(pulls),
		"POST " + repo + "/pullrequests":                s.writing(s.in(s.openPull)),
		"PATCH " + repo + "/pullrequests/{pull}":        s.writing(s.in(changePull)),
	}
}

// in finds the code that a request is about.
func (s *Server) in(act func(p *place, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		if name := r.PathValue("repo"); s.state.Repos[name] == "" {
			return fail(404, "TF401019: The Git repository with name or identifier "+name+" does not exist")
		}
		return act(s.place(r.PathValue("repo")), r)
	}
}

func listed(all []any) embedded.Answer {
	return embedded.OK(map[string]any{"count": len(all), "value": all})
}

// policies are those that apply to a branch; what is for every push applies to each.
func (s *Server) policies(r *http.Request) embedded.Answer {
	const pageSize = 2
	q := r.URL.Query()
	name := ""
	for n, id := range s.state.Repos {
		if id == q.Get("repositoryId") {
			name = n
		}
	}
	if name == "" || !strings.HasPrefix(q.Get("refName"), heads) {
		return fail(400, "The repository or the ref is not one")
	}
	from, _ := strconv.Atoi(q.Get("continuationToken")) // the id of the last one
	all, last, more := []any{}, 0, false
	for i, x := range s.place(name).Policies {
		if i < from || !x.about(q.Get("refName")) {
			continue
		}
		if more = len(all) == pageSize; more {
			break
		}
		last = i + 1
		scope := map[string]any{"repositoryId": q.Get("repositoryId")}
		switch {
		case x.Match == "DefaultBranch":
			scope["refName"], scope["matchKind"] = nil, x.Match
		case !x.Push:
			scope["refName"], scope["matchKind"] = x.Ref, x.Match
		}
		all = append(all, map[string]any{
			"id": last, "isEnabled": !x.Disabled, "isBlocking": !x.Optional, "isDeleted": false, "settings": map[string]any{"scope": []any{scope}},
		})
	}
	out := listed(all)
	if more {
		out.Header = map[string]string{"X-Ms-Continuationtoken": strconv.Itoa(last)}
	}
	return out
}

// refs are those that begin with the filter.
func refs(p *place, r *http.Request) embedded.Answer {
	all := []any{}
	for _, branch := range slices.Sorted(maps.Keys(p.Heads)) {
		if strings.HasPrefix("heads/"+branch, r.URL.Query().Get("filter")) {
			all = append(all, map[string]any{"name": heads + branch, "objectId": p.Heads[branch]})
		}
	}
	return listed(all)
}

// updateRefs deletes branches; each update has an answer of its own.
func (s *Server) updateRefs(p *place, r *http.Request) embedded.Answer {
	var in []struct{ Name, OldObjectID, NewObjectID string }
	if !embedded.Read(r, &in) || len(in) == 0 {
		return fail(400, "The body is no list of updates")
	}
	all := []any{}
	for _, x := range in {
		branch, ok := strings.CutPrefix(x.Name, heads)
		status := "succeeded"
		switch {
		case !ok || branch == "":
			status = "invalidRefName"
		case x.NewObjectID != noCommit: // nothing here makes a branch so, or moves one
			status = "unprocessed"
		case s.Denied():
			status = "forcePushRequired"
		case p.Heads[branch] == "":
			status = "succeededNonExistentRef"
		case p.Heads[branch] != x.OldObjectID:
			status = "staleOldObjectId"
		case p.closed(x.Name):
			status = "rejectedByPolicy"
		default:
			delete(p.Heads, branch)
		}
		all = append(all, map[string]any{
			"name": x.Name, "oldObjectId": x.OldObjectID, "newObjectId": x.NewObjectID, "isLocked": false,
			"updateStatus": status, "success": strings.HasPrefix(status, "succeeded"),
		})
	}
	return listed(all)
}

// item is a file, as it is, of a commit.
func item(p *place, r *http.Request) embedded.Answer {
	q := r.URL.Query()
	switch {
	case r.Header.Get("Accept") != "application/octet-stream":
		return fail(406, "Only the file as it is can be had")
	case q.Get("versionDescriptor.versionType") != "commit" || p.Commits[q.Get("versionDescriptor.version")] == nil:
		return fail(404, "TF401175: The version descriptor could not be resolved to a version in the repository")
	}
	text, there := p.Commits[q.Get("versionDescriptor.version")][strings.TrimPrefix(q.Get("path"), "/")]
	if !there {
		return fail(404, "TF401174: The item "+q.Get("path")+" could not be found in the repository")
	}
	return embedded.Answer{Status: http.StatusOK, Body: []byte(text), Header: map[string]string{"Content-Type": "application/octet-stream"}}
}

// push takes one commit with one file, on top of the newest one of its branch. A branch that is not
// there is made from the commit that is named.
func (s *Server) push(p *place, r *http.Request) embedded.Answer {
	var in struct {
		RefUpdates []struct{ Name, OldObjectID string }
		Commits    []struct {
			Comment string
			Changes []struct {
				ChangeType string
				Item       struct{ Path string }
				NewContent struct{ Content, ContentType string }
			}
		}
	}
	if !embedded.Read(r, &in) || len(in.RefUpdates) != 1 || len(in.Commits) != 1 || len(in.Commits[0].Changes) != 1 {
		return fail(400, "The push is not one commit with one change")
	}
	ref, change := in.RefUpdates[0], in.Commits[0].Changes[0]
	branch, ok := strings.CutPrefix(ref.Name, heads)
	file := strings.TrimPrefix(change.Item.Path, "/")
	raw, err := base64.StdEncoding.DecodeString(change.NewContent.Content)
	_, exists := p.Commits[ref.OldObjectID][file]
	switch {
	case !ok || branch == "" || in.Commits[0].Comment == "":
		return fail(400, "The ref or the comment is missing")
	case err != nil || !strings.EqualFold(change.NewContent.ContentType, "base64encoded") || file == "" || file != path.Clean(file):
		return fail(400, "The change is not one")
	case p.Heads[branch] != "" && p.Heads[branch] != ref.OldObjectID:
		return fail(409, "TF401028: The reference '"+ref.Name+"' has already been updated by another client, so you cannot update it. Please try again.")
	case p.Commits[ref.OldObjectID] == nil:
		return fail(404, "TF401035: The object '"+ref.OldObjectID+"' does not exist.")
	case p.Heads[branch] != "" && p.closed(ref.Name):
		return fail(403, "TF402455: Pushes to this branch are not permitted; you must use a pull request to update this branch.")
	case change.ChangeType == "add" && exists || change.ChangeType == "edit" && !exists || change.ChangeType != "add" && change.ChangeType != "edit":
		return fail(400, "The path '"+change.Item.Path+"' does not fit the "+change.ChangeType+" operation")
	}
	p.add(branch, ref.OldObjectID, file, string(raw))
	s.state.NextID++
	return embedded.Answer{Status: http.StatusCreated, Body: map[string]any{
		"pushId": s.state.NextID, "commits": []any{map[string]any{"commitId": p.Heads[branch], "comment": in.Commits[0].Comment, "parents": []any{ref.OldObjectID}}},
		"refUpdates": []any{map[string]any{"name": ref.Name, "oldObjectId": ref.OldObjectID, "newObjectId": p.Heads[branch]}},
	}}
}

func pulls(p *place, r *http.Request) embedded.Answer {
	q := r.URL.Query()
	if q.Get("searchCriteria.status") != "active" {
		return fail(400, "Only open pull requests are listed")
	}
	all := []any{}
	for _, x := range p.Pulls {
		if !x.Abandoned && heads+x.Source == q.Get("searchCriteria.sourceRefName") && heads+x.Target == q.Get("searchCriteria.targetRefName") {
			all = append(all, x.shown())
		}
	}
	return listed(all)
}

func (x *pull) shown() map[string]any {
	out := map[string]any{"pullRequestId": x.Number, "status": "active", "title": x.Title, "sourceRefName": heads + x.Source, "targetRefName": heads + x.Target}
	if x.Abandoned {
		out["status"] = "abandoned"
	}
	if x.Fork {
		out["forkSource"] = map[string]any{"name": heads + x.Source, "repository": map[string]any{"name": "theirs"}}
	}
	return out
}

func (s *Server) openPull(p *place, r *http.Request) embedded.Answer {
	var in struct{ SourceRefName, TargetRefName, Title, Description string }
	if !embedded.Read(r, &in) || in.Title == "" {
		return fail(400, "The pull request has no title")
	}
	source, ok := strings.CutPrefix(in.SourceRefName, heads)
	target, too := strings.CutPrefix(in.TargetRefName, heads)
	if !ok || !too || p.Heads[source] == "" || p.Heads[target] == "" {
		return fail(400, "TF401398: The pull request cannot be activated because the source and/or the target branch no longer exists, or the requested refs are not branches")
	}
	if slices.ContainsFunc(p.Pulls, func(x *pull) bool { return !x.Abandoned && !x.Fork && x.Source == source && x.Target == target }) {
		return fail(409, "TF401179: An active pull request for the source and target branch already exists.")
	}
	s.state.NextID++
	x := &pull{s.state.NextID, in.Title, source, target, false, false}
	p.Pulls = append(p.Pulls, x)
	return embedded.Answer{Status: http.StatusCreated, Body: x.shown()}
}

// changePull abandons a pull request.
func changePull(p *place, r *http.Request) embedded.Answer {
	var in struct{ Status string }
	if !embedded.Read(r, &in) || in.Status != "abandoned" {
		return fail(400, "Nothing but the status abandoned can be set")
	}
	for _, x := range p.Pulls {
		if strconv.Itoa(x.Number) != r.PathValue("pull") {
			continue
		}
		if x.Abandoned {
			return fail(400, "TF401181: The pull request cannot be edited due to its state.")
		}
		x.Abandoned = true
		return embedded.OK(x.shown())
	}
	return fail(404, "TF401180: The requested pull request was not found.")
}
