package doppler

import (
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Host is where Doppler's API is.
const Host = "https://api.doppler.com"

// FindLogin completes the options as the doppler CLI does: its variables, then its file, in which the
// entry of the nearest folder above counts. folder is the present one. A token that begins with secret- is
// the name of an entry of the keyring.
func FindLogin(h providers.Host, folder string, o Options) (found Options, server string, err error) {
	server = strings.TrimSuffix(h.Getenv("DOPPLER_API_HOST"), "/")
	o.Project, o.Config = h.Getenv("DOPPLER_PROJECT"), h.Getenv("DOPPLER_CONFIG")
	token, source := strings.TrimSpace(h.Getenv("DOPPLER_TOKEN")), "DOPPLER_TOKEN"
	at := h.Getenv("DOPPLER_CONFIG_DIR")
	if at == "" && h.Home != "" {
		at = filepath.Join(h.Home, ".doppler")
	}
	file := filepath.Join(at, ".doppler.yaml")
	for _, set := range scopes(h, file, folder) {
		if token == "" {
			token, source = set["token"], file
		}
		if server == "" {
			server = set["api-host"]
		}
		if o.Project == "" {
			o.Project = set["enclave.project"]
		}
		if o.Config == "" {
			o.Config = set["enclave.config"]
		}
	}
	if server == "" {
		server = Host
	}
	v := secret.New([]byte(token))
	if strings.HasPrefix(token, "secret-") {
		v, source = nil, "the keyring entry of doppler"
		if h.Keyring != nil {
			v = h.Keyring("doppler-cli", token)
		}
	}
	if token == "" || v.Empty() {
		return o, "", hint.Wrap(providers.ErrNoLogin, "look for a log-in to Doppler", "Run doppler login, or set DOPPLER_TOKEN to a service token with read and write access.", docsTokens)
	}
	o.Login = providers.Login{Value: v, Source: source}
	return o, server, nil
}

// scopes are the settings of the file that count in the folder, the nearest first.
func scopes(h providers.Host, file, folder string) (out []map[string]string) {
	raw, err := h.ReadFile(file)
	var doc struct {
		Scoped map[string]map[string]string `yaml:"scoped"`
	}
	if err != nil || yaml.Unmarshal(raw, &doc) != nil {
		return nil
	}
	for dir := filepath.ToSlash(folder); ; dir = dir[:strings.LastIndex(dir, "/")] {
		if set := doc.Scoped[dir]; dir != "" && set != nil {
			out = append(out, set)
		}
		if !strings.Contains(dir, "/") {
			break
		}
	}
	if set := doc.Scoped["/"]; set != nil {
		out = append(out, set)
	}
	return out
}
