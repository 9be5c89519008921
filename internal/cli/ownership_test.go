package cli_test

import (
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// renewed is a place with a setup that a schedule renews.
func renewed(t *testing.T) (*place, *sandbox.Sandbox) {
	t.Helper()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+p.value("GH_TOKEN"))
	if _, stderr, code := p.run(append(byItself, "--role", "DEPLOYMENT_ADMIN")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return p, s
}

// logInAs leaves the place with the log-in of another user.
func (p *place) logInAs(s *sandbox.Sandbox, user string) {
	p.t.Helper()
	p.unset("ASTRO_API_TOKEN")
	if err := s.Astro().Login(user).Use(func(b []byte) error { p.env = append(p.env, "ASTRO_API_TOKEN="+string(b)); return nil }); err != nil {
		p.t.Fatal(err)
	}
}

// noToken is Astro's answer to who may not.
func noToken(skip int) fault.Fault {
	return fault.Fault{Method: http.MethodPost, Path: "/v1/organizations/*/tokens", Status: http.StatusForbidden, Body: `{"message":"m","requestId":"r","statusCode":403}`, Times: 1, Skip: skip}
}

// once is a place where set-up was done with flags, and more of them.
func once(t *testing.T, more ...string) (*place, *sandbox.Sandbox) {
	t.Helper()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	if _, stderr, code := p.run(append(slices.Clone(byFlags), more...)...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return p, s
}

// forget leaves nothing but the marks on Astro.
func (p *place) forget() {
	p.t.Helper()
	p.lose()
	if err := os.Remove(p.path("astro-ci.yaml")); err != nil {
		p.t.Fatal(err)
	}
}

// What renews a setup of the file is not pruned, until the file no longer asks for it.
func TestPruneLeavesTheRenewal(t *testing.T) {
	t.Parallel()
	p, s := renewed(t)
	before := marked(s)
	prune := []string{"apply", "--no-input", "--yes", "--prune"}
	if out, stderr, _ := p.run(prune...); strings.Contains(out+stderr, "etl-prod-rotation") || !slices.Equal(marked(s)["etl-prod-rotation"], before["etl-prod-rotation"]) {
		t.Errorf("on Astro %v: %s%s", marked(s), out, stderr)
	}
	var kept []string
	for line := range strings.Lines(p.read("astro-ci.yaml")) {
		if !strings.Contains(line, "self-rotate") && !strings.Contains(line, "rotation-role") && !strings.Contains(line, "astro-ci-version") {
			kept = append(kept, line)
		}
	}
	p.write("astro-ci.yaml", strings.Join(kept, ""))
	if out, stderr, code := p.run(prune...); code != 0 || len(marked(s)["etl-prod-rotation"]) != 0 || !slices.Equal(marked(s)["etl-prod"], before["etl-prod"]) {
		t.Errorf("exit %d, on Astro %v: %s%s", code, marked(s), out, stderr)
	}
}

// The marks alone do not name a secret: one that may be another setup's is not written.
func TestMarksDoNotNameTheSecret(t *testing.T) {
	t.Parallel()
	p, s := renewed(t)
	p.forget()
	held := marked(s)["etl-prod"][0]
	rotate := func(more ...string) (stderr string, code int) {
		t.Helper()
		p.lose()
		_, stderr, code = p.run(append([]string{"rotate", "etl-prod-rotation", "--no-input", "--yes", "--drain", "1ms", "--wait"}, more...)...)
		if v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); err != nil || !s.Astro().Accepts(v, held) {
			t.Fatalf("%v: the secret of etl-prod was written: %v: %s", more, err, stderr)
		}
		return stderr, code
	}
	if stderr, code := rotate(); code == 0 || !strings.Contains(stderr, "those of etl-prod") || !strings.Contains(stderr, "--secret-name") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	stderr, code := rotate("--secret-name", setup.RotationSecret)
	if v, err := s.GitHub().OpenRepo("acme", "etl", setup.RotationSecret); code != 0 || err != nil || !s.Astro().Accepts(v, marked(s)["etl-prod-rotation"][0]) {
		t.Errorf("with its name: exit %d, %v: %s", code, err, stderr)
	}
	// A rotation leaves word of where the token is.
	if stderr, code := rotate("--secret-name", setup.TokenVariable); code == 0 || !strings.Contains(stderr, "is not kept in") {
		t.Errorf("with another name: exit %d: %s", code, stderr)
	}
}

// A setup with more targets than the name of its tokens tells is not rotated by the marks: the others would
// keep a token that is deleted.
func TestMarksDoNotNameAllTargets(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	if _, stderr, code := p.run("targets", "add", "etl-prod", "github:acme/etl=SECOND_TOKEN", "--no-input", "--yes", "--drain", "1ms", "--wait"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.forget()
	_, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1ms", "--wait")
	if v, err := s.GitHub().OpenRepo("acme", "etl", "SECOND_TOKEN"); code == 0 || !strings.Contains(stderr, "2 places") || err != nil || !s.Astro().Accepts(v, own(s)[0].ID) {
		t.Errorf("exit %d, %v, on Astro %v: %s", code, err, marked(s), stderr)
	}
}

// A setup that was never rotated says nothing of its copies: its marks alone are not enough to rotate it.
func TestMarksOfAFirstSetupDoNotNameTargets(t *testing.T) {
	t.Parallel()
	p, s := once(t, "--also", "github:acme/etl=SECOND_TOKEN")
	p.forget()
	_, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1ms", "--wait")
	if code == 0 || !strings.Contains(stderr, "is kept is not known") || !strings.Contains(stderr, "--secret-name") || len(own(s)) != 1 {
		t.Errorf("exit %d, on Astro %v: %s", code, marked(s), stderr)
	}
	for _, name := range []string{setup.TokenVariable, "SECOND_TOKEN"} {
		if v, err := s.GitHub().OpenRepo("acme", "etl", name); err != nil || !s.Astro().Accepts(v, own(s)[0].ID) {
			t.Errorf("%s no longer holds the token: %v", name, err)
		}
	}
}

// A removal without a journal leaves the token of a setup of the same name for another place alone, and says so.
func TestRemoveLeavesTheNamesake(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	file, first := p.read("astro-ci.yaml"), own(s)[0].ID
	p.forget()
	if _, stderr, code := p.run(append(byFlags, "--environment", "production")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.lose()
	p.write("astro-ci.yaml", file)
	out, stderr, code := p.run("remove", "etl-prod", "--no-input", "--confirm", "etl-prod", "--json")
	if left := own(s); code != 0 || len(left) != 1 || left[0].ID == first || !strings.Contains(out, left[0].ID) {
		t.Errorf("exit %d, left %v: %s%s", code, left, out, stderr)
	}
}

// What is kept on one host of a platform is neither looked for nor written on another one.
func TestHostsAreKeptApart(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	login := ""
	for _, kv := range p.env {
		if v, ok := strings.CutPrefix(kv, "GH_TOKEN="); ok {
			login = v
		}
	}
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", "GH_HOST=git.example", "GH_ENTERPRISE_TOKEN="+login)
	if _, stderr, code := p.run(append(byFlags, "--repo", "git.example/acme/etl", "--name", "inside")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	p.unset("GH_HOST", "GH_ENTERPRISE_TOKEN")
	before := s.Astro().Tokens()
	for _, args := range [][]string{{"verify", "inside"}, {"rotate", "inside", "--no-input", "--yes", "--drain", "1ms"}} {
		if out, stderr, code := p.run(args...); code == 0 || !strings.Contains(out+stderr, "git.example") || len(s.Astro().Tokens()) != len(before) {
			t.Errorf("%v: exit %d: %s%s", args, code, out, stderr)
		}
	}
}

// A log-in to one server of a platform that anybody may run is not used for another one.
func TestServersAreKeptApart(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.unset("GH_TOKEN", "GITLAB_TOKEN")
	if _, stderr, code := p.run(append(slices.Clone(byFlags), "--platform", "gitea", "--repo", "acme/etl")...); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	_, elsewhere := online(t)
	address, _, _ := elsewhere.Service("gitea")
	p.env = append(p.env, "GITEA_SERVER_URL="+address)
	before := s.Astro().Tokens()
	for _, args := range [][]string{{"verify", "etl-prod"}, {"rotate", "etl-prod", "--no-input", "--yes", "--drain", "1ms"}, {"remove", "etl-prod", "--no-input", "--confirm", "etl-prod"}} {
		if out, stderr, code := p.run(args...); code == 0 || !strings.Contains(out+stderr, "your log-in is for ") || len(s.Astro().Tokens()) != len(before) {
			t.Errorf("%v: exit %d: %s%s", args, code, out, stderr)
		}
	}
}

// Who may not see the tokens of a setup does not remove it: its token would live on, and nobody would know.
func TestRemoveWhatIsSeen(t *testing.T) {
	t.Parallel()
	p, s := renewed(t)
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod", "--self-rotate", "no"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	v, err := s.GitHub().OpenRepo("acme", "etl", setup.RotationSecret) // it reaches the Workspace of etl-prod alone
	if err != nil {
		t.Fatal(err)
	}
	p.unset("ASTRO_API_TOKEN")
	_ = v.Use(func(b []byte) error { p.env = append(p.env, "ASTRO_API_TOKEN="+string(b)); return nil })
	out, stderr, code := p.run("remove", "ml-prod", "--no-input", "--confirm", "ml-prod")
	if _, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable+"_ML_PROD"); code == 0 || err != nil || len(marked(s)["ml-prod"]) != 1 {
		t.Errorf("exit %d, %v, on Astro %v: %s%s", code, err, marked(s), out, stderr)
	}
}

// Who may not list the tokens of a place does not conclude that there are none.
func TestNoTokenSeenIsNotNoToken(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	_, ws, _ := s.Astro().Find("Data Platform", "")
	_, other, _ := s.Astro().Find("Machine Learning", "")
	s.Astro().AddUser("bea@acme.example", "WORKSPACE", ws, "WORKSPACE_AUTHOR")
	s.Astro().AddUser("bea@acme.example", "WORKSPACE", other, "WORKSPACE_OWNER") // whose tokens are listed
	p.logInAs(s, "bea@acme.example")
	p.lose()
	for _, args := range [][]string{{"apply", "--dry-run"}, {"verify"}, {"rotate", "etl-prod", "--dry-run"}} {
		out, stderr, code := p.run(args...)
		if said := out + stderr; code == 0 || !strings.Contains(said, "list the tokens") || strings.Contains(said, "to create") || strings.Contains(said, "there is none") {
			t.Errorf("%v: exit %d: %s", args, code, said)
		}
	}
}

// What an unfinished operation began with is what is finished, whatever the file says by now.
func TestApplyFinishesWhatWasBegun(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	s.Vault().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/v1/secret/data/astro/etl", Status: http.StatusForbidden, Body: `{"errors":["permission denied"]}`, Times: 1})
	if _, stderr, code := p.run(append(slices.Clone(byFlags), "--also", "vault:secret/astro/etl")...); code == 0 || len(own(s)) != 1 {
		t.Fatalf("exit %d, on Astro %v: %s", code, marked(s), stderr)
	}
	if out, _, code := p.run("verify", "etl-prod"); code != 6 || !strings.Contains(out, "astro-ci resume etl-prod") || strings.Contains(out, "astro-ci rotate") {
		t.Errorf("verify: exit %d: %s", code, out)
	}
	p.write("astro-ci.yaml", `version: 1
setups:
  etl-prod: {credential: workspace-token, workspace: Data Platform, deployment: etl-prod, role: WORKSPACE_AUTHOR, platform: github, repo: acme/etl}
`)
	_, stderr, code := p.run("apply", "--no-input", "--yes")
	v, err := s.Vault().Open("", "secret/astro/etl", setup.TokenVariable)
	if code != 0 || err != nil || !s.Astro().Accepts(v, own(s)[0].ID) {
		t.Errorf("exit %d, %v, on Astro %v: %s", code, err, marked(s), stderr)
	}
}

// brokenOff is a place where a set-up that is to be renewed was refused at its first secret, and the variable
// that holds the log-in of its runs.
func brokenOff(t *testing.T) (p *place, s *sandbox.Sandbox, login string) {
	t.Helper()
	p, s = online(t)
	login = setup.LoginSecret + "=" + p.value("GH_TOKEN")
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", login)
	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodPut, Path: "/repos/acme/etl/actions/secrets/" + setup.TokenVariable, Status: http.StatusForbidden, Body: `{"message":"no"}`, Times: 1})
	if _, stderr, code := p.run(append(slices.Clone(byItself), "--role", "DEPLOYMENT_ADMIN")...); code == 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	return p, s, login
}

// A setup that was broken off gets what renews it when it is finished.
func TestResumedSetupIsRenewed(t *testing.T) {
	t.Parallel()
	p, s, _ := brokenOff(t)
	if out, stderr, code := p.run("resume", "--wait", "--no-input", "--yes"); code != 0 || !p.isRenewed(s) {
		t.Errorf("exit %d, on Astro %v, files %v: %s%s", code, marked(s), p.workflows(), out, stderr)
	}
	before := marked(s)
	if out, stderr, code := p.run("apply", "--no-input", "--yes"); code != 0 || !maps.EqualFunc(before, marked(s), slices.Equal) {
		t.Errorf("once more: exit %d, on Astro %v: %s%s", code, marked(s), out, stderr)
	}
}

// What Astro clearly refused leaves nothing to go on with.
func TestRefusedTokenLeavesNothing(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.Astro().Faults.Add(noToken(0))
	if _, stderr, code := p.run(byFlags...); code != 4 || len(own(s)) != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("resume"); code != 0 || !strings.Contains(stderr, "Nothing is unfinished") {
		t.Errorf("resume: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run(byFlags...); code != 0 || len(own(s)) != 1 {
		t.Errorf("once more: exit %d: %s", code, stderr)
	}
}

// A set-up that Astro refused changes nothing of the setup of the same name that is there.
func TestRefusedTokenLeavesTheSetupAsItWas(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	s.Astro().Faults.Add(noToken(0))
	if _, stderr, code := p.run(append(slices.Clone(byFlags), "--secret-name", "OTHER_NAME")...); code != 4 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if out, _, code := p.run("verify"); code != 0 || strings.Contains(out, "OTHER_NAME") || !strings.Contains(out, "it holds what astro-ci wrote last") {
		t.Errorf("verify: exit %d: %s", code, out)
	}
	_, stderr, code := p.run("rotate", "etl-prod", "--no-input", "--yes", "--drain", "1ms", "--wait")
	if v, err := s.GitHub().OpenRepo("acme", "etl", setup.TokenVariable); code != 0 || err != nil || len(own(s)) != 1 || !s.Astro().Accepts(v, own(s)[0].ID) {
		t.Errorf("exit %d, %v, on Astro %v: %s", code, err, marked(s), stderr)
	}
}

// half is a setup that nothing renews, since the log-in that this takes was missing when it was finished. It is
// there now.
func half(t *testing.T) (*place, *sandbox.Sandbox) {
	t.Helper()
	p, s, login := brokenOff(t)
	p.unset(setup.LoginSecret)
	out, stderr, code := p.run("resume", "--wait", "--no-input", "--yes")
	if code != 5 || !strings.Contains(out, "Go on with: astro-ci apply etl-prod") || !strings.Contains(stderr, setup.LoginSecret) || len(marked(s)["etl-prod"]) != 1 {
		t.Fatalf("exit %d: %s%s", code, out, stderr)
	}
	if out, _, code := p.run("apply", "--dry-run"); code != 0 || !strings.Contains(out, "nothing renews its token yet") {
		t.Fatalf("exit %d: %s", code, out)
	}
	p.env = append(p.env, login)
	return p, s
}

// isRenewed reports whether all that renews etl-prod is there.
func (p *place) isRenewed(s *sandbox.Sandbox) bool {
	v, err := s.GitHub().OpenRepo("acme", "etl", setup.RotationSecret)
	tokens := marked(s)["etl-prod-rotation"]
	return err == nil && len(tokens) == 1 && s.Astro().Accepts(v, tokens[0]) && p.workflows()["astro-etl-prod-rotation.yml"] != ""
}

// What renews a setup is not called done before it is, however often its store fails.
func TestRenewalIsFinished(t *testing.T) {
	t.Parallel()
	for what, f := range map[string]fault.Fault{
		"the store is busy":  {Status: http.StatusBadGateway, Body: `{"message":"busy"}`, Times: 4},
		"the store refuses":  {Status: http.StatusForbidden, Body: `{"message":"no"}`, Times: 1},
		"the store is slow":  {Status: http.StatusBadGateway, Body: `{"message":"busy"}`, Times: 2},
		"nothing is at hand": {},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p, s := half(t)
			if f.Times > 0 {
				f.Method, f.Path = http.MethodPut, "/repos/acme/etl/actions/secrets/"+setup.RotationSecret
				s.GitHub().Faults.Add(f)
			}
			for range 3 {
				out, stderr, code := p.run("apply", "etl-prod", "--no-input", "--yes", "--drain", "1ms")
				if done := p.isRenewed(s); done != (code == 0) || !done && (code != 5 || !strings.Contains(stderr, "go on with: astro-ci resume etl-prod-rotation")) {
					t.Errorf("exit %d, done %v: %s%s", code, done, out, stderr)
				}
			}
			if !p.isRenewed(s) {
				t.Errorf("on Astro %v, files %v", marked(s), p.workflows())
			}
		})
	}
}

