// Package google stores secrets in Google Secret Manager.
//
// A target's address is PROJECT or PROJECT/PREFIX (my-project/etl); the id of its secret there is the
// secret's own name, with the prefix and a hyphen in front (etl-ASTRO_API_TOKEN).
package google

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// SecretManager is the id of the store.
const SecretManager = "gcp-secret-manager"

const (
	docsSecrets = "https://cloud.google.com/secret-manager/docs/creating-and-accessing-secrets"
	docsRights  = "https://cloud.google.com/secret-manager/docs/access-control"
	docsLogin   = "https://cloud.google.com/docs/authentication/provide-credentials-adc"
)

var info = providers.Info{
	ID: SecretManager, Name: "Google Secret Manager", Docs: docsSecrets, MaxValue: 65_536,
	Proof: providers.ReadBack, ProofNote: "who may not read the value sees that Google checked its sum and made the version",
	Rights:  "For a new secret `roles/secretmanager.admin` on the project. For one that is there `roles/secretmanager.secretVersionManager` on it, `roles/secretmanager.secretAccessor` to read the value again, and `secretmanager.secrets.update` for annotations that tell the setup, the token's id and its end. The Secret Manager API has to be enabled in the project.",
	Login:   "The file that `GOOGLE_APPLICATION_CREDENTIALS` names, else the one that `gcloud auth application-default login` writes, else the service account of the machine when `GCE_METADATA_HOST` is set. `GOOGLE_CLOUD_PROJECT` names the project, else the file does.",
	Address: "`PROJECT/PREFIX` (my-project/etl), or `PROJECT`; the secret's id is `PREFIX-SECRET` (etl-ASTRO_API_TOKEN), or `SECRET`.",
	Limits:  "Secrets are replicated automatically; a policy that forbids it refuses them until somebody makes the secret with a region. The expiry of the token stands in an annotation: an expiry of the secret itself would delete the secret. Earlier versions keep earlier values; they are dead tokens after a rotation. A write whose answer was lost can leave two equal versions.",
}

// Options make a provider.
type Options struct {
	Endpoint *url.URL // nil for Google's own
	Project  string   // in which secrets are proposed; may be empty
	Quota    string   // the project that is charged with the requests; "" for that of the secret
	// Token gets a token for requests; nil for a server that wants none.
	Token func(context.Context) (*secret.Value, error)
	Wire  httpx.Options
}

// Provider is Secret Manager, seen with one log-in.
type Provider struct {
	project string
	token   func(context.Context) (*secret.Value, error)
	client  *httpx.Client
}

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	base := o.Endpoint
	if base == nil {
		base = &url.URL{Scheme: "https", Host: "secretmanager.googleapis.com"}
	}
	wire := o.Wire
	wire.Service = SecretManager
	wire.Auth = func(r *http.Request) error {
		if o.Quota != "" {
			r.Header.Set("X-Goog-User-Project", o.Quota)
		}
		return providers.TokenAuth(r)
	}
	return &Provider{o.Project, o.Token, httpx.NewClient(base, wire)}
}

// Info describes the store.
func (p *Provider) Info() providers.Info { return info }

func text(s string) display.Text { return display.Clean(s) }

// notID are the characters of a repository's path that an id of a secret must not have.
var notID = pattern.New(`[/.]+`)

// Place is a prefix of the repository's own in the project of the log-in.
func (p *Provider) Place(r setup.Repository) providers.Place {
	at := p.project + "/" + notID.ReplaceAllString(providers.PlainPath(r), "-")
	note := "with versions; a write is read again"
	if p.project == "" {
		note = "put the id of your project in front, or set GOOGLE_CLOUD_PROJECT"
	}
	return providers.Place{Store: SecretManager, Address: at, Name: text("Google Secret Manager, " + at), Note: text(note)}
}

var (
	projectID = pattern.New(`^([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`) // old ones have a domain in front
	secretID  = pattern.New(`^[A-Za-z0-9_-]{1,255}$`)
)

