package gitlab

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsPipelines = "https://docs.gitlab.com/ci/yaml/"

// Runs is the page of the project's pipelines.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + r.String() + "/-/pipelines"
}

// PipelineFile is .gitlab-ci.yml, the file that GitLab reads.
func (p *Provider) PipelineFile(setup.Setup) string { return ".gitlab-ci.yml" }

// Pipeline renders the job of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content, Beside: []string{"."}, Fit: fit}, err
}

// fit puts the job into the last stage of a person's file where that has no stage deploy.
func fit(content, before []byte) ([]byte, error) {
	var doc struct{ Stages []any }
	if err := yaml.Unmarshal(before, &doc); err != nil {
		return nil, errors.New("it is not YAML")
	}
	if doc.Stages == nil || slices.Contains(doc.Stages, any("deploy")) {
		return content, nil
	}
	last, ok := "", false
	if n := len(doc.Stages); n > 0 {
		last, ok = doc.Stages[n-1].(string)
	}
	if !ok || pipeline.CheckText(last) != nil {
		return nil, errors.New("its list of stages names none that the job could be in; deploy would do")
	}
	const stage = "\n  stage: "
	return bytes.ReplaceAll(content, []byte(stage+"deploy\n"), []byte(stage+strconv.Quote(last)+"\n")), nil
}

// Render writes the plan's job. The plan has to be valid. Whatever comes from outside ends up in a
// quoted scalar and reaches the shell through variables.
func Render(p setup.Plan) ([]byte, error) {
	place := "the CI/CD variables of the project"
	if p.Fetches() {
		place = p.Target().String()
	}
	x, err := pipeline.NewPortable(p, place, true)
	previews := p.Job == setup.PreviewDeployments
	switch {
	case previews:
		x, err = pipeline.NewPreviews(p, place)
	case p.Job == setup.RotateTokens:
		x, err = rotation(p, place)
	}
	if err != nil {
		return nil, fmt.Errorf("gitlab: pipeline: %w", err)
	}
	branch, err := quoted(p.Pipeline.Branch)
	if err != nil {
		return nil, err
	}
	scope := ""
	if !p.Fetches() {
		_, scope, _ = strings.Cut(p.Target().Address, "#")
	}
	if err := pipeline.CheckText(scope); err != nil {
		return nil, fmt.Errorf("gitlab: pipeline: environment: %w", err)
	}
	variables := pipeline.Map{}
	for _, t := range p.Reads() {
		if t.Secret != t.Feeds() && !p.Job.Scheduled() { // a variable of the right name is there without being named
			variables = append(variables, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Plain("$" + t.Secret)})
		}
	}
	variables = append(variables, x.Env...)
	if x.Push {
		variables = append(variables,
			pipeline.Pair{Key: "GIT_DEPTH", Value: "0", Beside: "the whole history, to see what a push changed"},
			pipeline.Pair{Key: "BEFORE", Value: pipeline.Plain("$CI_COMMIT_BEFORE_SHA")},
			pipeline.Pair{Key: "AFTER", Value: pipeline.Plain("$CI_COMMIT_SHA")})
	}
	job := pipeline.Map{
		{Key: "stage", Value: pipeline.Plain("deploy")},
		{Key: "image", Value: pipeline.DockerImage("cli")},
		{Key: "inherit", Value: pipeline.Map{{Key: "default", Value: false}, {Key: "variables", Value: false}}, Above: []string{"Nothing of what the rest of the file sets for all jobs."}},
	}
	if pipeline.Builds(p) {
		job = append(job, pipeline.Pair{Key: "services", Value: pipeline.List{pipeline.Map{{Key: "name", Value: pipeline.DockerImage("dind")}, {Key: "alias", Value: pipeline.Plain("docker")}}}})
		variables = append(variables, pipeline.Pair{Key: "DOCKER_TLS_CERTDIR", Value: "/certs"})
	}
	if p.Fetches() {
		job = append(job, pipeline.Pair{Key: "id_tokens", Value: pipeline.Map{{Key: "GITLAB_ID_TOKEN", Value: pipeline.Map{{Key: "aud", Value: x.Audience}}}}, Above: []string{"GitLab vouches for the job; no secret is kept on GitLab."}})
	}
	if previews {
		return preview(p, x, job, variables)
	}
	rules := pipeline.Pair{Key: "rules", Value: pipeline.List{
		pipeline.Map{{Key: "if", Value: `$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == ` + branch}},
		pipeline.Map{{Key: "if", Value: `$CI_PIPELINE_SOURCE == "web" && $CI_COMMIT_BRANCH == ` + branch}},
		pipeline.Map{{Key: "if", Value: `$CI_PIPELINE_SOURCE == "api" && $CI_COMMIT_BRANCH == ` + branch}},
	}, Above: []string{"After a push to the branch, or started by hand or by astro-ci run for it."}}
	if p.Job.Scheduled() {
		rules = onSchedule(p, branch)
	}
	group := "astro-" + p.Entity().ID
	if p.Job.Scheduled() {
		group = "astro-rotation-" + p.Pipeline.Renews
	}
	job = append(job, pipeline.Pair{Key: "variables", Value: variables}, rules)
	if scope != "" {
		job = append(job, pipeline.Pair{Key: "environment", Value: pipeline.Map{{Key: "name", Value: scope}}})
	}
	job = append(job,
		pipeline.Pair{Key: "resource_group", Value: group, Above: []string{"One run at a time; a run that has begun is never cut off."}},
		pipeline.Pair{Key: "interruptible", Value: false},
		pipeline.Pair{Key: "timeout", Value: "30 minutes"},
		pipeline.Pair{Key: "script", Value: pipeline.List{x.Script}},
	)
	raw, err := pipeline.YAML(append(x.Header(p), "Jobs of your own go below the last line of this block."), pipeline.Map{{Key: "astro-" + p.Name, Quoted: strings.Contains(p.Name, "."), Value: job}})
	if err != nil {
		return nil, fmt.Errorf("gitlab: pipeline: %w", err)
	}
	return raw, nil
}

