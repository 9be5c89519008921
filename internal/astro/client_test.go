package astro_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const createPath = "/v1/organizations/*/tokens"

// world is a client of an embedded Astro; everything between them fits the API's description.
type world struct {
	server *astrod.Server
	client *astro.Client
	log    strings.Builder
	base   *url.URL
	s      setup.Setup
}

func newWorld(t *testing.T, kind setup.Kind, role string) *world {
	t.Helper()
	server, err := astrod.New(astrod.Options{Unlimited: true})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse(testkit.Serve(t, "astro/v1.openapi.yaml", "/v1", server.Handler()).URL + "/v1")
	w := &world{server: server, base: base}
	w.client = w.as(t, "ada@acme.example")
	org, ws, dep := server.Find("Data Platform", "etl-prod")
	w.s = setup.Setup{
		Name: "etl", Organization: setup.Ref{ID: org}, Workspace: setup.Ref{ID: ws}, Deployment: setup.Ref{ID: dep, Name: display.Clean("etl-prod")}, Job: setup.DeployCode,
		Platform: "github", Targets: []setup.Target{{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}},
		Credential: setup.Credential{Kind: kind, Role: role, ExpiresInDays: 90},
	}
	return w
}

func (w *world) as(t *testing.T, user string) *astro.Client {
	t.Helper()
	return astro.New(w.base, w.server.Login(user), httpx.Options{
		Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 },
		Debug: func(line string) { w.log.WriteString(line + "\n") },
	})
}

func TestCreateProveDelete(t *testing.T) {
	for kind, role := range map[setup.Kind]string{
		setup.DeploymentToken: "DEPLOYMENT_ADMIN", setup.WorkspaceToken: "WORKSPACE_AUTHOR", setup.OrganizationToken: "ORGANIZATION_MEMBER",
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, kind, role)
			ctx := t.Context()
			if _, err := w.client.CheckCreate(ctx, w.s); err != nil {
				t.Fatal(err)
			}
			token, value, err := w.client.CreateToken(ctx, w.s, w.s.Marker("op1"))
			if err != nil {
				t.Fatal(err)
			}
			if !w.server.Accepts(value, token.ID) {
				t.Error("Astro does not accept the value")
			}
			made := w.server.Tokens()[0]
			if made.Scope != kind.Scope() || made.Role != role || made.Entity != w.s.Entity().ID || made.EndAt.Sub(token.StartAt).Hours() < 90*24-1 {
				t.Errorf("made %+v", made)
			}
			if _, err := w.client.Prove(ctx, w.s, token, value); err != nil {
				t.Error(err)
			}
			found, err := w.client.FindTokens(ctx, w.s.Organization.ID, w.s.Marker("op1"))
			if err != nil || len(found) != 1 || found[0].ID != token.ID {
				t.Errorf("found %v, %v", found, err)
			}
			for range 2 { // gone already is no error
				if err := w.client.DeleteToken(ctx, w.s.Organization.ID, token.ID); err != nil {
					t.Error(err)
				}
			}
			if _, err := w.client.Prove(ctx, w.s, token, value); err == nil {
				t.Error("a deleted token was proved")
			}
			testkit.MustNotLeak(t, value, []byte(w.log.String()))
		})
	}
}

