// Package onepassword stores secrets in 1Password, through a Connect server.
//
// A target's address is a vault and an item in it, by their names or ids (Engineering/astro-etl); the secret
// is a concealed field of the item. What else the item holds stays as it is.
package onepassword

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
const ID = "onepassword"

// tag is what items have that were made here.
const tag = "astro-ci"

const docsConnect = "https://developer.1password.com/docs/connect/"

var info = providers.Info{
	ID: ID, Name: "1Password", Docs: docsConnect, MaxValue: 65_536,
	Proof: providers.ReadBack, ProofNote: "the item is read again",
	Rights:  "A token of a Connect server with read and write access to the vault.",
	Login:   "`OP_CONNECT_HOST` and `OP_CONNECT_TOKEN`. A service account has no such interface; a Connect server is needed.",
	Address: "`onepassword:VAULT/ITEM` (Engineering/astro-etl), by names or ids; the secret is a concealed field of that item, and a field beside it tells the setup, the token's id and its end.",
	Limits:  "A Connect server does not say before a write whether a token may write. Two items of one name in a vault are refused. It shows no mark of a write of one field. Earlier values stay in the item's history; they are dead tokens after a rotation.",
}

// Provider is one Connect server, seen with one log-in.
type Provider struct{ client *httpx.Client }

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	wire := o.Wire
	wire.Service, wire.Auth = ID, httpx.Bearer(o.Login.Value)
	return &Provider{httpx.NewClient(o.Server.JoinPath("v1"), wire)}
}

// FindLogin finds the Connect server and the log-in by their variables.
func FindLogin(h providers.Host) (server string, login providers.Login, err error) {
	server = strings.TrimSuffix(h.Getenv("OP_CONNECT_HOST"), "/")
	v := strings.TrimSpace(h.Getenv("OP_CONNECT_TOKEN"))
	if server != "" && v != "" {
		return server, providers.Login{Value: secret.New([]byte(v)), Source: "OP_CONNECT_TOKEN"}, nil
	}
	next := "Set OP_CONNECT_HOST to the address of your Connect server and OP_CONNECT_TOKEN to a token of it."
	if h.Getenv("OP_SERVICE_ACCOUNT_TOKEN") != "" {
		next = "A service account alone cannot be used: it has no such interface. " + next
	}
	return "", login, hint.Wrap(providers.ErrNoLogin, "look for a log-in to 1Password", next, docsConnect)
}

// Info describes the store.
func (p *Provider) Info() providers.Info { return info }

func text(s string) display.Text { return display.Clean(s) }

// Place is an item that carries the repository's name; which vault, nobody but a person knows.
func (p *Provider) Place(r setup.Repository) providers.Place {
	at := "ci/astro-" + strings.ReplaceAll(providers.PlainPath(r), "/", "-")
	return providers.Place{Store: ID, Address: at, Name: text("1Password, " + at), Note: text("in the vault ci; name another one with --target")}
}

// part is the name of a vault or an item, without what would end a filter.
var part = pattern.New(`^[\pL\pN_(][\pL\pN_ .()&+-]{0,99}$`)

func check(t setup.Target) (vault, item string, err error) {
	if err := providers.CheckSecretName(ID, "name of the secret", t.Secret, info.Docs); err != nil {
		return "", "", err
	}
	vault, item, _ = strings.Cut(t.Address, "/")
	if !part.MatchString(vault) || !part.MatchString(item) || strings.TrimSpace(t.Address) != t.Address {
		return "", "", hint.New(fmt.Sprintf("%s: %q is no item of a vault", ID, display.Clean(t.Address)), "Write it as VAULT/ITEM, like Engineering/astro-etl, with letters, digits, spaces and _.()&+- only.", docsConnect)
	}
	return vault, item, nil
}

func explain(err error, doing string) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = doing
		switch s.Status {
		case http.StatusUnauthorized:
			a.Next = "The token is wrong or has ended, or belongs to another Connect server. Make a new one in the settings of the integration."
		case http.StatusForbidden:
			a.Next = "The token may not do this. It needs write access to the vault."
		}
		return a
	})
}

// found is something that a list tells of.
type found struct {
	ID      string    `json:"id"`
	Updated time.Time `json:"updatedAt"`
}

