// Package bitbucket renders pipelines for Bitbucket Pipelines.
package bitbucket

import (
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// image is what the step runs in; it has git, curl and tar. Docker comes with the service.
const image = "atlassian/default-image:4"

const docsPipelines = "https://support.atlassian.com/bitbucket-cloud/docs/bitbucket-pipelines-configuration-reference/"

// Render writes the plan's pipeline. The plan has to be valid. Bitbucket has no variables for a
// step, so the constants stand in the script; they are ids, versions and sums.
func Render(p setup.Plan) ([]byte, error) {
	place := "the variables of the repository, deployment or workspace"
	if p.Fetches() {
		place = p.Target().String()
	}
	x, err := pipeline.NewJob(p, place, false, loginVariable)
	if err != nil {
		return nil, fmt.Errorf("bitbucket: pipeline: %w", err)
	}
	constants, err := x.Assignments()
	if err != nil {
		return nil, fmt.Errorf("bitbucket: pipeline: %w", err)
	}
	if strings.ContainsAny(p.Pipeline.Branch, "{}!+@()|") {
		return nil, hint.New(fmt.Sprintf("bitbucket: the branch %q would be taken for a pattern", p.Pipeline.Branch), "Choose another branch.", docsPipelines)
	}
	environment := ""
	if !p.Fetches() {
		_, environment, _ = strings.Cut(p.Target().Address, "#")
	}
	if err := pipeline.CheckText(environment); err != nil {
		return nil, fmt.Errorf("bitbucket: pipeline: environment: %w", err)
	}
	_, work := pipeline.Work(p)
	step := pipeline.Map{
		{Key: "name", Value: pipeline.Plain(work)},
		{Key: "image", Value: imageOf(p)},
	}
	if environment != "" {
		step = append(step, pipeline.Pair{Key: "deployment", Value: environment, Beside: "one run at a time"})
	}
	if pipeline.Builds(p) {
		step = append(step, pipeline.Pair{Key: "services", Value: pipeline.List{pipeline.Plain("docker")}})
	}
	if p.Fetches() {
		step = append(step, pipeline.Pair{Key: "oidc", Value: true, Above: []string{"Bitbucket vouches for the step; no secret is kept on Bitbucket."}})
	}
	script := pipeline.Exports(pipeline.Reads(p, loginVariable)) + constants + x.Script
	if p.Job.Scheduled() {
		script = alone + script
	}
	step = append(step,
		pipeline.Pair{Key: "max-time", Value: 30},
		pipeline.Pair{Key: "script", Value: pipeline.List{script}},
	)
	section, name := begins(p)
	raw, err := pipeline.YAML(nil, pipeline.Map{
		{Key: "pipelines", Value: pipeline.Map{
			{Key: section, Value: pipeline.Map{
				{Key: name, Quoted: true, Value: pipeline.List{pipeline.Map{{Key: "step", Value: step}}}, Above: x.Header(p)},
			}},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("bitbucket: pipeline: %w", err)
	}
	return raw, nil
}

// imageOf is what the step runs in. The curl of the usual image is too old to sign for AWS.
func imageOf(p setup.Plan) pipeline.Plain {
	if p.Fetches() && strings.HasPrefix(p.Target().Store, "aws-") {
		return pipeline.DockerImage("cli")
	}
	return image
}

// Pipeline renders the pipeline of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	section, name := begins(plan)
	out := providers.File{Path: plan.Pipeline.File, Content: content, Beside: []string{"pipelines." + section}}
	if section == "branches" {
		out.Hides = func(before []byte) string { return hides(before, name) }
	}
	return out, err
}

// hides says that the pipeline of a branch takes the place of the default one, where a person's file has that.
func hides(before []byte, branch string) string {
	var doc struct {
		Pipelines struct {
			Default  any
			Branches map[string]any
		}
	}
	if yaml.Unmarshal(before, &doc) != nil || doc.Pipelines.Default == nil || doc.Pipelines.Branches[branch] != nil {
		return ""
	}
	return "On Bitbucket the pipeline of a branch takes the place of the default one: what default does no longer runs after a push to " + branch + "."
}
