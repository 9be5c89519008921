package bitbucket

import (
	"cmp"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindLogin finds the API's address and a log-in. Bitbucket has no CLI of its own; the variables are
// those that its documents and the common tools use. An API token goes with the e-mail address of the
// account; an access token of a repository, project or workspace stands alone.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	get := func(k string) string { return strings.TrimSpace(h.Getenv(k)) }
	server = strings.TrimSuffix(strings.TrimSuffix(cmp.Or(get("BITBUCKET_API_BASE_URL"), "https://api.bitbucket.org"), "/"), api)
	for _, pair := range [][2]string{{"BITBUCKET_EMAIL", "BITBUCKET_API_TOKEN"}, {"BITBUCKET_USERNAME", "BITBUCKET_PASSWORD"}} {
		if user, v := get(pair[0]), get(pair[1]); user != "" && v != "" {
			return server, providers.Login{User: user, Value: secret.New([]byte(v)), Source: pair[1]}, nil
		}
	}
	for _, k := range []string{"BITBUCKET_ACCESS_TOKEN", "BITBUCKET_TOKEN"} {
		if v := get(k); v != "" {
			return server, providers.Login{Value: secret.New([]byte(v)), Source: k}, nil
		}
	}
	return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Bitbucket",
		"Set BITBUCKET_EMAIL and BITBUCKET_API_TOKEN, an API token with the scopes read:repository:bitbucket, read:pipeline:bitbucket and admin:pipeline:bitbucket, or BITBUCKET_ACCESS_TOKEN.", docsTokens)
}