// ID is the project of a target's secret, and its id there.
func ID(t setup.Target) (project, id string) {
	project, prefix, ok := strings.Cut(t.Address, "/")
	if !ok {
		return project, t.Secret
	}
	return project, prefix + "-" + t.Secret
}

// CheckTarget refuses a target that no secret can be.
func CheckTarget(t setup.Target) error {
	if err := providers.CheckSecretName(SecretManager, "name of the secret", t.Secret, info.Docs); err != nil {
		return err
	}
	project, id := ID(t)
	if !projectID.MatchString(project) || !secretID.MatchString(id) || strings.HasSuffix(t.Address, "/") {
		return hint.New(fmt.Sprintf("%s: %q is no place for a secret", SecretManager, display.Clean(t.Address)), "Write it like my-project/etl: the id of a project, then letters, digits, _ and - only.", docsSecrets)
	}
	return nil
}

// at is the path of a target's secret.
func at(t setup.Target) string {
	project, id := ID(t)
	return "/v1/projects/" + project + "/secrets/" + id
}

// shown is a target's secret for people.
func shown(t setup.Target) string { return strings.TrimPrefix(at(t), "/v1/") }

func (p *Provider) do(ctx context.Context, call httpx.Call) error {
	ctx, err := providers.WithToken(ctx, p.token)
	if err != nil {
		return fmt.Errorf("%s: %w", SecretManager, err)
	}
	_, err = p.client.Do(ctx, call)
	return err
}

// explain adds to an error what to do about it. rights are those that the request takes.
func explain(err error, t setup.Target, doing, rights string) error {
	project, id := ID(t)
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing + " " + shown(t)
		switch said := s.Message.String(); {
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in to Google is wrong or has ended. Log in again with gcloud auth application-default login.", docsLogin
		case s.Status == http.StatusForbidden && (strings.Contains(said, "has not been used in project") || strings.Contains(said, "it is disabled")):
			a.Next = "Enable the API with gcloud services enable secretmanager.googleapis.com --project " + project + ", and try again after a few minutes."
		case s.Status == http.StatusForbidden:
			a.Next, a.Link = "Your log-in needs "+rights+", or the project "+project+" is another one. Ask who administers it.", docsRights
		case s.Code == "FAILED_PRECONDITION" && strings.HasSuffix(s.Path, "/secrets"): // when it is made
			a.Next = "A policy may forbid that Google chooses the regions. Make the secret once with gcloud secrets create " + id + " --project " + project + " --replication-policy user-managed --locations REGION, then try again."
		}
		return a
	})
}

// The rights that are asked for or spoken of.
const (
	mayCreate = "secretmanager.secrets.create"
	mayAdd    = "secretmanager.versions.add"
	mayRead   = "secretmanager.versions.access"
	mayList   = "secretmanager.versions.list"
	mayDelete = "secretmanager.secrets.delete"
)

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	return CheckTarget(t)
}

// Check asks for the rights on the secret. Google answers with none for a secret that is not there.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	if err := CheckTarget(t); err != nil {
		return providers.Access{}, err
	}
	var out struct{ Permissions []string }
	err := p.do(ctx, httpx.Call{
		Method: http.MethodPost, Path: at(t) + ":testIamPermissions", Repeatable: true,
		Body: map[string]any{"permissions": []string{mayAdd, mayRead}}, Out: &out,
	})
	switch {
	case err != nil:
		return providers.Access{}, explain(err, t, "ask for the rights on", "a role on the project")
	case slices.Contains(out.Permissions, mayAdd) && slices.Contains(out.Permissions, mayRead):
		return providers.Access{}, nil
	case slices.Contains(out.Permissions, mayAdd):
		return providers.Access{Note: text("your log-in may not read it: that Google checked the sum of the value is the proof")}, nil
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at(t)})
	switch httpx.Status(err) {
	case http.StatusNotFound:
		return providers.Access{Note: text("it is made; whether you may (" + mayCreate + ") shows only then")}, nil
	case http.StatusForbidden:
		return providers.Access{Note: text("your log-in may not look at it; whether it may write (" + mayAdd + ") shows only then")}, nil
	}
	if err != nil {
		return providers.Access{}, explain(err, t, "look at", "secretmanager.secrets.get")
	}
	return providers.Access{}, hint.New(SecretManager+": your log-in may not write "+shown(t), "It needs "+mayAdd+", for example by the role roles/secretmanager.secretVersionManager on the secret. Ask who administers the project.", docsRights)
}

