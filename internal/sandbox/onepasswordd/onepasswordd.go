// Package onepasswordd is an embedded 1Password Connect server. It refuses what the real one refuses: items
// without a vault or a category, a replacement that lacks its id, fields without a type, and another version
// than the item has.
package onepasswordd

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Vault is the name of the vault that there is.
const Vault = "ci"

// Server is one embedded Connect server.
type Server struct {
	embedded.Server
	state state
}

type state struct {
	Key   embedded.Key `json:"key"`
	Vault string       `json:"vault"` // its id
	Items []*stored    `json:"items"`
}

type stored struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Category string    `json:"category"`
	Tags     []string  `json:"tags"`
	Sealed   []byte    `json:"sealed"` // the fields as JSON
	Version  int       `json:"version"`
	Updated  time.Time `json:"updated"`
}

// field is a field of an item, with everything that a client may have put there.
type field map[string]any

func newID() string { return strings.ToLower(rand.Text())[:26] }

// New starts a server with the data of o.State, or with one empty vault.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "eyJ1p.", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Vault: newID()}
	})
}

// VaultID is the id of the vault.
func (s *Server) VaultID() string { return s.state.Vault }

// Open reads a field of the item of a title or id.
func (s *Server) Open(item, label string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		for _, x := range s.state.Items {
			for _, f := range s.fields(x) {
				if value, ok := f["value"].(string); ok && (x.Title == item || x.ID == item) && f["label"] == label {
					v, err = secret.New([]byte(value)), nil
				}
			}
		}
	})
	return v, err
}

// Add makes an item with one field, as somebody else would; it returns the item's id.
func (s *Server) Add(title, label, value string) (id string) {
	s.Do(func() {
		x := &stored{ID: newID(), Title: title, Category: "LOGIN", Version: 1, Updated: s.Now()}
		s.seal(x, []field{{"id": "a", "type": "STRING", "label": label, "value": value, "section": map[string]any{"id": "s"}}})
		s.state.Items = append(s.state.Items, x)
		id = x.ID
	})
	return id
}

// Items is how many items there are.
func (s *Server) Items() (n int) {
	s.Do(func() { n = len(s.state.Items) })
	return n
}

func (s *Server) seal(x *stored, fields []field) {
	raw, err := json.Marshal(fields)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	x.Sealed = s.state.Key.Seal(string(raw))
}

func (s *Server) fields(x *stored) (out []field) {
	if err := json.Unmarshal([]byte(s.state.Key.Open(x.Sealed)), &out); err != nil {
		panic(err) // seal made it
	}
	return out
}

func fail(status int, message string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"status": status, "message": message}}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	const items = "/v1/vaults/{vault}/items"
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		v, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		return fail(401, "Invalid token signature"), ok && s.Accepts(v)
	}, fail(404, "Not found"), map[string]embedded.Action{
		"GET /v1/vaults":            s.vaults,
		"GET /v1/vaults/{vault}":    s.in(func(*http.Request) embedded.Answer { return embedded.OK(s.vault()) }),
		"GET " + items:              s.in(s.list),
		"POST " + items:             s.in(s.write(s.create)),
		"GET " + items + "/{id}":    s.in(s.one(func(_ *http.Request, x *stored) embedded.Answer { return embedded.OK(s.shown(x, true)) })),
		"PUT " + items + "/{id}":    s.in(s.write(s.one(s.replace))),
		"DELETE " + items + "/{id}": s.in(s.write(s.one(s.remove))),
	})
}

func (s *Server) vault() map[string]any {
	return map[string]any{"id": s.state.Vault, "name": Vault, "type": "USER_CREATED"}
}

// filter reads KEY eq "VALUE".
func filter(r *http.Request, key string) (value string, ok bool) {
	f := r.URL.Query().Get("filter")
	if f == "" {
		return "", true
	}
	value, ok = strings.CutPrefix(f, key+` eq "`)
	value, end := strings.CutSuffix(value, `"`)
	return value, ok && end && !strings.Contains(value, `"`)
}

func (s *Server) vaults(r *http.Request) embedded.Answer {
	name, ok := filter(r, "name")
	switch {
	case !ok:
		return fail(400, "Invalid filter")
	case name != "" && !strings.EqualFold(name, Vault):
		return embedded.OK([]any{})
	}
	return embedded.OK([]any{s.vault()})
}

func (s *Server) in(act embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		if r.PathValue("vault") != s.state.Vault {
			return fail(404, "Vault not found")
		}
		return act(r)
	}
}

func (s *Server) write(act embedded.Action) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		if s.Denied() {
			return fail(403, "Authorization: token does not have permission to perform this action")
		}
		return act(r)
	}
}

func (s *Server) one(act func(*http.Request, *stored) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		for _, x := range s.state.Items {
			if x.ID == r.PathValue("id") {
				return act(r, x)
			}
		}
		return fail(404, "Item not found")
	}
}

func (s *Server) shown(x *stored, whole bool) map[string]any {
	out := map[string]any{"id": x.ID, "title": x.Title, "category": x.Category, "tags": x.Tags, "vault": map[string]any{"id": s.state.Vault}, "version": x.Version, "updatedAt": x.Updated.UTC().Format(time.RFC3339)}
	if whole {
		out["fields"] = s.fields(x)
	}
	return out
}

func (s *Server) list(r *http.Request) embedded.Answer {
	title, ok := filter(r, "title")
	if !ok {
		return fail(400, "Invalid filter")
	}
	out := []any{}
	for _, x := range s.state.Items {
		if title == "" || x.Title == title {
			out = append(out, s.shown(x, false))
		}
	}
	return embedded.OK(out)
}

// input is an item as a client sends it.
type input struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Category string            `json:"category"`
	Tags     []string          `json:"tags"`
	Vault    map[string]string `json:"vault"`
	Version  int               `json:"version"`
	Updated  string            `json:"updatedAt"`
	Fields   []field           `json:"fields"`
}

func (s *Server) read(r *http.Request) (in input, ok bool) {
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &in) != nil || in.Vault["id"] != s.state.Vault || in.Category == "" || in.Title == "" {
		return in, false
	}
	return in, !slices.ContainsFunc(in.Fields, func(f field) bool { return f["type"] == nil || f["label"] == nil })
}

func (s *Server) create(r *http.Request) embedded.Answer {
	in, ok := s.read(r)
	if !ok || in.ID != "" {
		return fail(400, "Unable to create item: invalid")
	}
	x := &stored{ID: newID(), Title: in.Title, Category: in.Category, Tags: in.Tags, Version: 1, Updated: s.Now()}
	s.seal(x, in.Fields)
	s.state.Items = append(s.state.Items, x)
	return embedded.OK(s.shown(x, true))
}

func (s *Server) replace(r *http.Request, x *stored) embedded.Answer {
	in, ok := s.read(r)
	switch {
	case !ok || in.ID != x.ID:
		return fail(400, "The item's id does not match the path")
	case in.Version != 0 && in.Version != x.Version:
		return fail(409, "The item was changed meanwhile")
	}
	x.Title, x.Tags = in.Title, in.Tags
	x.Version++
	x.Updated = s.Now()
	s.seal(x, in.Fields)
	return embedded.OK(s.shown(x, true))
}

func (s *Server) remove(_ *http.Request, x *stored) embedded.Answer {
	s.state.Items = slices.DeleteFunc(s.state.Items, func(o *stored) bool { return o == x })
	return embedded.Answer{Status: 204}
}
