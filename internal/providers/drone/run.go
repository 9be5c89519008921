package drone

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

const docsRuns = "https://docs.drone.io/pipeline/triggers/"

// progress is how a build, a stage or a step goes.
type progress struct {
	Number  int64        `json:"number"`
	Name    display.Text `json:"name"`
	Status  display.Text `json:"status"`
	Error   display.Text `json:"error"`
	Ignored bool         `json:"errignore"` // it may fail
}

func (x progress) failed() bool {
	s := x.Status.String()
	return (s == "failure" || s == "killed" || s == "error") && !x.Ignored
}

// build is a build as the API describes it.
type build struct {
	progress
	Stages []struct {
		progress
		Steps []progress `json:"steps"`
	} `json:"stages"`
}

// Start starts a build of the branch's newest commit, by the event custom. Every other question in the
// address would become a parameter of the build. Drone answers with nothing when no pipeline wants it.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	var x build
	err := p.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/api/repos/" + r.Path + "/builds", Query: url.Values{"branch": {branch}}, Out: &x})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok {
		switch s.Status {
		case http.StatusNotFound:
			err = hint.Wrap(s, "drone: start a build", "The branch "+branch+" has to be there, and the repository has to be activated in Drone.", docsRuns)
		case http.StatusInternalServerError:
			err = hint.Wrap(s, "drone: start a build", "Push the file .drone.yml to the branch "+branch+", or merge its request. If it is there, look whether "+p.Runs(r, "")+" shows a build before you try again.", docsRuns)
		}
	}
	if err != nil {
		return providers.RunRef{}, err
	}
	if x.Number == 0 {
		return providers.RunRef{}, hint.New("drone: no build was started", "A pipeline in .drone.yml has to allow the branch "+branch+" and the event custom, and the message of the last commit must not say [CI SKIP].", docsRuns)
	}
	number := strconv.FormatInt(x.Number, 10)
	return providers.RunRef{ID: number, Link: p.Runs(r, "") + "/" + number}, nil
}

var digits = pattern.New(`^[0-9]{1,18}$`)

// build reads a build, and says where it is.
func (p *Provider) build(ctx context.Context, r setup.Repository, id string) (at string, b build, err error) {
	if !digits.MatchString(id) {
		return "", b, fmt.Errorf("drone: %s is not the number of a build", strconv.Quote(id))
	}
	at = "/api/repos/" + r.Path + "/builds/" + id
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &b})
	return at, b, err
}

// Look asks how the build goes.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	_, b, err := p.build(ctx, r, id)
	if err != nil {
		return providers.RunState{}, err
	}
	blocked := b.Status.String() == "blocked"
	for _, s := range b.Stages {
		blocked = blocked || s.Status.String() == "blocked"
	}
	out := providers.RunState{Phase: providers.RunQueued, Says: b.Status}
	switch b.Status.String() {
	case "success":
		out.Phase = providers.RunPassed
	case "failure", "killed", "error", "skipped", "declined":
		out.Phase = providers.RunFailed
		if !b.Error.IsZero() {
			out.Says = display.Clean(b.Status.String() + ": " + b.Error.String())
		}
	case "running":
		out = providers.RunState{Phase: providers.Running}
	}
	if blocked && !out.Phase.Over() {
		out = providers.RunState{Phase: providers.RunWaiting, Says: display.Clean("somebody has to approve it in Drone")}
	}
	return out, nil
}

// Failure reads the log of the step that failed. A stage that failed before its first step says itself
// what is wrong.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	at, b, err := p.build(ctx, r, id)
	if err != nil {
		return step, nil, err
	}
	for _, stage := range b.Stages {
		for _, s := range stage.Steps {
			if !s.failed() {
				continue
			}
			var log []struct {
				Out string `json:"out"` // with its line break
			}
			err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: fmt.Sprintf("%s/logs/%d/%d", at, stage.Number, s.Number), Out: &log})
			var all strings.Builder
			for _, l := range log {
				all.WriteString(l.Out)
			}
			return s.Name, providers.Tail(all.String(), lines), err
		}
		if stage.failed() {
			return stage.Name, []display.Text{stage.Error}, nil
		}
	}
	return step, nil, nil
}
