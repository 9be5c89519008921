package woodpecker

import (
	"context"
	"encoding/base64"
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

const docsRuns = "https://woodpecker-ci.org/docs/usage/workflow-syntax#event"

// step is a step of a workflow, which the API lists below it.
type step struct {
	ID    int64        `json:"id"`
	Name  display.Text `json:"name"`
	State string       `json:"state"`
}

// run is a pipeline as the API describes it.
type run struct {
	Number    int64        `json:"number"`
	Status    display.Text `json:"status"`
	Workflows []struct {
		Name  display.Text `json:"name"`
		State string       `json:"state"`
		Error display.Text `json:"error"`
		Steps []step       `json:"children"`
	} `json:"workflows"`
}

// Start runs the workflows of the branch that allow to be started by hand.
func (p *Provider) Start(ctx context.Context, r setup.Repository, file, branch string) (providers.RunRef, error) {
	x, err := p.repo(ctx, r.Path)
	if err != nil {
		return providers.RunRef{}, err
	}
	at := strconv.FormatInt(x.ID, 10)
	var made run
	err = p.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/api/repos/" + at + "/pipelines", Body: map[string]any{"branch": branch}, Out: &made})
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status != http.StatusForbidden && s.Status != http.StatusUnauthorized {
		err = hint.Wrap(s, "woodpecker: start a pipeline", "The file "+file+" has to be on the branch "+branch+", with the event manual. Push it, or merge its request.", docsRuns)
	}
	if err == nil && made.Number == 0 { // 204: no workflow wants the event
		err = hint.New("woodpecker: no pipeline was started", "A workflow on the branch "+branch+" has to allow the event manual. Push the file "+file+" to it.", docsRuns)
	}
	number := strconv.FormatInt(made.Number, 10)
	return providers.RunRef{ID: at + "/" + number, Link: "https://" + p.host + "/repos/" + at + "/pipeline/" + number}, err
}

var runID = pattern.New(`^([0-9]{1,18})/([0-9]{1,18})$`)

func (p *Provider) run(ctx context.Context, id string) (x run, repo string, err error) {
	m := runID.FindStringSubmatch(id)
	if m == nil {
		return x, "", fmt.Errorf("woodpecker: %s is not the id of a run", strconv.Quote(id))
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/repos/" + m[1] + "/pipelines/" + m[2], Out: &x})
	return x, m[1], err
}

// Look asks how the run goes.
func (p *Provider) Look(ctx context.Context, _ setup.Repository, id string) (providers.RunState, error) {
	x, _, err := p.run(ctx, id)
	if err != nil {
		return providers.RunState{}, err
	}
	switch x.Status.String() {
	case "success":
		return providers.RunState{Phase: providers.RunPassed, Says: x.Status}, nil
	case "blocked":
		return providers.RunState{Phase: providers.RunWaiting, Says: display.Clean("somebody has to approve it in Woodpecker")}, nil
	case "running":
		return providers.RunState{Phase: providers.Running}, nil
	case "pending", "created":
		return providers.RunState{Phase: providers.RunQueued}, nil
	}
	return providers.RunState{Phase: providers.RunFailed, Says: x.Status}, nil
}

// Failure reads the log of the step that failed. A workflow that failed before its first step says
// itself what is wrong.
func (p *Provider) Failure(ctx context.Context, _ setup.Repository, id string, lines int) (name display.Text, last []display.Text, err error) {
	x, repo, err := p.run(ctx, id)
	if err != nil {
		return name, nil, err
	}
	for _, w := range x.Workflows {
		for _, s := range w.Steps {
			if s.State != "failure" && s.State != "error" && s.State != "killed" {
				continue
			}
			var log []struct {
				Data string `json:"data"` // base64
			}
			err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: fmt.Sprintf("/api/repos/%s/logs/%d/%d", repo, x.Number, s.ID), Out: &log})
			var all strings.Builder
			for _, l := range log {
				if raw, err := base64.StdEncoding.DecodeString(l.Data); err == nil {
					all.WriteString(strings.TrimRight(string(raw), "\r\n") + "\n")
				}
			}
			return s.Name, providers.Tail(all.String(), lines), err
		}
		if w.State == "failure" || w.State == "error" {
			return w.Name, []display.Text{w.Error}, nil
		}
	}
	return name, nil, nil
}
