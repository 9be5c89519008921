// Package woodpecker stores secrets on Woodpecker, renders its workflows, and runs them.
//
// A target's address is OWNER/NAME for a secret of a repository, OWNER for one of an organization. Pull
// requests never get a secret that is written here.
package woodpecker

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var info = providers.Info{
	Rights:  "Who may push to the repository writes its secrets; administrators of an organization write those of the organization.",
	Login:   "`WOODPECKER_SERVER` and `WOODPECKER_TOKEN`.",
	Address: "`OWNER/NAME` for a repository, `OWNER` for an organization.",
	Limits:  "Secrets are written for pushes and runs by hand, or for what a schedule starts alone, never for pull requests. A schedule says its time in the form of the server's version, which is asked for: before version 3 it begins with seconds. Its times are those of the server, which is UTC unless its administrator says otherwise. Woodpecker answers a duplicate with an error of its own (500), so what is there is looked for first. Building an image takes a repository that is trusted for security.",
	ID:      "woodpecker", Name: "Woodpecker", Docs: docsSecrets, MaxValue: maxValue,
	Proof: providers.Metadata, ProofNote: "Woodpecker never shows a secret again; each write leaves a mark of its own in the note, which is read again",
}

const (
	docsSecrets = "https://woodpecker-ci.org/docs/usage/secrets"
	docsLogin   = "https://woodpecker-ci.org/docs/usage/cli"
	maxValue    = 64 << 10 // our own limit: Woodpecker names none
)

// Provider is one Woodpecker, seen with one log-in.
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

// repository is a repository as far as it matters here; all calls go by its number.
type repository struct {
	ID      int64  `json:"id"`
	Active  bool   `json:"active"`
	Branch  string `json:"default_branch"`
	Private bool   `json:"private"`
}

func (p *Provider) repo(ctx context.Context, path string) (r repository, err error) {
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/repos/lookup/" + url.PathEscape(path), Out: &r})
	return r, err
}

// at is where the secrets of an address are.
func (p *Provider) at(ctx context.Context, address string) (string, error) {
	isRepo, err := split(address)
	if err != nil {
		return "", err
	}
	if isRepo {
		r, err := p.repo(ctx, address)
		return "/api/repos/" + strconv.FormatInt(r.ID, 10) + "/secrets", err
	}
	var org struct {
		ID int64 `json:"id"`
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/orgs/lookup/" + url.PathEscape(address), Out: &org})
	return "/api/orgs/" + strconv.FormatInt(org.ID, 10) + "/secrets", err
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (bool, error) {
	at, err := split(t.Address)
	if err == nil {
		err = providers.CheckSecretName("woodpecker", "secret name", t.Secret, docsSecrets)
	}
	return at, err
}

// Check asks whether the target can be written: who may list secrets may write them.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	isRepo, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	if isRepo {
		r, err := p.repo(ctx, t.Address)
		if err != nil {
			return providers.Access{}, err
		}
		if !r.Active {
			return providers.Access{}, hint.New("woodpecker: "+t.Address+" is not enabled", "Enable the repository in Woodpecker; until then nothing runs.", "https://woodpecker-ci.org/docs/usage/project-settings")
		}
	}
	at, err := p.at(ctx, t.Address)
	if err != nil {
		return providers.Access{}, err
	}
	return providers.Access{Note: display.Clean("who may list secrets may write them")}, p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at})
}

// shown is what Woodpecker tells of a secret.
type shown struct {
	Name string `json:"name"`
	Note string `json:"note"`
}

// find looks for a secret; nil when there is none.
func (p *Provider) find(ctx context.Context, at, name string) (*shown, error) {
	var s shown
	err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/" + url.PathEscape(name), Out: &s})
	if httpx.Status(err) == http.StatusNotFound {
		return nil, nil //nolint:nilnil // there is none
	}
	return &s, err
}

