package astro_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// crowded is an embedded Astro with so many tokens, and a client of it; before is called before each
// page is read, by one request at a time.
func crowded(t *testing.T, tokens int, before func(s *astrod.Server, offset int)) (*astrod.Server, *astro.Client, string) {
	t.Helper()
	s, err := astrod.New(astrod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	org, _, dep := s.Find("", "etl-prod")
	begin := time.Now().AddDate(0, 0, -30)
	for i := range tokens {
		s.AddToken(astrod.Token{Name: fmt.Sprintf("token %d", i), Scope: "DEPLOYMENT", Role: "DEPLOYMENT_ADMIN", Entity: dep, CreatedAt: begin.Add(time.Duration(i) * time.Second), CreatedBy: "ada@acme.example"})
	}
	var mu sync.Mutex
	h := s.Handler()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if before != nil && strings.HasSuffix(r.URL.Path, "/tokens") {
			offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
			before(s, offset)
		}
		h.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL + "/v1")
	return s, astro.New(base, httpx.Bearer(s.Login("ada@acme.example")), httpx.Options{Base: httpx.NewBase(nil, nil), Agent: "astro-ci/test", Jitter: func() float64 { return 0 }}), org
}

// All of 10,000 tokens are listed, each once, by few requests, with what is told of each; the limits of
// the API hold meanwhile.
func TestTenThousandTokens(t *testing.T) {
	const n = 10_000
	s, client, org := crowded(t, n, nil)
	all, err := client.Tokens(t.Context(), org, "", "")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, x := range all {
		seen[x.ID] = true
		if x.On().Role != "DEPLOYMENT_ADMIN" || x.CreatedBy.Username.String() != "ada@acme.example" {
			t.Fatalf("got %+v", x)
		}
	}
	if len(all) != n || len(seen) != n {
		t.Errorf("%d tokens, %d different ones", len(all), len(seen))
	}
	if asked := s.Faults.Count(http.MethodGet, "/tokens"); asked > 12 {
		t.Errorf("%d requests", asked)
	}
}

// Tokens are made and deleted while the list is read, so that its length stays the same: every token that
// is there all the time is listed, once.
func TestNoTokenIsLostWhileTheListChanges(t *testing.T) {
	for name, gone := range map[string]int{"a few": 3, "many": 12, "more, once": 80} {
		t.Run(name, func(t *testing.T) {
			deleted, reads := map[string]bool{}, 0
			_, client, org := crowded(t, 3000, func(s *astrod.Server, offset int) {
				reads++
				if offset == 0 || name == "more, once" && reads > 4 {
					return
				}
				_, _, dep := s.Find("", "etl-prod")
				old := s.Tokens()
				for i := range gone {
					id := old[i].ID
					if err := s.Delete(id); err != nil {
						t.Error(err)
					}
					deleted[id] = true
					s.AddToken(astrod.Token{Name: "late", Scope: "DEPLOYMENT", Role: "DEPLOYMENT_ADMIN", Entity: dep, CreatedAt: time.Now()})
				}
			})
			all, err := client.Tokens(t.Context(), org, "", "")
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			early := 0
			for _, x := range all {
				if seen[x.ID] {
					t.Fatalf("%s is listed twice", x.ID)
				}
				seen[x.ID] = true
				if x.Name.String() != "late" && !deleted[x.ID] {
					early++
				}
			}
			if early != 3000-len(deleted) {
				t.Errorf("%d of %d tokens that were there all the time are listed", early, 3000-len(deleted))
			}
		})
	}
}

// A list that loses more than pages have in common, again and again, is refused and not returned in part.
func TestAListThatCannotBeReadIsRefused(t *testing.T) {
	_, client, org := crowded(t, 2500, func(s *astrod.Server, offset int) {
		if offset == 0 {
			return
		}
		for _, x := range s.Tokens()[:120] {
			_ = s.Delete(x.ID)
		}
	})
	if all, err := client.Tokens(t.Context(), org, "", ""); err == nil || all != nil || !strings.Contains(err.Error(), "faster") {
		t.Errorf("%d tokens, %v", len(all), err)
	}
}

// Who may only list the tokens of a part of the Organization gets those, in their order and each once; who may
// list none is told so.
func TestTokensOfAPart(t *testing.T) {
	t.Parallel()
	s, err := astrod.New(astrod.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	base, err := url.Parse(server.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	as := func(user string) *astro.Client {
		return astro.New(base, httpx.Bearer(s.Login(user)), httpx.Options{Base: httpx.NewBase(nil, nil)})
	}
	org, data, etl := s.Find("Data Platform", "etl-prod")
	_, ml, dev := s.Find("Machine Learning", "ml-dev")
	s.AddUser("ws@acme.example", "WORKSPACE", ml, "WORKSPACE_OWNER")
	s.AddCustomRole("Keeper", "deployment.get", "deployment.apiTokens.get")
	s.AddUser("dep@acme.example", "DEPLOYMENT", etl, "Keeper")
	s.AddUser("none@acme.example", "WORKSPACE", data, "WORKSPACE_AUTHOR")
	made := map[string]string{}
	for name, x := range map[string]setup.Setup{
		"org": {Credential: setup.Credential{Kind: setup.OrganizationToken, Role: "ORGANIZATION_MEMBER"}},
		"ml":  {Workspace: setup.Ref{ID: ml}, Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "WORKSPACE_AUTHOR"}},
		"dev": {Workspace: setup.Ref{ID: ml}, Deployment: setup.Ref{ID: dev}, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN"}},
		"etl": {Workspace: setup.Ref{ID: data}, Deployment: setup.Ref{ID: etl}, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN"}},
	} {
		x.Name, x.Platform, x.Organization, x.Credential.ExpiresInDays = name, "github", setup.Ref{ID: org}, 30
		token, _, err := as("ada@acme.example").CreateToken(t.Context(), x, x.Marker("1"))
		if err != nil {
			t.Fatal(err)
		}
		made[token.ID] = name
		found, err := as("ada@acme.example").TokensAt(t.Context(), x)
		if err != nil || !slices.ContainsFunc(found, func(f astro.Token) bool { return f.ID == token.ID }) {
			t.Errorf("%s is not found at its place: %v", name, err)
		}
	}
	for user, want := range map[string]string{"ada": "dev etl ml org", "ws": "dev ml", "dep": "etl"} {
		all, err := as(user+"@acme.example").Tokens(t.Context(), org, "", "")
		var got []string
		for _, x := range all {
			got = append(got, made[x.ID])
		}
		slices.Sort(got)
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("%s sees %v, %v", user, got, err)
		}
	}
	if _, err := as("none@acme.example").Tokens(t.Context(), org, "", ""); httpx.Status(err) != http.StatusForbidden {
		t.Errorf("who may list none: %v", err)
	}
}
