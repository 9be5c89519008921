// Package all is the one list of the platforms, and the only package that names every one of them.
package all

import (
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
}

// Platforms lists the platforms in the order of their names.
func Platforms() []Platform {
	return []Platform{
		{"azure-devops", "Azure DevOps", "azure-pipelines.yml", "azure-devops", "%s/group:astro", azuredevops.Render},
		{"bitbucket", "Bitbucket Pipelines", "bitbucket-pipelines.yml", "bitbucket", "%s", bitbucket.Render},
		{"circleci", "CircleCI", ".circleci/config.yml", "circleci", "%s", circleci.Render},
		{"codebuild", "AWS CodeBuild", "buildspec.yml", "aws-secrets-manager", "ci/astro", codebuild.Render},
		{"drone", "Drone", ".drone.yml", "drone", "%s", drone.Render},
		{"github", "GitHub Actions", ".github/workflows/astro.yml", "github", "%s", github.Render},
		{"gitlab", "GitLab CI", ".gitlab-ci.yml", "gitlab", "%s", gitlab.Render},
		{"jenkins", "Jenkins", "Jenkinsfile", "jenkins", "system", jenkins.Render},
	}
}
