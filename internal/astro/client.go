// Package astro is the client for the Astro API (v1), as far as credentials need it: who am I, what
// is there, which roles exist, and tokens.
//
// Facts behind it: every update is a POST, creating is not idempotent and has no idempotency key,
// rotate kills the old value at once, limits are 25 GET, 10 POST and 5 DELETE a second per token.
// Names are cleaned where they are decoded (display.Text); nothing here is printed.
package astro

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const (
	docsToken = "https://www.astronomer.io/docs/astro/automation-authentication"
	docsAPI   = "https://www.astronomer.io/docs/astro/api-authentication"
)

// Client speaks to one Astro with one credential.
type Client struct {
	base *url.URL
	opts httpx.Options
	http *httpx.Client
}

// New returns a client for base, e.g. https://api.astronomer.io/v1, that authenticates with auth.
// From opts it takes everything but the service name, the limits and the credential.
func New(base *url.URL, auth httpx.Auth, opts httpx.Options) *Client {
	opts.Service = "astro"
	opts.Auth = auth
	// What the API allows a token; the proof of a new one counts along.
	opts.Limits = []httpx.Limit{{Of: httpx.Reads, N: 25, Per: time.Second}, {Of: httpx.Creates, N: 10, Per: time.Second}, {Of: httpx.Deletes, N: 5, Per: time.Second}}
	return &Client{base, opts, httpx.NewClient(base, opts)}
}

// As returns a client like c with another credential.
func (c *Client) As(v *secret.Value) *Client { return New(c.base, httpx.Bearer(v), c.opts) }

// ClockAhead is how far this computer's clock is ahead of Astro's; negative when it is behind.
func (c *Client) ClockAhead() time.Duration { return c.http.Ahead() }

// Organization is one Astro Organization.
type Organization struct {
	ID             string       `json:"id"`
	Name           display.Text `json:"name"`
	Product        string       `json:"product"`
	HasIPAllowList bool         `json:"hasAllowedIpAddressRanges"`
	Plans          []struct {
		Name string `json:"productPlanName"`
	} `json:"productPlans"`
}

// CustomRoles reports whether the Organization's plan has custom roles; Enterprise plans do.
func (o Organization) CustomRoles() bool {
	for _, p := range o.Plans {
		if strings.Contains(p.Name, "ENTERPRISE") {
			return true
		}
	}
	return false
}

// Workspace is one Workspace.
type Workspace struct {
	ID           string       `json:"id"`
	Name         display.Text `json:"name"`
	CICDEnforced bool         `json:"cicdEnforcedDefault"`
}

// Deployment is one Deployment.
type Deployment struct {
	ID            string       `json:"id"`
	Name          display.Text `json:"name"`
	WorkspaceID   string       `json:"workspaceId"`
	WorkspaceName display.Text `json:"workspaceName"`
	Status        string       `json:"status"`
	DAGDeploys    bool         `json:"isDagDeployEnabled"`
	CICDEnforced  bool         `json:"isCicdEnforced"`
}

// User is the person behind a login token.
type User struct {
	ID       string       `json:"id"`
	Username display.Text `json:"username"`
	FullName display.Text `json:"fullName"`
	Roles    []struct {
		Role  string `json:"role"`
		Scope struct {
			Type     string `json:"type"`
			EntityID string `json:"entityId"`
		} `json:"scope"`
	} `json:"roles"`
}

// Organizations lists what the credential can see.
func (c *Client) Organizations(ctx context.Context) (Page[Organization], error) {
	return first[Organization](ctx, c, "/organizations", "organizations", nil)
}

// Organization reads one Organization.
func (c *Client) Organization(ctx context.Context, org string) (o Organization, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: orgPath(org), Out: &o})
	return o, explain(err, "read the Organization")
}

// Workspaces lists the Workspaces of an Organization, by name.
func (c *Client) Workspaces(ctx context.Context, org string) (Page[Workspace], error) {
	return first[Workspace](ctx, c, orgPath(org)+"/workspaces", "workspaces", url.Values{"sorts": {"name:asc"}})
}

// Deployments lists the Deployments of a Workspace, or with "" those of the Organization, by name.
func (c *Client) Deployments(ctx context.Context, org, workspace string) (Page[Deployment], error) {
	q := url.Values{"sorts": {"name:asc"}}
	if workspace != "" {
		q.Set("workspaceIds", workspace)
	}
	return first[Deployment](ctx, c, orgPath(org)+"/deployments", "deployments", q)
}

// Deployment reads one Deployment.
func (c *Client) Deployment(ctx context.Context, org, id string) (d Deployment, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: orgPath(org) + "/deployments/" + url.PathEscape(id), Out: &d})
	return d, explain(err, "read the Deployment")
}

// Member is a user of an Organization.
type Member struct {
	ID       string       `json:"id"`
	Username display.Text `json:"username"`
	Status   string       `json:"status"` // ACTIVE, INACTIVE, PENDING, BANNED
}

// Gone reports whether the user can no longer log in.
func (m Member) Gone() bool { return m.Status == "INACTIVE" || m.Status == "BANNED" }

// Members lists the users of an Organization. Not everybody may ask for them.
func (c *Client) Members(ctx context.Context, org string) ([]Member, error) {
	q := url.Values{"sorts": {"createdAt:asc"}}
	return whole(ctx, c, orgPath(org)+"/users", "users", q, func(m Member) string { return m.ID })
}

// Self returns the person behind the login; API tokens have no such record (403 or 404).
func (c *Client) Self(ctx context.Context) (u User, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/users/self", Out: &u})
	return u, explain(err, "ask who is logged in")
}

func orgPath(org string) string { return "/organizations/" + url.PathEscape(org) }

// once decodes a value that is shown one time only straight into a secret.
type once struct{ v *secret.Value }

func (o *once) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("not a string")
	}
	o.v = secret.New([]byte(s))
	return nil
}

// explain adds to an API error what to do about it.
func explain(err error, doing string) error {
	var s *httpx.StatusError
	if !errors.As(err, &s) {
		return hint.Wrap(err, doing, "Check the network, a proxy, and the address of Astro, then try again.", "")
	}
	switch {
	case s.Status == http.StatusBadRequest:
		return hint.Wrap(err, doing, "Astro refused a value; its message says which one.", docsToken)
	case s.Status == http.StatusUnauthorized:
		return hint.Wrap(err, doing, "The log-in is missing, expired or revoked. Log in again with: astro-ci login", docsAPI)
	case s.Status == http.StatusForbidden:
		return hint.Wrap(err, doing, "Your log-in may not do this. Ask an Organization Owner or Workspace Owner, or choose a smaller scope or role.", docsToken)
	case s.Status == http.StatusNotFound:
		return hint.Wrap(err, doing, "It does not exist, or your log-in cannot see it.", docsToken)
	case s.Status == http.StatusTooManyRequests:
		return hint.Wrap(err, doing, "Astro asks for fewer requests. Wait a minute and try again.", "")
	case s.Status >= 500:
		return hint.Wrap(err, doing, "Astro has trouble answering. Try again, and look at its status page if it stays.", "https://status.astronomer.io")
	}
	return hint.Wrap(err, doing, "", docsToken)
}

// skew is how far two clocks may differ before dates are not compared any more.
const skew = 5 * time.Minute
