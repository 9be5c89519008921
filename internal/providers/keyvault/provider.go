// Package keyvault stores secrets in Azure Key Vault.
//
// A target's address is VAULT or VAULT/PREFIX (my-vault/etl). Key Vault knows no underscore: the name of
// the secret there has hyphens in its place, and the prefix in front (etl-ASTRO-API-TOKEN).
package keyvault

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
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

// KeyVault is the id of the store.
const KeyVault = "azure-key-vault"

const (
	docsSecrets = "https://learn.microsoft.com/azure/key-vault/secrets/about-secrets"
	docsRights  = "https://learn.microsoft.com/azure/key-vault/general/rbac-guide"
	docsRecover = "https://learn.microsoft.com/azure/key-vault/general/key-vault-recovery"
	docsLogin   = "https://learn.microsoft.com/cli/azure/authenticate-azure-cli"
	// usual is where the vaults of Azure are, outside its sovereign clouds.
	usual   = "vault.azure.net"
	version = "7.4" // of the API
)

var info = providers.Info{
	ID: KeyVault, Name: "Azure Key Vault", Docs: docsSecrets, MaxValue: 25_000,
	Proof: providers.ReadBack, ProofNote: "who may not read the value sees the version that the write made in the list of versions",
	Rights:  "The role `Key Vault Secrets Officer` on the vault or the secret; in a vault with access policies the permissions get, list and set, and delete to take the secret back. The vault's firewall has to let this machine in.",
	Login:   "`AZURE_TENANT_ID` and `AZURE_CLIENT_ID` with `AZURE_CLIENT_SECRET` or `AZURE_FEDERATED_TOKEN_FILE`, else the log-in of the az CLI (`az login`). `AZURE_KEY_VAULT_NAME` or `KEY_VAULT_NAME` names the vault; `AZURE_AUTHORITY_HOST` names a sovereign cloud.",
	Address: "`VAULT/PREFIX` (my-vault/etl), or `VAULT`; the secret's name there is `PREFIX-SECRET`, or `SECRET`, with a hyphen for each underscore (etl-ASTRO-API-TOKEN).",
	Limits:  "Key Vault takes no underscore in a name and does not tell upper from lower case. A secret that is taken back is deleted softly: its name stays taken for up to 90 days, until somebody recovers or purges it, which astro-ci never does. The end of the token is noted as the end of the secret; Key Vault goes on to show a secret that has ended. Earlier versions keep earlier values; they are dead tokens after a rotation. A write whose answer was lost can leave two equal versions.",
}

// Options make a provider.
type Options struct {
	Endpoint *url.URL // one address for all vaults, whose names then begin the paths; nil for those of Azure
	Suffix   string   // of the vaults' addresses; "" for vault.azure.net
	Vault    string   // in which secrets are proposed; may be empty
	Token    func(context.Context) (*secret.Value, error)
	Wire     httpx.Options
	// Run runs a program and returns what it prints; FindLogin asks the az CLI by it. nil: it does not.
	Run func(ctx context.Context, name string, args ...string) ([]byte, error)
}

// Provider is Key Vault, seen with one log-in.
type Provider struct{ o Options }

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	o.Suffix = cmp.Or(o.Suffix, usual)
	o.Wire.Service, o.Wire.Auth = KeyVault, providers.TokenAuth
	return &Provider{o}
}

// Info describes the store.
func (p *Provider) Info() providers.Info { return info }

func text(s string) display.Text { return display.Clean(s) }

// notName are the characters of a repository's path that a name must not have.
var notName = pattern.New(`[/._-]+`)

// Place is a prefix of the repository's own in the vault that the environment names.
func (p *Provider) Place(r setup.Repository) providers.Place {
	at := p.o.Vault + "/" + strings.Trim(notName.ReplaceAllString(providers.PlainPath(r), "-"), "-")
	note := "with versions; a write is read again"
	if p.o.Vault == "" {
		note = "put the name of your vault in front, or set AZURE_KEY_VAULT_NAME"
	}
	return providers.Place{Store: KeyVault, Address: at, Name: text("Azure Key Vault, " + at), Note: text(note)}
}

var (
	vaultName  = pattern.New(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)
	secretName = pattern.New(`^[0-9a-zA-Z-]{1,127}$`)
)

