package keyvault_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/keyvaultd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	name   = "ASTRO_API_TOKEN"
	there  = "etl-ASTRO-API-TOKEN"
	writes = "/" + keyvaultd.Vault + "/secrets/" + there
)

func target(address, name string) setup.Target {
	return setup.Target{Store: keyvault.KeyVault, Address: address, Secret: name}
}

var (
	etl   = target(keyvaultd.Vault+"/etl", name)
	start = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func newWorld(t *testing.T, o embedded.Options) (*keyvaultd.Server, *providertest.World) {
	t.Helper()
	server, err := keyvaultd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return keyvault.New(keyvault.Options{Endpoint: base, Vault: keyvaultd.Vault, Wire: w.Wire(), Token: func(context.Context) (*secret.Value, error) { return v, nil }})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) { return server.Open(keyvault.ID(x)) }
	w.Told = func(x setup.Target) string {
		_, name := keyvault.ID(x)
		tags, ends, _ := server.Look(name)
		return fmt.Sprint(tags, time.Unix(ends, 0).UTC())
	}
	w.Write = func(x setup.Target) (method, path string) {
		vault, name := keyvault.ID(x)
		return http.MethodPut, "/" + vault + "/secrets/" + name
	}
	return server, w
}

// ticking is a clock that goes on by a second at each look.
func ticking() embedded.Options {
	var n atomic.Int64
	return embedded.Options{Now: func() time.Time { return start.Add(time.Duration(n.Add(1)) * time.Second) }}
}

// standing is a clock that stands still.
func standing() embedded.Options {
	return embedded.Options{Now: func() time.Time { return start }}
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t, embedded.Options{})
			return w
		},
		Targets: []setup.Target{etl, target(keyvaultd.Vault, name)},
		Missing: target("another-vault/etl", name),
		Hostile: []setup.Target{
			target(keyvaultd.Vault, "1A"), target(keyvaultd.Vault, ""), target("", name), target("/etl", name), target(keyvaultd.Vault+"/", name), target("1vault/etl", name), target("a", name),
			target("a--b/etl", name), target("vault-/etl", name), target("vault.example.com/etl", name), target("vault.example.com#", name), target(strings.Repeat("a", 25), name),
			target(keyvaultd.Vault+"/a_b", name), target(keyvaultd.Vault+"/a/b", name), target(keyvaultd.Vault+"/a.b", name), target(keyvaultd.Vault+"/a?b", name), target(keyvaultd.Vault+"/a\nb", name),
			target(keyvaultd.Vault+"/"+strings.Repeat("a", 120), name), target("../vault", name),
		},
	})
}

func put(t *testing.T, w *providertest.World, v *secret.Value, m providers.Meta) providers.Receipt {
	t.Helper()
	r, err := w.Store.Put(t.Context(), etl, v, m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// The value is read again; who may not read it sees the version in the list, wherever it stands there.
func TestProof(t *testing.T) {
	t.Parallel()
	for blind, want := range map[bool]providers.Proof{false: providers.ReadBack, true: providers.Metadata} {
		server, w := newWorld(t, ticking())
		if blind {
			server.BeBlind()
		}
		for i := range 30 { // more than a page
			r := put(t, w, testkit.Canary(t), providers.Meta{})
			if s, err := w.Store.Stat(t.Context(), etl); err != nil || r.Proof != want || r.Created != (i == 0) || r.Version == "" || s.Version != r.Version || s.UpdatedAt.Before(start) {
				t.Errorf("blind %v: %+v, %+v, %v", blind, r, s, err)
			}
		}
	}
}

// Of two versions of one second the list does not tell which is the newer one, and none is named.
func TestVersionsOfOneSecond(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, standing())
	server.BeBlind()
	first := put(t, w, testkit.Canary(t), providers.Meta{})
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || s.Version != first.Version {
		t.Errorf("%+v, %v", s, err)
	}
	put(t, w, testkit.Canary(t), providers.Meta{})
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || !s.Exists || s.Version != "" || !s.UpdatedAt.Equal(start) {
		t.Errorf("%+v, %v", s, err)
	}
}

// Who may only set is told what could not be seen, and writes all the same.
func TestOnlySetting(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, embedded.Options{})
	server.BeSetter()
	if a, err := w.Store.Check(t.Context(), etl); err != nil || !strings.Contains(a.Note.String(), "deleted") {
		t.Errorf("%+v, %v", a, err)
	}
	v := testkit.Canary(t)
	if r := put(t, w, v, providers.Meta{}); r.Created || r.Proof != providers.Written {
		t.Errorf("%+v", r)
	}
	if got, err := w.Open(etl); err != nil || !got.Equal(v) {
		t.Errorf("it does not hold the value: %v", err)
	}
	if _, err := w.Store.Stat(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "get or list") {
		t.Errorf("stat: %v", err)
	}
	if err := w.Store.(providers.Backend).Remove(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "delete") {
		t.Errorf("remove: %v", err)
	}
}

