// Package gitlab stores CI/CD variables on GitLab, on gitlab.com and self-managed, and renders jobs
// for GitLab CI.
//
// A target's address is the path of a project (acme/sub/etl), the same with #ENVIRONMENT for a
// variable of that environment scope, or group:PATH for a variable of a group.
package gitlab

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsVariables = "https://docs.gitlab.com/ci/variables/"

// maxValue is the length that the documentation names; the server may take more.
const maxValue = 10_000

// Roles of a member, as the API numbers them.
const (
	maintainer = 40
	owner      = 50
)

// Options make a provider.
type Options struct {
	Host   string   // gitlab.com, or the host of a GitLab of one's own
	APIURL *url.URL // e.g. https://gitlab.com/api/v4; nil: the one that belongs to Host
	Login  Login
	Wire   httpx.Options
}

// Provider is GitLab, seen with one log-in.
type Provider struct {
	host    string
	api     *client
	options Options
}

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	if o.APIURL == nil {
		o.APIURL = &url.URL{Scheme: "https", Host: o.Host, Path: "/api/v4"}
	}
	return &Provider{host: strings.ToLower(o.Host), api: newClient(o), options: o}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		Backends: fetch.For("gitlab"),
		Rights:   "Maintainer of the project, Owner of the group. The token needs the scope api.",
		Login:    "`GITLAB_TOKEN`, `GITLAB_ACCESS_TOKEN`, `OAUTH_TOKEN` for the host that `GITLAB_HOST` names, then the file of glab. Its own keyring entry is not read.",
		Address:  "`GROUP/PROJECT`, the same with `#ENVIRONMENT` for an environment scope, `group:GROUP` for a group.",
		Limits:   "A variable is masked and hidden where the server knows that (17.4 and later), raw, and protected only when the branch is. It holds 10,000 characters. It reads one file, `.gitlab-ci.yml`; a job is added to one that is there, in its stage deploy or else in the last one.",
		ID:       "gitlab", Name: "GitLab CI", Environments: true, Docs: docsVariables, MaxValue: maxValue,
		Proof: providers.Written, OneFile: true, Shared: true, ProofNote: "a hidden variable is never shown again, and GitLab keeps no time of a change",
	}
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (address, error) {
	at, err := parseAddress(t.Address)
	if err == nil {
		err = providers.CheckSecretName("gitlab", "variable name", t.Secret, docsVariables)
	}
	return at, err
}

// Check asks whether the target can be written: the role is seen, and the variables can be listed.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	a, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	note := "as seen by your role"
	if !a.group {
		x, err := p.api.project(ctx, a.path)
		if err != nil {
			return providers.Access{}, err
		}
		switch {
		case x.Archived:
			return providers.Access{}, hint.New("gitlab: "+a.path+" is archived", "Unarchive the project, or choose another one.", "https://docs.gitlab.com/user/project/working_with_projects/")
		case x.level() < maintainer:
			return providers.Access{}, hint.New("gitlab: your role in "+a.path+" is less than Maintainer", "Ask a Maintainer of the project to run this set-up, or for the role.", docsVariables)
		}
	}
	if err := p.api.mayList(ctx, a); err != nil {
		return providers.Access{}, err
	}
	return providers.Access{Note: display.Clean(note)}, nil
}

// Put writes the variable: masked and hidden where the server knows that, masked where it does not;
// raw, so that nothing in the value is expanded; protected only when the branch that reads it is,
// because a protected variable is empty everywhere else.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := checkValue(v); err != nil {
		return providers.Receipt{}, fmt.Errorf("gitlab: variable %s: %w", t.Secret, err)
	}
	protected, err := p.protected(ctx, a, m.Branch)
	if err != nil {
		return providers.Receipt{}, err
	}
	before, exists, err := p.api.variable(ctx, a, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	created := false
	if !exists {
		created, err = p.api.create(ctx, a, t.Secret, v, protected)
		if err != nil {
			return providers.Receipt{}, err
		}
	}
	if !created { // it was there, or a try without an answer made it
		if err := p.api.update(ctx, a, t.Secret, v, protected, before.Hidden); err != nil {
			return providers.Receipt{}, err
		}
	}
	return providers.Receipt{Created: !exists, Proof: p.proof(ctx, a, t.Secret, v)}, nil
}

// proof reads the variable again: the value of one that is not hidden can be compared.
func (p *Provider) proof(ctx context.Context, a address, name string, v *secret.Value) providers.Proof {
	now, exists, err := p.api.variable(ctx, a, name)
	if err == nil && exists && !now.Hidden && now.Value.v.Equal(v) {
		return providers.ReadBack
	}
	return providers.Written
}

// protected reports whether the branch is protected; a group has no branches.
func (p *Provider) protected(ctx context.Context, a address, branch string) (bool, error) {
	if a.group || branch == "" {
		return false, nil
	}
	return p.api.branchProtected(ctx, a.path, branch)
}

// Stat says whether the variable is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	_, exists, err := p.api.variable(ctx, a, t.Secret)
	return providers.State{Exists: exists}, err
}

// Remove deletes the variable.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	a, err := parseAddress(t.Address)
	if err != nil {
		return err
	}
	return p.api.remove(ctx, a, t.Secret)
}

// List names the variables at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) ([]string, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return nil, err
	}
	return p.api.names(ctx, a)
}

// Repo looks the project up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.api.project(ctx, r.Path)
	if err != nil {
		return providers.Repo{}, err
	}
	out := providers.Repo{Repository: r, DefaultBranch: x.DefaultBranch, Private: x.Visibility != "public"}
	if x.Archived {
		out.Notes = append(out.Notes, display.Clean("The project is archived; nothing can be written to it."))
	}
	return out, nil
}

// Places lists the project, its environments, and the group that it is in.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	out := []providers.Place{{Address: r.Path, Name: display.Clean("Project variable"), Note: display.Clean("every job of the project can use it")}}
	x, err := p.api.project(ctx, r.Path)
	if err != nil {
		return out, err
	}
	environments, err := p.api.environments(ctx, r.Path)
	if err != nil {
		return out, err
	}
	for _, e := range environments {
		out = append(out, providers.Place{Address: r.Path + "#" + e, Name: display.Clean("Environment " + e), Note: display.Clean("only jobs of this environment")})
	}
	if x.Namespace.Kind == "group" {
		out = append(out, providers.Place{
			Address: "group:" + x.Namespace.Path, Name: display.Clean("Group variable of " + x.Namespace.Path), Note: display.Clean("every project of the group can use it"),
		})
	}
	return out, nil
}

// Environment is the address of a named environment. GitLab makes environments when a job names
// them.
func (p *Provider) Environment(r setup.Repository, name string) (string, error) {
	out := r.Path + "#" + name
	_, err := parseAddress(out)
	return out, err
}

// checkValue refuses what GitLab could not mask: a raw value needs eight characters.
func checkValue(v *secret.Value) error {
	if v.Len() < 8 {
		return errors.New("the value is shorter than 8 characters, and could not be masked")
	}
	return providers.CheckValue(v, maxValue)
}
