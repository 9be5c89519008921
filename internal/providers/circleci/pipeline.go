// Package circleci renders pipelines for CircleCI.
package circleci

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// machine is the runner: an exact image, because "current" moves. It has Docker, git and curl.
const machine = "ubuntu-2404:2024.11.1"

// Render writes the plan's configuration. The plan has to be valid. Whatever comes from outside ends
// up in a quoted scalar and reaches the shell through the environment.
func Render(p setup.Plan) ([]byte, error) {
	place := "the context or the project's environment variables"
	if p.Fetches() {
		place = p.Target().String()
	}
	x, err := job(p, place)
	if err != nil {
		return nil, fmt.Errorf("circleci: pipeline: %w", err)
	}
	env := x.Env
	if x.Push {
		env = append(env,
			pipeline.Pair{Key: "BEFORE", Value: "<< pipeline.git.base_revision >>"},
			pipeline.Pair{Key: "AFTER", Value: "<< pipeline.git.revision >>"})
	}
	name := "astro-" + strings.ReplaceAll(p.Name, ".", "-") // names have no dots here
	use := pipeline.Map{}
	if context, ok := contextOf(p.Target().Address); ok && !p.Fetches() {
		if err := pipeline.CheckText(context); err != nil {
			return nil, fmt.Errorf("circleci: pipeline: context: %w", err)
		}
		use = append(use, pipeline.Pair{Key: "context", Value: pipeline.List{context}})
	}
	filters := pipeline.Pair{Key: "filters", Value: pipeline.Map{
		{Key: "branches", Value: pipeline.Map{{Key: "only", Value: p.Pipeline.Branch}}},
	}}
	workflow := pipeline.Map{}
	if p.Job.Scheduled() {
		workflow = append(workflow, onSchedule(p, filters))
	} else {
		use = append(use, filters)
	}
	uses := pipeline.List{pipeline.Map{{Key: name, Value: use}}}
	if len(use) == 0 {
		uses = pipeline.List{name}
	}
	_, work := pipeline.Work(p)
	raw, err := pipeline.YAML(nil, pipeline.Map{
		{Key: "version", Value: "2.1"},
		{Key: "jobs", Value: pipeline.Map{{Key: name, Value: pipeline.Map{
			{Key: "machine", Value: pipeline.Map{{Key: "image", Value: pipeline.Plain(machine)}}},
			{Key: "environment", Value: env},
			{Key: "steps", Value: pipeline.List{
				pipeline.Plain("checkout"),
				pipeline.Map{{Key: "run", Value: pipeline.Map{
					{Key: "name", Value: pipeline.Plain(work)},
					{Key: "command", Value: pipeline.Exports(pipeline.Reads(p, loginVariable)) + x.Script},
					{Key: "no_output_timeout", Value: "30m"},
				}}},
			}},
		}, Above: x.Header(p)}}},
		{Key: "workflows", Value: pipeline.Map{{Key: name, Value: append(workflow, pipeline.Pair{Key: "jobs", Value: uses})}}},
	})
	if err != nil {
		return nil, fmt.Errorf("circleci: pipeline: %w", err)
	}
	return raw, nil
}

// contextOf is the name of the context that an address points at: context:ORG/NAME.
func contextOf(address string) (string, bool) {
	rest, ok := strings.CutPrefix(address, "context:")
	return rest[strings.LastIndex(rest, "/")+1:], ok
}

// Pipeline renders the configuration of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content, Beside: []string{"jobs", "workflows"}, Fit: fit}, err
}

// fit reports why the job cannot be added to a person's configuration.
func fit(content, before []byte) ([]byte, error) {
	var doc struct {
		Version any
		Setup   any
	}
	if err := yaml.Unmarshal(before, &doc); err != nil {
		return nil, errors.New("it is not YAML")
	}
	if fmt.Sprint(doc.Version) != "2.1" {
		return nil, errors.New("it is not a configuration of version 2.1")
	}
	if doc.Setup != nil && doc.Setup != false {
		return nil, errors.New("it is a setup configuration, which starts another one")
	}
	return content, nil
}
