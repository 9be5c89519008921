package circleci

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Start triggers a pipeline of the branch.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	var x struct {
		ID     string `json:"id"`
		Number int64  `json:"number"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/project/" + url.PathEscape(r.Path) + "/pipeline", Body: map[string]any{"branch": branch}, Out: &x})
	return providers.RunRef{ID: x.ID, Link: p.Runs(r, "") + "/" + strconv.FormatInt(x.Number, 10)}, err
}

var uuid = pattern.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

type workflow struct {
	ID     string       `json:"id"`
	Name   display.Text `json:"name"`
	Status display.Text `json:"status"`
}

func (p *Provider) workflows(ctx context.Context, id string) ([]workflow, error) {
	if !uuid.MatchString(id) {
		return nil, fmt.Errorf("circleci: %s is not the id of a pipeline", strconv.Quote(id))
	}
	return pages[workflow](ctx, p.api, "/pipeline/"+id+"/workflow", nil)
}

// Look asks how the pipeline's workflows go: the worst of them counts.
func (p *Provider) Look(ctx context.Context, _ setup.Repository, id string) (out providers.RunState, err error) {
	all, err := p.workflows(ctx, id)
	if err != nil {
		return out, err
	}
	if len(all) == 0 { // a configuration that cannot be read makes none
		var x struct {
			Errors []struct {
				Message display.Text `json:"message"`
			} `json:"errors"`
		}
		err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/pipeline/" + id, Out: &x})
		if err == nil && len(x.Errors) > 0 {
			return providers.RunState{Phase: providers.RunFailed, Says: x.Errors[0].Message}, nil
		}
		return providers.RunState{Phase: providers.RunQueued}, err
	}
	rank := map[providers.Phase]int{providers.RunPassed: 1, providers.RunQueued: 2, providers.Running: 3, providers.RunWaiting: 4, providers.RunFailed: 5}
	for _, w := range all {
		s := providers.RunState{Phase: providers.RunQueued, Says: w.Status}
		switch w.Status.String() {
		case "success":
			s.Phase = providers.RunPassed
		case "running", "failing":
			s.Phase = providers.Running
		case "on_hold":
			s.Phase = providers.RunWaiting
		case "unauthorized":
			s = providers.RunState{Phase: providers.RunFailed, Says: text("unauthorized: whoever started it may not use the context")}
		case "failed", "error", "canceled", "not_run":
			s.Phase = providers.RunFailed
		}
		if rank[s.Phase] > rank[out.Phase] {
			out = s
		}
	}
	return out, nil
}

// Failure names the job that failed. Its log is not served by this version of the API.
func (p *Provider) Failure(ctx context.Context, _ setup.Repository, id string, _ int) (step display.Text, last []display.Text, err error) {
	all, err := p.workflows(ctx, id)
	if err != nil {
		return step, nil, err
	}
	for _, w := range all {
		jobs, err := pages[workflow](ctx, p.api, "/workflow/"+url.PathEscape(w.ID)+"/job", nil)
		if err != nil {
			return step, nil, err
		}
		for _, j := range jobs {
			if s := j.Status.String(); s == "failed" || s == "unauthorized" || s == "canceled" || s == "timedout" || s == "infrastructure_fail" {
				return j.Name, nil, nil
			}
		}
	}
	return step, nil, nil
}
