package astro

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/parallel"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// CheckCreate asks whether the caller may create the token of p, without creating one: the role
// must exist for the scope, and the caller's own roles must give the right to create tokens and
// everything that the new token may do. Where Astro does not tell the caller's permissions, the
// note says so and the create itself decides.
func (c *Client) CheckCreate(ctx context.Context, p setup.Plan) (string, error) {
	const decides = "Astro decides when the token is created"
	var roles []Role
	var held []TokenRole
	var known bool
	var err, unknown error
	_ = parallel.Do(
		func() error { roles, err = c.Roles(ctx, p.Organization.ID); return nil },
		func() error { held, known, unknown = c.held(ctx); return nil },
	)
	if httpx.Status(err) == http.StatusForbidden {
		return "Astro does not show you the roles: " + decides, nil
	}
	if err != nil {
		return "", err
	}
	scope := p.Credential.Kind.Scope()
	i := slices.IndexFunc(roles, func(r Role) bool { return r.Name == p.Credential.Role && r.ScopeType == scope })
	if i < 0 && len(p.NewRole) == 0 {
		return "", hint.New(fmt.Sprintf("astro: there is no role %q for a %s", p.Credential.Role, p.Credential.Kind),
			"Choose one of: "+strings.Join(names(roles, scope), ", ")+".", docsToken)
	}
	wanted := p.NewRole
	if i >= 0 {
		wanted = roles[i].Permissions
	}
	if unknown != nil {
		return "", unknown
	}
	if !known {
		return "logged in with an API token: " + decides, nil
	}
	mine := RightsOf(roles, held...)
	places := []string{p.Organization.ID, p.Workspace.ID, p.Deployment.ID}
	if len(p.NewRole) > 0 && i < 0 && !mine.MayCreateRoles(p.Organization.ID) {
		return "", hint.New("astro: your roles do not allow you to create a custom role", "Choose a role that exists, or ask an Organization Owner to create one.", docsRoles)
	}
	needed := strings.ToLower(scope) + ".apiTokens.create"
	if !slices.ContainsFunc(roles, func(r Role) bool { return slices.Contains(r.Permissions, needed) }) {
		return decides, nil // this Astro has other names for it
	}
	// Owners may by documentation, whatever the lists spell out.
	owner := mine.holds("ORGANIZATION_OWNER", places...) || p.Credential.Kind != setup.OrganizationToken && mine.holds("WORKSPACE_OWNER", places...)
	by := mine.May(needed, places...)
	switch {
	case owner && by == "":
		return "as an Owner you may", nil
	case by == "":
		return "", hint.New(fmt.Sprintf("astro: none of your roles may create a %s for %s", p.Credential.Kind, p.Entity()),
			"Ask a Workspace Owner or Organization Owner to run this set-up, or to give you the role.", docsToken)
	}
	var more []string
	for _, permission := range wanted {
		if mine.May(permission, places...) == "" {
			more = append(more, permission)
		}
	}
	if len(more) > 0 {
		return "", hint.New(fmt.Sprintf("astro: role %s may do more than you: %s", p.Credential.Role, few(more)),
			"Astro never gives a token more rights than its maker has. Choose a smaller role, or ask an Owner to run this set-up.", docsToken)
	}
	return "your role " + by + " allows it", nil
}

// MayCreateRoles reports whether the caller may make custom roles in an Organization.
func (r Rights) MayCreateRoles(org string) bool {
	return r.holds("ORGANIZATION_OWNER", org) || r.May("organization.customRoles.create", org) != ""
}

func names(roles []Role, scope string) (out []string) {
	for _, r := range roles {
		if r.ScopeType == scope {
			out = append(out, r.Name)
		}
	}
	return out
}

// Prove shows with Astro's own answers that the new token is what was asked for: it is accepted,
// its record has the scope, role and end that were asked for, and something outside of its scope
// is refused to it. t is the record that came with the value.
func (c *Client) Prove(ctx context.Context, s setup.Setup, t Token, v *secret.Value) (string, error) {
	with := c.As(v)
	path, what := reach(s)
	var beyond, closed string
	var unused, unread, unknown error
	_ = parallel.Do(
		func() error { unused = with.get(ctx, path); return nil },
		func() error {
			record, err := c.Token(ctx, s.Organization.ID, t.ID)
			if unread = err; err == nil {
				t = record
			}
			return nil
		},
		func() error { beyond, closed, unknown = c.outside(ctx, s); return nil },
	)
	if unused != nil {
		return "", unproved(unused, "use the new token")
	}
	if unread != nil && !httpx.Refused(unread) { // a caller that may create but not read has the first record only
		return "", unread
	}
	if faults := append(differences(s, t), contradictions(t, v)...); len(faults) > 0 {
		return "", hint.New("astro: the token is not what was asked for: "+strings.Join(faults, "; "), "Take it back; nothing uses it yet.", docsToken)
	}
	if unknown != nil {
		return "", unknown
	}
	if beyond == "" {
		return "it can read " + what + ", and nothing in the Organization is closed to it", nil
	}
	// Only now: as long as the token is not accepted everywhere, a refusal says nothing.
	err := with.get(ctx, beyond)
	switch httpx.Status(err) {
	case http.StatusForbidden, http.StatusNotFound:
		return "it can read " + what + ", and " + closed + " is closed to it", nil
	}
	if err != nil {
		return "", unproved(err, "ask with the new token for what it must not see")
	}
	return "", hint.New("astro: the new token can read "+closed+", which is outside of what was asked for", "Take it back, and choose a smaller role.", docsToken)
}

