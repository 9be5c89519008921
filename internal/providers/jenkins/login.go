package jenkins

import (
	"bytes"
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
	user, v := get("JENKINS_USER_ID"), secret.New([]byte(get("JENKINS_API_TOKEN")))
	if user == "" {
		user, v = apart(v)
	}
	if server == "" || user == "" || v.Empty() {
		return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Jenkins", "Set JENKINS_URL to its address, JENKINS_USER_ID to your user's name and JENKINS_API_TOKEN to an API token of your user page.", docsLogin)
	}
	return server, providers.Login{User: user, Value: v, Source: "JENKINS_API_TOKEN"}, nil
}

// apart takes a log-in apart that is USER:TOKEN, as a secret of one text holds it; without a user there is none.
func apart(login *secret.Value) (user string, token *secret.Value) {
	_ = login.Use(func(b []byte) error {
		if u, t, both := bytes.Cut(b, []byte(":")); both {
			user, token = string(u), secret.New(t)
		}
		return nil
	})
	if token == nil {
		token = login
	}
	return user, token
}