// Put writes the secret, and looks for the mark that it left in the note. Woodpecker has no upsert, and
// answers a duplicate with a 500: what is there is changed, and after an unclear create it is looked
// again.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := providers.CheckSecretName("woodpecker", "secret name", t.Secret, docsSecrets); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("woodpecker: secret %s: %w", t.Secret, err)
	}
	at, err := p.at(ctx, t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	before, err := p.find(ctx, at, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	note, mark := providers.Mark(m)
	body := map[string]any{"note": note, "events": events(m), "images": []string{}}
	send := func(method, path string) error {
		return providers.WithValue(v, body, "value", func() error {
			return p.do(ctx, httpx.Call{Method: method, Path: path, Body: body, Repeatable: true})
		})
	}
	if before == nil {
		body["name"] = t.Secret
		err = send(http.MethodPost, at)
	} else {
		err = send(http.MethodPatch, at+"/"+url.PathEscape(t.Secret))
	}
	now, look := p.find(ctx, at, t.Secret)
	if look == nil && now != nil && err != nil && before == nil && providers.MarkIn(now.Note) != mark {
		// Somebody else made it meanwhile, or a create without an answer did: it is changed now.
		delete(body, "name")
		err = send(http.MethodPatch, at+"/"+url.PathEscape(t.Secret))
		now, look = p.find(ctx, at, t.Secret)
	}
	switch {
	case look == nil && now != nil && providers.MarkIn(now.Note) == mark: // whatever was answered, it is there
		return providers.Receipt{Created: before == nil, Version: mark, Proof: providers.Metadata}, nil
	case err != nil:
		return providers.Receipt{}, err
	case look != nil:
		return providers.Receipt{}, look
	}
	return providers.Receipt{}, hint.New("woodpecker: the secret "+t.Secret+" was accepted, and another one is there", "Somebody may write it at the same time. Try again.", docsSecrets)
}

// Stat says whether the secret is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	at, err := p.at(ctx, t.Address)
	if err != nil {
		return providers.State{}, err
	}
	s, err := p.find(ctx, at, t.Secret)
	if s == nil {
		return providers.State{}, err
	}
	return providers.State{Exists: true, Version: providers.MarkIn(s.Note)}, err
}

// Remove deletes the secret.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	at, err := p.at(ctx, t.Address)
	if err != nil {
		return err
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/" + url.PathEscape(t.Secret)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the secrets at the target's address, of all pages.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	at, err := p.at(ctx, t.Address)
	if err != nil {
		return nil, err
	}
	all, err := pages[shown](ctx, p, at)
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out, err
}

// pages reads a list to its last page.
func pages[T any](ctx context.Context, p *Provider, path string) (out []T, err error) {
	const size = 50
	for page := 1; ; page++ {
		var some []T
		err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: url.Values{"page": {strconv.Itoa(page)}, "perPage": {strconv.Itoa(size)}}, Out: &some})
		if err != nil {
			return nil, err
		}
		if out = append(out, some...); len(some) < size {
			return out, nil
		}
	}
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
		{Address: r.Path, Name: display.Clean("Repository secret"), Note: display.Clean("pushes and runs by hand get it, pull requests do not")},
		{Address: owner, Name: display.Clean("Organization secret of " + owner), Note: display.Clean("every repository of the organization can use it")},
	}, nil
}

// Environment is refused: Woodpecker has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("woodpecker: there are no environments", "Keep the secret in the repository or the organization.", docsSecrets)
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + subject(s.Path)
		switch {
		case s.Status == http.StatusUnauthorized && strings.HasPrefix(s.Path, "/api/orgs/") && strings.HasSuffix(s.Path, "/secrets"):
			a.Next = "The log-in is missing, or may not use secrets of the organization: only its administrators may."
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing or wrong. Set WOODPECKER_TOKEN to a token of your user settings.", docsLogin
		case s.Status == http.StatusForbidden && strings.Contains(s.Path, "/cron"):
			a.Next, a.Link = "A schedule takes the right to push to the repository. Ask an administrator.", docsSchedules
		case s.Status == http.StatusBadRequest && strings.Contains(s.Path, "/cron"):
			a.Next, a.Link = "The branch has to be there. Push it first.", docsSchedules
		case s.Status == http.StatusForbidden:
			a.Next = "Secrets need the right to push to the repository, or to administrate the organization. Ask an administrator."
		case s.Status == http.StatusNotFound:
			a.Next = "It does not exist, or your log-in cannot see it. Enable the repository in Woodpecker, and check the name."
		}
		return a
	})
}

// subject is what a path is about, as people write it.
func subject(path string) string {
	at := strings.TrimPrefix(strings.TrimPrefix(path, "/api/"), "repos/lookup/")
	if name, err := url.PathUnescape(at); err == nil {
		return name
	}
	return at
}
