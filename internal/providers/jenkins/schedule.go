package jenkins

import (
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const loginVariable = "JENKINS_API_TOKEN"

// Scheduled says what a scheduled job needs: Jenkins gives a build no log-in of its own.
func (p *Provider) Scheduled() providers.Scheduled {
	link := docsLogin
	if p != nil {
		link = "https://" + p.page + "/me/"
	}
	return providers.Scheduled{
		Link:  link,
		Right: "USER:TOKEN, the name and an API token of a user who may do Overall Read and, in the store alone, Credentials View, Create and Update; best one of a user made for it.",
		Then:  "Make a Pipeline job in Jenkins, in the same folder, that reads the file of the schedule from the branch, and run it once: it learns its schedule then",
	}
}

// As is the store with the log-in of a run, USER:TOKEN.
func (p *Provider) As(login *secret.Value) providers.Store {
	user, token := apart(login)
	return New(p.options.As(user, token))
}
