package steps

import (
	"cmp"
	"context"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func deploy() flow.Step {
	return flow.Step{
		ID: "deploy", Name: "Deploy", Flag: "deploy", Env: env("deploy"), Quiet: true, Needs: []string{"job", "deployment"},
		Words: words(setup.Infer, setup.Image, setup.DAGs, setup.ImageOnly),
		Title: "What does a push send?",
		Help:  "A DAG-only deploy takes seconds and restarts nothing. An image deploy builds and replaces everything.",
		When:  func(p setup.Plan) bool { return p.Job == setup.DeployCode && ourPipeline(p) },
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			all := flow.Choice{Value: string(setup.Image), Label: text("Image and DAGs, always")}
			if !p.DAGDeploys {
				// Without DAG deploys the other kinds are refused by the Deployment.
				all.Note = text("DAG-only deploys are off for this Deployment")
				return flow.Choices{Default: all.Value, Items: []flow.Choice{
					all,
					{Value: string(setup.Infer), Label: text("What changed"), Note: text("the same, until DAG deploys are turned on")},
				}}, nil
			}
			return flow.Choices{Default: string(setup.Infer), Items: []flow.Choice{
				{Value: string(setup.Infer), Label: text("What changed"), Note: text("DAGs only when nothing else changed"), Recommended: true},
				all,
				{Value: string(setup.DAGs), Label: text("DAGs only")},
				{Value: string(setup.ImageOnly), Label: text("Image only"), Note: text("DAGs stay as they are")},
			}, Note: text("It looks at the whole push and sends no more than it has to.")}, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Deploy = setup.Deploy(c.Value)
			return nil
		},
	}
}

func projectFolder(d Deps) flow.Step {
	return flow.Step{
		ID: "project-folder", Name: "Project folder", Flag: "project-folder", Env: env("project-folder"), Quiet: true, Needs: []string{"job"},
		Title: "Which folder holds the Astro project?",
		Help:  "The pipeline deploys from there. Pushes that change nothing in it deploy nothing, where the platform says what a push changed.",
		When:  func(p setup.Plan) bool { return p.Job.OnDeployment() && ourPipeline(p) },
		Load: func(context.Context, setup.Plan) (flow.Choices, error) {
			projects := d.Projects()
			cs := flow.Choices{Default: "."}
			switch {
			case slices.Contains(projects, d.Here):
				cs.Default = d.Here
			case len(projects) == 1:
				cs.Default = projects[0]
			case len(projects) > 1 && !slices.Contains(projects, "."):
				cs.Default = "" // it is asked for
			}
			if !slices.Contains(projects, ".") {
				projects = append(projects, ".")
			}
			for _, f := range projects {
				c := flow.Choice{Value: f, Label: text("%s", f)}
				if f == "." {
					c.Label = text("The root of the repository")
				}
				cs.Items = append(cs.Items, c)
			}
			return cs, nil
		},
		Parse: func(_ context.Context, _ setup.Plan, s string) (flow.Choice, error) {
			return flow.Choice{Value: s, Label: text("%s", s)}, setup.CheckFolder(s)
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Folder = strings.TrimPrefix(c.Value, ".")
			return setup.CheckFolder(p.Pipeline.Folder)
		},
	}
}

// ourPipeline reports whether astro-ci writes the pipeline file.
func ourPipeline(p setup.Plan) bool { return !p.Pipeline.Own }

func branch(d Deps) flow.Step {
	return flow.Step{
		ID: "branch", Name: "Branch", Flag: "branch", Env: env("branch"), Kind: flow.Input, Quiet: true, Needs: []string{"repo"},
		Title: "Which branch starts the pipeline?",
		Help:  "A push to it runs the pipeline. It can always be started by hand as well.",
		When:  ourPipeline,
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choices{}, err
			}
			r, err := d.repository(ctx, x, p.Repository)
			return flow.Choices{Default: cmp.Or(r.DefaultBranch, d.Branch)}, err
		},
		Check: setup.CheckBranch,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Pipeline.Branch = c.Value
			return nil
		},
	}
}

func name(d Deps) flow.Step {
	return flow.Step{
		ID: "name", Name: "Setup name", Flag: "name", Env: env("name"), Kind: flow.Input, Quiet: true,
		Needs: []string{"credential", "workspace", "deployment", "job", "platform", "repo"},
		Title: "What is this setup called?",
		Help:  "It marks the token and the pipeline file as belonging together.",
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			on := p.Entity()
			if p.Job.OnDeployment() {
				on = p.Deployment
			}
			name := slug(on.String())
			if p.Job == setup.PreviewDeployments {
				name += "-previews"
			}
			return flow.Choices{Default: d.free(name, p)}, nil
		},
		Check: setup.CheckName,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Name = c.Value
			return nil
		},
	}
}

