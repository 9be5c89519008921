package azuredevops_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/sandbox/azured"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

const (
	name      = "ASTRO_API_TOKEN"
	contracts = "azure/taskAgent-7.1.subset.swagger2.json azure/pipelinePermissions-7.1.subset.swagger2.json azure/pipelines-7.1.subset.swagger2.json " +
		"azure/build-7.1.subset.swagger2.json azure/core-7.1.subset.swagger2.json azure/git-7.1.subset.swagger2.json"
)

var meta = providers.Meta{Setup: "etl", Repository: setup.Repository{Host: "dev.azure.com", Path: "acme/data/etl"}, File: "azure-pipelines.yml"}

func target(address, name string) setup.Target {
	return setup.Target{Store: "azure-devops", Address: address, Secret: name}
}

// undescribed is what the descriptions at hand lack.
var undescribed = regexp.MustCompile(`/_apis/git/(repositories/[^/]+/pullrequests|policy)(/|$)`)

// described serves h; what the descriptions know is checked against them.
func described(t *testing.T, h http.Handler) http.Handler {
	t.Helper()
	if os.Getenv("ASTRO_CI_CONTRACTS") == "" {
		return h
	}
	checked := testkit.NewContract(t, contracts).Around("", h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if undescribed.MatchString(r.URL.Path) {
			h.ServeHTTP(w, r)
			return
		}
		checked.ServeHTTP(w, r)
	})
}

func newWorld(t *testing.T) (*azured.Server, *providertest.World) {
	t.Helper()
	server, w, _ := newWorldAt(t)
	return server, w
}

func newWorldAt(t *testing.T) (*azured.Server, *providertest.World, *url.URL) {
	t.Helper()
	server, err := azured.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(described(t, server.Handler()))
	t.Cleanup(srv.Close)
	base, _ := url.Parse(srv.URL)
	w := providertest.NewWorld(&server.Server)
	w.Blind = true
	w.As = func(v *secret.Value) providers.Store {
		return azuredevops.New(providers.Options{Server: base, Login: providers.Login{Value: v}, Wire: w.Wire()})
	}
	w.Store = w.As(server.Token())
	w.Open = func(x setup.Target) (*secret.Value, error) {
		_, holder, _ := strings.Cut(x.Address, ":")
		v, isSecret, err := server.Open(holder, x.Secret)
		if err == nil && !isSecret {
			t.Errorf("%s is no secret", x)
		}
		return v, err
	}
	w.Write = func(setup.Target) (method, path string) {
		return http.MethodPost, "/acme/_apis/distributedtask/variablegroups"
	}
	return server, w, base
}

func TestStore(t *testing.T) {
	t.Parallel()
	providertest.Run(t, providertest.Subject{
		New: func(t *testing.T) *providertest.World {
			_, w := newWorld(t)
			return w
		},
		Targets: []setup.Target{target("acme/data/group:astro", name), target("acme/data/pipeline:astro-etl", name)},
		Missing: target("acme/nope/group:astro", name), Meta: meta,
		Hostile: []setup.Target{
			target("acme/data/group:astro", "1A"), target("acme/data/group:astro", "A B"), target("acme/data/group:astro", ""), target("acme/group:astro", name),
			target("acme/data/group:", name), target("acme/../group:astro", name), target("acme/data/group:a\nb", name), target("acme/data/group:$(x)", name),
			target("acme/data/etl/group:astro", name), target("", name), target("acme/da?ta/group:x", name), target("acme/data/pipeline:", name),
		},
	})
}

// What else is in a group stays: plain values, and secrets whose values nobody sees.
func TestGroupKeepsTheRest(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	for i := range 7 { // three pages of groups
		server.AddGroup(fmt.Sprintf("other %d", i), "Vsts", false, map[string]string{"A": "1"}, nil)
	}
	server.AddGroup("shared", "Vsts", false, map[string]string{"PLAIN": "p"}, map[string]string{"OTHER": "canary-other", "astro_api_token": "old"})
	at := target("acme/data/group:shared", name)
	v := testkit.Canary(t)
	r, err := w.Store.Put(t.Context(), at, v, meta)
	if err != nil || r.Created || r.Proof != providers.Metadata {
		t.Fatalf("%+v, %v", r, err)
	}
	for k, want := range map[string]*secret.Value{"PLAIN": secret.New([]byte("p")), "OTHER": secret.New([]byte("canary-other")), "astro_api_token": v} {
		if got, _, err := server.Open("shared", k); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v", k, err)
		}
	}
	if got := server.MayUse("shared"); !slices.Equal(got, []string{"astro-etl"}) {
		t.Errorf("the group may be used by %v", got)
	}
	if got := server.Pipelines(); !slices.Equal(got, []string{"astro-etl /azure-pipelines.yml"}) {
		t.Errorf("pipelines %v", got)
	}
	// Again: the pipeline is found by its file, not made a second time.
	if _, err := w.Store.Put(t.Context(), at, v, meta); err != nil || len(server.Pipelines()) != 1 {
		t.Errorf("%v, %v", server.Pipelines(), err)
	}
	names, err := w.Store.(providers.Lister).List(t.Context(), at)
	if slices.Sort(names); err != nil || !slices.Equal(names, []string{"OTHER", "PLAIN", "astro_api_token"}) {
		t.Errorf("%v, %v", names, err)
	}
	if err := w.Store.(providers.Remover).Remove(t.Context(), at); err != nil {
		t.Fatal(err)
	}
	if _, _, err := server.Open("shared", "OTHER"); err != nil {
		t.Error("the rest went with it")
	}
}

