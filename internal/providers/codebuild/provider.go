// Package codebuild renders buildspecs for AWS CodeBuild. CodeBuild keeps no secrets: they are in
// Secrets Manager or in the Parameter Store, from which a build reads them by its own role.
package codebuild

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var info = providers.Info{
	Rights:  "To write: `secretsmanager:DescribeSecret`, `CreateSecret` and `PutSecretValue`, or `ssm:GetParameter` and `ssm:PutParameter`; `codebuild:BatchGetProjects`. AWS does not say before a write whether you may. The service role of the build needs the right that the file `astro-ci-NAME-policy.json` holds; `astro-ci render --platform codebuild --policy` prints it.",
	Login:   "The chain of AWS: variables, `AWS_PROFILE` and its files, single sign-on, roles of containers and machines. `AWS_REGION` or the profile names the region.",
	Address: "`aws-secrets-manager:PATH` (astro/etl) or `aws-ssm:/PATH` (/astro/etl); the secret's name is the last part.",
	Limits:  "Never a variable of the project: those stand in clear for everybody who may look at it, and such ones are warned about. A parameter holds 4,096 bytes, a secret 65,536. A secret that is being deleted keeps its name for weeks. CodeBuild has no schedules of its own: a rule of Amazon EventBridge, another service, starts builds at set times by a role that somebody has to make. None is made from here. A schedule of EventBridge that starts a project of yours whose buildspec runs `astro-ci rotate --due --no-input --yes`, in the checkout, by a role that may write the secret, does the same; its log-in to Astro is a secret of yours.",
	ID:      "codebuild", Name: "AWS CodeBuild", Docs: docsBuildspec, MaxValue: 4096,
	Backends: fetch.For("codebuild"),
	Proof:    providers.ReadBack, ProofNote: "the secret is in Secrets Manager or the Parameter Store, and is read again there",
}

// Provider is CodeBuild in one region, seen with one log-in.
type Provider struct{ client *aws.Client }

// New returns a provider; it makes no request.
func New(c *aws.Client) *Provider { return &Provider{c} }

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

var projectName = pattern.New(`^[A-Za-z0-9][A-Za-z0-9_-]{1,149}$`)

// Detect proposes a project of the repository's name; a remote does not say which project builds it.
func Detect(r providers.Remote, region string) (setup.Repository, bool) {
	name := strings.ReplaceAll(r.Path[strings.LastIndex(r.Path, "/")+1:], ".", "-")
	return setup.Repository{Host: region, Path: name}, projectName.MatchString(name)
}

// Detect proposes a project of the repository's name.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) {
	return Detect(r, p.client.Region)
}

// ParseRepo reads the name of a project.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	name := strings.TrimPrefix(strings.TrimSpace(text), p.client.Region+"/")
	if !projectName.MatchString(name) {
		return setup.Repository{}, hint.New(fmt.Sprintf("codebuild: %q is not a project", display.Clean(text)), "Write the project's name, for example etl.", "")
	}
	return setup.Repository{Host: p.client.Region, Path: name}, nil
}

// project is a project as far as it matters here.
type project struct {
	Role        string `json:"serviceRole"`
	Environment struct {
		Variables []struct {
			Name display.Text `json:"name"`
			Type string       `json:"type"`
		} `json:"environmentVariables"`
	} `json:"environment"`
}

func (p *Provider) project(ctx context.Context, name string) (project, bool, error) {
	var out struct {
		Projects []project `json:"projects"`
	}
	err := p.client.Call(ctx, "codebuild", "BatchGetProjects", map[string]any{"names": []string{name}}, &out)
	if err != nil || len(out.Projects) == 0 {
		return project{}, false, aws.Explain(err, info, "look at the project "+name, "codebuild:BatchGetProjects")
	}
	return out.Projects[0], true, nil
}

// looksSecret are names of variables that hold credentials.
var looksSecret = pattern.New(`(?i)(token|secret|password|passwd|api_?key|access_?key|credential)`)

// Repo looks the project up. The secret can be stored before there is one.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	out := providers.Repo{Repository: r, Private: true}
	x, exists, err := p.project(ctx, r.Path)
	if err != nil {
		return out, err
	}
	if !exists {
		out.Notes = append(out.Notes, text("There is no project %s in %s. Make one that reads the buildspec.", r.Path, p.client.Region))
	}
	for _, v := range x.Environment.Variables {
		if (v.Type == "PLAINTEXT" || v.Type == "") && looksSecret.MatchString(v.Name.String()) {
			out.Notes = append(out.Notes, text("The project's variable %s stands in clear: everybody who may look at the project reads it. Move it into Secrets Manager.", v.Name))
		}
	}
	return out, nil
}

// Places are none: CodeBuild keeps no secrets.
func (p *Provider) Places(context.Context, setup.Repository) ([]providers.Place, error) {
	return nil, nil
}

// Environment is refused: CodeBuild has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("codebuild: there are no environments", "Use a path of its own for each, with --target.", docsBuildspec)
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{"buildspec*.yml", "buildspec*.yaml"} }

// PipelineFile is the file that a project reads unless it is told otherwise.
func (p *Provider) PipelineFile(setup.Setup) string { return "buildspec.yml" }

// Runs is the page of the project's builds.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + p.client.Region + ".console.aws.amazon.com/codesuite/codebuild/projects/" + r.Path + "/history?region=" + p.client.Region
}

// Pipeline renders the buildspec of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content}, err
}

// Policy is the statement that the build's service role needs to read the plan's secrets, and what a
// person does with it. An ARN of Secrets Manager ends in six characters that AWS chooses.
func (p *Provider) Policy(plan setup.Plan) (file providers.File, say string) {
	name := "astro-ci-" + plan.Name + "-policy.json"
	return providers.File{Path: name, Content: Policy(plan, p.client.Region), Whole: true},
		"Give the service role of the project " + plan.Repository.Path + " the right to read the secret; " + name + " says which one"
}

// Policy is the document alone; the region "" stands for every one.
func Policy(plan setup.Plan, region string) []byte {
	if region == "" {
		region = "*"
	}
	partition := "aws"
	if strings.HasPrefix(region, "cn-") {
		partition = "aws-cn"
	}
	type statement struct {
		Sid, Effect string
		Action      []string
		Resource    []string
	}
	var all []statement
	for _, kind := range []struct{ store, sid, action, service, form string }{
		{aws.SecretsManager, "ReadAstroSecrets", "secretsmanager:GetSecretValue", "secretsmanager", "secret:%s-??????"},
		{aws.SSM, "ReadAstroParameters", "ssm:GetParameters", "ssm", "parameter%s"},
	} {
		s := statement{Sid: kind.sid, Effect: "Allow", Action: []string{kind.action}}
		for _, t := range plan.Reads() {
			if t.Store == kind.store {
				s.Resource = append(s.Resource, fmt.Sprintf("arn:%s:%s:%s:*:"+kind.form, partition, kind.service, region, aws.ID(t)))
			}
		}
		if s.Resource != nil {
			all = append(all, s)
		}
	}
	raw, err := json.MarshalIndent(map[string]any{"Version": "2012-10-17", "Statement": all}, "", "  ")
	if err != nil {
		panic(err) // plain data always encodes
	}
	return append(raw, '\n')
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}
