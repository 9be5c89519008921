package cli

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// renderFlags say what a pipeline file is about; ids instead of names, because nothing is asked.
type renderFlags struct {
	platform, credential, organization, workspace, deployment, job, deploy string
	repo, target, secretName, branch, folder, name, version, url           string
	noDAGDeploys, policy                                                   bool
	reader                                                                 setup.Reader
}

func (a *app) renderCommand() *cobra.Command {
	var r renderFlags
	cmd := &cobra.Command{
		Use: "render", Short: "Print a pipeline file", Args: noArgs,
		Long: "Prints the pipeline file that a set-up would write. It needs no log-in and asks nothing: Astro's things\n" +
			"are given by their ids.",
		Example: "  astro-ci render --platform gitlab --deployment cm1234567890abcdefghijklm > .gitlab-ci.yml",
		RunE: func(*cobra.Command, []string) error {
			raw, err := r.render()
			if err == nil {
				_, err = ui.Verbatim(a.out).Write(raw)
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.platform, "platform", "", strings.Join(platformIDs(), ", "))
	f.StringVar(&r.credential, "credential", string(setup.DeploymentToken), "deployment-token, workspace-token, organization-token or deployment-key")
	f.StringVar(&r.job, "job", string(setup.DeployCode), "what the pipeline does: deploy, dags, deployments, previews (github, gitlab) or users")
	f.StringVar(&r.deploy, "deploy", string(setup.Infer), "what a push sends: infer, image, dags or image-only")
	f.StringVar(&r.organization, "organization", "", "id of the Organization")
	f.StringVar(&r.workspace, "workspace", "", "id of the Workspace")
	f.StringVar(&r.deployment, "deployment", "", "id of the Deployment")
	f.StringVar(&r.repo, "repo", "acme/etl", "the repository, where the file names it")
	f.StringVar(&r.target, "target", "", "where the secret is kept, as STORE:ADDRESS")
	f.StringVar(&r.secretName, "secret-name", "", "name of the secret")
	f.StringVar(&r.branch, "branch", "main", "the branch whose pushes deploy")
	f.StringVar(&r.folder, "project-folder", "", "folder of the Astro project in a larger repository")
	f.StringVar(&r.name, "name", "astro", "name of the setup")
	f.StringVar(&r.version, "cli-version", pipeline.Newest(), "version of the Astro CLI, one whose sums are built in")
	f.StringVar(&r.url, "cli-url", pipeline.ReleaseURL, "folder from which the pipeline installs the Astro CLI")
	f.StringVar(&r.reader.Role, "reader", "", "as whom runs read the secret from a secrets backend: a role of Vault or AWS, for example")
	f.StringVar(&r.reader.Server, "reader-server", "", "where runs reach the backend: an address, or a region of AWS")
	f.StringVar(&r.reader.Namespace, "reader-namespace", "", "namespace of Vault")
	f.StringVar(&r.reader.Runs, "reader-runs", "", "the ids by which CircleCI and Bitbucket know the runs")
	f.BoolVar(&r.policy, "policy", false, "print what a run needs to be allowed to read the secret from a backend, instead of the pipeline")
	f.BoolVar(&r.noDAGDeploys, "no-dag-deploys", false, "the Deployment takes no DAG-only deploys")
	return cmd
}

// render makes the file. Ids that the file does not need get a stand-in.
func (r renderFlags) render() ([]byte, error) {
	var missing error
	if flags := r.missing(); len(flags) > 0 {
		missing = unansweredError{hint.New("missing: "+strings.Join(flags, ", "),
			"Give what is missing as flags. Astro's things are given by their ids, which stand in the address of a Deployment's page. Platforms are "+strings.Join(platformIDs(), ", ")+".", "")}
	}
	if r.platform == "" {
		return nil, missing
	}
	platforms := all.Platforms()
	i := slices.IndexFunc(platforms, func(p all.Platform) bool { return p.ID == r.platform })
	if i < 0 {
		return nil, usageError{hint.New(fmt.Sprintf("--platform %q is not known", r.platform), "Choose one of: "+strings.Join(platformIDs(), ", ")+".", "")}
	}
	x := platforms[i]
	sums, ok := pipeline.Pins().CLI[r.version]
	if !ok {
		return nil, usageError{hint.New("the sums of the Astro CLI "+r.version+" are not built in", "Choose another --cli-version, or run astro-ci setup, which reads them from the release.", "")}
	}
	if strings.Contains(x.Place, "%s") {
		x.Place = fmt.Sprintf(x.Place, r.repo)
	}
	at := setup.Target{Store: x.Store, Address: x.Place}
	if r.target != "" {
		if at.Store, at.Address, ok = strings.Cut(r.target, ":"); !ok {
			return nil, usageError{hint.New(fmt.Sprintf("--target %q is not STORE:ADDRESS", r.target), "Write it like "+x.ID+":"+x.Place+".", "")}
		}
	}
	if missing != nil {
		return nil, missing
	}
	host := map[string]string{"github": "github.com", "gitlab": "gitlab.com", "bitbucket": "bitbucket.org"}[x.ID]
	kind := setup.Kind(r.credential)
	const standIn = "c000000000000000000000000"
	p := setup.Plan{DAGDeploys: !r.noDAGDeploys, Setup: setup.Setup{
		Name: r.name, Job: setup.Job(r.job), Platform: x.ID, Repository: setup.Repository{Host: host, Path: r.repo},
		Organization: setup.Ref{ID: cmp.Or(r.organization, standIn)}, Workspace: setup.Ref{ID: r.workspace}, Deployment: setup.Ref{ID: r.deployment},
		Credential: setup.Credential{Kind: kind, Role: "unknown", ExpiresInDays: setup.DefaultDays},
		Pipeline: setup.Pipeline{
			Reader: r.reader, File: x.File, Branch: r.branch, Folder: strings.TrimPrefix(r.folder, "."), Deploy: setup.Deploy(r.deploy), CLI: setup.CLI{Version: r.version, BaseURL: r.url, SHA256: sums},
		},
	}}
	for _, v := range kind.Variables() {
		at.Secret, at.Variable = v, v
		if r.secretName != "" && kind != setup.DeploymentKey {
			at.Secret = r.secretName
		}
		p.Targets = append(p.Targets, at)
	}
	if err := p.Validate(); err != nil {
		return nil, usageError{hint.Wrap(asFlags(err), "render the pipeline file", "Correct the flags named above.", "")}
	}
	if r.policy && p.Fetches() {
		file, _, err := fetch.Grant(p)
		return file.Content, err
	}
	if r.policy {
		if x.Policy == nil || p.Target().Store == x.ID {
			return nil, usageError{hint.New("pipelines of "+x.Name+" read the secret without a right of their own", "Leave --policy out.", "")}
		}
		return x.Policy(p, ""), nil
	}
	file, err := x.Pipeline(p)
	return file.Content, err
}

// missing are the flags without which there is no file.
func (r renderFlags) missing() (out []string) {
	need := func(flag, value string) {
		if value == "" {
			out = append(out, "--"+flag)
		}
	}
	kind, job := setup.Kind(r.credential), setup.Job(r.job)
	need("platform", r.platform)
	if kind == setup.WorkspaceToken || job == setup.ManageDeployments || job == setup.PreviewDeployments {
		need("workspace", r.workspace)
	}
	if kind.Deployment() || job.OnDeployment() {
		need("deployment", r.deployment)
	}
	return out
}

// asFlags names what is wrong with a plan by the flags that say it, each once.
func asFlags(err error) error {
	var out []string
	var add func(error)
	add = func(e error) {
		if joined, ok := e.(interface{ Unwrap() []error }); ok {
			for _, e := range joined.Unwrap() {
				add(e)
			}
			return
		}
		text := e.Error()
		if f, ok := errors.AsType[*setup.Fault](e); ok {
			text = "--" + f.Field + ": " + f.Problem
		}
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	add(err)
	return errors.New(strings.Join(out, "; "))
}
