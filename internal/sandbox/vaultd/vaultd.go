// Package vaultd is an embedded Vault, as far as key-value engines of version 2 and log-ins by JWT go. It
// refuses what the real one refuses: a write that follows another version than it says, a patch of what is
// not there, a version that was deleted, and, with the same answer, a wrong log-in and a missing right.
package vaultd

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Namespace is the one beside the root namespace, with engines of its own.
const Namespace = "admin/data"

// Server is one embedded Vault.
type Server struct {
	embedded.Server
	blind   bool                      // the log-in may not read entries
	refuses bool                      // the log-in has no right on entries
	fails   bool                      // writes are refused all the same
	dark    bool                      // nor their metadata
	hides   bool                      // the log-in may not list the names of their keys
	asks    bool                      // every write has to name the version that it follows
	roles   map[string]embedded.Trust // by namespace:method/role
	runs    map[string]string         // what a log-in of a run may read, once: namespace:engine/path, by its token
	state   state
}

type state struct {
	Key     embedded.Key      `json:"key"`
	Entries map[string]*entry `json:"entries"` // by namespace:engine/path
}

type entry struct {
	Versions []version         `json:"versions"`
	Custom   map[string]string `json:"custom"`
}

type version struct {
	Sealed  []byte    `json:"sealed"` // the data as JSON
	Created time.Time `json:"created"`
	Deleted time.Time `json:"deleted,omitzero"`
}

// engines are the mounts, the longest first; only those of version 2 are served.
var engines = []struct{ path, version string }{{"team/kv/", "2"}, {"secret/", "2"}, {"old/", "1"}}

// New starts a server with the data of o.State, or an empty one.
func New(o embedded.Options) (*Server, error) {
	s := &Server{roles: map[string]embedded.Trust{}, runs: map[string]string{}}
	return s, s.Init(o, "hvs.", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Entries: map[string]*entry{}}
	})
}

// BeBlind takes the right to read entries away from the log-in; BeDark also that to see their metadata.
func (s *Server) BeBlind() { s.Do(func() { s.blind = true }) }

// BeDark takes the right to read entries and their metadata away from the log-in.
func (s *Server) BeDark() { s.Do(func() { s.blind, s.dark = true, true }) }

// Hide takes the right to list the names of keys away from the log-in.
func (s *Server) Hide() { s.Do(func() { s.hides = true }) }

// AskForVersions takes only writes that name the version they follow, as cas_required does.
func (s *Server) AskForVersions() { s.Do(func() { s.asks = true }) }

// Refuse takes every right on entries away, or gives it back; RefuseWrites lets writes fail although the
// log-in has the right to them.
func (s *Server) Refuse(all bool) { s.Do(func() { s.refuses = all }) }

// RefuseWrites lets writes fail although the log-in has the right to them.
func (s *Server) RefuseWrites(all bool) { s.Do(func() { s.fails = all }) }

// Open reads one key of an entry; the path begins with the engine.
func (s *Server) Open(namespace, path, key string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if data := s.data(s.state.Entries[namespace+":"+path]); data[key] != nil {
			var x string
			if err = json.Unmarshal(data[key], &x); err == nil {
				v = secret.New([]byte(x))
			}
		}
	})
	return v, err
}

// Trust makes a role for runs, METHOD/ROLE, that may read one entry, ENGINE/PATH.
func (s *Server) Trust(namespace, role string, t embedded.Trust) {
	s.Do(func() { s.roles[namespace+":"+role] = t })
}

// Write puts something into an entry, as somebody else would.
func (s *Server) Write(namespace, path string, data map[string]string) {
	raw := map[string]json.RawMessage{}
	for k, v := range data {
		raw[k], _ = json.Marshal(v) // a text always encodes
	}
	s.Do(func() { s.add(namespace+":"+path, raw) })
}

