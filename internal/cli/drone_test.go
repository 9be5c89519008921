package cli_test

import (
	"strings"
	"testing"
)

func TestDrone(t *testing.T) {
	t.Parallel()
	args := []string{"setup", "--no-input", "--yes", "--json", "--platform", "drone", "--repo", "acme/etl", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
	p, s := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN") // another platform's log-in is not needed
	// The repository's remote is on GitHub, and so GitHub is what was found; Drone was asked for.
	stdout, stderr, code := p.run(args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := decode(t, stdout)
	if v, pullRequest, err := s.Drone().Open("acme/etl", "ASTRO_API_TOKEN"); err != nil || pullRequest || !s.Astro().Accepts(v, r.Token.ID) {
		t.Errorf("the secret is not the token: %v", err)
	}
	if r.Pipeline.File != ".drone.yml" || !strings.Contains(p.read(".drone.yml"), "from_secret: \"ASTRO_API_TOKEN\"") {
		t.Errorf("got %s", stdout)
	}
	if _, stderr, code := p.run(append(args, "--environment", "prod")...); code == 0 || !strings.Contains(stderr, "no environments") {
		t.Errorf("an environment: exit %d: %s", code, stderr)
	}
	p.unset("DRONE_TOKEN")
	if _, stderr, code := p.run(args...); code != 4 || !strings.Contains(stderr, "DRONE_SERVER") {
		t.Errorf("no log-in: exit %d: %s", code, stderr)
	}
	sandbox := newPlace(t)
	if _, stderr, code := sandbox.run(append([]string{"--sandbox"}, args...)...); code != 0 {
		t.Errorf("sandbox: exit %d: %s", code, stderr)
	}
	assertNoToken(t, sandbox)
}
