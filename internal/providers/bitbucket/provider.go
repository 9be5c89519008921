// Package bitbucket stores variables on Bitbucket Cloud, and renders its pipelines.
//
// A target's address is WORKSPACE/REPOSITORY, the same with #ENVIRONMENT for a variable of a
// deployment environment, or workspace:WORKSPACE for a variable of a whole workspace.
package bitbucket

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsVariables = "https://support.atlassian.com/bitbucket-cloud/docs/variables-and-secrets/"
	docsTokens    = "https://support.atlassian.com/bitbucket-cloud/docs/api-tokens/"
	maxValue      = 32_000 // our own limit: Bitbucket names none
)

var info = providers.Info{
	Rights:  "Administrators of the repository write its variables and those of its environments, administrators of the workspace those of the workspace. An API token needs the scopes `read:repository:bitbucket`, `read:pipeline:bitbucket` and `admin:pipeline:bitbucket`; one does not include the other. A pull request with the pipeline file takes write access, and the scopes `write:repository:bitbucket`, `read:pullrequest:bitbucket` and `write:pullrequest:bitbucket` as well. Where steps read from a backend, `read:workspace:bitbucket` shows the id of the workspace; else `--reader-runs` gives it.",
	Login:   "`BITBUCKET_EMAIL` with `BITBUCKET_API_TOKEN`, `BITBUCKET_USERNAME` with `BITBUCKET_PASSWORD`, then `BITBUCKET_ACCESS_TOKEN` and `BITBUCKET_TOKEN`. `BITBUCKET_API_BASE_URL` names another address of the API.",
	Address: "`WORKSPACE/REPOSITORY`, the same with `#ENVIRONMENT` for a deployment environment, `workspace:WORKSPACE` for a whole workspace.",
	Limits:  "Bitbucket allows a number of requests an hour. It reads one file, `bitbucket-pipelines.yml`. Bitbucket Data Center has no Pipelines. Whether a branch is protected shows only to administrators of the repository, with the scopes `admin:repository:bitbucket` and `read:user:bitbucket`, and not where groups may push; without that `--deliver pull-request` has to be given. A step that reads from a backend has `oidc: true`, and the backend is told the workspace, the repository and the branch by their claims; AWS sees the repository alone, so that steps on every branch can read the secret there. That each identity of a step on a branch has the claim `branchName` is what Bitbucket writes about it, and was not tried. Azure Key Vault takes no subject that differs from step to step. A schedule starts a custom pipeline of the file, which can be started by hand as well; a schedule has no name, so it is known by that pipeline, and one that changes is made anew. A repository has a limited number of schedules. That the days of the week of a schedule have names is what its form of cron says, which was not tried on Bitbucket itself.",
	ID:      "bitbucket", Name: "Bitbucket Pipelines", Docs: docsVariables, MaxValue: maxValue, Environments: true, OneFile: true, Shared: true,
	Backends: fetch.For("bitbucket"),
	Proof:    providers.Written, ProofNote: "Bitbucket never shows a secured variable again, and keeps no time of a change",
}

// Provider is Bitbucket Cloud, seen with one log-in.
type Provider struct {
	api     *client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider { return &Provider{newClient(o), o} }

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
		err = providers.CheckSecretName("bitbucket", "variable name", t.Secret, docsVariables)
	}
	return at, err
}

// Check asks whether the target can be written. The right to read variables says nothing about
// writing; so a variable that does not exist is deleted, which takes that right and changes nothing.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	a, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	note := display.Text{}
	if a.repository != "" {
		if _, err := p.api.repository(ctx, a.path()); err != nil {
			return providers.Access{}, err
		}
		if on, err := p.api.enabled(ctx, a.path()); err == nil && !on {
			note = text("Pipelines are switched off in the repository; switch them on in its settings")
		}
	}
	// Who may not write variables of the repository may not write those of an environment either.
	return providers.Access{Note: note}, p.api.mayWrite(ctx, a)
}

// Put writes the variable, secured. It is found by its name, since only its id can be written to; an
// environment that is not there is made.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("bitbucket: variable %s: %w", t.Secret, err)
	}
	at, err := p.api.variables(ctx, a, true)
	if err != nil {
		return providers.Receipt{}, err
	}
	before, err := p.api.find(ctx, at, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	body := map[string]any{"type": "pipeline_variable", "key": t.Secret, "secured": true}
	put := func(id string) error {
		return providers.WithValue(v, body, "value", func() error {
			return p.api.do(ctx, httpx.Call{Method: http.MethodPut, Path: at + "/" + url.PathEscape(id), Body: body})
		})
	}
	if before != nil {
		return providers.Receipt{Proof: providers.Written}, put(before.ID)
	}
	// A second POST of the same name is refused: it may be sent again.
	err = providers.WithValue(v, body, "value", func() error {
		return p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at, Body: body, Repeatable: true})
	})
	if httpx.Status(err) == http.StatusConflict {
		if now, looked := p.api.find(ctx, at, t.Secret); looked == nil && now != nil {
			err = put(now.ID)
		}
	}
	return providers.Receipt{Created: true, Proof: providers.Written}, err
}