// ID is the vault of a target's secret, and its name there.
func ID(t setup.Target) (vault, name string) {
	vault, prefix, ok := strings.Cut(t.Address, "/")
	name = strings.ReplaceAll(t.Secret, "_", "-")
	if ok {
		name = prefix + "-" + name
	}
	return vault, name
}

// CheckTarget refuses a target that no secret can be.
func CheckTarget(t setup.Target) error {
	if err := providers.CheckSecretName(KeyVault, "name of the secret", t.Secret, info.Docs); err != nil {
		return err
	}
	vault, name := ID(t)
	if !vaultName.MatchString(vault) || strings.Contains(vault, "--") || !secretName.MatchString(name) || strings.HasSuffix(t.Address, "/") {
		return hint.New(fmt.Sprintf("%s: %q is no place for a secret", KeyVault, display.Clean(t.Address)), "Write it like my-vault/etl: the name of a vault, then letters, digits and hyphens only.", docsSecrets)
	}
	return nil
}

// shown is a target's secret for people.
func shown(t setup.Target) string {
	vault, name := ID(t)
	return name + " of the vault " + vault
}

// do sends a request about a target's secret; rest goes behind its name. Each vault is an origin of its
// own, and so has a client of its own.
func (p *Provider) do(ctx context.Context, t setup.Target, method, kind, rest string, call httpx.Call) error {
	ctx, err := providers.WithToken(ctx, p.o.Token)
	if err != nil {
		return fmt.Errorf("%s: %w", KeyVault, err)
	}
	vault, name := ID(t)
	base := &url.URL{Scheme: "https", Host: vault + "." + p.o.Suffix}
	if p.o.Endpoint != nil {
		base = p.o.Endpoint.JoinPath(vault)
	}
	query := url.Values{}
	maps.Copy(query, call.Query)
	query.Set("api-version", version)
	call.Method, call.Path, call.Query = method, "/"+kind+"/"+name+rest, query
	_, err = httpx.NewClient(base, p.o.Wire).Do(ctx, call)
	return err
}

// explain adds to an error what to do about it. right is the permission that the request takes.
func explain(err error, t setup.Target, doing, right string) error {
	vault, name := ID(t)
	if d, ok := errors.AsType[*net.DNSError](err); ok && d.IsNotFound {
		return hint.Wrap(err, KeyVault+": look for the vault "+vault, "No vault has this name. az keyvault list shows yours; set AZURE_AUTHORITY_HOST when it is in a sovereign cloud.", docsSecrets)
	}
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing + " " + shown(t)
		switch {
		case s.Code == "ObjectIsDeletedButRecoverable":
			a.Next, a.Link = recoverSays(t), docsRecover
		case s.Code == "ObjectIsBeingDeleted", s.Code == "ObjectIsBeingRecovered":
			a.Next, a.Link = "Key Vault is busy with "+name+" and takes no value until it is done. Try again in a minute.", docsRecover
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in to Azure is wrong, has ended, or is one of another tenant than the vault's. Log in again with az login.", docsLogin
		case walled(err):
			a.Next, a.Link = "The firewall of the vault does not let this machine in. Ask who administers the vault, or work from a network that may.", "https://learn.microsoft.com/azure/key-vault/general/network-security"
		case s.Status == http.StatusForbidden && s.Code == "SecretDisabled":
			a.Next = "The secret is disabled. Enable it with az keyvault secret set-attributes."
		case s.Status == http.StatusForbidden:
			a.Next, a.Link = "Your log-in needs the permission "+right+" for secrets, or the role Key Vault Secrets Officer on the vault. A role that was just given needs some minutes.", docsRights
		}
		return a
	})
}

// walled reports whether it is the vault's firewall that refused, which says nothing about rights.
func walled(err error) bool {
	s, ok := errors.AsType[*httpx.StatusError](err)
	return ok && s.Status == http.StatusForbidden && (s.Code == "ForbiddenByFirewall" || strings.Contains(s.Message.String(), "Client address is not authorized"))
}

// forbidden reports whether the log-in may not do what was asked.
func forbidden(err error) bool {
	return httpx.Status(err) == http.StatusForbidden && !walled(err)
}

func recoverSays(t setup.Target) string {
	vault, name := ID(t)
	return "A deleted secret holds the name. Bring it back with az keyvault secret recover --vault-name " + vault + " --name " + name + ", then try again: it gets a new version. Or use another prefix."
}