// version is what Google tells about a version; never its value.
type version struct {
	Name    string
	Created time.Time `json:"createTime"`
	State   string
	Checked bool `json:"clientSpecifiedPayloadChecksum"` // the sum that was sent fits what arrived
}

// number is the version's own part of its name.
func (v version) number() string { return v.Name[strings.LastIndex(v.Name, "/")+1:] }

// Put gives the secret a new version, and makes the secret when it is not there. That order needs the
// least rights: who may only add versions cannot make or see secrets.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := CheckTarget(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", SecretManager, shown(t), err)
	}
	created := false
	got, err := p.add(ctx, t, v)
	if httpx.Status(err) == http.StatusNotFound {
		if created, err = p.create(ctx, t, m); err != nil {
			return providers.Receipt{}, explain(err, t, "make", mayCreate)
		}
		got, err = p.add(ctx, t, v)
		if created && httpx.Refused(err) { // an empty secret is of no use to anybody
			_ = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at(t)})
		}
	}
	if err != nil && !httpx.Refused(err) {
		// Without a clear answer the newest version says whether it came through.
		if now, same, look := p.read(ctx, t, "latest", v); look == nil && same {
			got, err = now, nil
		}
	}
	if err != nil {
		return providers.Receipt{}, explain(err, t, "write", mayAdd)
	}
	out := providers.Receipt{Created: created, Version: got.number()}
	if !created {
		out.Note = providers.Untold("its annotations", p.annotate(ctx, t, m))
	}
	out.Proof, err = p.proof(ctx, t, got, v)
	return out, err
}

// add adds a version. It may be sent again: Google knows no mark of a request, and a second version with
// the same value harms nobody; what reads the newest one reads the same.
func (p *Provider) add(ctx context.Context, t setup.Target, v *secret.Value) (out version, err error) {
	err = v.Use(func(b []byte) error {
		return p.do(ctx, httpx.Call{Method: http.MethodPost, Path: at(t) + ":addVersion", Out: &out, Repeatable: true, Body: map[string]any{"payload": map[string]string{
			"data": base64.StdEncoding.EncodeToString(b), "dataCrc32c": strconv.FormatUint(uint64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))), 10),
		}}})
	})
	return out, err
}

// create makes the secret, without a version. It reports whether it was this call that made it: a refusal
// as a duplicate that follows a try without an answer is about that try.
func (p *Provider) create(ctx context.Context, t setup.Target, m providers.Meta) (created bool, err error) {
	project, id := ID(t)
	err = p.do(ctx, httpx.Call{
		Method: http.MethodPost, Path: "/v1/projects/" + project + "/secrets", Query: url.Values{"secretId": {id}}, Repeatable: true,
		Body: map[string]any{"replication": map[string]any{"automatic": map[string]any{}}, "annotations": providers.Tags(m)},
	})
	if httpx.Status(err) == http.StatusConflict {
		return !httpx.Refused(err), nil
	}
	return err == nil, err
}

