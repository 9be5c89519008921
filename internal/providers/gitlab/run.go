package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsRuns = "https://docs.gitlab.com/ci/pipelines/#run-a-pipeline-manually"

type pipelineState struct {
	ID     int64        `json:"id"`
	Status display.Text `json:"status"`
	Link   string       `json:"web_url"`
}

// Start starts a pipeline of the branch. No variables are sent: many projects refuse them.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	var x pipelineState
	err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/projects/" + url.PathEscape(r.Path) + "/pipeline", Body: map[string]any{"ref": branch}, Out: &x})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusBadRequest {
		err = hint.Wrap(s, "gitlab: start a pipeline", "The file .gitlab-ci.yml has to be on the branch "+branch+", with a job whose rules allow it. Push it, or merge its request.", docsRuns)
	}
	return providers.RunRef{ID: fmt.Sprint(x.ID), Link: x.Link}, err
}

var digits = pattern.New(`^[0-9]{1,20}$`)

func runPath(r setup.Repository, id string) (string, error) {
	if !digits.MatchString(id) {
		return "", fmt.Errorf("gitlab: %s is not the number of a pipeline", strconv.Quote(id))
	}
	return "/projects/" + url.PathEscape(r.Path) + "/pipelines/" + id, nil
}

// Look asks how the pipeline goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	at, err := runPath(r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	var x pipelineState
	if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &x}); err != nil {
		return providers.RunState{}, err
	}
	phase := map[string]providers.Phase{
		"success": providers.RunPassed, "failed": providers.RunFailed, "canceled": providers.RunFailed, "skipped": providers.RunFailed,
		"running": providers.Running, "manual": providers.RunWaiting, "scheduled": providers.RunWaiting,
	}[x.Status.String()]
	if phase == "" {
		phase = providers.RunQueued
	}
	return providers.RunState{Phase: phase, Says: x.Status}, nil
}

// marks are what GitLab puts into its logs for the begin and the end of a section.
var marks = pattern.New(`section_(start|end):[^\r]*\r`)

// Failure reads the log of the job that failed.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	at, err := runPath(r, id)
	if err != nil {
		return step, nil, err
	}
	jobs, err := pages[struct {
		ID     int64        `json:"id"`
		Name   display.Text `json:"name"`
		Status string       `json:"status"`
	}](ctx, p.api, at+"/jobs")
	if err != nil {
		return step, nil, err
	}
	for _, j := range jobs {
		if j.Status != "failed" && j.Status != "canceled" {
			continue
		}
		var log string
		if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/projects/" + url.PathEscape(r.Path) + "/jobs/" + fmt.Sprint(j.ID) + "/trace", Text: &log}); err != nil {
			return j.Name, nil, err
		}
		return j.Name, providers.Tail(marks.ReplaceAllString(log, ""), lines), nil
	}
	return step, nil, nil
}
