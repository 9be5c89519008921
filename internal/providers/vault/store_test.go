package vault_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/vaultd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const name = "ASTRO_API_TOKEN"

func target(address, name string) setup.Target {
	return setup.Target{Store: vault.ID, Address: address, Secret: name}
}

func newWorld(t *testing.T, namespace string) (*vaultd.Server, *providertest.World) {
	t.Helper()
	return newWorldWith(t, namespace, func(*http.Request) {})
}

// newWorldWith calls before ahead of each request.
func newWorldWith(t *testing.T, namespace string, before func(*http.Request)) (*vaultd.Server, *providertest.World) {
	t.Helper()
	server, err := vaultd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler := server.Handler()
	// The description knows no PATCH, and no engine with a slash in its name.
	described := handler
	if os.Getenv("ASTRO_CI_CONTRACTS") != "" {
		described = testkit.NewContract(t, "vault/vault.subset.openapi.json").Around("/v1", handler)
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		before(r)
		if r.Method == http.MethodPatch || strings.Contains(r.URL.Path, "/team/kv/") {
			handler.ServeHTTP(w, r)
			return
		}
		described.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.As = func(v *secret.Value) providers.Store {
		return vault.New(vault.Options{Namespace: namespace, Options: providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()}})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) { return server.Open(namespace, x.Address, x.Secret) }
	w.Told = func(x setup.Target) string { return server.Custom(namespace, x.Address)[x.Secret] }
	w.Write = func(x setup.Target) (method, path string) {
		for _, engine := range []string{"secret/", "team/kv/"} {
			if rest, ok := strings.CutPrefix(x.Address, engine); ok {
				return http.MethodPost, "/v1/" + engine + "data/" + rest
			}
		}
		return "", ""
	}
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	for _, namespace := range []string{"", vaultd.Namespace} {
		providertest.Run(t, providertest.Subject{
			New: func(t *testing.T) *providertest.World {
				_, w := newWorld(t, namespace)
				return w
			},
			Targets: []setup.Target{target("secret/astro/etl", name), target("team/kv/a", name)},
			Hostile: []setup.Target{
				target("secret/astro", "1A"), target("secret/astro", ""), target("secret", name), target("", name), target("/secret/a", name), target("secret/a b", name),
				target("secret/../sys/policy", name), target("secret/a?b", name), target("secret//a", name), target("secret/a\nb", name), target("secret/"+strings.Repeat("a", 600), name), target("secret/a%2e", name),
			},
		})
	}
}

// What else is in the entry stays, whatever the log-in may see, and a note says what the key is for.
func TestNeighbours(t *testing.T) {
	t.Parallel()
	for what, limit := range map[string]func(*vaultd.Server){"all": func(*vaultd.Server) {}, "blind": (*vaultd.Server).BeBlind, "dark": (*vaultd.Server).BeDark} {
		for _, there := range []bool{true, false} {
			server, w := newWorld(t, "")
			at := target("secret/shared", name)
			if there {
				server.Write("", at.Address, map[string]string{"OTHER": "stays"})
			}
			limit(server)
			want := map[string]providers.Proof{"all": providers.ReadBack, "blind": providers.Metadata, "dark": providers.Written}[what]
			v := testkit.Canary(t)
			r, err := w.Store.Put(t.Context(), at, v, providers.Meta{Setup: "etl", TokenID: "cm1"})
			if err != nil || r.Proof != want || r.Note.IsZero() == (what == "dark") {
				t.Errorf("%s, there %v: %+v, %v", what, there, r, err)
				continue
			}
			if got, err := server.Open("", at.Address, name); err != nil || !got.Equal(v) {
				t.Errorf("%s, there %v: %v", what, there, err)
			}
			if _, err := server.Open("", at.Address, "OTHER"); (err == nil) != there {
				t.Errorf("%s, there %v: the other key: %v", what, there, err)
			}
			if note := server.Custom("", at.Address)[name]; (note == "astro-ci setup=etl token=cm1") != (what != "dark") {
				t.Errorf("%s: the note is %q", what, note)
			}
		}
	}
}

