package astro

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// KeysEnded says plainly what became of Deployment API keys.
const KeysEnded = "The hosted Astro has made no new Deployment API keys since 31 October 2023 and has refused the old ones since June 2024."

const docsRoles = "https://www.astronomer.io/docs/astro/customize-deployment-roles"

// Authority is the identity provider that an Astro trusts. Nothing about it is built in: the Astro
// names it.
type Authority struct {
	ClientID string
	Audience string
	url      *url.URL // ends with a slash
	opts     httpx.Options
	http     *httpx.Client
	now      func() time.Time
}

// FindAuthority asks the Astro at base which identity provider it trusts.
func FindAuthority(ctx context.Context, base *url.URL, opts httpx.Options, now func() time.Time) (*Authority, error) {
	const doing = "ask Astro where to log in"
	opts.Service, opts.Auth, opts.Limits = "astro", httpx.NoAuth, nil
	var body struct {
		ClientID string `json:"clientId"`
		Audience string `json:"audience"`
		Domain   string `json:"domainUrl"`
	}
	root := *base
	root.Path, root.RawPath = "", ""
	if _, err := httpx.NewClient(&root, opts).Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/private/v1alpha1/cli/auth-config", Out: &body}); err != nil {
		return nil, explain(err, doing)
	}
	u, err := url.Parse(body.Domain)
	here := setup.Loopback(body.Domain) && setup.Loopback(base.String())
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "https" && !here {
		return nil, hint.New(fmt.Sprintf("astro: %q is not an address to log in at", display.Clean(body.Domain)), "Check the address of Astro.", docsAPI)
	}
	u.Path = strings.TrimSuffix(u.Path, "/") + "/"
	opts.Service = "log-in"
	return &Authority{ClientID: body.ClientID, Audience: body.Audience, url: u, opts: opts, http: httpx.NewClient(u, opts), now: now}, nil
}

// Session is a person's log-in as the identity provider gave it.
type Session struct {
	Access  *secret.Value
	Refresh *secret.Value // may be empty: then the log-in cannot be renewed
	EndsAt  time.Time     // of Access
	User    display.Text  // e-mail address
}

// grant asks the identity provider for tokens.
func (a *Authority) grant(ctx context.Context, form url.Values) (s Session, err error) {
	var out struct {
		Access  once `json:"access_token"`
		Refresh once `json:"refresh_token"`
		Expires int  `json:"expires_in"` // seconds
	}
	if _, err := a.http.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/oauth/token", Form: form, Out: &out}); err != nil {
		return s, err
	}
	if out.Access.v.Empty() {
		return s, fmt.Errorf("log-in: the answer holds no token")
	}
	return Session{Access: out.Access.v, Refresh: out.Refresh.v, EndsAt: a.now().Add(time.Duration(out.Expires) * time.Second)}, nil
}

// user asks whose log-in it is.
func (a *Authority) user(ctx context.Context, access *secret.Value) (display.Text, error) {
	opts := a.opts
	opts.Auth = httpx.Bearer(access)
	var out struct {
		Email display.Text `json:"email"`
	}
	_, err := httpx.NewClient(a.url, opts).Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/userinfo", Out: &out})
	return out.Email, err
}

// ProveKey shows that a Deployment API key works: it is exchanged for a short-lived token, and that
// one reads the Deployment.
func (c *Client) ProveKey(ctx context.Context, s setup.Setup, key setup.Key) (string, error) {
	a, err := FindAuthority(ctx, c.base, c.opts, time.Now)
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "audience": {a.Audience}}
	for name, v := range map[string]*secret.Value{"client_id": key.ID, "client_secret": key.Secret} {
		if err := v.Use(func(b []byte) error { form.Set(name, string(b)); return nil }); err != nil {
			return "", fmt.Errorf("the Deployment API key: %w", err)
		}
	}
	const better = "Choose a Deployment API token instead: --credential deployment-token."
	got, err := a.grant(ctx, form)
	if s := httpx.Status(err); s >= 400 && s < 500 && s != http.StatusTooManyRequests {
		return "", hint.Wrap(err, "exchange the Deployment API key", "The key is refused. "+KeysEnded+" "+better, docsAPI)
	}
	if err != nil {
		return "", unproved(err, "exchange the Deployment API key")
	}
	path, what := reach(s)
	if err := c.As(got.Access).get(ctx, path); err != nil {
		if httpx.Refused(err) {
			return "", hint.Wrap(err, "use the Deployment API key", "Astro takes the key, but not for "+what+". Choose the Deployment it belongs to. "+better, docsAPI)
		}
		return "", unproved(err, "use the Deployment API key")
	}
	return "it can read " + what, nil
}