// find finds the one thing of a list that has a name or an id.
func (p *Provider) find(ctx context.Context, path, key, name, what string) (one found, err error) {
	var all []struct {
		found
		Name  string `json:"name"`
		Title string `json:"title"`
	}
	if looksLikeID.MatchString(name) {
		_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path + "/" + name, Out: &one})
		if httpx.Status(err) != http.StatusNotFound {
			return one, explain(err, "look for the "+what+" "+name)
		}
	}
	_, err = p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: url.Values{"filter": {key + ` eq "` + name + `"`}}, Out: &all})
	if err != nil {
		return one, explain(err, "look for the "+what+" "+name)
	}
	if len(all) > 1 {
		return one, hint.New(fmt.Sprintf("%s: there are %d of the name %s", ID, len(all), name), "Name the "+what+" by its id.", docsConnect)
	}
	if len(all) == 1 {
		one = all[0].found
	}
	return one, nil
}

var looksLikeID = pattern.New(`^[a-z0-9]{26}$`)

// item is an item with everything in it; what is not ours is kept as it came.
type item struct {
	found
	path   string // of the item; "" when there is none
	vault  string // its id
	whole  map[string]json.RawMessage
	fields []map[string]json.RawMessage
}

// field is the index of the field with a label; -1 when there is none.
func (x item) field(label string) int {
	return slices.IndexFunc(x.fields, func(f map[string]json.RawMessage) bool {
		var s string
		return json.Unmarshal(f["label"], &s) == nil && s == label
	})
}

// holds reports whether the field has the value.
func (x item) holds(label string, v *secret.Value) bool {
	i := x.field(label)
	var got providers.Text
	return i >= 0 && json.Unmarshal(x.fields[i]["value"], &got) == nil && got.V.Equal(v)
}

// look reads the item of a target.
func (p *Provider) look(ctx context.Context, t setup.Target) (x item, err error) {
	vault, name, err := check(t)
	if err != nil {
		return x, err
	}
	at, err := p.find(ctx, "/vaults", "name", vault, "vault")
	if err != nil {
		return x, err
	}
	if at.ID == "" {
		return x, hint.New(ID+": there is no vault "+vault+", or the token does not see it", "Give the token access to the vault, or make the vault.", docsConnect)
	}
	x.vault = at.ID
	in := "/vaults/" + at.ID + "/items"
	if x.found, err = p.find(ctx, in, "title", name, "item"); err != nil || x.ID == "" {
		return x, err
	}
	x.path = in + "/" + x.ID
	if _, err := p.client.Do(ctx, httpx.Call{Method: http.MethodGet, Path: x.path, Out: &x.whole}); err != nil {
		return x, explain(err, "read the item "+t.Address)
	}
	if err := json.Unmarshal(orEmpty(x.whole["fields"]), &x.fields); err != nil {
		return x, fmt.Errorf("%s: the fields of %s are not what was expected", ID, t.Address)
	}
	return x, nil
}

func orEmpty(raw json.RawMessage) json.RawMessage {
	if raw == nil {
		return json.RawMessage("[]")
	}
	return raw
}

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, _, err := check(t)
	return err
}

// Check asks whether the token sees the vault.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	x, err := p.look(ctx, t)
	if err != nil {
		return providers.Access{}, err
	}
	note := "the item is there and what else it holds stays"
	if x.path == "" {
		note = "the item is made"
	}
	return providers.Access{Note: text(note + "; whether the token may write shows only at the write")}, nil
}

// Put makes the item, or changes the one field of it. When an answer was lost, the item is looked at again
// before anything else is sent.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	if _, _, err := check(t); err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, info.MaxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("%s: %s: %w", ID, t, err)
	}
	created := false
	var last error
	for try := range 4 {
		x, err := p.look(ctx, t)
		if err != nil {
			return providers.Receipt{}, err
		}
		if try == 0 {
			created = x.field(t.Secret) < 0
		} else if x.holds(t.Secret, v) {
			return providers.Receipt{Created: created, Proof: providers.ReadBack}, nil
		}
		if last = p.write(ctx, x, t, v, m); last != nil {
			if !again(ctx, last) {
				break
			}
			continue
		}
		now, err := p.look(ctx, t)
		if err != nil || !now.holds(t.Secret, v) {
			return providers.Receipt{Created: created, Proof: providers.Written}, nil
		}
		return providers.Receipt{Created: created, Proof: providers.ReadBack}, nil
	}
	return providers.Receipt{}, explain(last, "write "+t.Secret+" into "+t.Address)
}

