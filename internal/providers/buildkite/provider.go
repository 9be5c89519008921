// Package buildkite stores secrets of Buildkite's clusters, renders its pipelines, and runs them.
//
// A target's address is ORGANIZATION/CLUSTER, with the UUID of the cluster. A new secret is for one
// pipeline and one branch only.
package buildkite

import (
	"cmp"
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
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// scopes are what the log-in has to be allowed, runs included.
var scopes = []string{"read_clusters", "read_pipelines", "read_secret_details", "write_secrets", "read_builds", "write_builds"}

var info = providers.Info{
	Backends: fetch.For("buildkite"),
	Rights:   "An API access token with the scopes `" + strings.Join(scopes, "`, `") + "`, of somebody who maintains the cluster.",
	Login:    "`BUILDKITE_API_TOKEN` and `BUILDKITE_ORGANIZATION_SLUG`. A token that bk keeps in the keyring is not looked for.",
	Address:  "`ORGANIZATION/CLUSTER`, with the UUID of the cluster that the pipeline belongs to.",
	Limits:   "A new secret is for this pipeline and branch only; the policy of one that is there stays. Agents need version 3.106 or newer, and Docker for image deploys. Buildkite does not say what a push changed, so every push deploys all of it. A schedule starts a build of the whole pipeline: steps of your own run in it as well, unless they look at `ASTRO_CI_SCHEDULE`, which it sets; it takes the scope `write_pipelines` besides. That a condition sees what a schedule sets is what Buildkite writes about it, and was not tried.",
	ID:       "buildkite", Name: "Buildkite", Docs: docsSecrets, MaxValue: maxValue, OneFile: true, Shared: true,
	Proof: providers.Metadata, ProofNote: "Buildkite never shows a secret again, and keeps the time of a change",
}

const (
	docsSecrets = "https://buildkite.com/docs/pipelines/security/secrets/buildkite-secrets"
	docsLogin   = "https://buildkite.com/docs/apis/managing-api-tokens"
	maxValue    = 8 << 10 // the lower one of the two limits in its documents
)

// Provider is Buildkite, seen with one log-in.
type Provider struct {
	host         string // where people see pipelines
	organization string // of the log-in; "" when it is not known
	http         *httpx.Client
	options      providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = info.ID, httpx.Bearer(o.Login.Value)
	return &Provider{host: cmp.Or(o.Host, Host), organization: o.Login.User, http: httpx.NewClient(o.Server, wire), options: o}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

func (p *Provider) do(ctx context.Context, call httpx.Call) (http.Header, error) {
	header, err := p.http.Do(ctx, call)
	return header, explain(err)
}

// at is where the secrets of an address are.
func at(address string) (string, error) {
	organization, id, err := split(address)
	return "/v2/organizations/" + organization + "/clusters/" + id + "/secrets", err
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

// Check asks for the token's own scopes, and whether the cluster's secrets can be seen.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	path, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	var who struct {
		Scopes []string `json:"scopes"`
		Ends   string   `json:"expires_at"` // null where there is no end
		User   struct {
			Name display.Text `json:"name"`
		} `json:"user"`
	}
	if _, err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/v2/access-token", Out: &who}); err != nil {
		return providers.Access{}, err
	}
	for _, s := range scopes[:4] {
		if !slices.Contains(who.Scopes, s) {
			return providers.Access{}, hint.New("buildkite: the token lacks the scope "+s, "Make one with the scopes "+strings.Join(scopes, ", ")+".", docsLogin)
		}
	}
	_, err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: path})
	ends, _ := time.Parse(time.RFC3339, who.Ends) // what is told in another form is not known
	return providers.Access{Who: who.User.Name, Ends: ends}, err
}

// checkName refuses names that a build would not get.
func checkName(name string) error {
	if err := providers.CheckSecretName("buildkite", "secret name", name, docsSecrets); err != nil {
		return err
	}
	if strings.HasPrefix(name, "BUILDKITE") || strings.HasPrefix(name, "BK") {
		return hint.New("buildkite: names that begin with BUILDKITE or BK are its own", "Choose another name with --secret-name.", docsSecrets)
	}
	return nil
}

// kept is what Buildkite tells of a secret.
type kept struct {
	ID      string    `json:"id"`
	Key     string    `json:"key"`
	Updated time.Time `json:"updated_at"`
}

// pages reads a list to its last page.
func pages[T any](ctx context.Context, p *Provider, path string) (out []T, err error) {
	for page := 1; ; page++ {
		var some []T
		header, err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: url.Values{"page": {fmt.Sprint(page)}, "per_page": {"100"}}, Out: &some})
		if err != nil {
			return nil, err
		}
		out = append(out, some...)
		if !strings.Contains(header.Get("Link"), `rel="next"`) {
			return out, nil
		}
	}
}

// find looks for a secret; nil when there is none.
func (p *Provider) find(ctx context.Context, path, name string) (*kept, error) {
	all, err := pages[kept](ctx, p, path)
	for _, s := range all {
		if s.Key == name {
			return &s, err
		}
	}
	return nil, err
}

