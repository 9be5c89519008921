package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	password  = "a-client-secret-that-is-secret"
	assertion = "eyJ.an-assertion-that-is-secret.x"
	profile   = "/home/ada/.azure/azureProfile.json"
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

func options() keyvault.Options {
	return keyvault.Options{Wire: httpx.Options{Base: httpx.NewBase(nil, nil), Jitter: func() float64 { return 0 }}}
}

func reveal(v *secret.Value) (out string) {
	_ = v.Use(func(b []byte) error { out = string(b); return nil })
	return out
}

// entra gives a token to who sends the right form.
func entra(t *testing.T) (url string, n *int) {
	t.Helper()
	n = new(int)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = r.ParseForm()
		f := r.PostForm
		proved := f.Get("client_secret") == password || f.Get("client_assertion") == assertion && f.Get("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
		if r.URL.Path != "/acme.example/oauth2/v2.0/token" || f.Get("grant_type") != "client_credentials" || f.Get("client_id") != "app" || f.Get("scope") != "https://vault.azure.net/.default" || !proved {
			w.WriteHeader(http.StatusNotFound) // not what Entra answers, and the most dangerous to mistake
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}`)
			return
		}
		*n++
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3599,"access_token":"token-%d"}`, *n)
	}))
	t.Cleanup(srv.Close)
	return srv.URL, n
}

// An application proves who it is by its secret or by the token of its workload; one token serves until
// shortly before its end.
func TestLoginOfAnApplication(t *testing.T) {
	t.Parallel()
	at, n := entra(t)
	for source, path := range map[string]string{"AZURE_CLIENT_SECRET": "", "AZURE_FEDERATED_TOKEN_FILE": "/token"} {
		*n = 0
		env := map[string]string{"AZURE_TENANT_ID": "acme.example", "AZURE_CLIENT_ID": "app", "AZURE_AUTHORITY_HOST": at + "/", "AZURE_FEDERATED_TOKEN_FILE": path, "KEY_VAULT_NAME": "my-vault"}
		if path == "" {
			env["AZURE_CLIENT_SECRET"] = password
		}
		o, got, err := keyvault.FindLogin(host(env, map[string]string{"/token": assertion + "\n"}), options())
		if err != nil || got != source || o.Vault != "my-vault" || o.Suffix != "vault.azure.net" || *n != 0 {
			t.Fatalf("%s: %+v, %q, %v", source, o, got, err)
		}
		for range 2 {
			if v, err := o.Token(t.Context()); err != nil || reveal(v) != "token-1" {
				t.Errorf("%s: %v", source, err)
			}
		}
	}
}

// A log-in that is refused is not mistaken for an answer about the secret, and says nothing of what it sent.
func TestLoginThatIsRefused(t *testing.T) {
	t.Parallel()
	at, _ := entra(t)
	for what, env := range map[string]map[string]string{
		"Invalid client secret": {"AZURE_CLIENT_SECRET": "x" + password},
		"cannot be read":        {"AZURE_FEDERATED_TOKEN_FILE": "/gone"},
	} {
		env["AZURE_TENANT_ID"], env["AZURE_CLIENT_ID"], env["AZURE_AUTHORITY_HOST"] = "acme.example", "app", at
		o, _, err := keyvault.FindLogin(host(env, nil), options())
		if err != nil {
			t.Fatal(err)
		}
		p := keyvault.New(o)
		_, check := p.Check(t.Context(), etl)
		_, stat := p.Stat(t.Context(), etl)
		_, write := p.Put(t.Context(), etl, testkit.Canary(t), providers.Meta{})
		for _, err := range []error{check, stat, write, p.Remove(t.Context(), etl)} {
			if err == nil || !strings.HasPrefix(err.Error(), keyvault.KeyVault+": ") || !strings.Contains(err.Error(), what) || hint.Of(err).Next == "" {
				t.Errorf("%s: %v", what, err)
				continue
			}
			testkit.MustNotLeak(t, secret.New([]byte(password)), []byte(err.Error()))
		}
	}
}

// The az CLI is asked when it knows an account, and only when a token is needed.
func TestLoginOfAz(t *testing.T) {
	t.Parallel()
	files := map[string]string{profile: "\ufeff" + `{"subscriptions":[{"id":"x"}]}`}
	asked := 0
	out, fails := "", error(nil)
	o := options()
	o.Run = func(_ context.Context, name string, args ...string) ([]byte, error) {
		asked++
		if name != "az" || strings.Join(args, " ") != "account get-access-token --resource https://vault.azure.cn --output json" {
			t.Errorf("%s %v", name, args)
		}
		return []byte(out), fails
	}
	find := func() keyvault.Options {
		found, source, err := keyvault.FindLogin(host(map[string]string{"AZURE_AUTHORITY_HOST": "https://login.chinacloudapi.cn", "AZURE_KEY_VAULT_NAME": "a-vault", "KEY_VAULT_NAME": "b-vault"}, files), o)
		if err != nil || source != "az login" || found.Vault != "a-vault" {
			t.Fatalf("%q, %v", source, err)
		}
		return found
	}
	found := find()
	out = fmt.Sprintf(`{"accessToken":"%s","expires_on":%d,"expiresOn":"2026-01-01 00:00:00.000000","tokenType":"Bearer"}`, password, time.Now().Add(time.Hour).Unix())
	for range 2 {
		if v, err := found.Token(t.Context()); err != nil || reveal(v) != password {
			t.Error(err)
		}
	}
	if asked != 1 {
		t.Errorf("asked %d times", asked)
	}
	for what, answer := range map[string]string{"no JSON": password, "no token": `{}`} {
		out = answer
		if _, err := find().Token(t.Context()); err == nil || !strings.Contains(hint.Of(err).Next, "az login") || strings.Contains(err.Error(), password) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fails = errors.New("exit status 1: " + password)
	if _, err := find().Token(t.Context()); err == nil || strings.Contains(err.Error(), password) {
		t.Errorf("az fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := keyvault.New(find()).Check(ctx, etl); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func TestNoLogin(t *testing.T) {
	t.Parallel()
	run := func(context.Context, string, ...string) ([]byte, error) {
		t.Error("a program was run")
		return nil, nil
	}
	known := map[string]string{profile: `{"subscriptions":[{}]}`}
	for what, c := range map[string]struct {
		env, files map[string]string
		run        func(context.Context, string, ...string) ([]byte, error)
	}{
		"nothing":                {nil, nil, run},
		"nobody runs programs":   {nil, known, nil},
		"az logged out":          {nil, map[string]string{profile: `{"subscriptions":[]}`}, run},
		"no JSON":                {nil, map[string]string{profile: password}, run},
		"half an application":    {map[string]string{"AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": password}, nil, run},
		"a tenant that is a way": {map[string]string{"AZURE_TENANT_ID": "../x", "AZURE_CLIENT_ID": "app", "AZURE_CLIENT_SECRET": password}, nil, run},
		"another folder of az":   {map[string]string{"AZURE_CONFIG_DIR": "/etc/azure"}, known, run},
	} {
		o := options()
		o.Run = c.run
		_, _, err := keyvault.FindLogin(host(c.env, c.files), o)
		if !errors.Is(err, providers.ErrNoLogin) || !strings.Contains(hint.Of(err).Next, "az login") {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, at := range []string{"http://login.example.com", "login.example.com", "https://a:b@login.example.com", "::"} {
		if _, _, err := keyvault.FindLogin(host(map[string]string{"AZURE_AUTHORITY_HOST": at}, known), options()); err == nil || errors.Is(err, providers.ErrNoLogin) {
			t.Errorf("%s: %v", at, err)
		}
	}
}
