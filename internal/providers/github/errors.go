package github

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cli/go-gh/v2/pkg/api"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// explain turns go-gh's error into ours and says what to do about it.
func explain(err error, method, path string) error {
	if moved, ok := errors.AsType[*httpx.RedirectError](err); ok {
		return hint.Wrap(moved, "github: "+method+" "+path, "The repository was probably renamed or moved. Give its new name with --repo.", "")
	}
	var h *api.HTTPError
	if !errors.As(err, &h) {
		// The text of a network error holds the address and nothing else.
		return hint.Wrap(unwrapURL(err), "github: "+method+" "+path, httpx.Unreached(err, "GitHub"), "")
	}
	status := &httpx.StatusError{
		Service: "github", Method: method, Path: path, Status: h.StatusCode, Message: display.Clean(h.Message), Header: h.Headers,
		RequestID: display.Clean(h.Headers.Get("X-Github-Request-Id")),
	}
	next, link := remedy(status)
	return &hint.Error{Doing: doing(path), Next: next, Link: link, Err: status}
}

// doing says in words what a path is about.
func doing(path string) string {
	switch {
	case strings.Contains(path, "/secrets"):
		return "use the secrets of " + subject(path)
	case strings.Contains(path, "/environments"):
		return "use the environments of " + subject(path)
	}
	return "look at " + subject(path)
}

// subject is OWNER/REPO or OWNER of a path.
func subject(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	switch {
	case len(parts) >= 3 && parts[0] == "repos":
		return parts[1] + "/" + parts[2]
	case len(parts) >= 2:
		return parts[1]
	}
	return path
}

func remedy(s *httpx.StatusError) (next, link string) {
	org := strings.HasPrefix(s.Path, "/orgs/")
	secrets := strings.Contains(s.Path, "/secrets")
	environments := strings.Contains(s.Path, "/environments")
	accepted := display.Clean(s.Header.Get("X-Accepted-Github-Permissions")).String()
	sso := s.Header.Get("X-Github-Sso") != ""
	limited := s.Status == http.StatusTooManyRequests || s.Status < 500 && (s.Header.Get("Retry-After") != "" || s.Header.Get("X-Ratelimit-Remaining") == "0")
	switch {
	case s.Status == http.StatusUnauthorized:
		return "The log-in is missing, expired or revoked. Log in with gh auth login, or set GH_TOKEN.", "https://cli.github.com/manual/gh_auth_login"
	case limited:
		return "GitHub asks for fewer requests. Wait a few minutes and try again.", "https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api"
	case s.Status == http.StatusForbidden && sso:
		return "The organization asks for single sign-on. Authorize the token for it, then try again.", "https://docs.github.com/en/enterprise-cloud@latest/authentication/authenticating-with-single-sign-on"
	case s.Status == http.StatusForbidden && strings.Contains(s.Message.String(), "archived"):
		return "Unarchive the repository, or choose another one.", "https://docs.github.com/en/repositories/archiving-a-github-repository/archiving-repositories"
	case s.Status == http.StatusForbidden && accepted != "":
		return fmt.Sprintf("The token lacks a permission; GitHub accepts: %s.", accepted), docsSecrets
	case (s.Status == http.StatusForbidden || s.Status == http.StatusNotFound) && org && secrets:
		return "Organization secrets need the scope admin:org: gh auth refresh --scopes admin:org. A fine-grained token needs the organization permission Secrets: write.", docsSecrets
	case s.Status == http.StatusForbidden && environments:
		return "A classic token needs the scope repo, a fine-grained one Environments: write; making an environment needs Administration: write.", docsEnvironments
	case (s.Status == http.StatusForbidden || s.Status == http.StatusNotFound) && secrets:
		return "A classic token needs the scope repo, a fine-grained one Secrets: write; your role in the repository must be write or more.", docsSecrets
	case s.Status == http.StatusNotFound:
		return "It does not exist, or your log-in cannot see it. Check the name, and who you are with gh auth status.", "https://cli.github.com/manual/gh_auth_status"
	case s.Status == http.StatusForbidden:
		return "Your log-in may not do this. Ask an administrator of " + subject(s.Path) + ".", docsSecrets
	case s.Status == http.StatusUnprocessableEntity:
		return "GitHub refused a value; its message says which one.", docsSecrets
	case s.Status >= 500:
		return "GitHub has trouble answering. Try again, and look at its status page if it stays.", "https://www.githubstatus.com"
	}
	return "", docsSecrets
}