// Azure DevOps knows no conditional write. A variable that vanishes at the same time is noticed.
func TestLostUpdate(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.AddGroup("shared", "Vsts", false, nil, map[string]string{"OTHER": "x"})
	server.Meddle("OTHER")
	_, err := w.Store.Put(t.Context(), target("acme/data/group:shared", name), testkit.Canary(t), meta)
	if err == nil || !strings.Contains(err.Error(), "OTHER") || hint.Of(err).Next == "" {
		t.Errorf("got %v", err)
	}
}

func TestGroupsThatAreNotWritten(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	server.AddGroup("vault", "AzureKeyVault", false, nil, map[string]string{"A": "x"})
	server.AddGroup("locked", "Vsts", true, map[string]string{"A": "x"}, nil)
	for group, says := range map[string]string{"vault": "Choose another", "locked": "Administrator"} {
		if _, err := w.Store.Check(t.Context(), target("acme/data/group:"+group, name)); err == nil || !strings.Contains(hint.Of(err).Next, says) {
			t.Errorf("%s: %v", group, err)
		}
	}
	if _, err := w.Store.Put(t.Context(), target("acme/data/group:vault", name), testkit.Canary(t), meta); err == nil {
		t.Error("a group of a vault was written")
	}
}

// Every address under which a repository of Azure DevOps is known, and some that only look like one.
func TestDetect(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://dev.azure.com/acme/data/_git/etl":                      "dev.azure.com/acme/data/etl",
		"https://acme@dev.azure.com/acme/my%20data/_git/my%20etl":       "dev.azure.com/acme/my data/my etl",
		"git@ssh.dev.azure.com:v3/acme/data/etl":                        "dev.azure.com/acme/data/etl",
		"ssh://git@ssh.dev.azure.com/v3/acme/data/etl":                  "dev.azure.com/acme/data/etl",
		"https://acme.visualstudio.com/DefaultCollection/data/_git/etl": "dev.azure.com/acme/data/etl",
		"https://acme.visualstudio.com/data/_git/etl":                   "dev.azure.com/acme/data/etl",
		"https://acme.visualstudio.com/_git/etl":                        "dev.azure.com/acme/etl/etl",
		"acme@vs-ssh.visualstudio.com:v3/acme/data/etl":                 "dev.azure.com/acme/data/etl",
		"https://tfs.corp/tfs/Coll/data/_git/etl":                       "tfs.corp/Coll/data/etl",
		"https://dev.azure.com.evil.example/acme/data/_git/etl":         "",
		"https://acme.visualstudio.com.evil.example/data/_git/etl":      "",
		"https://dev.azure.com/acme/data/etl":                           "",
		"https://dev.azure.com/acme/..%2fx/_git/etl":                    "",
		"git@ssh.dev.azure.com:v2/acme/data/etl":                        "",
		"https://github.com/acme/etl":                                   "",
	} {
		host, path, err := gitrepo.ParseURL(raw)
		if err != nil {
			if want != "" {
				t.Errorf("%s: %v", raw, err)
			}
			continue
		}
		r, ok := azuredevops.Detect(providers.Remote{Host: host, Path: path}, "tfs.corp")
		if ok != (want != "") || ok && r.String() != want {
			t.Errorf("%s: %q, %v; want %q", raw, r, ok, want)
		}
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for want, env := range map[string]map[string]string{
		"https://dev.azure.com  AZURE_DEVOPS_EXT_PAT":      {"AZURE_DEVOPS_EXT_PAT": "x", "AZDO_ORG_SERVICE_URL": "https://dev.azure.com/acme"},
		"https://dev.azure.com entra AZURE_DEVOPS_EXT_PAT": {"AZURE_DEVOPS_EXT_PAT": "eyJx"},
		"https://tfs.corp/tfs  AZDO_PERSONAL_ACCESS_TOKEN": {"AZDO_PERSONAL_ACCESS_TOKEN": "x", "AZDO_ORG_SERVICE_URL": "https://tfs.corp/tfs/Coll/"},
		"": {"AZDO_ORG_SERVICE_URL": "https://dev.azure.com/acme"},
	} {
		server, login, err := azuredevops.FindLogin(providers.Host{Getenv: func(k string) string { return env[k] }})
		if want == "" {
			if !errors.Is(err, providers.ErrNoLogin) || hint.Of(err).Next == "" {
				t.Errorf("got %v", err)
			}
			continue
		}
		if got := server + " " + login.User + " " + login.Source; err != nil || got != want {
			t.Errorf("got %q, want %q: %v", got, want, err)
		}
	}
}

