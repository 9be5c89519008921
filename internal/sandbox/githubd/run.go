package githubd

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// run is a workflow run. It makes one step forward each time that it is looked at.
type run struct {
	ID       int       `json:"id"`
	Repo     string    `json:"repo"`
	Workflow string    `json:"workflow"`
	Branch   string    `json:"branch"`
	Created  time.Time `json:"created"`
	Looks    int       `json:"looks"`
	Failed   string    `json:"failed"` // what it said; "" when it went well
	Over     bool      `json:"over"`
}

// value is what a job gets: a secret of its environment before one of the repository, and that before one of the
// organization.
func (s *Server) value(x *repo, j embedded.Job) *secret.Value {
	scopes := []*scope{x.Secrets, s.state.Orgs[strings.ToLower(x.Owner)]}
	if e := x.Environments[strings.ToLower(j.In)]; e != nil {
		scopes = append([]*scope{e.Secrets}, scopes...)
	}
	for _, c := range scopes {
		if c == nil {
			continue
		}
		if sealed := c.Secrets[strings.ToUpper(j.Secret)]; sealed != nil {
			if raw, ok := c.decrypt(sealed.Box); ok {
				return secret.New(raw)
			}
		}
	}
	return nil
}

// AddWorkflow puts a workflow with such jobs on the default branch of a repository.
func (s *Server) AddWorkflow(owner, name, file string, jobs ...embedded.Job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.ToLower(owner + "/" + name)
	s.Reads(path+" "+file, jobs...)
	x := s.state.Repos[path]
	if !slices.Contains(x.Workflows, file) {
		x.Workflows = append(x.Workflows, file)
	}
}

// BeOldServer makes dispatches refuse what an older GitHub Enterprise Server does not know.
func (s *Server) BeOldServer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.oldServer = true
}

func (s *Server) workflow(r *http.Request) (*repo, string, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return nil, "", no
	}
	file := r.PathValue("file")
	if !slices.Contains(x.Workflows, file) {
		return nil, "", notFound
	}
	return x, file, nil
}

func (s *Server) dispatch(r *http.Request) (int, any, *refusal) {
	x, file, no := s.workflow(r)
	if no != nil {
		return 0, nil, no
	}
	if x.Permission == "pull" {
		return 0, nil, forbidden("actions=write")
	}
	var body map[string]any
	if json.NewDecoder(r.Body).Decode(&body) != nil {
		return 0, nil, refuse(http.StatusBadRequest, "Problems parsing JSON")
	}
	_, details := body["return_run_details"]
	if details && s.oldServer {
		return 0, nil, refuse(http.StatusBadRequest, `Invalid request. "return_run_details" is not a permitted key.`)
	}
	branch, _ := body["ref"].(string)
	if !s.Known(strings.ToLower(x.Owner+"/"+x.Name)+" "+file, branch) {
		return 0, nil, refuse(http.StatusUnprocessableEntity, "No ref found for: "+branch)
	}
	s.state.NextID++
	n := &run{ID: s.state.NextID, Repo: strings.ToLower(x.Owner + "/" + x.Name), Workflow: file, Branch: branch, Created: s.now()}
	s.state.Runs = append(s.state.Runs, n)
	if !details {
		return http.StatusNoContent, nil, nil
	}
	at := "http://" + r.Host + "/repos/" + n.Repo + "/actions/runs/" + strconv.Itoa(n.ID)
	return 200, map[string]any{"workflow_run_id": n.ID, "run_url": at, "html_url": "https://github.com/" + n.Repo + "/actions/runs/" + strconv.Itoa(n.ID)}, nil
}

func (s *Server) listRuns(r *http.Request) (int, any, *refusal) {
	in, file, no := s.workflow(r)
	if no != nil {
		return 0, nil, no
	}
	all := []any{}
	for _, x := range slices.Backward(s.state.Runs) {
		if x.Workflow == file && strings.EqualFold(x.Repo, r.PathValue("owner")+"/"+r.PathValue("repo")) {
			all = append(all, x.shown(in, r.Host))
		}
	}
	return 200, map[string]any{"total_count": len(all), "workflow_runs": all}, nil
}