func TestProveSeesDifferences(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	token, value, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*astro.Token){
		"scope":   func(x *astro.Token) { x.Scope = "WORKSPACE" },
		"expires": func(x *astro.Token) { x.EndAt = x.EndAt.AddDate(1, 0, 0) },
		"never":   func(x *astro.Token) { x.EndAt = x.StartAt.AddDate(-9999, 0, 0) },
		"role": func(x *astro.Token) {
			x.Roles = []astro.TokenRole{{Role: "WORKSPACE_OWNER", EntityID: w.s.Deployment.ID}}
		},
	} {
		spoiled := token
		spoil(&spoiled)
		if _, err := w.client.Prove(t.Context(), w.s, spoiled, value); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// The request that creates a token is sent exactly once, whatever happens to it.
func TestCreateIsSentOnce(t *testing.T) {
	for name, tc := range map[string]struct {
		fault     fault.Fault
		ambiguous bool
		made      int
	}{
		"cut after it was applied": {fault.Fault{Kind: fault.CutApplied}, true, 1},
		"cut before":               {fault.Fault{Kind: fault.CutBefore}, true, 0},
		"500 after it was applied": {fault.Fault{Kind: fault.FailApplied, Status: 500, Body: `{"message":"m","requestId":"r","statusCode":500}`}, true, 1},
		"429":                      {fault.Fault{Status: 429, Header: http.Header{"Retry-After": {"0"}}, Body: `{"message":"m","requestId":"r","statusCode":429}`}, false, 0},
		"403":                      {fault.Fault{Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
			tc.fault.Method, tc.fault.Path, tc.fault.Times = http.MethodPost, createPath, 1
			w.server.Faults.Add(tc.fault)
			_, _, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
			var unclear *httpx.AmbiguousError
			if err == nil || errors.As(err, &unclear) != tc.ambiguous {
				t.Errorf("got %v", err)
			}
			if n := w.server.Faults.Count(http.MethodPost, "/tokens"); n != 1 {
				t.Errorf("sent %d times", n)
			}
			if n := len(w.server.Tokens()); n != tc.made {
				t.Errorf("%d tokens exist, want %d", n, tc.made)
			}
			if hint.Of(err).Next == "" {
				t.Error("nothing is said about what to do")
			}
			found, err := w.client.FindTokens(t.Context(), w.s.Organization.ID, w.s.Marker("op1"))
			if err != nil || len(found) != tc.made {
				t.Errorf("found %d by its marker: %v", len(found), err)
			}
		})
	}
}

func TestCheckCreateRefuses(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	w.server.AddUser("member@acme.example", "WORKSPACE", w.s.Workspace.ID, "WORKSPACE_MEMBER")
	w.server.AddUser("owner@acme.example", "WORKSPACE", w.s.Workspace.ID, "WORKSPACE_OWNER")
	if _, err := w.as(t, "owner@acme.example").CheckCreate(t.Context(), w.s); err != nil {
		t.Errorf("a Workspace Owner: %v", err)
	}
	if _, err := w.as(t, "member@acme.example").CheckCreate(t.Context(), w.s); err == nil {
		t.Error("a Workspace Member may create a token")
	}
	w.s.Credential.Role = "NOPE"
	if _, err := w.client.CheckCreate(t.Context(), w.s); err == nil || !strings.Contains(hint.Of(err).Next, "DEPLOYMENT_ADMIN") {
		t.Errorf("an unknown role: %v", err)
	}
}

func TestListsAreWhole(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	for range 2100 {
		w.server.AddWorkspace("w\x1b[2Jx")
	}
	all, err := w.client.Workspaces(t.Context(), w.s.Organization.ID)
	if err != nil || len(all) != 2103 {
		t.Fatalf("read %d Workspaces: %v", len(all), err)
	}
	if got := all[len(all)-1].Name.String(); strings.ContainsRune(got, 0x1b) {
		t.Errorf("a name came through as %q", got)
	}
}

func TestRefusalsInWords(t *testing.T) {
	for status, want := range map[int]string{401: "astro login", 403: "Owner", 404: "cannot see", 429: "fewer requests", 500: "status page"} {
		w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
		w.server.Faults.Add(fault.Fault{Path: "/v1/organizations/*/roles", Status: status, Body: `{"message":"m","requestId":"r","statusCode":400}`, Times: 9})
		_, err := w.client.Roles(t.Context(), w.s.Organization.ID)
		if httpx.Status(err) != status || !strings.Contains(hint.Of(err).Next, want) {
			t.Errorf("%d: %v, %q", status, err, hint.Of(err).Next)
		}
	}
}
