package agefile

import (
	"bytes"
	"path/filepath"
	"runtime"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// FindKeys finds public and private keys where sops looks for those of age.
func FindKeys(h providers.Host) (o Options) {
	o.Recipients = h.Getenv("SOPS_AGE_RECIPIENTS")
	config := h.Getenv("XDG_CONFIG_HOME")
	if config == "" && h.Home != "" {
		config = map[string]string{
			"windows": filepath.Join(h.Home, "AppData", "Roaming"), "darwin": filepath.Join(h.Home, "Library", "Application Support"),
		}[runtime.GOOS]
		if config == "" {
			config = filepath.Join(h.Home, ".config")
		}
	}
	keys := [][]byte{[]byte(h.Getenv("SOPS_AGE_KEY"))}
	for _, path := range []string{h.Getenv("SOPS_AGE_KEY_FILE"), filepath.Join(config, "sops", "age", "keys.txt")} {
		if raw, err := h.ReadFile(path); path != "" && err == nil {
			keys = append(keys, raw)
		}
	}
	o.Identities = secret.New(bytes.Join(keys, []byte("\n")))
	for _, k := range keys {
		clear(k)
	}
	return o
}
