package cli_test

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/cli"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/buildkited"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// shop is one store in the sandbox, and how it can be made to fail.
type shop struct {
	id                   string
	login                string // the variable with its log-in; "" where the sandbox hands it over
	place, gone, hostile string // an address that can be written, one that is not there, one that must not be
	name                 string // of the secret, when the hostile thing is that
	deny                 func(s *sandbox.Sandbox)
	faults               func(s *sandbox.Sandbox) *fault.Set
}

func shops() []shop {
	return []shop{
		{"github", "GH_TOKEN", "acme/etl", "acme/nope", "../x", "", func(s *sandbox.Sandbox) { s.GitHub().Change("acme", "etl", "pull", false, "") }, func(s *sandbox.Sandbox) *fault.Set { return &s.GitHub().Faults }},
		{"gitlab", "GITLAB_TOKEN", "acme/etl", "acme/nope", "acme//etl", "", func(s *sandbox.Sandbox) { s.GitLab().Change("acme/etl", 30, false) }, func(s *sandbox.Sandbox) *fault.Set { return &s.GitLab().Faults }},
		{"circleci", "CIRCLE_TOKEN", "gh/acme/etl", "gh/acme/nope", "gl/acme/etl", "", func(s *sandbox.Sandbox) { s.CircleCI().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.CircleCI().Faults }},
		{"jenkins", "JENKINS_API_TOKEN", "system", "folder:nope", "folder:..", "", func(s *sandbox.Sandbox) { s.Jenkins().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Jenkins().Faults }},
		{"azure-devops", "AZURE_DEVOPS_EXT_PAT", "acme/data/group:astro", "acme/nope/group:astro", "acme/data/group:$(x)", "", func(s *sandbox.Sandbox) { s.AzureDevOps().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.AzureDevOps().Faults }},
		{"bitbucket", "BITBUCKET_API_TOKEN", "acme/etl", "acme/nope", "acme/etl?x=", "", func(s *sandbox.Sandbox) { s.Bitbucket().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Bitbucket().Faults }},
		{"drone", "DRONE_TOKEN", "acme/etl", "acme/nope", "acme/etl#x", "", func(s *sandbox.Sandbox) { s.Drone().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Drone().Faults }},
		{"buildkite", "BUILDKITE_API_TOKEN", "acme/" + buildkited.Cluster, "acme/00000000-0000-0000-0000-000000000000", "acme", "BK_X", func(s *sandbox.Sandbox) { s.Buildkite().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Buildkite().Faults }},
		{"woodpecker", "WOODPECKER_TOKEN", "acme/etl", "acme/nope", "acme/etl#x", "", func(s *sandbox.Sandbox) { s.Woodpecker().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Woodpecker().Faults }},
		{"gitea", "GITEA_TOKEN", "acme/etl", "acme/nope", "acme/etl#x", "GITEA_TOKEN", func(s *sandbox.Sandbox) { s.Gitea().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Gitea().Faults }},
		{"vault", "VAULT_TOKEN", "secret/astro/etl", "", "secret/../sys/policy", "", func(s *sandbox.Sandbox) { s.Vault().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Vault().Faults }},
		{"aws-secrets-manager", "", "astro/etl", "", "/astro", "", func(s *sandbox.Sandbox) { s.AWS().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.AWS().Faults }},
		{"aws-ssm", "", "/astro/etl", "", "/aws/x", "", func(s *sandbox.Sandbox) { s.AWS().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.AWS().Faults }},
		{"gcp-secret-manager", "", "sandbox-project/etl", "another-project/etl", "../projects/x", "", func(s *sandbox.Sandbox) { s.Google().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Google().Faults }},
		{"azure-key-vault", "", "sandbox-vault/etl", "another-vault/etl", "vault.example.com/etl", "", func(s *sandbox.Sandbox) { s.KeyVault().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.KeyVault().Faults }},
		{"doppler", "DOPPLER_TOKEN", "etl/prd", "etl/nope", "etl/prd?x=y", "", func(s *sandbox.Sandbox) { s.Doppler().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.Doppler().Faults }},
		{"onepassword", "OP_CONNECT_TOKEN", "ci/astro-etl", "nope/astro-etl", `ci/a" or title eq "b`, "", func(s *sandbox.Sandbox) { s.OnePassword().Deny() }, func(s *sandbox.Sandbox) *fault.Set { return &s.OnePassword().Faults }},
	}
}

