package astrod

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

type role struct {
	ID, Name, Description, Scope string
	Permissions                  []string
	CreatedAt                    time.Time
}

// The built-in roles. Each one has the permissions of the one before it in its group, and more.
var (
	deployRights  = []string{"deployment.get", "deployment.deploys.get", "deployment.deploys.create", "deployment.logs.get"}
	operateRights = []string{"workspace.deployments.create", "deployment.update", "deployment.delete", "deployment.deploys.update", "deployment.envObjects.get", "deployment.envObjects.create"}
	tokenRights   = []string{"deployment.apiTokens.get", "deployment.apiTokens.create", "deployment.apiTokens.update", "deployment.apiTokens.rotate", "deployment.apiTokens.delete"}
)

func builtin() []role {
	accessor := []string{"workspace.get"}
	member := slices.Concat(accessor, []string{"deployment.get", "deployment.deploys.get", "deployment.logs.get"})
	author := slices.Concat(accessor, deployRights)
	operator := slices.Concat(author, operateRights)
	owner := slices.Concat(operator, tokenRights, []string{
		"workspace.settings.update", "workspace.users.get", "workspace.userRoles.update",
		"workspace.apiTokens.get", "workspace.apiTokens.create", "workspace.apiTokens.update", "workspace.apiTokens.rotate", "workspace.apiTokens.delete",
	})
	orgMember := []string{"organization.get"}
	orgBilling := slices.Concat(orgMember, []string{"organization.billing.get", "organization.billing.update"})
	orgOwner := slices.Concat(orgBilling, owner, []string{
		"organization.settings.update", "organization.users.get", "organization.users.create", "organization.userRoles.access", "organization.workspaces.create",
		"organization.customRoles.get", "organization.customRoles.create", "organization.customRoles.update", "organization.customRoles.delete", "organization.allowedIpAddressRanges.get",
		"organization.apiTokens.get", "organization.apiTokens.create", "organization.apiTokens.update", "organization.apiTokens.rotate", "organization.apiTokens.delete",
	})
	return []role{
		{Name: "ORGANIZATION_OWNER", Scope: "ORGANIZATION", Permissions: orgOwner},
		{Name: "ORGANIZATION_BILLING_ADMIN", Scope: "ORGANIZATION", Permissions: orgBilling},
		{Name: "ORGANIZATION_MEMBER", Scope: "ORGANIZATION", Permissions: orgMember},
		{Name: "WORKSPACE_OWNER", Scope: "WORKSPACE", Permissions: owner},
		{Name: "WORKSPACE_OPERATOR", Scope: "WORKSPACE", Permissions: operator},
		{Name: "WORKSPACE_AUTHOR", Scope: "WORKSPACE", Permissions: author},
		{Name: "WORKSPACE_MEMBER", Scope: "WORKSPACE", Permissions: member},
		{Name: "WORKSPACE_ACCESSOR", Scope: "WORKSPACE", Permissions: accessor},
		{Name: "DEPLOYMENT_ADMIN", Scope: "DEPLOYMENT", Permissions: slices.Concat(deployRights, []string{"deployment.update", "deployment.envObjects.get", "deployment.envObjects.create"})},
	}
}

// descriptions are what people read beside a built-in role.
var descriptions = map[string]string{
	"ORGANIZATION_OWNER":         "everything in the Organization",
	"ORGANIZATION_BILLING_ADMIN": "billing and usage",
	"ORGANIZATION_MEMBER":        "see the Organization",
	"WORKSPACE_OWNER":            "everything in the Workspace, users and tokens included",
	"WORKSPACE_OPERATOR":         "create, change and delete Deployments",
	"WORKSPACE_AUTHOR":           "push code to Deployments",
	"WORKSPACE_MEMBER":           "see Deployments and logs",
	"WORKSPACE_ACCESSOR":         "see that the Workspace exists",
	"DEPLOYMENT_ADMIN":           "push code to this Deployment and configure it",
}

// permissionsOf lists what a role allows; ok is false when there is no such role for the scope.
func (s *Server) permissionsOf(name, scope string) (permissions []string, ok bool) {
	for _, r := range slices.Concat(builtin(), s.state.CustomRoles) {
		if r.Name == name && r.Scope == scope {
			return r.Permissions, true
		}
	}
	return nil, false
}

