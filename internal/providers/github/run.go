package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsRuns = "https://docs.github.com/actions/how-tos/manage-workflow-runs/manually-run-a-workflow"

// maxLog is how much of a log is read.
const maxLog = 8 << 20

// run is a workflow run as the API describes it.
type run struct {
	ID         int64        `json:"id"`
	Link       string       `json:"html_url"`
	Status     string       `json:"status"`
	Conclusion display.Text `json:"conclusion"`
	CreatedAt  time.Time    `json:"created_at"`
}

// Start dispatches the workflow. A GitHub that does not say which run it made is asked for the newest
// one that is not older than the request.
func (p *Provider) Start(ctx context.Context, r setup.Repository, file, branch string) (providers.RunRef, error) {
	if dir, name := path.Split(file); dir != ".github/workflows/" || name == "" {
		return providers.RunRef{}, hint.New("github: "+strconv.Quote(file)+" is no workflow", "Give the path of one below .github/workflows, with --pipeline-file.", docsRuns)
	}
	at := "/repos/" + r.Path + "/actions/workflows/" + url.PathEscape(path.Base(file))
	known, err := p.runs(ctx, at, branch)
	if err != nil {
		return providers.RunRef{}, err
	}
	var made struct {
		ID   int64  `json:"workflow_run_id"`
		Link string `json:"html_url"`
	}
	body := map[string]any{"ref": branch, "return_run_details": true}
	_, _, err = p.api.do(ctx, http.MethodPost, at+"/dispatches", body, &made)
	if httpx.Status(err) == http.StatusBadRequest { // an older server knows no such field, and has done nothing
		delete(body, "return_run_details")
		_, _, err = p.api.do(ctx, http.MethodPost, at+"/dispatches", body, nil)
	}
	if err != nil || made.ID != 0 {
		return providers.RunRef{ID: fmt.Sprint(made.ID), Link: made.Link}, err
	}
	for wait := time.Second; ; wait *= 2 {
		all, err := p.runs(ctx, at, branch)
		if err != nil {
			return providers.RunRef{}, err
		}
		for _, x := range all {
			if len(known) == 0 || x.ID > known[0].ID {
				return providers.RunRef{ID: fmt.Sprint(x.ID), Link: x.Link}, nil
			}
		}
		if wait > 30*time.Second {
			return providers.RunRef{}, hint.New("github: the run that was started does not show up", "Look for it on "+p.Runs(r, file)+".", docsRuns)
		}
		if err := providers.Pause(ctx, wait); err != nil {
			return providers.RunRef{}, err
		}
	}
}

// runs are the newest runs of a workflow that were started by hand, the newest first.
func (p *Provider) runs(ctx context.Context, workflow, branch string) ([]run, error) {
	var out struct {
		Runs []run `json:"workflow_runs"`
	}
	query := url.Values{"event": {"workflow_dispatch"}, "branch": {branch}, "per_page": {"5"}}
	_, _, err := p.api.do(ctx, http.MethodGet, workflow+"/runs?"+query.Encode(), nil, &out)
	if httpx.Status(err) == http.StatusNotFound {
		status, _ := errors.AsType[*httpx.StatusError](err)
		return nil, hint.Wrap(status, "github: find the workflow", "It has to be on the default branch before it can be started. Push it, or merge its pull request.", docsRuns)
	}
	return out.Runs, err
}

var digits = pattern.New(`^[0-9]{1,20}$`)

func (p *Provider) runPath(r setup.Repository, id string) (string, error) {
	if !digits.MatchString(id) {
		return "", fmt.Errorf("github: %q is not the number of a run", id)
	}
	return "/repos/" + r.Path + "/actions/runs/" + id, nil
}

// Look asks how the run goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	at, err := p.runPath(r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	var x run
	if _, _, err := p.api.do(ctx, http.MethodGet, at, nil, &x); err != nil {
		return providers.RunState{}, err
	}
	switch {
	case x.Status == "completed" && x.Conclusion.String() == "success":
		return providers.RunState{Phase: providers.RunPassed, Says: x.Conclusion}, nil
	case x.Status == "completed":
		return providers.RunState{Phase: providers.RunFailed, Says: x.Conclusion}, nil
	case x.Status == "waiting":
		return providers.RunState{Phase: providers.RunWaiting, Says: display.Clean("a reviewer of the environment has to approve it")}, nil
	case x.Status == "in_progress":
		return providers.RunState{Phase: providers.Running}, nil
	}
	return providers.RunState{Phase: providers.RunQueued, Says: display.Clean(x.Status)}, nil
}

// stamp is what GitHub puts before each line of a log.
var stamp = pattern.New(`(?m)^\x{feff}?\d{4}-\d\d-\d\dT[0-9:.]+Z ?`)

// Failure reads the log of the job that failed. It lies at another address, which gets no log-in.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	at, err := p.runPath(r, id)
	if err != nil {
		return step, nil, err
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
		} `json:"jobs"`
	}
	if _, _, err := p.api.do(ctx, http.MethodGet, at+"/jobs", nil, &out); err != nil {
		return step, nil, err
	}
	for _, j := range out.Jobs {
		if j.Conclusion == "success" || j.Conclusion == "skipped" {
			continue
		}
		step = j.Name
		for _, s := range j.Steps {
			if s.Conclusion == "failure" {
				step = s.Name
				break
			}
		}
		raw, err := p.log(ctx, "/repos/"+r.Path+"/actions/jobs/"+fmt.Sprint(j.ID)+"/logs")
		if err != nil {
			return step, nil, err
		}
		return step, providers.Tail(stamp.ReplaceAllString(raw, ""), lines), nil
	}
	return step, nil, nil
}

// log follows the one redirect by which GitHub hands out a log.
func (p *Provider) log(ctx context.Context, at string) (string, error) {
	_, _, err := p.api.do(ctx, http.MethodGet, at, nil, nil)
	moved, ok := errors.AsType[*httpx.RedirectError](err)
	if !ok {
		return "", err
	}
	to := moved.Location()
	if to == nil || to.Scheme != "https" && to.Hostname() != "127.0.0.1" {
		return "", errors.New("github: the log is at no address over https")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, to.String(), nil)
	if err != nil {
		return "", errors.New("github: the log is at no address")
	}
	resp, err := (&http.Client{Transport: p.open, Timeout: time.Minute}).Do(req)
	if err != nil {
		return "", errors.New("github: the log could not be read") // the address in the text is a key to it
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return "", fmt.Errorf("github: the log could not be read: %s", resp.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxLog))
	return string(raw), err
}