// The mark of a write is of this key: other setups may have theirs in the same entry.
func TestTheMarkIsOfTheKey(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t, "")
	one, two := target("secret/shared", "ONE"), target("secret/shared", "TWO")
	put := func(x setup.Target, v *secret.Value) string {
		t.Helper()
		r, err := w.Store.Put(t.Context(), x, v, providers.Meta{})
		if err != nil || r.Proof != providers.ReadBack {
			t.Fatalf("%+v, %v", r, err)
		}
		return r.Version
	}
	v := testkit.Canary(t)
	mark := put(one, v)
	for range 3 {
		put(two, testkit.Canary(t))
	}
	if st, err := w.Store.Stat(t.Context(), one); err != nil || st.Version != mark {
		t.Errorf("after writes of another key: %+v, want %s, %v", st, mark, err)
	}
	if again := put(one, v); again != mark {
		t.Errorf("the same value once more: %s, want %s", again, mark)
	}
	if other := put(one, testkit.Canary(t)); other == mark {
		t.Error("another value has the same mark")
	}
}

// A glance reads no value: it says which keys there are, and that the version may be of another one.
func TestGlance(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	at := target("secret/shared", name)
	server.Write("", at.Address, map[string]string{"OTHER": "stays"})
	g, _ := w.Store.(providers.Glancer)
	if st, _, err := g.Glance(t.Context(), at); err != nil || st.Exists {
		t.Errorf("another key alone: %+v, %v", st, err)
	}
	server.Write("", at.Address, map[string]string{"OTHER": "stays", name: "x"})
	if st, beside, err := g.Glance(t.Context(), at); err != nil || !st.Exists || st.Version != "2" || st.UpdatedAt.IsZero() || !beside {
		t.Errorf("got %+v, %v, %v", st, beside, err)
	}
	if n := w.Faults.Count(http.MethodGet, "/data/shared"); n != 0 {
		t.Errorf("values were read %d times", n)
	}
	server.Delete("", at.Address)
	if st, _, err := g.Glance(t.Context(), at); err != nil || st.Exists {
		t.Errorf("deleted: %+v, %v", st, err)
	}
	server.Faults.Add(fault.Fault{Method: http.MethodGet, Path: "/v1/secret/subkeys/shared", Status: http.StatusNotFound, Body: `{"errors":["1 error occurred:\n\t* unsupported path\n\n"]}`, Times: 1})
	if _, _, err := g.Glance(t.Context(), at); err == nil || !strings.Contains(hint.Of(err).Next, "1.10") {
		t.Errorf("a Vault that lists no names: %v", err)
	}
	server.Hide()
	if _, _, err := g.Glance(t.Context(), at); err == nil || !strings.Contains(hint.Of(err).Next, "secret/subkeys/shared") {
		t.Errorf("without the right: %v", err)
	}
}