func TestPlatform(t *testing.T) {
	t.Parallel()
	server, w := newWorld(t)
	p := w.Store.(*azuredevops.Provider)
	for _, s := range []string{"acme/data/etl", "https://dev.azure.com/acme/data/_git/etl", "dev.azure.com/acme/data/etl"} {
		if r, err := p.ParseRepo(s); err != nil || r.Path != "acme/data/etl" {
			t.Errorf("%q: %+v, %v", s, r, err)
		}
	}
	for _, s := range []string{"acme/etl", "", "a/b/c/d", "https://evil.example/a/b/_git/c"} {
		if _, err := p.ParseRepo(s); err == nil {
			t.Errorf("%q is a repository", s)
		}
	}
	server.AddGroup("shared", "Vsts", false, map[string]string{"A": "1"}, nil)
	server.AddGroup("vault", "AzureKeyVault", false, nil, nil)
	places, err := p.Places(t.Context(), meta.Repository)
	var got []string
	for _, x := range places {
		got = append(got, x.Address)
	}
	if want := "acme/data/group:astro-etl acme/data/group:shared acme/data/pipeline:astro-etl"; err != nil || strings.Join(got, " ") != want {
		t.Errorf("%v, %v", got, err)
	}
	if r, err := p.Repo(t.Context(), meta.Repository); err != nil || r.DefaultBranch != "main" {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := p.Repo(t.Context(), setup.Repository{Path: "acme/data/nope"}); err == nil {
		t.Error("a repository that is not there")
	}
}

// The answers that Microsoft's own CLI got are understood, and what is sent keeps all that they hold.
func TestRecordedAnswers(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("ASTRO_CI_CONTRACTS")
	if dir == "" {
		t.Skip("ASTRO_CI_CONTRACTS is not set")
	}
	raw, err := os.ReadFile(filepath.Join(dir, "azure", "recorded.test_variable_group.json"))
	if err != nil {
		t.Fatal(err)
	}
	var pairs []struct {
		Method, URI string
		Status      int
		Request     json.RawMessage
		Response    map[string]any
	}
	if err := json.Unmarshal(raw, &pairs); err != nil {
		t.Fatal(err)
	}
	tried := 0
	for _, pair := range pairs {
		vars, _ := pair.Response["variables"].(map[string]any)
		if pair.Method != http.MethodGet || len(vars) == 0 {
			continue
		}
		tried++
		group := pair.Response // as it was answered, and then as it was written
		var sent map[string]any
		srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Content-Type", "application/json; charset=utf-8; api-version=7.1")
			switch {
			case strings.Contains(r.URL.Path, "/projects/"):
				fmt.Fprint(rw, `{"id":"6ce954b1-ce1f-45d1-b94d-e6bf2464ba2c","name":"p"}`)
			case r.Method == http.MethodPut:
				_ = json.NewDecoder(r.Body).Decode(&sent)
				_ = json.NewEncoder(rw).Encode(sent)
			case sent != nil:
				_ = json.NewEncoder(rw).Encode(map[string]any{"value": []any{sent}})
			default:
				_ = json.NewEncoder(rw).Encode(map[string]any{"value": []any{group}})
			}
		}))
		base, _ := url.Parse(srv.URL)
		p := azuredevops.New(providers.Options{Server: base, Login: providers.Login{Value: testkit.Canary(t)}, Wire: httpx.Options{Base: httpx.NewBase(nil, nil), Jitter: func() float64 { return 0 }}})
		_, err := p.Put(t.Context(), target("o/p/group:"+fmt.Sprint(group["name"]), "NEW"), testkit.Canary(t), providers.Meta{})
		srv.Close()
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range group {
			if k != "variables" && fmt.Sprint(sent[k]) != fmt.Sprint(v) {
				t.Errorf("%s was %v and is sent as %v", k, v, sent[k])
			}
		}
		now, _ := sent["variables"].(map[string]any)
		for k, v := range vars {
			if m, _ := v.(map[string]any); m["value"] == nil { // it is hidden, and stays as it is
				delete(m, "value")
			}
			if fmt.Sprint(now[k]) != fmt.Sprint(v) {
				t.Errorf("the variable %s was %v and is sent as %v", k, v, now[k])
			}
		}
	}
	if tried < 5 {
		t.Errorf("only %d recorded answers were tried", tried)
	}
}

