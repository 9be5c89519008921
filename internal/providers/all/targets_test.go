package all_test

import (
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// What cannot be a target is known of every store without a log-in, and before anything is sent.
func TestCheckTarget(t *testing.T) {
	t.Parallel()
	var stores []string
	for _, p := range all.Platforms() {
		if p.Store == p.ID {
			stores = append(stores, p.ID)
		}
	}
	for _, b := range all.Backends() {
		stores = append(stores, b.ID)
	}
	for _, id := range stores {
		for _, x := range []setup.Target{
			{Store: id, Address: "../..\n", Secret: setup.TokenVariable},
			{Store: id, Address: "", Secret: setup.TokenVariable},
			{Store: id, Address: "acme/etl", Secret: "A B; rm"},
		} {
			if err := all.CheckTarget(x); err == nil {
				t.Errorf("%q is taken", x)
			}
		}
	}
	for store, address := range map[string]string{"github": "acme/etl#production", "aws-ssm": "/astro/etl", "aws-secrets-manager": "astro/etl", "vault": "secret/astro/etl", "doppler": "etl/prd", "jenkins": "system"} {
		if err := all.CheckTarget(setup.Target{Store: store, Address: address, Secret: setup.TokenVariable}); err != nil {
			t.Errorf("%s: %v", store, err)
		}
	}
}
