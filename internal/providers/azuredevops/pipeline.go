// Package azuredevops renders pipelines for Azure DevOps.
package azuredevops

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// vmImage is the runner: an exact one, because "latest" moves.
const vmImage = "ubuntu-24.04"

// Render writes the plan's pipeline. The plan has to be valid. A secret is no environment variable
// by itself here: each one is mapped to the one step that needs it.
func Render(p setup.Plan) ([]byte, error) {
	x, err := pipeline.NewPortable(p, "the variable group or the pipeline's variables", false)
	if err != nil {
		return nil, fmt.Errorf("azure-devops: pipeline: %w", err)
	}
	env := pipeline.Map{}
	for _, t := range p.Reads() {
		env = append(env, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Plain("$(" + t.Secret + ")")})
	}
	trigger := pipeline.Map{
		{Key: "batch", Value: "true", Above: []string{"Pushes that come while a run is under way are deployed together, afterwards."}},
		{Key: "branches", Value: pipeline.Map{{Key: "include", Value: pipeline.List{p.Pipeline.Branch}}}},
	}
	if p.Pipeline.Folder != "" {
		trigger = append(trigger, pipeline.Pair{Key: "paths", Value: pipeline.Map{{Key: "include", Value: pipeline.List{p.Pipeline.Folder}}}})
	}
	doc := pipeline.Map{
		{Key: "trigger", Value: trigger},
		{Key: "pr", Value: pipeline.Plain("none")},
	}
	if group, ok := groupOf(p.Target().Address); ok {
		if err := pipeline.CheckText(group); err != nil {
			return nil, fmt.Errorf("azure-devops: pipeline: variable group: %w", err)
		}
		doc = append(doc, pipeline.Pair{Key: "variables", Value: pipeline.List{pipeline.Map{{Key: "group", Value: group}}}})
	}
	doc = append(doc, pipeline.Pair{Key: "jobs", Value: pipeline.List{pipeline.Map{
		{Key: "job", Value: pipeline.Plain("astro")},
		{Key: "displayName", Value: pipeline.Plain("Deploy to Astro")},
		{Key: "timeoutInMinutes", Value: "30"},
		{Key: "pool", Value: pipeline.Map{{Key: "vmImage", Value: pipeline.Plain(vmImage)}}},
		{Key: "steps", Value: pipeline.List{
			pipeline.Map{{Key: "checkout", Value: pipeline.Plain("self")}, {Key: "persistCredentials", Value: "false"}},
			pipeline.Map{
				{Key: "bash", Value: x.Script},
				{Key: "displayName", Value: pipeline.Plain("Check the credential, install the Astro CLI, deploy")},
				{Key: "env", Value: append(env, x.Env...)},
			},
		}},
	}}})
	raw, err := pipeline.YAML(x.Header(p), doc)
	if err != nil {
		return nil, fmt.Errorf("azure-devops: pipeline: %w", err)
	}
	return raw, nil
}

// groupOf is the variable group that an address points at: ORG/PROJECT/group:NAME.
func groupOf(address string) (string, bool) {
	_, group, ok := strings.Cut(address, "/group:")
	return group, ok
}
