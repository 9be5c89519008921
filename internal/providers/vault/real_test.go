package vault_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func realVault(t *testing.T) (address string, p *vault.Provider) {
	t.Helper()
	address = testkit.StartServer(t, "vault-server")
	base, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return address, vault.New(vault.Options{Options: providers.Options{
		Server: base, Login: providers.Login{Value: secret.New([]byte("root"))},
		Wire: httpx.Options{Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 }},
	}})
}

// HashiCorp's own key-value engine takes what we send, and answers as our embedded one does.
func TestRealEngine(t *testing.T) {
	t.Parallel()
	_, p := realVault(t)
	at, beside := target("secret/astro/etl", name), target("secret/astro/etl", "OTHER")
	if _, err := p.Check(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Stat(t.Context(), at); err != nil || st.Exists {
		t.Errorf("before: %+v, %v", st, err)
	}
	for i, x := range []setup.Target{at, beside, at} {
		r, err := p.Put(t.Context(), x, testkit.Canary(t), providers.Meta{Setup: "etl", TokenID: "cm1"})
		if err != nil || r.Created != (i < 2) || !r.Note.IsZero() || r.Proof != providers.ReadBack || r.Version != string(rune('1'+i)) {
			t.Fatalf("write %d: %+v, %v", i, r, err)
		}
		if st, err := p.Stat(t.Context(), x); err != nil || !st.Exists || st.Version != r.Version || st.UpdatedAt.IsZero() {
			t.Errorf("after write %d: %+v, %v", i, st, err)
		}
		if st, _, err := p.Glance(t.Context(), x); err != nil || !st.Exists || st.Version != r.Version || st.UpdatedAt.IsZero() {
			t.Errorf("at a glance after write %d: %+v, %v", i, st, err)
		}
	}
	if err := p.Remove(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if st, err := p.Stat(t.Context(), beside); err != nil || !st.Exists {
		t.Errorf("the other key: %+v, %v", st, err)
	}
	if st, _, err := p.Glance(t.Context(), at); err != nil || st.Exists {
		t.Errorf("at a glance, removed: %+v, %v", st, err)
	}
	for range 2 {
		if err := p.Remove(t.Context(), beside); err != nil {
			t.Error(err)
		}
	}
	if st, err := p.Stat(t.Context(), beside); err != nil || st.Exists {
		t.Errorf("removed: %+v, %v", st, err)
	}
	if r, err := p.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil || !r.Created {
		t.Errorf("once more: %+v, %v", r, err)
	}
}

// HashiCorp's own log-in by JWT takes the role that an administrator is told to make, and lets in the runs
// that it names and no others.
func TestRealLogin(t *testing.T) {
	t.Parallel()
	address, _ := realVault(t)
	voucher := embedded.NewVoucher()
	claims := []providers.Claim{{Name: "oidc.circleci.com/org-id", Value: "1"}, {Name: "oidc.circleci.com/project-id", Value: "2"}, {Name: "oidc.circleci.com/vcs-ref", Value: "refs/heads/main"}}
	run := func(ref string) map[string]string {
		return map[string]string{"sub": "org/1/project/2/user/3", "oidc.circleci.com/org-id": "1", "oidc.circleci.com/project-id": "2", "oidc.circleci.com/vcs-ref": ref}
	}
	sub := func(s string) map[string]string { return map[string]string{"sub": s} }
	for _, c := range []struct {
		id      providers.Identity
		yes, no map[string]string
	}{
		{providers.Identity{Subject: "repo:acme/etl:ref:refs/heads/main"}, sub("repo:acme/etl:ref:refs/heads/main"), sub("repo:acme/etl:ref:refs/heads/mainly")},
		{providers.Identity{Subject: "organization:acme:pipeline:etl:ref:refs/heads/main:*"}, sub("organization:acme:pipeline:etl:ref:refs/heads/main:commit:abc"), sub("organization:acme:pipeline:etl:ref:refs/heads/feature:commit:abc")},
		{providers.Identity{Subject: "org/1/project/2/user/*", Claims: claims}, run("refs/heads/main"), run("refs/heads/mainly")},
	} {
		plan := setup.Plan{Setup: setup.Setup{Name: "etl", Targets: []setup.Target{target("secret/astro/etl", name)}, Pipeline: setup.Pipeline{Reader: setup.Reader{Server: "https://vault.example.com", Role: "jwt/astro-ci-etl"}}}}
		c.id.Issuer = "https://issuer.example"
		grant, err := vault.Grant(plan, c.id)
		if err != nil {
			t.Fatal(err)
		}
		_, role, _ := strings.Cut(grant, "<<'ROLE'\n")
		role, _, _ = strings.Cut(role, "\nROLE")
		post := func(path string, body any) int {
			t.Helper()
			raw, err := json.Marshal(body)
			if err != nil {
				t.Fatal(err)
			}
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+path, bytes.NewReader(raw))
			if err != nil {
				t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			said, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			t.Logf("%s: %s", path, said)
			return resp.StatusCode
		}
		if got := post("/trust", map[string]any{"key": voucher.Public(), "name": "astro-ci-etl", "role": json.RawMessage(role), "path": "secret/data/astro/etl"}); got != http.StatusOK {
			t.Fatalf("the role is refused, %d: %s", got, role)
		}
		for jwt, want := range map[string]int{
			voucher.Mint("https://vault.example.com", c.yes): 200, voucher.Mint("https://vault.example.com", c.no): 400, voucher.Mint("https://other.example", c.yes): 400,
			embedded.NewVoucher().Mint("https://vault.example.com", c.yes): 400,
		} {
			if got := post("/v1/auth/jwt/login", map[string]string{"role": "astro-ci-etl", "jwt": jwt}); got != want {
				t.Errorf("%s: got %d, want %d", c.id.Subject, got, want)
			}
		}
	}
}
