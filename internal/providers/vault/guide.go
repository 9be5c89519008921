package vault

import (
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Manual is how a person writes a key of an entry. The engine is taken to be the first part of the path.
func (p *Provider) Manual(plan setup.Plan, t setup.Target) (m setup.Manual) {
	engine, path, _ := strings.Cut(t.Address, "/")
	m.Who = "A policy with create and update, and read or patch, on " + engine + "/data/" + path
	m.Click = "Open the engine " + engine + " and in it the entry " + path + ", or make it. Create new version: key " + t.Secret + ", beside what is there."
	set := providers.Asking("vault kv patch -mount=" + providers.ShellWord(engine) + " " + providers.ShellWord(path) + " " + t.Secret + "=-")
	if at := plan.Pipeline.Reader; at.Server != "" {
		server := strings.TrimSuffix(at.Server, "/")
		m.Link = server + "/ui/"
		export := "export VAULT_ADDR=" + providers.ShellWord(server) + "\n"
		if at.Namespace != "" {
			export += "export VAULT_NAMESPACE=" + providers.ShellWord(at.Namespace) + "\n"
		}
		set = export + set
	}
	m.Command = set
	m.Note = "patch keeps the other keys of the entry. For an entry that is not there yet, write put in its place."
	return m
}
