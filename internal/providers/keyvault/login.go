package keyvault

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const nextLogin = "Log in with az login, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET."

// suffixes are the ends of the vaults' addresses in the sovereign clouds, by where their log-ins are.
var suffixes = map[string]string{"login.microsoftonline.us": "vault.usgovcloudapi.net", "login.chinacloudapi.cn": "vault.azure.cn", "login.partner.microsoftonline.cn": "vault.azure.cn"}

// oneName is what the ids of tenants and clients are, and the names of tenants.
var oneName = pattern.New(`^[A-Za-z0-9.-]+$`)

// FindLogin completes the options: an application with a secret or with the token of a workload, by the
// variables of Azure's own libraries, else the log-in of the az CLI. It sends no request and runs nothing;
// the token is asked for when it is needed.
func FindLogin(h providers.Host, o Options) (found Options, source string, err error) {
	get := func(name string) string { return strings.TrimSpace(h.Getenv(name)) }
	o.Vault = cmp.Or(o.Vault, get("AZURE_KEY_VAULT_NAME"), get("KEY_VAULT_NAME"))
	raw := strings.TrimSuffix(cmp.Or(get("AZURE_AUTHORITY_HOST"), "https://login.microsoftonline.com"), "/")
	authority, err := url.Parse(raw)
	if err != nil || authority.Host == "" || authority.User != nil || authority.Scheme != "https" && !setup.Loopback(raw) {
		return o, "", hint.New(KeyVault+": AZURE_AUTHORITY_HOST is no https address", "Write it like https://login.microsoftonline.com.", docsLogin)
	}
	o.Suffix = cmp.Or(o.Suffix, suffixes[authority.Host], usual)
	app := application{authority: authority, tenant: get("AZURE_TENANT_ID"), client: get("AZURE_CLIENT_ID"), suffix: o.Suffix, wire: o.Wire}
	if v := get("AZURE_CLIENT_SECRET"); app.named() && v != "" {
		own := secret.New([]byte(v))
		o.Token = providers.Renewed(app.token(func(form url.Values) error {
			return own.Use(func(b []byte) error {
				form.Set("client_secret", string(b))
				return nil
			})
		}))
		return o, "AZURE_CLIENT_SECRET", nil
	}
	if path := get("AZURE_FEDERATED_TOKEN_FILE"); app.named() && path != "" {
		o.Token = providers.Renewed(app.token(func(form url.Values) error {
			raw, err := h.ReadFile(path) // anew each time: who wrote it replaces it
			if err != nil || len(bytes.TrimSpace(raw)) == 0 {
				return errors.New("the file that AZURE_FEDERATED_TOKEN_FILE names cannot be read")
			}
			form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
			form.Set("client_assertion", string(bytes.TrimSpace(raw)))
			clear(raw)
			return nil
		}))
		return o, "AZURE_FEDERATED_TOKEN_FILE", nil
	}
	if o.Run != nil && providers.AzureLogin(h) {
		o.Token = providers.Renewed(providers.AzureCLI(o.Run, "https://"+o.Suffix))
		return o, "az login", nil
	}
	return o, "", hint.Wrap(providers.ErrNoLogin, "look for a log-in to Azure", nextLogin, docsLogin)
}

// fetch gets a token and says when it ends.
type fetch = func(context.Context) (*secret.Value, time.Time, error)

// application is one that logs in by itself.
type application struct {
	authority              *url.URL
	tenant, client, suffix string
	wire                   httpx.Options
}

func (a application) named() bool {
	return oneName.MatchString(a.tenant) && oneName.MatchString(a.client)
}

// token asks for tokens by the grant of client credentials; prove puts what the application knows into
// the form.
func (a application) token(prove func(form url.Values) error) fetch {
	a.wire.Service, a.wire.Auth = KeyVault, httpx.NoAuth
	client := httpx.NewClient(a.authority, a.wire)
	return func(ctx context.Context) (*secret.Value, time.Time, error) {
		form := url.Values{"grant_type": {"client_credentials"}, "client_id": {a.client}, "scope": {"https://" + a.suffix + "/.default"}}
		var out struct {
			Token providers.Text `json:"access_token"`
			Lasts int64          `json:"expires_in"`
		}
		err := prove(form)
		if err == nil {
			_, err = client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/" + a.tenant + "/oauth2/v2.0/token", Form: form, Out: &out, Repeatable: true})
		}
		if err == nil && out.Token.V.Empty() {
			err = errors.New("the answer has no token")
		}
		return out.Token.V, time.Now().Add(time.Duration(out.Lasts) * time.Second), hint.Wrap(err, "get a token from Microsoft Entra", "Check AZURE_TENANT_ID and AZURE_CLIENT_ID, and whether the secret or the trust of the application has ended.", "https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow")
	}
}
