// Package googled is an embedded Google Secret Manager. It refuses what the real one refuses: wrong names,
// unknown fields, a value that does not fit its sum, a second secret of a name; a secret that is not there
// has no rights; and to who may not see a project, everything in it is forbidden.
package googled

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Project is the project that there is.
const Project = "sandbox-project"

// number is the project's own number, by which Google names what is in it.
const number = "123456789012"

// Server is one embedded Secret Manager.
type Server struct {
	embedded.Server
	blind, adder bool
	page         int
	pools        map[string]embedded.Trust // by the provider's name, //iam.googleapis.com/projects/…
	runs         map[string]string         // the secret that a run may read, by its token
	state        state
}

type state struct {
	Key     embedded.Key       `json:"key"`
	Secrets map[string]*stored `json:"secrets"`
	Etags   int                `json:"etags"`
}

type stored struct {
	Annotations map[string]string `json:"annotations"`
	Created     time.Time         `json:"created"`
	Etag        string            `json:"etag"`
	Versions    []*version        `json:"versions"` // the first has the number 1
}

type version struct {
	Sealed  []byte    `json:"sealed"`
	Created time.Time `json:"created"`
	State   string    `json:"state"`
}

// New starts a server with the data of o.State, or with nothing.
func New(o embedded.Options) (*Server, error) {
	s := &Server{page: 1000, pools: map[string]embedded.Trust{}, runs: map[string]string{}}
	return s, s.Init(o, "ya29.", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Secrets: map[string]*stored{}}
	})
}

// BeBlind takes the right to read values away.
func (s *Server) BeBlind() { s.Do(func() { s.blind = true }) }

// BeAdder leaves the right to add versions and no other.
func (s *Server) BeAdder() { s.Do(func() { s.blind, s.adder = true, true }) }

// Short makes the pages of lists short.
func (s *Server) Short() { s.Do(func() { s.page = 2 }) }

// Disable disables a version of a secret.
func (s *Server) Disable(id string, n int) {
	s.Do(func() { s.state.Secrets[id].Versions[n-1].State = "DISABLED" })
}

// Trust lets runs that a provider of a workload identity pool knows read one secret.
func (s *Server) Trust(provider string, t embedded.Trust) {
	s.Do(func() { s.pools["//iam.googleapis.com/"+provider] = t })
}

// Write makes a secret, or adds a version to it, as somebody else would.
func (s *Server) Write(id, value string) {
	s.Do(func() {
		x := s.state.Secrets[id]
		if x == nil {
			x = &stored{Created: s.Now(), Annotations: map[string]string{}}
			s.state.Secrets[id] = x
		}
		x.Versions = append(x.Versions, &version{Sealed: s.state.Key.Seal(value), Created: s.Now(), State: "ENABLED"})
		s.touch(x)
	})
}

// exchange turns the identity of a run into a token.
func (s *Server) exchange(r *http.Request) embedded.Answer {
	if r.ParseForm() != nil || r.Form.Get("grant_type") != "urn:ietf:params:oauth:grant-type:token-exchange" || r.Form.Get("subject_token_type") != "urn:ietf:params:oauth:token-type:jwt" ||
		r.Form.Get("requested_token_type") != "urn:ietf:params:oauth:token-type:access_token" || r.Form.Get("scope") == "" {
		return embedded.Answer{Status: 400, Body: map[string]any{"error": "invalid_request"}}
	}
	t, known := s.pools[r.Form.Get("audience")]
	if !known || !t.Takes(r.Form.Get("subject_token")) {
		return embedded.Answer{Status: 400, Body: map[string]any{"error": "invalid_grant", "error_description": "The given credential is rejected by the attribute condition."}}
	}
	token := "ya29.d." + rand.Text()
	s.runs[token] = t.Reads
	return embedded.OK(map[string]any{"access_token": token, "issued_token_type": "urn:ietf:params:oauth:token-type:access_token", "token_type": "Bearer", "expires_in": 3600})
}

