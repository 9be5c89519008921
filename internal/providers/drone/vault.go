package drone

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// fromVault is a secret that the extension drone/vault reads: a key of an entry of the key-value engine of
// version 2, by the path that the engine has in Vault's API.
func fromVault(t setup.Target, name string) pipeline.Map {
	engine, path, _ := strings.Cut(t.Address, "/")
	return pipeline.Map{
		{Key: "kind", Value: pipeline.Plain("secret")},
		{Key: "name", Value: name},
		{Key: "get", Value: pipeline.Map{{Key: "path", Value: engine + "/data/" + path}, {Key: "name", Value: t.Secret}}},
	}
}

// Policy is what the extension needs to read the entry, and whom it may hand it to; a secret of Drone
// itself needs nothing.
func (p *Provider) Policy(plan setup.Plan) (file providers.File, say string) {
	if plan.Target().Store == info.ID {
		return file, ""
	}
	name := "astro-ci-" + plan.Name + "-grant.sh"
	return providers.File{Path: name, Content: Grant(plan), Whole: true},
		"Run the extension drone/vault beside the runners of Drone, with a log-in to Vault; then have somebody who administers Vault read " + name + " and run it, before the first run"
}

// Grant is a shell script of Vault's own commands. Everybody who may change a pipeline of the same Drone
// can name the entry; so it says itself which builds get it.
func Grant(p setup.Plan) []byte {
	w := providers.ShellWord
	return fmt.Appendf(nil, `#!/bin/sh
# Lets the extension drone/vault read %s, and hand it to builds of %s on Drone, on the branch %s.
# Made by astro-ci for the setup %s. Read it, then run it once as somebody who administers Vault.
set -eu

# What may be read. Give this policy to the log-in of the extension.
vault policy write %s - <<'POLICY'
%sPOLICY

# Which builds get it, by keys of the entry that the extension looks at. They are for all of the entry.
vault kv patch %s X-Drone-Repos=%s X-Drone-Branches=%s X-Drone-Events=push,custom
`, p.Target(), p.Repository.Path, p.Pipeline.Branch, p.Name, w("astro-ci-"+p.Name), vault.Policy(p), w(p.Target().Address), w(p.Repository.Path), w(p.Pipeline.Branch))
}
