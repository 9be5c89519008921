package github

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/cli/go-gh/v2/pkg/auth"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Login is a log-in to one host.
type Login struct {
	Value  *secret.Value
	Source string // where it was found, in words
}

// patience is how long gh's own log-in is waited for: a keychain may ask a person and hang.
const patience = 5 * time.Second

// FindLogin looks for a log-in to host by gh's own rules: GH_TOKEN and GITHUB_TOKEN for github.com
// and ghe.com, GH_ENTERPRISE_TOKEN and GITHUB_ENTERPRISE_TOKEN for other hosts, then what gh
// keeps, in its file or in the system's keychain.
func FindLogin(ctx context.Context, host string, getenv func(string) string) (Login, error) {
	names := []string{"GH_TOKEN", "GITHUB_TOKEN"}
	if auth.IsEnterprise(host) {
		names = []string{"GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"}
	}
	for _, n := range names {
		if v := strings.TrimSpace(getenv(n)); v != "" {
			return Login{secret.New([]byte(v)), n}, nil
		}
	}
	found := make(chan Login, 1)
	go func() {
		v, source := auth.TokenForHost(host)
		if source == "oauth_token" || source == "gh" || source == "default" {
			source = "gh's log-in"
		}
		found <- Login{secret.New([]byte(strings.TrimSpace(v))), source}
	}()
	waited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	select {
	case l := <-found:
		if !l.Value.Empty() {
			return l, nil
		}
		return Login{}, hint.Wrap(providers.ErrNoLogin, "look for a log-in to "+host, "Log in with gh auth login, or set "+names[0]+".", "https://cli.github.com/manual/gh_auth_login")
	case <-waited.Done():
		if ctx.Err() != nil {
			return Login{}, ctx.Err()
		}
		return Login{}, hint.Wrap(providers.ErrNoLogin, "wait for gh's log-in to "+host, "gh did not answer, perhaps because a keychain asks for a password. Unlock it, or set "+names[0]+".", "https://cli.github.com/manual/gh_auth_login")
	}
}

// KnownHost reports whether host is GitHub's own, the one of GH_HOST, or one that gh is logged in
// to. Others may be anything, and never get a token.
func KnownHost(host string, getenv func(string) string) bool {
	if Canonical(host) == "github.com" || strings.HasSuffix(host, ".ghe.com") || strings.EqualFold(host, getenv("GH_HOST")) {
		return true
	}
	for _, h := range auth.KnownHosts() {
		if strings.EqualFold(h, host) {
			return true
		}
	}
	return false
}

// DefaultHost is the host that gh works with when nothing names one.
func DefaultHost(getenv func(string) string) string {
	if h := getenv("GH_HOST"); h != "" {
		return strings.ToLower(h)
	}
	h, _ := auth.DefaultHost()
	return h
}

// unwrapURL takes the address off a *url.Error: the error around it says method and path.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
