package cli_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/astrod"
	"github.com/astro-ci/astro-ci/internal/sandbox/githubd"
	"github.com/astro-ci/astro-ci/internal/sandbox/released"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// far is a listener to which the way is long: TCP and TLS take a way there and back each before the first
// request, and each request takes one more. Otherwise the network would be free here, and so would requests.
type far struct {
	net.Listener
	trip time.Duration
}

func (f far) Accept() (net.Conn, error) {
	c, err := f.Listener.Accept()
	return &distant{Conn: c, trip: f.trip}, err
}

type distant struct {
	net.Conn
	trip    time.Duration
	arrived sync.Once
}

func (d *distant) Read(p []byte) (int, error) {
	d.arrived.Do(func() { <-time.After(2 * d.trip) })
	return d.Conn.Read(p)
}

// remote is an Astro, a GitHub and a host of releases behind https, each of them far away, and a computer
// with a project on which somebody has logged in with the astro CLI.
type remote struct {
	b                     *testing.B
	trip                  time.Duration
	astro                 *astrod.Server
	hub                   *githubd.Server
	atAstro, atHub, atRel string
	home, project         string
	env                   []string // what every program gets
}

func newRemote(b *testing.B, trip time.Duration) *remote {
	b.Helper()
	r := &remote{b: b, trip: trip, home: b.TempDir(), project: b.TempDir()}
	var err error
	if r.astro, err = astrod.New(astrod.Options{}); err != nil {
		b.Fatal(err)
	}
	if r.hub, err = githubd.New(githubd.Options{}); err != nil {
		b.Fatal(err)
	}
	if err := sandbox.SampleProject(r.project); err != nil {
		b.Fatal(err)
	}
	r.atAstro = r.serve(r.astro.Handler())
	r.atHub = r.serve(http.StripPrefix("/api/v3", r.hub.Handler())) // where gh looks on a server of one's own
	r.atRel = r.serve(released.Handler(pipeline.Pins().CLI))
	r.env = []string{"HOME=" + r.home, "LANG=C.UTF-8", "SSL_CERT_FILE=" + filepath.Join(r.home, "trusted.pem")}
	org, ws, _ := r.astro.Find("Data Platform", "etl-prod")
	r.write(".astro/config.yaml", fmt.Sprintf(`
context: localhost
contexts:
  localhost:
    domain: localhost
    organization: %s
    organization_product: HOSTED
    workspace: %s
    token: Bearer %s
    expiresin: %s
local:
  core: %s
  platform: cloud
upgrade_message: "false"
`, org, ws, shown(r.login()), time.Now().Add(time.Hour).Format(time.RFC3339), r.atAstro))
	return r
}

func (r *remote) login() *secret.Value { return r.astro.Login(sandbox.User) }

// serve serves h far away and returns its address; every program trusts its certificate.
func (r *remote) serve(h http.Handler) string {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		<-time.After(r.trip)
		h.ServeHTTP(w, req)
	}))
	server.Listener, server.EnableHTTP2 = far{server.Listener, r.trip}, true
	server.StartTLS()
	r.b.Cleanup(server.Close)
	r.write("trusted.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
	return server.URL
}

// write writes a file below the home folder.
func (r *remote) write(file, text string) {
	r.b.Helper()
	path := filepath.Join(r.home, filepath.FromSlash(file))
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, []byte(text), 0o600)
	}
	if err != nil {
		r.b.Fatal(err)
	}
}

// run runs a program in the project and says how long it took.
func (r *remote) run(input string, env []string, program string, args ...string) (out string, took time.Duration) {
	r.b.Helper()
	cmd := exec.CommandContext(r.b.Context(), program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &stdout, &stderr
	cmd.Dir, cmd.Env = r.project, slices.Concat(r.env, env)
	begin := time.Now()
	err := cmd.Run()
	took = time.Since(begin)
	if err != nil {
		r.b.Fatalf("%s: %v\n%s%s", filepath.Base(program), err, &stdout, &stderr)
	}
	return stdout.String(), took
}

// holds stops the benchmark unless the secret holds a token of Astro.
func (r *remote) holds(name string) {
	r.b.Helper()
	v, err := r.hub.OpenRepo("acme", "etl", name)
	if err != nil {
		r.b.Fatal(err)
	}
	if !slices.ContainsFunc(r.astro.Tokens(), func(t astrod.Token) bool { return r.astro.Accepts(v, t.ID) }) {
		r.b.Fatalf("the secret %s holds no token", name)
	}
}

func shown(v *secret.Value) (s string) {
	_ = v.Use(func(b []byte) error { s = string(b); return nil })
	return s
}

// peer is a program by somebody else.
func peer(b *testing.B, name string) string {
	b.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		b.Fatalf("%s is not there to compare with: make peers", name)
	}
	return path
}

// How long a whole set-up takes, compared with two commands: the astro CLI makes the token, gh keeps it. Those
// check nothing beforehand, prove nothing, and write no pipeline. Astro's log-in is given to astro-ci in a
// variable, or astro-ci asks the astro CLI for it.
func BenchmarkSetup(b *testing.B) {
	program, astro, gh := built(b, "../../cmd/astro-ci"), peer(b, "astro"), peer(b, "gh")
	for _, trip := range []time.Duration{0, 20 * time.Millisecond} {
		for _, given := range []bool{true, false} {
			b.Run(fmt.Sprintf("trip=%s/given=%t", trip, given), func(b *testing.B) {
				var r *remote
				ours := func() time.Duration {
					r = newRemote(b, trip)
					env := []string{
						"ASTRO_CI_ASTRO_URL=" + r.atAstro + "/v1", "ASTRO_CI_GITHUB_URL=" + r.atHub + "/api/v3", "GH_TOKEN=" + shown(r.hub.Token()),
						"ASTRO_CI_RELEASES_URL=" + r.atRel + "/releases/download", "ASTRO_CI_UPDATES_URL=" + r.atRel + "/astro-cli", "PATH=" + filepath.Dir(astro),
					}
					if given {
						env = append(env, "ASTRO_API_TOKEN="+shown(r.login()))
					}
					_, took := r.run("", env, program, "setup", "--no-input", "--yes", "--credential", "deployment-token", "--workspace", "Data Platform",
						"--deployment", "etl-prod", "--role", "DEPLOYMENT_ADMIN", "--expires-in", "90d", "--platform", "github", "--repo", "acme/etl", "--json")
					r.holds("ASTRO_API_TOKEN")
					return took
				}
				theirs := func() time.Duration {
					_, _, deployment := r.astro.Find("Data Platform", "etl-prod")
					token, made := r.run("", []string{"ASTRO_TELEMETRY_DISABLED=1"}, astro, "deployment", "token", "create", "--deployment-id", deployment,
						"--name", "by hand", "--role", "DEPLOYMENT_ADMIN", "--expiration", "90", "--clean-output")
					_, kept := r.run(token, []string{"GH_HOST=" + strings.TrimPrefix(r.atHub, "https://"), "GH_ENTERPRISE_TOKEN=" + shown(r.hub.Token())},
						gh, "secret", "set", "BY_HAND", "--repo", "acme/etl")
					r.holds("BY_HAND")
					return made + kept
				}
				ratio(b, ours, theirs)
			})
		}
	}
}
