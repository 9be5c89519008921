package drone

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{".drone.yml"} }

// PipelineFile is .drone.yml, the file that Drone reads.
func (p *Provider) PipelineFile(setup.Setup) string { return ".drone.yml" }

// Runs is the page of the repository's builds.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + p.host + "/" + r.Path
}

// Pipeline renders the pipeline of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content, Beside: []string{"."}}, err
}

// Render writes the plan's pipeline. The plan has to be valid. Drone replaces braces before a shell
// sees them; the script has none.
func Render(p setup.Plan) ([]byte, error) {
	place := "the secrets of the repository or organization"
	if p.Target().Store != info.ID {
		place = p.Target().String()
	}
	x, err := pipeline.NewJob(p, place, true, loginVariable)
	if err != nil {
		return nil, fmt.Errorf("drone: pipeline: %w", err)
	}
	env := pipeline.Map{}
	var outside []pipeline.Map // secrets that the extension gets from Vault, each a document of its own
	for _, t := range pipeline.Reads(p, loginVariable) {
		name := t.Secret
		if t.Store != info.ID {
			name = p.Name + "-" + strings.ToLower(strings.ReplaceAll(name, "_", "-"))
			outside = append(outside, fromVault(t, name))
		}
		env = append(env, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Map{{Key: "from_secret", Value: name}}})
	}
	script := x.Script
	if x.Push {
		script = "BEFORE=\"$DRONE_COMMIT_BEFORE\"\nAFTER=\"$DRONE_COMMIT_SHA\"\n" + script
	}
	starts, name := pipeline.Map{
		{Key: "event", Value: pipeline.List{pipeline.Plain("push"), pipeline.Plain("custom")}, Above: []string{"No pull requests: they must not see the secret."}},
	}, "deploy"
	if p.Job.Scheduled() {
		starts, name, script = onSchedule(p), "renew", server+script
	}
	step := pipeline.Map{
		{Key: "name", Value: pipeline.Plain(name)},
		{Key: "image", Value: pipeline.DockerImage("cli")},
		{Key: "environment", Value: append(env, x.Env...)},
	}
	socket := pipeline.List{pipeline.Map{{Key: "name", Value: pipeline.Plain("docker")}, {Key: "path", Value: pipeline.Plain("/var/run")}}}
	if pipeline.Builds(p) {
		step = append(step, pipeline.Pair{Key: "volumes", Value: socket})
	}
	step = append(step, pipeline.Pair{Key: "commands", Value: pipeline.List{script}})
	doc := pipeline.Map{
		{Key: "kind", Value: pipeline.Plain("pipeline")},
		{Key: "type", Value: pipeline.Plain("docker")},
		{Key: "name", Value: "astro-" + p.Name},
		{Key: "trigger", Value: append(pipeline.Map{{Key: "branch", Value: pipeline.List{p.Pipeline.Branch}}}, starts...)},
		{Key: "concurrency", Value: pipeline.Map{{Key: "limit", Value: 1}}, Above: []string{"One run at a time."}},
		{Key: "steps", Value: pipeline.List{step}},
	}
	if pipeline.Builds(p) {
		doc = append(doc,
			pipeline.Pair{Key: "services", Value: pipeline.List{pipeline.Map{
				{Key: "name", Value: pipeline.Plain("docker")},
				{Key: "image", Value: pipeline.DockerImage("dind")},
				{Key: "privileged", Value: true},
				{Key: "volumes", Value: socket},
			}}, Above: []string{"The daemon that builds the image needs a trusted repository."}},
			pipeline.Pair{Key: "volumes", Value: pipeline.List{pipeline.Map{{Key: "name", Value: pipeline.Plain("docker")}, {Key: "temp", Value: pipeline.Map{}}}}})
	}
	raw, err := pipeline.YAML(x.Header(p), doc)
	if err != nil {
		return nil, fmt.Errorf("drone: pipeline: %w", err)
	}
	out := append([]byte("---\n"), raw...) // a document of its own, beside which others can stand
	for _, doc := range outside {
		if raw, err = pipeline.YAML(nil, doc); err != nil {
			return nil, fmt.Errorf("drone: pipeline: %w", err)
		}
		out = append(append(out, "---\n"...), raw...)
	}
	return out, nil
}
