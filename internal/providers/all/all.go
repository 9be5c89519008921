// Package all is the one list of the platforms, and the only package that names every one of them.
package all

import (
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Platform is a CI system as far as its pipeline file goes.
type Platform struct {
	ID      string // github
	Name    string // GitHub Actions
	File    string // the usual path of its file
	Store   string // id of the store that its secrets are in
	Address string // of the place that secrets are in when nothing is said; %s stands for the repository
	Render  func(setup.Plan) ([]byte, error)
	Info    providers.Info
	Runs    bool                                     // astro-ci run starts and follows its pipelines
	Policy  func(p setup.Plan, region string) []byte // what a person gives the pipeline; nil where nothing is needed
}

// Platforms lists the platforms in the order of their names.
func Platforms() []Platform {
	return []Platform{
		{"azure-devops", "Azure DevOps", "azure-pipelines.yml", "azure-devops", "%s/group:astro", azuredevops.Render, (*azuredevops.Provider)(nil).Info(), runs((*azuredevops.Provider)(nil)), nil},
		{"bitbucket", "Bitbucket Pipelines", "bitbucket-pipelines.yml", "bitbucket", "%s", bitbucket.Render, (*bitbucket.Provider)(nil).Info(), runs((*bitbucket.Provider)(nil)), nil},
		{"circleci", "CircleCI", ".circleci/config.yml", "circleci", "%s", circleci.Render, (*circleci.Provider)(nil).Info(), runs((*circleci.Provider)(nil)), nil},
		{"codebuild", "AWS CodeBuild", "buildspec.yml", "aws-secrets-manager", "astro/%s", codebuild.Render, (*codebuild.Provider)(nil).Info(), runs((*codebuild.Provider)(nil)), codebuild.Policy},
		{"drone", "Drone", ".drone.yml", "drone", "%s", drone.Render, (*drone.Provider)(nil).Info(), runs((*drone.Provider)(nil)), nil},
		{"github", "GitHub Actions", ".github/workflows/astro.yml", "github", "%s", github.Render, (*github.Provider)(nil).Info(), runs((*github.Provider)(nil)), nil},
		{"gitlab", "GitLab CI", ".gitlab-ci.yml", "gitlab", "%s", gitlab.Render, (*gitlab.Provider)(nil).Info(), runs((*gitlab.Provider)(nil)), nil},
		{"jenkins", "Jenkins", "Jenkinsfile", "jenkins", "system", jenkins.Render, (*jenkins.Provider)(nil).Info(), runs((*jenkins.Provider)(nil)), nil},
	}
}

// runs reports whether the provider can start and follow pipelines.
func runs(p providers.Platform) bool {
	_, ok := p.(providers.Runner)
	return ok
}