// annotate brings the annotations of a secret that was there up to date. The etag keeps what somebody else
// changes at the same time.
func (p *Provider) annotate(ctx context.Context, t setup.Target, m providers.Meta) (err error) {
	for range 3 {
		var now struct {
			Etag        string
			Annotations map[string]string
		}
		if look := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at(t), Out: &now}); look != nil {
			return explain(look, t, "look at", "secretmanager.secrets.get and secretmanager.secrets.update")
		}
		next := map[string]string{}
		maps.Copy(next, now.Annotations)
		maps.Copy(next, providers.Tags(m))
		if maps.Equal(next, now.Annotations) {
			return nil
		}
		err = p.do(ctx, httpx.Call{Method: http.MethodPatch, Path: at(t), Query: url.Values{"updateMask": {"annotations"}}, Body: map[string]any{"etag": now.Etag, "annotations": next}})
		if err == nil || httpx.Status(err) == http.StatusForbidden {
			break
		}
	}
	return explain(err, t, "annotate", "secretmanager.secrets.update")
}

// value is a value as Google sends it, in Base64.
type value struct{ v *secret.Value }

// UnmarshalText implements encoding.TextUnmarshaler.
func (x *value) UnmarshalText(b []byte) error {
	raw := make([]byte, base64.StdEncoding.DecodedLen(len(b)))
	n, err := base64.StdEncoding.Decode(raw, b)
	if err != nil {
		return errors.New("not Base64")
	}
	x.v = secret.New(raw[:n])
	clear(raw)
	return nil
}

// read reads a version and compares its value.
func (p *Provider) read(ctx context.Context, t setup.Target, number string, v *secret.Value) (got version, same bool, err error) {
	name, value, err := p.access(ctx, t, number)
	return version{Name: name}, err == nil && value.Equal(v), err
}

// access reads a version.
func (p *Provider) access(ctx context.Context, t setup.Target, number string) (name string, v *secret.Value, err error) {
	var out struct {
		Name    string
		Payload struct{ Data value }
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at(t) + "/versions/" + url.PathEscape(number) + ":access", Out: &out})
	return out.Name, out.Payload.Data.v, err
}

// Earlier reads an earlier version.
func (p *Provider) Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error) {
	if err := CheckTarget(t); err != nil {
		return nil, err
	}
	_, v, err := p.access(ctx, t, version)
	return v, explain(err, t, "read a version of", mayRead)
}

// proof reads the version again. For who may not, the answer to the write is Google's record of it: it
// names the version, and says that the sum that was sent fits what arrived.
func (p *Provider) proof(ctx context.Context, t setup.Target, got version, v *secret.Value) (providers.Proof, error) {
	_, same, err := p.read(ctx, t, got.number(), v)
	switch {
	case same:
		return providers.ReadBack, nil
	case err == nil:
		return providers.Written, hint.New(SecretManager+": version "+got.number()+" of "+shown(t)+" holds another value than was sent", "Try again; something between here and Google changes what is sent.", docsSecrets)
	case got.Checked && got.State == "ENABLED":
		return providers.Metadata, nil
	}
	return providers.Written, nil
}

// Stat says whether the secret has a version that can be read, and which is the newest of those.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (out providers.State, err error) {
	if err := CheckTarget(t); err != nil {
		return out, err
	}
	newest := 0
	for page := ""; ; {
		query := url.Values{"filter": {"state:ENABLED"}, "pageSize": {"1000"}}
		if page != "" {
			query.Set("pageToken", page)
		}
		var some struct {
			Versions []version
			Next     string `json:"nextPageToken"`
		}
		err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: at(t) + "/versions", Query: query, Out: &some})
		if httpx.Status(err) == http.StatusNotFound {
			return providers.State{}, nil
		}
		if err != nil {
			return providers.State{}, explain(err, t, "look at", mayList)
		}
		for _, v := range some.Versions {
			if n, err := strconv.Atoi(v.number()); err == nil && n > newest {
				newest, out = n, providers.State{Exists: true, UpdatedAt: v.Created, Version: v.number()}
			}
		}
		if page = some.Next; page == "" {
			return out, nil
		}
	}
}

// Remove deletes the secret with all its versions; the name is free at once.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	if err := CheckTarget(t); err != nil {
		return err
	}
	err := p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at(t)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return explain(err, t, "delete", mayDelete)
}
