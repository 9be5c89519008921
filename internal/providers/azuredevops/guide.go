package azuredevops

import (
	"net/url"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Manual is how a person writes a secret variable of Azure DevOps.
func (p *Provider) Manual(plan setup.Plan, t setup.Target) (m setup.Manual) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return m
	}
	organization := "https://" + plan.Repository.Host + "/" + url.PathEscape(a.organization)
	in := " --org " + providers.ShellWord(organization) + " --project " + providers.ShellWord(a.project)
	page := organization + "/" + url.PathEscape(a.project)
	if a.group == "" {
		m.Who = "Edit build pipeline on the pipeline " + a.pipeline + " of the project " + a.project
		m.Link = page + "/_build"
		m.Click = "Open the pipeline " + a.pipeline + ", Edit, Variables, New variable: name " + t.Secret + ", Keep this value secret."
		m.Command = "az pipelines variable create" + in + " --pipeline-name " + providers.ShellWord(a.pipeline) + " --name " + t.Secret + " --secret true"
		m.Note = "The command asks for the value. The pipeline has to be there: make it from the pipeline file first."
		return m
	}
	name := providers.ShellWord(a.group)
	m.Who = "Creator of the Library of the project " + a.project + " for a new variable group, Administrator of the group " + a.group + " where it is there already"
	m.Link = page + "/_library?itemType=VariableGroups"
	m.Click = "Open the variable group " + a.group + ", or make it. Add the variable " + t.Secret + ", and close its lock to make it secret."
	m.Command = "# Only where there is no such group yet; a group is made with a variable:\n" +
		"az pipelines variable-group create" + in + " --name " + name + " --variables ASTRO_CI_SETUP=" + providers.ShellWord(plan.Name) + "\n\n" +
		"az pipelines variable-group variable create" + in + " --name " + t.Secret + " --secret true \\\n" +
		"  --group-id \"$(az pipelines variable-group list" + in + " --group-name " + name + " --query '[0].id' --output tsv)\""
	m.Note = "The command asks for the value. The first run of the pipeline waits until an Administrator of the group permits it, on the page of the run."
	return m
}
