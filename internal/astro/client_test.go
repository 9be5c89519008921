package astro_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const createPath = "/v1/organizations/*/tokens"

// world is a client of an embedded Astro; everything between them fits the API's description.
type world struct {
	server *astrod.Server
	client *astro.Client
	log    testkit.Log
	base   *url.URL
	s      setup.Setup
	ahead  atomic.Int64 // how far Astro's clock is ahead of ours
}

func newWorld(t *testing.T, kind setup.Kind, role string) *world {
	t.Helper()
	w := &world{}
	server, err := astrod.New(astrod.Options{Now: func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	w.server = server
	w.base, _ = url.Parse(testkit.Serve(t, "astro/v1.openapi.yaml", "/v1", server.Handler()).URL + "/v1")
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
	return astro.New(w.base, httpx.Bearer(w.server.Login(user)), w.wire())
}

func (w *world) wire() httpx.Options {
	return httpx.Options{
		Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 },
		Debug: func(line string) { w.log.WriteString(line + "\n") },
	}
}

func (w *world) plan() setup.Plan { return setup.Plan{Setup: w.s} }

func TestCreateProveDelete(t *testing.T) {
	for kind, role := range map[setup.Kind]string{
		setup.DeploymentToken: "DEPLOYMENT_ADMIN", setup.WorkspaceToken: "WORKSPACE_AUTHOR", setup.OrganizationToken: "ORGANIZATION_MEMBER",
	} {
		t.Run(string(kind), func(t *testing.T) {
			w := newWorld(t, kind, role)
			ctx := t.Context()
			if _, err := w.client.CheckCreate(ctx, w.plan()); err != nil {
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
			if how, err := w.client.Prove(ctx, w.s, token, value); err != nil || !strings.Contains(how, "closed to it") {
				t.Errorf("%q, %v", how, err)
			}
			found, err := w.client.FindTokens(ctx, w.s, w.s.Marker("op1"))
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

// Astro's own record decides, not what came with the value.
func TestProveSeesDifferences(t *testing.T) {
	for name, ask := range map[string]func(*world, *setup.Setup){
		"scope": func(_ *world, s *setup.Setup) { s.Credential.Kind = setup.WorkspaceToken },
		"days":  func(_ *world, s *setup.Setup) { s.Credential.ExpiresInDays = 89 },
		"role":  func(_ *world, s *setup.Setup) { s.Credential.Role = "CI_Deploy" },
		"place": func(w *world, s *setup.Setup) { _, _, s.Deployment.ID = w.server.Find("", "ml-dev") },
	} {
		w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
		token, value, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
		if err != nil {
			t.Fatal(err)
		}
		asked := w.s
		ask(w, &asked)
		if _, err := w.client.Prove(t.Context(), asked, token, value); err == nil {
			t.Errorf("%s: not noticed", name)
		}
	}
}

func TestProveSeesAnotherTokensValue(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	token, _, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op2"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Prove(t.Context(), w.s, token, other); err == nil || !strings.Contains(err.Error(), "another token") {
		t.Errorf("got %v", err)
	}
}

// A token that can do more than was asked for is not let pass.
func TestProveAsksForWhatIsClosed(t *testing.T) {
	w := newWorld(t, setup.WorkspaceToken, "WORKSPACE_AUTHOR")
	token, value, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
	if err != nil {
		t.Fatal(err)
	}
	_, other, _ := w.server.Find("Finance", "")
	w.server.Faults.Add(fault.Fault{
		Path: "/v1/organizations/*/workspaces/" + other, Status: 200, Times: 1,
		Body: `{"id":"` + other + `","name":"n","organizationId":"o","cicdEnforcedDefault":false,"createdAt":"2024-01-15T09:00:00Z","updatedAt":"2024-01-15T09:00:00Z"}`,
	})
	if _, err := w.client.Prove(t.Context(), w.s, token, value); err == nil || !strings.Contains(err.Error(), "outside of what was asked") {
		t.Errorf("got %v", err)
	}
	if how, err := w.client.Prove(t.Context(), w.s, token, value); err != nil || !strings.Contains(how, "Finance is closed to it") {
		t.Errorf("got %q, %v", how, err)
	}
}

// A token of a setup gets another description and keeps everything else; what somebody else wrote stays.
func TestDescribeToken(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	token, value, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
	if err != nil {
		t.Fatal(err)
	}
	held := setup.Mark{Setup: w.s.Name, Operation: "op1", Held: time.Now(), Seals: []string{"AAAABBBB"}}.String()
	w.server.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/v1/organizations/*/tokens/*", Kind: fault.FailApplied, Status: 503, Body: `{"message":"m","requestId":"r","statusCode":503}`, Header: http.Header{"Retry-After": {"0"}}, Times: 1})
	for range 2 {
		if err := w.client.DescribeToken(t.Context(), w.s.Organization.ID, token.ID, held); err != nil {
			t.Fatal(err)
		}
	}
	got, err := w.client.Token(t.Context(), w.s.Organization.ID, token.ID)
	if err != nil || got.Description.String() != held || got.Name != token.Name || !got.EndAt.Equal(token.EndAt) || !w.server.Accepts(value, token.ID) {
		t.Errorf("it is %+v, %v", got, err)
	}
	for _, other := range []string{setup.Mark{Setup: "other", Operation: "op1"}.String(), w.s.Marker("op2")} {
		if err := w.client.DescribeToken(t.Context(), w.s.Organization.ID, token.ID, other); err == nil || !strings.Contains(err.Error(), "not the one") {
			t.Errorf("%s: got %v", other, err)
		}
	}
	if err := w.client.DescribeToken(t.Context(), w.s.Organization.ID, "cm99999999999999999999999", held); httpx.Status(err) != http.StatusNotFound {
		t.Errorf("a token that is gone: got %v", err)
	}
	if got, _ := w.client.Token(t.Context(), w.s.Organization.ID, token.ID); got.Description.String() != held {
		t.Errorf("it says %q", got.Description)
	}
}

// The reasons for which a new token is not accepted are told apart.
func TestUnprovedInWords(t *testing.T) {
	for status, want := range map[int]string{401: "does not accept it yet", 403: "role does not reach", 429: "fewer requests", 503: "trouble answering"} {
		w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
		token, value, err := w.client.CreateToken(t.Context(), w.s, w.s.Marker("op1"))
		if err != nil {
			t.Fatal(err)
		}
		w.server.Faults.Add(fault.Fault{
			Path: "/v1/organizations/*/deployments/*", Status: status, Times: 9, Header: http.Header{"Retry-After": {"0"}},
			Body: `{"message":"m","requestId":"r","statusCode":400}`,
		})
		_, err = w.client.Prove(t.Context(), w.s, token, value)
		if !strings.Contains(hint.Of(err).Next, want) {
			t.Errorf("%d: %q", status, hint.Of(err).Next)
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
		"no answer before it":      {fault.Fault{Kind: fault.Hang}, true, 0},
		"no answer after it":       {fault.Fault{Kind: fault.HangApplied}, true, 1},
		"an answer without the value": {fault.Fault{Kind: fault.FailApplied, Status: 200, Body: `{"id":"cm00000000000000000000099","name":"n","description":"d","scope":"DEPLOYMENT","kind":"STANDARD","shortToken":"s",
			"startAt":"2024-01-15T09:00:00Z","createdAt":"2024-01-15T09:00:00Z","updatedAt":"2024-01-15T09:00:00Z"}`}, true, 1},
		"429": {fault.Fault{Status: 429, Header: http.Header{"Retry-After": {"0"}}, Body: `{"message":"m","requestId":"r","statusCode":429}`}, false, 0},
		"403": {fault.Fault{Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`}, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
			tc.fault.Method, tc.fault.Path, tc.fault.Times = http.MethodPost, createPath, 1
			w.server.Faults.Add(tc.fault)
			ctx, cancel := context.WithCancel(t.Context())
			if tc.fault.Kind == fault.Hang || tc.fault.Kind == fault.HangApplied {
				w.server.Faults.OnHang(cancel) // the client gives up
			}
			_, _, err := w.client.CreateToken(ctx, w.s, w.s.Marker("op1"))
			cancel()
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
			found, err := w.client.FindTokens(t.Context(), w.s, w.s.Marker("op1"))
			if err != nil || len(found) != tc.made {
				t.Errorf("found %d by its marker: %v", len(found), err)
			}
		})
	}
}

func TestCheckCreate(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	w.server.AddCustomRole("token maker", "deployment.get", "deployment.apiTokens.create")
	w.server.AddUser("member@acme.example", "WORKSPACE", w.s.Workspace.ID, "WORKSPACE_MEMBER")
	w.server.AddUser("owner@acme.example", "WORKSPACE", w.s.Workspace.ID, "WORKSPACE_OWNER")
	w.server.AddUser("maker@acme.example", "DEPLOYMENT", w.s.Deployment.ID, "token maker")
	if _, err := w.as(t, "owner@acme.example").CheckCreate(t.Context(), w.plan()); err != nil {
		t.Errorf("a Workspace Owner: %v", err)
	}
	if _, err := w.as(t, "member@acme.example").CheckCreate(t.Context(), w.plan()); err == nil {
		t.Error("a Workspace Member may create a token")
	}
	// Astro would refuse it after the fact; the reason is said before.
	_, err := w.as(t, "maker@acme.example").CheckCreate(t.Context(), w.plan())
	if err == nil || !strings.Contains(err.Error(), "deployment.deploys.create") || !strings.Contains(hint.Of(err).Next, "more rights than its maker") {
		t.Errorf("a token with more rights than the caller: %v", err)
	}
	if _, _, err := w.as(t, "maker@acme.example").CreateToken(t.Context(), w.s, "m"); httpx.Status(err) != 403 {
		t.Errorf("the embedded Astro lets it pass: %v", err)
	}
	p := w.plan()
	p.Credential.Role, p.NewRole = astro.DeployRole, astro.DeployPermissions()
	if _, err := w.as(t, "owner@acme.example").CheckCreate(t.Context(), p); err == nil || !strings.Contains(err.Error(), "custom role") {
		t.Errorf("a Workspace Owner makes a custom role: %v", err)
	}
	if _, err := w.client.CheckCreate(t.Context(), p); err != nil {
		t.Errorf("an Organization Owner makes a custom role: %v", err)
	}
	w.s.Credential.Role = "NOPE"
	if _, err := w.client.CheckCreate(t.Context(), w.plan()); err == nil || !strings.Contains(hint.Of(err).Next, "DEPLOYMENT_ADMIN") {
		t.Errorf("an unknown role: %v", err)
	}
	w.server.Faults.Add(fault.Fault{Path: "/v1/organizations/*/roles", Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 1})
	if note, err := w.client.CheckCreate(t.Context(), w.plan()); err != nil || !strings.Contains(note, "Astro decides") {
		t.Errorf("roles that cannot be seen: %q, %v", note, err)
	}
}

func TestCustomRole(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, astro.DeployRole)
	ctx := t.Context()
	if _, _, err := w.client.CreateRole(ctx, w.s.Organization.ID, astro.DeployRole, astro.DeployPermissions()); httpx.Status(err) != 403 {
		t.Errorf("a TEAM plan has custom roles: %v", err)
	}
	w.server.Change("ENTERPRISE_V2", false)
	made, created, err := w.client.CreateRole(ctx, w.s.Organization.ID, astro.DeployRole, astro.DeployPermissions())
	if err != nil || !created {
		t.Fatalf("created %v, %v", created, err)
	}
	again, created, err := w.client.CreateRole(ctx, w.s.Organization.ID, astro.DeployRole, astro.DeployPermissions())
	if err != nil || created || again.ID != made.ID {
		t.Errorf("a second time: %+v, %v, %v", again, created, err)
	}
	roles, err := w.client.Roles(ctx, w.s.Organization.ID)
	if err != nil {
		t.Fatal(err)
	}
	if best := astro.BestRole(setup.DeployCode, setup.DeploymentToken, roles); best.Role != astro.DeployRole || !best.Exact {
		t.Errorf("proposed is %+v", best)
	}
	token, value, err := w.client.CreateToken(ctx, w.s, "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.client.Prove(ctx, w.s, token, value); err != nil {
		t.Error(err)
	}
	if err := w.client.DeleteToken(ctx, w.s.Organization.ID, token.ID); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := w.client.DeleteRole(ctx, w.s.Organization.ID, made.ID); err != nil {
			t.Error(err)
		}
	}
}

func TestAdvise(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	say := func() string {
		all, err := w.client.Advise(t.Context(), w.plan(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(all.Say, "\n")
	}
	if got := say(); got != "" {
		t.Errorf("a careful choice is warned about: %q", got)
	}
	token, _, err := w.client.CreateToken(t.Context(), w.s, "m")
	if err != nil {
		t.Fatal(err)
	}
	w.server.Change("TEAM", true)
	if got := say(); !strings.Contains(got, token.ID) || !strings.Contains(got, "IP access list") {
		t.Errorf("got %q", got)
	}
	another := w.s
	another.Name = "etl-two"
	if _, _, err := w.client.CreateToken(t.Context(), w.s, another.Marker("op")); err != nil {
		t.Fatal(err)
	}
	if all, err := w.client.Advise(t.Context(), w.plan(), time.Now()); err != nil || len(all.Earlier) != 1 || all.Earlier[0].ID != token.ID {
		t.Errorf("the token of another setup in the same place is taken for an earlier one: %+v, %v", all.Earlier, err)
	}
	later, err := w.client.Advise(t.Context(), w.plan(), time.Now().AddDate(1, 0, 0))
	if err != nil || len(later.Earlier) > 0 {
		t.Errorf("a token that has ended is one of the earlier ones: %+v, %v", later, err)
	}
	w.ahead.Store(int64(-10 * time.Minute))
	if got := say(); !strings.Contains(got, "clock is 10m") || !strings.Contains(got, "ahead of") {
		t.Errorf("the clock: %q", got)
	}
}

func TestProveKey(t *testing.T) {
	w := newWorld(t, setup.DeploymentKey, "")
	id, value := w.server.AddKey(w.s.Deployment.ID)
	if how, err := w.client.ProveKey(t.Context(), w.s, setup.Key{ID: id, Secret: value}); err != nil || !strings.Contains(how, "etl-prod") {
		t.Errorf("%q, %v", how, err)
	}
	_, err := w.client.ProveKey(t.Context(), w.s, setup.Key{ID: id, Secret: secret.New([]byte("wrong"))})
	if err == nil || !strings.Contains(hint.Of(err).Next, "June 2024") || !strings.Contains(hint.Of(err).Next, "deployment-token") {
		t.Errorf("a wrong secret: %v, %q", err, hint.Of(err).Next)
	}
	_, _, w.s.Deployment.ID = w.server.Find("", "ml-dev")
	if _, err := w.client.ProveKey(t.Context(), w.s, setup.Key{ID: id, Secret: value}); err == nil || !strings.Contains(hint.Of(err).Next, "belongs to") {
		t.Errorf("another Deployment: %v", err)
	}
	testkit.MustNotLeak(t, value, []byte(w.log.String()))
}

func TestWhoAmI(t *testing.T) {
	w := newWorld(t, setup.WorkspaceToken, "WORKSPACE_OWNER")
	live := func(*secret.Value) {}
	who, err := w.client.WhoAmI(t.Context(), astro.Fixed(w.base, w.server.Login("ada@acme.example"), "here", display.Text{}, live))
	if err != nil || who.User.String() != "ada@acme.example" || who.Roles[0].Role != "ORGANIZATION_OWNER" || who.Organizations[0].Name.String() != "Acme Analytics" || who.EndsAt.IsZero() {
		t.Errorf("got %+v, %v", who, err)
	}
	token, value, err := w.client.CreateToken(t.Context(), w.s, "m")
	if err != nil {
		t.Fatal(err)
	}
	who, err = w.client.As(value).WhoAmI(t.Context(), astro.Fixed(w.base, value, "here", display.Text{}, live))
	if err != nil || who.TokenID != token.ID || who.Roles[0].Role != "WORKSPACE_OWNER" || !who.EndsAt.Equal(token.EndAt) {
		t.Errorf("got %+v, %v", who, err)
	}
}

func TestListsAreWhole(t *testing.T) {
	w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
	for range 2100 {
		w.server.AddWorkspace("w\x1b[2Jx")
	}
	page, err := w.client.Workspaces(t.Context(), w.s.Organization.ID)
	if err != nil || page.Next == nil || len(page.Items) >= 2000 {
		t.Fatalf("the first page has %d Workspaces: %v", len(page.Items), err)
	}
	w.server.Faults.Add(fault.Fault{Path: "/v1/organizations/*/workspaces", Status: 403, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 1})
	if half, err := page.All(t.Context()); err == nil || half != nil {
		t.Errorf("half a list was returned: %d items, %v", len(half), err)
	}
	w.server.AddWorkspace("late") // the list changes while it is read: it is read anew
	all, err := page.All(t.Context())
	if err != nil || len(all) != 2104 {
		t.Fatalf("read %d Workspaces: %v", len(all), err)
	}
	seen := map[string]bool{}
	for _, x := range all {
		if seen[x.ID] {
			t.Fatalf("%s is listed twice", x.ID)
		}
		seen[x.ID] = true
	}
	if got := all[len(all)-1].Name.String(); strings.ContainsRune(got, 0x1b) {
		t.Errorf("a name came through as %q", got)
	}
}

func TestRefusalsInWords(t *testing.T) {
	for status, want := range map[int]string{401: "astro-ci login", 403: "Owner", 404: "cannot see", 429: "fewer requests", 500: "status page"} {
		w := newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN")
		w.server.Faults.Add(fault.Fault{Path: "/v1/organizations/*/roles", Status: status, Body: `{"message":"m","requestId":"r","statusCode":400}`, Times: 9})
		_, err := w.client.Roles(t.Context(), w.s.Organization.ID)
		if httpx.Status(err) != status || !strings.Contains(hint.Of(err).Next, want) {
			t.Errorf("%d: %v, %q", status, err, hint.Of(err).Next)
		}
	}
}

// The use by which astro-ci proves its own token is no use by a run; of other tokens every use counts.
func TestUsed(t *testing.T) {
	made := time.Date(2026, 11, 24, 7, 0, 0, 0, time.UTC)
	ours, theirs := display.Clean(setup.Mark{Setup: "etl", Operation: "op"}.String()), display.Clean("Nightly export")
	for _, tc := range []struct {
		by    display.Text
		after time.Duration
		used  bool
	}{{ours, 5 * time.Second, false}, {ours, 15 * time.Second, true}, {theirs, 5 * time.Second, true}} {
		token := astro.Token{Description: tc.by, CreatedAt: made, LastUsedAt: made.Add(tc.after)}
		if got := token.Used(); got.IsZero() == tc.used || tc.used && !got.Equal(token.LastUsedAt) {
			t.Errorf("%q, used %s after it was made: %v", tc.by, tc.after, got)
		}
	}
	if !(astro.Token{Description: ours, CreatedAt: made}).Used().IsZero() || !(astro.Token{CreatedAt: made}).Used().IsZero() {
		t.Error("a token without a use has one")
	}
}