// A pipeline is started once, followed through an approval, and the step that failed is shown.
func TestRuns(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		server, w := newWorld(t)
		p := w.Store.(*azuredevops.Provider)
		repo, file := meta.Repository, meta.File
		if _, err := p.Start(t.Context(), repo, file, "main"); err == nil || !strings.Contains(err.Error(), "no pipeline runs the file") {
			t.Errorf("no pipeline: %v", err)
		}
		v := testkit.Canary(t)
		if _, err := p.Put(t.Context(), target("acme/data/group:astro", name), v, meta); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Start(t.Context(), repo, file, "main"); err == nil || !strings.Contains(hint.Of(err).Next, "on the branch") {
			t.Errorf("not pushed: %v", err)
		}
		server.Push(repo.Path, file, embedded.Job{Secret: name, In: "astro"})
		server.OnRun(func(got *secret.Value) error {
			if !got.Equal(v) {
				t.Error("the run got something else")
			}
			if fails {
				return errors.New("the token has ended")
			}
			return nil
		})
		if _, err := p.Start(t.Context(), repo, file, "other"); err == nil {
			t.Error("a branch without the file")
		}
		server.Hold(true)
		ref, err := p.Start(t.Context(), repo, file, "main")
		if err != nil || !strings.Contains(ref.Link, "/acme/data/_build/results?buildId=") || !strings.HasSuffix(ref.Link, ref.ID) {
			t.Fatalf("%+v, %v", ref, err)
		}
		var phases []string
		for range 3 {
			s, err := p.Look(t.Context(), repo, ref.ID)
			if err != nil {
				t.Fatal(err)
			}
			if phases = append(phases, string(s.Phase)); s.Phase == providers.RunWaiting {
				server.Hold(false)
			}
		}
		if got, want := strings.Join(phases, " "), map[bool]string{false: "queued waiting passed", true: "queued waiting failed"}[fails]; got != want {
			t.Errorf("got %s", got)
		}
		step, last, err := p.Failure(t.Context(), repo, ref.ID, 1)
		if fails && (err != nil || !strings.HasPrefix(step.String(), "Check the credential") || len(last) != 1 || last[0].String() != "error: the token has ended") || !fails && !step.IsZero() {
			t.Errorf("%s %v %v", step, last, err)
		}
		if _, err := p.Look(t.Context(), repo, "../x"); err == nil {
			t.Error("an id that is none")
		}
	}
}

// The log-in of the az CLI is asked for tokens when one is needed, and again when it ends; a Server takes none.
func TestAzLogin(t *testing.T) {
	t.Parallel()
	server, w, base := newWorldAt(t)
	asked := 0
	host := providers.Host{
		Getenv: func(string) string { return "" }, Home: "/home/ada",
		ReadFile: func(path string) ([]byte, error) {
			if filepath.ToSlash(path) != "/home/ada/.azure/azureProfile.json" {
				return nil, os.ErrNotExist
			}
			return []byte("\ufeff{\"subscriptions\":[{}]}"), nil
		},
		Run: func(_ context.Context, name string, args ...string) ([]byte, error) {
			asked++
			if name != "az" || !slices.Contains(args, "499b84ac-1321-427f-aa17-267ca6975798") {
				return nil, errors.New("not asked for Azure DevOps")
			}
			var out []byte
			err := server.Token().Use(func(b []byte) error {
				out = fmt.Appendf(nil, `{"accessToken":%q,"expires_on":%d}`, b, time.Now().Add(time.Hour).Unix())
				return nil
			})
			return out, err
		},
	}
	address, login, err := azuredevops.FindLogin(host)
	if err != nil || address != "https://dev.azure.com" || login.Source != "az login" || asked != 0 {
		t.Fatalf("%s, %+v, %v, asked %d times", address, login, err, asked)
	}
	p := azuredevops.New(providers.Options{Server: base, Login: login, Wire: w.Wire()})
	v := testkit.Canary(t)
	if _, err := p.Put(t.Context(), target("acme/data/group:astro-etl", name), v, meta); err != nil {
		t.Error(err)
	}
	if got, _, err := server.Open("astro-etl", name); err != nil || !got.Equal(v) || asked != 1 {
		t.Errorf("%v, asked %d times", err, asked)
	}
	host.Getenv = func(k string) string {
		return map[string]string{"AZDO_ORG_SERVICE_URL": "https://tfs.corp/tfs/Coll"}[k]
	}
	if _, _, err := azuredevops.FindLogin(host); !errors.Is(err, providers.ErrNoLogin) {
		t.Errorf("a Server: %v", err)
	}
}
