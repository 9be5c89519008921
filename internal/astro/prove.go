package astro

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// CheckCreate asks whether the caller may create the token of s, without creating one: the role
// must exist for the scope, and the caller's own roles must hold the permission. Where the API does
// not tell the caller's permissions, the note says so and the create itself decides.
func (c *Client) CheckCreate(ctx context.Context, s setup.Setup) (note string, err error) {
	roles, err := c.Roles(ctx, s.Organization.ID)
	if err != nil {
		return "", err
	}
	scope := s.Credential.Kind.Scope()
	if !slices.ContainsFunc(roles, func(r Role) bool { return r.Name == s.Credential.Role && r.ScopeType == scope }) {
		return "", hint.New(fmt.Sprintf("astro: there is no role %q for a %s", s.Credential.Role, s.Credential.Kind),
			"Choose one of: "+strings.Join(names(roles, scope), ", ")+".", docsToken)
	}
	me, err := c.Self(ctx)
	if err != nil {
		if st := httpx.Status(err); st == http.StatusForbidden || st == http.StatusNotFound {
			return "logged in with an API token: Astro decides when the token is created", nil
		}
		return "", err
	}
	needed := strings.ToLower(scope) + ".apiTokens.create"
	known := false
	for _, r := range roles {
		known = known || slices.Contains(r.Permissions, needed)
	}
	if !known {
		return "Astro decides when the token is created", nil
	}
	for _, mine := range me.Roles {
		covers := mine.Scope.EntityID == s.Organization.ID || mine.Scope.EntityID == s.Workspace.ID || mine.Scope.EntityID == s.Deployment.ID
		if !covers {
			continue
		}
		// Owners may by documentation, whatever the lists spell out.
		owner := mine.Role == "ORGANIZATION_OWNER" || mine.Role == "WORKSPACE_OWNER" && s.Credential.Kind != setup.OrganizationToken
		if owner || slices.ContainsFunc(roles, func(r Role) bool { return r.Name == mine.Role && slices.Contains(r.Permissions, needed) }) {
			return "your role " + mine.Role + " allows it", nil
		}
	}
	return "", hint.New(fmt.Sprintf("astro: none of your roles may create a %s for %s", s.Credential.Kind, s.Entity()),
		"Ask a Workspace Owner or Organization Owner to run this set-up, or to give you the role.", docsToken)
}

func names(roles []Role, scope string) (out []string) {
	for _, r := range roles {
		if r.ScopeType == scope {
			out = append(out, r.Name)
		}
	}
	return out
}

// Prove calls Astro with the new token itself, and compares what Astro recorded with what was
// asked: scope, role and end.
func (c *Client) Prove(ctx context.Context, s setup.Setup, t Token, v *secret.Value) (string, error) {
	path := "/organizations/" + url.PathEscape(s.Organization.ID)
	what := "Organization " + s.Organization.String()
	switch s.Credential.Kind {
	case setup.DeploymentToken:
		path += "/deployments/" + url.PathEscape(s.Deployment.ID)
		what = "Deployment " + s.Deployment.String()
	case setup.WorkspaceToken:
		path += "/workspaces/" + url.PathEscape(s.Workspace.ID)
		what = "Workspace " + s.Workspace.String()
	case setup.OrganizationToken:
	}
	var got struct {
		ID string `json:"id"`
	}
	_, err := c.As(v).http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Out: &got})
	if err != nil {
		return "", hint.Wrap(err, "use the new token", "Astro made the token but does not accept it yet. Try again, or take it back.", docsAPI)
	}
	if faults := differences(s, t); len(faults) > 0 {
		return "", hint.New("astro: the token is not what was asked for: "+strings.Join(faults, "; "), "Take it back; nothing uses it yet.", docsToken)
	}
	return "it can read " + what, nil
}

// differences lists where the token differs from what was asked.
func differences(s setup.Setup, t Token) (out []string) {
	if want := s.Credential.Kind.Scope(); t.Scope != want {
		out = append(out, fmt.Sprintf("scope %s instead of %s", t.Scope, want))
	}
	if len(t.Roles) > 0 && !slices.ContainsFunc(t.Roles, func(r TokenRole) bool {
		return r.Role == s.Credential.Role && r.EntityID == s.Entity().ID
	}) {
		out = append(out, "another role than "+s.Credential.Role)
	}
	switch want := t.StartAt.AddDate(0, 0, s.Credential.ExpiresInDays); {
	case t.EndAt.IsZero():
		out = append(out, "it never expires")
	case t.EndAt.Sub(want).Abs() > skew+25*time.Hour: // a day may have 23 to 25 hours
		out = append(out, fmt.Sprintf("it ends on %s instead of %s", t.EndAt.Format(time.DateOnly), want.Format(time.DateOnly)))
	}
	return out
}
