// Command vault-server serves HashiCorp's own key-value engine and its log-in by JWT on loopback, and prints
// its address. What is around them in a Vault (tokens, policies, mounts) is made up here, as little as is
// needed. It is a module of its own: what it needs is no part of astro-ci.
//
// The token is "root". POST /trust with a public key, a role and its name makes the role, whose log-ins may read
// the one entry at path.
package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	jwtauth "github.com/hashicorp/vault-plugin-auth-jwt"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/helper/logging"
	"github.com/hashicorp/vault/sdk/logical"
)

type server struct {
	mu     sync.Mutex
	kv     logical.Backend
	jwt    logical.Backend
	stores map[string]logical.Storage
	runs   map[string]string // token of a run: the path that it may read
	paths  map[string]string // role: the path that it may read
}

func main() {
	ctx := context.Background()
	s := &server{stores: map[string]logical.Storage{"kv": &logical.InmemStorage{}, "jwt": &logical.InmemStorage{}}, runs: map[string]string{}, paths: map[string]string{}}
	quiet := logging.NewVaultLoggerWithWriter(io.Discard, hclog.Off)
	var err error
	s.kv, err = kv.VersionedKVFactory(ctx, &logical.BackendConfig{
		Logger: quiet, System: &logical.StaticSystemView{LocalMountVal: true, ReplicationStateVal: consts.ReplicationPerformanceDisabled}, StorageView: s.stores["kv"],
		BackendUUID: "test", Config: map[string]string{"uid": "00000000-0000-0000-0000-000000000000"},
	})
	check(err)
	s.jwt, err = jwtauth.Factory(ctx, &logical.BackendConfig{Logger: quiet, System: &logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: time.Hour}, StorageView: s.stores["jwt"]})
	check(err)
	check(s.jwt.Initialize(ctx, &logical.InitializationRequest{Storage: s.stores["jwt"]}))
	// The engine makes itself ready in the background.
	for {
		_, err := s.kv.HandleRequest(ctx, &logical.Request{Operation: logical.ReadOperation, Path: "config", Storage: s.stores["kv"]})
		if err == nil || !strings.Contains(err.Error(), "pgrad") {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	go func() { log.Fatal(http.Serve(l, s)) }()
	fmt.Println("http://" + l.Addr().String())
	_, _ = io.Copy(io.Discard, os.Stdin) // until whoever started it has gone
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status int, messages ...string) {
	answer(w, status, map[string]any{"errors": append([]string{}, messages...)})
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	token := r.Header.Get("X-Vault-Token")
	switch {
	case r.URL.Path == "/trust":
		s.trust(w, r)
	case path == "auth/jwt/login":
		s.login(w, r)
	case r.Method == http.MethodGet && s.runs[token] != "" && s.runs[token] == path:
		delete(s.runs, token)
		s.handle(w, r, s.kv, "kv", strings.TrimPrefix(path, "secret/"))
	case token != "root":
		refuse(w, 403, "permission denied")
	case path == "auth/token/lookup-self":
		answer(w, 200, map[string]any{"data": map[string]any{"display_name": "root", "ttl": 0}})
	case path == "sys/capabilities-self":
		var in struct{ Paths []string }
		_ = json.NewDecoder(r.Body).Decode(&in)
		data := map[string]any{}
		for _, p := range in.Paths {
			data[p] = []string{"root"}
		}
		answer(w, 200, map[string]any{"data": data})
	case strings.HasPrefix(path, "sys/internal/ui/mounts/secret/"):
		answer(w, 200, map[string]any{"data": map[string]any{"path": "secret/", "type": "kv", "options": map[string]string{"version": "2"}}})
	case strings.HasPrefix(path, "secret/"):
		s.handle(w, r, s.kv, "kv", strings.TrimPrefix(path, "secret/"))
	default:
		refuse(w, 404)
	}
}

// handle passes a request on as Vault does.
func (s *server) handle(w http.ResponseWriter, r *http.Request, b logical.Backend, store, path string) {
	req := &logical.Request{Path: path, Storage: s.stores[store], MountPoint: "secret/"}
	switch r.Method {
	case http.MethodGet:
		req.Operation, req.Data = logical.ReadOperation, map[string]any{}
		for k, v := range r.URL.Query() {
			req.Data[k] = v[0]
		}
	case http.MethodDelete:
		req.Operation = logical.DeleteOperation
	case http.MethodPatch:
		req.Operation = logical.PatchOperation
	default:
		req.Operation = logical.UpdateOperation
	}
	if r.Method != http.MethodGet && r.Method != http.MethodDelete {
		if json.NewDecoder(r.Body).Decode(&req.Data) != nil {
			refuse(w, 400, "failed to parse JSON input")
			return
		}
		if there, exists, err := b.HandleExistenceCheck(r.Context(), req); err == nil && there && !exists {
			req.Operation = logical.CreateOperation
		}
	}
	resp, err := b.HandleRequest(r.Context(), req)
	status, err := logical.RespondErrorCommon(req, resp, err)
	switch {
	case err != nil:
		refuse(w, status, err.Error())
	case status != 0:
		if resp != nil && len(resp.Data) > 0 {
			answer(w, status, map[string]any{"data": resp.Data})
			return
		}
		refuse(w, status)
	case resp == nil:
		w.WriteHeader(204)
	default:
		if raw, ok := resp.Data[logical.HTTPRawBody]; ok {
			code, _ := resp.Data[logical.HTTPStatusCode].(int)
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			switch raw := raw.(type) {
			case string:
				_, _ = io.WriteString(w, raw)
			case []byte:
				_, _ = w.Write(raw)
			}
			return
		}
		answer(w, 200, map[string]any{"data": resp.Data})
	}
}

func (s *server) trust(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Key, Name, Path string
		Role            map[string]any
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	if err == nil {
		err = s.ask(r.Context(), logical.UpdateOperation, "config", map[string]any{"jwt_validation_pubkeys": []string{in.Key}, "jwt_supported_algs": []string{"EdDSA"}})
	}
	if err == nil {
		err = s.ask(r.Context(), logical.CreateOperation, "role/"+in.Name, in.Role)
	}
	if err != nil {
		refuse(w, 400, err.Error())
		return
	}
	s.paths[in.Name] = in.Path
	answer(w, 200, nil)
}

func (s *server) ask(ctx context.Context, op logical.Operation, path string, data map[string]any) error {
	resp, err := s.jwt.HandleRequest(ctx, &logical.Request{Operation: op, Path: path, Storage: s.stores["jwt"], Data: data})
	if err == nil && resp != nil && resp.IsError() {
		err = resp.Error()
	}
	return err
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	var in struct{ Role, JWT string }
	_ = json.NewDecoder(r.Body).Decode(&in)
	resp, err := s.jwt.HandleRequest(r.Context(), &logical.Request{
		Operation: logical.UpdateOperation, Path: "login", Storage: s.stores["jwt"], Data: map[string]any{"role": in.Role, "jwt": in.JWT}, Connection: &logical.Connection{RemoteAddr: "127.0.0.1"},
	})
	switch {
	case err != nil:
		refuse(w, 400, err.Error())
	case resp.IsError():
		refuse(w, 400, resp.Error().Error())
	default:
		token := "hvs." + rand.Text()
		s.runs[token] = s.paths[in.Role]
		answer(w, 200, map[string]any{"auth": map[string]any{"client_token": token, "policies": resp.Auth.Policies}})
	}
}