func TestRemoveLeavesTheRest(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	at := target("secret/shared", name)
	server.Write("", at.Address, map[string]string{"OTHER": "stays", name: "goes"})
	for _, x := range []setup.Target{at, target(at.Address, "OTHER")} {
		if _, err := w.Store.Put(t.Context(), x, testkit.Canary(t), providers.Meta{Setup: "etl", TokenID: "cm1"}); err != nil {
			t.Fatal(err)
		}
	}
	remover, _ := w.Store.(providers.Remover)
	if err := remover.Remove(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, err := server.Open("", at.Address, "OTHER"); err != nil {
		t.Error(err)
	}
	if _, err := server.Open("", at.Address, name); err == nil {
		t.Error("it is still there")
	}
	if notes := server.Custom("", at.Address); len(notes) != 1 || notes["OTHER"] == "" {
		t.Errorf("the notes: %v", notes)
	}
	server.BeBlind()
	if err := remover.Remove(t.Context(), at); err == nil || hint.Of(err).Next == "" {
		t.Errorf("without the right to read: %v", err)
	}
}

// A deleted version is followed by a new one.
func TestAfterADelete(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	at := target("secret/astro/etl", name)
	server.Write("", at.Address, map[string]string{name: "old"})
	server.Delete("", at.Address)
	if st, err := w.Store.Stat(t.Context(), at); err != nil || st.Exists {
		t.Errorf("%+v, %v", st, err)
	}
	v := testkit.Canary(t)
	if r, err := w.Store.Put(t.Context(), at, v, providers.Meta{}); err != nil || r.Version != "2" || !r.Created {
		t.Errorf("%+v, %v", r, err)
	}
}

// A write whose answer was lost is carried out once, and a write of somebody else is never lost.
func TestOneVersion(t *testing.T) {
	t.Parallel()
	at := target("secret/astro/etl", name)
	theirs := func(*http.Request) {}
	server, w := newWorldWith(t, "", func(r *http.Request) { theirs(r) })
	w.Faults.Add(providertest.Lost(w.Write(at)))
	r, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{})
	if err != nil || r.Version != "1" || r.Proof != providers.ReadBack {
		t.Errorf("%+v, %v", r, err)
	}
	once := false
	theirs = func(r *http.Request) {
		if r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/data/") && !once {
			once = true
			server.Write("", at.Address, map[string]string{name: "theirs", "OTHER": "theirs"})
		}
	}
	v := testkit.Canary(t)
	if r, err = w.Store.Put(t.Context(), at, v, providers.Meta{}); err != nil || r.Version != "3" {
		t.Errorf("%+v, %v", r, err)
	}
	if got, err := server.Open("", at.Address, name); err != nil || !got.Equal(v) {
		t.Error(err)
	}
	if _, err := server.Open("", at.Address, "OTHER"); err != nil {
		t.Error(err)
	}
}

// An entry can ask every write for the version that it follows, which not every log-in can see.
func TestVersionAskedFor(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, "")
	at := target("secret/astro/etl", name)
	server.AskForVersions()
	if r, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err != nil || r.Proof != providers.ReadBack {
		t.Errorf("%+v, %v", r, err)
	}
	server.BeDark()
	if _, err := w.Store.Put(t.Context(), at, testkit.Canary(t), providers.Meta{}); err == nil || !strings.Contains(hint.Of(err).Next, "metadata") {
		t.Errorf("without a look at the versions: %v", err)
	}
}

func TestAnotherEngine(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t, "")
	if _, err := w.Store.Check(t.Context(), target("old/etl", name)); err == nil || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("got %v", err)
	}
}

func TestFindLogin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		env    map[string]string
		file   string
		server string
		source string
	}{
		{map[string]string{"VAULT_ADDR": "https://v", "VAULT_TOKEN": "a"}, "", "https://v", "VAULT_TOKEN"},
		{map[string]string{"VAULT_ADDR": "https://v", "BAO_ADDR": "https://b", "BAO_TOKEN": "a", "VAULT_TOKEN": "b"}, "", "https://b", "BAO_TOKEN"},
		{map[string]string{"VAULT_ADDR": "https://v"}, "a\n", "https://v", ".vault-token"},
		{map[string]string{"VAULT_ADDR": "https://v"}, "", "", ""},
		{map[string]string{"VAULT_TOKEN": "a"}, "", "", ""},
	} {
		f, err := vault.FindLogin(providers.Host{Getenv: func(n string) string { return c.env[n] }, Home: "/home/ada", ReadFile: func(string) ([]byte, error) { return []byte(c.file), nil }})
		if (err == nil) != (c.source != "") || err == nil && (f.Server != c.server || !strings.HasSuffix(f.Login.Source, c.source)) {
			t.Errorf("%v: %+v, %v", c.env, f, err)
		}
	}
}

// A pipeline looks for the engine in the first part of the path, so that it would miss one with more.
func TestRunsReadFromEnginesOfOnePart(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t, "")
	for at, fits := range map[string]bool{"secret/astro/etl": true, "team/kv/a": false} {
		p := setup.Plan{Setup: setup.Setup{Name: "etl", Targets: []setup.Target{target(at, name)}}}
		r, err := w.Store.(providers.Readable).Reader(t.Context(), p)
		if (err == nil) != fits || fits && r.Role == "" {
			t.Errorf("%s: %+v, %v", at, r, err)
		}
	}
}
