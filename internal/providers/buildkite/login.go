package buildkite

import (
	"cmp"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindLogin finds the API's address and a log-in by the variables of the bk command line. Its token in the keyring is not
// looked for.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	v := strings.TrimSpace(h.Getenv("BUILDKITE_API_TOKEN"))
	if v == "" {
		return "", providers.Login{}, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Buildkite", "Set BUILDKITE_API_TOKEN to an API access token with the scopes "+strings.Join(scopes, ", ")+", and BUILDKITE_ORGANIZATION_SLUG to the organization.", docsLogin)
	}
	server = strings.TrimSuffix(cmp.Or(h.Getenv("BUILDKITE_REST_API_ENDPOINT"), "https://api.buildkite.com"), "/")
	return server, providers.Login{User: h.Getenv("BUILDKITE_ORGANIZATION_SLUG"), Value: secret.New([]byte(v)), Source: "BUILDKITE_API_TOKEN"}, nil
}
