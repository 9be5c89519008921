package gitea

import (
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Scheduled says what a scheduled workflow needs: the token that Gitea gives each run cannot write secrets.
func (p *Provider) Scheduled() providers.Scheduled {
	link := docsLogin
	if p != nil {
		link = "https://" + p.host + "/user/settings/applications"
	}
	return providers.Scheduled{
		Issues: true, Link: link,
		Right: "A token of the repository's owner, or of an administrator of it, with the scope write:repository; for secrets of an organization write:organization instead.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store { return New(p.options.As("", login)) }

// scheduled is the script of a job that runs at set times, with its log-ins.
func scheduled(p setup.Plan, place string) (x pipeline.Portable, err error) {
	if p.Job == setup.RemindOfEnd {
		x, err = pipeline.NewReminder(p, place)
		x.Env = append(x.Env, pipeline.Pair{Key: "ISSUE_TOKEN", Value: pipeline.Plain("${{ github.token }}")})
		return x, err
	}
	x, err = pipeline.NewRotation(p, place, "GITEA_TOKEN")
	x.Env = append(
		x.Env,
		pipeline.Pair{Key: "GITEA_SERVER_URL", Value: pipeline.Plain("${{ github.server_url }}")},
		pipeline.Pair{Key: "GITEA_TOKEN", Value: pipeline.Plain("${{ secrets." + p.LoginTarget().Secret + " }}"), Beside: "a person's token that may write secrets"},
	)
	return x, err
}
