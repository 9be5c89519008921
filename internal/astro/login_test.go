package astro_test

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// machine is a person's computer: variables, the astro CLI's file, and what the astro CLI prints.
type machine struct {
	env     map[string]string
	config  string
	cli     string // "" means that there is no astro CLI
	cliArgs []string
}

func (m *machine) host() astro.Host {
	return astro.Host{
		Getenv: func(k string) string { return m.env[k] }, Home: "/home/ada",
		Now:  func() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) },
		Live: func(*secret.Value) {},
		ReadFile: func(path string) ([]byte, error) {
			if want := m.env["ASTRO_HOME"]; m.config == "" || (want != "" && !strings.HasPrefix(path, want)) {
				return nil, os.ErrNotExist
			}
			return []byte(m.config), nil
		},
		AstroCLI: func(_ context.Context, args ...string) ([]byte, error) {
			m.cliArgs = args
			if m.cli == "" {
				return nil, errors.New("executable file not found")
			}
			return []byte(m.cli), nil
		},
	}
}

// config is the astro CLI's file as version 1.x writes it.
func config(domain, token, expires string) string {
	return "context: " + domain + "\ncontexts:\n  " + strings.ReplaceAll(domain, ".", "_") + ":\n    domain: " + domain +
		"\n    token: Bearer " + token + "\n    refreshtoken: x\n    expiresin: " + expires + "\n    user_email: ada@acme.example\n"
}

func TestFindLogin(t *testing.T) {
	c := "canary" + rand.Text()
	jwt := c + ".b.c"
	for name, tc := range map[string]struct {
		m              machine
		source, base   string
		user, wantFail string
	}{
		"variable wins": {
			m:      machine{env: map[string]string{"ASTRO_API_TOKEN": " " + jwt + "\n"}, cli: "other.b.c"},
			source: "ASTRO_API_TOKEN", base: "https://api.astronomer.io/v1",
		},
		"astro auth token, with a notice before it": {
			m:      machine{cli: "A new version is available\n" + jwt + "\n", config: config("astronomer.io", "x", "2030-01-01T00:00:00Z")},
			source: "astro auth token", base: "https://api.astronomer.io/v1", user: "ada@acme.example",
		},
		"an old astro CLI prints help instead": {
			m:      machine{cli: "Usage: astro auth ...\n", config: config("astronomer.io", jwt, "2030-01-01T00:00:00Z")},
			source: "the astro CLI's log-in", base: "https://api.astronomer.io/v1", user: "ada@acme.example",
		},
		"the file of another context": {
			m:      machine{config: config("pr1234.astronomer-dev.io", jwt, "2030-01-01T00:00:00Z")},
			source: "the astro CLI's log-in", base: "https://pr1234.api.astronomer-dev.io/v1", user: "ada@acme.example",
		},
		"ASTRO_HOME": {
			m:      machine{env: map[string]string{"ASTRO_HOME": "/elsewhere"}, config: config("astronomer.io", jwt, "2030-01-01T00:00:00Z")},
			source: "the astro CLI's log-in", base: "https://api.astronomer.io/v1", user: "ada@acme.example",
		},
		"ASTRO_DOMAIN": {
			m:      machine{env: map[string]string{"ASTRO_DOMAIN": "cloud.astronomer-stage.io", "ASTRO_API_TOKEN": jwt}},
			source: "ASTRO_API_TOKEN", base: "https://api.astronomer-stage.io/v1",
		},
		"localhost by the CLI's own setting": {
			m:      machine{env: map[string]string{"ASTRO_DOMAIN": "localhost", "ASTRO_API_TOKEN": jwt}, config: "local:\n  core: http://127.0.0.1:4711\n"},
			source: "ASTRO_API_TOKEN", base: "http://127.0.0.1:4711/v1",
		},
		"an address of one's own": {
			m:      machine{env: map[string]string{"ASTRO_CI_ASTRO_URL": "http://127.0.0.1:99/v1/", "ASTRO_API_TOKEN": jwt}},
			source: "ASTRO_API_TOKEN", base: "http://127.0.0.1:99/v1",
		},
		"nothing":                                   {wantFail: "--sandbox"},
		"the log-in ended":                          {m: machine{config: config("astronomer.io", jwt, "2026-01-01T00:00:00Z")}, wantFail: "astro login"},
		"a domain that is not Astro":                {m: machine{env: map[string]string{"ASTRO_DOMAIN": "astronomer.io.evil.example", "ASTRO_API_TOKEN": jwt}}, wantFail: "not a domain"},
		"local core elsewhere":                      {m: machine{env: map[string]string{"ASTRO_DOMAIN": "localhost", "ASTRO_API_TOKEN": jwt}, config: "local:\n  core: http://evil.example\n"}, wantFail: "not a domain"},
		"plain http elsewhere":                      {m: machine{env: map[string]string{"ASTRO_CI_ASTRO_URL": "http://evil.example/v1", "ASTRO_API_TOKEN": jwt}}, wantFail: "https"},
		"a broken file says nothing of its content": {m: machine{config: "contexts: [" + jwt}, wantFail: "config.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := astro.FindLogin(t.Context(), tc.m.host())
			if tc.wantFail != "" {
				if err == nil {
					t.Fatalf("found %s", got.Source)
				}
				h := hint.Of(err)
				if text := err.Error() + " " + h.Next; !strings.Contains(text, tc.wantFail) || strings.Contains(text, c) || h.Next == "" {
					t.Errorf("got %q", text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.Source != tc.source || got.Base.String() != tc.base || got.User.String() != tc.user {
				t.Errorf("got %q %q %q", got.Source, got.Base, got.User)
			}
			req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://example.com", nil)
			if err := got.Auth(req); err != nil || req.Header.Get("Authorization") != "Bearer "+jwt {
				t.Error("another value was found")
			}
			if tc.m.cliArgs != nil && !slices.Equal(tc.m.cliArgs, []string{"auth", "token"}) {
				t.Errorf("the astro CLI was called with %q", tc.m.cliArgs)
			}
		})
	}
}
