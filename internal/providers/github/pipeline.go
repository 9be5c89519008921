package github

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/assets"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// runner is the image that jobs run on: an exact one, because "latest" moves.
const runner = "ubuntu-24.04"

// workflowFile are the paths from which GitHub runs workflows; folders below are not looked at.
var workflowFile = pattern.New(`^\.github/workflows/[^/]+\.ya?ml$`)

const docsWorkflows = "https://docs.github.com/en/actions/concepts/workflows-and-actions/workflows"

var notFileName = pattern.New(`[^a-z0-9._-]+`)

// Runs is the page of the workflow's runs.
func (p *Provider) Runs(r setup.Repository, file string) string {
	return "https://" + r.String() + "/actions/workflows/" + url.PathEscape(path.Base(file))
}

// PipelineGlobs are the paths of workflows.
func (p *Provider) PipelineGlobs() []string {
	return []string{".github/workflows/*.yml", ".github/workflows/*.yaml"}
}

// PipelineFile is .github/workflows/astro-NAME.yml: one file for each setup, so that two setups
// never share one.
func (p *Provider) PipelineFile(s setup.Setup) string {
	name := strings.Trim(notFileName.ReplaceAllString(strings.ToLower(s.Name), "-"), "-")
	if name == "" {
		return ".github/workflows/astro.yml"
	}
	return ".github/workflows/astro-" + name + ".yml"
}

// Pipeline renders the workflow of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content}, err
}

// Render writes the plan's workflow. The plan has to be valid. Whatever comes from outside ends up
// in a quoted scalar and reaches the shell through the environment.
func Render(p setup.Plan) ([]byte, error) {
	j, err := jobOf(p)
	if err != nil {
		return nil, fmt.Errorf("github: pipeline: %w", err)
	}
	on := pipeline.Map{
		{Key: "push", Value: pipeline.Map{
			{Key: "branches", Value: pipeline.List{pipeline.LiteralBranch(p.Pipeline.Branch)}},
		}},
		{Key: "workflow_dispatch", Value: pipeline.Map{}, Above: []string{j.byHand}},
	}
	var group any = j.group
	if p.Job.Scheduled() {
		on = pipeline.Map{
			{Key: "schedule", Value: pipeline.List{pipeline.Map{{Key: "cron", Value: p.Pipeline.Cron}}}, Above: []string{"In UTC. GitHub runs it on the default branch alone."}},
			{Key: "workflow_dispatch", Value: pipeline.Map{}, Above: []string{j.byHand}},
		}
	}
	if j.previews {
		on = pipeline.Map{{Key: "pull_request", Value: pipeline.Map{
			{Key: "branches", Value: pipeline.List{pipeline.LiteralBranch(p.Pipeline.Branch)}},
			{Key: "types", Value: pipeline.List{pipeline.Plain("opened"), pipeline.Plain("reopened"), pipeline.Plain("synchronize"), pipeline.Plain("closed")}},
		}}}
		group = pipeline.Plain(j.group + "-${{ github.event.number }}")
	}
	raw, err := pipeline.YAML([]string{
		"Made by astro-ci for the setup " + p.Name + ". To change it, run astro-ci again.",
		"Jobs of your own go below the last line of this block.",
	}, pipeline.Map{
		{Key: "name", Value: j.title + " (" + p.Name + ")"},
		{Key: "on", Value: on},
		{Key: "permissions", Value: pipeline.Map{}, Above: []string{"No rights on the repository beyond those that the job asks for."}},
		{Key: "concurrency", Value: pipeline.Map{
			{Key: "group", Value: group},
			{Key: "cancel-in-progress", Value: false},
		}, Above: []string{"One run at a time; a run that has begun is never cut off."}},
		{Key: "jobs", Value: pipeline.Map{
			{Key: j.id, Value: j.body(p)},
		}},
	})
	if err != nil {
		return nil, fmt.Errorf("github: pipeline: %w", err)
	}
	return raw, nil
}

// job is what differs between the workflows.
type job struct {
	id          string
	title       string
	byHand      string // what a run that is started by hand does
	group       string // only one run of a group at a time
	environment string // "" when the secret belongs to the repository
	issues      bool   // it may open issues
	push        bool   // look at the push to decide what is deployed, if anything
	fixed       string // what is deployed whatever changed, when only the folder decides
	folder      string // of the project; "" for the root
	previews    bool   // it runs for requests to merge, not for pushes
	whole       bool   // its work checks, installs and looks at the push by itself
	work        pipeline.Map
}

