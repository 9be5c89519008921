package github

import (
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Manual is how a person writes a secret of GitHub.
func (p *Provider) Manual(plan setup.Plan, t setup.Target) (m setup.Manual) {
	a, err := parseAddress(t.Address)
	if err != nil {
		return m
	}
	web, repo := "https://"+plan.Repository.Host, a.owner+"/"+a.repo
	set := "gh secret set " + t.Secret
	if plan.Repository.Host != "github.com" {
		set = "GH_HOST=" + providers.ShellWord(plan.Repository.Host) + " " + set
	}
	switch {
	case a.repo == "":
		_, name, _ := strings.Cut(plan.Repository.Path, "/")
		m.Who = "Owner of the organization " + a.owner + "; a classic token needs the scope admin:org"
		m.Link = web + "/organizations/" + a.owner + "/settings/secrets/actions"
		m.Click = "New organization secret, name " + t.Secret + ", repository access: Selected repositories, " + plan.Repository.Path + "."
		m.Command = set + " --org " + providers.ShellWord(a.owner) + " --repos " + providers.ShellWord(name)
		m.Note = "Where the secret is there already, the command replaces the list of its repositories: name them all."
	case a.environment != "":
		m.Who = "Administrator of the repository " + repo + "; write access is enough where the environment " + a.environment + " is there already"
		m.Link = web + "/" + repo + "/settings/environments"
		m.Click = "Open the environment " + a.environment + ", or make it with New environment. Then Add environment secret, name " + t.Secret + "."
		m.Command = set + " --repo " + repo + " --env " + providers.ShellWord(a.environment)
		m.Note = "The command does not make the environment."
	default:
		m.Who = "Write access to the repository " + repo + "; the page shows itself to its administrators only"
		m.Link = web + "/" + (&url.URL{Path: repo}).EscapedPath() + "/settings/secrets/actions"
		m.Click = "New repository secret, name " + t.Secret + "."
		m.Command = set + " --repo " + repo
	}
	return m
}
