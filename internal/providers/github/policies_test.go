package github_test

import (
	"context"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// What GitHub's rules mean for the runs of a setup.
func TestPolicies(t *testing.T) {
	plan := func(address string) setup.Plan {
		return setup.Plan{Setup: setup.Setup{Repository: etl, Targets: []setup.Target{target(address, "ASTRO_API_TOKEN")}, Pipeline: setup.Pipeline{Branch: "main"}}}
	}
	for name, tc := range map[string]struct {
		change func(*githubd.Server)
		plan   setup.Plan
		want   []string // "rule: fits|refuses|unknown: words"
	}{
		"the usual": {nil, plan("acme/etl"), []string{"protected branch: refuses: whoever may push", "allowed actions: fits: may run", "forks: fits: run nothing"}},
		"all well": {
			func(s *githubd.Server) {
				s.Protect("acme", "etl", "main")
				s.Admit("acme", "etl", "staging", &githubd.Admits{Protected: true})
			}, plan("acme/etl#staging"),
			[]string{"protected branch: fits: protected", "reviewers: fits: 1: every run waits", "branches: fits: only protected", "allowed actions: fits", "forks: fits"},
		},
		"an environment for protected branches": {
			func(s *githubd.Server) { s.Admit("acme", "etl", "staging", &githubd.Admits{Protected: true}) }, plan("acme/etl#staging"),
			[]string{"protected branch: refuses", "reviewers: fits", "branches: refuses: only protected", "allowed actions: fits", "forks: fits"},
		},
		"a pattern that fits": {
			func(s *githubd.Server) {
				s.Admit("acme", "etl", "staging", &githubd.Admits{Patterns: []string{"release/*", "ma*"}})
			}, plan("acme/etl#staging"),
			[]string{"protected branch", "reviewers", "branches: fits: by the pattern ma*", "allowed actions", "forks"},
		},
		"no pattern fits": {
			func(s *githubd.Server) {
				s.Admit("acme", "etl", "staging", &githubd.Admits{Patterns: []string{"release/*", "ma"}})
			}, plan("acme/etl#staging"),
			[]string{"protected branch", "reviewers", "branches: refuses: no pattern", "allowed actions", "forks"},
		},
		"a schedule that reviewers hold up": {
			nil,
			setup.Plan{Setup: setup.Setup{Job: setup.RotateTokens, Repository: etl, Targets: []setup.Target{target("acme/etl#staging", "ASTRO_API_TOKEN")}}},
			[]string{"protected branch", "reviewers: refuses: at a set time", "branches: fits", "allowed actions", "forks"},
		},
		"previews come from every branch": {
			func(s *githubd.Server) { s.Admit("acme", "etl", "staging", &githubd.Admits{Protected: true}) },
			setup.Plan{Setup: setup.Setup{Job: setup.PreviewDeployments, Repository: etl, Targets: []setup.Target{target("acme/etl#staging", "ASTRO_API_TOKEN")}}},
			[]string{"protected branch", "reviewers", "branches: refuses: previews", "allowed actions", "forks"},
		},
		"no environment": {nil, plan("acme/etl#gone"), []string{"protected branch", "reviewers: refuses: does not exist", "allowed actions", "forks"}},
		"Actions are off": {
			func(s *githubd.Server) { s.Rule("acme", "etl", githubd.Rules{Disabled: true, Allowed: "all"}) }, plan("acme/etl"),
			[]string{"protected branch", "allowed actions: refuses: nothing runs", "forks: fits"},
		},
		"own actions only": {
			func(s *githubd.Server) { s.Rule("acme", "etl", githubd.Rules{Allowed: "local_only"}) }, plan("acme/etl"),
			[]string{"protected branch", "allowed actions: refuses: actions/checkout", "forks: fits"},
		},
		"selected actions": {
			func(s *githubd.Server) { s.Rule("acme", "etl", githubd.Rules{Allowed: "selected", ForksRun: true}) }, plan("acme/etl"),
			[]string{"protected branch", "allowed actions: unknown: not asked", "forks: fits: no secrets"},
		},
		"forks get secrets": {
			func(s *githubd.Server) {
				s.Rule("acme", "etl", githubd.Rules{Allowed: "all", ForksRun: true, ForkSecrets: true})
			}, plan("acme/etl"),
			[]string{"protected branch", "allowed actions", "forks: refuses: get the secrets"},
		},
		"public": {
			func(s *githubd.Server) { s.Rule("acme", "etl", githubd.Rules{Allowed: "all", Public: true}) }, plan("acme/etl"),
			[]string{"protected branch", "allowed actions", "forks: fits: first time"},
		},
		"no administrator": {
			func(s *githubd.Server) { s.Change("acme", "etl", "push", false, "") }, plan("acme/etl"),
			[]string{"protected branch: refuses", "allowed actions: unknown: 403", "forks: unknown: 403"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := newWorld(t)
			if tc.change != nil {
				tc.change(s)
			}
			got, err := w.Store.(providers.Policer).Policies(context.Background(), tc.plan)
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("%v: %+v", err, got)
			}
			for i, q := range got {
				verdict := map[bool]string{true: "fits", false: "refuses"}[q.Fits]
				if !q.Known {
					verdict = "unknown"
				}
				if said := q.Rule + ": " + verdict + ": " + q.Say.String(); !fitsWords(said, tc.want[i]) || (verdict == "refuses") && q.Next == "" {
					t.Errorf("got %q, next %q, want %q", said, q.Next, tc.want[i])
				}
			}
		})
	}
}

// fitsWords reports whether the text begins as wanted, and says the last part of it somewhere.
func fitsWords(text, want string) bool {
	parts := strings.SplitN(want, ": ", 3)
	return strings.HasPrefix(text, strings.Join(parts[:min(2, len(parts))], ": ")) && strings.Contains(text, parts[len(parts)-1])
}