// Open reads the newest value of a secret.
func (s *Server) Open(project, id string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if x := s.state.Secrets[id]; project == Project && x != nil && len(x.Versions) > 0 {
			v, err = secret.New([]byte(s.state.Key.Open(x.Versions[len(x.Versions)-1].Sealed))), nil
		}
	})
	return v, err
}

// Look is what stands beside a secret, and how many versions it has; there is false when there is none.
func (s *Server) Look(id string) (annotations map[string]string, versions int, there bool) {
	s.Do(func() {
		if x := s.state.Secrets[id]; x != nil {
			annotations, versions, there = x.Annotations, len(x.Versions), true
		}
	})
	return annotations, versions, there
}

// Annotate puts an annotation beside a secret, as somebody else would.
func (s *Server) Annotate(id, key, value string) {
	s.Do(func() {
		s.state.Secrets[id].Annotations[key] = value
		s.touch(s.state.Secrets[id])
	})
}

func (s *Server) touch(x *stored) {
	s.state.Etags++
	x.Etag = fmt.Sprintf("%q", strconv.FormatInt(int64(s.state.Etags), 16))
}

func fail(code int, status, message string) embedded.Answer {
	return embedded.Answer{Status: code, Body: map[string]any{"error": map[string]any{"code": code, "message": message, "status": status}}}
}

func invalid(message string) embedded.Answer { return fail(400, "INVALID_ARGUMENT", message) }

func denied(right, what string) embedded.Answer {
	return fail(403, "PERMISSION_DENIED", "Permission '"+right+"' denied for resource '"+what+"' (or it may not exist).")
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	const secrets = "/v1/projects/{project}/secrets"
	return s.Routes(s.check, fail(404, "NOT_FOUND", "Requested entity was not found."), map[string]embedded.Action{
		"POST /v1/token":                                  s.exchange,
		"POST " + secrets:                                 s.create,
		"GET " + secrets + "/{secret}":                    s.in("secretmanager.secrets.get", s.get),
		"PATCH " + secrets + "/{secret}":                  s.in("secretmanager.secrets.update", s.patch),
		"DELETE " + secrets + "/{secret}":                 s.in("secretmanager.secrets.delete", s.remove),
		"POST " + secrets + "/{secret}":                   s.verb,
		"GET " + secrets + "/{secret}/versions":           s.in("secretmanager.versions.list", s.list),
		"GET " + secrets + "/{secret}/versions/{version}": s.in("secretmanager.versions.access", s.access),
	})
}

func (s *Server) check(r *http.Request) (embedded.Answer, bool) {
	project, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v1/projects/"), "/")
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	switch {
	case r.URL.Path == "/v1/token":
	case ok && s.runs[given] != "" && strings.HasSuffix(r.URL.Path, "/secrets/"+s.runs[given]+"/versions/latest:access") && project == Project:
	case !ok || !s.Accepts(given):
		return fail(401, "UNAUTHENTICATED", "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."), false
	case project != Project:
		return fail(403, "PERMISSION_DENIED", "Permission denied on resource project "+project+"."), false
	}
	return embedded.Answer{}, true
}

// may reports whether the log-in has a right.
func (s *Server) may(right string) bool {
	switch right {
	case "secretmanager.versions.add":
		return !s.Denied()
	case "secretmanager.versions.access":
		return !s.blind
	case "secretmanager.secrets.create", "secretmanager.secrets.update", "secretmanager.secrets.delete":
		return !s.adder && !s.Denied()
	case "secretmanager.secrets.get", "secretmanager.versions.list", "secretmanager.versions.get":
		return !s.adder
	}
	return false
}

// in finds the secret of a request.
func (s *Server) in(right string, act func(id string, x *stored, r *http.Request) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		id, _, _ := strings.Cut(r.PathValue("secret"), ":")
		x := s.state.Secrets[id]
		switch {
		case !s.may(right):
			return denied(right, "projects/"+Project+"/secrets/"+id)
		case x == nil:
			return fail(404, "NOT_FOUND", "Secret [projects/"+number+"/secrets/"+id+"] not found.")
		}
		return act(id, x, r)
	}
}

