package steps

import "github.com/astro-ci/astro-ci/internal/flow"

// Confirm is the last question as the flag reader sees it. The front ends with a screen ask it on
// their review.
func Confirm() flow.Step {
	return flow.Step{ID: "yes", Name: "Confirmation", Flag: "yes", Title: "Do it?", Explicit: true}
}
