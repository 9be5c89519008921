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
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"golang.org/x/time/rate"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	pageSize  = 1000 // the API's maximum
	maxPages  = 10_000
	rereads   = 3
	docsToken = "https://www.astronomer.io/docs/astro/automation-authentication"
	docsAPI   = "https://www.astronomer.io/docs/astro/api-authentication"
)

// Client speaks to one Astro with one credential.
type Client struct {
	base *url.URL
	opts httpx.Options
	http *httpx.Client
}

// New returns a client for base, e.g. https://api.astronomer.io/v1, that authenticates with v.
// From opts it takes everything but the service name, the limits and the credential.
func New(base *url.URL, v *secret.Value, opts httpx.Options) *Client {
	opts.Service = "astro"
	opts.Auth = httpx.Bearer(v)
	// 60 % of what the API allows a token, so that others can use the same one.
	opts.Limits = map[string]rate.Limit{http.MethodGet: 15, http.MethodPost: 6, http.MethodDelete: 3}
	return &Client{base, opts, httpx.NewClient(base, opts)}
}

// As returns a client like c with another credential.
func (c *Client) As(v *secret.Value) *Client { return New(c.base, v, c.opts) }

// Organization is one Astro Organization.
type Organization struct {
	ID             string       `json:"id"`
	Name           display.Text `json:"name"`
	Product        string       `json:"product"`
	HasIPAllowList bool         `json:"hasAllowedIpAddressRanges"`
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

// Role is a built-in or custom role with the permissions it gives.
type Role struct {
	Name        string       `json:"name"`
	Description display.Text `json:"description"`
	Permissions []string     `json:"permissions"`
	ScopeType   string       `json:"scopeType"` // DEPLOYMENT, WORKSPACE, ORGANIZATION, DAG, SYSTEM
	Custom      bool         `json:"-"`
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
func (c *Client) Organizations(ctx context.Context) ([]Organization, error) {
	return list[Organization](ctx, c, "/organizations", "organizations", nil)
}

// Workspaces lists the Workspaces of an Organization, by name.
func (c *Client) Workspaces(ctx context.Context, org string) ([]Workspace, error) {
	return list[Workspace](ctx, c, "/organizations/"+url.PathEscape(org)+"/workspaces", "workspaces", url.Values{"sorts": {"name:asc"}})
}

// Deployments lists the Deployments of a Workspace, by name.
func (c *Client) Deployments(ctx context.Context, org, workspace string) ([]Deployment, error) {
	return list[Deployment](ctx, c, "/organizations/"+url.PathEscape(org)+"/deployments", "deployments",
		url.Values{"workspaceIds": {workspace}, "sorts": {"name:asc"}})
}

// Tokens lists the API tokens of an Organization, oldest first.
func (c *Client) Tokens(ctx context.Context, org string) ([]Token, error) {
	return list[Token](ctx, c, tokensPath(org), "tokens", url.Values{"sorts": {"createdAt:asc"}})
}

// Roles lists the built-in and custom roles with their permissions.
func (c *Client) Roles(ctx context.Context, org string) ([]Role, error) {
	var body struct {
		DefaultRoles []Role `json:"defaultRoles"`
		Roles        []Role `json:"roles"`
	}
	_, err := c.http.Do(ctx, httpx.Call{
		Method: http.MethodGet, Path: "/organizations/" + url.PathEscape(org) + "/roles",
		Query: url.Values{"includeDefaultRoles": {"true"}, "limit": {strconv.Itoa(pageSize)}}, Out: &body,
	})
	if err != nil {
		return nil, explain(err, "list the roles")
	}
	for i := range body.Roles {
		body.Roles[i].Custom = true
	}
	return append(body.DefaultRoles, body.Roles...), nil
}

// Self returns the person behind the login; API tokens have no such record (403 or 404).
func (c *Client) Self(ctx context.Context) (u User, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/users/self", Out: &u})
	return u, explain(err, "ask who is logged in")
}

// Token reads one token's record.
func (c *Client) Token(ctx context.Context, org, id string) (t Token, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: tokenPath(org, id), Out: &t})
	return t, explain(err, "read token "+id)
}

