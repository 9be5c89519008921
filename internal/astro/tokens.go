package astro

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
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

// Used is when a token was last used by something that needs it: not counted is the use by which astro-ci proves
// a token of its own right after it was made. Zero: never.
func (t Token) Used() time.Time {
	const proof = 15 * time.Second
	if setup.ParseMark(t.Description.String()).Setup != "" && t.LastUsedAt.Sub(t.CreatedAt) < proof {
		return time.Time{}
	}
	return t.LastUsedAt
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
//
// Who may not list those of the Organization gets those of the Workspaces and Deployments that they may list,
// and the refusal only where there is none.
func (c *Client) Tokens(ctx context.Context, org, workspace, deployment string) ([]Token, error) {
	q := url.Values{}
	if deployment != "" {
		q.Set("deploymentId", deployment)
	} else if workspace != "" {
		q.Set("workspaceId", workspace)
	}
	all, err := c.tokens(ctx, org, q)
	if workspace == "" && deployment == "" && httpx.Status(err) == http.StatusForbidden {
		return c.tokensBelow(ctx, org, err)
	}
	return all, err
}

func (c *Client) tokens(ctx context.Context, org string, q url.Values) ([]Token, error) {
	q.Set("sorts", "createdAt:asc")
	return whole(ctx, c, tokensPath(org), "tokens", q, func(t Token) string { return t.ID })
}

// tokensBelow lists the tokens of an Organization place by place. The list of a Workspace is of those that have a
// role there; that those of its Deployments are among them is nowhere promised.
func (c *Client) tokensBelow(ctx context.Context, org string, refused error) (out []Token, err error) {
	page, err := c.Workspaces(ctx, org)
	workspaces, err := rest(ctx, page, err)
	if err != nil {
		return nil, err
	}
	may := false
	add := func(workspace, deployment string) error {
		all, err := c.Tokens(ctx, org, workspace, deployment)
		if httpx.Status(err) == http.StatusForbidden || httpx.Status(err) == http.StatusNotFound {
			return nil
		}
		may = may || err == nil
		out = append(out, all...)
		return err
	}
	for _, ws := range workspaces {
		if err := add(ws.ID, ""); err != nil {
			return nil, err
		}
		page, err := c.Deployments(ctx, org, ws.ID)
		deployments, err := rest(ctx, page, err)
		if err != nil && !httpx.Refused(err) {
			return nil, err
		}
		for _, d := range deployments {
			if err := add("", d.ID); err != nil {
				return nil, err
			}
		}
	}
	if !may {
		return nil, refused
	}
	slices.SortStableFunc(out, func(a, b Token) int { return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), strings.Compare(a.ID, b.ID)) })
	return slices.CompactFunc(out, func(a, b Token) bool { return a.ID == b.ID }), nil
}

// rest are all items of a list of which the first page was read.
func rest[T any](ctx context.Context, page Page[T], err error) ([]T, error) {
	if err != nil {
		return nil, err
	}
	return page.All(ctx)
}

// TokensAt lists the tokens for the place of a setup, oldest first: those of its Deployment or its Workspace,
// or only those of the Organization itself. Who may make a token for a place may list those of the place.
func (c *Client) TokensAt(ctx context.Context, s setup.Setup) ([]Token, error) {
	q := url.Values{}
	switch s.Credential.Kind {
	case setup.DeploymentToken:
		q.Set("deploymentId", s.Deployment.ID)
	case setup.WorkspaceToken:
		q.Set("workspaceId", s.Workspace.ID)
	case setup.OrganizationToken, setup.DeploymentKey:
		q.Set("includeOnlyOrganizationTokens", "true")
	}
	return c.tokens(ctx, s.Organization.ID, q)
}

// Token reads one token's record.
func (c *Client) Token(ctx context.Context, org, id string) (t Token, err error) {
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: tokenPath(org, id), Out: &t})
	return t, explain(err, "read token "+id)
}

// FindTokens lists the tokens of a setup whose description is exactly marker.
func (c *Client) FindTokens(ctx context.Context, s setup.Setup, marker string) ([]Token, error) {
	found, err := c.TokensAt(ctx, s)
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

// DescribeToken changes the description of a token of a setup, and nothing else of it. One that somebody
// gave another description is left as it is.
func (c *Client) DescribeToken(ctx context.Context, org, id, description string) error {
	t, err := c.Token(ctx, org, id)
	if err != nil {
		return err
	}
	switch was, is := setup.ParseMark(t.Description.String()), setup.ParseMark(description); {
	case t.Description.String() == description:
		return nil
	case was.Setup != is.Setup || was.Operation != is.Operation:
		return hint.New("the description of the token "+id+" is not the one that astro-ci gave it", "It is left as it is; a run without this journal will not know that every target holds the token.", "")
	}
	body := map[string]string{"name": t.Name.String(), "description": description}
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodPost, Path: tokenPath(org, id), Body: body, Repeatable: true})
	return explain(err, "describe token "+id)
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