// A name that a deleted secret holds is seen before the write, and refused at it; it is never purged.
func TestDeletedSecretHoldsItsName(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, embedded.Options{})
	put(t, w, testkit.Canary(t), providers.Meta{})
	if err := w.Store.(providers.Backend).Remove(t.Context(), etl); err != nil {
		t.Fatal(err)
	}
	_, check := w.Store.Check(t.Context(), etl)
	v := testkit.Canary(t)
	_, write := w.Store.Put(t.Context(), etl, v, providers.Meta{})
	for _, err := range []error{check, write} {
		if err == nil || !strings.Contains(hint.Of(err).Next, "az keyvault secret recover --vault-name "+keyvaultd.Vault+" --name "+there) {
			t.Errorf("got %v", err)
		}
	}
	if !httpx.Refused(write) {
		t.Errorf("the refusal is not clear: %v", write)
	}
	r := httptest.NewRequest(http.MethodPost, "/"+keyvaultd.Vault+"/deletedsecrets/"+there+"/recover?api-version=7.4", nil)
	_ = server.Token().Use(func(b []byte) error { r.Header.Set("Authorization", "Bearer "+string(b)); return nil })
	server.Handler().ServeHTTP(httptest.NewRecorder(), r)
	put(t, w, v, providers.Meta{})
	if got, err := w.Open(etl); err != nil || !got.Equal(v) {
		t.Errorf("it does not hold the value: %v", err)
	}
	for _, r := range server.Faults.Seen() {
		if r.Method == http.MethodDelete && strings.Contains(r.Path, "deletedsecrets") {
			t.Error("it was purged")
		}
	}
}

// Key Vault may answer for a secret that is not there with an empty list, or for a log-in that may get
// but not list.
func TestCheck(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t, embedded.Options{})
	list := fault.Fault{Method: http.MethodGet, Path: writes + "/versions", Status: 200, Times: 1, Body: `{"value":[],"nextLink":null}`}
	w.Faults.Add(list)
	if a, err := w.Store.Check(t.Context(), etl); err != nil || !strings.Contains(a.Note.String(), "it is made") {
		t.Errorf("an empty list: %+v, %v", a, err)
	}
	put(t, w, testkit.Canary(t), providers.Meta{})
	list.Status, list.Body = 403, `{"error":{"code":"Forbidden","message":"no list permission"}}`
	w.Faults.Add(list)
	if a, err := w.Store.Check(t.Context(), etl); err != nil || !strings.Contains(a.Note.String(), "it is there") {
		t.Errorf("no right to list: %+v, %v", a, err)
	}
}

// What is known about the write stands beside the value, and the value nowhere but in its place.
func TestTags(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, embedded.Options{})
	v := testkit.Canary(t)
	ends := time.Date(2027, 1, 2, 3, 4, 5, 0, time.UTC)
	put(t, w, v, providers.Meta{Setup: "etl", TokenID: "cm1", ExpiresAt: ends})
	tags, exp, _ := server.Look(there)
	if len(tags) != 4 || tags["astro-ci-setup"] != "etl" || tags["astro-ci-token"] != "cm1" || tags["astro-ci-expires"] != "2027-01-02" || tags["astro-ci-write"] == "" || exp != ends.Unix() {
		t.Errorf("%v, %d", tags, exp)
	}
	testkit.MustNotLeak(t, v, server.State())
	server.Tag(there, "team", "data")
	put(t, w, v, providers.Meta{})
	if tags, exp, _ := server.Look(there); len(tags) != 5 || tags["team"] != "data" || tags["astro-ci-token"] != "unknown" || exp != 0 {
		t.Errorf("nothing is known of the token, and a tag of somebody else's was there: %v, %d", tags, exp)
	}
}

