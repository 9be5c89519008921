package setup

import (
	"errors"
	"maps"
	"slices"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// Plan is a setup together with what was learned on the way to it; it is shown before anything
// is done.
type Plan struct {
	Setup
	// DAGDeploys says that the Deployment takes DAG-only deploys.
	DAGDeploys bool
	// CICDEnforced says that only API tokens may deploy to the Deployment.
	CICDEnforced bool
	// CICDDefault says that only API tokens will be able to deploy to new Deployments of the Workspace.
	CICDDefault bool
	// PullRequest says that the pipeline file goes to the repository as a pull or merge request instead
	// of into the working tree.
	PullRequest bool
	// NewEnvironment says that the person wants an environment that is not there yet.
	NewEnvironment bool
	// NewRole lists the permissions of the role when it has to be made first; empty: the role exists.
	NewRole []string
	// Key is the Deployment API key that a person gave; it is never written down.
	Key Key `json:"-"`
	// Retire lists what the pipeline used until now and will no longer need.
	Retire Legacy
	// ReplaceEdits allows the managed block of an existing pipeline file to be replaced although
	// somebody edited it by hand.
	ReplaceEdits bool
	// SelfRotation says how the token is renewed without a person.
	SelfRotation SelfRotation `json:"selfRotation,omitzero"`
}

// Validate returns every fault of the plan, joined.
func (p Plan) Validate() error { return errors.Join(p.Setup.Validate(), p.SelfRotation.fault(p)) }

// Key is a Deployment API key.
type Key struct {
	ID     *secret.Value
	Secret *secret.Value
}

// Given reports whether both halves are there.
func (k Key) Given() bool { return !k.ID.Empty() && !k.Secret.Empty() }

// Legacy is what was found of a Deployment API key.
type Legacy struct {
	Files   []string // pipeline files that use it, relative to the repository's root
	Secrets []Target // stored secrets that hold it
}

// IsZero reports whether nothing was found.
func (l Legacy) IsZero() bool { return len(l.Files)+len(l.Secrets) == 0 }

// Clone returns a copy that shares nothing with p.
func (p Plan) Clone() Plan {
	p.Targets = slices.Clone(p.Targets)
	p.NewRole = slices.Clone(p.NewRole)
	p.Retire = Legacy{slices.Clone(p.Retire.Files), slices.Clone(p.Retire.Secrets)}
	p.Pipeline.CLI.SHA256 = maps.Clone(p.Pipeline.CLI.SHA256)
	p.SelfRotation.NewRole = slices.Clone(p.SelfRotation.NewRole)
	p.SelfRotation.Program.SHA256 = maps.Clone(p.SelfRotation.Program.SHA256)
	return p
}
