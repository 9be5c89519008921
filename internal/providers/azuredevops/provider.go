// Package azuredevops stores secrets on Azure DevOps, the service and the Server, and renders its
// pipelines.
//
// A target's address is ORGANIZATION/PROJECT/group:NAME for a variable group, or
// ORGANIZATION/PROJECT/pipeline:NAME for the secret variables of one pipeline. On a Server the
// collection stands for the organization.
package azuredevops

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSecrets     = "https://learn.microsoft.com/azure/devops/pipelines/process/set-secret-variables"
	docsConnections = "https://learn.microsoft.com/azure/devops/pipelines/library/connect-to-azure"
	docsLogin       = "https://learn.microsoft.com/azure/devops/organizations/accounts/use-personal-access-tokens-to-authenticate"
	maxValue        = 32_000 // our own limit: Azure DevOps names none
)

var info = providers.Info{
	Backends: fetch.For("azure-devops"),
	Rights:   "A Creator of the Library makes variable groups, an Administrator of a group changes it. The personal access token needs the scopes Variable Groups (read, create and manage), Build (read and execute), Code (read) and Pipeline resources (use and manage). A pull request with the pipeline file takes the permissions Contribute, Create branch and Contribute to pull requests, and the scope Code (read and write). Azure DevOps does not say before a write whether you may make a group.",
	Login:    "`AZURE_DEVOPS_EXT_PAT`, then `AZDO_PERSONAL_ACCESS_TOKEN`: a personal access token, or a token of Microsoft Entra. Else the log-in of the az CLI (`az login`). `AZDO_ORG_SERVICE_URL` names a Server.",
	Address:  "`ORGANIZATION/PROJECT/group:NAME` for a variable group, `ORGANIZATION/PROJECT/pipeline:NAME` for the secret variables of one pipeline.",
	Limits:   "A write replaces a whole group, and there are no conditional writes: the group is read, changed, written and read again, and a variable that vanished meanwhile is an error. Only the one pipeline is authorized to use the group. A group that takes its values from a Key Vault is not edited. The pipeline is made when the code lies in Azure Repos; for code elsewhere a person makes it, and its first run asks for the permission. A branch counts as protected where a required policy is about it, whoever may bypass it.",
	ID:       "azure-devops", Name: "Azure DevOps", Docs: docsSecrets, MaxValue: maxValue,
	Proof: providers.Metadata, ProofNote: "Azure DevOps never shows a secret again; it says that the variable is one, and when its group or pipeline was changed",
}

// Provider is one Azure DevOps, seen with one log-in.
type Provider struct {
	host    string
	web     string // where people see it
	api     *client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	web := strings.TrimSuffix(o.Server.String(), "/") // with the folder that a Server may stand below
	if o.Host != "" {
		web = "https://" + o.Host
	}
	return &Provider{cmp.Or(o.Host, o.Server.Hostname()), web, newClient(o), o}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (address, error) {
	at, err := parseAddress(t.Address)
	if err == nil {
		err = providers.CheckSecretName("azure-devops", "variable name", t.Secret, docsSecrets)
	}
	return at, err
}

// Check asks whether the target can be written, as far as Azure DevOps tells before a write: it names
// the groups that one may manage, and says nothing about the right to make new ones.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	a, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	if _, err := p.api.project(ctx, a); err != nil {
		return providers.Access{}, err
	}
	if a.group == "" {
		return providers.Access{Note: text("whether you may change the pipeline shows only at the write")}, nil
	}
	all, err := p.api.groups(ctx, a, "")
	if err != nil || len(all) == 0 {
		return providers.Access{Note: text("the variable group %s is made; whether you may shows only then", a.group)}, err
	}
	if kind, _ := all[0]["type"].(string); kind != "Vsts" {
		return providers.Access{}, hint.New(fmt.Sprintf("azure-devops: the variable group %s takes its values from elsewhere (%s)", a.group, display.Clean(kind)), "Choose another group; this one is not edited.", docsSecrets)
	}
	may, err := p.api.groups(ctx, a, "manage")
	if err != nil {
		return providers.Access{}, err
	}
	if len(may) == 0 {
		return providers.Access{}, hint.New("azure-devops: you may not change the variable group "+a.group, "Ask for the role Administrator on the group, in Pipelines, Library, Security.", docsSecrets)
	}
	return providers.Access{}, nil
}

