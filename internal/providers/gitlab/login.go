package gitlab

import (
	"net/http"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const docsLogin = "https://docs.gitlab.com/cli/auth/login/"

// Login is a log-in to one host.
type Login struct {
	Value  *secret.Value
	OAuth  bool   // it goes into Authorization instead of PRIVATE-TOKEN
	Source string // where it was found, in words
}

// auth is an httpx.Auth.
func (l Login) auth(r *http.Request) error {
	if l.OAuth {
		return httpx.Bearer(l.Value)(r)
	}
	return l.Value.Use(func(b []byte) error {
		r.Header.Set("PRIVATE-TOKEN", string(b))
		return nil
	})
}

// DefaultHost is the host that glab works with when nothing names one.
func DefaultHost(getenv func(string) string) string {
	for _, k := range []string{"GITLAB_HOST", "GITLAB_URI", "GL_HOST"} {
		if h := strings.TrimSuffix(strings.TrimPrefix(getenv(k), "https://"), "/"); h != "" {
			return strings.ToLower(h)
		}
	}
	return "gitlab.com"
}

// KnownHost reports whether host is GitLab's own, the one that the environment names, or one that
// glab is logged in to. Others may be anything, and never get a token.
func KnownHost(host string, h providers.Host) bool {
	host = Canonical(host)
	if host == "gitlab.com" || host == DefaultHost(h.Getenv) {
		return true
	}
	_, ok := configOf(h).Hosts[host]
	return ok
}

// FindLogin looks for a log-in to host by glab's own rules: its variables, which are for the host that
// the environment names, then its file. It never writes to that file.
func FindLogin(host string, h providers.Host) (Login, error) {
	if host == DefaultHost(h.Getenv) {
		for _, k := range []string{"GITLAB_TOKEN", "GITLAB_ACCESS_TOKEN", "OAUTH_TOKEN"} {
			if v := strings.TrimSpace(h.Getenv(k)); v != "" {
				return Login{Value: secret.New([]byte(v)), OAuth: k == "OAUTH_TOKEN", Source: k}, nil
			}
		}
	}
	if c := configOf(h).Hosts[host]; !c.Token.V.Empty() {
		return Login{Value: c.Token.V, OAuth: c.OAuth == "true", Source: "glab's log-in"}, nil
	}
	return Login{}, hint.Wrap(providers.ErrNoLogin, "look for a log-in to "+host, "Log in with glab auth login, or set GITLAB_TOKEN to a token with the scope api.", docsLogin)
}

// config is the part of glab's file that matters here.
type config struct {
	Hosts map[string]struct {
		Token providers.Text `yaml:"token"`
		OAuth string         `yaml:"is_oauth2"`
	} `yaml:"hosts"`
}

func configOf(h providers.Host) (c config) {
	var files []string
	if dir := h.Getenv("GLAB_CONFIG_DIR"); dir != "" {
		files = []string{filepath.Join(dir, "config.yml")}
	} else {
		if h.Home != "" {
			files = append(files, filepath.Join(h.Home, ".config", "glab-cli", "config.yml"))
		}
		if dir := h.Getenv("XDG_CONFIG_HOME"); dir != "" {
			files = append(files, filepath.Join(dir, "glab-cli", "config.yml"))
		}
	}
	for _, f := range files {
		raw, err := h.ReadFile(f)
		if err != nil {
			continue
		}
		if yaml.Unmarshal(raw, &c) == nil {
			return c
		}
		return config{} // a file that cannot be read names no host; its text holds tokens
	}
	return config{}
}
