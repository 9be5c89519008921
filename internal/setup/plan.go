package setup

import (
	"maps"
	"slices"
)

// Plan is a setup together with what was learned on the way to it; it is shown before anything
// is done.
type Plan struct {
	Setup
	// DAGDeploys says that the Deployment takes DAG-only deploys.
	DAGDeploys bool
	// CICDEnforced says that only API tokens may deploy to the Deployment.
	CICDEnforced bool
	// NewEnvironment says that the person wants an environment that is not there yet.
	NewEnvironment bool
	// ReplaceEdits allows the managed block of an existing pipeline file to be replaced although
	// somebody edited it by hand.
	ReplaceEdits bool
}

// Clone returns a copy that shares nothing with p.
func (p Plan) Clone() Plan {
	p.Targets = slices.Clone(p.Targets)
	p.Pipeline.CLI.SHA256 = maps.Clone(p.Pipeline.CLI.SHA256)
	return p
}
