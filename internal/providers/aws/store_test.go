package aws_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/aws"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/awsd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

var models = map[string]string{"secretsmanager": "aws/secrets-manager.subset.smithy.json", "AmazonSSM": "aws/ssm.subset.smithy.json"}

func target(store, address, name string) setup.Target {
	return setup.Target{Store: store, Address: address, Secret: name}
}

func newWorld(t *testing.T, store func(*aws.Client) providers.Store) (*awsd.Server, *providertest.World) {
	t.Helper()
	server, err := awsd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(testkit.NewSmithy(t, models).Around(server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return store(aws.New(aws.Options{Region: awsd.Region, Endpoint: base, Wire: w.Wire(), Credentials: sdk.CredentialsProviderFunc(func(context.Context) (c sdk.Credentials, err error) {
			err = v.Use(func(b []byte) error {
				c = sdk.Credentials{AccessKeyID: awsd.AccessKey, SecretAccessKey: string(b)}
				return nil
			})
			return c, err
		})}))
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) { return server.Open(aws.ID(x)) }
	w.Told = func(x setup.Target) string { return server.Told(aws.ID(x)) }
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/" }
	return server, w
}

func secrets(c *aws.Client) providers.Store    { return aws.Secrets{Client: c} }
func parameters(c *aws.Client) providers.Store { return aws.Parameters{Client: c} }

func TestSecretsManager(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t, secrets)
			return w
		},
		Targets: []setup.Target{target(aws.SecretsManager, "astro/etl", name), target(aws.SecretsManager, "a", name)},
		Hostile: []setup.Target{
			target(aws.SecretsManager, "astro", "1A"), target(aws.SecretsManager, "astro", ""), target(aws.SecretsManager, "", name), target(aws.SecretsManager, "/astro", name),
			target(aws.SecretsManager, "a b", name), target(aws.SecretsManager, "a:b", name), target(aws.SecretsManager, "a//b", name), target(aws.SecretsManager, strings.Repeat("a", 600), name), target(aws.SecretsManager, "a\nb", name),
		},
	})
}

func TestParameterStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t, parameters)
			return w
		},
		Targets: []setup.Target{target(aws.SSM, "/astro/etl", name), target(aws.SSM, "/a", name)},
		Hostile: []setup.Target{
			target(aws.SSM, "/astro", "1A"), target(aws.SSM, "astro", name), target(aws.SSM, "/aws/x", name), target(aws.SSM, "/SSM-x", name), target(aws.SSM, "/", name),
			target(aws.SSM, "/a b", name), target(aws.SSM, "/a/../b ", name), target(aws.SSM, strings.Repeat("/a", 15), name), target(aws.SSM, "/a\nb", name),
		},
	})
}

// The value is read again; who may not read it sees that the version is the current one.
func TestProof(t *testing.T) {
	t.Parallel()
	for _, store := range []func(*aws.Client) providers.Store{secrets, parameters} {
		for blind, want := range map[bool]providers.Proof{false: providers.ReadBack, true: providers.Metadata} {
			server, w := newWorld(t, store)
			if blind {
				server.BeBlind()
			}
			at := target(w.Store.Info().ID, "/astro/etl", name)
			at.Address = strings.TrimPrefix(at.Address, map[string]string{aws.SecretsManager: "/"}[at.Store])
			for range 2 {
				r, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{Setup: "etl", TokenID: "cm1", ExpiresAt: time.Now()})
				if err != nil || r.Proof != want || r.Version == "" {
					t.Errorf("%s, blind %v: %+v, %v", at.Store, blind, r, err)
				}
			}
			if s, err := w.Store.Stat(t.Context(), at); err != nil || time.Since(s.UpdatedAt) > time.Hour {
				t.Errorf("%+v, %v", s, err)
			}
		}
	}
}

// A write that was taken has not failed because the tags were refused; the refusal is told.
func TestWithoutTheRightToTag(t *testing.T) {
	t.Parallel()
	for at, right := range map[setup.Target]string{target(aws.SecretsManager, "astro/etl", name): "secretsmanager:TagResource", target(aws.SSM, "/astro/etl", name): "ssm:AddTagsToResource"} {
		server, w := newWorld(t, map[string]func(*aws.Client) providers.Store{aws.SecretsManager: secrets, aws.SSM: parameters}[at.Store])
		server.BeBare()
		v := testkit.Canary(t)
		r, err := w.Store.Put(t.Context(), at, v, providers.Meta{Setup: "etl", TokenID: "cm1"})
		if err != nil || r.Proof != providers.ReadBack || !strings.Contains(r.Said(), "tags") || !strings.Contains(r.Said(), right) {
			t.Errorf("%s: %+v, %v", at, r, err)
		}
		if got, err := server.Open(aws.ID(at)); err != nil || !got.Equal(v) {
			t.Error(err)
		}
	}
}

// What is proposed for a repository can be written, whatever it is called.
func TestPlace(t *testing.T) {
	t.Parallel()
	for _, store := range []func(*aws.Client) providers.Store{secrets, parameters} {
		_, w := newWorld(t, store)
		for _, path := range []string{"acme/etl", "group/sub group/é:t", "etl"} {
			b, ok := w.Store.(providers.Backend)
			if !ok {
				t.Fatal("it is no backend")
			}
			place := b.Place(setup.Repository{Path: path})
			if _, err := w.Store.Check(t.Context(), target(place.Store, place.Address, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// A request whose answer is lost makes one version, not two.
func TestOneVersion(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, secrets)
	at := target(aws.SecretsManager, "astro/etl", name)
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	server.Faults.Add(providertest.Lost(http.MethodPost, "/"))
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil {
		t.Fatal(err)
	}
	if n := server.Versions(aws.ID(at)); n != 2 {
		t.Errorf("%d versions", n)
	}
}

func TestWhatIsThereAlready(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, secrets)
	server.Schedule("astro/etl/" + name)
	if _, err := w.Store.Check(t.Context(), target(aws.SecretsManager, "astro/etl", name)); err == nil || !strings.Contains(hint.Of(err).Next, "restore-secret") {
		t.Errorf("got %v", err)
	}
	server, w = newWorld(t, parameters)
	server.AddPlain("/astro/etl/" + name)
	if _, err := w.Store.Check(t.Context(), target(aws.SSM, "/astro/etl", name)); err == nil || !strings.Contains(err.Error(), "in clear") {
		t.Errorf("got %v", err)
	}
}