// again reports whether to look and write once more after an error: somebody else was faster, no answer
// came, or the server asked for a pause, which is made here.
func again(ctx context.Context, err error) bool {
	s, ok := errors.AsType[*httpx.StatusError](err)
	switch {
	case ctx.Err() != nil:
		return false
	case !httpx.Refused(err), s.Status == http.StatusConflict:
		return true
	case !ok || s.Status != http.StatusTooManyRequests:
		return false
	}
	wait, err := strconv.Atoi(s.Header.Get("Retry-After"))
	if err != nil {
		wait = 1
	}
	return wait <= 60 && providers.Pause(ctx, time.Duration(wait)*time.Second) == nil
}

// aboutOf is the label of the field that tells what the secret is for. The item's own note is not taken: an
// item can hold secrets of several setups.
func aboutOf(t setup.Target) string { return "about " + t.Secret }

// write sends the item as it shall be. A new one is never sent twice: two would have the same name.
func (p *Provider) write(ctx context.Context, x item, t setup.Target, v *secret.Value, m providers.Meta) error {
	_, name, _ := strings.Cut(t.Address, "/")
	own, about := map[string]any{"label": t.Secret, "type": "CONCEALED"}, map[string]any{"label": aboutOf(t), "type": "STRING", "value": providers.Note(m)}
	if x.path == "" {
		body := map[string]any{"vault": map[string]string{"id": x.vault}, "title": name, "category": "API_CREDENTIAL", "tags": []string{tag}, "fields": []any{own, about}}
		return providers.WithValue(v, own, "value", func() error {
			_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodPost, Path: "/vaults/" + x.vault + "/items", Body: body})
			return err
		})
	}
	fields := make([]any, 0, len(x.fields)+2)
	for _, f := range x.fields {
		fields = append(fields, f)
	}
	for label, f := range map[string]map[string]any{t.Secret: own, aboutOf(t): about} {
		i := x.field(label)
		if i < 0 {
			fields = append(fields, f)
			continue
		}
		for k, raw := range x.fields[i] {
			if _, set := f[k]; !set && k != "value" {
				f[k] = raw
			}
		}
		fields[i] = f
	}
	body := map[string]any{}
	for k, raw := range x.whole {
		body[k] = raw
	}
	body["fields"] = fields
	return providers.WithValue(v, own, "value", func() error {
		_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodPut, Path: x.path, Body: body})
		return err
	})
}

// Stat says whether the field is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	x, err := p.look(ctx, t)
	if err != nil || x.field(t.Secret) < 0 {
		return providers.State{}, err
	}
	// The item's version is no mark of this field: other setups may have theirs in the same item.
	return providers.State{Exists: true, UpdatedAt: x.Updated}, nil
}

// ours reports whether the item was made here: one of somebody else can have files and addresses as well.
func (x item) ours() bool {
	var tags []string
	return json.Unmarshal(x.whole["tags"], &tags) == nil && slices.Contains(tags, tag)
}

// Remove takes the field out of the item. When nothing else is in one that was made here, the item goes.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	for range 4 {
		x, err := p.look(ctx, t)
		i := x.field(t.Secret)
		if err != nil || i < 0 {
			return err
		}
		doing := "take " + t.Secret + " out of " + t.Address
		x.fields = slices.Delete(x.fields, i, i+1)
		if i := x.field(aboutOf(t)); i >= 0 {
			x.fields = slices.Delete(x.fields, i, i+1)
		}
		if x.ours() && !slices.ContainsFunc(x.fields, foreign) {
			_, err := p.client.Do(ctx, httpx.Call{Method: http.MethodDelete, Path: x.path})
			return explain(err, doing)
		}
		body := map[string]any{}
		for k, raw := range x.whole {
			body[k] = raw
		}
		body["fields"] = x.fields
		if _, err = p.client.Do(ctx, httpx.Call{Method: http.MethodPut, Path: x.path, Body: body}); httpx.Status(err) != http.StatusConflict {
			return explain(err, doing)
		}
	}
	return explain(errors.New("the item changes all the time"), "take "+t.Secret+" out of "+t.Address)
}

// foreign reports whether a field holds something.
func foreign(f map[string]json.RawMessage) bool {
	var value string
	return json.Unmarshal(f["value"], &value) == nil && value != ""
}
