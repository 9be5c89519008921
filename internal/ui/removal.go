package ui

import "context"

// Removal takes a setup back: its plan is shown, and confirmed by typing its name; then it is carried out.
type Removal struct {
	Title   string // "Remove a setup"
	Name    string // of the setup
	Sandbox bool
	// Plan finds what would be taken back, and what stays. It may take seconds.
	Plan func(context.Context) (Review, error)
}

// What is said of a removal.
const (
	Tracing = "Looking for what belongs to " // a setup
	Stays   = "What stays"
	Removed = "The setup %s is removed"
)
