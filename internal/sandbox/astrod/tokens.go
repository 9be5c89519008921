package astrod

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

func (s *Server) createToken(c *caller, r *http.Request) (any, *refusal) {
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Role        string `json:"role"`
		Scope       string `json:"scope"`
		EntityID    string `json:"entityId"`
		Kind        string `json:"kind"`
		Days        *int   `json:"tokenExpiryPeriodInDays"`
	}
	if no := decode(r, &in); no != nil {
		return nil, no
	}
	org := r.PathValue("organizationId")
	switch {
	case in.Name == "" || utf8.RuneCountInString(in.Name) > 256:
		return nil, invalid("name", "name must have 1 to 256 characters")
	case utf8.RuneCountInString(in.Description) > 500:
		return nil, invalid("description", "description must have at most 500 characters")
	case !slices.Contains([]string{"ORGANIZATION", "WORKSPACE", "DEPLOYMENT"}, in.Scope):
		return nil, invalid("scope", "scope is not known")
	case in.Scope != "ORGANIZATION" && in.EntityID == "":
		return nil, invalid("entityId", "entityId is required for this scope")
	case in.Days != nil && (*in.Days < 1 || *in.Days > 3650):
		return nil, invalid("tokenExpiryPeriodInDays", "tokenExpiryPeriodInDays must be 1 to 3650")
	case in.Kind != "" && in.Kind != "STANDARD" && in.Kind != "DIRECT_ACCESS":
		return nil, invalid("kind", "kind is not known")
	}
	if in.Scope == "ORGANIZATION" {
		in.EntityID = org
	}
	of, ws, dep := s.lineage(in.EntityID)
	level := map[bool]string{dep != "": "DEPLOYMENT", dep == "" && ws != "": "WORKSPACE", dep == "" && ws == "" && of != "": "ORGANIZATION"}[true]
	if of != org || level != in.Scope {
		return nil, errNotFound
	}
	permissions, ok := s.permissionsOf(in.Role, in.Scope)
	switch {
	case !ok:
		return nil, invalid("role", "there is no such role for this scope")
	case !s.may(c.grants, strings.ToLower(in.Scope)+".apiTokens.create", org, ws, dep):
		return nil, errForbidden
	}
	for _, p := range permissions {
		if !s.may(c.grants, p, org, ws, dep) {
			return nil, refuse(http.StatusForbidden, "You cannot create a token with more permissions than your own")
		}
	}
	now := s.now().UTC().Truncate(time.Second)
	t := &token{
		ID: s.id(), Organization: org, Name: in.Name, Description: in.Description, Scope: in.Scope, Kind: "STANDARD",
		Roles: []grant{{in.Scope, in.EntityID, in.Role}}, CreatedAt: now, StartAt: now, UpdatedAt: now, CreatedBy: c.id(),
	}
	if in.Kind != "" {
		t.Kind = in.Kind
	}
	if in.Days != nil {
		t.Days, t.EndAt = *in.Days, now.AddDate(0, 0, *in.Days)
	}
	s.state.Tokens = append(s.state.Tokens, t)
	return s.tokenBody(t, true), nil
}

// scopeOf is the permission prefix and the place of a token.
func (s *Server) scopeOf(t *token) (prefix, org, ws, dep string) {
	org, ws, dep = s.lineage(t.Roles[0].EntityID)
	return strings.ToLower(t.Scope) + ".apiTokens.", org, ws, dep
}

// ownToken finds a token that the caller may use in this way.
func (s *Server) ownToken(c *caller, r *http.Request, verb string) (*token, *refusal) {
	t := s.token(r.PathValue("tokenId"))
	if t == nil || t.Organization != r.PathValue("organizationId") {
		return nil, errNotFound
	}
	prefix, org, ws, dep := s.scopeOf(t)
	switch {
	case !s.may(c.grants, prefix+"get", org, ws, dep):
		return nil, errNotFound
	case !s.may(c.grants, prefix+verb, org, ws, dep):
		return nil, errForbidden
	}
	return t, nil
}

