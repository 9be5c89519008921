package astrod

import (
	"fmt"
	"net/http"
	"time"
)

// AddToken makes a token as it would stand after some time and returns its id. The name of a creator
// that no user has is somebody who has left. Days is 0 for a token that never expires.
func (s *Server) AddToken(t Token) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addToken(t)
}

func (s *Server) addToken(t Token) string {
	org, _, _ := s.lineage(t.Entity)
	x := &token{
		ID: s.id(), Organization: org, Name: t.Name, Description: t.Description, Scope: t.Scope, Kind: "STANDARD",
		Roles: []grant{{t.Scope, t.Entity, t.Role}}, Days: t.Days, CreatedAt: second(t.CreatedAt), LastUsedAt: second(t.LastUsedAt),
		CreatedBy: s.id(), Creator: t.CreatedBy,
	}
	for _, u := range s.state.Users {
		if u.Username == t.CreatedBy {
			x.CreatedBy = u.ID
		}
	}
	x.StartAt, x.UpdatedAt = x.CreatedAt, x.CreatedAt
	if x.Days > 0 {
		x.EndAt = x.CreatedAt.AddDate(0, 0, x.Days)
	}
	s.state.Tokens = append(s.state.Tokens, x)
	return x.ID
}

func second(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

// Fill makes tokens as an Organization has them that nobody looks after: some that never expire, that
// nobody uses, whose creator has left.
func (s *Server) Fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	ago := func(days int) time.Time { return now.AddDate(0, 0, -days).Add(-time.Hour) }
	org, ids := s.state.Organizations[0].ID, map[string]string{}
	for _, w := range s.state.Workspaces {
		ids[w.Name] = w.ID
	}
	for _, d := range s.state.Deployments {
		ids[d.Name] = d.ID
	}
	const ada, left = "ada@acme.example", "grace@acme.example"
	for _, t := range []Token{
		{Name: "Terraform", Description: "Made for the first roll-out", Scope: "ORGANIZATION", Role: "ORGANIZATION_OWNER", Entity: org, CreatedAt: ago(420), LastUsedAt: ago(2), CreatedBy: left},
		{Name: "Jenkins ml-prod", Scope: "DEPLOYMENT", Role: "DEPLOYMENT_ADMIN", Entity: ids["ml-prod"], Days: 90, CreatedAt: ago(82), LastUsedAt: ago(0), CreatedBy: ada},
		{Name: "Nightly export", Scope: "WORKSPACE", Role: "WORKSPACE_AUTHOR", Entity: ids["Machine Learning"], Days: 30, CreatedAt: ago(200), LastUsedAt: ago(172), CreatedBy: ada},
		{Name: "Old notebook", Scope: "WORKSPACE", Role: "WORKSPACE_MEMBER", Entity: ids["Machine Learning"], Days: 730, CreatedAt: ago(300), LastUsedAt: ago(150), CreatedBy: ada},
		{Name: "Cost report", Scope: "ORGANIZATION", Role: "ORGANIZATION_BILLING_ADMIN", Entity: org, Days: 365, CreatedAt: ago(30), LastUsedAt: ago(1), CreatedBy: ada},
		{Name: "Cost report (copy)", Scope: "ORGANIZATION", Role: "ORGANIZATION_BILLING_ADMIN", Entity: org, Days: 365, CreatedAt: ago(40), CreatedBy: ada},
	} {
		s.addToken(t)
	}
}

// listUsers lists the users of the Organization, for those who may.
func (s *Server) listUsers(c *caller, r *http.Request) (any, *refusal) {
	org := r.PathValue("organizationId")
	if !s.may(c.grants, "organization.users.get", org, "", "") {
		return nil, errForbidden
	}
	var mine []user
	for _, u := range s.state.Users {
		if s.member(u.Roles, org) {
			mine = append(mine, u)
		}
	}
	return list(r, "users", mine, func(u user) any {
		return map[string]any{
			"id": u.ID, "username": u.Username, "fullName": u.FullName, "avatarUrl": "", "status": "ACTIVE", "createdAt": stamp, "updatedAt": stamp,
		}
	}, 1000, func(u user, f string) string {
		switch f {
		case "id":
			return u.ID
		case "username":
			return u.Username
		case "fullName":
			return u.FullName
		case "createdAt", "updatedAt":
			return ""
		}
		return "\x00"
	})
}

// subject is who made a token.
func (s *Server) subject(t *token) map[string]any {
	for _, u := range s.state.Users {
		if u.ID == t.CreatedBy {
			return map[string]any{"id": u.ID, "subjectType": "USER", "username": u.Username, "fullName": u.FullName}
		}
	}
	if by := s.token(t.CreatedBy); by != nil {
		return map[string]any{"id": by.ID, "subjectType": "SERVICEKEY", "apiTokenName": by.Name}
	}
	if t.Creator != "" {
		return map[string]any{"id": t.CreatedBy, "subjectType": "USER", "username": t.Creator, "fullName": fmt.Sprintf("Former user %s", t.Creator)}
	}
	return map[string]any{"id": t.CreatedBy}
}