// jobOf checks the plan and works out what its workflow does.
func jobOf(p setup.Plan) (job, error) {
	if err := p.Validate(); err != nil {
		return job{}, err
	}
	target := p.Target()
	if !p.Fetches() {
		if target.Store != "github" {
			return job{}, hint.New("a workflow on GitHub is not handed a secret of "+target.Store, "Keep the secret on GitHub: --target github:"+p.Repository.Path+". Or have runs read it by themselves: --reader.", "")
		}
		if ok, err := readable(target, p.Repository); err != nil || !ok {
			return job{}, hint.New("the workflow of "+p.Repository.Path+" cannot read a secret of "+target.Address, "Keep it in this repository, one of its environments or its organization.", docsSecrets)
		}
	}
	if !workflowFile.MatchString(p.Pipeline.File) {
		return job{}, hint.New("GitHub runs no workflow from "+p.Pipeline.File, "Give a file like .github/workflows/astro.yml with --pipeline-file.", docsWorkflows)
	}
	environment := ""
	if !p.Fetches() {
		_, environment, _ = strings.Cut(target.Address, "#")
	}
	for _, text := range []string{p.Pipeline.Branch, environment} {
		if !pipeline.Inert(text) {
			return job{}, fmt.Errorf("%q holds an expression or a character that is not printable", text)
		}
	}
	if err := pipeline.CheckCLI(p.Pipeline.CLI); err != nil {
		return job{}, err
	}

	j := job{environment: environment}
	switch p.Job {
	case setup.ManageDeployments:
		j.id, j.title, j.group = "deployments", "Manage Deployments", "astro-workspace-"+p.Workspace.ID
		j.byHand = "It can also be started by hand."
		j.work = j.commands(p, "deployments")
	case setup.ManageUsers:
		j.id, j.title, j.group = "users", "Manage users", "astro-"+strings.ToLower(p.Credential.Kind.Scope())+"-"+p.Entity().ID
		j.byHand = "It can also be started by hand."
		j.work = j.commands(p, "users")
	case setup.PreviewDeployments:
		return j.preview(p)
	case setup.RotateTokens, setup.RemindOfEnd:
		return j.scheduled(p)
	default:
		var err error
		if j, err = j.deploys(p); err != nil {
			return j, err
		}
	}
	if p.Fetches() {
		return j.fetch(p)
	}
	return j, nil
}

// fetch makes the job one step: the portable script, which reads the token from its backend and keeps it
// to itself.
func (j job) fetch(p setup.Plan) (job, error) {
	x, err := pipeline.NewPortable(p, p.Target().String(), true)
	if err != nil {
		return job{}, err
	}
	j.whole, j.push = true, x.Push
	env := x.Env
	if x.Push {
		env = append(env,
			pipeline.Pair{Key: "BEFORE", Value: pipeline.Plain("${{ github.event.before }}")},
			pipeline.Pair{Key: "AFTER", Value: pipeline.Plain("${{ github.sha }}")})
	}
	j.work = pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Read the token, install the Astro CLI, " + map[bool]string{true: "deploy", false: "run the commands"}[p.Job.Deploys()])},
		{Key: "env", Value: env},
		{Key: "run", Value: x.Script},
	}
	return j, nil
}

// readable reports whether workflows of r can read a secret at the target's address.
func readable(t setup.Target, r setup.Repository) (bool, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return false, err
	}
	of, err := parseAddress(r.Path)
	return strings.EqualFold(a.owner, of.owner) && (a.repo == "" || strings.EqualFold(a.repo, of.repo)), err
}

