// Package gitea stores secrets for Gitea and Forgejo Actions, and renders their workflows. Where the two
// differ, the stricter one's rule holds.
//
// A target's address is OWNER/NAME for a secret of a repository, OWNER for one of an organization.
package gitea

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var info = providers.Info{
	Rights:  "The owner of the repository, or an administrator of it; for an organization, one of its owners. The token needs the scopes `write:repository` (an organization: `write:organization`) and, for runs and pull requests, nothing more.",
	Login:   "`GITEA_SERVER_URL` and `GITEA_TOKEN`, or `FORGEJO_URL` and `FORGEJO_TOKEN`.",
	Address: "`OWNER/NAME` for a repository, `OWNER` for an organization.",
	Limits:  "Names that contain `GITEA_` or `GITHUB_`, or begin with `FORGEJO_`, are refused. An update without a description blanks it, so one is always sent. Runs of requests from forks get no secrets. A rule that protects branches below `astro-ci/` stops `--deliver pull-request`. The runner needs the label `ubuntu-latest`, and Docker for image deploys.",
	ID:      "gitea", Name: "Gitea and Forgejo Actions", Docs: docsSecrets, MaxValue: maxValue,
	Proof: providers.Metadata, ProofNote: "a secret is never shown again; newer servers show the description, in which each write leaves a mark; older ones show nothing, and then the rung is written",
}

const (
	docsSecrets   = "https://docs.gitea.com/usage/actions/secrets"
	docsWorkflows = "https://docs.gitea.com/usage/actions/overview"
	docsLogin     = "https://docs.gitea.com/development/api-usage#authentication"
	maxValue      = 65536
)

// Provider is one Gitea or Forgejo, seen with one log-in.
type Provider struct {
	host    string
	http    *httpx.Client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = info.ID, httpx.Bearer(o.Login.Value)
	return &Provider{host: cmp.Or(o.Host, o.Server.Host), http: httpx.NewClient(o.Server, wire), options: o}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

func (p *Provider) do(ctx context.Context, call httpx.Call) error {
	_, err := p.http.Do(ctx, call)
	return explain(err)
}

var (
	part     = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)
	reserved = pattern.New(`(?i)^FORGEJO_|GITEA_|GITHUB_`)
)

// at is where the secrets of an address are.
func at(address string) (string, error) {
	parts := strings.Split(address, "/")
	for _, x := range parts {
		if !part.MatchString(x) || len(parts) > 2 {
			return "", hint.New(fmt.Sprintf("gitea: %q is not an address", display.Clean(address)), "Write OWNER/NAME for a repository, or OWNER for an organization.", docsSecrets)
		}
	}
	if len(parts) == 2 {
		return "/api/v1/repos/" + address + "/actions/secrets", nil
	}
	return "/api/v1/orgs/" + address + "/actions/secrets", nil
}

func checkName(name string) error {
	if err := providers.CheckSecretName("gitea", "secret name", name, docsSecrets); err != nil {
		return err
	}
	if reserved.MatchString(name) {
		return hint.New("gitea: the name "+name+" is one of the server's own", "Choose one without GITEA_, GITHUB_ and FORGEJO_, with --secret-name.", docsSecrets)
	}
	return nil
}

// repository is a repository as far as it matters here.
type repository struct {
	Branch   string `json:"default_branch"`
	Private  bool   `json:"private"`
	Archived bool   `json:"archived"`
	Actions  *bool  `json:"has_actions"`
}

func (p *Provider) repo(ctx context.Context, path string) (r repository, err error) {
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/v1/repos/" + path, Out: &r})
	return r, err
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (string, error) {
	at, err := at(t.Address)
	if err == nil {
		err = checkName(t.Secret)
	}
	return at, err
}

// Check asks whether the target can be written: who may list secrets may write them.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	path, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	if strings.Contains(t.Address, "/") {
		r, err := p.repo(ctx, t.Address)
		switch {
		case err != nil:
			return providers.Access{}, err
		case r.Archived:
			return providers.Access{}, hint.New("gitea: "+t.Address+" is archived", "Unarchive it, or choose another repository.", docsSecrets)
		case r.Actions != nil && !*r.Actions:
			return providers.Access{}, hint.New("gitea: Actions are off in "+t.Address, "Turn them on in the settings of the repository; until then nothing runs.", "https://docs.gitea.com/usage/actions/quickstart")
		}
	}
	_, err = p.list(ctx, path, 1)
	return providers.Access{Note: display.Clean("who may list secrets may write them")}, err
}

// kept is what the server tells of a secret; older ones give no description.
type kept struct {
	Name        string    `json:"name"`
	Description string    `json:"description"`
	Created     time.Time `json:"created_at"`
}

const pageSize = 50

