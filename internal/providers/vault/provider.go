// Package vault stores secrets in HashiCorp Vault or OpenBao, in a key-value engine of version 2.
//
// A target's address is the path of an entry, its engine first (secret/astro/etl); the secret's own name
// is a key of the entry. What else the entry holds stays as it is.
package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// ID is the id of the store.
const ID = "vault"

const (
	docsKV       = "https://developer.hashicorp.com/vault/docs/secrets/kv/kv-v2"
	docsPolicies = "https://developer.hashicorp.com/vault/docs/concepts/policies"
)

var info = providers.Info{
	ID: ID, Name: "Vault or OpenBao", Docs: docsKV, MaxValue: 65_536,
	Proof: providers.ReadBack, ProofNote: "who may not read the entry sees the version that the write made",
	Rights:  "On `MOUNT/data/PATH`: `create`, `update` and `read`, or `create` and `patch` where the log-in must not read. On `MOUNT/metadata/PATH`: `read`, `update` for a note beside the secret, `delete` to take it back. On `MOUNT/subkeys/PATH`: `read`, for `verify` and `doctor`, which look at no value.",
	Login:   "`BAO_TOKEN` or `VAULT_TOKEN`, else the file `.vault-token` of your home folder, which `vault login` writes. `BAO_ADDR` or `VAULT_ADDR` names the server, `BAO_NAMESPACE` or `VAULT_NAMESPACE` the namespace, `BAO_CACERT` or `VAULT_CACERT` a file of certificates to trust. A token helper is not run, and certificates are always checked.",
	Address: "`vault:MOUNT/PATH` (secret/astro/etl); the secret's name is a key of that entry, beside others.",
	Limits:  "Only the key-value engine of version 2: version 1 overwrites without a trace. Earlier versions of an entry keep earlier values; they are dead tokens after a rotation. A write never overwrites what somebody else wrote at the same time.",
}

// Options make a provider.
type Options struct {
	providers.Options
	Namespace string // "" for none
}

// Provider is one Vault, seen with one log-in.
type Provider struct {
	client    *httpx.Client
	server    string
	namespace string
}

// New returns a provider; it makes no request.
func New(o Options) *Provider {
	wire := o.Wire
	wire.Service = ID
	wire.Auth = func(r *http.Request) error {
		if o.Namespace != "" {
			r.Header.Set("X-Vault-Namespace", o.Namespace)
		}
		return o.Login.Value.Use(func(b []byte) error {
			r.Header.Set("X-Vault-Token", string(b))
			return nil
		})
	}
	return &Provider{httpx.NewClient(o.Server.JoinPath("v1"), wire), o.Server.String(), o.Namespace}
}

// Info describes the store.
func (p *Provider) Info() providers.Info { return info }

// Place is an entry of the repository's own in the engine that a new Vault has.
func (p *Provider) Place(r setup.Repository) providers.Place {
	at := "secret/astro/" + providers.PlainPath(r)
	return providers.Place{Store: ID, Address: at, Name: text("Vault, %s", at), Note: text("with versions; a write is read again")}
}

// Reader is as whom runs may log in to read the secret, unless something else is said.
func (p *Provider) Reader(ctx context.Context, plan setup.Plan) (setup.Reader, error) {
	e, err := p.find(ctx, plan.Target())
	if err != nil {
		return setup.Reader{}, err
	}
	if strings.Contains(e.mount, "/") { // readerOf and Policy take it for the first part
		return setup.Reader{}, hint.New(ID+": runs cannot read from the engine "+e.mount+": its path has several parts", "Use an engine whose path has one part, like secret, or keep the secret in the CI platform.", docsKV)
	}
	return setup.Reader{Server: p.server, Namespace: p.namespace, Role: "jwt/astro-ci-" + plan.Name}, nil
}

var entryPath = pattern.New(`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*){1,14}$`)