// FindTokens lists the tokens whose description is exactly marker.
func (c *Client) FindTokens(ctx context.Context, org, marker string) ([]Token, error) {
	all, err := c.Tokens(ctx, org)
	if err != nil {
		return nil, err
	}
	var out []Token
	for _, t := range all {
		if t.Description.String() == marker {
			out = append(out, t)
		}
	}
	return out, nil
}

// DeleteToken deletes a token for good; one that is gone already is no error.
func (c *Client) DeleteToken(ctx context.Context, org, id string) error {
	_, err := c.http.Do(ctx, httpx.Call{Method: http.MethodDelete, Path: tokenPath(org, id)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return explain(err, "delete token "+id)
}

// CreateToken creates the token of s and returns its record and its value. The request is sent
// once and never repeated: when no clear answer comes the error is an *httpx.AmbiguousError, and a
// token with this marker may exist.
func (c *Client) CreateToken(ctx context.Context, s setup.Setup, marker string) (Token, *secret.Value, error) {
	doing := "create the " + s.Credential.Kind.String()
	body := map[string]any{
		"name": s.TokenName(), "description": marker, "kind": "STANDARD",
		"scope": s.Credential.Kind.Scope(), "role": s.Credential.Role,
		"tokenExpiryPeriodInDays": s.Credential.ExpiresInDays,
	}
	if s.Credential.Kind != setup.OrganizationToken {
		body["entityId"] = s.Entity().ID
	}
	var out struct {
		Token
		Value once `json:"token"`
	}
	_, err := c.http.Do(ctx, httpx.Call{Method: http.MethodPost, Path: tokensPath(s.Organization.ID), Body: body, Out: &out})
	if err == nil && (out.ID == "" || out.Value.v.Empty()) {
		err = &httpx.AmbiguousError{Err: errors.New("astro: the answer holds no token")}
	}
	if _, ok := errors.AsType[*httpx.AmbiguousError](err); ok {
		return Token{}, nil, &hint.Error{
			Doing: doing, Err: err,
			Next: "A token may exist now. Try again, or take it back: both look for it by its description first.", Link: docsAPI,
		}
	}
	if err != nil {
		return Token{}, nil, explain(err, doing)
	}
	return out.Token, out.Value.v, nil
}

// once decodes a token's value straight into a secret.
type once struct{ v *secret.Value }

func (o *once) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("not a string")
	}
	o.v = secret.New([]byte(s))
	return nil
}

// list reads all pages of a list. A list that changed while it was read, or whose parts do not add
// up to its total, is read again and in the end refused: half a list is not a list.
func list[T any](ctx context.Context, c *Client, path, key string, query url.Values) ([]T, error) {
	for range rereads {
		out, whole, err := pages[T](ctx, c, path, key, query)
		if err != nil {
			return nil, explain(err, "list the "+key)
		}
		if whole {
			return out, nil
		}
	}
	return nil, hint.New("astro: the list of "+key+" changes faster than it can be read", "Try again in a minute.", "")
}

func pages[T any](ctx context.Context, c *Client, path, key string, query url.Values) (out []T, whole bool, err error) {
	q := url.Values{"limit": {strconv.Itoa(pageSize)}}
	maps.Copy(q, query)
	for range maxPages {
		q.Set("offset", strconv.Itoa(len(out)))
		var page map[string]json.RawMessage
		if _, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: q, Out: &page}); err != nil {
			return nil, false, err
		}
		var items []T
		total := -1
		if json.Unmarshal(page[key], &items) != nil || json.Unmarshal(page["totalCount"], &total) != nil || total < 0 {
			return nil, false, fmt.Errorf("astro: GET %s: the answer lacks %q or totalCount", path, key)
		}
		out = append(out, items...)
		if len(out) >= total || len(items) == 0 {
			return out, len(out) == total, nil
		}
	}
	return nil, false, fmt.Errorf("astro: GET %s: more than %d pages", path, maxPages)
}

func tokensPath(org string) string    { return "/organizations/" + url.PathEscape(org) + "/tokens" }
func tokenPath(org, id string) string { return tokensPath(org) + "/" + url.PathEscape(id) }

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
		return hint.Wrap(err, doing, "The log-in is missing, expired or revoked. Log in again with: astro login", docsAPI)
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