func (p *Provider) list(ctx context.Context, path string, page int) (out []kept, err error) {
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: url.Values{"page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(pageSize)}}, Out: &out})
	return out, err
}

// all lists the secrets of all pages. A server may give fewer at a time than was asked for, and one
// that knows no pages gives the same again.
func (p *Provider) all(ctx context.Context, path string) (out []kept, err error) {
	for page := 1; ; page++ {
		some, err := p.list(ctx, path, page)
		if err != nil || len(some) == 0 || len(out) > 0 && some[0].Name == out[0].Name {
			return out, err
		}
		out = append(out, some...)
	}
}

// find looks for a secret; names are kept in capital letters.
func (p *Provider) find(ctx context.Context, path, name string) (*kept, error) {
	all, err := p.all(ctx, path)
	for _, s := range all {
		if strings.EqualFold(s.Name, name) {
			return &s, err
		}
	}
	return nil, err
}

// Put writes the secret. The description always goes with it, or the server would blank it; the mark in
// it is read again where the server shows it.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	path, err := at(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := checkName(t.Secret); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("gitea: secret %s: %w", t.Secret, err)
	}
	before, err := p.find(ctx, path, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	note, mark := providers.Mark(m)
	body := map[string]any{"description": note}
	err = providers.WithValue(v, body, "data", func() error {
		return p.do(ctx, httpx.Call{Method: http.MethodPut, Path: path + "/" + t.Secret, Body: body, Repeatable: true})
	})
	if err != nil {
		return providers.Receipt{}, err
	}
	out := providers.Receipt{Created: before == nil, Proof: providers.Written}
	now, err := p.find(ctx, path, t.Secret)
	switch {
	case err != nil:
		return providers.Receipt{}, err
	case now == nil:
		return providers.Receipt{}, hint.New("gitea: the secret "+t.Secret+" was accepted, and is not there", "Somebody may have deleted it. Try again.", docsSecrets)
	case providers.MarkIn(now.Description) == mark:
		out.Proof, out.Version = providers.Metadata, mark
	}
	return out, nil
}

// Stat says whether the secret is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	path, err := at(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	s, err := p.find(ctx, path, t.Secret)
	if s == nil {
		return providers.State{}, err
	}
	return providers.State{Exists: true, Version: providers.MarkIn(s.Description)}, err
}

// Remove deletes the secret.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	path, err := at(t.Address)
	if err != nil {
		return err
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: path + "/" + url.PathEscape(t.Secret)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the secrets at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	path, err := at(t.Address)
	if err != nil {
		return nil, err
	}
	all, err := p.all(ctx, path)
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out, err
}

// Repo looks the repository up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.repo(ctx, r.Path)
	return providers.Repo{Repository: r, DefaultBranch: x.Branch, Private: x.Private}, err
}

// Places lists the repository and its organization.
func (p *Provider) Places(_ context.Context, r setup.Repository) ([]providers.Place, error) {
	owner, _, _ := strings.Cut(r.Path, "/")
	return []providers.Place{
		{Address: r.Path, Name: display.Clean("Repository secret"), Note: display.Clean("requests from forks do not get it")},
		{Address: owner, Name: display.Clean("Organization secret of " + owner), Note: display.Clean("every repository of the organization can use it")},
	}, nil
}

// Environment is refused: environments come with newer servers only.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("gitea: there are no environments", "Keep the secret in the repository or the organization.", docsSecrets)
}

// Detect proposes the repository of a remote on the server's own host.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	path, err := at(r.Path)
	return setup.Repository{Host: host, Path: r.Path}, err == nil && strings.HasPrefix(path, "/api/v1/repos/")
}

// Detect proposes the repository of a remote on the server's own host.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads OWNER/NAME, with or without the host.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimSpace(text)
	for _, prefix := range []string{"https://" + p.host + "/", p.host + "/"} {
		path = strings.TrimPrefix(path, prefix)
	}
	if where, err := at(path); err != nil || !strings.HasPrefix(where, "/api/v1/repos/") {
		return setup.Repository{}, hint.New(fmt.Sprintf("gitea: %q is not a repository", display.Clean(text)), "Write it as OWNER/NAME, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}

// variables name the server and the log-in.
var variables = [][2]string{{"GITEA_SERVER_URL", "GITEA_TOKEN"}, {"FORGEJO_URL", "FORGEJO_TOKEN"}}

// KnownHost reports whether a host is the one that the variables name.
func KnownHost(host string, getenv func(string) string) bool {
	for _, pair := range variables {
		if u, err := url.Parse(getenv(pair[0])); err == nil && u.Host != "" && strings.EqualFold(u.Host, host) {
			return true
		}
	}
	return false
}

// FindLogin finds the server and the log-in by the variables that the tools around Gitea and Forgejo use.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	for _, pair := range variables {
		server, v := strings.TrimSuffix(h.Getenv(pair[0]), "/"), strings.TrimSpace(h.Getenv(pair[1]))
		if server != "" && v != "" {
			return server, providers.Login{Value: secret.New([]byte(v)), Source: pair[1]}, nil
		}
	}
	return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Gitea or Forgejo", "Set GITEA_SERVER_URL to its address and GITEA_TOKEN to an access token with the scope write:repository.", docsLogin)
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + strings.TrimPrefix(s.Path, "/api/v1/")
		asked := ofRequest.FindStringSubmatch(s.Path)
		switch {
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing or wrong. Make an access token in your settings and set GITEA_TOKEN.", docsLogin
		case asked != nil:
			a.Next, a.Link = refused(asked[1], s.Status)
		case s.Status == http.StatusForbidden:
			a.Next = "The token needs the scope write:repository (an organization: write:organization), and you have to administrate the repository."
		case s.Status == http.StatusNotFound:
			a.Next = "It does not exist, or your log-in cannot see it. Check the name."
		}
		return a
	})
}