// Put writes the variable into its group or pipeline, and leaves what else is there as it is. Only the
// pipeline of the repository may use a group that is made here.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("azure-devops: variable %s: %w", t.Secret, err)
	}
	if a.group == "" {
		return p.putInPipeline(ctx, a, t.Secret, v, m)
	}
	return p.putInGroup(ctx, a, t.Secret, v, m)
}

// Stat says whether the variable is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	o, _, err := p.holder(ctx, t)
	if err != nil || o == nil {
		return providers.State{}, err
	}
	_, exists := o.variable(t.Secret)
	return providers.State{Exists: exists, UpdatedAt: o.changed()}, nil
}

// List names the variables at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	o, _, err := p.holder(ctx, t)
	if err != nil || o == nil {
		return nil, err
	}
	for name := range o.variables() {
		out = append(out, name)
	}
	return out, nil
}

// Remove takes the variable away; a group that holds nothing else goes with it.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	o, a, err := p.holder(ctx, t)
	if err != nil || o == nil {
		return err
	}
	name, exists := o.variable(t.Secret)
	if !exists {
		return nil
	}
	delete(o.variables(), name)
	switch {
	case a.group == "":
		return p.api.putDefinition(ctx, a, o)
	case len(o.variables()) > 0:
		return p.api.putGroup(ctx, a, o)
	}
	return p.api.deleteGroup(ctx, a, o)
}

// Repo looks the repository up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	organization, project, name, err := split(r.Path)
	if err != nil {
		return providers.Repo{}, err
	}
	x, err := p.api.repository(ctx, address{organization: organization, project: project}, name)
	out := providers.Repo{Repository: r, DefaultBranch: strings.TrimPrefix(x.Branch, "refs/heads/"), Private: true}
	if x.Disabled {
		out.Notes = append(out.Notes, text("The repository is disabled; nothing can be pushed to it."))
	}
	return out, err
}

// Places lists a variable group for the repository, the project's other groups, and the pipeline.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	organization, project, name, err := split(r.Path)
	if err != nil {
		return nil, err
	}
	in := organization + "/" + project + "/"
	usual := "astro-" + strings.ReplaceAll(name, " ", "-")
	out := []providers.Place{{Address: in + "group:" + usual, Name: text("Variable group %s", usual), Note: text("one of its own, for this one pipeline; it is made for you"), New: true}}
	all, err := p.api.groups(ctx, address{organization: organization, project: project}, "manage")
	if err != nil {
		return out, err
	}
	for _, g := range all {
		name, _ := g["name"].(string)
		if kind, _ := g["type"].(string); kind != "Vsts" {
			continue
		}
		address := in + "group:" + name
		if _, err := parseAddress(address); err != nil {
			continue
		}
		if name == usual {
			out[0].New, out[0].Note = false, text("one of its own, for this one pipeline")
			continue
		}
		out = append(out, providers.Place{Address: address, Name: text("Variable group %s", name), Note: text("what else it holds stays as it is")})
	}
	return append(out, providers.Place{Address: in + "pipeline:" + usual, Name: text("Secret variable of the pipeline %s", usual), Note: text("the pipeline is made for you when it is not there")}), nil
}

// Environment is refused: a secret cannot be bound to one.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("azure-devops: a secret cannot be bound to an environment", "Keep it in a variable group; approvals and checks can be added to the group.", docsSecrets)
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + subject(s.Path)
		switch {
		case s.Status == http.StatusUnauthorized && ofRequest.MatchString(s.Path):
			a.Next, a.Link = "The log-in is missing, expired, or lacks a scope. A request takes a token with the scope Code (read and write).", docsLogin
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing, expired, or lacks a scope. Set AZURE_DEVOPS_EXT_PAT to a token with the scopes Variable Groups (read, create and manage), Build (read and execute), Code (read) and Pipeline resources (use and manage).", docsLogin
		case s.Status == http.StatusForbidden && strings.Contains(s.Path, "/variablegroups"):
			a.Next = "Variable groups are made by Creators of the Library and changed by Administrators of the group. Ask for the role, in Pipelines, Library, Security."
		case s.Status == http.StatusForbidden && ofRequest.MatchString(s.Path):
			a.Next, a.Link = "A request takes the permissions Contribute, Create branch and Contribute to pull requests of the repository, and a token with the scope Code (read and write). Or give --deliver file, and open the request yourself.", docsPermissions
		case s.Status == http.StatusForbidden:
			a.Next = "Your log-in may not do this. Ask an administrator of the project."
		}
		return a
	})
}