// CheckTarget refuses a target that no entry of Vault can be.
func CheckTarget(t setup.Target) error {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, info.Docs); err != nil {
		return err
	}
	if !entryPath.MatchString(t.Address) || len(t.Address) > 512 {
		return hint.New(fmt.Sprintf("%s: %q is not the path of an entry", ID, display.Clean(t.Address)), "Write it like secret/astro/etl: the engine first, then letters, digits and _.- only.", docsKV)
	}
	return nil
}

// entry is where a target's entry lies, and what the log-in saw of it.
type entry struct {
	mount, path string
	data        map[string]json.RawMessage // nil when there is no version, or it may not be read
	version     int                        // the newest; 0: none was ever there
	changed     time.Time
	gone        bool // the newest version is deleted
	hidden      bool // the log-in may not read it
	unseen      bool // nor its metadata: whether it is there is not known
}

func (e entry) at(kind string) string { return "/" + e.mount + "/" + kind + "/" + e.path }

func explain(err error, doing string) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing
		switch {
		case s.Status == http.StatusForbidden:
			a.Next, a.Link = "The log-in is wrong or has ended, or its policy lacks a right on this path. Log in again with vault login, or ask who administers Vault.", docsPolicies
		case s.Status == http.StatusServiceUnavailable:
			a.Next = "Vault is sealed. Ask who administers it."
		case strings.Contains(s.Message.String(), "required for this call"):
			a.Next = "The entry takes only writes that name the version they follow. The log-in needs read on its path below metadata to know it."
		case strings.Contains(s.Message.String(), "check-and-set"):
			a.Next = "Somebody else changes the entry at the same time. Try again."
		}
		return a
	})
}

// find splits a target's address into engine and path, and refuses an engine that is none of ours.
func (p *Provider) find(ctx context.Context, t setup.Target) (e entry, err error) {
	if err := CheckTarget(t); err != nil {
		return e, err
	}
	var out struct {
		Data struct {
			Path    string
			Type    string
			Options struct{ Version string }
		}
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/sys/internal/ui/mounts/" + t.Address, Out: &out})
	switch d := out.Data; {
	case httpx.Status(err) == http.StatusForbidden:
		// The same answer for an engine that is not there and for one that the log-in knows nothing of.
		e.mount, e.path, _ = strings.Cut(t.Address, "/")
		return e, nil
	case err != nil:
		return e, explain(err, "look for the engine of "+t.Address)
	case d.Type != "kv" || d.Options.Version != "2":
		return e, hint.New(ID+": "+t.Address+" is in no key-value engine of version 2", "Use a path of such an engine; vault secrets list -detailed shows them.", docsKV)
	default:
		e.mount = strings.TrimSuffix(d.Path, "/")
		e.path = strings.TrimPrefix(t.Address, d.Path)
		return e, nil
	}
}

// record is what Vault tells of a version of an entry.
type record struct {
	Version int
	Created time.Time `json:"created_time"`
}

// look reads the entry, as far as the log-in may.
func (p *Provider) look(ctx context.Context, t setup.Target) (entry, error) {
	e, err := p.find(ctx, t)
	if err != nil {
		return e, err
	}
	var out struct {
		Data struct {
			Data     map[string]json.RawMessage
			Metadata record
		}
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: e.at("data"), Out: &out})
	switch httpx.Status(err) {
	case http.StatusForbidden:
		e.hidden = true
	case http.StatusNotFound: // never written, or its newest version is deleted
	default:
		e.data, e.version, e.changed = out.Data.Data, out.Data.Metadata.Version, out.Data.Metadata.Created
		return e, explain(err, "read "+t.Address)
	}
	var meta struct {
		Data struct {
			Current  int `json:"current_version"`
			Versions map[string]struct {
				Created   time.Time `json:"created_time"`
				Deleted   string    `json:"deletion_time"`
				Destroyed bool
			}
		}
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: e.at("metadata"), Out: &meta})
	switch s := httpx.Status(err); {
	case s == http.StatusForbidden:
		e.unseen = e.hidden
		return e, nil
	case s == http.StatusNotFound:
		return e, nil
	case err != nil:
		return e, explain(err, "look at "+t.Address)
	}
	v := meta.Data.Versions[strconv.Itoa(meta.Data.Current)]
	e.version, e.changed = meta.Data.Current, v.Created
	e.gone = v.Deleted != "" || v.Destroyed || !e.hidden
	return e, nil
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	return CheckTarget(t)
}

