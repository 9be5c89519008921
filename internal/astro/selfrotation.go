package astro

import (
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// RotateRole is the beginning of the names of the custom roles that replace tokens.
const RotateRole = "CI_Rotate"

// RotationAdvice is the credential with the least rights that can replace the token of a plan.
type RotationAdvice struct {
	Credential setup.Credential
	NewRole    []string // permissions of its role, when that has to be made first
	Reason     string
}

// Rotator picks the credential of the runs that replace the token of p, among roles as Astro lists them;
// none are listed where the person may not see them. It needs to list, make and delete tokens, and to have
// all rights of the token that it makes: Astro never gives a token more than its maker has. custom says
// that the person may make a custom role.
func Rotator(p setup.Plan, roles []Role, custom bool) RotationAdvice {
	own := p.NewRole
	for _, r := range roles {
		if r.Name == p.Credential.Role && r.ScopeType == p.Credential.Kind.Scope() {
			own = r.Permissions
		}
	}
	advice := func(kind setup.Kind, role, reason string) RotationAdvice {
		return RotationAdvice{Credential: setup.Credential{Kind: kind, Role: role, ExpiresInDays: setup.DefaultDays}, Reason: reason}
	}
	verbs := []string{"get", "create", "delete"}
	needed := func(scope string) []string {
		out := slices.Clone(own)
		for _, v := range verbs {
			if x := scope + ".apiTokens." + v; !slices.Contains(out, x) {
				out = append(out, x)
			}
		}
		return out
	}
	smallest := func(kind setup.Kind, wanted []string) (best Role, ok bool) {
		for _, r := range roles {
			if r.ScopeType == kind.Scope() && len(missing(r.Permissions, wanted)) == 0 && (!ok || len(r.Permissions) < len(best.Permissions)) {
				best, ok = r, true
			}
		}
		return best, ok
	}
	switch p.Credential.Kind {
	case setup.DeploymentToken:
		wanted := needed("deployment")
		best, ok := smallest(setup.DeploymentToken, wanted)
		taken := slices.ContainsFunc(roles, func(r Role) bool { return r.Name == rotateRole(p.Credential.Role) })
		makes := custom && !taken && len(own) > 0 && !slices.ContainsFunc(wanted, func(x string) bool { return !strings.HasPrefix(x, "deployment.") })
		if makes && (!ok || len(best.Permissions) > len(wanted)) {
			out := advice(setup.DeploymentToken, rotateRole(p.Credential.Role), "It can make and delete tokens of this one Deployment, with no more rights than they have now.")
			out.NewRole = wanted
			return out
		}
		if ok {
			return advice(setup.DeploymentToken, best.Name, fmt.Sprintf("The smallest role for this one Deployment that can do it, with %d permissions.", len(best.Permissions)))
		}
		if best, ok := smallest(setup.WorkspaceToken, wanted); ok {
			return advice(setup.WorkspaceToken, best.Name, "No role of a Deployment can make tokens here; with custom roles (Enterprise) one could. This one reaches every Deployment of the Workspace.")
		}
		return advice(setup.WorkspaceToken, "WORKSPACE_OWNER", "By Astro's documentation Workspace Owners make the tokens of Deployments. It reaches every Deployment of the Workspace.")
	case setup.WorkspaceToken:
		if best, ok := smallest(setup.WorkspaceToken, needed("workspace")); ok {
			return advice(setup.WorkspaceToken, best.Name, fmt.Sprintf("The smallest role for this Workspace that can do it, with %d permissions.", len(best.Permissions)))
		}
		return advice(setup.WorkspaceToken, "WORKSPACE_OWNER", "By Astro's documentation Workspace Owners make the tokens of a Workspace.")
	case setup.OrganizationToken, setup.DeploymentKey:
	}
	return advice(setup.OrganizationToken, "ORGANIZATION_OWNER", "Only Organization Owners make tokens of an Organization. It may do everything there.")
}

// rotateRole names the custom role that replaces tokens with the role.
func rotateRole(role string) string {
	if role == DeployRole {
		return RotateRole
	}
	return RotateRole + "_" + role
}
