package github

import (
	"context"
	"net/http"
	"path"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Policies are the rules of the repository that a run of the setup meets: the protection of its branch, the
// environment that keeps its secret, which actions may run, and what a fork's pull request gets.
func (p *Provider) Policies(ctx context.Context, x setup.Plan) ([]providers.Policy, error) {
	a, err := parseAddress(x.Repository.Path)
	if err != nil {
		return nil, err
	}
	r, err := p.api.repo(ctx, a.owner, a.repo)
	if err != nil {
		return nil, err
	}
	branch := x.Pipeline.Branch
	if branch == "" {
		branch = r.DefaultBranch
	}
	out := []providers.Policy{p.branchRule(ctx, x.Repository, branch)}
	for _, t := range x.Targets {
		if at, err := parseAddress(t.Address); t.Store == "github" && err == nil && at.environment != "" {
			out = append(out, p.environmentRules(ctx, at, x, branch, out[0])...)
		}
	}
	return append(out, p.actionsRule(ctx, a, x), p.forkRule(ctx, a, r.Private)), nil
}

func (p *Provider) branchRule(ctx context.Context, r setup.Repository, branch string) providers.Policy {
	q := providers.NewPolicy("protected branch", branch)
	protected, err := p.Protected(ctx, r, branch)
	switch {
	case err != nil:
		return q.Unseen(err)
	case protected:
		return q.Judge(true, "", "it is protected")
	}
	return q.Judge(false, "Protect the branch, in the settings of the repository.", "GitHub does not call it protected: whoever may push changes what deploys")
}

// environmentRules are who has to approve a run, and from which branches one gets the secret.
func (p *Provider) environmentRules(ctx context.Context, a address, x setup.Plan, branch string, protection providers.Policy) []providers.Policy {
	review, from := providers.NewPolicy("reviewers", "environment "+a.environment), providers.NewPolicy("branches", "environment "+a.environment)
	e, there, err := p.api.environment(ctx, a)
	switch {
	case err != nil:
		return []providers.Policy{review.Unseen(err), from.Unseen(err)}
	case !there:
		return []providers.Policy{review.Judge(false, "Make it anew with astro-ci apply, and give it its rules.", "the environment does not exist")}
	}
	switch n := e.reviewers(); {
	case n > 0 && x.Job.Scheduled():
		review = review.Judge(false, "Let this environment have no reviewers, or renew the token by hand.", "%d: a run at a set time waits for one of them", n)
	case n > 0:
		review = review.Judge(true, "", "%d: every run waits for one of them", n)
	default:
		review = review.Judge(true, "", "none: no run waits")
	}
	const admit = "Admit the branch, in the settings of the environment."
	switch {
	case x.ReadBy() == "":
		from = from.Judge(e.Branches == nil, admit, "the runs of previews come from every branch")
	case e.Branches == nil:
		from = from.Judge(true, "", "runs of every branch get its secrets")
	case e.Branches.Protected:
		from = from.Judge(protection.Fits, admit, "only protected branches get its secrets")
		from.Known = protection.Known
	default:
		from = p.admits(ctx, a, from, branch, admit)
	}
	return []providers.Policy{review, from}
}

// admits judges an environment that lists its branches by patterns.
func (p *Provider) admits(ctx context.Context, a address, q providers.Policy, branch, next string) providers.Policy {
	all, err := all[struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}](ctx, p.api, a.environmentPath()+"/deployment-branch-policies", "branch_policies")
	if err != nil {
		return q.Unseen(err)
	}
	for _, b := range all {
		if ok, err := path.Match(b.Name, branch); err == nil && ok && b.Type != "tag" {
			return q.Judge(true, "", "runs of %s get its secrets, by the pattern %s", branch, b.Name)
		}
	}
	return q.Judge(false, next, "no pattern of it admits %s: its runs are refused", branch)
}

// actionsRule is which actions may run. The pipeline uses one of GitHub's own.
func (p *Provider) actionsRule(ctx context.Context, a address, x setup.Plan) providers.Policy {
	q := providers.NewPolicy("allowed actions", a.owner+"/"+a.repo)
	var in struct {
		Enabled bool   `json:"enabled"`
		Allowed string `json:"allowed_actions"`
	}
	const next = "Allow actions/checkout, in the settings of Actions."
	_, _, err := p.api.do(ctx, http.MethodGet, "/repos/"+a.owner+"/"+a.repo+"/actions/permissions", nil, &in)
	switch {
	case err != nil:
		return q.Unseen(err)
	case !in.Enabled:
		return q.Judge(false, "Turn Actions on, in the settings of the repository.", "Actions are turned off: nothing runs")
	case in.Allowed == "local_only" && !x.Pipeline.Own:
		return q.Judge(false, next, "only actions of the owner may run, and the pipeline uses actions/checkout")
	case in.Allowed == "selected" && !x.Pipeline.Own:
		q = q.Judge(true, next, "only selected actions may run; whether actions/checkout is one of them is not asked")
		q.Known = false
		return q
	}
	return q.Judge(true, "", "what the pipeline uses may run")
}

// forkRule is what a pull request of a fork gets. That of a public repository never gets a secret.
func (p *Provider) forkRule(ctx context.Context, a address, private bool) providers.Policy {
	q := providers.NewPolicy("forks", a.owner+"/"+a.repo)
	base := "/repos/" + a.owner + "/" + a.repo + "/actions/permissions/"
	if !private {
		var in struct {
			Policy string `json:"approval_policy"`
		}
		if _, _, err := p.api.do(ctx, http.MethodGet, base+"fork-pr-contributor-approval", nil, &in); err != nil {
			return q.Unseen(err)
		}
		who := map[string]string{
			"first_time_contributors_new_to_github": "of those who are new to GitHub", "first_time_contributors": "of those who contribute for the first time",
			"all_external_contributors": "of everybody from outside",
		}[in.Policy]
		if who == "" {
			who = "by the policy " + in.Policy
		}
		return q.Judge(true, "", "their runs get no secrets; runs %s wait for an approval", who)
	}
	var in struct {
		Run     bool `json:"run_workflows_from_fork_pull_requests"`
		Secrets bool `json:"send_secrets_and_variables"`
	}
	_, _, err := p.api.do(ctx, http.MethodGet, base+"fork-pr-workflows-private-repos", nil, &in)
	switch {
	case err != nil:
		return q.Unseen(err)
	case in.Run && in.Secrets:
		return q.Judge(false, "Send no secrets to workflows of forks, in the settings of Actions.", "pull requests of forks run and get the secrets")
	case in.Run:
		return q.Judge(true, "", "pull requests of forks run and get no secrets")
	}
	return q.Judge(true, "", "pull requests of forks run nothing")
}

var _ providers.Policer = (*Provider)(nil)
