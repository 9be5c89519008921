package providertest

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

// grants read who is let in out of what an administrator is told to run, as the backend would.
var grants = map[string]func(t *testing.T, grant string) embedded.Trust{
	vault.ID: func(t *testing.T, grant string) embedded.Trust {
		t.Helper()
		var role struct {
			Audiences []string          `json:"bound_audiences"`
			Kind      string            `json:"bound_claims_type"`
			Claims    map[string]string `json:"bound_claims"`
		}
		document(t, grant, "ROLE", &role)
		exact(t, role.Kind != "glob", role.Claims)
		return embedded.Trust{Audience: role.Audiences[0], Claims: role.Claims}
	},
	aws.SecretsManager: amazonTrust, aws.SSM: amazonTrust,
	google.SecretManager: func(t *testing.T, grant string) embedded.Trust {
		t.Helper()
		out := embedded.Trust{Audience: "https:" + "//iam.googleapis.com/" + pool, Claims: map[string]string{}}
		if m := regexp.MustCompile(`--allowed-audiences=(\S+)`).FindStringSubmatch(grant); m != nil {
			out.Audience = m[1]
		}
		flat := strings.ReplaceAll(grant, `'\''`, "\"") // quotes within quotes of the shell
		mapping := regexp.MustCompile(`--attribute-mapping='?google\.subject=([^ ']+(?: \+ ":" \+ [^ ']+)*)`).FindStringSubmatch(flat)
		member := regexp.MustCompile(`--member='?principal://[^ ']*/subject/([^'\n]+)`).FindStringSubmatch(flat)
		if mapping == nil || member == nil {
			t.Fatalf("it says not who\n%s", grant)
		}
		names := strings.Split(mapping[1], ` + ":" + `)
		for i, value := range strings.SplitN(member[1], ":", len(names)) {
			out.Claims[strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(names[i], `assertion["`), "assertion."), `"]`)] = value
		}
		// Of all runs that the provider knows.
		if m := regexp.MustCompile(`--attribute-condition='assertion\["([^"]+)"\] == "([^"]+)"'`).FindStringSubmatch(flat); m != nil {
			out.Claims[m[1]] = m[2]
		} else if !strings.Contains(flat, `--attribute-condition='assertion.sub.startsWith("`+member[1][:strings.Index(member[1], "/")+1]+`")'`) {
			t.Errorf("the condition does not let them in\n%s", grant)
		}
		exact(t, true, out.Claims)
		return out
	},
	keyvault.KeyVault: func(t *testing.T, grant string) embedded.Trust {
		t.Helper()
		var trust struct {
			Subject   string
			Audiences []string
		}
		document(t, grant, "TRUST", &trust)
		claims := map[string]string{"sub": trust.Subject}
		exact(t, true, claims)
		return embedded.Trust{Audience: trust.Audiences[0], Claims: claims}
	},
}

func amazonTrust(t *testing.T, grant string) embedded.Trust {
	t.Helper()
	var trust struct {
		Statement []struct {
			Principal struct{ Federated string }
			Condition map[string]map[string]string
		}
	}
	document(t, grant, "TRUST", &trust)
	out := embedded.Trust{Claims: map[string]string{}}
	_, issuer, _ := strings.Cut(trust.Statement[0].Principal.Federated, ":oidc-provider/")
	for test, conditions := range trust.Statement[0].Condition {
		exact(t, test != "StringLike", conditions)
		for key, value := range conditions {
			switch strings.TrimPrefix(key, issuer+":") {
			case "aud":
				out.Audience = value
			case "sub":
				out.Claims["sub"] = value
			default: // AWS sees nothing else of an identity, and would let nobody in
				t.Errorf("the condition on %s is never met", key)
			}
		}
	}
	return out
}

// document reads the JSON that stands between the words of a here document.
func document(t *testing.T, grant, word string, into any) {
	t.Helper()
	_, text, _ := strings.Cut(grant, "<<'"+word+"'\n")
	text, _, ok := strings.Cut(text, "\n"+word+"\n")
	if err := json.Unmarshal([]byte(text), into); err != nil || !ok {
		t.Fatalf("%v\n%s", err, grant)
	}
}

// exact fails when there is a pattern where the backend takes none.
func exact(t *testing.T, needed bool, values map[string]string) {
	t.Helper()
	for name, v := range values {
		if needed && strings.ContainsAny(v, "*?") {
			t.Errorf("%s is taken to the last character: %s", name, v)
		}
	}
}
