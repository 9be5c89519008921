package testkit

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Contract is a service's own API description, by which requests and answers are checked.
type Contract struct {
	t      testing.TB
	router routers.Router
	mu     sync.Mutex
	calls  map[string]int // "GET /path/{id} 200" -> how often
}

var loaded sync.Map // path -> func() (routers.Router, error)

// NewContract loads an OpenAPI description from the folder that ASTRO_CI_CONTRACTS names, or several,
// with spaces between their paths. Without the variable the test is skipped; with it, a missing file
// fails the test.
func NewContract(t testing.TB, path string) *Contract {
	t.Helper()
	dir := os.Getenv("ASTRO_CI_CONTRACTS")
	if dir == "" {
		t.Skip("ASTRO_CI_CONTRACTS is not set: nothing is checked against the API descriptions")
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(moduleRoot(t), dir)
	}
	once, _ := loaded.LoadOrStore(dir+" "+path, sync.OnceValues(func() (routers.Router, error) {
		return load(dir, strings.Fields(path))
	}))
	router, err := once.(func() (routers.Router, error))()
	if err != nil {
		t.Fatalf("load %s: %v", path, err)
	}
	return &Contract{t: t, router: router, calls: map[string]int{}}
}

func load(dir string, paths []string) (routers.Router, error) {
	var doc *openapi3.T
	for _, path := range paths {
		raw, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		// Some say that a member can be null in the words of an older form.
		raw = bytes.ReplaceAll(raw, []byte(`"x-nullable"`), []byte(`"nullable"`))
		next, err := parse(raw)
		if err != nil {
			return nil, err
		}
		if doc == nil {
			doc = next
			continue
		}
		for path, item := range next.Paths.Map() { // what they refer to is resolved
			doc.Paths.Set(path, item)
		}
	}
	unify(doc)
	// Only the path counts; the tests serve on loopback.
	doc.Servers = nil
	for _, item := range doc.Paths.Map() {
		item.Servers = nil
		for _, op := range item.Operations() {
			op.Servers = nil
		}
	}
	return gorillamux.NewRouter(doc)
}

// parse reads OpenAPI 3, or Swagger 2, which is turned into it.
func parse(raw []byte) (*openapi3.T, error) {
	var old openapi2.T
	if json.Unmarshal(raw, &old) != nil || old.Swagger == "" {
		return openapi3.NewLoader().LoadFromData(raw)
	}
	// Microsoft's keep a second form of some operations, with other parameters, beside the paths.
	var more struct {
		Paths map[string]*openapi2.PathItem `json:"x-ms-paths"`
	}
	if err := json.Unmarshal(raw, &more); err != nil {
		return nil, err
	}
	for path, item := range more.Paths {
		path, _, _ = strings.Cut(path, "?")
		if old.Paths[path] == nil {
			old.Paths[path] = item
			continue
		}
		for method, op := range item.Operations() {
			for _, p := range op.Parameters { // either form may be meant
				p.Required = p.Required && p.In != "query"
			}
			old.Paths[path].SetOperation(method, op)
		}
	}
	doc, err := openapi2conv.ToV3(&old)
	if err == nil && old.Host == "dev.azure.com" {
		asObserved(doc)
	}
	return doc, err
}

// asObserved mends what Microsoft's descriptions say otherwise than the service: a list comes with its
// length, the value of a secret is null, a deletion is answered with nothing, and what was made with 201.
// Of the files of a repository, they describe one as JSON whatever its form, and its place as a text.
func asObserved(doc *openapi3.T) {
	for _, item := range doc.Paths.Map() {
		if item.Delete != nil {
			item.Delete.Responses.Set("204", item.Delete.Responses.Status(http.StatusOK))
		}
		if item.Post != nil && item.Post.Responses.Status(http.StatusCreated) == nil {
			item.Post.Responses.Set("201", item.Post.Responses.Status(http.StatusOK))
		}
		for _, op := range item.Operations() {
			ok := op.Responses.Status(http.StatusOK)
			if ok != nil && ok.Value.Content["application/octet-stream"] != nil {
				ok.Value.Content["application/octet-stream"].Schema = nil
			}
			if ok == nil || ok.Value.Content["application/json"] == nil {
				continue
			}
			media := ok.Value.Content["application/json"]
			if media.Schema != nil && media.Schema.Value != nil && media.Schema.Value.Type.Is("array") {
				list := openapi3.NewObjectSchema().WithProperty("count", openapi3.NewIntegerSchema()).WithRequired([]string{"count", "value"})
				list.WithPropertyRef("value", media.Schema)
				media.Schema = list.NewRef()
			}
		}
	}
	if change := doc.Components.Schemas["Change"]; change != nil {
		change.Value.Properties["item"] = openapi3.NewObjectSchema().WithProperty("path", openapi3.NewStringSchema()).WithRequired([]string{"path"}).NewRef()
	}
	for _, s := range doc.Components.Schemas {
		if v := s.Value.Properties["value"]; v != nil && v.Value != nil {
			v.Value.Nullable = true
		}
	}
}

