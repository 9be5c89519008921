package azuredevops

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// entra stands in place of a user when the log-in is a token of Microsoft Entra.
const entra = "entra"

// resource is Azure DevOps, as Entra calls it.
const resource = "499b84ac-1321-427f-aa17-267ca6975798"

// FindLogin finds the server and the log-in: a token of Entra or a personal access token, in the
// variables of the az CLI's extension and of Terraform, else the log-in of the az CLI itself, which a
// Server does not take. AZDO_ORG_SERVICE_URL names a
// Server, or an organization of the service.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	server = "https://" + Host
	if raw := strings.TrimSpace(h.Getenv("AZDO_ORG_SERVICE_URL")); raw != "" {
		u, err := url.Parse(strings.TrimSuffix(raw, "/"))
		if err != nil || u.Host == "" {
			return "", login, hint.New("AZDO_ORG_SERVICE_URL is not an address", "Write it like https://dev.azure.com/acme.", docsLogin)
		}
		if !Known(u.Host) { // the last part is the collection, which stands in each address
			u.Path = u.Path[:max(0, strings.LastIndex(u.Path, "/"))]
			server = u.String()
		}
	}
	for _, k := range []string{"AZURE_DEVOPS_EXT_PAT", "AZDO_PERSONAL_ACCESS_TOKEN"} {
		if v := strings.TrimSpace(h.Getenv(k)); v != "" {
			l := providers.Login{Value: secret.New([]byte(v)), Source: k}
			l.User = kindOf(l.Value)
			return server, l, nil
		}
	}
	if h.Run != nil && server == "https://"+Host && providers.AzureLogin(h) {
		return server, providers.Login{Token: providers.Renewed(providers.AzureCLI(h.Run, resource)), Source: "az login"}, nil
	}
	return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to Azure DevOps",
		"Run az login, or set AZURE_DEVOPS_EXT_PAT to a personal access token of your organization.", docsLogin)
}

// kindOf is entra for a token of Entra, which is a JWT; a personal one, of which it is "", never is.
func kindOf(login *secret.Value) (kind string) {
	_ = login.Use(func(b []byte) error {
		if bytes.HasPrefix(b, []byte("eyJ")) {
			kind = entra
		}
		return nil
	})
	return kind
}
