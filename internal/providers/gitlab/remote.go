package gitlab

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// part is one segment of a path: a group or a project.
var part = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}$`)

// scope is the name of an environment, as GitLab allows it.
var scope = pattern.New(`^[A-Za-z0-9/_. -]{1,255}$`)

// maxDepth is how deep groups may be nested, the project included.
const maxDepth = 21

// address is a target's address, taken apart.
type address struct {
	path        string // of the project or group
	environment string
	group       bool
}

// parseAddress reads PATH, PATH#ENVIRONMENT or group:PATH.
func parseAddress(text string) (address, error) {
	bad := func(what string) (address, error) {
		return address{}, hint.New(fmt.Sprintf("gitlab: %q is not an address: %s", display.Clean(text), what),
			"Write GROUP/PROJECT, GROUP/PROJECT#ENVIRONMENT, or group:GROUP.", docsVariables)
	}
	rest, group := strings.CutPrefix(text, "group:")
	path, environment, hasEnv := strings.Cut(rest, "#")
	least := 2
	if group {
		least = 1
	}
	switch {
	case !isPath(path, least):
		return bad("the path is not one of GitLab")
	case hasEnv && group:
		return bad("an environment belongs to a project")
	case hasEnv && (!scope.MatchString(environment) || strings.TrimSpace(environment) != environment):
		return bad("the environment's name is empty, too long, or holds a character that it must not have")
	}
	return address{path, environment, group}, nil
}

// isPath reports whether path has at least so many segments, each one a name of GitLab.
func isPath(path string, least int) bool {
	parts := strings.Split(path, "/")
	if len(parts) < least || len(parts) > maxDepth {
		return false
	}
	for _, p := range parts {
		if !part.MatchString(p) || strings.HasSuffix(p, ".git") || strings.HasSuffix(p, ".") {
			return false
		}
	}
	return true
}

// Canonical is the host that serves the API for a host that stands in a remote.
func Canonical(host string) string {
	host = strings.ToLower(host)
	if host == "altssh.gitlab.com" || host == "www.gitlab.com" {
		return "gitlab.com"
	}
	return host
}

// Detect reports whether a remote is a project on host. Only the exact host counts, so that a
// look-alike never gets a token.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	if Canonical(r.Host) != strings.ToLower(host) || !isPath(r.Path, 2) {
		return setup.Repository{}, false
	}
	return setup.Repository{Host: Canonical(r.Host), Path: r.Path}, true
}

// Detect reports whether a remote is a project on the provider's host.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads GROUP/PROJECT, HOST/GROUP/PROJECT, or the project's https address.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "https://"), "/"), ".git")
	if host, rest, ok := strings.Cut(path, "/"); ok && strings.Contains(host, ".") {
		if !strings.EqualFold(host, p.host) {
			return setup.Repository{}, hint.New(fmt.Sprintf("gitlab: %q is on another host than your log-in, which is for %s", display.Clean(text), p.host),
				"Log in to that host with glab auth login, or set GITLAB_HOST.", docsLogin)
		}
		path = rest
	}
	if !isPath(path, 2) {
		return setup.Repository{}, hint.New(fmt.Sprintf("gitlab: %q is not a project", display.Clean(text)), "Write it as GROUP/PROJECT, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{".gitlab-ci.yml", ".gitlab/*.yml"} }