// one finds the variable of a target, nil when there is none.
func (p *Provider) one(ctx context.Context, t setup.Target) (at string, v *variable, err error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return "", nil, err
	}
	if at, err = p.api.variables(ctx, a, false); err != nil || at == "" {
		return "", nil, err
	}
	v, err = p.api.find(ctx, at, t.Secret)
	return at, v, err
}

// Stat says whether the variable is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	_, v, err := p.one(ctx, t)
	return providers.State{Exists: v != nil}, err
}

// Remove deletes the variable; an environment stays.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	at, v, err := p.one(ctx, t)
	if err != nil || v == nil {
		return err
	}
	err = p.api.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/" + url.PathEscape(v.ID)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the variables at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return nil, err
	}
	at, err := p.api.variables(ctx, a, false)
	if err != nil || at == "" {
		return nil, err
	}
	all, err := pages[variable](ctx, p.api, at)
	for _, v := range all {
		out = append(out, v.Key)
	}
	return out, err
}

// Repo looks the repository up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.api.repository(ctx, r.Path)
	return providers.Repo{Repository: r, DefaultBranch: x.Main.Name, Private: x.Private}, err
}

// Places lists the repository, its environments and its workspace.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	out := []providers.Place{{Address: r.Path, Name: text("Repository variable"), Note: text("every step of the repository's pipelines can use it")}}
	environments, err := pages[named](ctx, p.api, "/repositories/"+r.Path+"/environments")
	if err != nil {
		return out, err
	}
	for _, e := range environments {
		if address, err := p.Environment(r, e.Name); err == nil {
			out = append(out, providers.Place{Address: address, Name: text("Deployment environment %s", e.Name), Note: text("only steps that deploy to it")})
		}
	}
	workspace, _, _ := strings.Cut(r.Path, "/")
	return append(out, providers.Place{Address: "workspace:" + workspace, Name: text("Workspace variable of %s", workspace), Note: text("every repository of the workspace can use it")}), nil
}

// Identify are the ids of the workspace and the repository.
func (p *Provider) Identify(ctx context.Context, r setup.Repository) (string, error) {
	name, _, _ := strings.Cut(r.Path, "/")
	workspace, err := p.api.workspace(ctx, name)
	if err != nil {
		return "", err
	}
	x, err := p.api.repository(ctx, r.Path)
	return strings.Trim(workspace, "{}") + "/" + strings.Trim(x.ID, "{}"), err
}

// Environment is the address of a deployment environment.
func (p *Provider) Environment(r setup.Repository, name string) (string, error) {
	out := r.Path + "#" + name
	_, err := parseAddress(out)
	return out, err
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + subject(s.Path)
		switch {
		case s.Status == http.StatusUnauthorized && strings.HasSuffix(s.Path, schedulesPath) && s.Method == http.MethodPost:
			a.Next, a.Link = "The repository has as many schedules as it may have, or the log-in is missing or expired. Delete a schedule that nobody needs.", docsSchedules
		case s.Status == http.StatusForbidden && strings.Contains(s.Path, schedulesPath):
			a.Next, a.Link = "A schedule takes write access to the repository, and a token with the scopes read:pipeline:bitbucket and write:pipeline:bitbucket.", docsTokens
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing, expired, or no API token with scopes. Set BITBUCKET_EMAIL to the e-mail address of your account and BITBUCKET_API_TOKEN, or BITBUCKET_ACCESS_TOKEN.", docsTokens
		case s.Status == http.StatusForbidden && strings.Count(s.Path, "/") == 2 && strings.HasPrefix(s.Path, "/workspaces/"):
			a.Next, a.Link = "The id of the workspace takes a token with the scope read:workspace:bitbucket.", docsTokens
		case s.Status == http.StatusForbidden && strings.HasPrefix(s.Path, "/workspaces/"):
			a.Next = "Variables of a workspace are written by its administrators, with the scope admin:pipeline:bitbucket. Ask one, or keep the variable in the repository."
		case s.Status == http.StatusForbidden && ofRequest.MatchString(s.Path):
			a.Next, a.Link = "A request takes write access to the repository, and a token with the scopes read:repository:bitbucket, write:repository:bitbucket, read:pullrequest:bitbucket and write:pullrequest:bitbucket. Or give --deliver file, and open the request yourself.", docsTokens
		case s.Status == http.StatusConflict && ofRequest.MatchString(s.Path):
			a.Next, a.Link = "Somebody else changed the branch at the same time. Try again.", docsSource
		case s.Status == http.StatusForbidden:
			a.Next, a.Link = "Variables are written by administrators of the repository, with a token that has the scopes read:repository:bitbucket, read:pipeline:bitbucket and admin:pipeline:bitbucket; one does not include the other.", docsTokens
		case s.Status == http.StatusTooManyRequests:
			a.Next, a.Link = "Bitbucket allows a number of requests an hour. Wait, and try again.", "https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/"
		}
		return a
	})
}
