package buildkite

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

const docsRuns = "https://buildkite.com/docs/apis/rest-api/builds"

// build is a build as the API describes it.
type build struct {
	Number int64        `json:"number"`
	State  display.Text `json:"state"`
	Jobs   []struct {
		ID    string       `json:"id"`
		Name  display.Text `json:"name"`
		State string       `json:"state"`
	} `json:"jobs"`
}

func builds(r setup.Repository) string {
	return of(r) + "/builds"
}

// Start starts a build of the branch's newest commit.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	var x build
	_, err := p.do(ctx, httpx.Call{Method: http.MethodPost, Path: builds(r), Out: &x, Body: map[string]any{"commit": "HEAD", "branch": branch, "message": "Started by astro-ci"}})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusUnprocessableEntity {
		err = hint.Wrap(s, "buildkite: start a build", "The pipeline has to allow builds of the branch "+branch+", and the branch has to be pushed.", docsRuns)
	}
	number := strconv.FormatInt(x.Number, 10)
	return providers.RunRef{ID: number, Link: p.Runs(r, "") + "/builds/" + number}, err
}

var digits = pattern.New(`^[0-9]{1,18}$`)

func (p *Provider) build(ctx context.Context, r setup.Repository, id string) (x build, err error) {
	if !digits.MatchString(id) {
		return x, fmt.Errorf("buildkite: %s is not the number of a build", strconv.Quote(id))
	}
	_, err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: builds(r) + "/" + id, Out: &x})
	return x, err
}

// Look asks how the build goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	x, err := p.build(ctx, r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	switch x.State.String() {
	case "passed":
		return providers.RunState{Phase: providers.RunPassed, Says: x.State}, nil
	case "blocked":
		return providers.RunState{Phase: providers.RunWaiting, Says: display.Clean("a step waits to be unblocked in Buildkite")}, nil
	case "running", "failing", "canceling":
		return providers.RunState{Phase: providers.Running}, nil
	case "creating", "scheduled":
		return providers.RunState{Phase: providers.RunQueued}, nil
	}
	return providers.RunState{Phase: providers.RunFailed, Says: x.State}, nil
}

// Failure reads the log of the job that failed.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	x, err := p.build(ctx, r, id)
	if err != nil {
		return step, nil, err
	}
	for _, j := range x.Jobs {
		if j.State != "failed" && j.State != "timed_out" && j.State != "canceled" {
			continue
		}
		var log struct {
			Content string `json:"content"`
		}
		_, err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: builds(r) + "/" + id + "/jobs/" + url.PathEscape(j.ID) + "/log", Out: &log})
		return j.Name, providers.Tail(marks.ReplaceAllString(log.Content, ""), lines), err
	}
	return step, nil, nil
}

// marks are the times that the agent puts before each line.
var marks = pattern.New(`\x1b_bk;t=[0-9]+\x07`)
