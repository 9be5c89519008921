package gitea

import (
	"fmt"
	"net/url"
	"path"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// workflowFile are the paths from which workflows run; folders below are not looked at.
var workflowFile = pattern.New(`^\.(gitea|forgejo|github)/workflows/[^/]+\.ya?ml$`)

// PipelineGlobs are the paths of workflows. Those below .github run as well, where neither of the
// others has any, but they say nothing about the platform.
func (p *Provider) PipelineGlobs() []string {
	return []string{".gitea/workflows/*.yaml", ".gitea/workflows/*.yml", ".forgejo/workflows/*.yaml", ".forgejo/workflows/*.yml"}
}

// PipelineFile is .gitea/workflows/astro-NAME.yaml: one workflow for each setup. Forgejo reads that
// folder too, unless the repository has one of its own name.
func (p *Provider) PipelineFile(s setup.Setup) string {
	return ".gitea/workflows/astro-" + strings.ReplaceAll(s.Name, ".", "-") + ".yaml"
}

// Runs is the page of the workflow's runs.
func (p *Provider) Runs(r setup.Repository, file string) string {
	return "https://" + p.host + "/" + r.Path + "/actions?workflow=" + url.QueryEscape(path.Base(file))
}

// Pipeline renders the workflow of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content}, err
}

// Render writes the plan's workflow. The plan has to be valid. It keeps to what older servers
// understand: they ignore concurrency and permissions.
func Render(p setup.Plan) ([]byte, error) {
	const place = "the secrets of the repository or organization"
	x, err := pipeline.NewPortable(p, place, true)
	if p.Job.Scheduled() {
		x, err = scheduled(p, place)
	}
	if err != nil {
		return nil, fmt.Errorf("gitea: pipeline: %w", err)
	}
	if !pipeline.Inert(p.Pipeline.Branch) {
		return nil, fmt.Errorf("gitea: pipeline: %q holds an expression or a character that is not printable", p.Pipeline.Branch)
	}
	if !workflowFile.MatchString(p.Pipeline.File) {
		return nil, hint.New("gitea: no workflow is run from "+p.Pipeline.File, "Give a file like .gitea/workflows/astro.yaml with --pipeline-file.", docsWorkflows)
	}
	env := pipeline.Map{}
	for _, t := range p.Reads() {
		env = append(env, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Plain("${{ secrets." + t.Secret + " }}")})
	}
	env = append(env, x.Env...)
	checkout := pipeline.Map{{Key: "persist-credentials", Value: false}}
	if x.Push {
		env = append(
			env,
			pipeline.Pair{Key: "BEFORE", Value: pipeline.Plain("${{ github.event.before }}")},
			pipeline.Pair{Key: "AFTER", Value: pipeline.Plain("${{ github.sha }}")},
		)
		checkout = append(checkout, pipeline.Pair{Key: "fetch-depth", Value: 0, Beside: "the whole history, to see what a push changed"})
	}
	on := pipeline.Pair{Key: "on", Value: pipeline.Map{
		{Key: "push", Value: pipeline.Map{{Key: "branches", Value: pipeline.List{pipeline.LiteralBranch(p.Pipeline.Branch)}}}},
		{Key: "workflow_dispatch", Value: pipeline.Map{}},
	}, Above: []string{"No pull requests: they must not see the secret."}}
	id, work, group := "deploy", "Deploy to Astro", "astro-"+p.Entity().ID
	rights := pipeline.Map{{Key: "contents", Value: pipeline.Plain("read")}}
	if p.Job.Scheduled() {
		id, work, group = "rotate", "Install astro-ci, renew what is due", "astro-rotation-"+p.Pipeline.Renews
		on = pipeline.Pair{Key: "on", Value: pipeline.Map{
			{Key: "schedule", Value: pipeline.List{pipeline.Map{{Key: "cron", Value: p.Pipeline.Cron}}}},
			{Key: "workflow_dispatch", Value: pipeline.Map{}},
		}, Above: []string{"In UTC, and on the default branch alone."}}
	}
	if p.Job == setup.RemindOfEnd {
		id, work = "remind", "Open an issue when it ends soon"
		rights = append(rights, pipeline.Pair{Key: "issues", Value: pipeline.Plain("write")})
	}
	pin := pipeline.Pins().Actions["actions/checkout"]
	raw, err := pipeline.YAML(x.Header(p), pipeline.Map{
		{Key: "name", Value: "Astro (" + p.Name + ")"},
		on,
		{Key: "permissions", Value: rights},
		{Key: "concurrency", Value: pipeline.Map{
			{Key: "group", Value: group},
			{Key: "cancel-in-progress", Value: false},
		}, Above: []string{"One run at a time; a run that has begun is never cut off."}},
		{Key: "jobs", Value: pipeline.Map{{Key: id, Value: pipeline.Map{
			{Key: "runs-on", Value: pipeline.Plain("ubuntu-latest"), Beside: "a label of your runner"},
			{Key: "timeout-minutes", Value: 30},
			{Key: "steps", Value: pipeline.List{
				pipeline.Map{
					{Key: "name", Value: pipeline.Plain("Check out the project")},
					{Key: "uses", Value: pipeline.Plain("https://github.com/actions/checkout@" + pin.Commit), Beside: pin.Tag},
					{Key: "with", Value: checkout},
				},
				pipeline.Map{
					{Key: "name", Value: pipeline.Plain(work)},
					{Key: "env", Value: env},
					{Key: "run", Value: x.Script},
				},
			}},
		}}}},
	})
	if err != nil {
		return nil, fmt.Errorf("gitea: pipeline: %w", err)
	}
	return raw, nil
}
