package sandbox

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// Variable is one environment variable; a log-in has a Secret and no Value.
type Variable struct {
	Name, Value string
	Secret      *secret.Value
}

// Environment prepares what astro-ci, the astro CLI and gh need to work on the sandbox, and returns
// the variables that point them at it. It needs a state folder: the astro CLI gets a home of its
// own there, gh a configuration that names a socket on which GitHub is served.
func (s *Sandbox) Environment() ([]Variable, error) {
	home := filepath.Join(s.dir, "astro-home")
	gh := filepath.Join(s.dir, "gh")
	socket := filepath.Join(s.dir, "gh.sock")
	files := map[string]string{
		filepath.Join(home, ".astro", "config.yaml"): fmt.Sprintf("local:\n  core: %s\n  platform: cloud\nupgrade_message: \"false\"\n", s.url),
		filepath.Join(gh, "config.yml"):              "version: \"1\"\nprompt: disabled\nhttp_unix_socket: " + socket + "\n",
	}
	for path, text := range files {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return nil, fmt.Errorf("sandbox: %w", err)
		}
	}
	if err := s.listenSocket(socket); err != nil {
		return nil, err
	}
	_, _, deployment := s.astro.Find("Data Platform", "etl-prod")
	drone, _, droneToken := s.Service("drone")
	wood, _, woodToken := s.Service("woodpecker")
	tea, _, teaToken := s.Service("gitea")
	kite, organization, kiteToken := s.Service("buildkite")
	circle, _, circleToken := s.Service("circleci")
	bucket, email, bucketToken := s.Service("bitbucket")
	jenkins, user, jenkinsToken := s.Service("jenkins")
	azure, _, azureToken := s.Service("azure-devops")
	aws, accessKey, secretKey := s.Service("aws")
	vault, _, vaultToken := s.Service("vault")
	doppler, _, dopplerToken := s.Service("doppler")
	connect, _, connectToken := s.Service("onepassword")
	keyID, keySecret := s.astro.AddKey(deployment)
	return []Variable{
		{Name: "ASTRO_CI_ASTRO_URL", Value: s.AstroURL()},
		{Name: "ASTRO_CI_GITHUB_URL", Value: s.GitHubURL()},
		{Name: "ASTRO_CI_GITLAB_URL", Value: s.GitLabURL()},
		{Name: "GITLAB_TOKEN", Secret: s.gitlab.Token()},
		{Name: "DRONE_SERVER", Value: drone},
		{Name: "DRONE_TOKEN", Secret: droneToken},
		{Name: "WOODPECKER_SERVER", Value: wood},
		{Name: "WOODPECKER_TOKEN", Secret: woodToken},
		{Name: "GITEA_SERVER_URL", Value: tea},
		{Name: "GITEA_TOKEN", Secret: teaToken},
		{Name: "BUILDKITE_REST_API_ENDPOINT", Value: kite},
		{Name: "BUILDKITE_ORGANIZATION_SLUG", Value: organization},
		{Name: "BUILDKITE_API_TOKEN", Secret: kiteToken},
		{Name: "BITBUCKET_API_BASE_URL", Value: bucket},
		{Name: "BITBUCKET_EMAIL", Value: email},
		{Name: "BITBUCKET_API_TOKEN", Secret: bucketToken},
		{Name: "JENKINS_URL", Value: jenkins},
		{Name: "JENKINS_USER_ID", Value: user},
		{Name: "JENKINS_API_TOKEN", Secret: jenkinsToken},
		{Name: "AZDO_ORG_SERVICE_URL", Value: azure + "/acme"},
		{Name: "AZURE_DEVOPS_EXT_PAT", Secret: azureToken},
		{Name: "AWS_ENDPOINT_URL", Value: aws},
		{Name: "AWS_REGION", Value: s.AWSRegion()},
		{Name: "AWS_ACCESS_KEY_ID", Value: accessKey},
		{Name: "AWS_SECRET_ACCESS_KEY", Secret: secretKey},
		{Name: "VAULT_ADDR", Value: vault},
		{Name: "VAULT_TOKEN", Secret: vaultToken},
		{Name: "DOPPLER_API_HOST", Value: doppler},
		{Name: "DOPPLER_TOKEN", Secret: dopplerToken},
		{Name: "OP_CONNECT_HOST", Value: connect},
		{Name: "OP_CONNECT_TOKEN", Secret: connectToken},
		{Name: "CIRCLE_HOST", Value: circle},
		{Name: "CIRCLE_TOKEN", Secret: circleToken},
		{Name: "ASTRO_CI_RELEASES_URL", Value: s.ReleasesURL()},
		{Name: "ASTRO_CI_UPDATES_URL", Value: s.UpdatesURL()},
		{Name: "ASTRO_HOME", Value: home},
		{Name: "ASTRO_DOMAIN", Value: "localhost"},
		{Name: "ASTRO_TELEMETRY_DISABLED", Value: "1"},
		{Name: "ASTRO_API_TOKEN", Secret: s.Login()},
		{Name: "ASTRONOMER_KEY_ID", Secret: keyID},
		{Name: "ASTRONOMER_KEY_SECRET", Secret: keySecret},
		{Name: "GH_CONFIG_DIR", Value: gh},
		{Name: "GH_HOST", Value: "github.com"},
		{Name: "GH_TOKEN", Secret: s.github.Token()},
	}, nil
}

// listenSocket serves the embedded GitHub at the root of a unix socket, as gh expects it.
func (s *Sandbox) listenSocket(path string) error {
	_ = os.Remove(path) // left by a killed process; the lock says that nobody serves it
	l, err := net.Listen("unix", path)
	if err != nil {
		return fmt.Errorf("sandbox: socket for gh: %w", err)
	}
	s.socket = &http.Server{Handler: s.github.Handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	go func() { _ = s.socket.Serve(l) }()
	return nil
}
