package azuredevops

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsRuns = "https://learn.microsoft.com/azure/devops/pipelines/process/runs"

// Start runs the pipeline of the file, for the branch.
func (p *Provider) Start(ctx context.Context, r setup.Repository, file, branch string) (providers.RunRef, error) {
	organization, project, repository, err := split(r.Path)
	if err != nil {
		return providers.RunRef{}, err
	}
	a := address{organization: organization, project: project}
	d, err := p.find(ctx, a, repository, file)
	if err != nil {
		return providers.RunRef{}, err
	}
	if d == nil {
		return providers.RunRef{}, hint.New("azure-devops: no pipeline runs the file "+file, "Set it up with astro-ci setup, or create the pipeline in Azure DevOps and give its file with --pipeline-file.", docsRuns)
	}
	var x struct {
		ID int64 `json:"id"`
	}
	err = p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: a.in("/pipelines/" + id(d["id"]) + "/runs"), Out: &x, Body: map[string]any{
		"resources": map[string]any{"repositories": map[string]any{"self": map[string]any{"refName": "refs/heads/" + branch}}},
	}})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusBadRequest {
		err = hint.Wrap(s, "azure-devops: start the pipeline", "The file "+file+" has to be on the branch "+branch+". Push it, or merge its request.", docsRuns)
	}
	number := strconv.FormatInt(x.ID, 10)
	return providers.RunRef{ID: number, Link: p.Runs(r, "") + "/results?buildId=" + number}, err
}

var digits = pattern.New(`^[0-9]{1,18}$`)

// runPath is where a run is asked about: a run and its build have the same number.
func runPath(r setup.Repository, run string) (string, error) {
	organization, project, _, err := split(r.Path)
	if err == nil && !digits.MatchString(run) {
		err = fmt.Errorf("azure-devops: %s is not the number of a run", strconv.Quote(run))
	}
	return address{organization: organization, project: project}.in("/build/builds/" + run), err
}

// record is a stage, job, task or checkpoint of a run.
type record struct {
	Type   string       `json:"type"`
	Name   display.Text `json:"name"`
	State  string       `json:"state"`
	Result string       `json:"result"`
	Log    *struct {
		ID int64 `json:"id"`
	} `json:"log"`
}

// records are what the run consists of, as far as it has come.
func (p *Provider) records(ctx context.Context, at string) ([]record, error) {
	var x struct {
		Records []record `json:"records"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/timeline", Out: &x})
	return x.Records, err
}

// Look asks how the run goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, run string) (providers.RunState, error) {
	at, err := runPath(r, run)
	if err != nil {
		return providers.RunState{}, err
	}
	var x struct {
		Status string       `json:"status"`
		Result display.Text `json:"result"`
	}
	if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &x}); err != nil {
		return providers.RunState{}, err
	}
	switch x.Status {
	case "completed":
		out := providers.RunState{Phase: providers.RunFailed, Says: x.Result}
		if x.Result.String() == "succeeded" {
			out.Phase = providers.RunPassed
		}
		return out, nil
	case "inProgress", "cancelling":
	default:
		return providers.RunState{Phase: providers.RunQueued}, nil
	}
	all, err := p.records(ctx, at)
	for _, rec := range all {
		if strings.HasPrefix(rec.Type, "Checkpoint") && rec.State == "inProgress" {
			return providers.RunState{Phase: providers.RunWaiting, Says: display.Clean("somebody has to permit or approve it in Azure DevOps")}, err
		}
	}
	return providers.RunState{Phase: providers.Running}, err
}

// Failure reads the log of the task that failed.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, run string, lines int) (step display.Text, last []display.Text, err error) {
	at, err := runPath(r, run)
	if err != nil {
		return step, nil, err
	}
	all, err := p.records(ctx, at)
	if err != nil {
		return step, nil, err
	}
	for _, rec := range all {
		if rec.Type != "Task" || rec.Result != "failed" && rec.Result != "canceled" {
			continue
		}
		if rec.Log == nil {
			return rec.Name, nil, nil
		}
		var log string
		err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/logs/" + strconv.FormatInt(rec.Log.ID, 10), Text: &log})
		return rec.Name, providers.Tail(stamp.ReplaceAllString(log, ""), lines), err
	}
	return step, nil, nil
}

// stamp is the time at which each line of a log begins.
var stamp = pattern.New(`(?m)^[0-9T:.-]+Z `)