// An answer that is lost leaves no doubt, also when no try has one.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, times := range []int{1, 4} {
		server, w := newWorld(t, embedded.Options{})
		server.Faults.Add(fault.Fault{Method: http.MethodPut, Kind: fault.CutApplied, Times: times})
		v := testkit.Canary(t)
		r := put(t, w, v, providers.Meta{})
		if s, err := w.Store.Stat(t.Context(), etl); err != nil || !r.Created || r.Version != s.Version || r.Proof != providers.ReadBack {
			t.Errorf("%d: %+v, %+v, %v", times, r, s, err)
		}
	}
	// A write of somebody else is not taken for this one.
	server, w := newWorld(t, embedded.Options{})
	put(t, w, testkit.Canary(t), providers.Meta{})
	server.Faults.Add(fault.Fault{Method: http.MethodPut, Kind: fault.CutBefore, Times: 4})
	if r, err := w.Store.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{}); err == nil {
		t.Errorf("got %+v", r)
	}
}

// A secret whose newest version is disabled cannot be read: what stands is the newest one that can.
func TestDisabled(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, ticking())
	first := put(t, w, testkit.Canary(t), providers.Meta{})
	put(t, w, testkit.Canary(t), providers.Meta{})
	server.Disable(there)
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || s.Version != first.Version {
		t.Errorf("%+v, %v", s, err)
	}
}

// A firewall is no missing right, and a vault that is not there has no address.
func TestNoWayIn(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t, embedded.Options{})
	server.BeWalled()
	b := w.Store.(providers.Backend)
	_, check := b.Check(t.Context(), etl)
	_, stat := b.Stat(t.Context(), etl)
	_, write := b.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{})
	for _, err := range []error{check, stat, write, b.Remove(t.Context(), etl)} {
		if err == nil || !strings.Contains(hint.Of(err).Next, "firewall") {
			t.Errorf("got %v", err)
		}
	}
	var asked string
	o := keyvault.Options{Suffix: "vault.azure.cn", Wire: w.Wire()}
	o.Wire.Base = transport(func(r *http.Request) (*http.Response, error) {
		asked = r.URL.String()
		return nil, &net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: r.URL.Host, IsNotFound: true}}
	})
	_, err := keyvault.New(o).Check(t.Context(), etl)
	if err == nil || !strings.Contains(hint.Of(err).Next, "No vault") || asked != "https://"+keyvaultd.Vault+".vault.azure.cn/secrets/"+there+"/versions?api-version=7.4&maxresults=1" {
		t.Errorf("asked %s: %v", asked, err)
	}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What is proposed for a repository can be written, whatever it is called.
func TestPlace(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t, embedded.Options{})
	b, ok := w.Store.(providers.Backend)
	if !ok {
		t.Fatal("it is no backend")
	}
	for path, want := range map[string]string{"acme/etl_v.2": "/acme-etl-v-2", "group/sub group/é:t": "/group-sub-group-t", "etl": "/etl"} {
		place := b.Place(setup.Repository{Path: path})
		if _, err := w.Store.Check(t.Context(), target(place.Address, name)); err != nil || place.Address != keyvaultd.Vault+want {
			t.Errorf("%s: %v", place.Address, err)
		}
	}
	if p := keyvault.New(keyvault.Options{Wire: w.Wire()}).Place(setup.Repository{Path: "acme/etl"}); !strings.Contains(p.Note.String(), "AZURE_KEY_VAULT_NAME") {
		t.Errorf("without a vault: %+v", p)
	}
}
