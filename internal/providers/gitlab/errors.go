package gitlab

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// explain adds to an error what to do about it.
func explain(err error) error {
	if err == nil {
		return nil
	}
	if moved, ok := errors.AsType[*httpx.RedirectError](err); ok {
		return hint.Wrap(moved, "gitlab: look at the project", "The project was probably renamed or moved. Give its new path with --repo.", "")
	}
	var s *httpx.StatusError
	if !errors.As(err, &s) {
		return hint.Wrap(err, "gitlab: send a request", httpx.Unreached(err, "GitLab"), "")
	}
	variables := strings.Contains(s.Path, "/variables")
	doing, next, link := "look at "+subject(s.Path), "", docsVariables
	if variables {
		doing = "use the variables of " + subject(s.Path)
	}
	switch {
	case s.Status == http.StatusUnauthorized:
		next, link = "The log-in is missing, expired or revoked. Log in with glab auth login, or set GITLAB_TOKEN.", docsLogin
	case s.Status == http.StatusForbidden && strings.Contains(s.Message.String(), "scope"):
		next, link = "The token needs the scope api.", docsLogin
	case s.Status == http.StatusForbidden && variables && strings.HasPrefix(s.Path, "/groups/"):
		next = "Only an Owner of the group may write its variables. Ask one, or keep the variable in the project."
	case s.Status == http.StatusForbidden && variables:
		next = "Only a Maintainer or Owner may write variables. Ask one to run this set-up, or for the role."
	case s.Status == http.StatusForbidden:
		next = "Your log-in may not do this. Ask a Maintainer of " + subject(s.Path) + "."
	case s.Status == http.StatusNotFound:
		next = "It does not exist, or your log-in cannot see it. Check the path, and who you are with glab auth status."
	case s.Status == http.StatusTooManyRequests:
		next, link = "GitLab asks for fewer requests. Wait a few minutes and try again.", "https://docs.gitlab.com/security/rate_limits/"
	case s.Status == http.StatusBadRequest:
		next = "GitLab refused a value; its message says which one."
	case s.Status >= http.StatusInternalServerError:
		next, link = "GitLab has trouble answering. Try again, and look at its status page if it stays.", "https://status.gitlab.com"
	}
	return &hint.Error{Doing: "gitlab: " + doing, Next: next, Link: link, Err: err}
}

// subject is the project or group of a path.
func subject(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	if len(parts) < 2 {
		return path
	}
	if name, err := url.PathUnescape(parts[1]); err == nil {
		return name
	}
	return fmt.Sprintf("%q", parts[1])
}
