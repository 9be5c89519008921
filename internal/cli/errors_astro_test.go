package cli_test

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
)

// on is a cause of a computer that is online; prepare makes it, the program runs into it.
func on(name string, prepare func(p *place, s *sandbox.Sandbox), args ...string) cause {
	return cause{name, func(t *testing.T) string {
		p, s := onlineAround(t, nil)
		prepare(p, s)
		return p.fails(args...)
	}}
}

// set replaces a variable of the environment.
func (p *place) set(name, value string) {
	p.unset(name)
	p.env = append(p.env, name+"="+value)
}

// astroAnswers lets the next request to Astro that matches be answered like this.
func astroAnswers(method, path string, status int, body string, header http.Header) func(*place, *sandbox.Sandbox) {
	return func(_ *place, s *sandbox.Sandbox) {
		s.Astro().Faults.Add(fault.Fault{Method: method, Path: path, Status: status, Header: header, Body: body, Times: 99})
	}
}

// astroAt puts something else where Astro is.
func astroAt(serve func(h http.Handler) *httptest.Server, h http.HandlerFunc) func(*place, *sandbox.Sandbox) {
	return func(p *place, _ *sandbox.Sandbox) {
		srv := serve(h)
		p.t.Cleanup(srv.Close)
		p.set("ASTRO_CI_ASTRO_URL", srv.URL+"/v1")
	}
}

// quietTLS is a server with a certificate that nobody knows; it does not say who turns away from it.
func quietTLS(h http.Handler) *httptest.Server {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	return srv
}

func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html")
	_, _ = w.Write([]byte("<html>welcome</html>"))
}

