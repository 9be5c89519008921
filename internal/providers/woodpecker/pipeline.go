package woodpecker

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// PipelineGlobs are the paths of workflow files.
func (p *Provider) PipelineGlobs() []string {
	return []string{".woodpecker/*.yaml", ".woodpecker/*.yml", ".woodpecker.yaml", ".woodpecker.yml"}
}

// PipelineFile is .woodpecker/astro-NAME.yaml: one workflow for each setup.
func (p *Provider) PipelineFile(s setup.Setup) string {
	return ".woodpecker/astro-" + strings.ReplaceAll(s.Name, ".", "-") + ".yaml"
}

// Runs is the page on which Woodpecker is looked for the repository; its own pages go by numbers.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + p.host + "/repos/" + r.Path
}

// Pipeline renders the workflow of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content}, err
}

// Render writes the plan's workflow. The plan has to be valid. Woodpecker replaces braces before a
// shell sees them; the script has none around variables.
func Render(p setup.Plan) ([]byte, error) {
	x, err := pipeline.NewJob(p, "the secrets of the repository or organization", true, loginVariable)
	if err != nil {
		return nil, fmt.Errorf("woodpecker: pipeline: %w", err)
	}
	env := pipeline.Map{}
	for _, t := range pipeline.Reads(p, loginVariable) {
		env = append(env, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Map{{Key: "from_secret", Value: t.Secret}}})
	}
	env = append(env, x.Env...)
	script := x.Script
	if x.Push {
		script = "BEFORE=\"$CI_PREV_COMMIT_SHA\"\nAFTER=\"$CI_COMMIT_SHA\"\n" + script
	}
	starts := pipeline.Map{
		{Key: "event", Value: pipeline.List{pipeline.Plain("push"), pipeline.Plain("manual")}, Above: []string{"No pull requests: they must not see the secret."}},
	}
	step := "deploy"
	if p.Job.Scheduled() {
		starts, step, script = onSchedule(p), "renew", server+script
	}
	doc := pipeline.Map{{Key: "when", Value: pipeline.List{append(starts, pipeline.Pair{Key: "branch", Value: p.Pipeline.Branch})}}}
	if pipeline.Builds(p) {
		env = append(env, pipeline.Pair{Key: "DOCKER_HOST", Value: "tcp://docker:2375"})
		doc = append(doc, pipeline.Pair{Key: "services", Value: pipeline.List{pipeline.Map{
			{Key: "name", Value: pipeline.Plain("docker")},
			{Key: "image", Value: pipeline.DockerImage("dind")},
			{Key: "privileged", Value: true},
			{Key: "environment", Value: pipeline.Map{{Key: "DOCKER_TLS_CERTDIR", Value: ""}}},
		}}, Above: []string{"The daemon that builds the image needs a repository that is trusted for security."}})
	}
	doc = append(doc, pipeline.Pair{Key: "steps", Value: pipeline.List{pipeline.Map{
		{Key: "name", Value: pipeline.Plain(step)},
		{Key: "image", Value: pipeline.DockerImage("cli")},
		{Key: "environment", Value: env},
		{Key: "commands", Value: pipeline.List{script}},
	}}})
	raw, err := pipeline.YAML(x.Header(p), doc)
	if err != nil {
		return nil, fmt.Errorf("woodpecker: pipeline: %w", err)
	}
	return raw, nil
}