// reach reports whether a grant covers a thing: the thing itself, or what it lies in.
func (s *Server) reach(g grant, org, ws, dep string) bool {
	return g.EntityID != "" && (g.EntityID == org || g.EntityID == ws || g.EntityID == dep)
}

// may reports whether one of the grants gives the permission on a thing.
func (s *Server) may(grants []grant, permission, org, ws, dep string) bool {
	return slices.ContainsFunc(grants, func(g grant) bool {
		permissions, _ := s.permissionsOf(g.Role, g.EntityType)
		return s.reach(g, org, ws, dep) && slices.Contains(permissions, permission)
	})
}

// customRole finds a custom role.
func (s *Server) customRole(r *http.Request) *role {
	for i := range s.state.CustomRoles {
		if s.state.CustomRoles[i].ID == r.PathValue("roleId") {
			return &s.state.CustomRoles[i]
		}
	}
	return nil
}

func (s *Server) getRole(_ *caller, r *http.Request) (any, *refusal) {
	x := s.customRole(r)
	if x == nil {
		return nil, errNotFound
	}
	return s.roleWithPermissions(*x), nil
}

func (s *Server) roleWithPermissions(x role) map[string]any {
	out := s.customRoleBody(x)
	out["permissions"] = x.Permissions
	return out
}

// createRole makes a custom role: for a Deployment, on an Enterprise plan, by someone who may.
func (s *Server) createRole(c *caller, r *http.Request) (any, *refusal) {
	var in struct {
		Name        string   `json:"name"`
		Description string   `json:"description"`
		Scope       string   `json:"scopeType"`
		Permissions []string `json:"permissions"`
		Workspaces  []string `json:"restrictedWorkspaceIds"`
	}
	if no := decode(r, &in); no != nil {
		return nil, no
	}
	org := r.PathValue("organizationId")
	i := slices.IndexFunc(s.state.Organizations, func(o organization) bool { return o.ID == org })
	known := func(p string) bool { return strings.HasPrefix(p, "deployment.") && s.isPermission(p) }
	_, taken := s.permissionsOf(in.Name, in.Scope)
	switch {
	case !s.may(c.grants, "organization.customRoles.create", org, "", ""), !strings.Contains(s.state.Organizations[i].Plan, "ENTERPRISE"):
		return nil, errForbidden
	case in.Name == "" || taken:
		return nil, invalid("name", "name is empty or taken")
	case in.Scope != "DEPLOYMENT":
		return nil, invalid("scopeType", "custom roles are for Deployments")
	case len(in.Permissions) == 0 || slices.ContainsFunc(in.Permissions, func(p string) bool { return !known(p) }):
		return nil, invalid("permissions", "a permission is not known")
	}
	x := role{ID: s.id(), Name: in.Name, Description: in.Description, Scope: in.Scope, Permissions: in.Permissions, CreatedAt: s.now().UTC()}
	s.state.CustomRoles = append(s.state.CustomRoles, x)
	return s.roleWithPermissions(x), nil
}

// isPermission reports whether any built-in role gives it.
func (s *Server) isPermission(p string) bool {
	return slices.ContainsFunc(builtin(), func(r role) bool { return slices.Contains(r.Permissions, p) })
}

// deleteRole deletes a custom role that nobody has.
func (s *Server) deleteRole(c *caller, r *http.Request) (any, *refusal) {
	x := s.customRole(r)
	if x == nil {
		return nil, errNotFound
	}
	name := x.Name
	switch {
	case !s.may(c.grants, "organization.customRoles.delete", r.PathValue("organizationId"), "", ""):
		return nil, errForbidden
	case slices.ContainsFunc(s.state.Tokens, func(t *token) bool {
		return slices.ContainsFunc(t.Roles, func(g grant) bool { return g.Role == name })
	}):
		return nil, invalid("roleId", "the role is in use")
	}
	s.state.CustomRoles = slices.DeleteFunc(s.state.CustomRoles, func(y role) bool { return y.Name == name })
	return nil, nil
}
