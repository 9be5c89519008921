package jenkins

import (
	"cmp"
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

const docsRuns = "https://www.jenkins.io/doc/book/pipeline/multibranch/"

// queued is the end of the address at which a place in the queue is seen. Its beginning is of no use:
// behind a proxy it may be another host.
var queued = pattern.New(`/queue/item/([0-9]{1,18})/?$`)

// Start starts a build of the job, or of a branch's job in a multibranch project. Jenkins puts it into
// its queue; which build it becomes shows later. The id of the run is the number in the queue, and
// after an @ the branch that has a job of its own.
func (p *Provider) Start(ctx context.Context, r setup.Repository, _, branch string) (providers.RunRef, error) {
	kind, err := p.api.kind(ctx, r.Path)
	if s, ok := errors.AsType[*httpx.StatusError](err); ok && s.Status == http.StatusNotFound {
		return providers.RunRef{}, hint.Wrap(s, "jenkins: find the job "+r.Path, "Make a Multibranch Pipeline of this name for the repository, or name another job with --repo.", docsRuns)
	}
	of := ""
	switch {
	case err != nil:
		return providers.RunRef{}, err
	case strings.HasSuffix(kind, "MultiBranchProject"):
		of = "@" + branch
	case keepsCredentials(kind):
		return providers.RunRef{}, hint.New("jenkins: "+r.Path+" is a folder, not a job", "Name a job in it with --repo, for example "+r.Path+"/etl.", docsRuns)
	}
	job, err := jobOf(r, of)
	if err != nil {
		return providers.RunRef{}, err
	}
	answer, err := p.api.send(ctx, httpx.Call{Method: http.MethodPost, Path: jobPath(job) + "/build"})
	if httpx.Status(err) == http.StatusBadRequest { // the job has parameters; it did not start, and does so with their defaults
		answer, err = p.api.send(ctx, httpx.Call{Method: http.MethodPost, Path: jobPath(job) + "/buildWithParameters"})
	}
	if s, ok := errors.AsType[*httpx.StatusError](err); ok {
		switch {
		case s.Status == http.StatusNotFound && of != "":
			err = hint.Wrap(s, "jenkins: find the job of the branch "+branch, "Push the Jenkinsfile to the branch, or merge its request, then choose Scan Multibranch Pipeline Now in Jenkins.", docsRuns)
		case s.Status == http.StatusConflict:
			err = hint.Wrap(s, "jenkins: start "+job, "The job is disabled. Enable it in Jenkins.", docsRuns)
		}
	}
	if err != nil {
		return providers.RunRef{}, err
	}
	link := p.Runs(setup.Repository{Path: job}, "")
	m := queued.FindStringSubmatch(answer.Get("Location"))
	if m == nil {
		return providers.RunRef{}, hint.New("jenkins: the run was accepted, and Jenkins did not say where it waits", "Look for it on "+link+".", docsRuns)
	}
	return providers.RunRef{ID: m[1] + of, Link: link}, nil
}

// inName is how Jenkins writes a branch's name as the name of its job.
var inName = strings.NewReplacer("%", "%25", "/", "%2F", "#", "%23", "?", "%3F", "[", "%5B", "]", "%5D", `\`, "%5C")

// jobOf is the full name of the job that runs: the one that was named, or that of the @BRANCH in it.
func jobOf(r setup.Repository, of string) (string, error) {
	branch, ok := strings.CutPrefix(of, "@")
	if !ok {
		return r.Path, nil
	}
	if strings.Trim(branch, ".") == "" {
		return "", hint.New(fmt.Sprintf("jenkins: %q is not a branch of %s", branch, r.Path), "Name the branch with --branch.", docsRuns)
	}
	return r.Path + "/" + inName.Replace(branch), nil
}

var runID = pattern.New(`^([0-9]{1,18})(@.*)?$`)

// build is one build of a job.
type build struct {
	Number   int64        `json:"number"`
	Queue    int64        `json:"queueId"`
	Building bool         `json:"building"`
	Result   display.Text `json:"result"`
}

// find looks for the build that a place in the queue became, and for its path. While there is none, it
// says how the place in the queue goes.
func (p *Provider) find(ctx context.Context, r setup.Repository, id string) (at string, b build, waits providers.RunState, err error) {
	m := runID.FindStringSubmatch(id)
	if m == nil {
		return "", b, waits, fmt.Errorf("jenkins: %s is not the id of a run", strconv.Quote(id))
	}
	job, err := jobOf(r, m[2])
	if err != nil {
		return "", b, waits, err
	}
	var x struct {
		Cancelled bool         `json:"cancelled"`
		Why       display.Text `json:"why"`
		Build     build        `json:"executable"`
	}
	err = p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/queue/item/" + m[1] + "/api/json", Query: url.Values{"tree": {"cancelled,why,executable[number]"}}, Out: &x})
	switch {
	case httpx.Status(err) == http.StatusNotFound: // it is forgotten five minutes after it has left the queue
		b, err = p.ofQueue(ctx, job, m[1])
		return jobPath(job) + "/" + strconv.FormatInt(b.Number, 10), b, waits, err
	case err != nil:
		return "", b, waits, err
	case x.Cancelled:
		return "", b, providers.RunState{Phase: providers.RunFailed, Says: text("cancelled in the queue")}, nil
	case x.Build.Number == 0:
		return "", b, providers.RunState{Phase: providers.RunQueued, Says: display.Clean(countdown.ReplaceAllString(x.Why.String(), ""))}, nil
	}
	at = jobPath(job) + "/" + strconv.FormatInt(x.Build.Number, 10)
	err = p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/api/json", Query: url.Values{"tree": {"number,queueId,building,result"}}, Out: &b})
	return at, b, waits, err
}

// countdown is the part of a reason to wait that is another one each second.
var countdown = pattern.New(`\.? Expires in .*| \(ETA.*`)

// ofQueue looks for the build of a place in the queue among the job's newest ones.
func (p *Provider) ofQueue(ctx context.Context, job, item string) (build, error) {
	var x struct {
		Builds []build `json:"builds"`
	}
	if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: jobPath(job) + "/api/json", Query: url.Values{"tree": {"builds[number,queueId,building,result]{0,50}"}}, Out: &x}); err != nil {
		return build{}, err
	}
	for _, b := range x.Builds {
		if strconv.FormatInt(b.Queue, 10) == item {
			return b, nil
		}
	}
	return build{}, hint.New("jenkins: the run that was started is not there any more", "Somebody took it out of the queue, or deleted its build. Look at "+p.Runs(setup.Repository{Path: job}, "")+".", docsRuns)
}

// Look asks how the run goes: first in the queue, then as a build.
func (p *Provider) Look(ctx context.Context, r setup.Repository, id string) (providers.RunState, error) {
	at, b, waits, err := p.find(ctx, r, id)
	switch {
	case err != nil || at == "":
		return waits, err
	case b.Building && p.stages(ctx, at).Status == "PAUSED_PENDING_INPUT":
		return providers.RunState{Phase: providers.RunWaiting, Says: text("a step waits for an answer in Jenkins")}, nil
	case b.Building || b.Result.IsZero():
		return providers.RunState{Phase: providers.Running}, nil
	}
	out := providers.RunState{Phase: providers.RunFailed, Says: display.Clean(strings.ToLower(b.Result.String()))}
	if b.Result.String() == "SUCCESS" {
		out.Phase = providers.RunPassed
	}
	return out, nil
}

// described is what the plugin pipeline-rest-api says about a build.
type described struct {
	Status string `json:"status"`
	Stages []struct {
		Name   display.Text `json:"name"`
		Status string       `json:"status"`
	} `json:"stages"`
}

// stages asks for the stages of a build. Not every Jenkins has the plugin; without it there are none.
func (p *Provider) stages(ctx context.Context, at string) (x described) {
	if p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/wfapi/describe", Out: &x}) != nil {
		return described{}
	}
	return x
}

// marks are the lines of a log by which Jenkins says where in the pipeline it is. After a failure there
// are more of them than anybody wants to read.
var marks = pattern.New(`(?m)^(\[[0-9TZ:.-]+\] )?\[Pipeline\].*\n?`)

// Failure names the stage that failed, where Jenkins tells the stages, and reads the log.
func (p *Provider) Failure(ctx context.Context, r setup.Repository, id string, lines int) (step display.Text, last []display.Text, err error) {
	at, b, _, err := p.find(ctx, r, id)
	if err != nil || at == "" || b.Result.String() == "SUCCESS" {
		return step, nil, err
	}
	for _, s := range p.stages(ctx, at).Stages {
		if s.Status == "FAILED" || s.Status == "ABORTED" || s.Status == "UNSTABLE" {
			step = cmp.Or(step, s.Name)
		}
	}
	var log string
	if err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/consoleText", Text: &log}); err != nil {
		return step, nil, err
	}
	return step, providers.Tail(marks.ReplaceAllString(log, ""), lines), nil
}
