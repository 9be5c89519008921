package keyvault

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsFederation = "https://learn.microsoft.com/entra/workload-id/workload-identity-federation-create-trust"

// audience is whom the identity of a run is for.
const audience = "api://AzureADTokenExchange"

// reader is a tenant and an application in it, by their ids.
var reader = pattern.New(`^([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$`)

func checkReader(p setup.Plan) (tenant, client string, err error) {
	if err := CheckTarget(p.Target()); err != nil {
		return "", "", err
	}
	m := reader.FindStringSubmatch(p.Pipeline.Reader.Role)
	if m == nil {
		return "", "", hint.New(fmt.Sprintf("%s: %q is no application", KeyVault, display.Clean(p.Pipeline.Reader.Role)), "Write it as TENANT/CLIENT, the ids of the tenant and of an application in it; az ad app create makes one.", docsFederation)
	}
	return m[1], m[2], nil
}

// From is how a run reads the plan's secret: it logs in as an application that trusts it.
func From(p setup.Plan) (providers.From, error) {
	tenant, client, err := checkReader(p)
	if err != nil {
		return providers.From{}, err
	}
	vault, name := ID(p.Target())
	return providers.From{Audience: audience, Scripts: []string{"fetch-azure"}, Constants: []providers.Constant{
		{Name: "BACKEND_LOGIN", Value: "https://login.microsoftonline.com/" + tenant + "/oauth2/v2.0/token"},
		{Name: "BACKEND_ROLE", Value: client},
		{Name: "BACKEND_SECRET", Value: "https://" + strings.ToLower(vault) + "." + usual + "/secrets/" + name + "?api-version=" + version},
	}}, nil
}

// Grant lets the application trust the runs, and read the one secret.
func Grant(p setup.Plan, id providers.Identity) (string, error) {
	_, client, err := checkReader(p)
	if err != nil {
		return "", err
	}
	vault, name := ID(p.Target())
	trust, err := json.MarshalIndent(map[string]any{"name": "astro-ci-" + strings.ReplaceAll(p.Name, ".", "-"), "issuer": id.Issuer, "subject": id.Subject, "audiences": []string{audience}}, "", "  ")
	if err != nil {
		return "", err
	}
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("# Which runs may log in as the application.\naz ad app federated-credential create --id %s --parameters \"$(cat <<'TRUST'\n%s\nTRUST\n)\"", client, trust)
	say("\n# What it may read. A vault with access policies takes az keyvault set-policy instead, for the whole vault.\nvault=$(az keyvault show --name %s --query id --output tsv)\naz role assignment create --assignee %s --role 'Key Vault Secrets User' --scope \"$vault/secrets/%s\"", vault, client, name)
	return b.String(), nil
}