// Delete deletes the newest version of an entry, as somebody else would; it can be had again.
func (s *Server) Delete(namespace, path string) {
	s.Do(func() {
		v := s.state.Entries[namespace+":"+path].Versions
		v[len(v)-1].Deleted = s.Now()
	})
}

// Custom are the notes beside an entry.
func (s *Server) Custom(namespace, path string) (out map[string]string) {
	s.Do(func() { out = maps.Clone(s.state.Entries[namespace+":"+path].Custom) })
	return out
}

func (s *Server) add(at string, data map[string]json.RawMessage) {
	raw, err := json.Marshal(data)
	if err != nil {
		panic(err) // it was decoded from JSON
	}
	e := s.state.Entries[at]
	if e == nil {
		e = &entry{}
		s.state.Entries[at] = e
	}
	e.Versions = append(e.Versions, version{Sealed: s.state.Key.Seal(string(raw)), Created: s.Now()})
}

// data is the newest version of an entry; nil when there is none, or it is deleted.
func (s *Server) data(e *entry) (out map[string]json.RawMessage) {
	if e == nil || len(e.Versions) == 0 || !e.Versions[len(e.Versions)-1].Deleted.IsZero() {
		return nil
	}
	if err := json.Unmarshal([]byte(s.state.Key.Open(e.Versions[len(e.Versions)-1].Sealed)), &out); err != nil {
		panic(err) // it was sealed by add
	}
	return out
}

func fail(status int, messages ...string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"errors": slices.Concat([]string{}, messages)}}
}

var denied = fail(403, "permission denied")

// Handler serves the API.
func (s *Server) Handler() http.Handler { return s.Server.Handler(s.serve) }

func (s *Server) serve(r *http.Request) embedded.Answer {
	path, ok := strings.CutPrefix(r.URL.Path, "/v1/")
	namespace := strings.Trim(r.Header.Get("X-Vault-Namespace"), "/")
	switch {
	case !ok:
		return fail(404)
	case namespace != "" && namespace != Namespace:
		return denied
	case r.Method == http.MethodPost && strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		return s.login(r, namespace, strings.TrimSuffix(strings.TrimPrefix(path, "auth/"), "/login"))
	case r.Method == http.MethodGet && s.runs[r.Header.Get("X-Vault-Token")] == namespace+":"+strings.Replace(path, "/data/", "/", 1) && strings.Contains(path, "/data/"):
		at := s.runs[r.Header.Get("X-Vault-Token")]
		delete(s.runs, r.Header.Get("X-Vault-Token")) // it can be used once
		return s.entry(r, at)
	case !s.Accepts(r.Header.Get("X-Vault-Token")):
		return denied
	}
	what := r.Method + " " + path
	switch {
	case what == "GET auth/token/lookup-self":
		return wrap(map[string]any{"display_name": "userpass-ada", "ttl": 2_764_800, "policies": []string{"default", "ci"}, "renewable": true, "type": "service", "path": "auth/userpass/login/ada"})
	case what == "POST sys/capabilities-self":
		return s.capabilities(r)
	case r.Method == http.MethodGet && strings.HasPrefix(path, "sys/internal/ui/mounts/"):
		return mount(strings.TrimPrefix(path, "sys/internal/ui/mounts/"))
	}
	for _, e := range engines {
		rest, ok := strings.CutPrefix(path, e.path)
		kind, at, _ := strings.Cut(rest, "/")
		if !ok || e.version != "2" {
			continue
		}
		if at == "" || strings.Contains("/"+at+"/", "//") {
			return fail(404)
		}
		switch kind {
		case "data":
			return s.entry(r, namespace+":"+e.path+at)
		case "subkeys":
			return s.subkeys(r, namespace+":"+e.path+at)
		case "metadata":
			return s.metadata(r, namespace+":"+e.path+at)
		}
	}
	return fail(404, "no handler for route \""+path+"\". route entry not found.")
}

