package buildkite

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsPipelines = "https://buildkite.com/docs/pipelines/configure/step-types/command-step"

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string {
	return []string{".buildkite/pipeline.yml", ".buildkite/pipeline.yaml"}
}

// PipelineFile is the file that the agent uploads unless it is told otherwise.
func (p *Provider) PipelineFile(setup.Setup) string { return ".buildkite/pipeline.yml" }

// Runs is the page of the pipeline's builds.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + p.host + "/" + r.Path
}

// Pipeline renders the steps of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content, Beside: []string{"steps"}}, err
}

// Render writes the plan's step. The plan has to be valid. The agent that uploads the file replaces
// variables in it; $$ stands for a dollar sign, so that the shell gets what is its own.
func Render(p setup.Plan) ([]byte, error) {
	x, err := pipeline.NewJob(p, "the secrets of the cluster", false, loginVariable)
	if err != nil {
		return nil, fmt.Errorf("buildkite: pipeline: %w", err)
	}
	if strings.ContainsAny(p.Pipeline.Branch, "$*! ") {
		return nil, hint.New(fmt.Sprintf("buildkite: the branch %q would be taken for a pattern", p.Pipeline.Branch), "Choose another branch.", docsPipelines)
	}
	secrets, env := pipeline.Map{}, pipeline.Map{}
	for _, t := range p.Reads() {
		secrets = append(secrets, pipeline.Pair{Key: t.Feeds(), Value: t.Secret})
	}
	title, _ := pipeline.Work(p)
	script, group, starts := x.Script, "astro/"+p.Entity().ID, pushed
	if p.Job.Scheduled() {
		group, starts = "astro-rotation/"+p.Pipeline.Renews, onSchedule(p)
		// A secret cannot be handed to a variable of Buildkite's own.
		login := p.LoginTarget()
		secrets = append(secrets, pipeline.Pair{Key: login.Secret, Value: login.Secret})
		login.Variable = loginVariable
		script = pipeline.Exports([]setup.Target{login}) + script
	}
	for _, e := range x.Env {
		if v, ok := e.Value.(string); ok {
			e.Value = strings.ReplaceAll(v, "$", "$$")
		}
		env = append(env, e)
	}
	raw, err := pipeline.YAML(nil, pipeline.Map{{Key: "steps", Value: pipeline.List{pipeline.Map{
		{Key: "label", Value: title + " (" + p.Name + ")", Above: x.Header(p)},
		starts,
		{Key: "branches", Value: p.Pipeline.Branch},
		{Key: "concurrency", Value: 1, Above: []string{"One run at a time."}},
		{Key: "concurrency_group", Value: group},
		{Key: "timeout_in_minutes", Value: 30},
		{Key: "secrets", Value: secrets},
		{Key: "env", Value: env},
		{Key: "command", Value: pipeline.Literal(strings.ReplaceAll(string(script), "$", "$$"))},
	}}}})
	if err != nil {
		return nil, fmt.Errorf("buildkite: pipeline: %w", err)
	}
	return raw, nil
}
