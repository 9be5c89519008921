package jenkins

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindLogin finds the server and the log-in by the rules of Jenkins' own CLI: JENKINS_URL,
// JENKINS_USER_ID and JENKINS_API_TOKEN; it has no file. The token may have the user before it, as USER:TOKEN.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	get := func(k string) string { return strings.TrimSpace(h.Getenv(k)) }
	server = strings.TrimSuffix(get("JENKINS_URL"), "/")
	user, v := get("JENKINS_USER_ID"), get("JENKINS_API_TOKEN")
	if user == "" { // both in one, as a secret of one text holds them
		if u, token, both := strings.Cut(v, ":"); both {
			user, v = u, token
		}
	}
	if server == "" || user == "" || v == "" {
		return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Jenkins", "Set JENKINS_URL to its address, JENKINS_USER_ID to your user's name and JENKINS_API_TOKEN to an API token of your user page.", docsLogin)
	}
	return server, providers.Login{User: user, Value: secret.New([]byte(v)), Source: "JENKINS_API_TOKEN"}, nil
}
