package aws_test

import (
	"context"
	"net/url"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// Against an AWS that somebody else wrote: what our own embedded one takes for granted, it may not. It knows
// no tags of Secrets Manager, which keeps no write from being one.
func TestOtherServer(t *testing.T) {
	t.Parallel()
	base, err := url.Parse(testkit.StartServer(t, "aws-server"))
	if err != nil {
		t.Fatal(err)
	}
	c := aws.New(aws.Options{
		Region: "eu-central-1", Endpoint: base, Wire: httpx.Options{Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 }},
		Credentials: sdk.CredentialsProviderFunc(func(context.Context) (sdk.Credentials, error) {
			return sdk.Credentials{AccessKeyID: "AKIDTEST", SecretAccessKey: "a-key"}, nil
		}),
	})
	for _, at := range []setup.Target{target(aws.SecretsManager, "astro/etl", name), target(aws.SSM, "/astro/etl", name)} {
		store := map[string]providers.Backend{aws.SecretsManager: aws.Secrets{Client: c}, aws.SSM: aws.Parameters{Client: c}}[at.Store]
		if _, err := store.Check(t.Context(), at); err != nil {
			t.Errorf("%s: %v", at, err)
		}
		var versions []string
		for i, v := range []*secret.Value{testkit.Canary(t), testkit.Canary(t)} {
			r, err := store.Put(t.Context(), at, v, providers.Meta{Setup: "etl", TokenID: "cm1"})
			if err != nil || r.Created != (i == 0) || r.Proof != providers.ReadBack || r.Note.IsZero() != (at.Store == aws.SSM) {
				t.Errorf("%s: write %d: %+v, %v", at, i, r, err)
			}
			if st, err := store.Stat(t.Context(), at); err != nil || !st.Exists || st.Version != r.Version {
				t.Errorf("%s: after write %d: %+v, %v", at, i, st, err)
			}
			versions = append(versions, r.Version)
		}
		if versions[0] == versions[1] {
			t.Errorf("%s: two writes, one version %q", at, versions[0])
		}
		for range 2 {
			if err := store.Remove(t.Context(), at); err != nil {
				t.Errorf("%s: %v", at, err)
			}
		}
		if st, err := store.Stat(t.Context(), at); err != nil || st.Exists {
			t.Errorf("%s: removed: %+v, %v", at, st, err)
		}
	}
}