// bundle is what Key Vault tells about a version of a secret. The value that can stand beside it is left
// where it is.
type bundle struct {
	ID         string // the address of the version
	Attributes struct {
		Enabled          bool
		Created, Updated int64 // seconds
	}
	Tags map[string]string
}

// version is the last part of the version's address.
func (b bundle) version() string { return b.ID[strings.LastIndex(b.ID, "/")+1:] }

func (b bundle) state() providers.State {
	return providers.State{Exists: true, UpdatedAt: time.Unix(b.Attributes.Updated, 0), Version: b.version()}
}

// page is a page of the list of versions. The list is in no order of time.
type page struct {
	Value []bundle
	Next  string `json:"nextLink"`
}

// there reports whether the secret is there; known is false when the log-in may not see it.
func (p *Provider) there(ctx context.Context, t setup.Target) (there, known bool, err error) {
	var some page
	err = p.do(ctx, t, http.MethodGet, "secrets", "/versions", httpx.Call{Query: url.Values{"maxresults": {"1"}}, Out: &some})
	there = len(some.Value) > 0
	if forbidden(err) { // who may not list may be allowed to get
		err = p.do(ctx, t, http.MethodGet, "secrets", "", httpx.Call{})
		there = err == nil
	}
	switch {
	case httpx.Status(err) == http.StatusNotFound:
		return false, true, nil
	case forbidden(err):
		return false, false, nil
	}
	return there, err == nil, explain(err, t, "look at", "list")
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	return CheckTarget(t)
}

// Check looks whether the secret is there, and whether a deleted one holds its name. Key Vault does not
// tell who may write.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	if err := CheckTarget(t); err != nil {
		return providers.Access{}, err
	}
	there, known, err := p.there(ctx, t)
	if err != nil {
		return providers.Access{}, err
	}
	if there {
		return providers.Access{Note: text("it is there and gets a new version; whether you may (set) shows only then")}, nil
	}
	say := "it is made; whether you may (set) shows only then"
	if !known {
		say = "your log-in may not look at it; whether it may write (set) shows only then"
	}
	err = p.do(ctx, t, http.MethodGet, "deletedsecrets", "", httpx.Call{})
	switch {
	case err == nil:
		return providers.Access{}, hint.New(KeyVault+": "+shown(t)+" is deleted and holds its name", recoverSays(t), docsRecover)
	case forbidden(err):
		say += ", and so does a deleted secret that holds the name"
	case httpx.Status(err) != http.StatusNotFound:
		return providers.Access{}, explain(err, t, "look for a deleted", "get")
	}
	return providers.Access{Note: text(say)}, nil
}

// tagWrite is the tag that says which write made a version; most is how many tags a version can have.
const (
	tagWrite = "astro-ci-write"
	most     = 15
)

// tags are those of a new version: ours, and those that others gave to the version before.
func (p *Provider) tags(ctx context.Context, t setup.Target, m providers.Meta, there bool) (tags map[string]string, mark string) {
	tags = providers.Tags(m)
	_, mark = providers.Mark(m)
	tags[tagWrite] = mark
	var before bundle
	if there && p.do(ctx, t, http.MethodGet, "secrets", "", httpx.Call{Out: &before}) == nil {
		for _, k := range slices.Sorted(maps.Keys(before.Tags)) {
			if _, ours := tags[k]; !ours && len(tags) < most {
				tags[k] = before.Tags[k]
			}
		}
	}
	return tags, mark
}

// Put makes the secret, or gives it a new version. Key Vault knows no mark of a request: one whose answer
// is lost and that is sent again makes a second version with the same value, which harms nobody.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := CheckTarget(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", KeyVault, shown(t), err)
	}
	there, known, err := p.there(ctx, t)
	if err != nil {
		return providers.Receipt{}, err
	}
	tags, mark := p.tags(ctx, t, m, there)
	attributes := map[string]any{"enabled": true}
	if !m.ExpiresAt.IsZero() {
		attributes["exp"] = m.ExpiresAt.Unix()
	}
	body := map[string]any{"contentType": "text/plain", "tags": tags, "attributes": attributes}
	var got bundle
	err = providers.WithValue(v, body, "value", func() error {
		return p.do(ctx, t, http.MethodPut, "secrets", "", httpx.Call{Body: body, Out: &got})
	})
	if err != nil && !httpx.Refused(err) {
		// Without a clear answer the mark on the newest version says whether it came through.
		var now bundle
		if p.do(ctx, t, http.MethodGet, "secrets", "", httpx.Call{Out: &now}) == nil && now.Tags[tagWrite] == mark {
			got, err = now, nil
		}
	}
	if err != nil {
		return providers.Receipt{}, explain(err, t, "write", "set")
	}
	proof, err := p.proof(ctx, t, got.version(), mark, v)
	return providers.Receipt{Created: known && !there, Version: got.version(), Proof: proof}, err
}

