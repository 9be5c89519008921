package gitea

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// run is a run of a workflow. Gitea names the file in Path and ends with a conclusion; Forgejo names
// it in Workflow, and its status says how it ended.
type run struct {
	ID         int64        `json:"id"`
	Link       string       `json:"html_url"`
	Path       string       `json:"path"` // FILE@REF
	Workflow   string       `json:"workflow_id"`
	Event      string       `json:"event"`
	Status     display.Text `json:"status"`
	Conclusion display.Text `json:"conclusion"`
}

func (x run) of(file string) bool {
	name, _, _ := strings.Cut(x.Path, "@")
	return path.Base(name) == file || x.Workflow == file
}

// Start dispatches the workflow. A server that does not say which run it made is asked for one that
// was not there before.
func (p *Provider) Start(ctx context.Context, r setup.Repository, file, branch string) (providers.RunRef, error) {
	if !workflowFile.MatchString(file) {
		return providers.RunRef{}, hint.New("gitea: "+strconv.Quote(file)+" is no workflow", "Give the path of one below .gitea/workflows, with --pipeline-file.", docsWorkflows)
	}
	name := path.Base(file)
	before, err := p.runs(ctx, r)
	if err != nil {
		return providers.RunRef{}, err
	}
	var made struct {
		Gitea   int64 `json:"workflow_run_id"`
		Forgejo int64 `json:"id"`
	}
	err = p.do(ctx, httpx.Call{
		Method: http.MethodPost, Path: "/api/v1/repos/" + r.Path + "/actions/workflows/" + url.PathEscape(name) + "/dispatches",
		Query: url.Values{"return_run_details": {"true"}},             // Gitea
		Body:  map[string]any{"ref": branch, "return_run_info": true}, // Forgejo
		Out:   &made,                                                  // older ones answer nothing at all
	})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status != http.StatusForbidden && s.Status != http.StatusUnauthorized {
		err = hint.Wrap(s, "gitea: start the workflow "+name, "Push the file "+file+" to the default branch and to "+branch+"; it has to allow workflow_dispatch.", docsWorkflows)
	}
	if err != nil {
		return providers.RunRef{}, err
	}
	if id := max(made.Gitea, made.Forgejo); id > 0 {
		x, err := p.run(ctx, r, strconv.FormatInt(id, 10))
		return p.ref(r, file, x), err
	}
	for wait := time.Second; ; wait *= 2 {
		now, err := p.runs(ctx, r)
		if err != nil {
			return providers.RunRef{}, err
		}
		for _, x := range now {
			known := slices.ContainsFunc(before, func(y run) bool { return y.ID == x.ID })
			if !known && x.Event == "workflow_dispatch" && x.of(name) {
				return p.ref(r, file, x), nil
			}
		}
		if wait > 30*time.Second {
			return providers.RunRef{}, hint.New("gitea: the run that was started does not show up", "Look for it on "+p.Runs(r, file)+".", docsWorkflows)
		}
		if err := providers.Pause(ctx, wait); err != nil {
			return providers.RunRef{}, err
		}
	}
}

// ref is a run as others know it. A link that leads elsewhere is not passed on.
func (p *Provider) ref(r setup.Repository, file string, x run) providers.RunRef {
	link := p.Runs(r, file)
	if u, err := url.Parse(x.Link); err == nil && u.Scheme == "https" && u.Host == p.host {
		link = u.String()
	}
	return providers.RunRef{ID: strconv.FormatInt(x.ID, 10), Link: link}
}

// runs are the newest runs. A server that lists none cannot tell how one goes.
func (p *Provider) runs(ctx context.Context, r setup.Repository) ([]run, error) {
	var out struct {
		Runs []run `json:"workflow_runs"`
	}
	err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/v1/repos/" + r.Path + "/actions/runs", Query: url.Values{"event": {"workflow_dispatch"}, "limit": {"20"}}, Out: &out})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusNotFound {
		err = hint.Wrap(s, "gitea: list the runs of "+r.Path, "Servers before Gitea 1.24 and Forgejo 12 tell nothing about runs. Nothing was started: start the workflow on the page of its runs.", docsWorkflows)
	}
	return out.Runs, err
}

var runID = pattern.New(`^[0-9]{1,18}$`)

func (p *Provider) run(ctx context.Context, r setup.Repository, id string) (x run, err error) {
	if !runID.MatchString(id) {
		return x, fmt.Errorf("gitea: %s is not the id of a run", strconv.Quote(id))
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/v1/repos/" + r.Path + "/actions/runs/" + id, Out: &x})
	return x, err
}

// Look asks how the run goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	x, err := p.run(ctx, r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	says := x.Status
	if says.String() == "completed" {
		says = x.Conclusion
	}
	switch says.String() {
	case "success":
		return providers.RunState{Phase: providers.RunPassed, Says: says}, nil
	case "running", "in_progress":
		return providers.RunState{Phase: providers.Running}, nil
	case "waiting", "queued", "pending", "requested", "blocked":
		return providers.RunState{Phase: providers.RunQueued, Says: says}, nil
	}
	return providers.RunState{Phase: providers.RunFailed, Says: says}, nil
}

// stamp is what the runner puts before each line of a log.
var stamp = pattern.New(`(?m)^\d{4}-\d\d-\d\dT[0-9:.]+Z ?`)

// Failure reads the log of the job that failed. Forgejo serves neither jobs nor logs.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	if !runID.MatchString(id) {
		return step, nil, fmt.Errorf("gitea: %s is not the id of a run", strconv.Quote(id))
	}
	var out struct {
		Jobs []struct {
			ID         int64        `json:"id"`
			Name       display.Text `json:"name"`
			Conclusion string       `json:"conclusion"`
			Steps      []struct {
				Name       display.Text `json:"name"`
				Conclusion string       `json:"conclusion"`
			} `json:"steps"`
		} `json:"workflow_jobs"`
	}
	base := "/api/v1/repos/" + r.Path + "/actions/"
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: base + "runs/" + id + "/jobs", Out: &out})
	if httpx.Status(err) == http.StatusNotFound {
		return step, nil, nil
	}
	if err != nil {
		return step, nil, err
	}
	for _, j := range out.Jobs {
		if j.Conclusion == "success" || j.Conclusion == "skipped" || j.Conclusion == "" {
			continue
		}
		step = j.Name
		for _, s := range j.Steps {
			if s.Conclusion == "failure" {
				step = s.Name
				break
			}
		}
		var log string
		err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: base + "jobs/" + strconv.FormatInt(j.ID, 10) + "/logs", Text: &log})
		if httpx.Status(err) == http.StatusNotFound { // the log is kept for a while only
			err = nil
		}
		return step, providers.Tail(stamp.ReplaceAllString(log, ""), lines), err
	}
	return step, nil, nil
}