// login takes the identity of a run.
func (s *Server) login(r *http.Request, namespace, method string) embedded.Answer {
	var in struct {
		Role string `json:"role"`
		JWT  string `json:"jwt"`
	}
	if !embedded.Read(r, &in) {
		return fail(400, "missing role")
	}
	t, known := s.roles[namespace+":"+method+"/"+in.Role]
	switch {
	case !known:
		return fail(400, "role \""+in.Role+"\" could not be found")
	case !t.Takes(in.JWT):
		return fail(400, "error validating token")
	}
	token := "hvs." + rand.Text()
	s.runs[token] = namespace + ":" + t.Reads
	a := wrap(nil)
	a.Body.(map[string]any)["auth"] = map[string]any{"client_token": token, "accessor": "a", "policies": []string{in.Role}, "lease_duration": 300, "renewable": false}
	return a
}

// wrap is an answer in the form that all of Vault's have.
func wrap(data any) embedded.Answer {
	return embedded.OK(map[string]any{"request_id": "4b7bd1e4-0000-4000-8000-000000000000", "lease_id": "", "renewable": false, "lease_duration": 0, "data": data, "wrap_info": nil, "warnings": nil, "auth": nil})
}

func mount(path string) embedded.Answer {
	for _, e := range engines {
		if strings.HasPrefix(path, e.path) {
			return wrap(map[string]any{"path": e.path, "type": "kv", "options": map[string]any{"version": e.version}, "accessor": "kv_1", "description": "", "local": false, "seal_wrap": false, "external_entropy_access": false, "uuid": "4b7bd1e4-0000-4000-8000-000000000001", "config": map[string]any{}, "running_plugin_version": "", "plugin_version": "", "running_sha256": "", "deprecation_status": "supported"})
		}
	}
	return fail(403, "preflight capability check returned 403, please ensure client's policies grant access to path \""+path+"/\"")
}

func (s *Server) capabilities(r *http.Request) embedded.Answer {
	var in struct {
		Paths []string `json:"paths"`
	}
	if !embedded.Read(r, &in) || len(in.Paths) == 0 {
		return fail(400, "paths must be supplied")
	}
	may := []string{"create", "delete", "list", "patch", "read", "update"}
	switch {
	case s.Denied() || s.refuses:
		may = []string{"deny"}
	case s.blind:
		may = []string{"create", "patch", "update"}
	}
	data := map[string]any{}
	for _, p := range in.Paths {
		data[p] = may
	}
	return wrap(data)
}

func (s *Server) entry(r *http.Request, at string) embedded.Answer {
	e := s.state.Entries[at]
	switch r.Method {
	case http.MethodGet:
		if s.blind {
			return denied
		}
		if n, err := strconv.Atoi(r.URL.Query().Get("version")); err == nil && e != nil && n > 0 {
			if n > len(e.Versions) {
				return fail(404)
			}
			e = &entry{Versions: e.Versions[:n], Custom: e.Custom}
		}
		data := s.data(e)
		switch {
		case e == nil || len(e.Versions) == 0:
			return fail(404)
		case data == nil: // deleted: the answer still tells of the version
			a := wrap(map[string]any{"data": nil, "metadata": e.record()})
			a.Status = 404
			return a
		}
		return wrap(map[string]any{"data": data, "metadata": e.record()})
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		return s.write(r, at)
	case http.MethodDelete:
		if s.Denied() || s.blind {
			return denied
		}
		if e != nil && len(e.Versions) > 0 {
			e.Versions[len(e.Versions)-1].Deleted = s.Now()
		}
		return embedded.Answer{Status: 204}
	}
	return fail(405)
}

// subkeys are the names of the keys of an entry. Its path takes a right of its own.
func (s *Server) subkeys(r *http.Request, at string) embedded.Answer {
	e := s.state.Entries[at]
	switch {
	case r.Method != http.MethodGet:
		return fail(405)
	case s.blind || s.hides:
		return denied
	case e == nil || len(e.Versions) == 0:
		return fail(404)
	}
	data := s.data(e)
	names := map[string]any{}
	for k := range data {
		names[k] = nil
	}
	a := wrap(map[string]any{"subkeys": names, "metadata": e.record()})
	if data == nil { // deleted: the answer still tells of the version
		a = wrap(map[string]any{"subkeys": nil, "metadata": e.record()})
		a.Status = 404
	}
	return a
}