// mayList reports whether a caller may list the tokens of a place: of a Deployment, of a Workspace, or of the
// whole Organization, whose right nobody has who is only of a part of it.
func (s *Server) mayList(c *caller, org string, q url.Values) bool {
	switch {
	case q.Get("deploymentId") != "":
		_, ws, dep := s.lineage(q.Get("deploymentId"))
		return s.may(c.grants, "deployment.apiTokens.get", org, ws, dep)
	case q.Get("workspaceId") != "":
		return s.may(c.grants, "workspace.apiTokens.get", org, q.Get("workspaceId"), "")
	}
	return s.may(c.grants, "organization.apiTokens.get", org, "", "")
}

func (s *Server) listTokens(c *caller, r *http.Request) (any, *refusal) {
	q := r.URL.Query()
	if !s.mayList(c, r.PathValue("organizationId"), q) {
		return nil, errForbidden
	}
	var mine []*token
	type place struct {
		ws, dep string
		visible bool
	}
	places := map[grant]place{} // many tokens are for the same thing
	for _, t := range s.state.Tokens {
		of := grant{EntityType: t.Scope, EntityID: t.Roles[0].EntityID}
		at, known := places[of]
		if !known {
			prefix, org, ws, dep := s.scopeOf(t)
			at = place{ws, dep, s.may(c.grants, prefix+"get", org, ws, dep)}
			places[of] = at
		}
		if at.visible && (q.Get("workspaceId") == "" || q.Get("workspaceId") == at.ws) &&
			(q.Get("deploymentId") == "" || q.Get("deploymentId") == at.dep) && (q.Get("includeOnlyOrganizationTokens") != "true" || t.Scope == "ORGANIZATION") && wanted(q, "kind", t.Kind) {
			mine = append(mine, t)
		}
	}
	return list(r, "tokens", mine, func(t *token) any { return s.tokenBody(t, false) }, 1000, func(t *token, f string) string {
		switch f {
		case "name":
			return t.Name
		case "description":
			return t.Description
		case "createdAt":
			return at(t.CreatedAt)
		case "updatedAt":
			return at(t.UpdatedAt)
		case "tokenStartAt":
			return at(t.StartAt)
		}
		return "\x00"
	})
}

func (s *Server) getToken(c *caller, r *http.Request) (any, *refusal) {
	t, no := s.ownToken(c, r, "get")
	if no != nil {
		return nil, no
	}
	return s.tokenBody(t, false), nil
}

func (s *Server) updateToken(c *caller, r *http.Request) (any, *refusal) {
	t, no := s.ownToken(c, r, "update")
	if no != nil {
		return nil, no
	}
	var in struct {
		Name        string `json:"name"`
		Description string `json:"description"`
	}
	if no := decode(r, &in); no != nil {
		return nil, no
	}
	if in.Name == "" || utf8.RuneCountInString(in.Name) > 256 || utf8.RuneCountInString(in.Description) > 500 {
		return nil, invalid("name", "name must have 1 to 256 characters, description at most 500")
	}
	t.Name, t.Description, t.UpdatedAt = in.Name, in.Description, s.now().UTC().Truncate(time.Second)
	return s.tokenBody(t, false), nil
}

// rotateToken gives the token a new value; the old one is dead from now on.
func (s *Server) rotateToken(c *caller, r *http.Request) (any, *refusal) {
	t, no := s.ownToken(c, r, "rotate")
	if no != nil {
		return nil, no
	}
	now := s.now().UTC().Truncate(time.Second)
	t.Revision++
	t.LastRotatedAt, t.UpdatedAt = now, now
	return s.tokenBody(t, true), nil
}

func (s *Server) deleteToken(c *caller, r *http.Request) (any, *refusal) {
	t, no := s.ownToken(c, r, "delete")
	if no != nil {
		return nil, no
	}
	s.state.Tokens = slices.DeleteFunc(s.state.Tokens, func(x *token) bool { return x == t })
	return nil, nil
}
