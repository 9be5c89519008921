package codebuild

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsRuns = "https://docs.aws.amazon.com/codebuild/latest/userguide/run-build.html"

// build is a build as far as it matters here.
type build struct {
	ID     string       `json:"id"`
	Status display.Text `json:"buildStatus"`
	Phase  string       `json:"currentPhase"`
	Phases []struct {
		Type     display.Text `json:"phaseType"`
		Status   string       `json:"phaseStatus"`
		Contexts []struct {
			Code    display.Text `json:"statusCode"`
			Message display.Text `json:"message"`
		} `json:"contexts"`
	} `json:"phases"`
}

// Start starts a build of the project, of the branch, by the buildspec. The request carries a mark, so
// that AWS takes a second one for the first.
func (p *Provider) Start(ctx context.Context, r setup.Repository, file, branch string) (providers.RunRef, error) {
	in := map[string]any{"projectName": r.Path, "sourceVersion": branch, "idempotencyToken": rand.Text()}
	if file != "" && file != p.PipelineFile(setup.Setup{}) {
		in["buildspecOverride"] = file
	}
	var out struct {
		Build build `json:"build"`
	}
	err := p.client.Call(ctx, "codebuild", "StartBuild", in, &out)
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Code == "ResourceNotFoundException" {
		return providers.RunRef{}, hint.Wrap(s, "codebuild: start a build", "There is no project "+r.Path+" in "+p.client.Region+". Make one for the repository, or name another one with --repo.", docsRuns)
	}
	if err != nil {
		return providers.RunRef{}, aws.Explain(err, info, "start a build of "+r.Path, "codebuild:StartBuild and codebuild:BatchGetBuilds")
	}
	console := "https://" + p.client.Region + ".console.aws.amazon.com/codesuite/codebuild/projects/" + r.Path + "/build/" + url.PathEscape(out.Build.ID) + "/?region=" + p.client.Region
	return providers.RunRef{ID: out.Build.ID, Link: console}, nil
}

var buildID = pattern.New(`^[A-Za-z0-9_-]{2,150}:[A-Za-z0-9-]{1,100}$`)

func (p *Provider) build(ctx context.Context, id string) (build, error) {
	if !buildID.MatchString(id) {
		return build{}, fmt.Errorf("codebuild: %s is not the id of a build", strconv.Quote(id))
	}
	var out struct {
		Builds []build `json:"builds"`
	}
	err := p.client.Call(ctx, "codebuild", "BatchGetBuilds", map[string]any{"ids": []string{id}}, &out)
	if err != nil {
		return build{}, aws.Explain(err, info, "look at the build "+id, "codebuild:BatchGetBuilds")
	}
	if len(out.Builds) == 0 {
		return build{}, hint.New("codebuild: the build "+id+" is not there any more", "Start another one.", docsRuns)
	}
	return out.Builds[0], nil
}

// Look asks how the build goes.
func (p *Provider) Look(ctx context.Context, _ setup.Repository, id string) (providers.RunState, error) {
	b, err := p.build(ctx, id)
	switch {
	case err != nil:
		return providers.RunState{}, err
	case b.Status.String() == "SUCCEEDED":
		return providers.RunState{Phase: providers.RunPassed, Says: text("succeeded")}, nil
	case b.Status.String() != "IN_PROGRESS":
		return providers.RunState{Phase: providers.RunFailed, Says: display.Clean(strings.ToLower(b.Status.String()))}, nil
	case b.Phase == "SUBMITTED" || b.Phase == "QUEUED":
		return providers.RunState{Phase: providers.RunQueued}, nil
	}
	return providers.RunState{Phase: providers.Running, Says: display.Clean(strings.ToLower(b.Phase))}, nil
}

// Failure names the phase that failed and what CodeBuild says about it. The log itself lies in
// CloudWatch, which takes a right of its own.
func (p *Provider) Failure(ctx context.Context, _ setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	b, err := p.build(ctx, id)
	if err != nil {
		return step, nil, err
	}
	for _, phase := range b.Phases {
		if phase.Status == "" || phase.Status == "SUCCEEDED" || phase.Status == "IN_PROGRESS" || phase.Status == "QUEUED" {
			continue
		}
		for _, c := range phase.Contexts {
			if !c.Message.IsZero() && len(last) < lines {
				last = append(last, display.Clean(strings.TrimPrefix(c.Code.String()+": "+c.Message.String(), ": ")))
			}
		}
		return phase.Type, last, nil
	}
	return step, nil, nil
}