// shown is a workflow-run of GitHub's description.
func (x *run) shown(in *repo, host string) map[string]any {
	status, conclusion := "queued", any(nil)
	switch {
	case x.Over && x.Failed != "":
		status, conclusion = "completed", "failure"
	case x.Over:
		status, conclusion = "completed", "success"
	case x.Looks > 1:
		status = "in_progress"
	}
	out := urls("http://"+host+"/repos/"+x.Repo+"/actions/runs/"+strconv.Itoa(x.ID), "url", "jobs_url", "logs_url", "check_suite_url", "cancel_url", "rerun_url", "artifacts_url", "workflow_url")
	maps.Copy(out, map[string]any{
		"node_id": nodeID("WFR", x.ID), "run_number": x.ID, "display_title": "Deploy to Astro", "head_sha": strings.Repeat("0", 40), "workflow_id": 1,
		"updated_at": x.Created.UTC().Format(time.RFC3339), "head_commit": nil, "head_repository": in.minimal(host), "repository": in.minimal(host), "pull_requests": []any{},
		"id": x.ID, "name": "Deploy to Astro", "path": ".github/workflows/" + x.Workflow, "event": "workflow_dispatch", "head_branch": x.Branch,
		"status": status, "conclusion": conclusion, "created_at": x.Created.UTC().Format(time.RFC3339), "html_url": fmt.Sprintf("https://github.com/%s/actions/runs/%d", x.Repo, x.ID),
	})
	return out
}

func (s *Server) findRun(r *http.Request) (*run, *repo, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return nil, nil, no
	}
	for _, n := range s.state.Runs {
		if strconv.Itoa(n.ID) == r.PathValue("id") {
			return n, x, nil
		}
	}
	return nil, nil, notFound
}

func (s *Server) getRun(r *http.Request) (int, any, *refusal) {
	n, x, no := s.findRun(r)
	if no != nil {
		return 0, nil, no
	}
	if n.Looks++; n.Looks > 2 && !n.Over {
		n.Over = true
		n.Failed = s.Run(n.Repo+" "+n.Workflow, "", func(j embedded.Job) *secret.Value { return s.value(x, j) })
	}
	return 200, n.shown(x, r.Host), nil
}

func (s *Server) listJobs(r *http.Request) (int, any, *refusal) {
	n, _, no := s.findRun(r)
	if no != nil {
		return 0, nil, no
	}
	conclusion := "success"
	if n.Failed != "" {
		conclusion = "failure"
	}
	return 200, map[string]any{"total_count": 1, "jobs": []any{map[string]any{
		"node_id": nodeID("J", n.ID), "run_url": "", "head_sha": strings.Repeat("0", 40), "workflow_name": "Deploy to Astro", "head_branch": n.Branch,
		"url": "", "html_url": nil, "started_at": n.Created.UTC().Format(time.RFC3339), "completed_at": n.Created.UTC().Format(time.RFC3339), "created_at": n.Created.UTC().Format(time.RFC3339),
		"check_run_url": "", "labels": []any{"ubuntu-24.04"}, "runner_id": 1, "runner_name": "runner", "runner_group_id": 1, "runner_group_name": "GitHub Actions",
		"id": n.ID, "run_id": n.ID, "name": "Deploy to Astro", "status": "completed", "conclusion": conclusion,
		"steps": []any{
			map[string]any{"name": "Set up job", "status": "completed", "conclusion": "success", "number": 1},
			map[string]any{"name": "Check the token", "status": "completed", "conclusion": conclusion, "number": 2},
		},
	}}}, nil
}

// jobLog hands out the address of the log, as GitHub does: elsewhere, and good for a while.
func (s *Server) jobLog(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	for _, n := range s.state.Runs {
		if strconv.Itoa(n.ID) == r.PathValue("id") && strings.EqualFold(n.Repo, x.Owner+"/"+x.Name) {
			moved := refuse(http.StatusFound, "")
			moved.header = map[string]string{"Location": s.logs + "/" + strconv.Itoa(n.ID)}
			return 0, nil, moved
		}
	}
	return 0, nil, notFound
}

// LogHandler serves the logs of jobs, at the address that LogsAt names. Who brings a log-in is refused:
// it was sent to where it does not belong.
func (s *Server) LogHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			http.Error(w, "a log-in was sent", http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, n := range s.state.Runs {
			if "/"+strconv.Itoa(n.ID) == r.URL.Path {
				_, _ = fmt.Fprintf(w, "\ufeff2026-11-24T07:00:00.0000000Z ##[group]Run set -e\n2026-11-24T07:00:01.0000000Z %s\n2026-11-24T07:00:01.0000000Z ##[error]Process completed with exit code 1.\n", n.Failed)
				return
			}
		}
		http.NotFound(w, r)
	})
}

// LogsAt says where LogHandler is served.
func (s *Server) LogsAt(address string) { s.logs = address }