// preview are two jobs: one makes and updates the preview of a merge request, the other deletes it when
// GitLab stops the environment, which it does when the request is merged or closed.
func preview(p setup.Plan, x pipeline.Portable, begin, variables pipeline.Map) ([]byte, error) {
	branch, err := quoted(p.Pipeline.Branch)
	if err != nil {
		return nil, err
	}
	name := "astro-" + p.Name
	of := func(gone, on string, more pipeline.Map) pipeline.Map {
		rule := pipeline.Map{{Key: "if", Value: `$CI_PIPELINE_SOURCE == "merge_request_event" && $CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID && $CI_MERGE_REQUEST_TARGET_BRANCH_NAME == ` + branch}}
		environment := pipeline.Map{{Key: "name", Value: pipeline.Plain(name + "/$CI_MERGE_REQUEST_IID")}}
		if gone == "yes" {
			more = append(more, pipeline.Pair{Key: "action", Value: pipeline.Plain("stop")})
			variables = append(slices.Clone(variables), pipeline.Pair{Key: "GIT_STRATEGY", Value: pipeline.Plain("none"), Beside: "the branch may be gone"})
			rule = append(rule, pipeline.Pair{Key: "when", Value: pipeline.Plain("manual")}, pipeline.Pair{Key: "allow_failure", Value: true})
		}
		job := append(slices.Clone(begin),
			pipeline.Pair{Key: "variables", Value: append(slices.Clone(variables),
				pipeline.Pair{Key: "NUMBER", Value: pipeline.Plain("$CI_MERGE_REQUEST_IID")}, pipeline.Pair{Key: "GONE", Value: gone})},
			pipeline.Pair{Key: "rules", Value: pipeline.List{rule}, Above: []string{on}},
			pipeline.Pair{Key: "environment", Value: append(environment, more...)},
			pipeline.Pair{Key: "resource_group", Value: pipeline.Plain(name + "-$CI_MERGE_REQUEST_IID")},
			pipeline.Pair{Key: "timeout", Value: "30 minutes"},
			pipeline.Pair{Key: "script", Value: pipeline.List{x.Script}})
		return job
	}
	key := func(s string) pipeline.Pair { return pipeline.Pair{Key: s, Quoted: strings.Contains(s, ".")} }
	begins, stop := key(name), key(name+"-stop")
	begins.Value = of("no", "For merge requests of this project; those of forks get no variables.", pipeline.Map{
		{Key: "on_stop", Value: name + "-stop"}, {Key: "auto_stop_in", Value: "2 weeks"},
	})
	stop.Value = of("yes", "GitLab starts it when the request is merged or closed; it can be started by hand as well.", nil)
	raw, err := pipeline.YAML(append(x.Header(p), "Jobs of your own go below the last line of this block."), pipeline.Map{begins, stop})
	if err != nil {
		return nil, fmt.Errorf("gitlab: pipeline: %w", err)
	}
	return raw, nil
}

// quoted is a branch as a string of GitLab's expressions, which know no escapes.
func quoted(branch string) (string, error) {
	switch {
	case !strings.Contains(branch, `"`):
		return `"` + branch + `"`, nil
	case !strings.Contains(branch, "'"):
		return "'" + branch + "'", nil
	}
	return "", hint.New("gitlab: a branch with both kinds of quotes cannot be named in a rule", "Choose another branch.", docsPipelines)
}