// unify joins paths that differ in nothing but the names of their parameters: the router would find
// the operations of one of them only.
func unify(doc *openapi3.T) {
	param := regexp.MustCompile(`\{([^}]+)\}`)
	first := map[string]string{}
	for _, path := range doc.Paths.InMatchingOrder() {
		shape := param.ReplaceAllString(path, "{}")
		home, taken := first[shape]
		if !taken {
			first[shape] = path
			continue
		}
		rename := map[string]string{}
		names := param.FindAllStringSubmatch(home, -1)
		for i, m := range param.FindAllStringSubmatch(path, -1) {
			rename[m[1]] = names[i][1]
		}
		item := doc.Paths.Value(path)
		for method, op := range item.Operations() {
			for _, p := range op.Parameters {
				if name, ok := rename[p.Value.Name]; ok && p.Value.In == "path" {
					p.Value.Name = name
				}
			}
			if doc.Paths.Value(home).GetOperation(method) == nil {
				doc.Paths.Value(home).SetOperation(method, op)
			}
		}
		doc.Paths.Delete(path)
	}
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test")
		}
		dir = up
	}
}

// Serve serves h below base; where ASTRO_CI_CONTRACTS is set, everything that passes is checked
// against the description at path.
func Serve(t testing.TB, path, base string, h http.Handler) *httptest.Server {
	t.Helper()
	if os.Getenv("ASTRO_CI_CONTRACTS") != "" {
		return NewContract(t, path).Server(base, h)
	}
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv
}

// Server serves h and checks every call below base (for example /v1), see Around.
func (c *Contract) Server(base string, h http.Handler) *httptest.Server {
	c.t.Helper()
	srv := httptest.NewServer(c.Around(base, h))
	c.t.Cleanup(srv.Close)
	return srv
}

// Around checks every call below base that passes to h. Each has to be in the description; what
// the description does not say about refusals (429) is let pass.
func (c *Contract) Around(base string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.URL.Path, base) {
			h.ServeHTTP(w, r)
			return
		}
		body, _ := io.ReadAll(r.Body)
		rec := httptest.NewRecorder()
		inner := r.Clone(r.Context())
		inner.Body = io.NopCloser(bytes.NewReader(body))
		h.ServeHTTP(rec, inner)
		c.check(base, r, body, rec)
		maps.Copy(w.Header(), rec.Header())
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes())
	})
}

func (c *Contract) check(base string, r *http.Request, body []byte, rec *httptest.ResponseRecorder) {
	plain := r.Clone(context.Background())
	plain.URL.Path = strings.TrimPrefix(r.URL.Path, base)
	plain.URL.RawPath = strings.TrimPrefix(r.URL.RawPath, base)
	plain.Body = io.NopCloser(bytes.NewReader(body))
	route, params, err := c.router.FindRoute(plain)
	// Azure's timeline is the newest one when no id follows; its description names one always.
	if err != nil && strings.HasSuffix(plain.URL.Path, "/timeline") {
		named := plain.Clone(context.Background())
		named.URL.Path, named.URL.RawPath = plain.URL.Path+"/00000000-0000-0000-0000-000000000000", ""
		route, params, err = c.router.FindRoute(named)
	}
	// A description cannot say that a parameter at the end, such as the path of a file, holds slashes.
	for i := strings.LastIndexByte(plain.URL.Path, '/'); err != nil && i > 0; i = strings.LastIndexByte(plain.URL.Path[:i], '/') {
		joined := plain.Clone(context.Background())
		joined.URL.Path = plain.URL.Path[:i] + "/" + strings.ReplaceAll(plain.URL.Path[i+1:], "/", "-")
		joined.URL.RawPath = ""
		if found, with, again := c.router.FindRoute(joined); again == nil {
			route, params, err = found, with, nil
		}
	}
	if err != nil {
		c.t.Errorf("%s %s is not in the description: %v", r.Method, plain.URL.Path, err)
		return
	}
	c.mu.Lock()
	c.calls[r.Method+" "+route.Path+" "+http.StatusText(rec.Code)]++
	c.mu.Unlock()
	in := &openapi3filter.RequestValidationInput{
		Request: plain, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, ExcludeResponseBody: rec.Body.Len() == 0},
	}
	// A request that the service refused as malformed may be malformed.
	if err := openapi3filter.ValidateRequest(context.Background(), in); err != nil && rec.Code < 400 {
		c.t.Errorf("%s %s: the request does not fit: %s", r.Method, route.Path, reason(err))
	}
	if route.Operation.Responses.Status(rec.Code) == nil && route.Operation.Responses.Default() == nil {
		// Whatever is asked of what was renamed is answered with where it is now.
		if rec.Code != http.StatusTooManyRequests && rec.Code != http.StatusMovedPermanently && rec.Code < 400 {
			c.t.Errorf("%s %s: %d is not a described answer", r.Method, route.Path, rec.Code)
		}
		return
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: in, Status: rec.Code, Header: rec.Header(), Options: in.Options}
	out.SetBodyBytes(rec.Body.Bytes())
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		c.t.Errorf("%s %s: the answer %d does not fit: %s", r.Method, route.Path, rec.Code, reason(err))
	}
}

// Calls is how often an operation was answered with a status text, e.g. "GET /users/self", "OK".
func (c *Contract) Calls(operation, status string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[operation+" "+status]
}

// reason is the first line of a validation error: the rest quotes values, which can be secret.
func reason(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}
