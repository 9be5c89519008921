package astrod_test

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// world is an embedded Astro behind the contract, and its clock.
type world struct {
	*testing.T
	astro *astrod.Server
	srv   *httptest.Server
	now   time.Time
	org   string
	ws    string
	dep   string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	var err error
	if w.astro, err = astrod.New(astrod.Options{Now: func() time.Time { return w.now }, Unlimited: true}); err != nil {
		t.Fatal(err)
	}
	w.org, w.ws, w.dep = w.astro.Find("Data Platform", "etl-prod")
	w.srv = testkit.NewContract(t, "astro/v1.openapi.yaml").Server("/v1", w.astro.Handler())
	return w
}

// call sends one request as v and returns status and decoded body.
func (w *world) call(v *secret.Value, method, path string, body any) (int, map[string]any) {
	w.Helper()
	raw, _ := json.Marshal(body)
	req, err := http.NewRequestWithContext(w.Context(), method, w.srv.URL+"/v1"+strings.ReplaceAll(path, "{org}", w.org), bytes.NewReader(raw))
	if err != nil {
		w.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	if v != nil {
		_ = v.Use(func(b []byte) error { req.Header.Set("Authorization", "Bearer "+string(b)); return nil })
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	out := map[string]any{}
	text, _ := io.ReadAll(resp.Body)
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			w.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return resp.StatusCode, out
}

func (w *world) must(status int, v *secret.Value, method, path string, body any) map[string]any {
	w.Helper()
	got, out := w.call(v, method, path, body)
	if got != status {
		w.Fatalf("%s %s: %d %v, want %d", method, path, got, out["message"], status)
	}
	return out
}

// create makes a token and returns its id and value.
func (w *world) create(v *secret.Value, scope, entity, role string, days int) (string, *secret.Value) {
	w.Helper()
	out := w.must(200, v, "POST", "/organizations/{org}/tokens", map[string]any{"name": "n", "scope": scope, "entityId": entity, "role": role, "tokenExpiryPeriodInDays": days})
	value, _ := out["token"].(string)
	id, _ := out["id"].(string)
	return id, secret.New([]byte(value))
}

func TestEveryOperationFitsTheDescription(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	w.astro.AddCustomRole("ci deploy", "deployment.get", "deployment.deploys.create")
	for _, path := range []string{
		"/organizations?limit=100", "/organizations/{org}", "/organizations/{org}/workspaces?limit=1000&sorts=name:asc", "/organizations/{org}/workspaces/" + w.ws,
		"/organizations/{org}/deployments?workspaceIds=" + w.ws, "/organizations/{org}/deployments/" + w.dep, "/organizations/{org}/roles?includeDefaultRoles=true",
		"/organizations/{org}/tokens?limit=1000&sorts=createdAt:asc", "/organizations/{org}/allowed-ip-address-ranges", "/organizations/{org}/users?limit=1000&sorts=createdAt:asc", "/users/self",
	} {
		w.must(200, ada, "GET", path, nil)
	}
	w.astro.Fill()
	w.must(200, ada, "GET", "/organizations/{org}/tokens", nil)
	id, value := w.create(ada, "DEPLOYMENT", w.dep, "DEPLOYMENT_ADMIN", 30)
	w.must(200, ada, "GET", "/organizations/{org}/tokens/"+id, nil)
	w.must(200, ada, "POST", "/organizations/{org}/tokens/"+id, map[string]any{"name": "other"})
	d := w.must(200, value, "POST", "/organizations/{org}/deployments/"+w.dep+"/deploys", map[string]any{"type": "DAG_ONLY"})
	deploy := "/organizations/{org}/deployments/" + w.dep + "/deploys/" + d["id"].(string)
	w.must(400, value, "POST", deploy+"/finalize", map[string]any{"dagTarballVersion": "made up"})
	w.must(200, value, "GET", deploy, nil)
	w.must(204, ada, "DELETE", "/organizations/{org}/tokens/"+id, nil)
	w.must(404, ada, "DELETE", "/organizations/{org}/tokens/"+id, nil)
}

func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	good := map[string]any{"name": "n", "scope": "WORKSPACE", "entityId": w.ws, "role": "WORKSPACE_AUTHOR", "tokenExpiryPeriodInDays": 30}
	for name, change := range map[string]map[string]any{
		"no name":         {"name": ""},
		"long name":       {"name": strings.Repeat("x", 257)},
		"long text":       {"description": strings.Repeat("x", 501)},
		"no entity":       {"entityId": ""},
		"zero days":       {"tokenExpiryPeriodInDays": 0},
		"too many days":   {"tokenExpiryPeriodInDays": 3651},
		"role of another": {"role": "DEPLOYMENT_ADMIN"},
		"unknown field":   {"expires": 3},
		"unknown scope":   {"scope": "GALAXY"},
	} {
		body := map[string]any{}
		maps.Copy(body, good)
		maps.Copy(body, change)
		if got, _ := w.call(ada, "POST", "/organizations/{org}/tokens", body); got != 400 {
			t.Errorf("%s: %d", name, got)
		}
	}
	w.must(401, nil, "GET", "/organizations", nil)
	w.must(401, testkit.Canary(t), "GET", "/organizations", nil)
	w.must(404, ada, "GET", "/organizations/cm99999999999999999999999", nil)
	if n := len(w.astro.Tokens()); n != 0 {
		t.Errorf("%d tokens came into being", n)
	}
}

func TestRightsEndAtTheToken(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	_, author := w.create(ada, "WORKSPACE", w.ws, "WORKSPACE_AUTHOR", 30)
	_, ml, mlDep := w.astro.Find("Machine Learning", "ml-dev")
	w.must(200, author, "GET", "/organizations/{org}/deployments/"+w.dep, nil)
	w.must(404, author, "GET", "/organizations/{org}/deployments/"+mlDep, nil)
	w.must(404, author, "GET", "/organizations/{org}/workspaces/"+ml, nil)
	w.must(403, author, "GET", "/organizations/{org}/tokens", nil)
	w.must(403, author, "GET", "/users/self", nil)
	w.must(403, author, "GET", "/organizations/{org}/allowed-ip-address-ranges", nil)
	w.must(403, author, "POST", "/organizations/{org}/tokens", map[string]any{"name": "n", "scope": "WORKSPACE", "entityId": w.ws, "role": "WORKSPACE_MEMBER"})

	// Nobody makes a token with more rights than their own.
	w.astro.AddUser("op@acme.example", "WORKSPACE", w.ws, "WORKSPACE_OWNER")
	op := w.astro.Login("op@acme.example")
	w.create(op, "WORKSPACE", w.ws, "WORKSPACE_OWNER", 30)
	w.must(403, op, "POST", "/organizations/{org}/tokens", map[string]any{"name": "n", "scope": "ORGANIZATION", "role": "ORGANIZATION_MEMBER"})
	w.must(404, op, "POST", "/organizations/{org}/tokens", map[string]any{"name": "n", "scope": "WORKSPACE", "entityId": "cm99999999999999999999999", "role": "WORKSPACE_MEMBER"})
}

func TestTokensDie(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	id, old := w.create(ada, "DEPLOYMENT", w.dep, "DEPLOYMENT_ADMIN", 2)
	path := "/organizations/{org}/deployments/" + w.dep
	w.must(200, old, "GET", path, nil)
	out := w.must(200, ada, "POST", "/organizations/{org}/tokens/"+id+"/rotate", nil)
	fresh := secret.New([]byte(out["token"].(string)))
	w.must(401, old, "GET", path, nil)
	w.must(200, fresh, "GET", path, nil)
	w.now = w.now.AddDate(0, 0, 2)
	w.must(401, fresh, "GET", path, nil)
	w.must(401, ada, "GET", path, nil) // a log-in ends as well
	ada = w.astro.Login("ada@acme.example")
	id, value := w.create(ada, "DEPLOYMENT", w.dep, "DEPLOYMENT_ADMIN", 2)
	w.must(204, ada, "DELETE", "/organizations/{org}/tokens/"+id, nil)
	w.must(401, value, "GET", path, nil)
}

func TestStateKeepsTokensAliveAndHoldsNone(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	id, value := w.create(ada, "DEPLOYMENT", w.dep, "DEPLOYMENT_ADMIN", 30)
	state := w.astro.State()
	testkit.MustNotLeak(t, value, state)
	again, err := astrod.New(astrod.Options{Now: func() time.Time { return w.now }, State: state})
	if err != nil || !again.Accepts(value, id) {
		t.Errorf("the token is dead after a restart: %v", err)
	}
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	astro, err := astrod.New(astrod.Options{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	h := astro.Handler()
	ask := func() int {
		req := httptest.NewRequest(http.MethodGet, "/v1/organizations", nil)
		_ = astro.Login("ada@acme.example").Use(func(b []byte) error { req.Header.Set("Authorization", "Bearer "+string(b)); return nil })
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, req)
		return rec.Code
	}
	for range 25 {
		if got := ask(); got != 200 {
			t.Fatal(got)
		}
	}
	if got := ask(); got != http.StatusTooManyRequests {
		t.Errorf("the 26th request of a second: %d", got)
	}
	now = now.Add(time.Second)
	if got := ask(); got != 200 {
		t.Errorf("a second later: %d", got)
	}
}

func TestFaults(t *testing.T) {
	w := newWorld(t)
	ada := w.astro.Login("ada@acme.example")
	w.astro.Faults.Add(fault.Fault{Method: "POST", Path: "/v1/organizations/*/tokens", Kind: fault.FailApplied, Status: 500, Body: `{"message":"m","requestId":"r","statusCode":500}`, Times: 1})
	w.must(500, ada, "POST", "/organizations/{org}/tokens", map[string]any{"name": "n", "scope": "WORKSPACE", "entityId": w.ws, "role": "WORKSPACE_MEMBER"})
	if n := len(w.astro.Tokens()); n != 1 {
		t.Errorf("%d tokens, want the one that was made before the failure", n)
	}
	w.must(200, ada, "GET", "/users/self", nil)
	if n := w.astro.Faults.Count("POST", "/tokens"); n != 1 {
		t.Errorf("saw %d requests", n)
	}
}