// Check asks whether the entry can be written.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	e, err := p.find(ctx, t)
	if err != nil {
		return providers.Access{}, err
	}
	var self struct {
		Data struct {
			Name display.Text `json:"display_name"`
			TTL  int64        // seconds; 0 for one that does not end
		}
	}
	if _, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/auth/token/lookup-self", Out: &self}); err != nil {
		return providers.Access{}, explain(err, "look at the log-in")
	}
	path := strings.TrimPrefix(e.at("data"), "/")
	var out struct{ Data map[string][]string }
	if _, err := p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/sys/capabilities-self", Repeatable: true, Body: map[string]any{"paths": []string{path}}, Out: &out}); err != nil {
		return providers.Access{}, explain(err, "ask for the rights on "+path)
	}
	may := func(right string) bool {
		return slices.Contains(out.Data[path], right) || slices.Contains(out.Data[path], "root")
	}
	access := providers.Access{Who: self.Data.Name}
	switch {
	case !may("create"), !may("patch") && (!may("update") || !may("read")):
		return access, hint.New(ID+": the log-in may not write "+path, "It needs create, update and read there, or create and patch. It has: "+display.Clean(strings.Join(out.Data[path], ", ")).String()+".", docsPolicies)
	case !may("read"):
		access.Note = text("the log-in may not read it: the version that the write makes is the proof")
	}
	if ttl := time.Duration(self.Data.TTL) * time.Second; ttl > 0 && ttl < time.Hour {
		access.Note = text("the log-in to Vault ends in %s", ttl.Round(time.Minute))
	}
	return access, nil
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// errTaken says that somebody else was faster.
var errTaken = errors.New("the entry was changed meanwhile")

// Put writes the key of the entry. The write names the version that it follows, so that it is carried out
// once at most, and never over what somebody else wrote meanwhile.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if err := CheckTarget(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	created := false
	for try := range 5 {
		e, err := p.look(ctx, t)
		if err != nil {
			return providers.Receipt{}, err
		}
		if _, there := e.data[t.Secret]; try == 0 {
			created = !there && (!e.hidden || e.version == 0)
		}
		if e.holds(t, v) { // also when an earlier try came through, and its answer did not
			return p.receipt(ctx, e, t, v, created, p.since(ctx, e, t), m), nil
		}
		version, err := p.write(ctx, e, t, v)
		if errors.Is(err, errTaken) {
			continue
		}
		if err != nil {
			return providers.Receipt{}, err
		}
		return p.receipt(ctx, e, t, v, created, version, m), nil
	}
	return providers.Receipt{}, hint.Wrap(errTaken, ID+": write "+t.Address, "Somebody else changes it at the same time. Try again.", docsKV)
}

// taken reports whether Vault refused a write because the entry has another version by now.
func taken(err error) bool {
	s, ok := errors.AsType[*httpx.StatusError](err)
	return ok && s.Status == http.StatusBadRequest && strings.Contains(s.Message.String(), "did not match")
}

// holds reports whether the entry's key has the value.
func (e entry) holds(t setup.Target, v *secret.Value) bool {
	var got providers.Text
	return json.Unmarshal(e.data[t.Secret], &got) == nil && got.V.Equal(v)
}

