package gitlab_test

import (
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitlabd"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// What GitLab's rules mean for the runs of a setup.
func TestPolicies(t *testing.T) {
	for name, tc := range map[string]struct {
		change  func(*gitlabd.Server)
		address string
		want    []string // "rule fits|refuses|unknown words"
	}{
		"the usual":     {nil, "acme/etl", []string{"protected branch fits", "forks fits no protected variable"}},
		"not protected": {func(s *gitlabd.Server) { s.Rule("acme/etl", nil, true) }, "acme/etl", []string{"protected branch refuses every Developer", "forks refuses gets the variable"}},
		"no forks":      {func(s *gitlabd.Server) { s.Rule("acme/etl", nil, false) }, "acme/etl", []string{"protected branch refuses", "forks fits do not run"}},
		"an old server": {(*gitlabd.Server).BeOld, "acme/etl", []string{"protected branch fits", "forks unknown does not say"}},
		"environment":   {nil, "acme/etl#staging", []string{"protected branch fits", "forks fits", "reviewers unknown paid plans"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, w := newWorld(t)
			if tc.change != nil {
				tc.change(s)
			}
			got, err := w.Store.(providers.Policer).Policies(t.Context(), setup.Plan{Setup: setup.Setup{
				Repository: setup.Repository{Host: "gitlab.com", Path: "acme/etl"}, Targets: []setup.Target{target(tc.address, "ASTRO_API_TOKEN")}, Pipeline: setup.Pipeline{Branch: "main"},
			}})
			if err != nil || len(got) != len(tc.want) {
				t.Fatalf("%v: %+v", err, got)
			}
			for i, q := range got {
				verdict := map[bool]string{true: "fits", false: "refuses"}[q.Fits]
				if !q.Known {
					verdict = "unknown"
				}
				words, ok := strings.CutPrefix(tc.want[i], q.Rule+" "+verdict)
				if !ok || !strings.Contains(q.Say.String(), strings.TrimSpace(words)) || (verdict == "refuses") == (q.Next == "") {
					t.Errorf("got %s %s %q, next %q, want %q", q.Rule, verdict, q.Say, q.Next, tc.want[i])
				}
			}
		})
	}
}
