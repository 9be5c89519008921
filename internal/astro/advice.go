package astro

import (
	"fmt"
	"slices"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Advice is what the founding rule, least permissions, says about one credential type for a job.
type Advice struct {
	Kind        setup.Kind
	Recommended bool
	Reason      string // one sentence, for people
}

// needs are the permissions a job uses, in the API's own names. A job whose names are not
// documented has none here and goes by the documented role.
func needs(job setup.Job) []string {
	switch job {
	case setup.DeployCode, setup.DeployDAGs:
		return []string{"deployment.get", "deployment.deploys.create"}
	case setup.ManageDeployments:
		return []string{"deployment.create", "deployment.update", "deployment.delete"}
	case setup.ManageUsers:
	}
	return nil
}

// documented is the smallest built-in role that the vendor's pages name for a job, by scope.
func documented(job setup.Job, kind setup.Kind) string {
	switch kind {
	case setup.DeploymentToken:
		return "DEPLOYMENT_ADMIN"
	case setup.WorkspaceToken:
		switch job {
		case setup.DeployCode, setup.DeployDAGs:
			return "WORKSPACE_AUTHOR"
		case setup.ManageDeployments:
			return "WORKSPACE_OPERATOR"
		case setup.ManageUsers:
			return "WORKSPACE_OWNER"
		}
	case setup.OrganizationToken:
		return "ORGANIZATION_OWNER"
	}
	return ""
}

// Kinds lists the credential types that can do the job, the least privileged first.
func Kinds(job setup.Job) []Advice {
	workspace := Advice{Kind: setup.WorkspaceToken}
	organization := Advice{Kind: setup.OrganizationToken, Reason: "Reaches every Workspace. Prefer one Workspace token for each Workspace."}
	if job.Deploys() {
		workspace.Reason = "Reaches every Deployment of one Workspace. Choose it when one pipeline deploys to several."
		return []Advice{
			{Kind: setup.DeploymentToken, Recommended: true, Reason: "Reaches one Deployment and nothing else. It is the least that can deploy."},
			workspace, organization,
		}
	}
	workspace.Recommended = true
	workspace.Reason = "Reaches one Workspace and nothing else. A Deployment token cannot do this job."
	return []Advice{workspace, organization}
}

// BestRole picks, among roles, the one with the fewest permissions that still allows the job, and
// says why. Permissions come from the API; where it does not list the ones the job needs, the role
// that the documentation names is taken. The name is empty when nothing fits.
func BestRole(job setup.Job, kind setup.Kind, roles []Role) (name, reason string) {
	var best *Role
	wanted := needs(job)
	for i, r := range roles {
		if r.ScopeType != kind.Scope() || len(wanted) == 0 || slices.ContainsFunc(wanted, func(p string) bool { return !slices.Contains(r.Permissions, p) }) {
			continue
		}
		if best == nil || len(r.Permissions) < len(best.Permissions) {
			best = &roles[i]
		}
	}
	if best != nil {
		return best.Name, fmt.Sprintf("%s is the smallest role that can do it: %d permissions.", best.Name, len(best.Permissions))
	}
	if d := documented(job, kind); slices.ContainsFunc(roles, func(r Role) bool { return r.Name == d && r.ScopeType == kind.Scope() }) {
		return d, d + " is the smallest role documented for it."
	}
	return "", ""
}

// Warnings says what a careful colleague would say about the credential of s.
func Warnings(s setup.Plan, org Organization) []string {
	var out []string
	if s.Credential.Kind == setup.OrganizationToken && s.Job != setup.ManageUsers {
		out = append(out, "An Organization API token reaches every Workspace. A separate Workspace token for each Workspace limits what a leak can do.")
	}
	if slices.Contains([]string{"ORGANIZATION_OWNER", "WORKSPACE_OWNER"}, s.Credential.Role) && s.Job != setup.ManageUsers {
		out = append(out, s.Credential.Role+" can also manage users and tokens; the pipeline does not need that.")
	}
	if s.Credential.ExpiresInDays > 365 {
		out = append(out, fmt.Sprintf("%d days is long. A leaked token stays usable until it ends or is deleted.", s.Credential.ExpiresInDays))
	}
	if org.HasIPAllowList {
		out = append(out, "The Organization has an IP access list. A hosted runner outside of it will be refused by Astro.")
	}
	if s.CICDEnforced {
		out = append(out, "The Deployment enforces CI/CD: only API tokens may deploy to it, so this pipeline becomes the only way.")
	}
	return out
}
