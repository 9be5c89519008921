package astro

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Web is where people see what the API at host serves.
func Web(host string) string {
	if domain, ok := strings.CutPrefix(host, "api."); ok {
		return "https://cloud." + domain
	}
	return "https://cloud.astronomer.io"
}

// Manual is how a person makes the token of a plan by hand. web is as in Web.
func Manual(p setup.Plan, web string) (m setup.Manual) {
	const settings = " Settings, Access Management, API Tokens, + API Token."
	owner := "Workspace Owner of the Workspace " + p.Workspace.String() + ", or Organization Owner"
	command, on := "", ""
	switch p.Credential.Kind {
	case setup.DeploymentToken:
		m.Who, m.Link = owner, web+"/"+p.Workspace.ID+"/deployments/"+p.Deployment.ID
		m.Click = "Access, API Tokens, + API Token."
		command, on = "deployment", " --deployment-id "+p.Deployment.ID
	case setup.WorkspaceToken:
		m.Who, m.Link = owner, web+"/"+p.Workspace.ID
		m.Click = "Workspace" + settings
		command, on = "workspace", " --workspace-id "+p.Workspace.ID
	case setup.OrganizationToken:
		m.Who, m.Link = "Organization Owner of "+p.Organization.String(), web
		m.Click, command = "Organization"+settings, "organization"
	case setup.DeploymentKey:
		return m // Astro makes no new ones
	}
	m.Click += fmt.Sprintf(" Role %s, expiration %d days.", p.Credential.Role, p.Credential.ExpiresInDays)
	m.Command = "astro organization switch " + p.Organization.ID + "\n" +
		"astro " + command + " token create" + on + " --name " + quote(p.TokenName()) + " --role " + quote(p.Credential.Role) +
		" --expiration " + strconv.Itoa(p.Credential.ExpiresInDays) + " --description " + quote("made by hand for "+p.Name)
	m.Note = "Astro gives a token no more rights than its maker has. It shows the value once."
	if len(p.NewRole) > 0 {
		m.Note += " The role " + p.Credential.Role + " is a custom role that may have to be made first, by an Organization Owner: Organization Settings, Access Management, Roles, for Deployments, with exactly " + strings.Join(p.NewRole, " and ") + "."
	}
	return m
}

// quote is a word of sh.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
