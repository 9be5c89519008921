package azuredevops

import (
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Scheduled says what a scheduled pipeline needs.
func (p *Provider) Scheduled() providers.Scheduled {
	return providers.Scheduled{
		Link:  docsLogin,
		Right: "A personal access token of an Administrator of the variable group, with the scopes Variable Groups (read, create and manage), Build (read and execute), Code (read) and Pipeline resources (use and manage).",
	}
}

// As is the store with the log-in of a run.
func (p *Provider) As(login *secret.Value) providers.Store {
	return New(p.options.As(kindOf(login), login))
}

// rotation is the script of the job that renews the token. It runs in a pipeline of its own, which sees the
// variables of a group but not those of the pipeline that deploys.
func rotation(p setup.Plan, place string) (pipeline.Portable, error) {
	if _, ok := groupOf(p.Target().Address); !ok {
		return pipeline.Portable{}, hint.New("a scheduled pipeline does not see the secret variables of another one", "Keep the secret in a variable group: --target azure-devops:ORGANIZATION/PROJECT/group:NAME. Or leave --self-rotate out.", docsSecrets)
	}
	if !Known(p.Repository.Host) {
		return pipeline.Portable{}, hint.New("a scheduled rotation on Azure DevOps Server cannot be made from here", "Leave --self-rotate out; astro-ci rotate --due does it from anywhere.", "")
	}
	x, err := pipeline.NewRotation(p, place, "AZURE_DEVOPS_EXT_PAT")
	x.Env = append(x.Env, pipeline.Pair{Key: "AZURE_DEVOPS_EXT_PAT", Value: pipeline.Plain("$(" + p.LoginTarget().Secret + ")"), Beside: "a person's token that may write the group"})
	return x, err
}

// onSchedule starts the pipeline at set times and at no push.
func onSchedule(p setup.Plan) pipeline.Map {
	return pipeline.Map{
		{Key: "trigger", Value: pipeline.Plain("none")},
		{Key: "pr", Value: pipeline.Plain("none")},
		{Key: "schedules", Value: pipeline.List{pipeline.Map{
			{Key: "cron", Value: p.Pipeline.Cron},
			{Key: "displayName", Value: providers.ScheduleOf(p).Name},
			{Key: "branches", Value: pipeline.Map{{Key: "include", Value: pipeline.List{p.Pipeline.Branch}}}},
			{Key: "always", Value: "true", Beside: "also when nothing was pushed since the last run"},
		}}, Above: []string{"In UTC. It counts once the file is on this branch and its pipeline exists."}},
	}
}