func (j job) deploys(p setup.Plan) (job, error) {
	kind, infer, err := pipeline.DeployKind(p)
	if err != nil {
		return job{}, err
	}
	j.id, j.title, j.group = "deploy", "Deploy to Astro", "astro-deployment-"+p.Deployment.ID

	var value any = pipeline.Plain(kind)
	var about []string
	j.byHand = "It can also be started by hand."
	j.folder, j.push = p.Pipeline.Folder, infer || p.Pipeline.Folder != ""
	if j.push && !infer {
		j.fixed = string(kind)
	}
	switch {
	case j.push:
		value = pipeline.Plain("${{ steps.changes.outputs.kind }}")
		if j.fixed == "" {
			j.byHand = "Started by hand it deploys image and DAGs."
		}
	case p.Pipeline.Deploy == setup.Infer && p.Job != setup.DeployDAGs:
		about = []string{
			"DAG-only deploys are off for this Deployment, so every push deploys image and DAGs.",
			"Run astro-ci again once they are on.",
		}
	}
	env := append(credentialEnv(p), pipeline.Pair{Key: "DEPLOYMENT_ID", Value: p.Deployment.ID, Beside: pipeline.Named(p.Deployment)})
	if !p.Credential.Kind.Deployment() {
		env = append(env, pipeline.Pair{Key: "WORKSPACE_ID", Value: p.Workspace.ID, Beside: pipeline.Named(p.Workspace)})
	}
	env = append(env, pipeline.Pair{Key: "KIND", Value: value, Above: about})
	j.work = j.in(pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Deploy to Astro")},
		{Key: "env", Value: env},
		{Key: "run", Value: script("deploy")},
	})
	return j, nil
}

// preview is the job that makes and deletes previews: the portable script in one step.
func (j job) preview(p setup.Plan) (job, error) {
	place := placeOf(j.environment)
	if p.Fetches() {
		place = p.Target().String()
	}
	x, err := pipeline.NewPreviews(p, place)
	if err != nil {
		return job{}, err
	}
	j.previews, j.id, j.title, j.group = true, "preview", "Preview on Astro", "astro-preview-"+p.Deployment.ID
	env := append(credentialEnv(p), x.Env...)
	j.work = pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Make, update or delete the preview")},
		{Key: "env", Value: append(env,
			pipeline.Pair{Key: "NUMBER", Value: pipeline.Plain("${{ github.event.number }}")},
			pipeline.Pair{Key: "GONE", Value: pipeline.Plain("${{ github.event.action == 'closed' && 'yes' || 'no' }}")})},
		{Key: "run", Value: x.Script},
	}
	return j, nil
}

// placeOf says in words where the secret is.
func placeOf(environment string) string {
	if environment != "" {
		return "the environment " + environment
	}
	return "the secrets of the repository"
}

// in makes a step run in the project's folder.
func (j job) in(step pipeline.Map) pipeline.Map {
	if j.folder == "" {
		return step
	}
	return slices.Insert(step, len(step)-1, pipeline.Pair{Key: "working-directory", Value: j.folder})
}

// commands is the step that runs the repository's own script.
func (j job) commands(p setup.Plan, name string) pipeline.Map {
	env := credentialEnv(p)
	if p.Credential.Kind == setup.WorkspaceToken || p.Job == setup.ManageDeployments {
		env = append(env, pipeline.Pair{Key: "WORKSPACE_ID", Value: p.Workspace.ID, Beside: pipeline.Named(p.Workspace)})
	}
	if p.Credential.Kind == setup.OrganizationToken {
		env = append(env, pipeline.Pair{Key: "ORGANIZATION_ID", Value: p.Organization.ID, Beside: pipeline.Named(p.Organization)})
	}
	return pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Run the commands")},
		{Key: "env", Value: env},
		{Key: "run", Value: script(name)},
	}
}

func (j job) body(p setup.Plan) pipeline.Map {
	body := pipeline.Map{{Key: "name", Value: pipeline.Plain(j.title)}}
	if j.previews {
		body = append(body, pipeline.Pair{
			Key: "if", Value: pipeline.Plain("github.event.pull_request.head.repo.full_name == github.repository"),
			Above: []string{"Requests from forks get no secrets, and no preview."},
		})
	}
	body = append(body, pipeline.Map{
		{Key: "runs-on", Value: pipeline.Plain(runner)},
		{Key: "timeout-minutes", Value: 30},
	}...)
	if j.environment != "" {
		body = append(body, pipeline.Pair{Key: "environment", Value: j.environment})
	}
	steps := pipeline.List{checkToken(p, j.environment), checkout(j.push), installCLI(p.Pipeline.CLI)}
	if j.previews { // its script does the rest
		out := slices.Insert(checkout(false), 1, pipeline.Pair{Key: "if", Value: pipeline.Plain("github.event.action != 'closed'"), Beside: "a closed request may have nothing to check out"})
		steps = pipeline.List{out}
	}
	switch {
	case j.whole:
		steps = pipeline.List{checkout(j.push)}
	case j.push:
		steps = append(steps, j.findChanges())
	}
	rights := pipeline.Map{{Key: "contents", Value: pipeline.Plain("read")}}
	if j.issues {
		rights = append(rights, pipeline.Pair{Key: "issues", Value: pipeline.Plain("write")})
	}
	if p.Fetches() {
		rights = append(rights, pipeline.Pair{Key: "id-token", Value: pipeline.Plain("write"), Beside: "GitHub vouches for the run; no secret is kept on GitHub"})
	}
	return append(body,
		pipeline.Pair{Key: "permissions", Value: rights},
		pipeline.Pair{Key: "steps", Value: append(steps, j.work)},
	)
}

