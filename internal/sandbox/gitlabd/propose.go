package gitlabd

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// developer may push to branches that are not protected, and open merge requests.
const developer = 30

// merge is a merge request.
type merge struct {
	Number int    `json:"iid"`
	Title  string `json:"title"`
	Source string `json:"source"`
	Target string `json:"target"`
	Closed bool   `json:"closed"`
}

// Merge is a merge request, for tests.
type Merge struct {
	Title, Target string
	Open          bool
	Files         map[string]string // that differ from the target
}

// Commit puts a file on a branch, which is made.
func (s *Server) Commit(path, branch, file, text string) {
	s.Do(func() {
		p := s.state.Projects[path]
		if p.branches()[branch] == nil {
			p.Branches[branch] = map[string]string{}
		}
		p.Branches[branch][file] = text
	})
}

// Merges lists the merge requests of a project.
func (s *Server) Merges(path string) (out []Merge) {
	s.Do(func() {
		p := s.state.Projects[path]
		for _, m := range p.Merges {
			files := map[string]string{}
			for file, text := range p.branches()[m.Source] {
				if p.branches()[m.Target][file] != text {
					files[file] = text
				}
			}
			out = append(out, Merge{m.Title, m.Target, !m.Closed, files})
		}
	})
	return out
}

// branches are the branches with their files; main is there from the begin.
func (p *project) branches() map[string]map[string]string {
	if p.Branches == nil {
		p.Branches = map[string]map[string]string{"main": {}}
	}
	return p.Branches
}

// repository serves what a request to merge takes; ok is false when the path is none of it.
func (p *project) repository(r *http.Request, sub []string) (status int, body any, no *refusal, ok bool) {
	what := r.Method + " " + sub[0]
	if len(sub) > 1 {
		what += "/" + sub[1]
	}
	if r.Method != http.MethodGet && p.Level < developer {
		return 0, nil, refuse(http.StatusForbidden, "403 Forbidden"), true
	}
	switch {
	case what == "GET repository/branches" && len(sub) == 3:
		if p.branches()[sub[2]] == nil {
			return 0, nil, refuse(404, "404 Branch Not Found"), true
		}
		protected := slices.Contains(p.Protected, sub[2])
		return 200, map[string]any{"name": sub[2], "protected": protected, "can_push": !protected || p.Level >= maintainer}, nil, true
	case what == "DELETE repository/branches" && len(sub) == 3:
		switch {
		case p.branches()[sub[2]] == nil:
			return 0, nil, refuse(404, "404 Branch Not Found"), true
		case slices.Contains(p.Protected, sub[2]):
			return 0, nil, refuse(http.StatusForbidden, "403 Forbidden"), true
		}
		delete(p.Branches, sub[2])
		return http.StatusNoContent, nil, nil, true
	case what == "GET repository/files" && len(sub) == 3:
		text, there := p.branches()[r.URL.Query().Get("ref")][sub[2]]
		if !there {
			return 0, nil, refuse(404, "404 File Not Found"), true
		}
		return 200, map[string]any{"file_path": sub[2], "encoding": "base64", "content": base64.StdEncoding.EncodeToString([]byte(text))}, nil, true
	case what == "POST repository/commits" && len(sub) == 2:
		status, body, no = p.commit(r)
		return status, body, no, true
	case what == "GET merge_requests" && len(sub) == 1:
		out := []any{}
		q := r.URL.Query()
		for _, m := range p.Merges {
			if !m.Closed && m.Source == q.Get("source_branch") && m.Target == q.Get("target_branch") {
				out = append(out, m.shown())
			}
		}
		return 200, out, nil, true
	case what == "POST merge_requests" && len(sub) == 1:
		status, body, no = p.request(r)
		return status, body, no, true
	case r.Method == http.MethodPut && sub[0] == "merge_requests" && len(sub) == 2:
		var in struct {
			Event string `json:"state_event"`
		}
		for _, m := range p.Merges {
			if strconv.Itoa(m.Number) == sub[1] && json.NewDecoder(r.Body).Decode(&in) == nil && in.Event == "close" {
				m.Closed = true
				return 200, m.shown(), nil, true
			}
		}
		return 0, nil, notFound, true
	}
	return 0, nil, nil, false
}

func (p *project) commit(r *http.Request) (int, any, *refusal) {
	var in struct {
		Branch  string
		Start   string `json:"start_branch"`
		Message string `json:"commit_message"`
		Actions []struct {
			Action  string
			Path    string `json:"file_path"`
			Content string
		}
	}
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.Branch == "" || in.Message == "" || len(in.Actions) == 0 {
		return 0, nil, refuse(400, "400 Bad request - actions are missing")
	}
	files := p.branches()[in.Branch]
	switch {
	case in.Start != "" && files != nil:
		return 0, nil, refuse(400, "A branch called '"+in.Branch+"' already exists. Switch to that branch in order to make changes")
	case in.Start != "" && p.Branches[in.Start] == nil, in.Start == "" && files == nil:
		return 0, nil, refuse(400, "You can only create or edit files when you are on a branch")
	case slices.Contains(p.Protected, in.Branch) && p.Level < maintainer:
		return 0, nil, refuse(http.StatusForbidden, "403 Forbidden - You are not allowed to push into this branch")
	case in.Start != "":
		files = maps.Clone(p.Branches[in.Start])
	}
	for _, a := range in.Actions {
		_, there := files[a.Path]
		switch {
		case a.Action == "create" && there:
			return 0, nil, refuse(400, "A file with this name already exists")
		case a.Action == "update" && !there:
			return 0, nil, refuse(400, "A file with this name doesn't exist")
		case a.Action != "create" && a.Action != "update":
			return 0, nil, refuse(400, "actions[0][action] does not have a valid value")
		}
		files[a.Path] = a.Content
	}
	p.Branches[in.Branch] = files
	return http.StatusCreated, map[string]any{"id": "0123456789abcdef", "title": in.Message}, nil
}

func (m *merge) shown() map[string]any {
	state := "opened"
	if m.Closed {
		state = "closed"
	}
	return map[string]any{"iid": m.Number, "state": state, "title": m.Title, "source_branch": m.Source, "target_branch": m.Target}
}

func (p *project) request(r *http.Request) (int, any, *refusal) {
	var in struct {
		Source string `json:"source_branch"`
		Target string `json:"target_branch"`
		Title  string
	}
	switch {
	case json.NewDecoder(r.Body).Decode(&in) != nil || in.Title == "" || p.branches()[in.Source] == nil || p.branches()[in.Target] == nil:
		return 0, nil, refuse(400, "source_branch is missing")
	case slices.ContainsFunc(p.Merges, func(m *merge) bool { return !m.Closed && m.Source == in.Source && m.Target == in.Target }):
		return 0, nil, refuse(http.StatusConflict, []string{"Another open merge request already exists for this source branch"})
	}
	m := &merge{Number: len(p.Merges) + 1, Title: in.Title, Source: in.Source, Target: in.Target}
	p.Merges = append(p.Merges, m)
	return http.StatusCreated, m.shown(), nil
}
