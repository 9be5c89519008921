package woodpecker

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindLogin finds the server and the log-in by the variables of the woodpecker-cli. Its file names the
// server only; the token is in the keyring then, under a name of its own version.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	server = strings.TrimSuffix(h.Getenv("WOODPECKER_SERVER"), "/")
	v := strings.TrimSpace(h.Getenv("WOODPECKER_TOKEN"))
	if server == "" || v == "" {
		return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Woodpecker", "Set WOODPECKER_SERVER to the address of your Woodpecker and WOODPECKER_TOKEN to a token of your user settings.", docsLogin)
	}
	return server, providers.Login{Value: secret.New([]byte(v)), Source: "WOODPECKER_TOKEN"}, nil
}