// proof reads the version again; who may not, looks for it in the list.
func (p *Provider) proof(ctx context.Context, t setup.Target, version, mark string, v *secret.Value) (providers.Proof, error) {
	var got struct{ Value providers.Text }
	err := p.do(ctx, t, http.MethodGet, "secrets", "/"+url.PathEscape(version), httpx.Call{Out: &got})
	switch {
	case err == nil && got.Value.V.Equal(v):
		return providers.ReadBack, nil
	case err == nil:
		return providers.Written, hint.New(KeyVault+": version "+display.Clean(version).String()+" of "+shown(t)+" holds another value than was sent", "Try again; something between here and Azure changes what is sent.", docsSecrets)
	}
	all, err := p.versions(ctx, t)
	for _, b := range all {
		if err == nil && b.version() == version && b.Tags[tagWrite] == mark {
			return providers.Metadata, nil
		}
	}
	return providers.Written, nil
}

// Earlier reads an earlier version.
func (p *Provider) Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error) {
	if err := CheckTarget(t); err != nil {
		return nil, err
	}
	var got struct{ Value providers.Text }
	err := p.do(ctx, t, http.MethodGet, "secrets", "/"+url.PathEscape(version), httpx.Call{Out: &got})
	return got.Value.V, explain(err, t, "read a version of", "get")
}

// versions lists all versions, without their values.
func (p *Provider) versions(ctx context.Context, t setup.Target) (out []bundle, err error) {
	query := url.Values{"maxresults": {"25"}}
	for {
		var some page
		if err := p.do(ctx, t, http.MethodGet, "secrets", "/versions", httpx.Call{Query: query, Out: &some}); err != nil {
			return nil, err
		}
		out = append(out, some.Value...)
		if some.Next == "" {
			return out, nil
		}
		// Only what the link asks for is taken from it: where it leads is known.
		link, err := url.Parse(some.Next)
		if err != nil || link.Query().Get("$skiptoken") == "" {
			return nil, fmt.Errorf("%s: the list of versions does not say where it goes on", KeyVault)
		}
		query = link.Query()
	}
}

// Stat says whether the secret has a version that can be read, and which is the newest. Who may not get the
// secret looks into the list of versions.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	if err := CheckTarget(t); err != nil {
		return providers.State{}, err
	}
	var now bundle
	err := p.do(ctx, t, http.MethodGet, "secrets", "", httpx.Call{Out: &now})
	switch {
	case err == nil:
		return now.state(), nil
	case forbidden(err): // also the answer for a version that is disabled
		st, _, err := p.Glance(ctx, t)
		return st, err
	case httpx.Status(err) == http.StatusNotFound:
		return providers.State{}, nil
	}
	return providers.State{}, explain(err, t, "look at", "get or list")
}

// Glance is Stat by the list of versions, whose times are whole seconds: of two versions of one second none is
// known to be the newer one.
func (p *Provider) Glance(ctx context.Context, t setup.Target) (st providers.State, beside bool, err error) {
	if err := CheckTarget(t); err != nil {
		return st, false, err
	}
	all, err := p.versions(ctx, t)
	if httpx.Status(err) == http.StatusNotFound {
		return st, false, nil
	}
	newest := int64(0)
	for _, b := range all {
		switch at := b.Attributes.Created; {
		case !b.Attributes.Enabled || at < newest:
		case at == newest:
			st.Version = ""
		default:
			newest, st = at, b.state()
		}
	}
	return st, false, explain(err, t, "look at", "get or list")
}

// Remove deletes the secret, softly: it can be recovered, and its name stays taken until it is purged.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	if err := CheckTarget(t); err != nil {
		return err
	}
	err := p.do(ctx, t, http.MethodDelete, "secrets", "", httpx.Call{})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return explain(err, t, "delete", "delete")
}
