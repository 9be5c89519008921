package doppler_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/doppler"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/dopplerd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: doppler.ID, Address: address, Secret: name}
}

func newWorld(t *testing.T) (*dopplerd.Server, *providertest.World) {
	t.Helper()
	server, err := dopplerd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return doppler.New(doppler.Options{Options: providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()}})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) { return server.Open(x.Address, x.Secret) }
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/v3/configs/config/secrets" }
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("etl/prd", name), target("etl/dev", name)},
		Missing: target("etl/nope", name),
		Hostile: []setup.Target{
			target("etl/prd", "1A"), target("etl/prd", ""), target("etl", name), target("", name), target("etl/prd/x", name), target("etl/p d", name), target("etl/prd?x=y", name), target("etl/prd", "DOPPLER_PROJECT"), target("a\n/b", name),
		},
	})
}

// A restricted secret is written and cannot be read again; the other config keeps its own.
func TestRestricted(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	v := testkit.Canary(t)
	if r, err := w.Store.Put(t.Context(), target("etl/prd", name), v, providers.Meta{}); err != nil || r.Proof != providers.ReadBack {
		t.Errorf("%+v, %v", r, err)
	}
	server.Restrict()
	if r, err := w.Store.Put(t.Context(), target("etl/prd", name), v, providers.Meta{}); err != nil || r.Proof != providers.Written {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := server.Open("etl/dev", name); err == nil {
		t.Error("it is in the other config as well")
	}
}

func TestFindLogin(t *testing.T) {
	t.Parallel()
	const file = `
scoped:
    /:
        token: dp.pt.root
        api-host: https://doppler.example
    /home/ada/etl:
        enclave.project: etl
        enclave.config: dev
    /home/ada/keyed:
        token: secret-1
`
	for _, c := range []struct {
		folder          string
		env             map[string]string
		want, source    string
		project, server string
	}{
		{"/home/ada/etl/dags", nil, "dp.pt.root", ".doppler.yaml", "etl/dev", "https://doppler.example"},
		{"/home/ada/other", map[string]string{"DOPPLER_TOKEN": "dp.st.x", "DOPPLER_PROJECT": "p", "DOPPLER_CONFIG": "c", "DOPPLER_API_HOST": "https://d/"}, "dp.st.x", "DOPPLER_TOKEN", "p/c", "https://d"},
		{"/home/ada/keyed", nil, "from the keyring", "the keyring entry of doppler", "/", "https://doppler.example"},
		{"/home/ada/etl", map[string]string{"DOPPLER_CONFIG_DIR": "/nowhere"}, "", "", "", ""},
	} {
		o, server, err := doppler.FindLogin(providers.Host{
			Getenv: func(n string) string { return c.env[n] }, Home: "/home/ada",
			ReadFile: func(path string) ([]byte, error) {
				if filepath.ToSlash(path) != "/home/ada/.doppler/.doppler.yaml" {
					return nil, http.ErrNoLocation
				}
				return []byte(file), nil
			},
			Keyring: func(service, user string) *secret.Value {
				if service != "doppler-cli" || user != "secret-1" {
					return nil
				}
				return secret.New([]byte("from the keyring"))
			},
		}, c.folder, doppler.Options{})
		if (err == nil) != (c.want != "") || err == nil && (!o.Login.Value.Equal(secret.New([]byte(c.want))) || !strings.HasSuffix(o.Login.Source, c.source) || o.Project+"/"+o.Config != c.project || server != c.server) {
			t.Errorf("%s %v: %+v, %s, %v", c.folder, c.env, o, server, err)
		}
	}
}
