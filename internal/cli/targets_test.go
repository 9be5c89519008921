package cli_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/vaultd"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// One credential in several places: a set-up writes them all, a rotation too; a place is added and taken
// away by one command each, and one that fails does not keep the others from getting the token.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	args := append(slices.Clone(byFlags), "--also", "vault:secret/astro/etl,aws-ssm:/astro/etl=OTHER_NAME")
	if _, stderr, code := p.run(args...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	holds := func(what string, want bool) {
		t.Helper()
		v, err := s.Vault().Open("", "secret/astro/etl", "ASTRO_API_TOKEN")
		switch what {
		case "aws":
			v, err = s.AWS().Open("/astro/etl/OTHER_NAME")
		case "secrets manager":
			v, err = s.AWS().Open("astro/etl/ASTRO_API_TOKEN")
		case "github":
			v, err = s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN")
		}
		tokens := s.Astro().Tokens()
		if is := err == nil && s.Astro().Accepts(v, tokens[len(tokens)-1].ID); is != want {
			t.Errorf("%s holds the newest token: %v, %v", what, is, err)
		}
	}
	for _, what := range []string{"vault", "aws", "github"} {
		holds(what, true)
	}
	if out, _, code := p.run("targets", "etl-prod"); code != 0 || !strings.Contains(out, "github:acme/etl/ASTRO_API_TOKEN, the pipeline reads it\nvault:secret/astro/etl/ASTRO_API_TOKEN\n") {
		t.Errorf("list: exit %d: %s", code, out)
	}

	if out, _, code := p.run("targets", "etl-prod", "--json"); code != 0 || !strings.HasPrefix(out, `[{"target":"github:acme/etl/ASTRO_API_TOKEN","read":true},{"target":"vault:secret/astro/etl/ASTRO_API_TOKEN","read":false},`) {
		t.Errorf("list: exit %d: %s", code, out)
	}

	// A rotation with one target that refuses: the others have the new token, and the old one lives.
	n := len(s.Astro().Tokens())
	s.Vault().Refuse(true)
	out, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms")
	if code != 1 && code != 4 && code != 5 || len(s.Astro().Tokens()) != n {
		t.Errorf("nothing is made before it is known that it can be stored: exit %d: %s%s", code, out, stderr)
	}
	s.Vault().Refuse(false)
	s.Vault().RefuseWrites(true)
	out, stderr, code = p.run("rotate", "etl-prod", "--yes", "--no-input", "--drain", "1ms", "--json")
	for _, x := range []string{`"target":"github:acme/etl/ASTRO_API_TOKEN","state":"done","detail":"proof: metadata"`, `"target":"vault:secret/astro/etl/ASTRO_API_TOKEN","state":"failed","detail":"vault: `, `"target":"aws-ssm:/astro/etl/OTHER_NAME","state":"done"`} {
		if !strings.Contains(out, x) {
			t.Errorf("the result does not name %s: %s", x, out)
		}
	}
	if code != 5 || !strings.Contains(out, "astro-ci resume etl-prod") || len(s.Astro().Tokens()) != n+1 || !strings.Contains(stderr, "vault:") {
		t.Fatalf("one target refuses: exit %d: %s%s", code, out, stderr)
	}
	holds("github", true)
	holds("aws", true)
	holds("vault", false)
	s.Vault().RefuseWrites(false)
	if out, stderr, code = p.run("resume", "--wait"); code != 0 || len(s.Astro().Tokens()) != n {
		t.Fatalf("resume: exit %d: %s%s", code, out, stderr)
	}
	holds("vault", true)

	if _, stderr, code := p.run("targets", "add", "etl-prod", "vault:secret/astro/etl", "--yes"); code != 2 || !strings.Contains(stderr, "already") {
		t.Errorf("twice the same: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("targets", "add", "etl-prod", "nonsense", "--yes"); code != 2 || !strings.Contains(stderr, "STORE:ADDRESS") {
		t.Errorf("no target: exit %d: %s", code, stderr)
	}
	if out, stderr, code := p.run("targets", "add", "etl-prod", "aws-secrets-manager:astro/etl", "--yes", "--no-input", "--wait", "--drain", "1ms"); code != 0 || len(s.Astro().Tokens()) != n {
		t.Fatalf("add: exit %d: %s%s", code, out, stderr)
	}
	for _, what := range []string{"vault", "aws", "github", "secrets manager"} {
		holds(what, true)
	}
	if _, stderr, code := p.run("targets", "remove", "etl-prod", "github:acme/etl/ASTRO_API_TOKEN", "--yes"); code != 2 || !strings.Contains(stderr, "pipeline") {
		t.Errorf("the one that the pipeline reads: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("targets", "remove", "etl-prod", "aws-ssm:/astro/etl/OTHER_NAME", "--no-input"); code != 3 || !strings.Contains(stderr, "--yes") {
		t.Errorf("no confirmation: exit %d: %s", code, stderr)
	}
	if out, stderr, code := p.run("targets", "remove", "etl-prod", "aws-ssm:/astro/etl/OTHER_NAME", "--dry-run", "--json"); code != 0 || out != `{"state":"planned","target":"aws-ssm:/astro/etl/OTHER_NAME"}`+"\n" {
		t.Errorf("a look: exit %d: %s%s", code, out, stderr)
	}
	for _, given := range []string{"aws-ssm:/astro/etl", "aws-ssm:/astro/etl=OTHER_NAME"} { // as targets add takes it
		if out, stderr, code := p.run("targets", "remove", "etl-prod", given, "--dry-run"); code != 0 || !strings.Contains(out, "aws-ssm:/astro/etl/OTHER_NAME") {
			t.Errorf("%s: exit %d: %s%s", given, code, out, stderr)
		}
	}
	if out, stderr, code := p.run("targets", "remove", "etl-prod", "aws-ssm:/astro/etl/OTHER_NAME", "--yes"); code != 0 {
		t.Fatalf("remove: exit %d: %s%s", code, out, stderr)
	}
	if _, err := s.AWS().Open("/astro/etl/OTHER_NAME"); err == nil {
		t.Error("the removed secret is still there")
	}
	if out, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input", "--wait", "--drain", "1ms"); code != 0 || strings.Contains(out+stderr, "OTHER_NAME") {
		t.Errorf("a rotation after it: exit %d: %s%s", code, out, stderr)
	}
	for _, what := range []string{"vault", "github", "secrets manager"} {
		holds(what, true)
	}
	assertNoToken(t, p)
}

// Copies for tools beside the pipelines: files that age and sops have encrypted.
func TestEncryptedCopies(t *testing.T) {
	t.Parallel()
	testkit.Need(t, "sops", "age")
	p, s := online(t)
	p.env = append(p.env, "PATH="+os.Getenv("PATH"))
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	args := append(slices.Clone(byFlags), "--also", "age:secrets/astro,sops:secrets/prod.yaml")
	before := len(s.Astro().Tokens())
	if _, stderr, code := p.run(args...); code == 0 || !strings.Contains(stderr, ".age-recipients") || len(s.Astro().Tokens()) != before {
		t.Errorf("nobody to encrypt for: exit %d: %s", code, stderr)
	}
	p.write(".age-recipients", key.Recipient().String()+"\n")
	p.write(".sops.yaml", "creation_rules: [{age: "+key.Recipient().String()+"}]\n")
	p.env = append(p.env, "SOPS_AGE_KEY="+key.String())
	n := len(s.Astro().Tokens())
	stdout, stderr, code := p.run(append(args, "--json")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if strings.Count(stdout, `"proof":"read-back"`) != 2 {
		t.Errorf("got %s", stdout)
	}
	tokens := s.Astro().Tokens()
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(tokens) != n+1 || !s.Astro().Accepts(secret.New(testkit.Output(t, "", "age", "-d", "-i", file, filepath.Join(p.dir, "secrets", "astro", "ASTRO_API_TOKEN.age"))), tokens[n].ID) {
		t.Error("the file is not the token")
	}
	got, err := testkit.Program("sops", p.dir, "SOPS_AGE_KEY="+key.String())(t.Context(), nil, "decrypt", "--extract", `["ASTRO_API_TOKEN"]`, "secrets/prod.yaml")
	if err != nil || !s.Astro().Accepts(secret.New(got), tokens[n].ID) {
		t.Errorf("the key is not the token: %v", err)
	}
	assertNoToken(t, p)
}

// Every backend takes the secret in the sandbox, as the place that runs read and as a copy; a rotation
// writes them all.
func TestBackendsInTheSandbox(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	base := []string{"setup", "--sandbox", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--platform", "github", "--repo", "acme/etl"}
	copies := "vault:secret/copy,aws-secrets-manager:copy,aws-ssm:/copy,gcp-secret-manager:sandbox-project/copy,azure-key-vault:sandbox-vault/copy,doppler:etl/prd,onepassword:ci/copy"
	stdout, stderr, code := p.run(append(slices.Clone(base), "--also", copies)...)
	if code != 0 || strings.Count(stdout, `"proof":"read-back"`) != strings.Count(copies, ",")+1 {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	if out, stderr, code := p.run("rotate", "etl-prod", "--sandbox", "--yes", "--no-input", "--wait", "--drain", "1ms", "--json"); code != 0 || !strings.Contains(out, `"state":"done"`) {
		t.Fatalf("rotate: exit %d: %s%s", code, out, stderr)
	}
	roles := map[string]string{
		"gcp-secret-manager:sandbox-project/etl": "projects/123456789012/locations/global/workloadIdentityPools/ci-pool/providers/ci-runs",
		"azure-key-vault:sandbox-vault/etl":      "11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222",
		"vault:secret/astro/etl":                 "", "aws-ssm:/astro/etl": "", "aws-secrets-manager:astro/etl": "", // proposed
	}
	for at, role := range roles {
		store, _, _ := strings.Cut(at, ":")
		args := append(slices.Clone(base), "--target", at, "--name", "read-"+store)
		if role != "" {
			if _, stderr, code := p.run(args...); code != 3 || !strings.Contains(stderr, "--reader") {
				t.Errorf("%s without a role: exit %d: %s", at, code, stderr)
			}
			args = append(args, "--reader", role)
		}
		stdout, stderr, code := p.run(args...)
		if code != 0 || !strings.Contains(stdout, `"proof":"read-back"`) || !strings.Contains(stdout, "astro-ci-read-"+store+"-grant.sh") {
			t.Errorf("%s: exit %d: %s%s", at, code, stdout, stderr)
		}
	}
	// CircleCI and Bitbucket are asked for their ids, and Drone has an extension.
	for platform, about := range map[string][2]string{
		"circleci": {"gh/acme/etl", "vault:secret/astro/circle"}, "bitbucket": {"acme/etl", "aws-ssm:/astro/bucket"}, "drone": {"acme/etl", "vault:secret/astro/drone"},
	} {
		args := append(slices.Clone(base), "--platform", platform, "--repo", about[0], "--target", about[1], "--name", "read-"+platform)
		stdout, stderr, code := p.run(args...)
		if code != 0 || !strings.Contains(stdout, `"proof":"read-back"`) || !strings.Contains(stdout, "astro-ci-read-"+platform+"-grant.sh") {
			t.Errorf("%s: exit %d: %s%s", platform, code, stdout, stderr)
		}
	}
	if stdout, stderr, code := p.run(append(slices.Clone(base), "--platform", "circleci", "--repo", "gh/acme/etl", "--target", "vault:secret/astro/x", "--name", "x", "--reader-runs", "acme/etl")...); code == 0 || !strings.Contains(stderr, "ORGANIZATION/PROJECT/ORIGIN") {
		t.Errorf("ids that are none: exit %d: %s%s", code, stdout, stderr)
	}
	// Azure DevOps reads from a vault by a service connection, whose name it takes.
	azure := []string{"setup", "--sandbox", "--no-input", "--yes", "--json", "--credential", "deployment-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--platform", "azure-devops", "--repo", "acme/data/etl", "--name", "azure", "--target", "azure-key-vault:sandbox-vault/az"}
	if _, stderr, code := p.run(azure...); code != 3 || !strings.Contains(stderr, "--reader-server") {
		t.Errorf("no connection: exit %d: %s", code, stderr)
	}
	if stdout, stderr, code := p.run(append(azure, "--reader-server", "Azure")...); code != 0 || !strings.Contains(stdout, "astro-ci-azure-grant.sh") || !strings.Contains(stdout, `"proof":"read-back"`) {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
}

// AWS is asked at the address that a variable names for the one service, or that the profile names, and
// nowhere else.
func TestEndpointsOfAWS(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"variable", "profile"} {
		p, s := online(t)
		at := ""
		for _, kv := range p.env {
			if v, ok := strings.CutPrefix(kv, "AWS_ENDPOINT_URL="); ok {
				at = v
			}
		}
		p.unset("AWS_ENDPOINT_URL")
		if way == "variable" {
			p.env = append(p.env, "AWS_ENDPOINT_URL=http://127.0.0.1:1", "AWS_ENDPOINT_URL_SSM="+at)
		} else {
			file := filepath.Join(t.TempDir(), "config")
			if err := os.WriteFile(file, []byte("[default]\nendpoint_url = "+at+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			p.env = append(p.env, "AWS_CONFIG_FILE="+file)
		}
		_, stderr, code := p.run(append(slices.Clone(byFlags), "--also", "aws-ssm:/astro/etl")...)
		if _, err := s.AWS().Open("/astro/etl/ASTRO_API_TOKEN"); code != 0 || err != nil {
			t.Errorf("%s: exit %d, %v: %s", way, code, err, stderr)
		}
	}
}

// A Vault whose certificate comes from an authority of one's own is trusted by the variable of Vault.
func TestVaultOfOnesOwnAuthority(t *testing.T) {
	t.Parallel()
	server, err := vaultd.New(embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewTLSServer(server.Handler())
	t.Cleanup(srv.Close)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	p, _ := online(t)
	p.unset("VAULT_ADDR", "VAULT_TOKEN")
	_ = server.Token().Use(func(b []byte) error {
		p.env = append(p.env, "VAULT_ADDR="+srv.URL, "VAULT_TOKEN="+string(b))
		return nil
	})
	args := append(slices.Clone(byFlags), "--also", "vault:secret/astro/etl")
	if _, stderr, code := p.run(args...); code == 0 || !strings.Contains(stderr, "certificate") {
		t.Errorf("an authority that nobody named: exit %d: %s", code, stderr)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	p.env = append(p.env, "VAULT_CACERT="+file)
	if _, stderr, code := p.run(args...); code != 0 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if _, err := server.Open("", "secret/astro/etl", "ASTRO_API_TOKEN"); err != nil {
		t.Error(err)
	}
}

// What targets add and remove do stands in astro-ci.yaml as well, or apply would take it back.
func TestTargetsAreNoted(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	const line = "      - vault:secret/astro/etl\n"
	noted := func(want bool) {
		t.Helper()
		if text := p.read("astro-ci.yaml"); strings.Contains(text, line) != want {
			t.Errorf("the file says\n%s", text)
		}
		if out, stderr, code := p.run("apply", "--dry-run"); code != 0 || strings.Contains(out, "does not name") || strings.Contains(out, "as well") {
			t.Errorf("apply: exit %d: %s%s", code, out, stderr)
		}
	}
	noted(false)
	if _, stderr, code := p.run("targets", "add", "etl-prod", "vault:secret/astro/etl", "--yes", "--no-input", "--wait", "--drain", "1ms"); code != 0 || !strings.Contains(stderr, "done: Note the places of the secret in astro-ci.yaml") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	noted(true)
	if _, stderr, code := p.run("targets", "remove", "etl-prod", "vault:secret/astro/etl/ASTRO_API_TOKEN", "--yes"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	noted(false)
	x := p.terminal("targets", "add", "etl-prod", "vault:secret/astro/etl", "--drain", "1h")
	x.WaitFor("Note the places of the secret")
	begin(x)
	x.WaitFor("Waiting for runs that may still use the old token")
	x.Send("q")
	p.ends(x, 5)
	if text := p.read("astro-ci.yaml"); !strings.Contains(text, line) || len(setupsOnAstro(s)) != 1 {
		t.Errorf("from the full screen: the file says\n%s", text)
	}
	if _, stderr, code := p.run("resume", "--forget-target", "vault:secret/astro/etl", "--confirm", "etl-prod", "--no-input"); code != 5 {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if text := p.read("astro-ci.yaml"); strings.Contains(text, line) {
		t.Errorf("given up: the file says\n%s", text)
	}
}