// A refused token of the renewal is gone on with: the log-in of its runs is there already.
func TestRefusedRenewalGoesOn(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms", setup.LoginSecret+"="+p.value("GH_TOKEN"))
	s.Astro().Faults.Add(noToken(1))
	args := slices.DeleteFunc(append(slices.Clone(byItself), "--role", "DEPLOYMENT_ADMIN"), func(s string) bool { return s == "--json" })
	_, stderr, code := p.run(args...)
	if code != 5 || !strings.Contains(stderr, "astro-ci resume etl-prod-rotation") || strings.Contains(stderr, "value is gone") {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if out, stderr, code := p.run("resume", "--wait", "--no-input", "--yes"); code != 0 || !p.isRenewed(s) {
		t.Errorf("resume: exit %d, on Astro %v, files %v: %s%s", code, marked(s), p.workflows(), out, stderr)
	}
}

// Who may not list the tokens of what renews a setup is told that this is not known.
func TestRenewalThatIsNotSeen(t *testing.T) {
	t.Parallel()
	p, s := renewed(t)
	_, ws, dep := s.Astro().Find("Data Platform", "etl-prod")
	s.Astro().AddCustomRole("CI_Tok", "deployment.get", "deployment.apiTokens.get", "deployment.apiTokens.create", "deployment.apiTokens.delete", "deployment.apiTokens.update")
	s.Astro().AddUser("bea@acme.example", "WORKSPACE", ws, "WORKSPACE_AUTHOR")
	s.Astro().AddUser("bea@acme.example", "DEPLOYMENT", dep, "CI_Tok")
	p.logInAs(s, "bea@acme.example")
	if err := os.Remove(filepath.Join(p.home, ".local", "state", "astro-ci", "journals", "etl-prod-rotation.journal")); err != nil {
		t.Fatal(err)
	}
	before := marked(s)
	for _, args := range [][]string{{"apply", "--dry-run"}, {"apply", "--no-input", "--yes"}} {
		out, stderr, code := p.run(args...)
		if said := out + stderr; code != 0 || strings.Contains(said, "nothing renews its token") || !strings.Contains(said, "whether something renews its token is not known") || !maps.EqualFunc(before, marked(s), slices.Equal) {
			t.Errorf("%v: exit %d: %s", args, code, said)
		}
	}
}

// One setup that cannot be looked at keeps none of the others back, and is no success.
func TestOneThatIsNotSeen(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--credential", "deployment-token", "--workspace", "Machine Learning", "--deployment", "ml-prod", "--platform", "github", "--repo", "acme/etl", "--role", "DEPLOYMENT_ADMIN"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	_, ws, _ := s.Astro().Find("Data Platform", "")
	_, other, _ := s.Astro().Find("Machine Learning", "")
	s.Astro().AddUser("bea@acme.example", "WORKSPACE", ws, "WORKSPACE_OWNER")
	s.Astro().AddUser("bea@acme.example", "WORKSPACE", other, "WORKSPACE_AUTHOR")
	p.logInAs(s, "bea@acme.example")
	p.lose()
	if out, stderr, code := p.run("rotate", "--due", "--dry-run"); code != 4 || !strings.Contains(out, "etl-prod is not due") || !strings.Contains(stderr, "list the tokens") {
		t.Errorf("exit %d: %s%s", code, out, stderr)
	}
	x := p.terminal("rotate")
	x.WaitFor("ml-prod")
	x.WaitFor("list the tokens")
	x.WaitFor("due on")
	x.Send("q")
	x.Wait()
}

// Two repositories deploy to one Deployment: the second setup gets a name of its own, and the first one goes on.
func TestASecondRepositoryTakesNothingOver(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	s.GitHub().AddRepo("acme", "etl2")
	other := slices.Clone(byFlags)
	other[slices.Index(other, "acme/etl")] = "acme/etl2"
	for _, again := range []bool{false, true} {
		out, stderr, code := p.run(other...)
		if code != 0 || strings.Contains(stderr, "will be replaced") != again {
			t.Fatalf("again %v: exit %d: %s%s", again, code, out, stderr)
		}
	}
	got := setupsOnAstro(s)
	if len(got) != 2 || got["etl-prod"] != 1 || got["etl-prod-etl2"] == 0 {
		t.Errorf("on Astro: %v", got)
	}
	for repo, name := range map[string]string{"etl": "etl-prod", "etl2": "etl-prod-etl2"} {
		v, err := s.GitHub().OpenRepo("acme", repo, setup.TokenVariable)
		if all := marked(s)[name]; err != nil || !s.Astro().Accepts(v, all[len(all)-1]) {
			t.Errorf("acme/%s does not hold the token of %s: %v", repo, name, err)
		}
	}
}

// A secret of an organization would be hidden by one of the same name in the repository, which another setup reads;
// one of an environment is read there alone.
func TestASecretThatWouldBeHiddenHasItsOwnName(t *testing.T) {
	t.Parallel()
	for where, want := range map[string]string{"--target=github:acme": "github:acme/ASTRO_API_TOKEN_MACHINE_LEARNING", "--environment=staging": "github:acme/etl#staging/ASTRO_API_TOKEN"} {
		p, _ := once(t)
		out, stderr, code := p.run("setup", "--no-input", "--yes", "--json", "--credential", "workspace-token", "--workspace", "Machine Learning", "--name", "machine-learning",
			"--deployment", "ml-dev", "--role", "WORKSPACE_AUTHOR", "--platform", "github", "--repo", "acme/etl", where)
		if code != 0 || !strings.Contains(out, `"target":"`+want+`"`) {
			t.Errorf("%s: exit %d: %s%s", where, code, out, stderr)
		}
	}
}

// A mistake in one entry of astro-ci.yaml says nothing of the other setups: what a schedule rotates is not kept back
// by it, nor what is verified.
func TestOneFaultyEntry(t *testing.T) {
	t.Parallel()
	p, s := once(t)
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--like", "etl-prod", "--workspace", "Machine Learning", "--deployment", "ml-prod"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	right := p.read("astro-ci.yaml")
	p.write("astro-ci.yaml", strings.Replace(right, "    deployment:", "    deploiment:", 1))
	p.env = append(p.env, "ASTRO_CI_TEST_QUIET=1ms")
	due := []string{"rotate", "--due", "--no-input", "--yes", "--json", "--wait", "--drain", "1ms"}
	if out, stderr, code := p.run(due...); code != 0 || strings.Count(out, `"state":"not due"`) != 2 {
		t.Errorf("with journals: exit %d: %s%s", code, out, stderr)
	}
	p.lose()
	s.Astro().Grow(61 * 24 * time.Hour)
	before := marked(s)
	out, stderr, code := p.run(due...)
	if now := marked(s); code == 0 || !strings.Contains(out, "deploiment") || !slices.Equal(now["etl-prod"], before["etl-prod"]) || len(now["ml-prod"]) != 1 || slices.Equal(now["ml-prod"], before["ml-prod"]) {
		t.Errorf("exit %d, on Astro %v: %s%s", code, now, out, stderr)
	}
	if out, stderr, code := p.run("verify"); code != 1 || !strings.Contains(out, "deploiment") || !strings.Contains(out, "ml-prod") {
		t.Errorf("verify: exit %d: %s%s", code, out, stderr)
	}
	if _, stderr, code := p.run("rotate", "etl-prod", "--yes", "--no-input"); code != 1 || !strings.Contains(stderr, "deploiment") {
		t.Errorf("the faulty one by its name: exit %d: %s", code, stderr)
	}
	p.write("astro-ci.yaml", "- "+right)
	if out, stderr, code := p.run(due...); code != 1 || !strings.Contains(out, "astro-ci.yaml") || !strings.Contains(out, "ml-prod") {
		t.Errorf("nothing of the file can be read: exit %d: %s%s", code, out, stderr)
	}
}
