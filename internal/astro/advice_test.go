package astro_test

import (
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// roles is what an Organization with one custom role answers.
var roles = []astro.Role{
	{Name: "WORKSPACE_OWNER", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.create", "deployment.update", "deployment.delete", "workspace.users.update"}},
	{Name: "WORKSPACE_OPERATOR", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.create", "deployment.update", "deployment.delete"}},
	{Name: "WORKSPACE_AUTHOR", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create"}},
	{Name: "WORKSPACE_MEMBER", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get"}},
	{Name: "DEPLOYMENT_ADMIN", ScopeType: "DEPLOYMENT", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.update"}},
	{Name: "ORGANIZATION_OWNER", ScopeType: "ORGANIZATION", Permissions: []string{"organization.update"}},
}

func TestAdvice(t *testing.T) {
	custom := append([]astro.Role{{Name: "ci deploy", ScopeType: "DEPLOYMENT", Custom: true, Permissions: []string{"deployment.get", "deployment.deploys.create"}}}, roles...)
	for _, tc := range []struct {
		job      setup.Job
		kind     setup.Kind // the one that is proposed
		role     string
		withRole string // when the custom role exists
	}{
		{setup.DeployCode, setup.DeploymentToken, "DEPLOYMENT_ADMIN", "ci deploy"},
		{setup.DeployDAGs, setup.DeploymentToken, "DEPLOYMENT_ADMIN", "ci deploy"},
		{setup.ManageDeployments, setup.WorkspaceToken, "WORKSPACE_OPERATOR", "WORKSPACE_OPERATOR"},
		{setup.ManageUsers, setup.WorkspaceToken, "WORKSPACE_OWNER", "WORKSPACE_OWNER"},
	} {
		kinds := astro.Kinds(tc.job)
		if kinds[0].Kind != tc.kind || !kinds[0].Recommended {
			t.Errorf("%s: %s is proposed, want %s", tc.job, kinds[0].Kind, tc.kind)
		}
		for _, k := range kinds {
			if k.Reason == "" {
				t.Errorf("%s: no reason is said for %s", tc.job, k.Kind)
			}
			if got, reason := astro.BestRole(tc.job, k.Kind, roles); got == "" || reason == "" {
				t.Errorf("%s with %s: no role", tc.job, k.Kind)
			}
		}
		if got, _ := astro.BestRole(tc.job, tc.kind, roles); got != tc.role {
			t.Errorf("%s: role %s, want %s", tc.job, got, tc.role)
		}
		if got, _ := astro.BestRole(tc.job, tc.kind, custom); got != tc.withRole {
			t.Errorf("%s with a custom role: %s, want %s", tc.job, got, tc.withRole)
		}
	}
	if got, _ := astro.BestRole(setup.DeployCode, setup.WorkspaceToken, roles); got != "WORKSPACE_AUTHOR" {
		t.Errorf("deploying with a Workspace token: role %s", got)
	}
}

func TestWarnings(t *testing.T) {
	p := setup.Plan{Setup: setup.Setup{Job: setup.DeployCode, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90}}}
	if got := astro.Warnings(p, astro.Organization{}); len(got) != 0 {
		t.Errorf("a careful choice is warned about: %q", got)
	}
	p.Credential = setup.Credential{Kind: setup.OrganizationToken, Role: "ORGANIZATION_OWNER", ExpiresInDays: 400}
	p.CICDEnforced = true
	if got := astro.Warnings(p, astro.Organization{HasIPAllowList: true}); len(got) != 5 {
		t.Errorf("got %d warnings, want 5: %q", len(got), got)
	}
}