func (c *Client) get(ctx context.Context, path string) error {
	_, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path})
	return err
}

// reach is the path and the name of what a credential is for.
func reach(s setup.Setup) (path, what string) {
	path = orgPath(s.Organization.ID)
	switch s.Credential.Kind {
	case setup.DeploymentToken, setup.DeploymentKey:
		return path + "/deployments/" + url.PathEscape(s.Deployment.ID), "Deployment " + s.Deployment.String()
	case setup.WorkspaceToken:
		return path + "/workspaces/" + url.PathEscape(s.Workspace.ID), "Workspace " + s.Workspace.String()
	case setup.OrganizationToken:
	}
	return path, "Organization " + s.Organization.String()
}

// outside is the path and the name of something that a credential must not see: another Workspace, or, where the
// caller knows no other, the Organization's IP access list. The path is "" where nothing is closed to it.
func (c *Client) outside(ctx context.Context, s setup.Setup) (path, what string, err error) {
	if s.Credential.Role == "ORGANIZATION_OWNER" {
		return "", "", nil
	}
	path, what = orgPath(s.Organization.ID)+"/allowed-ip-address-ranges", "the Organization's IP access list"
	if s.Credential.Kind == setup.OrganizationToken {
		return path, what, nil
	}
	page, err := c.Workspaces(ctx, s.Organization.ID)
	for _, w := range page.Items {
		if w.ID != s.Workspace.ID {
			return orgPath(s.Organization.ID) + "/workspaces/" + url.PathEscape(w.ID), "Workspace " + w.Name.String(), err
		}
	}
	return path, what, err
}

// unproved tells the reasons apart for which a new token was not accepted.
func unproved(err error, doing string) error {
	next := "The network failed, not the token. Try again."
	switch s := httpx.Status(err); {
	case s == http.StatusUnauthorized:
		next = "Astro made the token but does not accept it yet. Try again in a moment, or take it back."
	case s == http.StatusForbidden, s == http.StatusNotFound:
		next = "Astro accepts the token, but its role does not reach this. Take it back and choose another role."
	case s == http.StatusTooManyRequests:
		next = "Astro asks for fewer requests; this says nothing about the token. Try again in a minute."
	case s >= http.StatusInternalServerError:
		next = "Astro has trouble answering; this says nothing about the token. Try again."
	}
	return hint.Wrap(err, doing, next, docsAPI)
}

// differences lists where Astro's record of a token differs from what was asked.
func differences(s setup.Setup, t Token) (out []string) {
	if want := s.Credential.Kind.Scope(); t.Scope != want {
		out = append(out, fmt.Sprintf("scope %s instead of %s", t.Scope, want))
	}
	if len(t.Roles) > 1 || len(t.Roles) == 1 && (t.Roles[0].Role != s.Credential.Role || t.Roles[0].EntityID != s.Entity().ID) {
		out = append(out, "other roles than "+s.Credential.Role+" on "+s.Entity().String())
	}
	if t.Days != s.Credential.ExpiresInDays {
		out = append(out, fmt.Sprintf("a life of %d days instead of %d", t.Days, s.Credential.ExpiresInDays))
	}
	// The API takes whole days, and answers with a time.
	switch want := t.StartAt.AddDate(0, 0, s.Credential.ExpiresInDays); {
	case t.EndAt.IsZero():
		out = append(out, "it never expires")
	case t.EndAt.Sub(want).Abs() > 24*time.Hour:
		out = append(out, fmt.Sprintf("it ends on %s instead of %s", display.Day(t.EndAt), display.Day(want)))
	}
	return out
}

// Claims is what a token says about itself. It is read without checking the signature, so it may
// only be compared with what Astro says, never be believed.
type Claims struct {
	TokenID string `json:"apiTokenId"`
	End     int64  `json:"exp"` // seconds since 1970; 0: never
}

// ReadClaims reads what a token says about itself.
func ReadClaims(v *secret.Value) (c Claims, err error) {
	err = v.Use(func(b []byte) error {
		parts := strings.Split(string(b), ".")
		if len(parts) != 3 {
			return errors.New("it does not have the form of a token")
		}
		raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
		if err != nil || json.Unmarshal(raw, &c) != nil {
			return errors.New("it does not have the form of a token")
		}
		return nil
	})
	return c, err
}

// contradictions lists where the token's own words differ from Astro's record: the astro CLI
// believes those words.
func contradictions(t Token, v *secret.Value) (out []string) {
	c, err := ReadClaims(v)
	if err != nil {
		return []string{err.Error()}
	}
	if c.TokenID != "" && c.TokenID != t.ID {
		out = append(out, "its value belongs to another token")
	}
	if c.End != 0 && time.Unix(c.End, 0).Sub(t.EndAt).Abs() > skew {
		out = append(out, "its value says that it ends on "+display.Day(time.Unix(c.End, 0)))
	}
	return out
}