// Put writes the secret. A new one is made for the one pipeline and branch that read it.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	path, err := at(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := checkName(t.Secret); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("buildkite: secret %s: %w", t.Secret, err)
	}
	before, err := p.find(ctx, path, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	made := before == nil
	if made {
		body := map[string]any{"key": t.Secret, "description": "astro-ci setup=" + m.Setup + " token=" + m.TokenID}
		if policy := policyFor(m); policy != "" {
			body["policy"] = policy
		}
		failed := providers.WithValue(v, body, "value", func() error {
			_, err := p.do(ctx, httpx.Call{Method: http.MethodPost, Path: path, Body: body, Repeatable: true})
			return err
		})
		if failed == nil {
			return p.seen(ctx, path, t.Secret, nil, true)
		}
		// A create without an answer, or somebody else's: what is there is changed.
		if before, err = p.find(ctx, path, t.Secret); err != nil || before == nil {
			return providers.Receipt{}, failed
		}
	}
	body := map[string]any{}
	err = providers.WithValue(v, body, "value", func() error {
		_, err := p.do(ctx, httpx.Call{Method: http.MethodPut, Path: path + "/" + url.PathEscape(before.ID) + "/value", Body: body, Repeatable: true})
		return err
	})
	if err != nil {
		return providers.Receipt{}, err
	}
	return p.seen(ctx, path, t.Secret, before, made)
}

// seen looks for the record of a write.
func (p *Provider) seen(ctx context.Context, path, name string, before *kept, made bool) (providers.Receipt, error) {
	out := providers.Receipt{Created: made, Proof: providers.Written}
	now, err := p.find(ctx, path, name)
	if err != nil {
		return providers.Receipt{}, err
	}
	if now == nil {
		return providers.Receipt{}, hint.New("buildkite: the secret "+name+" was accepted, and is not there", "Somebody may have deleted it. Try again.", docsSecrets)
	}
	if before == nil || now.Updated.After(before.Updated) {
		out.Proof, out.Version = providers.Metadata, now.Updated.UTC().Format(time.RFC3339Nano)
	}
	return out, nil
}

// policyFor lets one pipeline, and where it is known one branch, read a secret.
func policyFor(m providers.Meta) string {
	_, name, ok := strings.Cut(m.Repository.Path, "/")
	if !ok || !slug.MatchString(name) {
		return ""
	}
	out := "- pipeline_slug: " + name + "\n"
	if m.Branch != "" && !strings.ContainsAny(m.Branch, "*!\"\\\n") {
		out += "  build_branch: \"" + m.Branch + "\"\n"
	}
	return out
}

// Stat says whether the secret is there, and when it was changed.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	path, err := at(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	s, err := p.find(ctx, path, t.Secret)
	if s == nil {
		return providers.State{}, err
	}
	return providers.State{Exists: true, UpdatedAt: s.Updated, Version: s.Updated.UTC().Format(time.RFC3339Nano)}, err
}

// Remove deletes the secret.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	path, err := at(t.Address)
	if err != nil {
		return err
	}
	s, err := p.find(ctx, path, t.Secret)
	if err != nil || s == nil {
		return err
	}
	_, err = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: path + "/" + url.PathEscape(s.ID)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the secrets of the cluster.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	path, err := at(t.Address)
	if err != nil {
		return nil, err
	}
	all, err := pages[kept](ctx, p, path)
	for _, s := range all {
		out = append(out, s.Key)
	}
	return out, err
}

// of is where the API has a pipeline.
func of(r setup.Repository) string {
	organization, name, _ := strings.Cut(r.Path, "/")
	return "/v2/organizations/" + organization + "/pipelines/" + name
}

// known is a pipeline as far as it matters here.
type known struct {
	Branch     string `json:"default_branch"`
	Visibility string `json:"visibility"`
	Cluster    string `json:"cluster_id"`
}

func (p *Provider) pipeline(ctx context.Context, r setup.Repository) (x known, err error) {
	_, err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: of(r), Out: &x})
	return x, err
}

// Repo looks the pipeline up.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	x, err := p.pipeline(ctx, r)
	return providers.Repo{Repository: r, DefaultBranch: x.Branch, Private: x.Visibility != "public"}, err
}

// Places is the cluster of the pipeline: it reads no secret of another one.
func (p *Provider) Places(ctx context.Context, r setup.Repository) ([]providers.Place, error) {
	x, err := p.pipeline(ctx, r)
	if err != nil {
		return nil, err
	}
	if !cluster.MatchString(x.Cluster) {
		return nil, hint.New("buildkite: the pipeline "+r.Path+" belongs to no cluster", "Move it into a cluster: only those have secrets.", "https://buildkite.com/docs/pipelines/clusters")
	}
	organization, _, _ := strings.Cut(r.Path, "/")
	return []providers.Place{{Address: organization + "/" + x.Cluster, Name: display.Clean("Secret of the pipeline's cluster"), Note: display.Clean("for this pipeline and branch only")}}, nil
}

// Environment is refused: Buildkite has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("buildkite: there are no environments", "Use a pipeline or a cluster of its own for each.", docsSecrets)
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + strings.TrimPrefix(s.Path, "/v2/")
		if s.Path == "/v2/access-token" {
			a.Doing = "look at the log-in"
		}
		switch {
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is missing or wrong. Set BUILDKITE_API_TOKEN to an API access token.", docsLogin
		case s.Status == http.StatusForbidden && strings.Contains(s.Path, "/schedules"):
			a.Next, a.Link = "A schedule takes a token with the scopes read_pipelines and write_pipelines, of somebody who may edit the pipeline.", docsSchedules
		case s.Status == http.StatusForbidden:
			a.Next = "The token needs the scopes " + strings.Join(scopes, ", ") + ", and its owner has to maintain the cluster."
		case s.Status == http.StatusNotFound:
			a.Next = "It does not exist, or your log-in cannot see it. Check the organization, the pipeline and the cluster."
		}
		return a
	})
}
