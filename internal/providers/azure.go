package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const docsAzureCLI = "https://learn.microsoft.com/cli/azure/authenticate-azure-cli"

// AzureLogin reports whether the az CLI knows an account, without the second that it takes to ask it.
func AzureLogin(h Host) bool {
	dir := h.Getenv("AZURE_CONFIG_DIR")
	if dir == "" && h.Home != "" {
		dir = filepath.Join(h.Home, ".azure")
	}
	raw, err := h.ReadFile(filepath.Join(dir, "azureProfile.json"))
	var profile struct {
		Subscriptions []json.RawMessage `json:"subscriptions"` // a tenant without one stands there as well
	}
	return err == nil && json.Unmarshal(bytes.TrimPrefix(raw, []byte("\ufeff")), &profile) == nil && len(profile.Subscriptions) > 0
}

// AzureCLI asks the az CLI for tokens for a resource; see Renewed.
func AzureCLI(run func(ctx context.Context, name string, args ...string) ([]byte, error), resource string) func(context.Context) (*secret.Value, time.Time, error) {
	return func(ctx context.Context) (*secret.Value, time.Time, error) {
		raw, err := run(ctx, "az", "account", "get-access-token", "--resource", resource, "--output", "json")
		defer clear(raw)
		var out struct {
			Token Text  `json:"accessToken"`
			Ends  int64 `json:"expires_on"` // older ones say it in local time only
		}
		switch {
		case ctx.Err() != nil:
			return nil, time.Time{}, fmt.Errorf("wait for az: %w", ctx.Err())
		case err != nil, json.Unmarshal(raw, &out) != nil, out.Token.V.Empty(): // what it printed can hold a token
			return nil, time.Time{}, hint.New("az gave no token for "+resource, "Log in again with az login; az account get-access-token --resource "+resource+" says whether it works.", docsAzureCLI)
		}
		ends := time.Unix(out.Ends, 0)
		if out.Ends == 0 {
			ends = time.Now().Add(5 * time.Minute) // az gives none that ends sooner
		}
		return out.Token.V, ends, nil
	}
}
