package gitlab

import (
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Manual is how a person writes a variable of GitLab.
func (p *Provider) Manual(plan setup.Plan, t setup.Target) (m setup.Manual) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return m
	}
	const page = "/-/settings/ci_cd#js-cicd-variables-settings"
	web, set := "https://"+plan.Repository.Host+"/", "glab variable set "+t.Secret+" --masked --raw"
	if plan.Repository.Host != "gitlab.com" {
		set = "GITLAB_HOST=" + providers.ShellWord(plan.Repository.Host) + " " + set
	}
	m.Who, m.Link = "Maintainer of the project "+a.path, web+a.path+page
	m.Click = "Add variable, key " + t.Secret + ", visibility Masked and hidden, Expand variable reference off."
	switch {
	case a.group:
		m.Who, m.Link = "Owner of the group "+a.path, web+"groups/"+a.path+page
		set += " --group " + a.path
	case a.environment != "":
		m.Click += " Environment scope: " + a.environment + "."
		set += " --scope " + providers.ShellWord(a.environment) + " --repo " + a.path
	default:
		set += " --repo " + a.path
	}
	m.Command = providers.Asking(set)
	m.Note = "Protect the variable (--protected) only where the branch that deploys is protected: it is empty on all others. One that is there already is changed with glab variable update."
	return m
}
