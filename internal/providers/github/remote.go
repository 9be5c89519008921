package github

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var (
	ownerName = pattern.New(`^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,98}[A-Za-z0-9])?$`)
	repoName  = pattern.New(`^[A-Za-z0-9._-]{1,100}$`)
)

// address is a target's address, taken apart.
type address struct{ owner, repo, environment string }

// parseAddress reads OWNER, OWNER/REPO or OWNER/REPO#ENVIRONMENT.
func parseAddress(text string) (address, error) {
	path, environment, hasEnv := strings.Cut(text, "#")
	owner, repo, hasRepo := strings.Cut(path, "/")
	bad := func(what string) (address, error) {
		return address{}, hint.New(fmt.Sprintf("github: %q is not an address: %s", display.Clean(text), what),
			"Write OWNER/REPO, OWNER/REPO#ENVIRONMENT, or OWNER for an organization.", docsSecrets)
	}
	switch {
	case !ownerName.MatchString(owner):
		return bad("the owner is not a GitHub name")
	case hasRepo && (!repoName.MatchString(repo) || repo == "." || repo == ".."):
		return bad("the repository is not a GitHub name")
	case hasEnv && !hasRepo:
		return bad("an environment belongs to a repository")
	case hasEnv && (environment == "" || len(environment) > 255 || strings.TrimSpace(environment) != environment ||
		strings.ContainsFunc(environment, unicode.IsControl) || strings.Contains(environment, "${{")):
		return bad("the environment's name is empty, too long, or holds a character that it must not have")
	}
	return address{owner, repo, environment}, nil
}

// Canonical is the host that serves the API for a host that stands in a remote: git's own ssh host
// of github.com is github.com.
func Canonical(host string) string {
	host = strings.ToLower(host)
	if host == "ssh.github.com" || host == "www.github.com" {
		return "github.com"
	}
	return host
}

// Detect reports whether a remote is a repository on host. Only the exact host counts, so that a
// look-alike never gets a token; git's own ssh hosts of github.com count as github.com.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	from := Canonical(r.Host)
	owner, repo, ok := strings.Cut(r.Path, "/")
	if !ok || from != strings.ToLower(host) || !ownerName.MatchString(owner) || !repoName.MatchString(repo) {
		return setup.Repository{}, false
	}
	return setup.Repository{Host: from, Path: r.Path}, true
}

// Detect reports whether a remote is a repository on the provider's host.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads OWNER/REPO, HOST/OWNER/REPO, or the repository's https address.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(text), "https://"), "/"), ".git")
	if host, rest, ok := strings.Cut(path, "/"); ok && strings.Count(path, "/") == 2 {
		if !strings.EqualFold(host, p.host) {
			return setup.Repository{}, hint.New(fmt.Sprintf("github: %q is on another host than your log-in, which is for %s", display.Clean(text), p.host),
				"Log in to that host with gh auth login, or set GH_HOST.", "https://cli.github.com/manual/gh_auth_login")
		}
		path = rest
	}
	a, err := parseAddress(path)
	if err != nil || a.repo == "" || a.environment != "" {
		return setup.Repository{}, hint.New(fmt.Sprintf("github: %q is not a repository", display.Clean(text)), "Write it as OWNER/REPO, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}
