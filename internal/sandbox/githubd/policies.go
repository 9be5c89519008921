package githubd

import (
	"net/http"
	"strings"
)

// Rules are those of a repository's Actions.
type Rules struct {
	Disabled    bool   `json:"disabled"`
	Allowed     string `json:"allowed"` // all, local_only or selected
	ForksRun    bool   `json:"forksRun"`
	ForkSecrets bool   `json:"forkSecrets"`
	Public      bool   `json:"public"`
}

// Admits are the branches that may use an environment: the protected ones, or those of the patterns.
type Admits struct {
	Protected bool     `json:"protected"`
	Patterns  []string `json:"patterns"`
}

// Rule sets the rules of a repository's Actions, and whether it is public.
func (s *Server) Rule(owner, name string, rules Rules) {
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.state.Repos[strings.ToLower(owner+"/"+name)]
	x.Rules, x.Private = &rules, !rules.Public
}

// Admit sets which branches may use an environment; nil for every branch.
func (s *Server) Admit(owner, name, environment string, admits *Admits) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Repos[strings.ToLower(owner+"/"+name)].Environments[strings.ToLower(environment)].Admits = admits
}

func (s *Server) policies(on func(string, answer)) {
	const base = "GET /repos/{owner}/{repo}/actions/permissions"
	on(base, s.administered(func(r *http.Request, _ *repo, rules Rules) (int, any, *refusal) {
		out := map[string]any{"enabled": !rules.Disabled, "sha_pinning_required": false}
		if !rules.Disabled {
			out["allowed_actions"] = rules.Allowed
		}
		if rules.Allowed == "selected" {
			out["selected_actions_url"] = "http://" + r.Host + r.URL.Path + "/selected-actions"
		}
		return 200, out, nil
	}))
	on(base+"/fork-pr-contributor-approval", s.administered(func(_ *http.Request, x *repo, _ Rules) (int, any, *refusal) {
		if x.Private {
			return 0, nil, notFound
		}
		return 200, map[string]any{"approval_policy": "first_time_contributors"}, nil
	}))
	on(base+"/fork-pr-workflows-private-repos", s.administered(func(_ *http.Request, x *repo, rules Rules) (int, any, *refusal) {
		if !x.Private {
			return 0, nil, notFound
		}
		return 200, map[string]any{
			"run_workflows_from_fork_pull_requests": rules.ForksRun, "send_write_tokens_to_workflows": false,
			"send_secrets_and_variables": rules.ForkSecrets, "require_approval_for_fork_pr_workflows": false,
		}, nil
	}))
	on("GET /repos/{owner}/{repo}/environments/{environment}/deployment-branch-policies", func(r *http.Request) (int, any, *refusal) {
		x, no := s.repo(r, false)
		if no != nil {
			return 0, nil, no
		}
		e := x.Environments[strings.ToLower(r.PathValue("environment"))]
		if e == nil || e.Admits == nil {
			return 0, nil, notFound
		}
		items, next, no := page(r, e.Admits.Patterns, 30)
		if no != nil {
			return 0, nil, no
		}
		out := []any{}
		for i, name := range items {
			out = append(out, map[string]any{"id": i + 1, "node_id": nodeID("BP", i), "name": name, "type": "branch"})
		}
		return 200, paged{map[string]any{"total_count": len(e.Admits.Patterns), "branch_policies": out}, next}, nil
	})
}

// administered answers those who administer the repository.
func (s *Server) administered(a func(*http.Request, *repo, Rules) (int, any, *refusal)) answer {
	return func(r *http.Request) (int, any, *refusal) {
		x, no := s.repo(r, false)
		switch {
		case no != nil:
			return 0, nil, no
		case x.Permission != "admin":
			return 0, nil, forbidden("administration=read")
		case x.Rules == nil:
			return a(r, x, Rules{Allowed: "all"})
		}
		return a(r, x, *x.Rules)
	}
}
