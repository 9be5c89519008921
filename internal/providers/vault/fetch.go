package vault

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsJWT = "https://developer.hashicorp.com/vault/docs/auth/jwt"

var (
	roleName  = pattern.New(`^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*/[A-Za-z0-9_.-]+$`)
	namespace = pattern.New(`^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$`)
)

// reader is a plan's way of reading, in the words of Vault.
type reader struct {
	engine, path string // of the entry
	method, role string // where runs log in, and as whom
}

func readerOf(p setup.Plan) (r reader, err error) {
	at := p.Pipeline.Reader
	if err := CheckTarget(p.Target()); err != nil {
		return r, err
	}
	u, err := url.Parse(at.Server)
	if err != nil || u.Scheme != "https" && !setup.Loopback(at.Server) || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return r, hint.New(fmt.Sprintf("%s: %q is not the address of a server", ID, display.Clean(at.Server)), "Give the address at which runs reach Vault, like https://vault.example.com:8200, with --reader-server.", docsJWT)
	}
	if !roleName.MatchString(at.Role) || !namespace.MatchString(at.Namespace) {
		return r, hint.New(fmt.Sprintf("%s: %q is not a role", ID, display.Clean(at.Role)), "Write it as METHOD/ROLE, like jwt/astro-ci-etl: where runs log in, and as whom.", docsJWT)
	}
	i := strings.LastIndex(at.Role, "/")
	r.method, r.role = at.Role[:i], at.Role[i+1:]
	r.engine, r.path, _ = strings.Cut(p.Target().Address, "/")
	return r, nil
}

// From is how a run reads the plan's secret: it logs in with its identity, as a role that may read the
// one entry. The engine is taken to be the first part of the path.
func From(p setup.Plan) (providers.From, error) {
	r, err := readerOf(p)
	if err != nil {
		return providers.From{}, err
	}
	base := strings.TrimSuffix(p.Pipeline.Reader.Server, "/")
	from := providers.From{Audience: base, Scripts: []string{"fetch-vault"}, Constants: []providers.Constant{
		{Name: "BACKEND_LOGIN", Value: base + "/v1/auth/" + r.method + "/login"},
		{Name: "BACKEND_ROLE", Value: r.role},
		{Name: "BACKEND_SECRET", Value: base + "/v1/" + r.engine + "/data/" + r.path},
	}}
	if ns := p.Pipeline.Reader.Namespace; ns != "" {
		from.Constants = append(from.Constants, providers.Constant{Name: "BACKEND_NAMESPACE", Value: ns})
	}
	return from, nil
}

// Policy is the document that lets who has it read the plan's entry, and nothing else. The engine is taken
// to be the first part of the path.
func Policy(p setup.Plan) []byte {
	engine, path, _ := strings.Cut(p.Target().Address, "/")
	return fmt.Appendf(nil, "path \"%s/data/%s\" {\n  capabilities = [\"read\"]\n}\n", engine, path)
}

// Grant makes a policy and a role.
func Grant(p setup.Plan, id providers.Identity) (string, error) {
	r, err := readerOf(p)
	if err != nil {
		return "", err
	}
	from, err := From(p)
	if err != nil {
		return "", err
	}
	kind, user, bound := "string", "sub", map[string]string{"sub": id.Subject}
	switch {
	case id.Claims != nil: // exact; the subject differs from run to run, and each would become an entity
		user, bound = id.Claims[1].Name, map[string]string{}
		for _, c := range id.Claims {
			bound[c.Name] = c.Value
		}
	case id.Open():
		kind = "glob"
	}
	role, err := json.MarshalIndent(map[string]any{
		"role_type": "jwt", "user_claim": user, "bound_audiences": []string{id.For(from.Audience)}, "bound_claims_type": kind,
		"bound_claims": bound, "token_policies": []string{r.role}, "token_no_default_policy": true,
		"token_type": "service", "token_ttl": "5m", "token_max_ttl": "5m", "token_num_uses": 1,
	}, "", "  ")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("export VAULT_ADDR=%s", providers.ShellWord(strings.TrimSuffix(p.Pipeline.Reader.Server, "/")))
	if ns := p.Pipeline.Reader.Namespace; ns != "" {
		say("export VAULT_NAMESPACE=%s", providers.ShellWord(ns))
	}
	say("\n# What may be read.\nvault policy write %s - <<'POLICY'\n%sPOLICY", r.role, Policy(p))
	say("\n# Who vouches for the runs. Once for all setups; leave it as it is when it is there already.")
	say("vault read auth/%s/config >/dev/null 2>&1 || {\n  vault auth enable -path=%s jwt\n  vault write auth/%s/config oidc_discovery_url=%s bound_issuer=%s\n}", r.method, r.method, r.method, providers.ShellWord(id.Issuer), providers.ShellWord(id.Issuer))
	say("\n# Which runs.\nvault write auth/%s/role/%s - <<'ROLE'\n%s\nROLE", r.method, r.role, role)
	return b.String(), nil
}