// record is what Vault tells about the newest version.
func (e *entry) record() map[string]any {
	v := e.Versions[len(e.Versions)-1]
	deleted := ""
	if !v.Deleted.IsZero() {
		deleted = v.Deleted.UTC().Format(time.RFC3339Nano)
	}
	return map[string]any{"created_time": v.Created.UTC().Format(time.RFC3339Nano), "custom_metadata": e.Custom, "deletion_time": deleted, "destroyed": false, "version": len(e.Versions)}
}

func (s *Server) write(r *http.Request, at string) embedded.Answer {
	if s.Denied() || s.refuses || s.fails {
		return denied
	}
	var in struct {
		Data    map[string]json.RawMessage `json:"data"`
		Options struct {
			CAS *int `json:"cas"`
		} `json:"options"`
	}
	raw, err := io.ReadAll(r.Body)
	if err != nil || json.Unmarshal(raw, &in) != nil || in.Data == nil {
		return fail(400, "no data provided")
	}
	e, now := s.state.Entries[at], 0
	if e != nil {
		now = len(e.Versions)
	}
	if in.Options.CAS == nil && s.asks {
		return fail(400, "check-and-set parameter required for this call")
	}
	if in.Options.CAS != nil && *in.Options.CAS != now {
		return fail(400, "check-and-set parameter did not match the current version")
	}
	if r.Method == http.MethodPatch {
		if r.Header.Get("Content-Type") != "application/merge-patch+json" {
			return fail(415, "PATCH requests require a Content-Type of \"application/merge-patch+json\"")
		}
		data := s.data(e)
		if data == nil {
			return fail(404)
		}
		maps.Copy(data, in.Data)
		in.Data = data
	}
	s.add(at, in.Data)
	return wrap(s.state.Entries[at].record())
}

func (s *Server) metadata(r *http.Request, at string) embedded.Answer {
	e := s.state.Entries[at]
	if s.dark || s.Denied() && r.Method != http.MethodGet {
		return denied
	}
	switch r.Method {
	case http.MethodGet:
		if e == nil {
			return fail(404)
		}
		versions := map[string]any{}
		for i, v := range e.Versions {
			deleted := ""
			if !v.Deleted.IsZero() {
				deleted = v.Deleted.UTC().Format(time.RFC3339Nano)
			}
			versions[strconv.Itoa(i+1)] = map[string]any{"created_time": v.Created.UTC().Format(time.RFC3339Nano), "deletion_time": deleted, "destroyed": false}
		}
		first := e.Versions[0].Created.UTC().Format(time.RFC3339Nano)
		return wrap(map[string]any{"cas_required": false, "created_time": first, "current_version": len(e.Versions), "custom_metadata": e.Custom, "delete_version_after": "0s", "max_versions": 0, "oldest_version": 0, "updated_time": first, "versions": versions})
	case http.MethodPost, http.MethodPut:
		var in struct {
			Custom map[string]string `json:"custom_metadata"`
		}
		if !embedded.Read(r, &in) {
			return fail(400, "error parsing metadata")
		}
		if len(in.Custom) > 64 {
			return fail(400, "custom_metadata cannot have more than 64 keys")
		}
		for k, v := range in.Custom {
			if len(k) == 0 || len(k) > 128 || len(v) == 0 || len(v) > 512 {
				return fail(400, "length of custom_metadata is wrong")
			}
		}
		if e == nil {
			return fail(404)
		}
		e.Custom = in.Custom
		return embedded.Answer{Status: 204}
	case http.MethodDelete:
		if s.blind {
			return denied
		}
		delete(s.state.Entries, at)
		return embedded.Answer{Status: 204}
	}
	return fail(405)
}
