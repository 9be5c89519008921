package onepassword_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/onepassword"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/onepasswordd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: onepassword.ID, Address: address, Secret: name}
}

func newWorld(t *testing.T) (*onepasswordd.Server, *providertest.World) {
	t.Helper()
	server, err := onepasswordd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return onepassword.New(providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		_, item, _ := strings.Cut(x.Address, "/")
		return server.Open(item, x.Secret)
	}
	w.Told = func(x setup.Target) (told string) {
		_, item, _ := strings.Cut(x.Address, "/")
		if v, err := server.Open(item, "about "+x.Secret); err == nil {
			_ = v.Use(func(b []byte) error {
				told = string(b)
				return nil
			})
		}
		return told
	}
	w.Write = func(setup.Target) (method, path string) { return http.MethodPost, "/v1/vaults/*/items" }
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("ci/astro-etl", name), target("ci/Astro (prod) é", name)},
		Missing: target("nope/astro-etl", name),
		Hostile: []setup.Target{
			target("ci/a", "1A"), target("ci/a", ""), target("ci", name), target("", name), target(`ci/a" or title eq "b`, name), target(`c"i/a`, name), target("ci/../a", name), target("ci/a/b", name), target("ci/a\nb", name), target("ci/"+strings.Repeat("a", 200), name), target("ci/a ", name),
		},
	})
}

// What else an item holds stays, byte for byte, and an item that holds nothing else goes with the secret.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	id := server.Add("shared", "password", "stays")
	remover, _ := w.Store.(providers.Remover)
	for _, address := range []string{"ci/shared", server.VaultID() + "/" + id} {
		v := testkit.Canary(t)
		r, err := w.Store.Put(t.Context(), target(address, name), v, providers.Meta{Setup: "etl", TokenID: "cm1"})
		if err != nil || r.Proof != providers.ReadBack {
			t.Errorf("%s: %+v, %v", address, r, err)
		}
		if got, err := server.Open("shared", name); err != nil || !got.Equal(v) {
			t.Errorf("%s: %v", address, err)
		}
	}
	if got, err := server.Open("shared", "password"); err != nil || !got.Equal(secret.New([]byte("stays"))) {
		t.Error(err)
	}
	if err := remover.Remove(t.Context(), target("ci/shared", name)); err != nil {
		t.Error(err)
	}
	if _, err := server.Open("shared", "about "+name); err == nil {
		t.Error("a note stays of what is gone")
	}
	if _, err := server.Open("shared", "password"); err != nil || server.Items() != 1 {
		t.Errorf("%d items, %v", server.Items(), err)
	}
	server.Add("theirs", name, "x")
	if err := remover.Remove(t.Context(), target("ci/theirs", name)); err != nil || server.Items() != 2 {
		t.Errorf("an item that somebody else made: %d items, %v", server.Items(), err)
	}
	if _, err := w.Store.Put(t.Context(), target("ci/own", name), testkit.Canary(t), providers.Meta{Setup: "etl", TokenID: "cm1"}); err != nil {
		t.Fatal(err)
	}
	if err := remover.Remove(t.Context(), target("ci/own", name)); err != nil || server.Items() != 2 {
		t.Errorf("%d items, %v", server.Items(), err)
	}
}

// An item whose answer was lost is made once; two of a name are refused.
func TestOneItem(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	at := target("ci/astro", name)
	w.Faults.Add(providertest.Lost(w.Write(at)))
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil || server.Items() != 1 {
		t.Errorf("%d items, %v", server.Items(), err)
	}
	server.Add("astro", "password", "x")
	if _, err := w.Store.Check(t.Context(), at); err == nil || !strings.Contains(hint.Of(err).Next, "id") {
		t.Errorf("two of a name: %v", err)
	}
}

func TestFindLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env  map[string]string
		says string
	}{
		{map[string]string{"OP_CONNECT_HOST": "https://c/", "OP_CONNECT_TOKEN": "x"}, ""},
		{map[string]string{"OP_CONNECT_TOKEN": "x"}, "OP_CONNECT_HOST"},
		{map[string]string{"OP_SERVICE_ACCOUNT_TOKEN": "x"}, "service account"},
	} {
		server, _, err := onepassword.FindLogin(providers.Host{Getenv: func(n string) string { return c.env[n] }})
		if c.says == "" && (err != nil || server != "https://c") || c.says != "" && (err == nil || !strings.Contains(hint.Of(err).Next, c.says)) {
			t.Errorf("%v: %s, %v", c.env, server, err)
		}
	}
}
