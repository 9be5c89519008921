// Package keyvaultd is an embedded Azure Key Vault, with the name of the vault in front of the paths. It
// refuses what the real one refuses: requests without a version of the API, names with an underscore,
// unknown fields, and a name that a softly deleted secret holds. Names do not tell upper from lower case,
// versions are listed in no order of time, and nobody answers for a vault that is not there.
package keyvaultd

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Vault is the vault that there is.
const Vault = "sandbox-vault"

// Server is one embedded Key Vault.
type Server struct {
	embedded.Server
	blind, setter, walled bool
	apps                  map[string]embedded.Trust // by TENANT/CLIENT
	runs                  map[string]string         // the secret that a run may read, by its token
	state                 state
}

type state struct {
	Key     embedded.Key       `json:"key"`
	Secrets map[string]*stored `json:"secrets"` // by the name in lower case
}

type stored struct {
	Name     string     `json:"name"`
	Versions []*version `json:"versions"` // the oldest first
	Deleted  time.Time  `json:"deleted"`
}

type version struct {
	ID      string            `json:"id"`
	Sealed  []byte            `json:"sealed"`
	Type    string            `json:"type"`
	Enabled bool              `json:"enabled"`
	Created time.Time         `json:"created"`
	Ends    int64             `json:"ends"`
	Tags    map[string]string `json:"tags"`
}

// New starts a server with the data of o.State, or with nothing.
func New(o embedded.Options) (*Server, error) {
	s := &Server{apps: map[string]embedded.Trust{}, runs: map[string]string{}}
	return s, s.Init(o, "eyJ0.", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Secrets: map[string]*stored{}}
	})
}

// BeBlind takes the right to get secrets away; they can still be listed.
func (s *Server) BeBlind() { s.Do(func() { s.blind = true }) }

// BeSetter leaves the right to set secrets and no other.
func (s *Server) BeSetter() { s.Do(func() { s.blind, s.setter = true, true }) }

// BeWalled puts a firewall in front of the vault that lets nobody in.
func (s *Server) BeWalled() { s.Do(func() { s.walled = true }) }

// Disable disables the newest version of a secret.
func (s *Server) Disable(name string) {
	s.Do(func() { s.state.Secrets[strings.ToLower(name)].newest().Enabled = false })
}

// Trust lets an application, TENANT/CLIENT, trust runs, and read one secret.
func (s *Server) Trust(app string, t embedded.Trust) { s.Do(func() { s.apps[app] = t }) }

// Write makes a secret, as somebody else would.
func (s *Server) Write(name, value string) {
	s.Do(func() {
		s.state.Secrets[strings.ToLower(name)] = &stored{Name: name, Versions: []*version{{ID: rand.Text(), Sealed: s.state.Key.Seal(value), Enabled: true, Created: s.Now()}}}
	})
}

// login takes the identity of a run; Entra has an address of its own for it.
func (s *Server) login(r *http.Request) embedded.Answer {
	if r.ParseForm() != nil || r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" || r.Form.Get("scope") != "https://vault.azure.net/.default" {
		return embedded.Answer{Status: 400, Body: map[string]any{"error": "invalid_request"}}
	}
	t, known := s.apps[r.PathValue("tenant")+"/"+r.Form.Get("client_id")]
	if !known || !t.Takes(r.Form.Get("client_assertion")) {
		return embedded.Answer{Status: 400, Body: map[string]any{"error": "invalid_client", "error_description": "AADSTS70021: No matching federated identity record found for presented assertion."}}
	}
	token := "eyJ0." + rand.Text()
	s.runs[token] = t.Reads
	return embedded.OK(map[string]any{"token_type": "Bearer", "expires_in": 3599, "access_token": token})
}

// Open reads the newest value of a secret.
func (s *Server) Open(vault, name string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if x := s.state.Secrets[strings.ToLower(name)]; vault == Vault && x != nil && x.Deleted.IsZero() {
			v, err = secret.New([]byte(s.state.Key.Open(x.newest().Sealed))), nil
		}
	})
	return v, err
}

// Tag gives the newest version of a secret one more tag, as somebody else would.
func (s *Server) Tag(name, key, value string) {
	s.Do(func() { s.state.Secrets[strings.ToLower(name)].newest().Tags[key] = value })
}

// Look is what stands beside the newest version of a secret, and how many versions it has.
func (s *Server) Look(name string) (tags map[string]string, ends int64, versions int) {
	s.Do(func() {
		if x := s.state.Secrets[strings.ToLower(name)]; x != nil {
			tags, ends, versions = x.newest().Tags, x.newest().Ends, len(x.Versions)
		}
	})
	return tags, ends, versions
}