func checkToken(p setup.Plan, environment string) pipeline.Map {
	env := credentialEnv(p)
	at := pipeline.Pair{Key: "PLACE", Value: placeOf(environment)}
	if p.Credential.Kind == setup.DeploymentKey {
		return pipeline.Map{
			{Key: "name", Value: pipeline.Plain("Check the key")},
			{Key: "env", Value: append(env, at)},
			{Key: "run", Value: script("check-key")},
		}
	}
	return pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Check the token")},
		{Key: "env", Value: append(env, pipeline.Pair{Key: "SECRET", Value: p.Target().Secret}, at)},
		{Key: "run", Value: script("check-token")},
	}
}

func checkout(history bool) pipeline.Map {
	pin := pipeline.Pins().Actions["actions/checkout"]
	with := pipeline.Map{{Key: "persist-credentials", Value: false}}
	if history {
		with = append(with, pipeline.Pair{Key: "fetch-depth", Value: 0, Beside: "the whole history, to see what a push changed"})
	}
	return pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Check out the project")},
		{Key: "uses", Value: pipeline.Plain("actions/checkout@" + pin.Commit), Beside: pin.Tag},
		{Key: "with", Value: with},
	}
}

func installCLI(cli setup.CLI) pipeline.Map {
	env := pipeline.Map{
		{Key: "CLI_URL", Value: strings.TrimRight(cli.BaseURL, "/")},
		{Key: "CLI_VERSION", Value: cli.Version},
		{Key: "CLI_SHA256_X64", Value: cli.SHA256["linux_amd64"]},
	}
	if sum := cli.SHA256["linux_arm64"]; sum != "" {
		env = append(env, pipeline.Pair{Key: "CLI_SHA256_ARM64", Value: sum})
	}
	run := script("install-cli")
	if setup.Loopback(cli.BaseURL) {
		run = pipeline.Literal(strings.Replace(string(run), "--proto '=https'", "--proto '=http'", 1))
	}
	return pipeline.Map{
		{Key: "name", Value: "Install the Astro CLI " + cli.Version},
		{Key: "env", Value: env},
		{Key: "run", Value: run},
	}
}

func (j job) findChanges() pipeline.Map {
	env := pipeline.Map{
		{Key: "BEFORE", Value: pipeline.Plain("${{ github.event.before }}")},
		{Key: "FORCED", Value: pipeline.Plain("${{ github.event.forced }}")},
	}
	if j.folder != "" {
		env = append(env, pipeline.Pair{Key: "FOLDER", Value: j.folder})
	}
	if j.fixed != "" {
		env = append(env, pipeline.Pair{Key: "FIXED", Value: j.fixed})
	}
	return j.in(pipeline.Map{
		{Key: "name", Value: pipeline.Plain("Find what changed"), Above: []string{
			"Only this push counts. What a failed run left out, or one that was replaced while it",
			"waited, is deployed by starting the workflow by hand.",
		}},
		{Key: "id", Value: pipeline.Plain("changes")},
		{Key: "env", Value: env},
		{Key: "run", Value: script("find-changes")},
	})
}

// credentialEnv hands the secrets to a step; no other step gets them.
func credentialEnv(p setup.Plan) (out pipeline.Map) {
	for _, t := range p.Reads() {
		out = append(out, pipeline.Pair{Key: t.Feeds(), Value: pipeline.Plain(reference(t))})
	}
	return out
}

// reference is how a workflow reads a secret.
func reference(t setup.Target) string { return "${{ secrets." + t.Secret + " }}" }

func script(name string) pipeline.Literal { return pipeline.Literal(assets.Shell(name)) }
