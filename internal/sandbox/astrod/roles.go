package astrod

import (
	"slices"
	"time"
)

type role struct {
	ID, Name, Scope string
	Permissions     []string
	CreatedAt       time.Time
}

// The built-in roles. Each one has the permissions of the one before it in its group, and more.
var (
	deployRights  = []string{"deployment.get", "deployment.deploys.get", "deployment.deploys.create", "deployment.logs.get"}
	operateRights = []string{"deployment.create", "deployment.update", "deployment.delete", "deployment.deploys.update", "deployment.envObjects.get", "deployment.envObjects.create"}
	tokenRights   = []string{"deployment.apiTokens.get", "deployment.apiTokens.create", "deployment.apiTokens.update", "deployment.apiTokens.rotate", "deployment.apiTokens.delete"}
)

func builtin() []role {
	accessor := []string{"workspace.get"}
	member := slices.Concat(accessor, []string{"deployment.get", "deployment.deploys.get", "deployment.logs.get"})
	author := slices.Concat(accessor, deployRights)
	operator := slices.Concat(author, operateRights)
	owner := slices.Concat(operator, tokenRights, []string{
		"workspace.update", "workspace.users.get", "workspace.users.update",
		"workspace.apiTokens.get", "workspace.apiTokens.create", "workspace.apiTokens.update", "workspace.apiTokens.rotate", "workspace.apiTokens.delete",
	})
	orgMember := []string{"organization.get"}
	orgBilling := slices.Concat(orgMember, []string{"organization.billing.get", "organization.billing.update"})
	orgOwner := slices.Concat(orgBilling, owner, []string{
		"organization.update", "organization.users.get", "organization.users.update", "organization.workspaces.create", "organization.allowedIpAddressRanges.get",
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