// causesOfAstro are the log-in to Astro, the way to it, and its answers.
func causesOfAstro() []cause {
	create := "/v1/organizations/*/tokens"
	later := http.Header{"Retry-After": {"3600"}}
	refuse := `{"message":"no","requestId":"r1"}`
	return []cause{
		on("no log-in to Astro", func(p *place, _ *sandbox.Sandbox) { p.unset("ASTRO_API_TOKEN", "ASTRO_HOME") }, "whoami"),
		on("no log-in to Astro for a set-up", func(p *place, _ *sandbox.Sandbox) { p.unset("ASTRO_API_TOKEN", "ASTRO_HOME") }, real()...),
		on("the log-in to Astro has ended", func(p *place, _ *sandbox.Sandbox) { p.set("ASTRO_API_TOKEN", "canary-ended") }, "whoami"),
		on("the log-in of the astro CLI has ended", func(p *place, _ *sandbox.Sandbox) {
			p.unset("ASTRO_API_TOKEN")
			p.write("astro/.astro/config.yaml", "context: localhost\ncontexts:\n  localhost:\n    domain: localhost\n    token: Bearer canary-ended\n    expiresin: \"2020-01-01T00:00:00Z\"\n")
			p.set("ASTRO_HOME", p.path("astro"))
		}, "whoami"),
		of("the astro CLI is logged in elsewhere", func(p *place) {
			p.write("astro/.astro/config.yaml", "context: evil.example.org\ncontexts:\n  evil_example_org:\n    domain: evil.example.org\n    token: Bearer canary\n")
			p.env = append(p.env, "ASTRO_HOME="+p.path("astro"))
		}, "whoami"),
		of("a domain that is not Astro's", func(p *place) {
			p.env = append(p.env, "ASTRO_DOMAIN=evil.example.org", "ASTRO_API_TOKEN=canary")
		}, "whoami"),
		of("an address of Astro without TLS", func(p *place) { p.env = append(p.env, "ASTRO_CI_ASTRO_URL=http://astro.example.org/v1") }, "whoami"),
		on("the keyring is locked", func(*place, *sandbox.Sandbox) {}, "login", "--login-link"),
		on("Astro is not there", func(p *place, _ *sandbox.Sandbox) {
			srv := httptest.NewServer(http.HandlerFunc(hello))
			srv.Close() // its port is free again
			p.set("ASTRO_CI_ASTRO_URL", srv.URL+"/v1")
		}, "whoami"),
		on("Astro's certificate is not known", astroAt(quietTLS, hello), "whoami"),
		on("TLS with something that speaks none", func(p *place, _ *sandbox.Sandbox) {
			srv := httptest.NewServer(http.HandlerFunc(hello))
			p.t.Cleanup(srv.Close)
			p.set("ASTRO_CI_ASTRO_URL", "https"+srv.URL[len("http"):]+"/v1")
		}, "whoami"),
		on("a page instead of an answer", astroAt(httptest.NewServer, hello), "whoami"),
		on("a redirect instead of an answer", astroAt(httptest.NewServer, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://evil.example.org/v1", http.StatusFound)
		}), "whoami"),
		on("an answer that is cut", astroAt(httptest.NewServer, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write([]byte(`{"organizations":[`))
		}), "whoami"),
		on("Astro has trouble", astroAnswers("", "", 503, refuse, later), "whoami"),
		on("Astro asks for fewer requests", astroAnswers("", "", 429, refuse, later), "whoami"),
		on("Astro does not let the log-in do it", astroAnswers("GET", "", 403, refuse, nil), "token", "list"),
		on("Astro does not let the log-in make tokens", astroAnswers("POST", create, 403, refuse, nil), real()...),
		on("Astro refuses a value", astroAnswers("POST", create, 400, `{"message":"Invalid","requestId":"r1","fieldErrors":[{"field":"name","message":"is taken"}]}`, nil), real()...),
		on("Astro breaks off in the middle of making a token", func(_ *place, s *sandbox.Sandbox) {
			s.Astro().Faults.Add(fault.Fault{Method: "POST", Path: create, Kind: fault.CutApplied, Times: 1})
			s.Astro().Faults.Add(fault.Fault{Method: "GET", Path: create, Status: 500, Header: later, Body: "{}", Times: 99, Skip: 1})
		}, real()...),
		on("a token that is not there", func(*place, *sandbox.Sandbox) {}, "token", "show", "nope"),
		on("a Workspace that is not there", func(*place, *sandbox.Sandbox) {}, "token", "list", "--workspace", "nope"),
		on("a legacy key that is refused", func(p *place, _ *sandbox.Sandbox) { p.set("ASTRONOMER_KEY_SECRET", "canary") },
			"setup", "--no-input", "--yes", "--credential", "deployment-key", "--workspace", "Data Platform", "--deployment", "etl-prod", "--platform", "github", "--repo", "acme/etl"),
		on("a legacy key of another Deployment", func(*place, *sandbox.Sandbox) {},
			"setup", "--no-input", "--yes", "--credential", "deployment-key", "--workspace", "Machine Learning", "--deployment", "ml-dev", "--platform", "github", "--repo", "acme/etl"),
		on("no log-in for the host of the repository", func(*place, *sandbox.Sandbox) {}, real("--repo", "https://github.example.org/acme/etl")...),
		on("a host that looks like the platform", func(p *place, _ *sandbox.Sandbox) {
			p.write(".git/config", "[remote \"origin\"]\n\turl = https://github.com.evil.example.org/acme/etl.git\n")
		}, "setup", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--role", "WORKSPACE_AUTHOR"),
		on("no log-in to AWS", func(p *place, _ *sandbox.Sandbox) {
			p.unset("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
			p.set("AWS_EC2_METADATA_DISABLED", "true")
		}, real("--also", "aws-ssm:/astro/etl")...),
		on("no region of AWS", func(p *place, _ *sandbox.Sandbox) { p.unset("AWS_REGION") }, real("--also", "aws-ssm:/astro/etl")...),
		on("a profile of AWS that is not there", func(p *place, _ *sandbox.Sandbox) { p.set("AWS_PROFILE", "nope") }, real("--also", "aws-ssm:/astro/etl")...),
		on("no log-in to Google", func(*place, *sandbox.Sandbox) {}, real("--also", "gcp-secret-manager:my-project/etl")...),
		on("no log-in to Azure", func(*place, *sandbox.Sandbox) {}, real("--also", "azure-key-vault:my-vault/etl")...),
		on("no program sops", func(*place, *sandbox.Sandbox) {}, real("--also", "sops:secrets/astro.yaml")...),
		on("no key of age", func(*place, *sandbox.Sandbox) {}, real("--also", "age:secrets/astro")...),
		on("a platform that keeps no secrets", func(*place, *sandbox.Sandbox) {}, real("--also", "codebuild:etl")...),
		{"a token without a confirmation", func(t *testing.T) string {
			p, s := onlineAround(t, nil)
			_, workspace, _ := s.Astro().Find("Data Platform", "etl-prod")
			id := s.Astro().AddToken(astrod.Token{Name: "old", Scope: "WORKSPACE", Role: "WORKSPACE_MEMBER", Entity: workspace, Days: 30})
			return p.fails("token", "revoke", id, "--no-input")
		}},
		{"a log-in without the scope workflow", func(t *testing.T) string {
			p, s := onlineAround(t, nil)
			s.GitHub().SetScopes([]string{"repo"})
			if err := os.RemoveAll(filepath.Join(p.dir, ".github")); err != nil {
				t.Fatal(err)
			}
			return p.fails(slices.Concat(real(), []string{"--deliver", "pull-request", "--branch", "main"})...)
		}},
	}
}
