package google

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// scope is what tokens are asked for; Secret Manager has no narrower one.
const scope = "https://www.googleapis.com/auth/cloud-platform"

const nextLogin = "Log in with gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to the file of a service account."

// kinds are the log-ins that a file can hold.
var kinds = []google.CredentialsType{google.ServiceAccount, google.AuthorizedUser, google.ImpersonatedServiceAccount, google.ExternalAccount, google.ExternalAccountAuthorizedUser}

// FindLogin completes the options by Google's own rules for the default log-in of applications: the file
// that a variable names, the file of gcloud, and a machine's own service when a variable names it. With
// SECRET_MANAGER_EMULATOR_HOST there is no log-in. It sends no request; the token is asked for when it
// is needed.
func FindLogin(h providers.Host, o Options) (found Options, source string, err error) {
	get := func(name string) string { return strings.TrimSpace(h.Getenv(name)) }
	o.Project = cmp.Or(o.Project, get("GOOGLE_CLOUD_PROJECT"))
	if raw := get("SECRET_MANAGER_EMULATOR_HOST"); raw != "" {
		raw = "http://" + strings.TrimSuffix(strings.TrimPrefix(raw, "http://"), "/")
		u, err := url.Parse(raw)
		if err != nil || !setup.Loopback(raw) {
			return o, "", hint.New(SecretManager+": SECRET_MANAGER_EMULATOR_HOST names no address of this machine", "Write it like localhost:8080; requests to it carry no log-in and are not encrypted.", "")
		}
		o.Endpoint, o.Token = u, nil
		return o, "SECRET_MANAGER_EMULATOR_HOST", nil
	}
	path, source := get("GOOGLE_APPLICATION_CREDENTIALS"), "GOOGLE_APPLICATION_CREDENTIALS"
	if path == "" {
		path, source = wellKnown(h), "gcloud's log-in for applications"
	}
	var raw []byte
	if path != "" {
		raw, err = h.ReadFile(path)
	}
	switch {
	case len(raw) > 0 && err == nil:
	case get("GOOGLE_APPLICATION_CREDENTIALS") == "" && get("GCE_METADATA_HOST") != "":
		o.Token = providers.Renewed(machine(get("GCE_METADATA_HOST"), o.Wire))
		return o, "GCE_METADATA_HOST", nil
	case get("GOOGLE_APPLICATION_CREDENTIALS") != "":
		return o, "", hint.Wrap(providers.ErrNoLogin, "read the file that GOOGLE_APPLICATION_CREDENTIALS names", nextLogin, docsLogin)
	default:
		return o, "", hint.Wrap(providers.ErrNoLogin, "look for a log-in to Google", nextLogin, docsLogin)
	}
	defer clear(raw)
	var file struct {
		Type    google.CredentialsType `json:"type"`
		Project string                 `json:"project_id"`
		Quota   string                 `json:"quota_project_id"`
	}
	if json.Unmarshal(raw, &file) != nil || !slices.Contains(kinds, file.Type) {
		return o, "", hint.Wrap(providers.ErrNoLogin, "read the log-in of "+source, "The file holds no log-in of a kind that is known. "+nextLogin, docsLogin)
	}
	o.Quota = cmp.Or(get("GOOGLE_CLOUD_QUOTA_PROJECT"), file.Quota)
	o.Project = cmp.Or(o.Project, file.Quota, file.Project)
	o.Token = providers.Renewed(fromFile(secret.New(raw), file.Type, o.Wire.Base))
	return o, source, nil
}

// wellKnown is where gcloud keeps the log-in for applications.
func wellKnown(h providers.Host) string {
	const name = "application_default_credentials.json"
	if dir := h.Getenv("CLOUDSDK_CONFIG"); dir != "" {
		return filepath.Join(dir, name)
	}
	if dir := h.Getenv("APPDATA"); dir != "" { // set on Windows only
		return filepath.Join(dir, "gcloud", name)
	}
	if h.Home == "" {
		return ""
	}
	return filepath.Join(h.Home, ".config", "gcloud", name)
}

// fromFile gets tokens by what a file holds.
func fromFile(file *secret.Value, kind google.CredentialsType, base http.RoundTripper) func(context.Context) (*secret.Value, time.Time, error) {
	return func(ctx context.Context) (v *secret.Value, ends time.Time, err error) {
		client := &http.Client{Transport: base, Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("a redirect is not followed with a log-in")
		}}
		err = file.Use(func(raw []byte) error {
			c, err := google.CredentialsFromJSONWithType(context.WithValue(ctx, oauth2.HTTPClient, client), raw, kind, scope)
			if err != nil {
				return errors.New("the file holds no log-in") // the text can quote the file
			}
			t, err := c.TokenSource.Token()
			if err != nil {
				return refused(ctx, err)
			}
			v, ends = secret.New([]byte(t.AccessToken)), t.Expiry
			return nil
		})
		return v, ends, hint.Wrap(err, "get a token from Google", nextLogin, docsLogin)
	}
}

// refused is why there is no token, without what the answer or the file held.
func refused(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var r *oauth2.RetrieveError
	var u *url.Error
	switch {
	case errors.As(err, &r) && r.ErrorCode != "":
		return errors.New(display.Clean(r.ErrorCode + ": " + r.ErrorDescription).String())
	case errors.As(err, &r) && r.Response != nil:
		return errors.New("the answer was " + display.Clean(r.Response.Status).String())
	case errors.As(err, &u):
		return u.Err
	}
	return errors.New("the log-in could not be used")
}

// machine gets tokens of the service account of the machine.
func machine(host string, wire httpx.Options) func(context.Context) (*secret.Value, time.Time, error) {
	wire.Service, wire.Auth = SecretManager, func(r *http.Request) error {
		r.Header.Set("Metadata-Flavor", "Google")
		return nil
	}
	client := httpx.NewClient(&url.URL{Scheme: "http", Host: host}, wire)
	return func(ctx context.Context) (*secret.Value, time.Time, error) {
		var out struct {
			Token providers.Text `json:"access_token"`
			Lasts int64          `json:"expires_in"`
		}
		_, err := client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/computeMetadata/v1/instance/service-accounts/default/token", Query: url.Values{"scopes": {scope}}, Out: &out})
		if err == nil && out.Token.V.Empty() {
			err = errors.New("the machine gave no token")
		}
		return out.Token.V, time.Now().Add(time.Duration(out.Lasts) * time.Second), hint.Wrap(err, "get a token from the machine that GCE_METADATA_HOST names", nextLogin, docsLogin)
	}
}
