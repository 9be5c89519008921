package astro

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
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
	Keyring  Keyring // nil: there is none
	Now      func() time.Time
	Wire     httpx.Options       // how the identity provider is reached
	Live     func(*secret.Value) // is told about every credential as soon as it is known
}

// Login is a credential for Astro and the API it belongs to.
type Login struct {
	Auth   httpx.Auth
	Claims Claims       // what the credential says about itself; zero when it says nothing
	Source string       // where it was found, in words
	User   display.Text // e-mail address, when the source tells
	EndsAt time.Time    // of the log-in; zero when the source does not tell
	Base   *url.URL     // e.g. https://api.astronomer.io/v1
}

// Fixed is a log-in with a value that is known beforehand.
func Fixed(base *url.URL, v *secret.Value, source string, user display.Text, live func(*secret.Value)) Login {
	return Login{Source: source, User: user, Base: base}.with(v, Host{Live: live})
}

// with is the login with a value that never changes.
func (l Login) with(v *secret.Value, h Host) Login {
	h.Live(v)
	l.Auth = httpx.Bearer(v)
	l.Claims, _ = ReadClaims(v) // a credential of another form says nothing
	if l.EndsAt.IsZero() && l.Claims.End != 0 {
		l.EndsAt = time.Unix(l.Claims.End, 0)
	}
	return l
}

// ErrNoLogin says that no usable log-in was found.
var ErrNoLogin = errors.New("none found")

// Domains on which Astro runs, by the astro CLI's own rule. A login is never sent to another one.
var (
	cloudDomain   = pattern.New(`^(cloud\.)?astronomer(-dev|-stage|-perf)?\.io$`)
	previewDomain = pattern.New(`^(pr[0-9]{4,6})\.(cloud\.)?(astronomer-dev\.io)$`)
)

// FindLogin looks for a log-in: ASTRO_API_TOKEN, then astro-ci's own in the keyring, then `astro
// auth token`, then the astro CLI's own file. It never writes to that file.
func FindLogin(ctx context.Context, h Host) (Login, error) {
	cfg, cfgErr := readConfig(h)
	base, err := baseURL(h, cfg)
	if err != nil {
		return Login{}, err
	}
	if v := strings.TrimSpace(h.Getenv("ASTRO_API_TOKEN")); v != "" {
		return Login{Source: "ASTRO_API_TOKEN", Base: base}.with(secret.New([]byte(strings.TrimPrefix(v, "Bearer "))), h), nil
	}
	own, ownErr := ownLogin(ctx, h, base)
	if own.Auth != nil {
		return own, nil
	}
	if out, err := h.AstroCLI(ctx, "auth", "token"); err == nil {
		// The CLI may print a notice before the token: the last line is the token.
		lines := strings.Fields(strings.TrimSpace(string(out)))
		if n := len(lines); n > 0 && strings.Count(lines[n-1], ".") == 2 {
			return Login{Source: "astro auth token", User: cfg.current(h).User, Base: base}.with(secret.New([]byte(lines[n-1])), h), nil
		}
	}
	if c := cfg.current(h); c.Token.v != nil {
		if !c.Expires.IsZero() && c.Expires.Before(h.Now()) {
			return Login{}, hint.Wrap(errors.Join(ErrNoLogin, ownErr), "the astro CLI's log-in ended on "+display.Second(c.Expires),
				"Log in again with: astro-ci login, or with: astro login", docsAPI)
		}
		return Login{Source: "the astro CLI's log-in", User: c.User, EndsAt: c.Expires, Base: base}.with(c.Token.v, h), nil
	}
	if ownErr != nil {
		return Login{}, ownErr
	}
	return Login{}, &hint.Error{
		Doing: "look for a log-in to Astro", Err: errors.Join(ErrNoLogin, cfgErr), Link: docsAPI,
		Next: "Log in with: astro-ci login. Or set ASTRO_API_TOKEN. To try everything without an account, add --sandbox.",
	}
}

// ownLogin is the log-in that `astro-ci login` left in the keyring; its Auth is nil when there is
// none that can be used.
func ownLogin(ctx context.Context, h Host, base *url.URL) (Login, error) {
	if h.Keyring == nil {
		return Login{}, nil
	}
	s, ok, err := KeptSession(h.Keyring, host(base))
	if err != nil || !ok {
		return Login{}, nil // a locked keyring is not a fault: there are other log-ins
	}
	k := &keeper{ring: h.Keyring, base: base, now: h.Now, live: h.Live, authority: func(ctx context.Context) (*Authority, error) {
		return FindAuthority(ctx, base, h.Wire, h.Now)
	}}
	k.take(s)
	if _, err := k.fresh(ctx); err != nil {
		return Login{}, err
	}
	return Login{Auth: k.auth, Source: "astro-ci login", User: s.User, EndsAt: k.session.EndsAt, Base: base}, nil
}

// LogIn leads a person through a log-in with the browser and keeps it in the keyring. The keyring
// is tried first: a log-in that cannot be kept is not begun. show gets the address for the browser.
func LogIn(ctx context.Context, h Host, show func(address string)) (Login, error) {
	cfg, _ := readConfig(h)
	base, err := baseURL(h, cfg)
	if err != nil {
		return Login{}, err
	}
	const next = "Log in with: astro login, or set ASTRO_API_TOKEN. astro-ci keeps its own log-in only in the keyring of the operating system, never in a file."
	if h.Keyring == nil {
		return Login{}, hint.New("there is no keyring to keep the log-in in", next, "")
	}
	const probe = "probe"
	err = h.Keyring.Set(probe, secret.New([]byte("astro-ci looks whether it can write here")))
	if err = errors.Join(err, h.Keyring.Delete(probe)); err != nil {
		return Login{}, hint.Wrap(err, "the keyring cannot be written", "Unlock it and try again. "+next, "")
	}
	a, err := FindAuthority(ctx, base, h.Wire, h.Now)
	if err != nil {
		return Login{}, err
	}
	s, err := a.LogIn(ctx, show)
	if err != nil {
		return Login{}, err
	}
	h.Live(s.Access)
	if !s.Refresh.Empty() {
		h.Live(s.Refresh)
	}
	if err := s.Keep(h.Keyring, host(base)); err != nil {
		return Login{}, hint.Wrap(err, "keep the log-in in the keyring", next, "")
	}
	return Login{Auth: httpx.Bearer(s.Access), Source: "astro-ci login", User: s.User, EndsAt: s.EndsAt, Base: base}, nil
}

// Address is where the API of Astro is, by configuration alone.
func Address(h Host) (*url.URL, error) {
	cfg, _ := readConfig(h) // none is fine
	return baseURL(h, cfg)
}

// LogOut forgets the log-in that LogIn kept; had reports whether there was one.
func LogOut(h Host) (base *url.URL, had bool, err error) {
	cfg, _ := readConfig(h)
	if base, err = baseURL(h, cfg); err != nil || h.Keyring == nil {
		return base, false, err
	}
	v, err := h.Keyring.Get(host(base))
	if err != nil || v.Empty() {
		return base, false, hint.Wrap(err, "look into the keyring", "Unlock it and try again.", "")
	}
	return base, true, hint.Wrap(h.Keyring.Delete(host(base)), "take the log-in out of the keyring", "Unlock it and try again.", "")
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