// free is a name for a setup that none of another repository, or of another platform, has here: that one would be
// taken over.
func (d Deps) free(name string, p setup.Plan) string {
	if d.Taken == nil {
		return name
	}
	with := func(more string) string {
		if most := setup.MaxName - len(more); len(name) > most {
			return strings.TrimRight(name[:most], "-") + more
		}
		return name + more
	}
	for _, more := range []string{"", "-" + slug(path.Base(p.Repository.Path)), "-" + slug(p.Repository.Path), "-" + slug(p.Repository.Path+" "+p.Platform)} {
		if !d.Taken(with(more), p) {
			return with(more)
		}
	}
	for i := 2; ; i++ {
		if more := "-" + strconv.Itoa(i); !d.Taken(with(more), p) {
			return with(more)
		}
	}
}

var notSlug = pattern.New(`[^a-z0-9]+`)

// slug makes a setup name of any text; a text without letters or digits gives "astro".
func slug(s string) string {
	out := notSlug.ReplaceAllString(strings.ToLower(s), "-")
	if len(out) > 48 {
		out = out[:48]
	}
	if out = strings.Trim(out, "-"); out == "" {
		return "astro"
	}
	return out
}

func file(d Deps) flow.Step {
	return flow.Step{
		ID: "pipeline-file", Name: "Pipeline file", Flag: "pipeline-file", Env: env("pipeline-file"), Kind: flow.Input, Quiet: true,
		Needs: []string{"platform", "name", "job"},
		Title: "Which file holds the pipeline?",
		Help:  "A file that is there already is never overwritten: the difference is shown first. With none, your own pipeline uses the secret.",
		When:  func(p setup.Plan) bool { return len(p.Retire.Files) == 0 },
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choices{}, err
			}
			file := x.PipelineFile(p.Setup)
			if !x.Info().OneFile {
				file = d.Free(file, p.Name, x.Info().Shared)
			}
			return flow.Choices{Default: file}, nil
		},
		Check: func(s string) error {
			if s == none {
				return nil
			}
			return setup.CheckFile(s)
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Value == none {
				p.Pipeline = setup.Pipeline{Own: true, Branch: p.Pipeline.Branch, Reader: p.Pipeline.Reader}
				return nil
			}
			p.Pipeline.File = c.Value
			return nil
		},
	}
}

const (
	toFolder      = "file"
	toPullRequest = "pull-request"
)

func deliver(d Deps) flow.Step {
	return flow.Step{
		ID: "deliver", Name: "Delivered as", Flag: "deliver", Env: env("deliver"), Quiet: true, Needs: []string{"repo", "branch"},
		Words: words(toFolder, toPullRequest),
		Title: "How does the file get into the repository?",
		Help:  "A request holds this one file, and is merged by whoever may. Otherwise the file is written here, and you commit it.",
		When:  ourPipeline,
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Default: toFolder, Items: []flow.Choice{{Value: toFolder, Label: text("A file in this folder"), Note: text("to be committed")}}}
			x, err := d.platformOf(p)
			if err != nil {
				return cs, err
			}
			proposer, ok := x.(providers.Proposer)
			if !ok {
				return cs, nil
			}
			cs.Items = append(cs.Items, flow.Choice{Value: toPullRequest, Label: text("A request to merge it into %s", p.Pipeline.Branch)})
			protected, err := d.protected(ctx, proposer, p.Platform, p.Repository, p.Pipeline.Branch)
			if protected {
				cs.Default, cs.Note = toPullRequest, text("The branch %s is protected.", p.Pipeline.Branch)
			}
			return cs, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.PullRequest = c.Value == toPullRequest
			return nil
		},
	}
}

func cli(d Deps) flow.Step {
	return flow.Step{
		ID: "cli-version", Name: "Astro CLI", Flag: "cli-version", Env: env("cli-version"), Quiet: true,
		Title: "Which version of the Astro CLI?",
		Help:  "The pipeline installs exactly this one and checks its SHA-256.",
		When:  ourPipeline,
		Load: func(ctx context.Context, _ setup.Plan) (flow.Choices, error) {
			pin, note, err := d.pin(ctx, "")
			return flow.Choices{Default: pin.Version, Items: []flow.Choice{{Value: pin.Version, Label: text("%s", pin.Version), Note: text("%s", note), Data: pin}}}, err
		},
		Parse: func(ctx context.Context, _ setup.Plan, s string) (flow.Choice, error) {
			pin, note, err := d.pin(ctx, s)
			return flow.Choice{Value: pin.Version, Label: text("%s", pin.Version), Note: text("%s", note), Data: pin}, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			pin, ok := c.Data.(setup.CLI)
			if !ok {
				return hint.New("no release is known for "+c.Value, "Give --cli-version.", "")
			}
			p.Pipeline.CLI = pin
			return nil
		},
	}
}
