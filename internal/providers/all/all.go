// Package all is the one list of the platforms and the secrets backends, and the only package that names
// every one of them.
package all

import (
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/agefile"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/buildkite"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/providers/doppler"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/gitea"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/providers/keyring"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/onepassword"
	"github.com/astro-ci/astro-ci/internal/providers/sops"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Platform is a CI system as far as its pipeline file goes.
type Platform struct {
	providers.Info
	File  string // the usual path of its file
	Store string // id of the store that its secrets are in
	Place string // the address of the place that secrets are in when nothing is said; %s stands for the repository
	Runs  bool   // astro-ci run starts and follows its pipelines
	// Pipeline renders a pipeline file; it needs no log-in.
	Pipeline func(setup.Plan) (providers.File, error)
	// Scheduled is what scheduled runs need that renew a token; nil where none are made.
	Scheduled *providers.Scheduled
	// Guide tells how a secret of its own is written by hand; nil where it does not.
	Guide providers.Guide
	// Checker tells what can be a target of it; nil where it does not.
	Checker providers.Checker
	// Policy is what a person gives the pipeline; nil where nothing is needed.
	Policy func(p setup.Plan, region string) []byte
}

// Platforms lists the platforms in the order of their ids.
func Platforms() []Platform {
	build := of((*codebuild.Provider)(nil), "buildspec.yml", "astro/%s")
	build.Store, build.Policy = "aws-secrets-manager", codebuild.Policy
	fromVault := of((*jenkins.Provider)(nil), "Jenkinsfile", "system")
	fromVault.Policy = func(p setup.Plan, _ string) []byte { return vault.Policy(p) }
	byExtension := of((*drone.Provider)(nil), ".drone.yml", "%s")
	byExtension.Policy = func(p setup.Plan, _ string) []byte { return drone.Grant(p) }
	byTask := of((*azuredevops.Provider)(nil), "azure-pipelines.yml", "%s/group:astro")
	byTask.Policy = func(p setup.Plan, _ string) []byte { return azuredevops.Policy(p) }
	return []Platform{
		byTask,
		of((*bitbucket.Provider)(nil), "bitbucket-pipelines.yml", "%s"),
		of((*buildkite.Provider)(nil), ".buildkite/pipeline.yml", "acme/00000000-0000-0000-0000-000000000000"),
		of((*circleci.Provider)(nil), ".circleci/config.yml", "%s"),
		build,
		byExtension,
		of((*gitea.Provider)(nil), ".gitea/workflows/astro.yaml", "%s"),
		of((*github.Provider)(nil), ".github/workflows/astro.yml", "%s"),
		of((*gitlab.Provider)(nil), ".gitlab-ci.yml", "%s"),
		fromVault,
		of((*woodpecker.Provider)(nil), ".woodpecker/astro.yaml", "%s"),
	}
}

// of describes a platform by a provider without a log-in, which makes no request.
func of(p providers.Platform, file, place string) Platform {
	out := Platform{Info: p.Info(), File: file, Store: p.Info().ID, Place: place, Pipeline: p.Pipeline}
	if x, ok := p.(providers.Scheduler); ok {
		s := x.Scheduled()
		out.Scheduled = &s
	}
	out.Guide, _ = p.(providers.Guide)
	out.Checker, _ = p.(providers.Checker)
	return out
}

// Backend is a secrets backend as far as its description goes.
type Backend struct {
	providers.Info
	Tested string // against what, in words
	// Guide tells how a secret is written by hand; nil where it does not.
	Guide providers.Guide
	// Checker tells what can be a target of it; nil where it does not.
	Checker providers.Checker
}

// Backends lists the secrets backends in the order of their ids.
func Backends() []Backend {
	const embedded = "a strict embedded server, "
	return []Backend{
		backend((*agefile.Store)(nil), "the real age, which reads what was written."),
		backend(aws.Secrets{}, embedded+"checked against the service's Smithy model; every signature is verified, and the pipelines are executed against it. And kumo, an AWS that others wrote."),
		backend(aws.Parameters{}, embedded+"checked against the service's Smithy model; every signature is verified, and the pipelines are executed against it. And kumo, an AWS that others wrote."),
		backend((*keyvault.Provider)(nil), embedded+"made by what Microsoft's documents say; no description of it was at hand. The pipelines are executed against it."),
		backend((*google.Provider)(nil), embedded+"made by what Google's documents say; no description of it was at hand. The pipelines are executed against it."),
		backend((*doppler.Provider)(nil), embedded+"made by what Doppler's own CLI sends; no description of it was at hand."),
		backend(keyring.Store{}, "a real Secret Service (gnome-keyring). macOS and Windows were not tried."),
		backend((*onepassword.Provider)(nil), embedded+"made by what 1Password's documents say; no description of it was at hand."),
		backend((*sops.Store)(nil), "the real sops, with keys of age."),
		backend((*vault.Provider)(nil), embedded+"checked against Vault's OpenAPI description; the pipelines are executed against it. And HashiCorp's own key-value engine and log-in by JWT, without the rest of Vault."),
	}
}

func backend(s providers.Store, tested string) Backend {
	out := Backend{Info: s.Info(), Tested: tested}
	out.Guide, _ = s.(providers.Guide)
	out.Checker, _ = s.(providers.Checker)
	return out
}

// CheckTarget refuses, without a log-in, a target that its store does not take. Whether there is such a store is
// for others to say.
func CheckTarget(t setup.Target) error {
	for _, p := range Platforms() {
		if p.ID == t.Store && p.Checker != nil {
			return p.Checker.CheckTarget(t)
		}
	}
	for _, b := range Backends() {
		if b.ID == t.Store && b.Checker != nil {
			return b.Checker.CheckTarget(t)
		}
	}
	return nil
}

// Store describes a store by its id, whether that of a platform or a backend; it needs no log-in.
func Store(id string) (info providers.Info, guide providers.Guide) {
	for _, p := range Platforms() {
		if p.ID == id {
			return p.Info, p.Guide
		}
	}
	for _, b := range Backends() {
		if b.ID == id {
			return b.Info, b.Guide
		}
	}
	return providers.Info{ID: id, Name: id}, nil
}
