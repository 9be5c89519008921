package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsRuns = "https://support.atlassian.com/bitbucket-cloud/docs/run-pipelines-manually/"

// progress is the state of a pipeline or of a step.
type progress struct {
	Name   display.Text                `json:"name"`
	Stage  struct{ Name display.Text } `json:"stage"`
	Result struct{ Name display.Text } `json:"result"`
}

// Start runs the pipeline that the file has for the branch.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	var x struct {
		ID     string `json:"uuid"`
		Number int64  `json:"build_number"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/repositories/" + r.Path + "/pipelines", Out: &x, Body: map[string]any{
		"type": "pipeline", "target": map[string]any{"type": "pipeline_ref_target", "ref_type": "branch", "ref_name": branch},
	}})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusBadRequest {
		err = hint.Wrap(s, "bitbucket: start a pipeline", "The file bitbucket-pipelines.yml has to be on the branch "+branch+", and Pipelines have to be switched on. Push it, or merge its request.", docsRuns)
	}
	return providers.RunRef{ID: x.ID, Link: p.Runs(r, "") + "/results/" + strconv.FormatInt(x.Number, 10)}, err
}

var uuid = pattern.New(`^\{[0-9a-f-]{36}\}$`)

func runPath(r setup.Repository, id string) (string, error) {
	if !uuid.MatchString(id) {
		return "", fmt.Errorf("bitbucket: %s is not the id of a pipeline", strconv.Quote(id))
	}
	return "/repositories/" + r.Path + "/pipelines/" + url.PathEscape(id), nil
}

// Look asks how the pipeline goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	at, err := runPath(r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	var x struct {
		State progress `json:"state"`
	}
	if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &x}); err != nil {
		return providers.RunState{}, err
	}
	s := x.State
	switch {
	case s.Name.String() == "COMPLETED" && s.Result.Name.String() == "SUCCESSFUL":
		return providers.RunState{Phase: providers.RunPassed, Says: lower(s.Result.Name)}, nil
	case s.Name.String() == "COMPLETED":
		return providers.RunState{Phase: providers.RunFailed, Says: lower(s.Result.Name)}, nil
	case s.Stage.Name.String() == "PAUSED" || s.Stage.Name.String() == "HALTED":
		return providers.RunState{Phase: providers.RunWaiting, Says: text("a step waits to be started by hand")}, nil
	case s.Name.String() == "IN_PROGRESS":
		return providers.RunState{Phase: providers.Running}, nil
	}
	return providers.RunState{Phase: providers.RunQueued, Says: lower(s.Name)}, nil
}

func lower(t display.Text) display.Text { return display.Clean(strings.ToLower(t.String())) }

// Failure names the step that failed, and reads its log where Bitbucket hands it out itself.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	at, err := runPath(r, id)
	if err != nil {
		return step, nil, err
	}
	steps, err := pages[struct {
		ID    string       `json:"uuid"`
		Name  display.Text `json:"name"`
		State progress     `json:"state"`
	}](ctx, p.api, at+"/steps")
	if err != nil {
		return step, nil, err
	}
	for _, s := range steps {
		if result := s.State.Result.Name.String(); result == "" || result == "SUCCESSFUL" || result == "NOT_RUN" {
			continue
		}
		var log string
		_, err := p.api.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/steps/" + url.PathEscape(s.ID) + "/log", Text: &log})
		if err != nil { // it may lie at another address, which gets no log-in
			return s.Name, nil, nil //nolint:nilerr // the step is known all the same
		}
		return s.Name, providers.Tail(log, lines), nil
	}
	return step, nil, nil
}
