package github

import (
	"errors"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestAPIURL(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]string{
		"github.com": "https://api.github.com", "GitHub.com": "https://api.github.com", "acme.ghe.com": "https://api.acme.ghe.com",
		"ghe.corp": "https://ghe.corp/api/v3", "github.com.evil.example": "https://github.com.evil.example/api/v3",
	} {
		if got := apiURL(host).String(); got != want {
			t.Errorf("%s: %s", host, got)
		}
	}
}

// A token for github.com is never taken for another host, and the other way round.
func TestFindLogin(t *testing.T) {
	t.Setenv("GH_CONFIG_DIR", t.TempDir()) // gh's own log-in is not there
	t.Setenv("GH_PATH", t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for _, name := range []string{"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"} {
		t.Setenv(name, "")
	}
	var text string
	v := testkit.Canary(t)
	_ = v.Use(func(b []byte) error { text = string(b); return nil })
	for host, source := range map[string]string{"github.com": "GH_TOKEN", "acme.ghe.com": "GH_TOKEN", "ghe.corp": "GH_ENTERPRISE_TOKEN"} {
		for _, set := range []string{"GH_TOKEN", "GITHUB_TOKEN", "GH_ENTERPRISE_TOKEN", "GITHUB_ENTERPRISE_TOKEN"} {
			l, err := FindLogin(t.Context(), host, func(k string) string {
				if k == set {
					return " " + text + "\n"
				}
				return ""
			})
			fits := strings.HasSuffix(set, "ENTERPRISE_TOKEN") == (source == "GH_ENTERPRISE_TOKEN")
			switch {
			case fits && (err != nil || l.Source != set || !l.Value.Equal(secret.New([]byte(text)))):
				t.Errorf("%s with %s: %+v, %v", host, set, l, err)
			case !fits && (!errors.Is(err, providers.ErrNoLogin) || !strings.Contains(hint.Of(err).Next, "gh auth login")):
				t.Errorf("%s with %s: %+v, %v", host, set, l, err)
			}
		}
	}
}
