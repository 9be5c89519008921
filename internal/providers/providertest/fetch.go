package providertest

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/providers/aws"
	"github.com/astro-ci/astro-ci/internal/providers/google"
	"github.com/astro-ci/astro-ci/internal/providers/keyvault"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/sandbox/awsd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/googled"
	"github.com/astro-ci/astro-ci/internal/sandbox/keyvaultd"
	"github.com/astro-ci/astro-ci/internal/sandbox/vaultd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// FetchSubject is a platform whose runs read the token from a backend by an identity of their own.
type FetchSubject struct {
	Platform string
	Render   func(setup.Plan) ([]byte, error)
	Fits     func(raw []byte) error
	Job      func(raw []byte, secrets map[string]string, before, after string) (script string, env map[string]string, err error)
	// Repository is acme/etl as the platform calls it, and Runs what it knows its runs by; zero where the
	// path says it all.
	Repository setup.Repository
	Runs       string
	// Says is what an identity says about a run of acme/etl, or of another repository, on a branch; nil:
	// the subject that the backend is told.
	Says func(other bool, branch string) map[string]string
	// Vouch puts into the environment of a job what the platform does, so that it gets an identity for an
	// audience; bin is a folder for programs that the platform has on its runners.
	Vouch func(t *testing.T, raw []byte, env map[string]string, bin string, mint func(audience string) string)
}

// source is an embedded backend with one token in it.
type source struct {
	at      setup.Target
	reader  setup.Reader
	replace []string // addresses in the script, and where they are served here
}

// pool is the provider of a workload identity pool that knows the runs.
const pool = "projects/123456789012/locations/global/workloadIdentityPools/ci-pool/providers/ci-runs"

