// Package circleci stores secrets on CircleCI, the cloud and CircleCI Server, and renders its
// configurations.
//
// A target's address is the slug of a project (gh/acme/etl), or context:ORGANIZATION/NAME for a
// context, where ORGANIZATION is a slug of two parts (gh/acme).
package circleci

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
	docsContexts = "https://circleci.com/docs/guides/security/contexts/"
	docsProject  = "https://circleci.com/docs/guides/security/set-environment-variable/"
	maxValue     = 32_000 // characters in a context; a project's limit is not documented
	usualContext = "astro"
)

var info = providers.Info{
	Rights:  "Contributors and Admins of the organization write contexts, Admins of a project its variables. Only personal API tokens work. Everybody may look; so the check deletes a variable that does not exist, which takes the right to write and changes nothing.",
	Login:   "`CIRCLE_TOKEN`, `CIRCLE_CLI_TOKEN`, `CIRCLECI_CLI_TOKEN`, then the files of both CircleCI CLIs (`~/.config/circleci/config.yml`, `~/.circleci/cli.yml`) and the keyring. `CIRCLE_HOST` or `CIRCLECI_CLI_HOST` names a CircleCI Server.",
	Address: "`context:gh/ORGANIZATION/NAME` for a context, or the slug of a project, `gh/ORGANIZATION/PROJECT`.",
	Limits:  "A context holds 100 variables of 32,000 characters. Projects of CircleCI's GitHub App have slugs that cannot be guessed; Project Settings, Overview shows them. It reads one file, `.circleci/config.yml`. A schedule stands in the file, which CircleCI calls a scheduled workflow; by its documents projects of the GitHub App have none, and a scheduled workflow cannot use a restricted context. Its documents call them \"set to be deprecated\", without a date, and recommend schedule triggers in their place, which would start all workflows of the file, at a minute of its own choice. No real schedule was tried. A job that reads from a backend shows the second kind of identity (`CIRCLE_OIDC_TOKEN_V2`), and the backend is told the organization, the project, the repository and the branch; a pipeline that a custom webhook starts has no branch in its identity, and gets nothing. Azure Key Vault takes no subject that differs from job to job. It is not known as whom a CircleCI Server vouches for its jobs.",
	ID:      "circleci", Name: "CircleCI", Docs: docsContexts, MaxValue: maxValue, OneFile: true, Shared: true,
	Backends: fetch.For("circleci"),
	Proof:    providers.Metadata, ProofNote: "CircleCI never shows a value again; a context says when a variable was changed and how it ends, a project says neither",
}

// Provider is one CircleCI, seen with one log-in.
type Provider struct {
	host    string
	api     *client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	return &Provider{host: cmp.Or(o.Host, o.Server.Host), api: newClient(o), options: o}
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
		err = providers.CheckSecretName("circleci", "variable name", t.Secret, info.Docs)
	}
	return at, err
}

// Check asks whether the target can be written. Everybody may list; so a variable that does not exist
// is deleted, which takes the right to write and changes nothing.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	a, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	at, err := p.find(ctx, a)
	if err != nil {
		return providers.Access{}, err
	}
	if at == nil {
		return providers.Access{Note: text("the context %s is made; whether you may shows only then", a.context)}, nil
	}
	return providers.Access{}, p.api.mayWrite(ctx, at)
}

// Put writes the variable, and makes its context when that is not there.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("circleci: variable %s: %w", t.Secret, err)
	}
	at, err := p.find(ctx, a)
	if err == nil && at == nil {
		at, err = p.create(ctx, a)
	}
	if err != nil {
		return providers.Receipt{}, err
	}
	before, exists, err := p.api.variable(ctx, at, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := at.put(ctx, t.Secret, v); err != nil {
		return providers.Receipt{}, err
	}
	done := providers.Receipt{Created: !exists, Proof: providers.Written}
	now, exists, err := p.api.variable(ctx, at, t.Secret)
	if err == nil && exists && now.UpdatedAt.After(before.UpdatedAt) && now.endsLike(v) {
		done.Proof = providers.Metadata
	}
	return done, nil
}

