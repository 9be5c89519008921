package droned

import (
	"cmp"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// build is a build with one stage. It makes one step forward each time that it is looked at.
type build struct {
	Repo    string    `json:"repo"`
	Branch  string    `json:"branch"`
	Number  int       `json:"number"`
	File    File      `json:"file"`
	Created time.Time `json:"created"`
	Looks   int       `json:"looks"`
	Over    bool      `json:"over"`
	Failed  string    `json:"failed"` // what it said; "" when it went well
}

// File is what the .drone.yml of a repository is like.
type File string

// The kinds of files.
const (
	Fine      File = "fine"
	Broken    File = "broken"    // it is no YAML
	Unwilling File = "unwilling" // its trigger does not allow the event custom
	Untrusted File = "untrusted" // it wants what only a trusted repository may have
	Blocked   File = "blocked"   // somebody has to approve its builds
)

// Push puts a .drone.yml with such pipelines on the branches of a repository.
func (s *Server) Push(path string, f File, jobs ...embedded.Job) {
	s.Do(func() {
		if s.state.Pushed == nil { // a state that was kept before there were builds
			s.state.Pushed = map[string]File{}
		}
		s.state.Pushed[path] = f
		s.Reads(path, jobs...)
	})
}

// start is carried out by Drone also where it starts nothing: then the answer is null.
func (s *Server) start(r *http.Request) embedded.Answer {
	repo, no := s.ofRepo(r)
	branch := cmp.Or(r.URL.Query().Get("branch"), s.Trunk())
	f, pushed := s.state.Pushed[repo]
	switch {
	case repo == "":
		return no
	case !s.state.Repos[repo] || !s.Known(repo, branch):
		return fail(404, "Not Found")
	case !pushed:
		return fail(500, "yaml: file not found")
	case f == Unwilling:
		return embedded.Answer{Status: 200, Body: []byte("null\n"), Header: map[string]string{"Content-Type": "application/json"}}
	}
	x := &build{Repo: repo, Branch: branch, Number: 1, File: f, Created: s.Now(), Over: f == Broken}
	for _, other := range s.state.Builds {
		if other.Repo == repo {
			x.Number++
		}
	}
	s.state.Builds = append(s.state.Builds, x)
	return embedded.OK(x.shown())
}

func (x *build) status() string {
	switch {
	case x.File == Broken, x.File == Untrusted && x.Over:
		return "error"
	case x.Over && x.Failed != "":
		return "failure"
	case x.Over:
		return "success"
	case x.Looks > 1 && x.File != Blocked:
		return "running"
	}
	return "pending"
}

// shown is a build without its stages.
func (x *build) shown() map[string]any {
	out := map[string]any{
		"id": x.Number, "repo_id": 1, "trigger": "ada", "number": x.Number, "status": x.status(), "event": "custom", "ref": "refs/heads/" + x.Branch,
		"source": x.Branch, "target": x.Branch, "created": x.Created.Unix(), "version": 1,
	}
	if x.File == Broken {
		out["error"] = "yaml: line 1: did not find expected key"
	}
	return out
}

// ofBuild finds the build of a request; who sees the repository sees its builds.
func (s *Server) ofBuild(act func(x *build, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		for _, x := range s.state.Builds {
			if x.Repo == repoOf(r) && strconv.Itoa(x.Number) == r.PathValue("build") {
				return act(x, r)
			}
		}
		return fail(404, "sql: no rows in result set")
	}
}

func (s *Server) look(x *build, _ *http.Request) embedded.Answer {
	if x.Looks++; x.Looks > 2 && !x.Over && x.File != Blocked {
		x.Over = true
		if x.File == Fine {
			x.Failed = s.Run(x.Repo, x.Branch, func(j embedded.Job) *secret.Value { return s.value(x.Repo, j) })
		}
	}
	out := x.shown()
	stage := map[string]any{"id": 1, "build_id": x.Number, "number": 1, "name": "astro-etl", "status": x.status(), "errignore": false, "exit_code": 0}
	switch {
	case x.File == Broken:
		return embedded.OK(out) // there are no stages
	case x.File == Blocked:
		stage["status"] = "blocked"
	case x.File == Untrusted && x.Over:
		stage["error"] = "linter: untrusted repositories cannot enable privileged mode"
	case x.Looks > 1:
		stage["steps"] = []any{
			map[string]any{"id": 1, "number": 1, "name": "clone", "status": "success", "exit_code": 0},
			map[string]any{"id": 2, "number": 2, "name": "lint", "status": "failure", "errignore": true, "exit_code": 1},
			map[string]any{"id": 3, "number": 3, "name": "deploy", "status": x.status(), "exit_code": 0},
		}
	}
	out["stages"] = []any{stage}
	return embedded.OK(out)
}

// value is what a step gets, of its repository before its organization.
func (s *Server) value(repo string, j embedded.Job) *secret.Value {
	organization, _, _ := strings.Cut(repo, "/")
	for _, place := range []string{repo, organization} {
		if x := s.state.Stored[place+" "+strings.ToLower(j.Secret)]; x != nil {
			return secret.New([]byte(s.state.Key.Open(x.Sealed)))
		}
	}
	return nil
}

func (s *Server) stepLog(x *build, r *http.Request) embedded.Answer {
	if r.PathValue("stage") != "1" || r.PathValue("step") != "3" || x.File != Fine || !x.Over {
		return fail(404, "sql: no rows in result set")
	}
	lines := []any{}
	for i, out := range []string{"+ set -e\n", "\x1b[31merror: " + x.Failed + "\x1b[0m\n"} {
		lines = append(lines, map[string]any{"pos": i, "out": out, "time": 1})
	}
	return embedded.OK(lines)
}
