// Package steps holds the questions of the set-up, one file each. A question loads its choices,
// checks an answer's syntax and writes the answer into the plan; it never shows anything.
package steps

import (
	"context"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Astro is what the questions ask of Astro.
type Astro interface {
	Organizations(ctx context.Context) ([]astro.Organization, error)
	Workspaces(ctx context.Context, organization string) ([]astro.Workspace, error)
	Deployments(ctx context.Context, organization, workspace string) ([]astro.Deployment, error)
	Roles(ctx context.Context, organization string) ([]astro.Role, error)
}

// Deps are what the questions need to know.
type Deps struct {
	Astro     Astro
	Platforms []providers.Platform
	// Detected is the repository that one stands in, and Platform the id of the platform that
	// claimed it; both are zero when nothing was found.
	Detected setup.Repository
	Platform string
	// Free turns the usual path of a pipeline file into one that no other setup's file has.
	Free func(path, setup string) string
	// Pin finds the Astro CLI release to install; version "" means the newest.
	Pin func(ctx context.Context, version string) (cli setup.CLI, note string, err error)
}

// SetUp lists the questions of a set-up in the order they are asked.
func SetUp(d Deps) []flow.Step {
	return []flow.Step{
		organization(d), job(), credential(), workspace(d), deployment(d), role(d), expiry(), days(),
		platform(d), repo(d), target(d), environment(d),
		deploy(), branch(d), name(), secretName(), file(d), cli(d),
	}
}

// env is the environment variable that answers a question.
func env(flag string) string {
	return "ASTRO_CI_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// platformOf is the provider that the plan names.
func (d Deps) platformOf(p setup.Plan) (providers.Platform, error) {
	for _, x := range d.Platforms {
		if x.Info().ID == p.Platform {
			return x, nil
		}
	}
	return nil, fmt.Errorf("platform %q is not known", p.Platform)
}
