// Package drone stores secrets on Drone, and renders its pipelines.
//
// A target's address is NAMESPACE/NAME for a secret of a repository, NAMESPACE for one of an
// organization. Pull requests never get a secret that is written here.
package drone

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSecrets = "https://docs.drone.io/secret/repository/"
	docsLogin   = "https://docs.drone.io/cli/configure/"
	maxValue    = 64 << 10 // our own limit: Drone names none
)

// ErrNoLogin says that no log-in to Drone was found.
var ErrNoLogin = errors.New("none found")

// Options make a provider.
type Options struct {
	Server *url.URL // the address of the server
	Token  *secret.Value
	Wire   httpx.Options
}

// Provider is one Drone, seen with one log-in.
type Provider struct {
	host string
	http *httpx.Client
}

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = "drone", httpx.Bearer(o.Token)
	return &Provider{host: o.Server.Host, http: httpx.NewClient(o.Server, wire)}
}

// FindLogin finds the server and the log-in by the drone CLI's own rules: DRONE_SERVER and
// DRONE_TOKEN; it has no file.
func FindLogin(getenv func(string) string) (server string, token *secret.Value, err error) {
	server = strings.TrimSuffix(getenv("DRONE_SERVER"), "/")
	v := strings.TrimSpace(getenv("DRONE_TOKEN"))
	if server == "" || v == "" {
		return "", nil, hint.Wrap(ErrNoLogin, "look for a log-in to Drone", "Set DRONE_SERVER to the address of your Drone and DRONE_TOKEN to the token of your account page.", docsLogin)
	}
	return server, secret.New([]byte(v)), nil
}

// Info describes the provider.
func (p *Provider) Info() providers.Info {
	return providers.Info{
		ID: "drone", Name: "Drone", Docs: docsSecrets, MaxValue: maxValue, OneFile: true,
		Proof: providers.Written, ProofNote: "Drone never shows a secret again, and keeps no time of a change",
	}
}

var part = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// path is the path of the secrets at an address.
func path(address string) (string, error) {
	parts := strings.Split(address, "/")
	for _, x := range parts {
		if !part.MatchString(x) || x == ".." {
			parts = nil
			break
		}
	}
	switch len(parts) {
	case 1:
		return "/api/secrets/" + parts[0], nil
	case 2:
		return "/api/repos/" + parts[0] + "/" + parts[1] + "/secrets", nil
	}
	return "", hint.New(fmt.Sprintf("drone: %q is not an address", display.Clean(address)), "Write NAMESPACE/NAME for a repository, or NAMESPACE for an organization.", docsSecrets)
}

func (p *Provider) do(ctx context.Context, call httpx.Call) error {
	_, err := p.http.Do(ctx, call)
	return explain(err)
}

// Check asks whether the target can be written: who may list secrets may write them.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	at, err := path(t.Address)
	if err != nil {
		return providers.Access{}, err
	}
	if err := setup.CheckSecretName(t.Secret); err != nil {
		return providers.Access{}, fmt.Errorf("drone: secret name: %w", err)
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
	if err := checkValue(v); err != nil {
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
		failed := with(v, body, func() error {
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
	return done, with(v, body, func() error {
		return p.do(ctx, httpx.Call{Method: http.MethodPatch, Path: at + "/" + t.Secret, Body: body, Repeatable: true})
	})
}

// with puts the value into a body for as long as f runs.
func with(v *secret.Value, body map[string]any, f func() error) error {
	return v.Use(func(b []byte) error {
		body["data"] = string(b)
		defer delete(body, "data")
		return f()
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

// Detect claims nothing: a remote does not say that Drone builds the repository.
func (p *Provider) Detect(providers.Remote) (setup.Repository, bool) {
	return setup.Repository{}, false
}

// ParseRepo reads NAMESPACE/NAME.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	text = strings.TrimSpace(text)
	if at, err := path(text); err != nil || !strings.HasPrefix(at, "/api/repos/") {
		return setup.Repository{}, hint.New(fmt.Sprintf("drone: %q is not a repository", display.Clean(text)), "Write it as NAMESPACE/NAME, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: text}, nil
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

// checkValue refuses what a shell on the runner would spoil.
func checkValue(v *secret.Value) error {
	return v.Use(func(b []byte) error {
		switch {
		case len(b) > maxValue:
			return errors.New("the value is larger than 64 KB")
		case strings.ContainsFunc(string(b), func(r rune) bool { return r == 0 || unicode.IsSpace(r) }):
			return errors.New("the value holds white space or a zero byte")
		}
		return nil
	})
}

// explain adds to an error what to do about it.
func explain(err error) error {
	var s *httpx.StatusError
	if err == nil {
		return nil
	}
	if !errors.As(err, &s) {
		return hint.Wrap(err, "drone: send a request", "Check the network, a proxy, and DRONE_SERVER, then try again.", "")
	}
	next, link := "", docsSecrets
	switch {
	case s.Status == http.StatusUnauthorized && strings.HasPrefix(s.Path, "/api/secrets/"):
		next = "The log-in is missing or may not write secrets of the organization: only its administrators may."
	case s.Status == http.StatusUnauthorized:
		next, link = "The log-in is missing or wrong. Set DRONE_TOKEN to the token of your account page.", docsLogin
	case s.Status == http.StatusForbidden:
		next = "Secrets need the right to push to the repository. Ask one of its administrators."
	case s.Status == http.StatusNotFound:
		next = "It does not exist, or your log-in cannot see it. Synchronize the repositories in Drone, and check the name."
	case s.Status == http.StatusTooManyRequests:
		next = "Drone asks for fewer requests. Wait a minute and try again."
	case s.Status == http.StatusBadRequest:
		next = "Drone refused a value; its message says which one."
	case s.Status >= http.StatusInternalServerError:
		next = "Drone has trouble answering. Try again."
	}
	return &hint.Error{Doing: "drone: use " + strings.TrimPrefix(s.Path, "/api/"), Next: next, Link: link, Err: err}
}
