package google_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// host is a machine with these variables and files.
func host(env, files map[string]string) providers.Host {
	return providers.Host{Home: "/home/ada", Getenv: func(k string) string { return env[k] }, ReadFile: func(path string) ([]byte, error) {
		if text, ok := files[filepath.ToSlash(path)]; ok {
			return []byte(text), nil
		}
		return nil, fs.ErrNotExist
	}}
}

func options() google.Options {
	return google.Options{Wire: httpx.Options{Base: httpx.NewBase(nil, nil), Jitter: func() float64 { return 0 }}}
}

func object(t *testing.T, o map[string]string) string {
	t.Helper()
	raw, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func reveal(v *secret.Value) (out string) {
	_ = v.Use(func(b []byte) error { out = string(b); return nil })
	return out
}

// tokens is the place where Google gives tokens; it counts them.
func tokens(t *testing.T, wants func(r *http.Request) bool) (url string, n *int) {
	t.Helper()
	n = new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if _ = r.ParseForm(); !wants(r) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant","error_description":"Token has been expired or revoked."}`)
			return
		}
		*n++
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"Bearer","expires_in":3600}`, *n)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, n
}

const (
	gcloud  = "/home/ada/.config/gcloud/application_default_credentials.json"
	refresh = "1//a-refresh-token-that-is-secret"
)

func user(t *testing.T, at string) string {
	t.Helper()
	return object(t, map[string]string{"type": "authorized_user", "client_id": "c", "client_secret": "s", "refresh_token": refresh, "token_uri": at, "quota_project_id": "quota-project"})
}

// A person's log-in, where gcloud keeps it on each system. One token serves until shortly before its end.
func TestLoginOfGcloud(t *testing.T) {
	t.Parallel()
	at, n := tokens(t, func(r *http.Request) bool { return r.Form.Get("refresh_token") == refresh })
	for path, env := range map[string]map[string]string{
		gcloud: nil,
		"C:/Roaming/gcloud/application_default_credentials.json": {"APPDATA": "C:/Roaming"},
		"/etc/gcloud/application_default_credentials.json":       {"CLOUDSDK_CONFIG": "/etc/gcloud"},
	} {
		*n = 0
		o, source, err := google.FindLogin(host(env, map[string]string{path: user(t, at)}), options())
		if err != nil || o.Project != "quota-project" || o.Quota != "quota-project" || !strings.Contains(source, "gcloud") || *n != 0 {
			t.Fatalf("%s: %+v, %q, %v", path, o, source, err)
		}
		for range 2 {
			if v, err := o.Token(t.Context()); err != nil || reveal(v) != "token-1" {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
}

// A service account signs for itself; the variable goes before gcloud's file, a named project before that
// of the file.
func TestLoginOfAServiceAccount(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	at, _ := tokens(t, func(r *http.Request) bool { return strings.Count(r.Form.Get("assertion"), ".") == 2 })
	file := object(t, map[string]string{"type": "service_account", "client_email": "a@b", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": at, "project_id": "file-project"})
	for want, env := range map[string]map[string]string{
		"file-project": {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json"},
		"my-project":   {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json", "GOOGLE_CLOUD_PROJECT": "my-project"},
	} {
		o, source, err := google.FindLogin(host(env, map[string]string{"/key.json": file, gcloud: "{}"}), options())
		if err != nil || o.Project != want || o.Quota != "" || source != "GOOGLE_APPLICATION_CREDENTIALS" {
			t.Fatalf("%+v, %q, %v", o, source, err)
		}
		if v, err := o.Token(t.Context()); err != nil || reveal(v) != "token-1" && reveal(v) != "token-2" {
			t.Errorf("%v", err)
		}
	}
}

func TestNoLogin(t *testing.T) {
	t.Parallel()
	for what, h := range map[string]providers.Host{
		"nothing":               host(nil, nil),
		"no home":               {Getenv: func(string) string { return "" }, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }},
		"a file that is gone":   host(map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "/gone", "GCE_METADATA_HOST": "127.0.0.1"}, map[string]string{gcloud: "{}"}),
		"no JSON":               host(nil, map[string]string{gcloud: "refresh_token = " + refresh}),
		"a kind without a name": host(nil, map[string]string{gcloud: `{"refresh_token":"` + refresh + `"}`}),
		"another kind":          host(nil, map[string]string{gcloud: `{"type":"` + refresh + `"}`}),
	} {
		_, _, err := google.FindLogin(h, options())
		if !errors.Is(err, providers.ErrNoLogin) || !strings.Contains(hint.Of(err).Next, "gcloud auth application-default login") || strings.Contains(err.Error(), refresh) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// An error of the log-in says what Google said, and nothing of what the file holds.
func TestLoginThatIsRefused(t *testing.T) {
	t.Parallel()
	at, _ := tokens(t, func(*http.Request) bool { return false })
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_ = r.ParseForm()
		fmt.Fprint(w, r.Form.Get("refresh_token"))
	}))
	t.Cleanup(echo.Close)
	away := httptest.NewServer(http.RedirectHandler(at, http.StatusTemporaryRedirect))
	t.Cleanup(away.Close)
	for to, want := range map[string]string{at: "expired or revoked", echo.URL: "502", away.URL: "redirect", "http://127.0.0.1:1": "refused"} {
		o, _, err := google.FindLogin(host(nil, map[string]string{gcloud: user(t, to)}), options())
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		o.Wire.Debug = func(line string) { log.WriteString(line) }
		_, err = google.New(o).Check(t.Context(), etl)
		if err == nil || !strings.HasPrefix(err.Error(), google.SecretManager+": ") || !strings.Contains(err.Error(), want) || hint.Of(err).Next == "" {
			t.Errorf("%s: %v", want, err)
			continue
		}
		testkit.MustNotLeak(t, secret.New([]byte(refresh)), []byte(err.Error()), log.Bytes())
	}
}

// The machine's own service is asked only when a variable names it and there is no file.
func TestLoginOfAMachine(t *testing.T) {
	t.Parallel()
	at, n := tokens(t, func(r *http.Request) bool {
		return r.Header.Get("Metadata-Flavor") == "Google" && r.URL.Path == "/computeMetadata/v1/instance/service-accounts/default/token"
	})
	env := map[string]string{"GCE_METADATA_HOST": strings.TrimPrefix(at, "http://"), "GOOGLE_CLOUD_PROJECT": "my-project"}
	o, source, err := google.FindLogin(host(env, nil), options())
	if err != nil || source != "GCE_METADATA_HOST" || o.Project != "my-project" || *n != 0 {
		t.Fatalf("%+v, %q, %v", o, source, err)
	}
	if v, err := o.Token(t.Context()); err != nil || reveal(v) != "token-1" {
		t.Error(err)
	}
	if _, source, err := google.FindLogin(host(env, map[string]string{gcloud: user(t, at)}), options()); err != nil || source == "GCE_METADATA_HOST" {
		t.Errorf("with a file: %q, %v", source, err)
	}
}

// An emulator on this machine gets no log-in; one elsewhere is refused.
func TestEmulator(t *testing.T) {
	t.Parallel()
	files := map[string]string{gcloud: user(t, "https://example.com")}
	for _, at := range []string{"localhost:8080", "http://127.0.0.1:8080", "[::1]:8080/"} {
		o, _, err := google.FindLogin(host(map[string]string{"SECRET_MANAGER_EMULATOR_HOST": at}, files), options())
		if err != nil || o.Token != nil || o.Endpoint.Scheme != "http" || !strings.HasSuffix(o.Endpoint.Host, ":8080") {
			t.Errorf("%s: %+v, %v", at, o, err)
		}
	}
	for _, at := range []string{"example.com:8080", "10.0.0.1:80", "localhost.example.com:80", "https://localhost:1", "::"} {
		if _, _, err := google.FindLogin(host(map[string]string{"SECRET_MANAGER_EMULATOR_HOST": at}, files), options()); err == nil {
			t.Errorf("%s is taken", at)
		}
	}
	var seen string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header.Get("Authorization") + r.Header.Get("X-Goog-User-Project")
		w.WriteHeader(http.StatusNotFound)
	}))
	t.Cleanup(srv.Close)
	o, _, err := google.FindLogin(host(map[string]string{"SECRET_MANAGER_EMULATOR_HOST": strings.TrimPrefix(srv.URL, "http://")}, files), options())
	if err != nil {
		t.Fatal(err)
	}
	if s, err := google.New(o).Stat(t.Context(), etl); err != nil || s.Exists || seen != "" {
		t.Errorf("%+v, %v, a log-in was sent: %v", s, err, seen != "")
	}
}
