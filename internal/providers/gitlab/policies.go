package gitlab

import (
	"context"
	"errors"
	"slices"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Policies are the rules of the project that a run of the setup meets: the protection of its branch, and
// what pipelines of forks get.
func (p *Provider) Policies(ctx context.Context, x setup.Plan) ([]providers.Policy, error) {
	project, err := p.api.project(ctx, x.Repository.Path)
	if err != nil {
		return nil, err
	}
	branch := x.Pipeline.Branch
	if branch == "" {
		branch = project.DefaultBranch
	}
	guard, forks := providers.NewPolicy("protected branch", branch), providers.NewPolicy("forks", x.Repository.Path)
	protected, err := p.api.branchProtected(ctx, x.Repository.Path, branch)
	switch {
	case err != nil:
		guard = guard.Unseen(err)
	case protected:
		guard = guard.Judge(true, "", "it is protected")
	default:
		guard = guard.Judge(false, "Protect the branch, then write the variable anew with astro-ci rotate.",
			"it is not protected: every Developer changes what deploys; a protected variable is empty there, another one is open to every branch")
	}
	switch runs := project.ForksRun; {
	case runs == nil:
		forks = forks.Unseen(errors.New("the server does not say whether pipelines of forks run here"))
	case !*runs:
		forks = forks.Judge(true, "", "pipelines of forks do not run here")
	case protected:
		forks = forks.Judge(true, "", "a member may run a fork's pipeline here; it gets no protected variable")
	default:
		forks = forks.Judge(false, "Protect the branch, or turn pipelines of forks off in the project's CI/CD settings.", "a fork's pipeline that a member runs here gets the variable")
		forks.Known = err == nil
	}
	out := []providers.Policy{guard, forks}
	if i := slices.IndexFunc(x.Targets, func(t setup.Target) bool {
		a, err := parseAddress(t.Address)
		return t.Store == "gitlab" && err == nil && a.environment != ""
	}); i >= 0 {
		a, _ := parseAddress(x.Targets[i].Address) // it was read above
		out = append(out, providers.NewPolicy("reviewers", "environment "+a.environment).Unseen(errors.New("approvals of an environment are not asked for: only paid plans of GitLab have them")))
	}
	return out, nil
}

var _ providers.Policer = (*Provider)(nil)
