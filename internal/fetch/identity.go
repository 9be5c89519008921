package fetch

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// identities are the platforms that vouch for their runs, by id. The part identity-ID of the portable
// script gets the identity of a run.
var identities = map[string]func(setup.Plan) providers.Identity{
	"github": func(p setup.Plan) providers.Identity {
		issuer := "https://token.actions.githubusercontent.com"
		if host := p.Repository.Host; host != "" && host != "github.com" {
			issuer = "https://" + host + "/_services/token"
			if strings.HasSuffix(host, ".ghe.com") {
				issuer = "https://token.actions." + host
			}
		}
		if p.Job == setup.PreviewDeployments {
			return providers.Identity{Issuer: issuer, Subject: "repo:" + p.Repository.Path + ":pull_request", Who: "runs of " + p.Repository.Path + " on GitHub for pull requests"}
		}
		return providers.Identity{Issuer: issuer, Subject: "repo:" + p.Repository.Path + ":ref:refs/heads/" + p.Pipeline.Branch, Who: "runs of " + p.Repository.Path + " on GitHub, on the branch " + p.Pipeline.Branch}
	},
	"gitlab": func(p setup.Plan) providers.Identity {
		id := providers.Identity{Issuer: "https://" + p.Repository.Host, Subject: "project_path:" + p.Repository.Path + ":ref_type:branch:ref:" + p.Pipeline.Branch, Who: "jobs of " + p.Repository.Path + " on GitLab, on the branch " + p.Pipeline.Branch}
		if p.Job == setup.PreviewDeployments { // they run for the branch of the request
			id.Subject, id.Who = "project_path:"+p.Repository.Path+":ref_type:branch:ref:*", "jobs of "+p.Repository.Path+" on GitLab, on every branch"
		}
		return id
	},
	"buildkite": func(p setup.Plan) providers.Identity {
		organization, pipeline, _ := strings.Cut(p.Repository.Path, "/")
		return providers.Identity{
			Issuer:  "https://agent.buildkite.com",
			Subject: "organization:" + organization + ":pipeline:" + pipeline + ":ref:refs/heads/" + p.Pipeline.Branch + ":*", // the commit and the step follow
			Who:     "builds of " + p.Repository.Path + " on Buildkite, on the branch " + p.Pipeline.Branch,
		}
	},
}

// varies are the platforms on which the identity of a run differs from that of the next.
var varies = map[string]bool{"buildkite": true}