// sources are the embedded backends, by id: each holds the token, and takes the word of the voucher for
// one subject and audience.
var sources = map[string]func(t *testing.T, trust embedded.Trust, token string) source{
	vault.ID: func(t *testing.T, trust embedded.Trust, token string) source {
		s, err := vaultd.New(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		trust.Reads = "secret/astro/acme/etl"
		s.Trust(vaultd.Namespace, "jwt/astro-ci-etl", trust)
		s.Write(vaultd.Namespace, trust.Reads, map[string]string{setup.TokenVariable: token, "OTHER": "no"})
		return source{
			at:      setup.Target{Store: vault.ID, Address: trust.Reads, Secret: setup.TokenVariable},
			reader:  setup.Reader{Server: "https://vault.example.com:8200", Namespace: vaultd.Namespace, Role: "jwt/astro-ci-etl"},
			replace: []string{"https://vault.example.com:8200/", served(t, s.Handler()) + "/"},
		}
	},
	aws.SecretsManager: func(t *testing.T, trust embedded.Trust, token string) source {
		return amazon(t, trust, token, setup.Target{Store: aws.SecretsManager, Address: "astro/acme/etl", Secret: setup.TokenVariable})
	},
	google.SecretManager: func(t *testing.T, trust embedded.Trust, token string) source {
		s, err := googled.New(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		at := setup.Target{Store: google.SecretManager, Address: googled.Project + "/etl", Secret: setup.TokenVariable}
		_, trust.Reads = google.ID(at)
		s.Trust(pool, trust)
		s.Write(trust.Reads, token)
		here := served(t, s.Handler()) + "/"
		return source{at: at, reader: setup.Reader{Role: pool}, replace: []string{"https://sts.googleapis.com/", here, "https://secretmanager.googleapis.com/", here}}
	},
	keyvault.KeyVault: func(t *testing.T, trust embedded.Trust, token string) source {
		s, err := keyvaultd.New(embedded.Options{})
		if err != nil {
			t.Fatal(err)
		}
		const app = "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222"
		at := setup.Target{Store: keyvault.KeyVault, Address: keyvaultd.Vault + "/etl", Secret: setup.TokenVariable}
		_, trust.Reads = keyvault.ID(at)
		s.Trust(app, trust)
		s.Write(trust.Reads, token)
		here := served(t, s.Handler()) + "/"
		return source{at: at, reader: setup.Reader{Role: app}, replace: []string{"https://login.microsoftonline.com/", here, "https://" + keyvaultd.Vault + ".vault.azure.net/", here + keyvaultd.Vault + "/"}}
	},
	aws.SSM: func(t *testing.T, trust embedded.Trust, token string) source {
		return amazon(t, trust, token, setup.Target{Store: aws.SSM, Address: "/astro/acme/etl", Secret: setup.TokenVariable})
	},
}

func amazon(t *testing.T, trust embedded.Trust, token string, at setup.Target) source {
	t.Helper()
	s, err := awsd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const role = "arn:aws:iam::" + awsd.Account + ":role/ci/astro-ci-etl"
	trust.Reads = aws.ID(at)
	s.Trust(role, trust)
	s.Add(at.Store == aws.SSM, aws.ID(at), token)
	here := served(t, s.Handler()) + "/"
	out := source{at: at, reader: setup.Reader{Server: awsd.Region, Role: role}}
	for _, service := range []string{"sts", "secretsmanager", "ssm"} {
		out.replace = append(out.replace, "https://"+service+"."+awsd.Region+".amazonaws.com/", here)
	}
	return out
}

// Fetches runs the suite: the rendered job is executed in three shells, against each embedded backend.
func Fetches(t *testing.T, s FetchSubject) {
	platform := s.Platform
	for _, id := range fetch.For(platform) {
		if !fetch.Possible(platform, id) {
			continue
		}
		t.Run("the token is read from "+id, func(t *testing.T) {
			s.fetches(t, id)
		})
	}
}

func (s FetchSubject) fetches(t *testing.T, id string) {
	r := testkit.NewRunner(t)
	token := testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour))
	voucher := embedded.NewVoucher()

	// The grant says whom the backend lets in; the backend is made for it.
	made := sources[id]
	if made == nil {
		t.Fatalf("there is no embedded %s", id)
	}
	p := s.plan(made(t, embedded.Trust{}, token))
	file, _, err := fetch.Grant(p)
	if err != nil {
		t.Fatal(err)
	}
	testkit.Shellcheck(t, file.Content)
	trust := grants[id](t, string(file.Content))
	trust.Voucher = voucher
	src := made(t, trust, token)
	p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": r.Sum, "linux_arm64": r.Sum}
	raw, err := s.Render(p)
	if err == nil {
		err = s.Fits(raw)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	says := s.Says
	if says == nil {
		who, err := fetch.Who(p)
		if err != nil {
			t.Fatal(err)
		}
		says = func(other bool, branch string) map[string]string {
			subject := strings.Replace(strings.TrimSuffix(who.Subject, "*"), "main", branch, 1)
			if other {
				subject = strings.Replace(subject, "etl", "other", 1)
			}
			return map[string]string{"sub": subject}
		}
	}
	run := func(shell []string, who map[string]string) (string, bool, []byte) {
		t.Helper()
		script, env, err := s.Job(raw, nil, strings.Repeat("a", 40), strings.Repeat("b", 40))
		if err != nil {
			t.Fatal(err)
		}
		bin := t.TempDir()
		seen := r.Watch(bin, "curl")
		env["PATH"] = r.Path(bin)
		var minted []*secret.Value
		s.Vouch(t, raw, env, bin, func(audience string) string {
			jwt := voucher.Mint(audience, who)
			minted = append(minted, secret.New([]byte(jwt)))
			return jwt
		})
		here := strings.NewReplacer(append(src.replace, "--proto '=https'", "--proto '=http'")...)
		for k, v := range env {
			env[k] = here.Replace(v)
		}
		out, ok := r.Run(shell, here.Replace(script), env)
		arguments, _ := os.ReadFile(seen)
		for _, v := range append(minted, secret.New([]byte(token))) {
			testkit.MustNotLeak(t, v, arguments, unmasked(out))
		}
		if len(minted) == 0 {
			t.Error("nobody asked for an identity")
		}
		return out, ok, arguments
	}
	for _, shell := range [][]string{{"sh"}, {"bash"}, {"busybox", "sh"}} {
		out, ok, arguments := run(shell, says(false, "main"))
		if called := r.Called(); !ok || called != "deploy "+someID+" --force --workspace-id "+someID || len(arguments) == 0 {
			t.Errorf("%v: %v, called %q: %s", shell, ok, called, out)
		}
	}
	// A run of somebody else.
	if out, ok, _ := run([]string{"sh"}, says(true, "main")); ok || r.Called() != "" || !strings.Contains(out, "Does ") {
		t.Errorf("another repository: %v: %s", ok, out)
	}
	// Runs of other branches, also of ones whose names pretend; where the backend sees no branch, the grant
	// says so.
	blind := strings.Contains(string(file.Content), "on every branch")
	for _, branch := range []string{"feature", "mainly", "x/main", "x/vcs-origin/github.com/acme/etl/vcs-ref/refs/heads/main"} {
		if trust.Takes(voucher.Mint(trust.Audience, says(false, branch))) != blind {
			t.Errorf("a run on the branch %s: refused %v, in the face of\n%s", branch, blind, file.Content)
		}
	}
	if trust.Takes(voucher.Mint("somebody-else", says(false, "main"))) {
		t.Error("an identity for somebody else is taken")
	}
}

func (s FetchSubject) plan(src source) setup.Plan {
	p := PipelinePlan(setup.WorkspaceToken, src.at)
	p.Platform, p.Pipeline.Reader = s.Platform, src.reader
	p.Pipeline.Reader.Runs = s.Runs
	if !s.Repository.IsZero() {
		p.Repository = s.Repository
	}
	return p
}

// served is where an embedded server is served.
func served(t *testing.T, h http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// unmasked is what a job said, without the lines by which a platform is told what to mask.
func unmasked(out string) []byte {
	lines := slices.DeleteFunc(strings.Split(out, "\n"), func(l string) bool { return strings.HasPrefix(l, "::add-mask::") })
	return []byte(strings.Join(lines, "\n"))
}