// shopping is one computer and the store in it.
type shopping struct {
	shop
	p *place
	s *sandbox.Sandbox
}

func (x shop) open(t *testing.T) shopping {
	t.Helper()
	p, s := onlineAround(t, nil)
	return shopping{x, p, s}
}

// write opens the store, looks whether it can be written, and writes.
func (x shopping) write(ctx context.Context, address, name string) error {
	s := x.s
	if x.login != "" {
		s = nil // by its address and a log-in, as the real one
	}
	store, err := cli.Store(ctx, x.p.dir, append(slices.Clone(x.p.env), "HOME="+x.p.home), s, x.id)
	if err != nil {
		return err
	}
	target := setup.Target{Store: x.id, Address: address, Secret: name}
	if _, err := store.Check(ctx, target); err != nil {
		return err
	}
	repo := setup.Repository{Host: "github.com", Path: "acme/etl"}
	_, err = store.Put(ctx, target, testkit.Canary(x.p.t), providers.Meta{Setup: "etl", TokenID: "token", Repository: repo})
	return err
}

// causesOfStores are those of every platform and backend: the log-in, the rights, the place, the service.
func causesOfStores() (out []cause) {
	const name = "ASTRO_API_TOKEN"
	add := func(x shop, why string, try func(y shopping, ctx context.Context) error) {
		out = append(out, cause{x.id + ", " + why, func(t *testing.T) string {
			y := x.open(t)
			return toldOf(t, try(y, t.Context()), y.p.home)
		}})
	}
	for _, x := range shops() {
		if x.login != "" {
			add(x, "no log-in", func(y shopping, ctx context.Context) error {
				y.p.unset(x.login, "JENKINS_URL", "GH_CONFIG_DIR")
				return y.write(ctx, x.place, name)
			})
			add(x, "the log-in is refused", func(y shopping, ctx context.Context) error {
				y.p.set(x.login, "canary-refused")
				return y.write(ctx, x.place, name)
			})
		} else {
			add(x, "the log-in is refused", func(y shopping, ctx context.Context) error {
				x.faults(y.s).Add(fault.Fault{Status: http.StatusUnauthorized, Body: "{}", Times: 9})
				return y.write(ctx, x.place, name)
			})
		}
		add(x, "the log-in may not write", func(y shopping, ctx context.Context) error {
			x.deny(y.s)
			return y.write(ctx, x.place, name)
		})
		if x.gone != "" {
			add(x, "the place is not there", func(y shopping, ctx context.Context) error { return y.write(ctx, x.gone, name) })
		}
		add(x, "a hostile address", func(y shopping, ctx context.Context) error { return y.write(ctx, x.hostile, name) })
		add(x, "a name that it does not take", func(y shopping, ctx context.Context) error {
			return y.write(ctx, x.place, cmp.Or(x.name, "1A"))
		})
		// GitHub is asked several things at the same time: the one of which the error tells is refused alone, or the
		// others would now and then keep it from being sent.
		asked := map[string]string{"github": "/repos/acme/etl"}[x.id]
		add(x, "it asks for fewer requests", func(y shopping, ctx context.Context) error {
			x.faults(y.s).Add(fault.Fault{Path: asked, Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"3600"}}, Body: "{}", Times: 99})
			return y.write(ctx, x.place, name)
		})
		add(x, "it has trouble", func(y shopping, ctx context.Context) error {
			x.faults(y.s).Add(fault.Fault{Path: asked, Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"3600"}}, Body: "{}", Times: 99})
			return y.write(ctx, x.place, name)
		})
	}
	return out
}
