// Package github stores secrets on GitHub and renders workflows for GitHub Actions: on github.com,
// on a ghe.com tenant, and on GitHub Enterprise Server.
//
// A target's address is OWNER/REPO for a repository secret, OWNER/REPO#ENVIRONMENT for an
// environment secret, and OWNER for an organization secret.
package github

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/parallel"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSecrets      = "https://docs.github.com/en/actions/how-tos/write-workflows/choose-what-workflows-do/use-secrets"
	docsEnvironments = "https://docs.github.com/en/actions/reference/workflows-and-actions/deployments-and-environments"
)

// clockSlack is how much earlier than the answer's own Date a write may be stamped.
const clockSlack = 2 * time.Second

// maxValue is the most that GitHub takes: 48 KB.
const maxValue = 48 << 10

// Options make a provider.
type Options struct {
	Host   string   // github.com, NAME.ghe.com or the host of a GitHub Enterprise Server
	APIURL *url.URL // base of the REST API; nil: the one that belongs to Host
	Token  *secret.Value

	Base    http.RoundTripper
	Agent   string
	Jitter  func() float64
	Hosts   *httpx.Hosts
	Waiting func(ctx context.Context, service string, pause time.Duration)
	Debug   func(line string)
}

// Provider is GitHub, seen with one log-in.
type Provider struct {
	host    string
	api     *client
	open    http.RoundTripper // for what is fetched without a log-in
	options Options
}

// New returns a provider; it makes no request.
func New(o Options) (*Provider, error) {
	if o.APIURL == nil {
		o.APIURL = apiURL(o.Host)
	}
	api, err := newClient(o)
	return &Provider{host: strings.ToLower(o.Host), api: api, open: o.Base, options: o}, err
}

// apiURL is where a host serves its REST API.
func apiURL(host string) *url.URL {
	switch host = strings.ToLower(host); {
	case host == "github.com":
		return &url.URL{Scheme: "https", Host: "api.github.com"}
	case strings.HasSuffix(host, ".ghe.com"):
		return &url.URL{Scheme: "https", Host: "api." + host}
	}
	return &url.URL{Scheme: "https", Host: host, Path: "/api/v3"}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		Backends: fetch.For("github"),
		Rights:   "Write access to the repository for its secrets, administration for those of an environment, `admin:org` for those of an organization. What a fine-grained token may write is only known when it writes.",
		Login:    "`GH_TOKEN` or `GITHUB_TOKEN` (`GH_ENTERPRISE_TOKEN` for a GitHub Enterprise Server), then the log-in of gh, its keyring included. `GH_HOST` names the host.",
		Address:  "`OWNER/REPOSITORY`, the same with `#ENVIRONMENT` for an environment, `OWNER` for an organization.",
		Limits:   "A secret holds 48 KB; a repository has 100 of them. Names must not begin with `GITHUB_`. A fork's pull request gets no secret. Secrets of an environment wait for its reviewers.",
		ID:       "github", Name: "GitHub Actions", Environments: true, Docs: docsSecrets, MaxValue: maxValue,
		Proof: providers.Metadata, ProofNote: "GitHub never shows a secret again; it says when it was written",
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
		err = providers.CheckSecretName("github", "secret name", t.Secret, docsSecrets)
	}
	return at, err
}

// Check asks whether the target can be written. What a fine-grained token may write is only known
// when it writes; the note says so.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	a, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	if a.repo == "" {
		_, err := p.api.publicKey(ctx, a)
		return providers.Access{Note: display.Clean("organization secret of " + a.owner)}, err
	}
	var r repository
	var unseen, closed error // neither is shown to everybody; the repository says why
	exists := true
	err = parallel.Do(
		func() (err error) { r, err = p.api.repo(ctx, a.owner, a.repo); return err },
		func() error {
			if a.environment != "" {
				exists, unseen = p.api.environmentExists(ctx, a)
			}
			return nil
		},
		func() error { _, closed = p.api.publicKey(ctx, a); return nil },
	)
	if err != nil {
		return providers.Access{}, err
	}
	switch {
	case r.Archived:
		return providers.Access{}, hint.New("github: "+t.Address+" is archived", "Unarchive the repository, or choose another one.", "https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories")
	case r.Permissions != nil && !r.Permissions.Push && !r.Permissions.Admin:
		return providers.Access{}, hint.New("github: your log-in may only read "+a.owner+"/"+a.repo,
			"Ask an administrator of the repository for write access, or let them run this set-up.", docsSecrets)
	case unseen != nil:
		return providers.Access{}, unseen
	}
	note := "as seen by your role; a fine-grained token shows its write right only at the write"
	if r.scopes != nil {
		note = "scopes of the log-in: " + strings.Join(r.scopes, ", ")
	}
	if !exists {
		if r.Permissions != nil && !r.Permissions.Admin {
			return providers.Access{}, hint.New("github: the environment "+a.environment+" does not exist, and only an administrator can create it",
				"Ask an administrator to create it, or choose one that exists.", docsEnvironments)
		}
		return providers.Access{Note: display.Clean("the environment will be created; " + note), Ends: r.ends}, nil
	}
	return providers.Access{Note: display.Clean(note), Ends: r.ends}, closed
}

