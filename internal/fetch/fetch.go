// Package fetch is about runs that read their credential from a secrets backend, so that the CI system
// holds none that lives long: the platform vouches for the run, and the backend takes its word.
//
// It is pure: it says what a run does, and what somebody who administers the backend has to allow once.
// What a backend is told is in the folder of its provider; who the runs are, is here.
package fetch

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// backend is a secrets backend as runs see it.
type backend struct {
	id string
	// from is how a run reads the plan's secret; it refuses a reader that makes no sense there.
	from func(setup.Plan) (providers.From, error)
	// grant are the commands that allow it, of the backend's own command line.
	grant  func(setup.Plan, providers.Identity) (string, error)
	role   string // what the role is, as a question, and an example of one
	eg     string
	fixed  bool // it is at one place for everybody, or its address says where
	exact  bool // it takes identities that are known to the last character
	claims bool // it looks at more of an identity than its subject
}

const (
	vaultRole = "As which role does a run log in to Vault?"
	awsRole   = "Which role of AWS does a run take?"
	awsARN    = "arn:aws:iam::123456789012:role/astro-ci-etl"

	googleRole = "Which provider of a workload identity pool knows the runs?"
	azureRole  = "As which application does a run log in? TENANT/CLIENT, by their ids."
)

var backends = []backend{
	{id: vault.ID, from: vault.From, grant: vault.Grant, role: vaultRole, eg: "jwt/astro-ci-etl", claims: true},
	{id: aws.SecretsManager, from: aws.From, grant: aws.Grant, role: awsRole, eg: awsARN},
	{id: aws.SSM, from: aws.From, grant: aws.Grant, role: awsRole, eg: awsARN},
	{id: google.SecretManager, from: google.From, grant: google.Grant, role: googleRole, eg: "projects/123456789012/locations/global/workloadIdentityPools/ci-pool/providers/ci-runs", fixed: true, exact: true, claims: true},
	{id: keyvault.KeyVault, from: keyvault.From, grant: keyvault.Grant, role: azureRole, eg: "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222", fixed: true, exact: true},
}

func find(id string) (backend, bool) {
	i := slices.IndexFunc(backends, func(b backend) bool { return b.id == id })
	if i < 0 {
		return backend{}, false
	}
	return backends[i], true
}

// Role is the question for the role of a run at a backend, and an example of an answer.
func Role(backend string) (question, example string) {
	b, _ := find(backend)
	return b.role, b.eg
}

// Possible reports whether runs of the platform can read from the backend by their own identity.
func Possible(platform, backend string) bool {
	b, known := find(backend)
	v, vouches := vouchers[platform]
	return known && vouches && (!b.exact || !v.varies || b.claims && v.claims)
}

// ByIDs is how the ids are written by which a backend has to be told the runs of the platform; "" where it
// is told them by their names.
func ByIDs(platform string) (form string) { return vouchers[platform].ids }

// Branchless reports whether a backend cannot tell runs of the platform on one branch from those on another.
func Branchless(platform, backend string) bool {
	b, _ := find(backend)
	return Possible(platform, backend) && vouchers[platform].unbranched && !b.claims
}

// For are the backends from which pipelines of a platform can read.
func For(platform string) []string {
	out := slices.Clone(handed[platform])
	for _, b := range backends {
		if Possible(platform, b.id) {
			out = append(out, b.id)
		}
	}
	return out
}

// Placed reports whether runs of the platform have to be told how they get to the backend.
func Placed(platform, backend string) bool {
	b, known := find(backend)
	return known && !b.fixed && Possible(platform, backend) || Connects(platform, backend)
}

// Connects reports whether the platform reads from the backend by a connection that has a name.
func Connects(platform, backend string) bool {
	return platform == "azure-devops" && backend == keyvault.KeyVault
}

// handed are the backends whose secrets a platform hands to its pipelines, by the platform's id.
var handed = map[string][]string{
	"codebuild":    {aws.SecretsManager, aws.SSM}, // by the buildspec, as the build's role
	"jenkins":      {vault.ID},                    // by the plugin hashicorp-vault-plugin, as Jenkins itself
	"azure-devops": {keyvault.KeyVault},           // by a task, as the service connection that Reader.Server names
	"drone":        {vault.ID},                    // by the extension drone/vault, with a log-in of its own
}

// Handed reports whether the platform hands a secret of the store to its pipelines.
func Handed(platform, store string) bool {
	return platform == store || slices.Contains(handed[platform], store)
}

// errKey says that a credential of two halves is not read from a backend.
var errKey = errors.New("a Deployment API key is kept on the platform itself")

// Of is how the plan's runs read their secret.
func Of(p setup.Plan) (providers.From, error) {
	at := p.Target()
	b, _ := find(at.Store)
	switch {
	case !Possible(p.Platform, at.Store):
		return providers.From{}, hint.New("runs of "+p.Platform+" cannot read from "+at.Store+" by themselves", "Keep the secret on the platform, or in another backend: --target.", "")
	case p.Credential.Kind == setup.DeploymentKey:
		return providers.From{}, hint.Wrap(errKey, "read it from "+at.Store, "Choose a token, or keep the key on the platform.", "")
	}
	who, err := Who(p)
	if err != nil {
		return providers.From{}, err
	}
	if b.exact && who.Open() && who.Claims == nil {
		return providers.From{}, hint.New(at.Store+" takes identities that are known to the last character; those of "+who.Who+" are not", "Choose another backend, or keep the secret on the platform.", "")
	}
	from, err := b.from(p)
	if err != nil {
		return from, err
	}
	from.Scripts = slices.Concat([]string{"fetch", "identity-" + p.Platform}, from.Scripts)
	if who.Audience == "" {
		from.Constants = append(from.Constants, providers.Constant{Name: "AUDIENCE", Value: from.Audience})
	}
	return from, nil
}

// Who are the plan's runs, as the backend is told.
func Who(p setup.Plan) (providers.Identity, error) { return vouchers[p.Platform].who(p) }

// Grant is what somebody who administers the backend runs once, as a file, and what a person does with
// it: it lets the plan's runs read this one secret and nothing else. It is a shell script of the backend's
// own commands, and holds no secret.
func Grant(p setup.Plan) (file providers.File, say string, err error) {
	if _, err := Of(p); err != nil {
		return file, "", err
	}
	b, _ := find(p.Target().Store)
	who, err := Who(p)
	if err != nil {
		return file, "", err
	}
	commands, err := b.grant(p, who)
	if err != nil {
		return file, "", err
	}
	name := "astro-ci-" + p.Name + "-grant.sh"
	content := fmt.Appendf(nil, "#!/bin/sh\n# Lets %s\n# read %s, and nothing else.\n# Made by astro-ci for the setup %s. Read it, then run it once as somebody who administers the backend.\nset -eu\n\n%s", who.Who, p.Target(), p.Name, strings.TrimLeft(commands, "\n"))
	return providers.File{Path: name, Content: content, Whole: true}, "Have somebody who administers " + p.Target().Store + " read " + name + " and run it once, before the first run; it lets " + who.Who + " read the secret", nil
}
