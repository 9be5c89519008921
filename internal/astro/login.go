package astro

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Host is what FindLogin may look at; the command line provides it.
type Host struct {
	Getenv   func(string) string
	Home     string // the person's home folder, or ""
	ReadFile func(path string) ([]byte, error)
	// AstroCLI runs the astro CLI with a clean environment that holds no token, and returns what it
	// printed on stdout. It is an error when there is no astro CLI.
	AstroCLI func(ctx context.Context, args ...string) ([]byte, error)
	Now      func() time.Time
}

// Login is a credential for Astro and the API it belongs to.
type Login struct {
	Value  *secret.Value
	Source string       // where it was found, in words
	User   display.Text // e-mail address, when the source tells
	Base   *url.URL     // e.g. https://api.astronomer.io/v1
}

// ErrNoLogin says that no usable log-in was found.
var ErrNoLogin = errors.New("none found")

// Domains on which Astro runs, by the astro CLI's own rule. A login is never sent to another one.
var (
	cloudDomain   = regexp.MustCompile(`^(cloud\.)?astronomer(-dev|-stage|-perf)?\.io$`)
	previewDomain = regexp.MustCompile(`^(pr[0-9]{4,6})\.(cloud\.)?(astronomer-dev\.io)$`)
)

// FindLogin looks for a log-in: ASTRO_API_TOKEN, then `astro auth token`, then the astro CLI's own
// file. It never writes to that file.
func FindLogin(ctx context.Context, h Host) (Login, error) {
	cfg, cfgErr := readConfig(h)
	base, err := baseURL(h, cfg)
	if err != nil {
		return Login{}, err
	}
	if v := strings.TrimSpace(h.Getenv("ASTRO_API_TOKEN")); v != "" {
		v = strings.TrimPrefix(v, "Bearer ")
		return Login{Value: secret.New([]byte(v)), Source: "ASTRO_API_TOKEN", Base: base}, nil
	}
	if out, err := h.AstroCLI(ctx, "auth", "token"); err == nil {
		// The CLI may print a notice before the token: the last line is the token.
		lines := strings.Fields(strings.TrimSpace(string(out)))
		if n := len(lines); n > 0 && strings.Count(lines[n-1], ".") == 2 {
			return Login{Value: secret.New([]byte(lines[n-1])), Source: "astro auth token", User: cfg.current(h).User, Base: base}, nil
		}
	}
	if c := cfg.current(h); c.Token.v != nil {
		if !c.Expires.IsZero() && c.Expires.Before(h.Now()) {
			return Login{}, hint.Wrap(ErrNoLogin, "the astro CLI's log-in ended on "+c.Expires.Format(time.DateTime),
				"Log in again with: astro login", docsAPI)
		}
		return Login{Value: c.Token.v, Source: "the astro CLI's log-in", User: c.User, Base: base}, nil
	}
	return Login{}, &hint.Error{
		Doing: "look for a log-in to Astro", Err: errors.Join(ErrNoLogin, cfgErr), Link: docsAPI,
		Next: "Log in with: astro login. Or set ASTRO_API_TOKEN. To try everything without an account, add --sandbox.",
	}
}

// cliConfig is the part of the astro CLI's config.yaml that matters here.
type cliConfig struct {
	Context  string                `yaml:"context"`
	Contexts map[string]cliContext `yaml:"contexts"`
	Local    struct {
		Core string `yaml:"core"`
	} `yaml:"local"`
}

type cliContext struct {
	Token   bearer       `yaml:"token"`
	User    display.Text `yaml:"user_email"`
	Expires time.Time    `yaml:"expiresin"`
}

// bearer decodes "Bearer VALUE" straight into a secret.
type bearer struct{ v *secret.Value }

func (b *bearer) UnmarshalText(text []byte) error {
	if s := strings.TrimSpace(strings.TrimPrefix(string(text), "Bearer ")); s != "" {
		b.v = secret.New([]byte(s))
	}
	return nil
}

func readConfig(h Host) (cliConfig, error) {
	var cfg cliConfig
	dir := h.Getenv("ASTRO_HOME")
	if dir == "" {
		dir = h.Home
	}
	if dir == "" {
		return cfg, errors.New("the home folder is not known")
	}
	raw, err := h.ReadFile(filepath.Join(dir, ".astro", "config.yaml"))
	if err != nil {
		return cfg, errors.New("the astro CLI has no configuration here")
	}
	if err := yaml.Unmarshal(raw, &cfg); err != nil {
		// A YAML error quotes the text around it, and the text holds tokens.
		return cliConfig{}, errors.New("the astro CLI's config.yaml cannot be read")
	}
	return cfg, nil
}

func (c cliConfig) domain(h Host) string {
	for _, d := range []string{h.Getenv("ASTRO_DOMAIN"), c.Context} {
		if d != "" {
			return strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(d, "https://"), "/"))
		}
	}
	return "astronomer.io"
}

func (c cliConfig) current(h Host) cliContext {
	return c.Contexts[strings.ReplaceAll(c.domain(h), ".", "_")]
}

// baseURL is ASTRO_CI_ASTRO_URL, else the API of the current context's domain.
func baseURL(h Host, c cliConfig) (*url.URL, error) {
	if raw := h.Getenv("ASTRO_CI_ASTRO_URL"); raw != "" {
		u, err := url.Parse(strings.TrimSuffix(raw, "/"))
		if err != nil || u.User != nil || u.Host == "" || (u.Scheme != "https" && !setup.Loopback(raw)) {
			return nil, hint.New("ASTRO_CI_ASTRO_URL is not an https address", "Set it to an address like https://api.astronomer.io/v1, or unset it.", "")
		}
		return u, nil
	}
	domain := c.domain(h)
	switch m := previewDomain.FindStringSubmatch(domain); {
	case cloudDomain.MatchString(domain):
		return &url.URL{Scheme: "https", Host: "api." + strings.TrimPrefix(domain, "cloud."), Path: "/v1"}, nil
	case m != nil:
		return &url.URL{Scheme: "https", Host: m[1] + ".api." + m[3], Path: "/v1"}, nil
	case domain == "localhost":
		core := c.Local.Core
		if core == "" {
			core = "http://localhost:8888"
		}
		if u, err := url.Parse(core); err == nil && setup.Loopback(core) {
			return u.JoinPath("v1"), nil
		}
	}
	return nil, hint.New(fmt.Sprintf("%q is not a domain of Astro", display.Clean(domain)),
		"astro-ci works with Astro in the cloud. Switch with: astro context switch astronomer.io. For another address set ASTRO_CI_ASTRO_URL.", docsAPI)
}
