package astro_test

import (
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// The runs that replace a token get the least that Astro has for it.
func TestRotator(t *testing.T) {
	t.Parallel()
	roles := []astro.Role{
		{Name: "DEPLOYMENT_ADMIN", ScopeType: "DEPLOYMENT", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.update"}},
		{Name: "WORKSPACE_OPERATOR", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.update"}},
		{Name: "WORKSPACE_OWNER", ScopeType: "WORKSPACE", Permissions: []string{
			"deployment.get", "deployment.deploys.create", "deployment.update", "deployment.apiTokens.get", "deployment.apiTokens.create", "deployment.apiTokens.delete",
			"workspace.apiTokens.get", "workspace.apiTokens.create", "workspace.apiTokens.delete",
		}},
		{Name: "ORGANIZATION_OWNER", ScopeType: "ORGANIZATION", Permissions: []string{"everything"}},
	}
	exact := []string{"deployment.get", "deployment.deploys.create", "deployment.apiTokens.get", "deployment.apiTokens.create", "deployment.apiTokens.delete"}
	mine := append(slices.Clone(roles), astro.Role{Name: "Our rotation", ScopeType: "DEPLOYMENT", Custom: true, Permissions: append(slices.Clone(exact), "deployment.update")})
	plan := func(kind setup.Kind, role string, made ...string) setup.Plan {
		return setup.Plan{Setup: setup.Setup{Credential: setup.Credential{Kind: kind, Role: role, ExpiresInDays: 30}}, NewRole: made}
	}
	for what, tc := range map[string]struct {
		plan   setup.Plan
		roles  []astro.Role
		custom bool
		kind   setup.Kind
		role   string
		made   []string
	}{
		"without custom roles it takes a Workspace Owner": {plan(setup.DeploymentToken, "DEPLOYMENT_ADMIN"), roles, false, setup.WorkspaceToken, "WORKSPACE_OWNER", nil},
		"a new role of exactly what is needed":            {plan(setup.DeploymentToken, "CI_Deploy", astro.DeployPermissions()...), roles, true, setup.DeploymentToken, "CI_Rotate", exact},
		"smaller than one that is there":                  {plan(setup.DeploymentToken, "CI_Deploy", astro.DeployPermissions()...), mine, true, setup.DeploymentToken, "CI_Rotate", exact},
		"one that is there":                               {plan(setup.DeploymentToken, "DEPLOYMENT_ADMIN"), mine, false, setup.DeploymentToken, "Our rotation", nil},
		"nothing is listed":                               {plan(setup.DeploymentToken, "DEPLOYMENT_ADMIN"), nil, false, setup.WorkspaceToken, "WORKSPACE_OWNER", nil},
		"of a Workspace":                                  {plan(setup.WorkspaceToken, "WORKSPACE_OPERATOR"), roles, true, setup.WorkspaceToken, "WORKSPACE_OWNER", nil},
		"of an Organization":                              {plan(setup.OrganizationToken, "ORGANIZATION_OWNER"), roles, true, setup.OrganizationToken, "ORGANIZATION_OWNER", nil},
	} {
		got := astro.Rotator(tc.plan, tc.roles, tc.custom)
		if got.Credential.Kind != tc.kind || got.Credential.Role != tc.role || !slices.Equal(got.NewRole, tc.made) || got.Reason == "" || got.Credential.ExpiresInDays != setup.DefaultDays {
			t.Errorf("%s: got %+v", what, got)
		}
	}
	other := plan(setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	if got := astro.Rotator(other, roles, true); got.Credential.Role != "CI_Rotate_DEPLOYMENT_ADMIN" || !slices.Contains(got.NewRole, "deployment.update") {
		t.Errorf("a role beside a built-in one: %+v", got)
	}
}
