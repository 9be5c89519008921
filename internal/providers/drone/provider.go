// Package drone stores secrets on Drone, and renders its pipelines.
//
// A target's address is NAMESPACE/NAME for a secret of a repository, NAMESPACE for one of an
// organization. Pull requests never get a secret that is written here.
package drone

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

var info = providers.Info{
	Rights:  "Who may push to the repository writes its secrets and starts its builds; administrators of an organization write those of the organization.",
	Login:   "`DRONE_SERVER` and `DRONE_TOKEN`.",
	Address: "`NAMESPACE/NAME` for a repository, `NAMESPACE` for an organization.",
	Limits:  "Pull requests never get a secret that is written here. Drone answers a duplicate with an error of its own (500), so what is there is looked for first. Building an image takes a trusted repository. It reads one file, `.drone.yml`. A schedule has a name of small letters, digits and dashes, and only its branch can be changed; one that changes is made anew. Drone looks for what is due twice an hour unless its administrator says otherwise (`DRONE_CRON_INTERVAL`), and its times are those of the server, which is UTC unless somebody changed it. A secret of Vault is handed to builds by the extension `drone/vault` (1.3), which has to run beside the runners (`DRONE_SECRET_PLUGIN_ENDPOINT`, `DRONE_SECRET_PLUGIN_TOKEN`) and logs in to Vault itself. Everybody who may change a pipeline can name the entry; so it says by keys of its own, `X-Drone-Repos`, `X-Drone-Branches` and `X-Drone-Events`, which builds get it, for all of the entry: give each setup one of its own.",
	ID:      "drone", Name: "Drone", Docs: docsSecrets, MaxValue: maxValue, OneFile: true, Shared: true,
	Backends: fetch.For("drone"),
	Proof:    providers.Written, ProofNote: "Drone never shows a secret again, and keeps no time of a change",
}

const (
	docsSecrets = "https://docs.drone.io/secret/repository/"
	docsLogin   = "https://docs.drone.io/cli/configure/"
	maxValue    = 64 << 10 // our own limit: Drone names none
)

// Provider is one Drone, seen with one log-in.
type Provider struct {
	host    string
	http    *httpx.Client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = "drone", httpx.Bearer(o.Login.Value)
	return &Provider{host: cmp.Or(o.Host, o.Server.Host), http: httpx.NewClient(o.Server, wire), options: o}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

func (p *Provider) do(ctx context.Context, call httpx.Call) error {
	_, err := p.http.Do(ctx, call)
	return explain(err)
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (string, error) {
	at, err := path(t.Address)
	if err == nil {
		err = providers.CheckSecretName("drone", "secret name", t.Secret, docsSecrets)
	}
	return at, err
}

// Check asks whether the target can be written: who may list secrets may write them.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	at, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	if strings.Contains(t.Address, "/") {
		r, err := p.repo(ctx, t.Address)
		if err != nil {
			return providers.Access{}, err
		}
		if !r.Active {
			return providers.Access{}, hint.New("drone: "+t.Address+" is not activated", "Activate the repository in Drone; until then nothing runs.", "https://docs.drone.io/quickstart/docker/")
		}
	}
	return providers.Access{Note: display.Clean("who may list secrets may write them")}, p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at})
}

// Put writes the secret. Drone has no upsert, and answers a duplicate with a 500: what is there is
// changed, and after an unclear create it is looked again.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	at, err := path(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("drone: secret %s: %w", t.Secret, err)
	}
	before, err := p.exists(ctx, at, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	body := map[string]any{"pull_request": false, "pull_request_push": false}
	done := providers.Receipt{Created: !before, Proof: providers.Written}
	if !before {
		body["name"] = t.Secret
		failed := providers.WithValue(v, body, "data", func() error {
			return p.do(ctx, httpx.Call{Method: http.MethodPost, Path: at, Body: body, Repeatable: true})
		})
		if failed == nil {
			return done, nil
		}
		delete(body, "name")
		if now, err := p.exists(ctx, at, t.Secret); err != nil || !now {
			return providers.Receipt{}, failed
		}
	}
	// PATCH sets: sent twice it has the effect of once.
	return done, providers.WithValue(v, body, "data", func() error {
		return p.do(ctx, httpx.Call{Method: http.MethodPatch, Path: at + "/" + t.Secret, Body: body, Repeatable: true})
	})
}

func (p *Provider) exists(ctx context.Context, at, name string) (bool, error) {
	err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/" + name})
	if httpx.Status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// Stat says whether the secret is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	at, err := path(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	ok, err := p.exists(ctx, at, t.Secret)
	return providers.State{Exists: ok}, err
}

// Remove deletes the secret.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	at, err := path(t.Address)
	if err != nil {
		return err
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/" + t.Secret})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the secrets at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	at, err := path(t.Address)
	if err != nil {
		return nil, err
	}
	var all []struct {
		Name string `json:"name"`
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at, Out: &all})
	for _, s := range all {
		out = append(out, s.Name)
	}
	return out, err
}

type repository struct {
	Active     bool   `json:"active"`
	Branch     string `json:"default_branch"`
	Visibility string `json:"visibility"`
}

func (p *Provider) repo(ctx context.Context, path string) (r repository, err error) {
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/api/repos/" + path, Out: &r})
	return r, err
}

// Repo looks the repository up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.repo(ctx, r.Path)
	return providers.Repo{Repository: r, DefaultBranch: x.Branch, Private: x.Visibility != "public"}, err
}

// Places lists the repository and its organization.
func (p *Provider) Places(_ context.Context, r setup.Repository) ([]providers.Place, error) {
	organization, _, _ := strings.Cut(r.Path, "/")
	return []providers.Place{
		{Address: r.Path, Name: display.Clean("Repository secret"), Note: display.Clean("pushes and builds by hand get it, pull requests do not")},
		{Address: organization, Name: display.Clean("Organization secret of " + organization), Note: display.Clean("every repository of the organization can use it")},
	}, nil
}

// Environment is refused: Drone has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("drone: there are no environments", "Keep the secret in the repository or the organization.", docsSecrets)
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + strings.TrimPrefix(s.Path, "/api/")
		switch {
		case s.Status == http.StatusUnauthorized && strings.HasPrefix(s.Path, "/api/secrets/"):
			a.Next = "The log-in is missing or may not write secrets of the organization: only its administrators may."
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing or wrong. Set DRONE_TOKEN to the token of your account page.", docsLogin
		case s.Status == http.StatusForbidden:
			a.Next = "It takes the right to push to the repository. Ask one of its administrators."
		case s.Status == http.StatusBadRequest && strings.Contains(s.Path, "/cron"):
			a.Next, a.Link = "Drone takes no such schedule.", docsSchedules
		case s.Status == http.StatusNotFound:
			a.Next = "It does not exist, or your log-in cannot see it. Synchronize the repositories in Drone, and check the name."
		}
		return a
	})
}
