package circleci

import (
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const (
	docsLogin = "https://circleci.com/docs/guides/toolkit/managing-api-tokens/"
	// Cloud is the host of the service; others are CircleCI Servers.
	Cloud = "circleci.com"
)

// FindLogin finds the server and a log-in to it by the rules of both CircleCI CLIs: their variables,
// then the file and the keyring of the new one, then the file of the old one. A log-in of a file
// belongs to the server that the same file names.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	server = "https://" + Cloud
	named := ""
	for _, k := range []string{"CIRCLE_HOST", "CIRCLECI_CLI_HOST"} {
		if v := origin(h.Getenv(k)); v != "" && named == "" {
			named, server = v, v
		}
	}
	for _, k := range []string{"CIRCLE_TOKEN", "CIRCLE_CLI_TOKEN", "CIRCLECI_CLI_TOKEN"} {
		if v := strings.TrimSpace(h.Getenv(k)); v != "" {
			return server, providers.Login{Value: secret.New([]byte(v)), Source: k}, nil
		}
	}
	for _, f := range files(h) {
		raw, err := h.ReadFile(f)
		if err != nil {
			continue
		}
		var c struct {
			Host  string         `yaml:"host"`
			Token providers.Text `yaml:"token"`
		}
		if yaml.Unmarshal(raw, &c) != nil {
			continue // a file that cannot be read; its text holds a token
		}
		of := origin(c.Host)
		if of == "" {
			of = "https://" + Cloud
		}
		if !c.Token.V.Empty() && (named == "" || named == of) {
			return of, providers.Login{Value: c.Token.V, Source: "the log-in of the CircleCI CLI"}, nil
		}
	}
	if v := h.Keyring(server, h.User); !v.Empty() {
		return server, providers.Login{Value: v, Source: "the CircleCI CLI's log-in in the keyring"}, nil
	}
	return "", providers.Login{}, hint.Wrap(providers.ErrNoLogin, "look for a log-in to CircleCI", "Set CIRCLE_TOKEN to a personal API token, or log in with circleci.", docsLogin)
}

// origin is a server's address; a bare host is one over https.
func origin(s string) string {
	s = strings.TrimSuffix(strings.TrimSpace(s), "/")
	if s != "" && !strings.Contains(s, "://") {
		s = "https://" + s
	}
	return s
}

func files(h providers.Host) (out []string) {
	if dir := h.Getenv("XDG_CONFIG_HOME"); dir != "" {
		out = append(out, filepath.Join(dir, "circleci", "config.yml"))
	}
	if h.Home != "" {
		out = append(out, filepath.Join(h.Home, ".config", "circleci", "config.yml"), filepath.Join(h.Home, ".circleci", "cli.yml"))
	}
	return out
}
