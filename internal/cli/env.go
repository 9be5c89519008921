package cli

import (
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// environment is the process environment, read once. Nothing else in the program reads it.
type environment map[string]string

// takeOver reads environ, then takes what must not be inherited out of the process: log-ins, so
// that no child gets them, and the switches by which a terminal library would log every key.
func takeOver(environ []string) environment {
	env := environment{}
	for _, kv := range environ {
		k, v, _ := strings.Cut(kv, "=")
		env[k] = v
	}
	for _, k := range []string{"ASTRO_API_TOKEN", "ASTRONOMER_KEY_ID", "ASTRONOMER_KEY_SECRET", "ASTRO_CI_PLATFORM_TOKEN", "TEA_TRACE", "TEA_DEBUG"} {
		_ = os.Unsetenv(k)
	}
	return env
}

func (e environment) get(k string) string { return e[k] }

// child is the environment that a child process gets: what it needs to find its own files and the
// network, and no credential. more names
// further variables that it needs.
func (e environment) child(more ...string) []string {
	var out []string
	for _, k := range append(more,
		"PATH", "HOME", "USER", "LANG", "LC_ALL", "TMPDIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS",
		"ASTRO_HOME", "ASTRO_DOMAIN", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR",
		"SystemRoot", "APPDATA", "LOCALAPPDATA", "USERPROFILE", "TEMP", "TMP", "PATHEXT", "COMSPEC",
	) {
		if v, ok := e[k]; ok {
			out = append(out, k+"="+v)
		}
	}
	return append(out, "ASTRO_TELEMETRY_DISABLED=1")
}

// list is the environment as KEY=VALUE, without the log-ins; the wizard decides on colours by it.
func (e environment) list() (out []string) {
	for k, v := range e {
		if !strings.Contains(k, "TOKEN") && !strings.Contains(k, "SECRET") && !strings.Contains(k, "KEY_ID") && !strings.HasPrefix(k, "TEA_") {
			out = append(out, k+"="+v)
		}
	}
	return out
}

// grace is how long a new screen ignores Enter; 0 stands for the usual time.
func (e environment) grace() time.Duration {
	d, err := time.ParseDuration(e["ASTRO_CI_KEY_GRACE"])
	if err != nil || d < 0 {
		return 0
	}
	return d
}

// utf8 reports whether the terminal shows more than ASCII, by the usual variables.
func (e environment) utf8() bool {
	if runtime.GOOS == "windows" {
		return true
	}
	for _, k := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(e[k]); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

func (e environment) home() string {
	if runtime.GOOS == "windows" {
		return e["USERPROFILE"]
	}
	return e["HOME"]
}

// user is the person's name on this machine, or "".
func (e environment) user() string {
	if runtime.GOOS == "windows" {
		return e["USERNAME"]
	}
	return e["USER"]
}

// stateDir is where astro-ci keeps its own files: the sandbox's state and, later, journals.
func (e environment) stateDir(flag string) (string, error) {
	dir := flag
	if dir == "" {
		dir = e["ASTRO_CI_STATE_DIR"]
	}
	if dir != "" {
		return filepath.Abs(dir)
	}
	base := ""
	switch {
	case runtime.GOOS == "windows":
		base = e["LOCALAPPDATA"]
	case e["XDG_STATE_HOME"] != "":
		base = e["XDG_STATE_HOME"]
	case e["HOME"] == "":
	case runtime.GOOS == "darwin":
		base = filepath.Join(e["HOME"], "Library", "Application Support")
	default:
		base = filepath.Join(e["HOME"], ".local", "state")
	}
	if !filepath.IsAbs(base) {
		return "", hint.New("no folder for astro-ci's state is known", "Set HOME, or give --state-dir.", "")
	}
	return filepath.Join(base, "astro-ci"), nil
}

// cacheDir is where things are kept that can be lost; "" where no such folder is known.
func (e environment) cacheDir() string {
	base := e["XDG_CACHE_HOME"]
	switch {
	case runtime.GOOS == "windows":
		base = e["LOCALAPPDATA"]
	case base != "" || e["HOME"] == "":
	case runtime.GOOS == "darwin":
		base = filepath.Join(e["HOME"], "Library", "Caches")
	default:
		base = filepath.Join(e["HOME"], ".cache")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	return filepath.Join(base, "astro-ci")
}

// apiURL reads an address from an environment variable.
func apiURL(name, raw string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSuffix(raw, "/"))
	if err != nil || u.User != nil || u.Host == "" || u.Scheme != "https" && !setup.Loopback(raw) {
		return nil, hint.New(name+" is not an https address", "Correct it, or unset it.", "")
	}
	return u, nil
}

// atHome is a path as people write it: the home folder is ~.
func (e environment) atHome(path string) string {
	home := e.get("HOME")
	if rel, err := filepath.Rel(home, path); home != "" && err == nil && filepath.IsLocal(rel) {
		return filepath.Join("~", rel)
	}
	return path
}
