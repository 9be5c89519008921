package astro_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// builtin are the built-in roles as the embedded Astro lists them.
func builtin(t *testing.T) []astro.Role {
	t.Helper()
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	roles, err := w.client.Roles(t.Context(), w.s.Organization.ID)
	if err != nil {
		t.Fatal(err)
	}
	return roles
}

// Every job, with every credential type that can do it: which comes first, and which role.
func TestAdvice(t *testing.T) {
	const none = ""
	roles := builtin(t)
	custom := slices.Concat(roles, []astro.Role{{Name: "ci deploy", ScopeType: "DEPLOYMENT", Custom: true, Permissions: astro.DeployPermissions()}})
	for job, kinds := range map[setup.Job][][2]string{
		setup.DeployCode:        {{"deployment-token", "DEPLOYMENT_ADMIN"}, {"workspace-token", "WORKSPACE_AUTHOR"}, {"organization-token", "ORGANIZATION_OWNER"}, {"deployment-key", none}},
		setup.DeployDAGs:        {{"deployment-token", "DEPLOYMENT_ADMIN"}, {"workspace-token", "WORKSPACE_AUTHOR"}, {"organization-token", "ORGANIZATION_OWNER"}, {"deployment-key", none}},
		setup.ManageDeployments: {{"workspace-token", "WORKSPACE_OPERATOR"}, {"organization-token", "ORGANIZATION_OWNER"}},
		setup.ManageUsers:       {{"workspace-token", "WORKSPACE_OWNER"}, {"organization-token", "ORGANIZATION_OWNER"}},
	} {
		got := astro.Kinds(job)
		if len(got) != len(kinds) {
			t.Errorf("%s: %d kinds, want %d", job, len(got), len(kinds))
			continue
		}
		for i, want := range kinds {
			if string(got[i].Kind) != want[0] || got[i].Recommended != (i == 0) || got[i].Reason == "" {
				t.Errorf("%s: choice %d is %+v, want %s", job, i, got[i], want[0])
			}
			best := astro.BestRole(job, got[i].Kind, roles)
			if best.Role != want[1] || best.Reason == "" {
				t.Errorf("%s with %s: %+v, want %s", job, want[0], best, want[1])
			}
			if with := astro.BestRole(job, got[i].Kind, custom); got[i].Kind == setup.DeploymentToken && (with.Role != "ci deploy" || !with.Exact || !strings.Contains(with.Reason, "DEPLOYMENT_ADMIN, adds")) {
				t.Errorf("%s with a custom role: %+v", job, with)
			}
		}
	}
	if best := astro.BestRole(setup.ManageUsers, setup.WorkspaceToken, nil); best.Role != "" || best.Reason == "" {
		t.Errorf("without roles: %+v", best)
	}
}

func TestWarnings(t *testing.T) {
	p := setup.Plan{Setup: setup.Setup{Job: setup.DeployCode, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 365}}}
	if got := astro.Warnings(p, astro.Organization{}); len(got) != 0 {
		t.Errorf("a careful choice is warned about: %q", got)
	}
	p.Credential = setup.Credential{Kind: setup.OrganizationToken, Role: "ORGANIZATION_OWNER", ExpiresInDays: 366}
	p.CICDEnforced, p.SelfRotation.Every = true, setup.Weekly
	got := strings.Join(astro.Warnings(p, astro.Organization{HasIPAllowList: true}), "\n")
	for _, want := range []string{"separate Workspace token for each Workspace", "manage users", "366 days", "can make credentials", "IP access list", "enforces CI/CD"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not said: %s", want, got)
		}
	}
	p = setup.Plan{Setup: setup.Setup{Job: setup.ManageDeployments}, CICDDefault: true}
	if got := astro.Warnings(p, astro.Organization{}); len(got) != 1 || !strings.Contains(got[0], "new Deployments") {
		t.Errorf("a Workspace that enforces CI/CD: %q", got)
	}
	p.Credential = setup.Credential{Kind: setup.DeploymentKey}
	if got := astro.Warnings(p, astro.Organization{}); !slices.Contains(got, astro.KeysEnded) {
		t.Errorf("a key: %q", got)
	}
}
