package github

import (
	"github.com/cli/go-gh/v2/pkg/auth"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Scheduled says what a scheduled workflow needs: the token that GitHub gives each run cannot write
// secrets.
func (p *Provider) Scheduled() providers.Scheduled {
	host := "github.com"
	if p != nil {
		host = p.host
	}
	return providers.Scheduled{
		Issues: true, Link: "https://" + host + "/settings/personal-access-tokens/new",
		Right: "A fine-grained token for this one repository, with Secrets: read and write; with Environments: read and write as well when the secret is in an environment.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store {
	o := p.options
	o.Token = login
	x, _ := New(o) // only an address can be wrong, and this one was not
	return x
}

// scheduled is the job that runs at set times: the portable script in one step.
func (j job) scheduled(p setup.Plan) (job, error) {
	j.whole, j.byHand = true, "It can also be started by hand."
	j.group = "astro-rotation-" + p.Pipeline.Renews
	login := "GH_TOKEN"
	if auth.IsEnterprise(p.Repository.Host) {
		login = "GH_ENTERPRISE_TOKEN"
	}
	x, err := pipeline.NewReminder(p, placeOf(j.environment))
	if p.Job == setup.RotateTokens {
		x, err = pipeline.NewRotation(p, placeOf(j.environment), login)
	}
	if err != nil {
		return job{}, err
	}
	env := credentialEnv(p)
	if p.Job == setup.RotateTokens {
		j.id, j.title = "rotate", "Renew the Astro API token"
		env = append(env, pipeline.Pair{Key: login, Value: pipeline.Plain(reference(p.LoginTarget())), Beside: "a person's token that may write secrets"})
		if login != "GH_TOKEN" {
			env = append(env, pipeline.Pair{Key: "GH_HOST", Value: p.Repository.Host})
		}
		j.work = pipeline.Map{{Key: "name", Value: pipeline.Plain("Install astro-ci, renew what is due")}}
	} else {
		j.id, j.title, j.issues = "remind", "Look when the Astro API token ends", true
		env = append(env, pipeline.Pair{Key: "ISSUE_TOKEN", Value: pipeline.Plain("${{ github.token }}")})
		j.work = pipeline.Map{{Key: "name", Value: pipeline.Plain("Open an issue when it ends soon")}}
	}
	j.work = append(j.work, pipeline.Pair{Key: "env", Value: append(env, x.Env...)}, pipeline.Pair{Key: "run", Value: x.Script})
	return j, nil
}