// write adds a version to the entry.
func (p *Provider) write(ctx context.Context, e entry, t setup.Target, v *secret.Value) (version int, err error) {
	data := map[string]any{}
	for k, x := range e.data {
		data[k] = x
	}
	body := map[string]any{"data": data, "options": map[string]any{"cas": e.version}}
	call := httpx.Call{Method: http.MethodPost, Path: e.at("data"), Body: body, Repeatable: true}
	patch := e.unseen || e.hidden && e.version > 0 && !e.gone
	if patch {
		call.Method, call.Type = http.MethodPatch, "application/merge-patch+json"
	}
	if e.unseen && patch {
		delete(body, "options") // the version that it follows is not known
	}
	var out struct{ Data struct{ Version int } }
	call.Out = &out
	err = providers.WithValue(v, data, t.Secret, func() error {
		if patch {
			if call.Raw, err = json.Marshal(body); err != nil {
				return err
			}
			defer clear(call.Raw)
		}
		_, err := p.client.Do(ctx, call)
		return err
	})
	switch {
	case taken(err):
		return 0, errTaken
	case patch && e.unseen && httpx.Status(err) == http.StatusNotFound:
		e.hidden, e.unseen = false, false
		return p.write(ctx, e, t, v)
	}
	return out.Data.Version, explain(err, "write "+t.Address)
}

// receipt proves the write and leaves a note beside it.
func (p *Provider) receipt(ctx context.Context, e entry, t setup.Target, v *secret.Value, created bool, version int, m providers.Meta) providers.Receipt {
	out := providers.Receipt{Created: created, Version: strconv.Itoa(version), Proof: providers.Written}
	now, err := p.look(ctx, t)
	switch {
	case err != nil:
	case now.holds(t, v):
		out.Proof = providers.ReadBack
	case now.hidden && now.version == version:
		out.Proof = providers.Metadata
	}
	out.Note = providers.Untold("its note", p.note(ctx, e, t, providers.Note(m)))
	return out
}

// note says beside the entry what the key is for, or with "" nothing more about it.
func (p *Provider) note(ctx context.Context, e entry, t setup.Target, say string) error {
	const next = "The log-in needs read and update on the entry's path below metadata."
	var meta struct {
		Data struct {
			Custom map[string]string `json:"custom_metadata"`
		}
	}
	_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: e.at("metadata"), Out: &meta})
	if err != nil {
		return hint.Wrap(err, ID+": look at the notes of "+t.Address, next, docsKV)
	}
	custom := map[string]string{}
	maps.Copy(custom, meta.Data.Custom)
	custom[t.Secret] = say
	if say == "" {
		delete(custom, t.Secret)
	}
	if maps.Equal(custom, meta.Data.Custom) {
		return nil
	}
	if len(t.Secret) > 128 || len(say) > 512 || len(custom) > 64 { // the limits of Vault
		return hint.New(ID+": note what "+t.Secret+" is for", "The entry has as many notes as Vault allows, or the name is too long for one.", docsKV)
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: e.at("metadata"), Body: map[string]any{"custom_metadata": custom}, Repeatable: true})
	return hint.Wrap(err, ID+": write the notes of "+t.Address, next, docsKV)
}

// since is the version that gave the key its present value: those after it changed other keys of the
// entry, which other setups may have.
func (p *Provider) since(ctx context.Context, e entry, t setup.Target) int {
	var now providers.Text
	if json.Unmarshal(e.data[t.Secret], &now) != nil {
		return e.version
	}
	version := e.version
	for version > 1 {
		old, err := p.at(ctx, e, t, version-1)
		if err != nil || !old.Equal(now.V) {
			break
		}
		version--
	}
	return version
}

// at reads the key in a version of the entry.
func (p *Provider) at(ctx context.Context, e entry, t setup.Target, version int) (*secret.Value, error) {
	var out struct {
		Data struct{ Data map[string]json.RawMessage }
	}
	_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: e.at("data"), Query: url.Values{"version": {strconv.Itoa(version)}}, Out: &out})
	var got providers.Text
	if err == nil && json.Unmarshal(out.Data.Data[t.Secret], &got) != nil {
		err = errors.New("the version does not have the key")
	}
	return got.V, err
}

