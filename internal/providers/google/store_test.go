package google_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/googled"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	name  = "ASTRO_API_TOKEN"
	id    = "etl-" + name
	adder = "/v1/projects/" + googled.Project + "/secrets/" + id + ":addVersion"
)

func target(address, name string) setup.Target {
	return setup.Target{Store: google.SecretManager, Address: address, Secret: name}
}

var etl = target(googled.Project+"/etl", name)

func newWorld(t *testing.T) (*googled.Server, *providertest.World) {
	t.Helper()
	server, err := googled.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(server.Handler())
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return google.New(google.Options{Endpoint: base, Project: googled.Project, Wire: w.Wire(), Token: func(context.Context) (*secret.Value, error) { return v, nil }})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) { return server.Open(google.ID(x)) }
	w.Told = func(x setup.Target) string {
		_, id := google.ID(x)
		annotations, _, _ := server.Look(id)
		return fmt.Sprint(annotations)
	}
	w.Write = func(x setup.Target) (method, path string) {
		project, id := google.ID(x)
		return http.MethodPost, "/v1/projects/" + project + "/secrets/" + id + ":addVersion"
	}
	return server, w
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{etl, target(googled.Project, name)},
		Missing: target("another-project/etl", name),
		Hostile: []setup.Target{
			target(googled.Project, "1A"), target(googled.Project, ""), target("", name), target("/etl", name), target(googled.Project+"/", name), target("Sandbox-project/etl", name),
			target("sandbox/etl/x", name), target("sand", name), target(googled.Project+"/a.b", name), target(googled.Project+"/a:destroy", name), target(googled.Project+"/a?b", name),
			target(googled.Project+"/a\nb", name), target(googled.Project+"/"+strings.Repeat("a", 250), name), target("../projects/x", name), target(strings.Repeat("a", 40), name),
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

// The value is read again; who may not read it has Google's word that the sum fits.
func TestProof(t *testing.T) {
	t.Parallel()
	for blind, want := range map[bool]providers.Proof{false: providers.ReadBack, true: providers.Metadata} {
		server, w := newWorld(t)
		if blind {
			server.BeBlind()
		}
		for _, number := range []string{"1", "2"} {
			if r := put(t, w, testkit.Canary(t), providers.Meta{}); r.Proof != want || r.Version != number {
				t.Errorf("blind %v: %+v", blind, r)
			}
		}
		if s, err := w.Store.Stat(t.Context(), etl); err != nil || time.Since(s.UpdatedAt) > time.Hour {
			t.Errorf("%+v, %v", s, err)
		}
		if a, err := w.Store.Check(t.Context(), etl); err != nil || a.Note.IsZero() == blind {
			t.Errorf("blind %v: %+v, %v", blind, a, err)
		}
	}
}

// Who may only add versions writes a secret that is there, and is told what more a look takes.
func TestOnlyAdding(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	v := testkit.Canary(t)
	put(t, w, testkit.Canary(t), providers.Meta{})
	server.BeAdder()
	if _, err := w.Store.Check(t.Context(), etl); err != nil {
		t.Error(err)
	}
	if r := put(t, w, v, providers.Meta{}); r.Created || r.Proof != providers.Metadata || !strings.Contains(r.Said(), "secretmanager.secrets.update") {
		t.Errorf("%+v", r)
	}
	if got, err := w.Open(etl); err != nil || !got.Equal(v) {
		t.Errorf("it does not hold the value: %v", err)
	}
	if _, err := w.Store.Stat(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "secretmanager.versions.list") {
		t.Errorf("stat: %v", err)
	}
	if err := w.Store.(providers.Backend).Remove(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "secretmanager.secrets.delete") {
		t.Errorf("remove: %v", err)
	}
	if a, err := w.Store.Check(t.Context(), target(googled.Project+"/none", name)); err != nil || a.Note.IsZero() {
		t.Errorf("a secret that cannot be seen: %+v, %v", a, err)
	}
}

// Check sees that a right is missing on a secret that is there.
func TestCheck(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	if a, err := w.Store.Check(t.Context(), etl); err != nil || !strings.Contains(a.Note.String(), "secretmanager.secrets.create") {
		t.Errorf("before: %+v, %v", a, err)
	}
	put(t, w, testkit.Canary(t), providers.Meta{})
	w.Deny()
	if _, err := w.Store.Check(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "secretmanager.versions.add") {
		t.Errorf("denied: %v", err)
	}
	w.Faults.Add(fault.Fault{Method: http.MethodPost, Status: 403, Times: 1, Body: `{"error":{"code":403,"status":"PERMISSION_DENIED","message":"Secret Manager API has not been used in project 1 before or it is disabled."}}`})
	if _, err := w.Store.Check(t.Context(), etl); err == nil || !strings.Contains(hint.Of(err).Next, "gcloud services enable") {
		t.Errorf("without the API: %v", err)
	}
}

// Annotations say what the secret is for, also after a rotation, and those of others stay.
func TestAnnotations(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	v := testkit.Canary(t)
	m := providers.Meta{Setup: "etl", TokenID: "cm1", ExpiresAt: time.Date(2027, 1, 2, 0, 0, 0, 0, time.UTC)}
	put(t, w, v, m)
	server.Annotate(id, "team", "data")
	m.TokenID = "cm2"
	w.Faults.Add(providertest.Lost(http.MethodPatch, "/v1/projects/"+googled.Project+"/secrets/"+id))
	if r := put(t, w, v, m); !r.Note.IsZero() {
		t.Errorf("%+v", r)
	}
	got, versions, _ := server.Look(id)
	if versions != 2 || len(got) != 4 || got["team"] != "data" || got["astro-ci-setup"] != "etl" || got["astro-ci-token"] != "cm2" || got["astro-ci-expires"] != "2027-01-02" {
		t.Errorf("%d versions, %v", versions, got)
	}
	testkit.MustNotLeak(t, v, server.State())
}

// An answer that is lost leaves no doubt: whatever request it was of, the value is there and it is said so.
func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for nth := range 4 {
		server, w := newWorld(t)
		server.Faults.Add(fault.Fault{Method: http.MethodPost, Kind: fault.CutApplied, Times: 1, Skip: nth})
		v := testkit.Canary(t)
		if r := put(t, w, v, providers.Meta{}); !r.Created || r.Proof != providers.ReadBack {
			t.Errorf("at %d: %+v", nth, r)
		}
		if got, err := w.Open(etl); err != nil || !got.Equal(v) {
			t.Errorf("at %d: it does not hold the value: %v", nth, err)
		}
	}
	// No try of the write has an answer, and the newest version is looked at.
	server, w := newWorld(t)
	put(t, w, testkit.Canary(t), providers.Meta{})
	server.Faults.Add(fault.Fault{Method: http.MethodPost, Path: adder, Kind: fault.CutApplied, Times: 4})
	r := put(t, w, testkit.Canary(t), providers.Meta{})
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || r.Version != s.Version || r.Proof != providers.ReadBack {
		t.Errorf("%+v, %+v, %v", r, s, err)
	}
}

