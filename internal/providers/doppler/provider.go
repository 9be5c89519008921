// Package doppler stores secrets in Doppler.
//
// A target's address is a project and a config of it (etl/prd); the secret has its own name there.
package doppler

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// ID is the id of the store.
const ID = "doppler"

const (
	docsSecrets = "https://docs.doppler.com/docs/secrets"
	docsTokens  = "https://docs.doppler.com/docs/service-tokens"
)

var info = providers.Info{
	ID: ID, Name: "Doppler", Docs: docsSecrets, MaxValue: 49_152,
	Proof: providers.ReadBack, ProofNote: "a secret whose visibility is restricted cannot be read again",
	Rights:  "A token that may write the config: a service token with read and write access, or one of a person or a service account with such a role.",
	Login:   "`DOPPLER_TOKEN`, else the token that `doppler login` left for this folder, in its file or in the keyring. `DOPPLER_PROJECT` and `DOPPLER_CONFIG`, or that file, name the project and the config that are proposed; `DOPPLER_API_HOST` another address.",
	Address: "`doppler:PROJECT/CONFIG` (etl/prd); the secret has its own name there.",
	Limits:  "Doppler does not say before a write whether a token may write, and shows no mark of a write. Its note of a secret is one for all configs of a project, so what the token is stands nowhere beside it. Its own syncs can carry the secret on to other places. Earlier values stay in the config's log; they are dead tokens after a rotation.",
}

// Options make a provider.
type Options struct {
	providers.Options
	Project, Config string // in which secrets are proposed; may be empty
}

// Provider is Doppler, seen with one log-in.
type Provider struct {
	client *httpx.Client
	o      Options
}

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = ID, httpx.Bearer(o.Login.Value)
	return &Provider{httpx.NewClient(o.Server, wire), o}
}

// Info describes the store.
func (p *Provider) Info() providers.Info { return info }

func text(s string) display.Text { return display.Clean(s) }

var notName = pattern.New(`[^a-z0-9]+`)

// Place is the config of the log-in, or one that carries the repository's name.
func (p *Provider) Place(r setup.Repository) providers.Place {
	project, config := p.o.Project, p.o.Config
	if project == "" {
		name := strings.ToLower(r.Path[strings.LastIndex(r.Path, "/")+1:])
		project = strings.Trim(notName.ReplaceAllString(name, "-"), "-")
	}
	if config == "" {
		config = "prd"
	}
	at := project + "/" + config
	return providers.Place{Store: ID, Address: at, Name: text("Doppler, " + at), Note: text("what Doppler syncs gets it too")}
}

var address = pattern.New(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}/[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)

func check(t setup.Target) error {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, info.Docs); err != nil {
		return err
	}
	if !address.MatchString(t.Address) {
		return hint.New(fmt.Sprintf("%s: %q is not a config", ID, display.Clean(t.Address)), "Write it as PROJECT/CONFIG, like etl/prd.", docsSecrets)
	}
	if strings.HasPrefix(t.Secret, "DOPPLER_") {
		return hint.New(ID+": names that begin with DOPPLER_ belong to Doppler", "Choose another name with --secret-name.", docsSecrets)
	}
	return nil
}

func query(t setup.Target) url.Values {
	project, config, _ := strings.Cut(t.Address, "/")
	return url.Values{"project": {project}, "config": {config}}
}

func explain(err error, doing string) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing
		switch s.Status {
		case http.StatusUnauthorized:
			a.Next, a.Link = "The token is wrong or has ended. Log in again with doppler login, or set DOPPLER_TOKEN.", docsTokens
		case http.StatusForbidden:
			a.Next, a.Link = "The token may not do this. It needs read and write access to the config.", docsTokens
		}
		return a
	})
}

// names are those of the secrets in the target's config.
func (p *Provider) names(ctx context.Context, t setup.Target) ([]string, error) {
	var out struct{ Names []string }
	_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/v3/configs/config/secrets/names", Query: query(t), Out: &out})
	return out.Names, explain(err, "look at the config "+t.Address)
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	return check(t)
}

// Check asks who the token is, and whether it sees the config.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	if err := check(t); err != nil {
		return providers.Access{}, err
	}
	var me struct{ Name display.Text }
	if _, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/v3/me", Out: &me}); err != nil {
		return providers.Access{}, explain(err, "look at the log-in")
	}
	if _, err := p.names(ctx, t); err != nil {
		return providers.Access{}, err
	}
	return providers.Access{Who: me.Name, Note: text("whether the token may write shows only at the write")}, nil
}

// Put sets the secret. A second request sets the same value, so it may be sent again.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, _ providers.Meta) (providers.Receipt, error) {
	if err := check(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	names, err := p.names(ctx, t)
	if err != nil {
		return providers.Receipt{}, err
	}
	secrets := map[string]any{}
	err = providers.WithValue(v, secrets, t.Secret, func() error {
		_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/v3/configs/config/secrets", Query: query(t), Body: map[string]any{"secrets": secrets}, Repeatable: true})
		return err
	})
	if err != nil {
		return providers.Receipt{}, explain(err, "write "+t.Secret+" into "+t.Address)
	}
	return providers.Receipt{Created: !slices.Contains(names, t.Secret), Proof: p.proof(ctx, t, v)}, nil
}

// proof reads the secret again, where it can be read.
func (p *Provider) proof(ctx context.Context, t setup.Target, v *secret.Value) providers.Proof {
	var out struct {
		Value struct{ Raw providers.Text }
	}
	q := query(t)
	q.Set("name", t.Secret)
	if _, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/v3/configs/config/secret", Query: q, Out: &out}); err == nil && out.Value.Raw.V.Equal(v) {
		return providers.ReadBack
	}
	return providers.Written
}

// Stat says whether the secret is there; Doppler does not say since when.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	if err := check(t); err != nil {
		return providers.State{}, err
	}
	names, err := p.names(ctx, t)
	return providers.State{Exists: slices.Contains(names, t.Secret)}, err
}

// Remove deletes the secret.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	if err := check(t); err != nil {
		return err
	}
	names, err := p.names(ctx, t)
	if err != nil || !slices.Contains(names, t.Secret) {
		return err
	}
	body := map[string]any{"change_requests": []any{map[string]any{"name": t.Secret, "originalName": t.Secret, "value": nil, "shouldDelete": true}}}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/v3/configs/config/secrets", Query: query(t), Body: body, Repeatable: true})
	return explain(err, "delete "+t.Secret+" in "+t.Address)
}