func (x *stored) newest() *version { return x.Versions[len(x.Versions)-1] }

// fail is an error as Key Vault words it; the inner code is the exact one.
func fail(status int, code, inner, message string) embedded.Answer {
	e := map[string]any{"code": code, "message": message}
	if inner != "" {
		e["innererror"] = map[string]any{"code": inner}
	}
	return embedded.Answer{Status: status, Body: map[string]any{"error": e}}
}

func bad(message string) embedded.Answer { return fail(400, "BadParameter", "", message) }

func missing(name string) embedded.Answer {
	return fail(404, "SecretNotFound", "", "A secret with (name/id) "+name+" was not found in this key vault. If you recently deleted this secret you may be able to recover it using the correct recovery command.")
}

func denied(action string) embedded.Answer {
	return fail(403, "Forbidden", "ForbiddenByRbac", "Caller is not authorized to perform action on resource. Action: 'Microsoft.KeyVault/vaults/secrets/"+action+"/action'")
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	const secrets, deleted = "/{vault}/secrets/{name}", "/{vault}/deletedsecrets/{name}"
	return s.Routes(s.check, fail(404, "NotFound", "", "The resource was not found."), map[string]embedded.Action{
		"POST /{tenant}/oauth2/v2.0/token": s.login,
		"PUT " + secrets:                   s.set,
		"GET " + secrets:                   s.in("getSecret", s.get),
		"GET " + secrets + "/{sub}":        s.sub,
		"DELETE " + secrets:                s.in("delete", s.remove),
		"GET " + deleted:                   s.gone("getSecret", s.getDeleted),
		"POST " + deleted + "/recover":     s.gone("recover", s.bringBack),
	})
}

var validName = pattern.New(`^[0-9a-zA-Z-]{1,127}$`)

func (s *Server) check(r *http.Request) (embedded.Answer, bool) {
	vault, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if rest == "oauth2/v2.0/token" {
		return embedded.Answer{}, true
	}
	if vault != Vault { // each vault is a host of its own
		panic(http.ErrAbortHandler)
	}
	_, name, _ := strings.Cut(rest, "/")
	name, _, _ = strings.Cut(name, "/")
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case !ok:
		a := fail(401, "Unauthorized", "", "AKV10000: Request is missing a Bearer or PoP token.")
		a.Header = map[string]string{"WWW-Authenticate": `Bearer authorization="https://login.microsoftonline.com/sandbox", resource="https://vault.azure.net"`}
		return a, false
	case s.runs[given] != "" && r.Method == http.MethodGet && rest == "secrets/"+s.runs[given]:
	case !s.Accepts(given):
		return fail(401, "Unauthorized", "", "AKV10032: Invalid issuer."), false
	case s.walled:
		return fail(403, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service."), false
	case !strings.HasPrefix(r.URL.Query().Get("api-version"), "7."):
		return bad("api-version must be specified"), false
	case !validName.MatchString(name):
		return bad("The request URI contains an invalid name: " + name), false
	}
	return embedded.Answer{}, true
}

// may reports whether the log-in has a right.
func (s *Server) may(right string) bool {
	switch right {
	case "setSecret":
		return !s.Denied()
	case "getSecret":
		return !s.blind
	case "readMetadata":
		return !s.setter
	}
	return !s.setter && !s.Denied()
}

// in finds the secret of a request.
func (s *Server) in(right string, act func(x *stored, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		x := s.state.Secrets[strings.ToLower(r.PathValue("name"))]
		switch {
		case !s.may(right):
			return denied(right)
		case x == nil || !x.Deleted.IsZero():
			return missing(r.PathValue("name"))
		}
		return act(x, r)
	}
}

// gone finds the deleted secret of a request.
func (s *Server) gone(right string, act func(x *stored) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		x := s.state.Secrets[strings.ToLower(r.PathValue("name"))]
		switch {
		case !s.may(right):
			return denied(right)
		case x == nil || x.Deleted.IsZero():
			return fail(404, "SecretNotFound", "", "Deleted Secret not found: "+r.PathValue("name"))
		}
		return act(x)
	}
}

func (x *stored) shown(v *version) map[string]any {
	attributes := map[string]any{"enabled": v.Enabled, "created": v.Created.Unix(), "updated": v.Created.Unix(), "recoveryLevel": "Recoverable+Purgeable", "recoverableDays": 90}
	if v.Ends != 0 {
		attributes["exp"] = v.Ends
	}
	return map[string]any{"id": "https://" + Vault + ".vault.azure.net/secrets/" + x.Name + "/" + v.ID, "contentType": v.Type, "attributes": attributes, "tags": v.Tags}
}

