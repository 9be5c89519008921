package cli_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// card is the command of the first issue, word by word.
var card = []string{
	"setup", "--sandbox", "--no-input", "--yes", "--credential", "workspace-token", "--workspace", "Data Platform", "--role", "WORKSPACE_AUTHOR",
	"--expires-in", "90d", "--platform", "github", "--repo", "acme/etl", "--deploy", "infer", "--json",
}

var jwt = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+\.[\w-]*`)

func TestSetUpWithoutATerminal(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, stderr, code := p.run(card...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := decode(t, stdout)
	if r.Token == nil || r.Token.Scope != "WORKSPACE" || r.Token.Role != "WORKSPACE_AUTHOR" || r.Token.ShortToken == "" || r.Token.ExpiresAt == "" {
		t.Errorf("token is %+v", r.Token)
	}
	if len(r.Targets) != 1 || r.Targets[0].Target != "github:acme/etl/ASTRO_API_TOKEN" || r.Targets[0].State != "done" || r.Targets[0].Proof != "metadata" {
		t.Errorf("targets are %+v", r.Targets)
	}
	if !r.Pipeline.Changed || p.workflows()[filepath.Base(r.Pipeline.File)] == "" {
		t.Errorf("pipeline is %+v, files are %v", r.Pipeline, p.workflows())
	}
	for _, a := range r.Actions {
		if a.State != "done" {
			t.Errorf("%s is %s", a.Key, a.State)
		}
	}

	// Once more: the secret is replaced, the file stays as it is.
	stdout, stderr, code = p.run(card...)
	again := decode(t, stdout)
	if code != 0 || again.Pipeline.Changed || again.Token.ID == r.Token.ID {
		t.Errorf("the second time: exit %d, %+v, %s", code, again, stderr)
	}
	assertNoToken(t, p, stdout, stderr)
}

// assertNoToken looks for anything like a token in what was printed and in every file.
func assertNoToken(t testing.TB, p *place, printed ...string) {
	t.Helper()
	for _, s := range printed {
		if jwt.MatchString(s) {
			t.Error("a token was printed")
		}
	}
	seen := 0
	err := filepath.WalkDir(p.home, func(file string, d os.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(file)
		if jwt.Match(b) {
			t.Errorf("a token stands in %s", file)
		}
		seen++
		return err
	})
	if err != nil || seen == 0 {
		t.Errorf("looked at %d files: %v", seen, err)
	}
}

func TestMissingAnswersAreListedAtOnce(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, stderr, code := p.run("setup", "--sandbox", "--no-input", "--json")
	if code != 3 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	var flags []string
	for _, m := range decode(t, stdout).Missing {
		flags = append(flags, m.Flag)
		if m.Key == "" || m.Flag != "--yes" && m.Variable == "" {
			t.Errorf("%s lacks its variable or key: %+v", m.Flag, m)
		}
	}
	if want := []string{"--credential", "--workspace", "--deployment", "--role", "--yes"}; !slices.Equal(flags, want) {
		t.Errorf("missing %v, want %v", flags, want)
	}
	for _, want := range []string{"--credential", "ASTRO_CI_CREDENTIAL", "--workspace", "ASTRO_CI_WORKSPACE", "--role", "--yes"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%s is not said: %s", want, stderr)
		}
	}
	if len(p.workflows()) != 0 {
		t.Error("something was written")
	}
}

func TestVariablesAnswerToo(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	p.env = []string{"ASTRO_CI_CREDENTIAL=deployment-token", "ASTRO_CI_WORKSPACE=Machine Learning", "ASTRO_CI_DEPLOYMENT=ml-prod", "ASTRO_CI_EXPIRES_IN=45d", "ASTRO_CI_ENVIRONMENT=production"}
	stdout, stderr, code := p.run("setup", "--sandbox", "--no-input", "--yes", "--json")
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := decode(t, stdout)
	if r.Token.Scope != "DEPLOYMENT" || r.Targets[0].Target != "github:acme/etl#production/ASTRO_API_TOKEN" {
		t.Errorf("got %+v", r)
	}
}

func TestDryRunTouchesNothing(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	args := append(slices.Clone(card), "--dry-run")
	stdout, stderr, code := p.run(args...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	r := decode(t, stdout)
	if r.Token != nil || len(p.workflows()) != 0 {
		t.Errorf("token %+v, files %v", r.Token, p.workflows())
	}
	var planned []string
	for _, a := range r.Actions {
		planned = append(planned, a.Key)
		if a.State != "planned" {
			t.Errorf("%s is %s", a.Key, a.State)
		}
	}
	real, _, _ := p.run(card...)
	var done []string
	for _, a := range decode(t, real).Actions {
		done = append(done, a.Key)
	}
	if !slices.Equal(planned, done) {
		t.Errorf("planned %v\ndone    %v", planned, done)
	}
}

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		args []string
		code int
		says []string
	}{
		"unknown flag":     {[]string{"setup", "--nope"}, 2, []string{"nope", "--help"}},
		"unknown command":  {[]string{"nope"}, 2, []string{"nope"}},
		"wrong value":      {append(slices.Clone(card), "--workspace", "Nope"), 2, []string{"--workspace", "Nope", "Data Platform"}},
		"too many days":    {append(slices.Clone(card), "--expires-in", "4000"), 2, []string{"3650"}},
		"never":            {append(slices.Clone(card), "--expires-in", "never"), 2, []string{"90d"}},
		"no log-in":        {[]string{"setup", "--no-input"}, 4, []string{"astro-ci login", "--sandbox"}},
		"empty Workspace":  {[]string{"setup", "--sandbox", "--no-input", "--yes", "--credential", "deployment-token", "--workspace", "Finance"}, 1, []string{"Finance", "Deployment"}},
		"repository gone":  {append(slices.Clone(card), "--repo", "acme/nope"), 1, []string{"acme/nope"}},
		"no place":         {[]string{"targets", "add", "etl-prod"}, 3, []string{"STORE:ADDRESS"}},
		"two places":       {[]string{"targets", "remove", "etl-prod", "a", "b"}, 2, []string{"takes one"}},
		"time below zero":  {[]string{"rotate", "--sandbox", "--drain", "-5s"}, 2, []string{"-5s"}},
		"version":          {[]string{"version"}, 0, nil},
		"help":             {[]string{"--help"}, 0, nil},
		"wrong on-failure": {[]string{"setup", "--on-failure", "x"}, 2, []string{"keep or undo"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, stderr, code := newPlace(t).run(tc.args...)
			if code != tc.code {
				t.Errorf("exit %d, want %d: %s", code, tc.code, stderr)
			}
			for _, want := range tc.says {
				if !strings.Contains(stderr, want) {
					t.Errorf("%q is not said: %s", want, stderr)
				}
			}
		})
	}
}

func TestEveryCredentialType(t *testing.T) {
	t.Parallel()
	for credential, more := range map[string][]string{
		"deployment-token":   {"--deployment", "etl-prod"},
		"workspace-token":    {"--role", "WORKSPACE_OPERATOR", "--job", "deployments"},
		"organization-token": {"--role", "ORGANIZATION_OWNER", "--job", "users"},
	} {
		t.Run(credential, func(t *testing.T) {
			t.Parallel()
			p := newPlace(t)
			args := append([]string{"setup", "--sandbox", "--no-input", "--yes", "--json", "--credential", credential, "--repo", "acme/etl"}, more...)
			if credential != "organization-token" {
				args = append(args, "--workspace", "Data Platform")
			}
			stdout, stderr, code := p.run(args...)
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if r := decode(t, stdout); !strings.EqualFold(r.Token.Scope+"-token", credential) {
				t.Errorf("scope is %s", r.Token.Scope)
			}
		})
	}
}

func TestOrganizationSecret(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, stderr, code := p.run(append(slices.Clone(card), "--target", "github:acme")...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if r := decode(t, stdout); r.Targets[0].Target != "github:acme/ASTRO_API_TOKEN" {
		t.Errorf("target is %s", r.Targets[0].Target)
	}
}

// A file that a person wrote is not touched: a free name is proposed instead.
func TestExistingFileStays(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, _, _ := p.run(append(slices.Clone(card), "--dry-run")...)
	file := filepath.Join(p.project(), filepath.FromSlash(decode(t, stdout).Pipeline.File))
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		t.Fatal(err)
	}
	const mine = "name: mine\non: push\n"
	if err := os.WriteFile(file, []byte(mine), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := p.run(card...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if b, _ := os.ReadFile(file); string(b) != mine {
		t.Error("the file was changed")
	}
	if r := decode(t, stdout); len(p.workflows()) != 2 || strings.HasSuffix(file, r.Pipeline.File) {
		t.Errorf("files are %v", p.workflows())
	}
	_, stderr, code = p.run(append(slices.Clone(card), "--pipeline-file", decode(t, stdout).Pipeline.File, "--name", "other")...)
	if code != 1 || !strings.Contains(stderr, "--pipeline-file") {
		t.Errorf("another setup's file: exit %d: %s", code, stderr)
	}
}

// A pipeline that is there already is found, and it is said that both would deploy; one that deploys elsewhere is none
// of them, nor is there a second one where the own pipeline is kept.
func TestOwnPipelineThatDeploys(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	_, _, deployment := s.Astro().Find("Data Platform", "etl-prod")
	const own = ".github/workflows/deploy.yml"
	uses := "env:\n  ASTRO_API_TOKEN: ${{ secrets.ASTRO_API_TOKEN }}\njobs:\n  a:\n    steps:\n      - uses: astronomer/deploy-action@v0.4\n        with:\n          deployment-id: "
	both := own + ", line 6: astronomer/deploy-action@v0.4. Both would deploy"
	look := func(args ...string) string {
		t.Helper()
		out, stderr, code := p.run(append(append(slices.Clone(byFlags), "--dry-run"), args...)...)
		if code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		return out + stderr
	}
	for id, want := range map[string]bool{deployment: true, "${{ vars.DEPLOYMENT }}": true, "c" + strings.Repeat("0", 24): false} {
		p.write(own, uses+id+"\n")
		if said := look(); strings.Contains(said, both) != want {
			t.Errorf("%s: %s", id, said)
		}
	}
	p.write(own, uses+deployment+"\n")
	if said := look("--pipeline-file", "none"); strings.Contains(said, "Both would") {
		t.Errorf("the own pipeline is kept: %s", said)
	}
	x := p.terminal("setup")
	x.WaitFor(own + ", line 6: astronomer/deploy-action@v0.4")
	x.WaitFor("enter begin")
	x.Send("q")
	x.Wait()
	out, stderr, code := p.run(byFlags...)
	if code != 0 || !strings.Contains(out, "Take the deploy out of "+own+", line 6, once") {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	if said := look(); !strings.Contains(said, own+" reads it, and uses the new token") || strings.Contains(said, "astro-etl-prod.yml reads it") {
		t.Errorf("the secret that is there: %s", said)
	}
}

// On Bitbucket a pipeline of a branch takes the place of the default one; that is said before it happens.
func TestWhatNoLongerRuns(t *testing.T) {
	t.Parallel()
	for before, said := range map[string]bool{
		"pipelines:\n  default:\n    - step: {script: [pytest]}\n":                                         true,
		"pipelines:\n  pull-requests:\n    '**':\n      - step: {script: [pytest]}\n":                      false,
		"pipelines:\n  branches:\n    release:\n      - step: {script: [pytest]}\n":                        false,
		"pipelines:\n  default:\n    - step: {script: [a]}\n  branches:\n    x: [{step: {script: [b]}}]\n": true,
	} {
		p := newPlace(t)
		p.write(".git/HEAD", "ref: refs/heads/develop\n")
		p.write(".git/config", "[remote \"origin\"]\n\turl = git@bitbucket.org:acme/etl.git\n")
		p.write("bitbucket-pipelines.yml", before)
		look := with("--platform", "bitbucket", "--dry-run")
		const want = "what default does no longer runs after a push to develop. If it has to"
		if out, stderr, code := p.run(look...); code != 0 || strings.Contains(strings.Join(strings.Fields(out+stderr), " "), want) != said {
			t.Errorf("exit %d: beside\n%s\n%s%s", code, before, out, stderr)
		}
		if _, stderr, code := p.run(with("--platform", "bitbucket", "--yes")...); code != 0 {
			t.Fatalf("exit %d: %s", code, stderr)
		}
		if out, stderr, _ := p.run(look...); strings.Contains(out+stderr, "what default does") {
			t.Errorf("once more: %s%s", out, stderr)
		}
	}
}
