package vault

import (
	"path/filepath"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Found is a log-in and the server that it is for.
type Found struct {
	Server    string
	Namespace string
	CASource  string // the variable that names CAFile
	CAFile    string // a PEM file of certificates that are trusted beside those of the system; "" for none
	Login     providers.Login
}

// FindLogin finds the server and the log-in as the command lines of OpenBao and Vault do: the variables
// of OpenBao first, then those of Vault, then the file that a log-in leaves.
func FindLogin(h providers.Host) (f Found, err error) {
	get := func(name string) (value, source string) {
		for _, prefix := range []string{"BAO_", "VAULT_"} {
			if v := strings.TrimSpace(h.Getenv(prefix + name)); v != "" {
				return v, prefix + name
			}
		}
		return "", ""
	}
	f.Server, _ = get("ADDR")
	f.Namespace, _ = get("NAMESPACE")
	f.Namespace = strings.Trim(f.Namespace, "/")
	f.CAFile, f.CASource = get("CACERT")
	token, source := get("TOKEN")
	if token == "" && h.Home != "" {
		path := h.Getenv("BAO_TOKEN_PATH")
		if path == "" {
			path = filepath.Join(h.Home, ".vault-token")
		}
		if raw, err := h.ReadFile(path); err == nil {
			token, source = strings.TrimSpace(string(raw)), path
		}
	}
	if f.Server == "" || token == "" {
		return f, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Vault", "Set VAULT_ADDR to the address of your Vault and run vault login, or set VAULT_TOKEN. OpenBao's variables begin with BAO_.", "https://developer.hashicorp.com/vault/docs/commands/login")
	}
	f.Login = providers.Login{Value: secret.New([]byte(token)), Source: source}
	return f, nil
}
