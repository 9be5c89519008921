package drone

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindLogin finds the server and the log-in by the drone CLI's own rules: DRONE_SERVER and
// DRONE_TOKEN; it has no file.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	server = strings.TrimSuffix(h.Getenv("DRONE_SERVER"), "/")
	v := strings.TrimSpace(h.Getenv("DRONE_TOKEN"))
	if server == "" || v == "" {
		return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Drone", "Set DRONE_SERVER to the address of your Drone and DRONE_TOKEN to the token of your account page.", docsLogin)
	}
	return server, providers.Login{Value: secret.New([]byte(v)), Source: "DRONE_TOKEN"}, nil
}
