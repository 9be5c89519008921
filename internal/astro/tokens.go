package astro

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Token is an API token as Astro describes it; never its value.
type Token struct {
	ID            string       `json:"id"`
	Name          display.Text `json:"name"`
	Description   display.Text `json:"description"`
	Scope         string       `json:"scope"`
	Kind          string       `json:"kind"`
	ShortToken    display.Text `json:"shortToken"`
	Roles         []TokenRole  `json:"roles"`
	Days          int          `json:"expiryPeriodInDays"` // 0: never expires
	StartAt       time.Time    `json:"startAt"`
	EndAt         time.Time    `json:"endAt"` // zero: never expires
	LastUsedAt    time.Time    `json:"lastUsedAt"`
	LastRotatedAt time.Time    `json:"lastRotatedAt"`
	CreatedAt     time.Time    `json:"createdAt"`
	CreatedBy     Subject      `json:"createdBy"`
}

// TokenRole is one role of a token on one thing.
type TokenRole struct {
	EntityType string `json:"entityType"` // ORGANIZATION, WORKSPACE, DEPLOYMENT, DAG, DAG_TAG
	EntityID   string `json:"entityId"`
	Role       string `json:"role"`
}

// Subject is who made something: a person, or another token.
type Subject struct {
	ID       string       `json:"id"`
	Type     string       `json:"subjectType"` // USER, SERVICEKEY; "" when Astro does not say
	Username display.Text `json:"username"`
	Token    display.Text `json:"apiTokenName"`
}

// String names the subject.
func (s Subject) String() string {
	switch {
	case !s.Username.IsZero():
		return s.Username.String()
	case !s.Token.IsZero():
		return "token " + s.Token.String()
	}
	return s.ID
}

// Expired reports whether the token's life is over.
func (t Token) Expired(now time.Time) bool { return !t.EndAt.IsZero() && !now.Before(t.EndAt) }

// On is the role that the token has where it was made for: the one of its own scope.
func (t Token) On() TokenRole {
	for _, r := range t.Roles {
		if r.EntityType == t.Scope {
			return r
		}
	}
	return TokenRole{EntityType: t.Scope}
}

// Tokens lists the API tokens of an Organization that the log-in sees, oldest first. A Workspace or a
// Deployment narrows the list to those that have a role there. No token that was there all the time is
// missing, whatever is made and deleted meanwhile.
func (c *Client) Tokens(ctx context.Context, org, workspace, deployment string) ([]Token, error) {
	q := url.Values{"sorts": {"createdAt:asc"}}
	if deployment != "" {
		q.Set("deploymentId", deployment)
	} else if workspace != "" {
		q.Set("workspaceId", workspace)
	}
	return whole(ctx, c, tokensPath(org), "tokens", q, func(t Token) string { return t.ID })
}

// Token reads one token's record.
func (c *Client) Token(ctx context.Context, org, id string) (t Token, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: tokenPath(org, id), Out: &t})
	return t, explain(err, "read token "+id)
}

// FindTokens lists the tokens whose description is exactly marker.
func (c *Client) FindTokens(ctx context.Context, org, marker string) ([]Token, error) {
	found, err := c.Tokens(ctx, org, "", "")
	if err != nil {
		return nil, err
	}
	var out []Token
	for _, t := range found {
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

func tokensPath(org string) string    { return orgPath(org) + "/tokens" }
func tokenPath(org, id string) string { return tokensPath(org) + "/" + url.PathEscape(id) }