// open is a version with its value.
func (s *Server) open(x *stored, v *version) embedded.Answer {
	if !v.Enabled {
		return fail(403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret.")
	}
	out := x.shown(v)
	out["value"] = s.state.Key.Open(v.Sealed)
	return embedded.OK(out)
}

func (s *Server) set(r *http.Request) embedded.Answer {
	var in struct {
		Value      string `json:"value"`
		Type       string `json:"contentType"`
		Attributes struct {
			Enabled *bool `json:"enabled"`
			Ends    int64 `json:"exp"`
			Begins  int64 `json:"nbf"`
		} `json:"attributes"`
		Tags map[string]string `json:"tags"`
	}
	name := r.PathValue("name")
	x := s.state.Secrets[strings.ToLower(name)]
	switch {
	case !s.may("setSecret"):
		return denied("setSecret")
	case !embedded.Read(r, &in):
		return bad("The request body is not valid.")
	case in.Value == "" || len(in.Value) > 25_000:
		return bad("The parameter value is missing or too long.")
	case len(in.Tags) > 15 || slices.ContainsFunc(slices.Collect(maps.Values(in.Tags)), func(v string) bool { return len(v) > 256 }):
		return bad("The parameter tags is not valid.")
	case in.Attributes.Ends != 0 && in.Attributes.Ends < in.Attributes.Begins:
		return bad("The parameter exp is before nbf.")
	case x != nil && !x.Deleted.IsZero():
		return fail(409, "Conflict", "ObjectIsDeletedButRecoverable", "Secret "+name+" is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the secret can only be recovered or purged.")
	case x == nil:
		x = &stored{Name: name}
		s.state.Secrets[strings.ToLower(name)] = x
	}
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails
	v := &version{hex.EncodeToString(id), s.state.Key.Seal(in.Value), in.Type, in.Attributes.Enabled == nil || *in.Attributes.Enabled, s.Now(), in.Attributes.Ends, in.Tags}
	x.Versions = append(x.Versions, v)
	out := x.shown(v)
	out["value"] = in.Value
	return embedded.OK(out)
}

func (s *Server) get(x *stored, _ *http.Request) embedded.Answer { return s.open(x, x.newest()) }

// sub serves one version, or the list of them.
func (s *Server) sub(r *http.Request) embedded.Answer {
	if r.PathValue("sub") == "versions" {
		return s.in("readMetadata", s.list)(r)
	}
	return s.in("getSecret", func(x *stored, r *http.Request) embedded.Answer {
		for _, v := range x.Versions {
			if v.ID == r.PathValue("sub") {
				return s.open(x, v)
			}
		}
		return missing(x.Name)
	})(r)
}

// list lists the versions by their ids, which are made by chance.
func (s *Server) list(x *stored, r *http.Request) embedded.Answer {
	q := r.URL.Query()
	size, from := 25, 0
	if raw := q.Get("maxresults"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 1 || n > 25 {
			return bad("The parameter maxresults is not valid.")
		}
		size = n
	}
	if raw := q.Get("$skiptoken"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 0 || n > len(x.Versions) {
			return bad("The parameter $skiptoken is not valid.")
		}
		from = n
	}
	all := slices.Clone(x.Versions)
	slices.SortFunc(all, func(a, b *version) int { return strings.Compare(a.ID, b.ID) })
	end := min(from+size, len(all))
	out := []any{}
	for _, v := range all[from:end] {
		out = append(out, x.shown(v))
	}
	var next any
	if end < len(all) {
		q.Set("$skiptoken", strconv.Itoa(end))
		next = (&url.URL{Scheme: "https", Host: Vault + ".vault.azure.net", Path: "/secrets/" + x.Name + "/versions", RawQuery: q.Encode()}).String()
	}
	return embedded.OK(map[string]any{"value": out, "nextLink": next})
}

func (s *Server) remove(x *stored, _ *http.Request) embedded.Answer {
	x.Deleted = s.Now()
	return s.getDeleted(x)
}

func (s *Server) getDeleted(x *stored) embedded.Answer {
	out := x.shown(x.newest())
	out["recoveryId"], out["deletedDate"] = "https://"+Vault+".vault.azure.net/deletedsecrets/"+x.Name, x.Deleted.Unix()
	out["scheduledPurgeDate"] = x.Deleted.AddDate(0, 0, 90).Unix()
	return embedded.OK(out)
}

func (s *Server) bringBack(x *stored) embedded.Answer {
	x.Deleted = time.Time{}
	return embedded.OK(x.shown(x.newest()))
}
