package circleci

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsSchedules = "https://circleci.com/docs/reference/configuration-reference/#schedule"
	loginVariable = "CIRCLE_TOKEN"
)

// Scheduled says what a scheduled workflow needs.
func (p *Provider) Scheduled() providers.Scheduled {
	return providers.Scheduled{
		Link:  docsLogin,
		Right: "A personal API token of a user who may write the context or the project's variables, best one of a user made for it: a token of CircleCI may do all that its user may.",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store { return New(p.options.As("", login)) }

// job is the script of the plan's job. A schedule in the file is for projects whose slug follows from the
// repository: CircleCI reads none in projects of its GitHub App.
func job(p setup.Plan, place string) (pipeline.Portable, error) {
	if p.Job.Scheduled() && strings.HasPrefix(p.Repository.Path, "circleci/") {
		return pipeline.Portable{}, hint.New("CircleCI reads no schedule in the file of a project of its GitHub App", "Leave --self-rotate out; astro-ci rotate --due does it from anywhere, also from a schedule trigger of a pipeline of your own.", docsSchedules)
	}
	x, err := pipeline.NewJob(p, place, true, loginVariable)
	if p.Job.Scheduled() && p.Repository.Host != Cloud {
		x.Env = append(x.Env, pipeline.Pair{Key: "CIRCLE_HOST", Value: p.Repository.Host})
	}
	return x, err
}

// onSchedule starts the workflow at set times and at no push, and no other workflow with it.
func onSchedule(p setup.Plan, filters pipeline.Pair) pipeline.Pair {
	return pipeline.Pair{
		Key: "triggers", Value: pipeline.List{pipeline.Map{{Key: "schedule", Value: pipeline.Map{{Key: "cron", Value: p.Pipeline.Cron}, filters}}}},
		Above: []string{"In UTC. It counts once the file is on this branch, until a push without it."},
	}
}