func (x *stored) shown(id string) map[string]any {
	return map[string]any{
		"name": "projects/" + number + "/secrets/" + id, "replication": map[string]any{"automatic": map[string]any{}},
		"createTime": x.Created.UTC().Format(time.RFC3339Nano), "annotations": x.Annotations, "etag": x.Etag,
	}
}

var (
	validID  = pattern.New(`^[A-Za-z0-9_-]{1,255}$`)
	validKey = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
)

func wrong(annotations map[string]string) bool {
	size := 0
	for k, v := range annotations {
		if size += len(k) + len(v); !validKey.MatchString(k) || size >= 16<<10 {
			return true
		}
	}
	return false
}

func (s *Server) create(r *http.Request) embedded.Answer {
	var in struct {
		Replication *struct {
			Automatic *struct{} `json:"automatic"`
		} `json:"replication"`
		Annotations map[string]string `json:"annotations"`
	}
	id := r.URL.Query().Get("secretId")
	switch {
	case !embedded.Read(r, &in):
		return invalid("Invalid JSON payload received.")
	case !validID.MatchString(id):
		return invalid("The provided Secret ID [" + id + "] does not match the expected format [[a-zA-Z_0-9-]+].")
	case in.Replication == nil || in.Replication.Automatic == nil:
		return invalid("Secret replication is required.")
	case wrong(in.Annotations):
		return invalid("The provided annotations are not valid.")
	case !s.may("secretmanager.secrets.create"):
		return denied("secretmanager.secrets.create", "projects/"+Project)
	case s.state.Secrets[id] != nil:
		return fail(409, "ALREADY_EXISTS", "Secret [projects/"+number+"/secrets/"+id+"] already exists.")
	}
	x := &stored{Annotations: in.Annotations, Created: s.Now()}
	s.touch(x)
	s.state.Secrets[id] = x
	return embedded.OK(x.shown(id))
}

func (s *Server) get(id string, x *stored, _ *http.Request) embedded.Answer {
	return embedded.OK(x.shown(id))
}

func (s *Server) patch(id string, x *stored, r *http.Request) embedded.Answer {
	var in struct {
		Name        string            `json:"name"`
		Etag        string            `json:"etag"`
		Annotations map[string]string `json:"annotations"`
	}
	switch {
	case !embedded.Read(r, &in) || r.URL.Query().Get("updateMask") != "annotations":
		return invalid("Invalid JSON payload received.")
	case wrong(in.Annotations):
		return invalid("The provided annotations are not valid.")
	case in.Etag != "" && in.Etag != x.Etag:
		return fail(400, "FAILED_PRECONDITION", "The etag does not match the current one.")
	}
	x.Annotations = in.Annotations
	s.touch(x)
	return embedded.OK(x.shown(id))
}

func (s *Server) remove(id string, _ *stored, _ *http.Request) embedded.Answer {
	delete(s.state.Secrets, id)
	return embedded.OK(map[string]any{})
}

// verb serves what is asked of a secret with a colon and a word.
func (s *Server) verb(r *http.Request) embedded.Answer {
	switch _, verb, _ := strings.Cut(r.PathValue("secret"), ":"); verb {
	case "addVersion":
		return s.in("secretmanager.versions.add", s.add)(r)
	case "testIamPermissions":
		return s.rights(r)
	}
	return fail(404, "NOT_FOUND", "Requested entity was not found.")
}

