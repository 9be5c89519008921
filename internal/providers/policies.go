package providers

import (
	"context"
	"fmt"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Policy is a rule around a pipeline, judged by what the setup needs.
type Policy struct {
	Rule string       // in a word or two: "protected branch"
	On   display.Text // what the rule is of: a branch, an environment, a repository
	// Fits is false where the rule refuses a run, or lets in whom the setup does not want. Known is false
	// where it could not be found out.
	Fits, Known bool
	Say         display.Text
	Next        string // what to do; "" when there is nothing to do
}

// Policer is a platform that tells which rules it enforces around the pipeline of a setup. It reads only.
// What the log-in may not see is a Policy that is not known, no error.
type Policer interface {
	Policies(ctx context.Context, p setup.Plan) ([]Policy, error)
}

// NewPolicy is one that fits and says nothing yet.
func NewPolicy(rule, on string) Policy {
	return Policy{Rule: rule, On: display.Clean(on), Fits: true, Known: true}
}

// Judge is the policy with what was found, and what to do about it.
func (q Policy) Judge(fits bool, next, format string, args ...any) Policy {
	q.Fits, q.Next, q.Say = fits, next, display.Clean(fmt.Sprintf(format, args...))
	return q
}

// Unseen is the policy that an error keeps from being known.
func (q Policy) Unseen(err error) Policy {
	h := hint.Of(err)
	q.Known, q.Say, q.Next = false, display.Clean(h.Error()), h.Next
	return q
}