// Stat says whether the key is there. Where the log-in may not read, an entry is taken for the key.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	e, err := p.look(ctx, t)
	if err != nil {
		return providers.State{}, err
	}
	_, there := e.data[t.Secret]
	out := providers.State{Exists: there || e.hidden && e.version > 0 && !e.gone}
	if out.Exists {
		out.UpdatedAt, out.Version = e.changed, strconv.Itoa(p.since(ctx, e, t))
	}
	return out, nil
}

// Glance is Stat by the names of the keys alone, which takes a right of its own.
func (p *Provider) Glance(ctx context.Context, t setup.Target) (st providers.State, beside bool, err error) {
	e, err := p.find(ctx, t)
	if err != nil {
		return st, false, err
	}
	var out struct {
		Data struct {
			Subkeys  map[string]json.RawMessage
			Metadata record
		}
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: e.at("subkeys"), Out: &out})
	switch s, _ := errors.AsType[*httpx.StatusError](err); {
	case s == nil:
	case s.Status == http.StatusNotFound && strings.Contains(s.Message.String(), "unsupported path"):
		return st, false, hint.Wrap(err, ID+": list the keys of "+t.Address, "Vault lists them from 1.10 on. doctor --read-values reads the entry instead.", docsKV)
	case s.Status == http.StatusNotFound:
		return st, false, nil
	case s.Status == http.StatusForbidden:
		return st, false, hint.Wrap(err, ID+": list the keys of "+t.Address, "It takes read on "+strings.TrimPrefix(e.at("subkeys"), "/")+", which shows no values.", docsPolicies)
	}
	if _, there := out.Data.Subkeys[t.Secret]; err != nil || !there {
		return st, false, explain(err, "list the keys of "+t.Address)
	}
	meta := out.Data.Metadata
	return providers.State{Exists: true, UpdatedAt: meta.Created, Version: strconv.Itoa(meta.Version)}, len(out.Data.Subkeys) > 1, nil
}

// Earlier reads the key in an earlier version of the entry.
func (p *Provider) Earlier(ctx context.Context, t setup.Target, version string) (*secret.Value, error) {
	e, err := p.find(ctx, t)
	if err != nil {
		return nil, err
	}
	n, err := strconv.Atoi(version)
	if err != nil {
		return nil, fmt.Errorf("%s: %q is no version", ID, version)
	}
	v, err := p.at(ctx, e, t, n)
	return v, explain(err, "read version "+version+" of "+t.Address)
}

// Remove takes the key out of the entry. When nothing else is in it, the entry goes with all versions.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	for range 5 {
		e, err := p.look(ctx, t)
		if err != nil {
			return err
		}
		_, there := e.data[t.Secret]
		switch {
		case e.hidden && e.version > 0 && !e.gone:
			return hint.New(ID+": take "+t.Secret+" out of "+t.Address, "The log-in may not read the entry, so it cannot tell what else is in it. Use one that may.", docsPolicies)
		case !there:
			return nil
		case len(e.data) == 1:
			_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodDelete, Path: e.at("metadata")})
			return explain(err, "delete "+t.Address)
		}
		delete(e.data, t.Secret)
		body := map[string]any{"data": e.data, "options": map[string]any{"cas": e.version}}
		_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: e.at("data"), Body: body, Repeatable: true})
		if err == nil {
			_ = p.note(ctx, e, t, "") // without the right to it, a note stays of what is gone
		}
		if !taken(err) {
			return explain(err, "take "+t.Secret+" out of "+t.Address)
		}
	}
	return hint.Wrap(errTaken, ID+": take "+t.Secret+" out of "+t.Address, "Somebody else changes it at the same time. Try again.", docsKV)
}