func (s *Server) rights(r *http.Request) embedded.Answer {
	var in struct {
		Permissions []string `json:"permissions"`
	}
	if !embedded.Read(r, &in) || len(in.Permissions) == 0 {
		return invalid("Invalid JSON payload received.")
	}
	id, _, _ := strings.Cut(r.PathValue("secret"), ":")
	have := slices.DeleteFunc(in.Permissions, func(right string) bool { return s.state.Secrets[id] == nil || !s.may(right) })
	if len(have) == 0 { // an empty list is left out
		return embedded.OK(map[string]any{})
	}
	return embedded.OK(map[string]any{"permissions": have})
}

func sum(value []byte) string {
	return strconv.FormatUint(uint64(crc32.Checksum(value, crc32.MakeTable(crc32.Castagnoli))), 10)
}

func (v *version) shown(id string, n int) map[string]any {
	return map[string]any{
		"name":       fmt.Sprintf("projects/%s/secrets/%s/versions/%d", number, id, n),
		"createTime": v.Created.UTC().Format(time.RFC3339Nano), "state": v.State, "etag": `"x"`, "clientSpecifiedPayloadChecksum": true,
	}
}

func (s *Server) add(id string, x *stored, r *http.Request) embedded.Answer {
	var in struct {
		Payload struct {
			Data []byte `json:"data"`
			Sum  string `json:"dataCrc32c"`
		} `json:"payload"`
	}
	switch {
	case !embedded.Read(r, &in):
		return invalid("Invalid JSON payload received.")
	case len(in.Payload.Data) > 65_536:
		return invalid("The payload is too large.")
	case in.Payload.Sum != sum(in.Payload.Data):
		return invalid("The CRC32C of the payload does not match the one that was sent.")
	}
	v := &version{s.state.Key.Seal(string(in.Payload.Data)), s.Now(), "ENABLED"}
	x.Versions = append(x.Versions, v)
	return embedded.OK(v.shown(id, len(x.Versions)))
}

// list lists the versions, the newest first.
func (s *Server) list(id string, x *stored, r *http.Request) embedded.Answer {
	q := r.URL.Query()
	if f := q.Get("filter"); f != "" && f != "state:ENABLED" {
		return invalid("The filter is not one that this server knows.")
	}
	before := len(x.Versions)
	if raw := q.Get("pageToken"); raw != "" {
		n, err := strconv.Atoi(raw)
		if err != nil || n < 0 || n > before {
			return invalid("The page token is not valid.")
		}
		before = n
	}
	out, next := []any{}, ""
	for n := before; n > 0; n-- {
		if v := x.Versions[n-1]; q.Get("filter") == "" || v.State == "ENABLED" {
			if len(out) == s.page {
				next = strconv.Itoa(n)
				break
			}
			out = append(out, v.shown(id, n))
		}
	}
	if len(out) == 0 {
		return embedded.OK(map[string]any{})
	}
	return embedded.OK(map[string]any{"versions": out, "totalSize": len(x.Versions), "nextPageToken": next})
}

func (s *Server) access(id string, x *stored, r *http.Request) embedded.Answer {
	asked, verb, _ := strings.Cut(r.PathValue("version"), ":")
	n, err := strconv.Atoi(asked)
	if asked == "latest" {
		n, err = len(x.Versions), nil
	}
	name := fmt.Sprintf("projects/%s/secrets/%s/versions/%s", number, id, asked)
	switch {
	case verb != "access" || err != nil:
		return invalid("Invalid resource field value in the request.")
	case n < 1 || n > len(x.Versions):
		return fail(404, "NOT_FOUND", "Secret Version ["+name+"] not found.")
	case x.Versions[n-1].State != "ENABLED":
		return fail(400, "FAILED_PRECONDITION", "Secret Version ["+name+"] is in "+x.Versions[n-1].State+" state.")
	}
	value := []byte(s.state.Key.Open(x.Versions[n-1].Sealed))
	return embedded.OK(map[string]any{
		"name":    fmt.Sprintf("projects/%s/secrets/%s/versions/%d", number, id, n),
		"payload": map[string]any{"data": base64.StdEncoding.EncodeToString(value), "dataCrc32c": sum(value)},
	})
}