// A secret that was made for a version that is then refused does not stay behind.
func TestNothingEmptyStays(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: adder, Status: 403, Times: 1, Skip: 1})
	if _, err := w.Store.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{}); !httpx.Refused(err) {
		t.Errorf("got %v", err)
	}
	if _, _, there := server.Look(id); there {
		t.Error("an empty secret stays")
	}
}

// The newest version that can be read counts, on whatever page it stands.
func TestStatOfManyVersions(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.Short()
	for range 5 {
		put(t, w, testkit.Canary(t), providers.Meta{})
	}
	server.Disable(id, 5)
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || s.Version != "4" {
		t.Errorf("%+v, %v", s, err)
	}
	for n := range 4 {
		server.Disable(id, n+1)
	}
	if s, err := w.Store.Stat(t.Context(), etl); err != nil || s.Exists {
		t.Errorf("without an enabled version: %+v, %v", s, err)
	}
}

// A policy against automatic replication is told with the way around it.
func TestReplicationPolicy(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	w.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/v1/projects/" + googled.Project + "/secrets", Status: 400, Times: 1, Body: `{"error":{"code":400,"status":"FAILED_PRECONDITION","message":"Constraint constraints/gcp.resourceLocations violated"}}`})
	if _, err := w.Store.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{}); err == nil || !strings.Contains(hint.Of(err).Next, "user-managed") {
		t.Errorf("got %v", err)
	}
}

// A token that is not to be had is no unclear answer: nothing was sent.
func TestNoToken(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := google.New(google.Options{Endpoint: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Wire: w.Wire(), Token: func(context.Context) (*secret.Value, error) {
		return nil, hint.New("no token", "Log in.", "")
	}})
	// What the place of log-ins answers is no answer about the secret.
	gone := google.New(google.Options{Endpoint: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}, Wire: w.Wire(), Token: func(context.Context) (*secret.Value, error) {
		return nil, &httpx.StatusError{Service: "login", Status: http.StatusNotFound}
	}})
	if _, err := gone.Stat(t.Context(), etl); err == nil {
		t.Error("a secret that was not asked for is said to be missing")
	}
	if err := gone.Remove(t.Context(), etl); err == nil {
		t.Error("a secret that was not asked for is said to be removed")
	}
	_, err := p.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{})
	if _, unclear := errors.AsType[*httpx.AmbiguousError](err); err == nil || unclear || hint.Of(err).Next != "Log in." || len(server.Faults.Seen()) > 0 {
		t.Errorf("got %v", err)
	}
}

// What is proposed for a repository can be written, whatever it is called.
func TestPlace(t *testing.T) {
	t.Parallel()
	_, w := newWorld(t)
	b, ok := w.Store.(providers.Backend)
	if !ok {
		t.Fatal("it is no backend")
	}
	for path, want := range map[string]string{"acme/etl.v2": "/acme-etl-v2", "group/sub group/é:t": "/group-sub-group--t", "etl": "/etl"} {
		place := b.Place(setup.Repository{Path: path})
		if _, err := w.Store.Check(t.Context(), target(place.Address, name)); err != nil || place.Address != googled.Project+want {
			t.Errorf("%s: %v", place.Address, err)
		}
	}
	if p := google.New(google.Options{Wire: w.Wire()}).Place(setup.Repository{Path: "acme/etl"}); !strings.Contains(p.Note.String(), "GOOGLE_CLOUD_PROJECT") {
		t.Errorf("without a project: %+v", p)
	}
}