// find looks for the place of an address; it is nil when that is a context that does not exist.
func (p *Provider) find(ctx context.Context, a address) (place, error) {
	if a.context == "" {
		if _, err := p.api.project(ctx, a.project); err != nil {
			return nil, err
		}
		return projectVariables{p.api, a.project}, nil
	}
	all, err := p.api.contexts(ctx, a.organization)
	for _, c := range all {
		if c.Name == a.context {
			return contextVariables{p.api, c.ID}, nil
		}
	}
	return nil, err
}

// create makes a context. An answer that does not say whether it was made is settled by looking.
func (p *Provider) create(ctx context.Context, a address) (place, error) {
	id, failed := p.api.createContext(ctx, a.organization, a.context)
	if failed == nil {
		return contextVariables{p.api, id}, nil
	}
	if at, err := p.find(ctx, a); err == nil && at != nil {
		return at, nil
	}
	return nil, failed
}

// at is the place of an address, nil when there is none.
func (p *Provider) at(ctx context.Context, t setup.Target) (place, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return nil, err
	}
	return p.find(ctx, a)
}

// Stat says whether the variable is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	at, err := p.at(ctx, t)
	if err != nil || at == nil {
		return providers.State{}, err
	}
	v, exists, err := p.api.variable(ctx, at, t.Secret)
	return providers.State{Exists: exists, UpdatedAt: v.UpdatedAt}, err
}

// Remove deletes the variable; a context stays.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	at, err := p.at(ctx, t)
	if err != nil || at == nil {
		return err
	}
	return p.api.remove(ctx, at, t.Secret)
}

// List names the variables at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	at, err := p.at(ctx, t)
	if err != nil || at == nil {
		return nil, err
	}
	all, err := p.api.variables(ctx, at)
	for _, v := range all {
		out = append(out, v.name())
	}
	return out, err
}

// Repo looks the project up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.api.project(ctx, r.Path)
	return providers.Repo{Repository: r, DefaultBranch: x.VCS.Branch, Private: true}, err
}

// Places lists the contexts of the organization, and the project.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	x, err := p.api.project(ctx, r.Path)
	if err != nil {
		return nil, err
	}
	all, err := p.api.contexts(ctx, x.Organization)
	if err != nil {
		return nil, err
	}
	prefix := "context:" + x.Organization + "/"
	usual := providers.Place{Address: prefix + usualContext, Name: text("Context %s", usualContext), Note: text("only jobs that name the context; it is made for you"), New: true}
	var others []providers.Place
	for _, c := range all {
		place := providers.Place{Address: prefix + c.Name, Name: text("Context %s", c.Name), Note: text("only jobs that name the context")}
		if _, err := parseAddress(place.Address); err != nil {
			continue // a name that a configuration could not be trusted with
		}
		if c.Name == usualContext {
			usual = place
			continue
		}
		others = append(others, place)
	}
	out := append([]providers.Place{usual}, others...)
	return append(out, providers.Place{Address: r.Path, Name: text("Project variable"), Note: text("every job of the project can use it")}), nil
}

// Identify are the ids of the organization and the project, and where the code is; "" for a project of
// CircleCI's GitHub App, whose address of the code is one of CircleCI itself.
func (p *Provider) Identify(ctx context.Context, r setup.Repository) (string, error) {
	x, err := p.api.project(ctx, r.Path)
	origin, code := strings.CutPrefix(x.VCS.URL, "https://")
	if err != nil || !code {
		return "", err
	}
	return x.OrganizationID + "/" + x.ID + "/" + origin, nil
}

// Environment is refused: CircleCI has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("circleci: there are no environments", "Keep the secret in a context or the project.", docsContexts)
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + subject(s.Path)
		switch {
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing, expired or revoked. Make a personal API token, and set CIRCLE_TOKEN; project tokens do not work here.", docsLogin
		case s.Status == http.StatusForbidden && isContext(s.Path):
			a.Next = "Contexts are written by Contributors and Admins of the organization. Ask one to run this set-up, or for the role."
		case s.Status == http.StatusForbidden:
			a.Next, a.Link = "Variables of a project are written by its Admins. Ask one to run this set-up, or use a context.", docsProject
		case s.Status == http.StatusNotFound && !isContext(s.Path):
			a.Next, a.Link = "It does not exist, or your log-in cannot see it. The slug stands in Project Settings, Overview; with CircleCI's GitHub App it is circleci/… and cannot be guessed.", docsProject
		}
		return a
	})
}