// Put seals the value for the target's own key and writes it. A missing environment is created;
// an existing one is never written to, because that would reset its protection.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("github: secret %s: %w", t.Secret, err)
	}
	if a.environment != "" {
		exists, err := p.api.environmentExists(ctx, a)
		if err == nil && !exists {
			err = p.api.createEnvironment(ctx, a)
		}
		if err != nil {
			return providers.Receipt{}, err
		}
	}
	more := map[string]any{}
	if a.repo == "" {
		if more, err = p.visibility(ctx, a, t.Secret, m.Repository); err != nil {
			return providers.Receipt{}, err
		}
	}
	created, at, err := p.api.putSealed(ctx, a, t.Secret, v, more)
	if err != nil {
		return providers.Receipt{}, err
	}
	rec := providers.Receipt{Created: created, Proof: providers.Written}
	meta, exists, err := p.api.secret(ctx, a, t.Secret)
	switch {
	case err != nil && !httpx.Refused(err):
		// The write can be done again. Without its mark nobody could tell later that somebody else wrote there.
		return providers.Receipt{}, err
	case err == nil && exists && !meta.UpdatedAt.Before(at.Add(-clockSlack)):
		rec.Proof, rec.Version = providers.Metadata, version(meta)
	}
	return rec, nil
}

// visibility says which repositories may use an organization secret: the one of the setup and
// those that may already. Who may use an existing secret is never widened beyond that.
func (p *Provider) visibility(ctx context.Context, a address, name string, r setup.Repository) (map[string]any, error) {
	meta, exists, err := p.api.secret(ctx, a, name)
	if err != nil || exists && meta.Visibility != "selected" {
		return map[string]any{"visibility": meta.Visibility}, err
	}
	ids := []int{}
	if exists {
		if ids, err = p.api.selected(ctx, a, name); err != nil {
			return nil, err
		}
	}
	of, err := parseAddress(r.Path)
	if err != nil {
		return nil, err
	}
	repo, err := p.api.repo(ctx, of.owner, of.repo)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(ids, repo.ID) {
		ids = append(ids, repo.ID)
	}
	return map[string]any{"visibility": "selected", "selected_repository_ids": ids}, nil
}

// Stat says whether the secret is there and when it was written.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	meta, exists, err := p.api.secret(ctx, a, t.Secret)
	return providers.State{Exists: exists, UpdatedAt: meta.UpdatedAt, Version: version(meta)}, err
}

// version is GitHub's mark of the last write, to the second.
func version(meta metadata) string {
	if meta.UpdatedAt.IsZero() {
		return ""
	}
	return meta.UpdatedAt.UTC().Format(time.RFC3339)
}

// List names the secrets at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) ([]string, error) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return nil, err
	}
	return p.api.secretNames(ctx, a)
}

// Remove deletes the secret; an environment that Put made stays.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	a, err := parseAddress(t.Address)
	if err != nil {
		return err
	}
	return p.api.deleteSecret(ctx, a, t.Secret)
}

// Repo looks the repository up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	a, err := parseAddress(r.Path)
	if err != nil {
		return providers.Repo{}, err
	}
	x, err := p.api.repo(ctx, a.owner, a.repo)
	if err != nil {
		return providers.Repo{}, err
	}
	out := providers.Repo{Repository: r, DefaultBranch: x.DefaultBranch, Private: x.Private}
	if x.Archived {
		out.Notes = append(out.Notes, display.Clean("The repository is archived; nothing can be written to it."))
	}
	return out, nil
}

// Places lists the repository itself, its environments and, where there is one, its organization.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	a, err := parseAddress(r.Path)
	if err != nil {
		return nil, err
	}
	out := []providers.Place{{Address: r.Path, Name: display.Clean("Repository secret"), Note: display.Clean("every workflow of the repository can use it")}}
	var x repository
	var envs []environment
	err = parallel.Do(
		func() (err error) { x, err = p.api.repo(ctx, a.owner, a.repo); return err },
		func() (err error) { envs, err = p.api.environments(ctx, a); return err },
	)
	if err != nil {
		return out, err
	}
	for _, e := range envs {
		place := providers.Place{Address: r.Path + "#" + e.Name, Name: display.Clean("Environment " + e.Name)}
		if n := e.reviewers(); n > 0 {
			place.Note = display.Clean(fmt.Sprintf("reviewers: %d", n))
		}
		out = append(out, place)
	}
	if x.Owner.Type == "Organization" {
		out = append(out, providers.Place{
			Address: a.owner, Name: display.Clean("Organization secret of " + a.owner), Note: display.Clean("this repository is added to those that can use it"),
		})
	}
	return out, nil
}

// Environment is the address of a named environment.
func (p *Provider) Environment(r setup.Repository, name string) (string, error) {
	out := r.Path + "#" + name
	_, err := parseAddress(out)
	return out, err
}
