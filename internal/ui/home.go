package ui

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/setup"
)

// Overview is what there is: the setups, and what could have one.
type Overview struct {
	Setups []Setup
	// Without are the Workspaces that no pipeline has a credential for.
	Without []setup.Ref
}

// Home is the overview, and what can be done from it. An action that is nil is not offered.
type Home struct {
	Title   string
	Sandbox bool
	// Find looks at everything. It may take seconds.
	Find func(context.Context) (Overview, error)
	// Rotation replaces the token of one setup.
	Rotation func(name string) Rotation
	// Verify asks Astro and the stores about one setup, and says what it found.
	Verify func(ctx context.Context, name string) ([]Fact, error)
	// These begin when the overview has closed: a set-up, for each of these Workspaces or for none in
	// particular; the same setup for another Workspace; the end of one.
	SetUp  func(ctx context.Context, workspaces []setup.Ref) error
	Again  func(ctx context.Context, name string) error
	Remove func(ctx context.Context, name string) error
}
