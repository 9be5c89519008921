//go:build linux

package github_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestCheckToken(t *testing.T) {
	t.Parallel()
	w, _ := renderT(t)
	check := w.step(t, "Check the token")
	end := func(d time.Duration) string { return fmt.Sprint(time.Now().Add(d).Unix()) }
	day := 24 * time.Hour
	date := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.DateOnly) }
	claims := func(exp string) string {
		return `{"apiTokenId":"` + rand.Text() + `","permissions":["workspaceId:ü"],"exp":` + exp + `}`
	}
	for name, c := range map[string]struct {
		token string
		ok    bool
		say   string
	}{
		"fine":            {jwt(claims(end(90*day + time.Hour))), true, "The token is good until " + date(90*day+time.Hour)},
		"14 days":         {jwt(claims(end(14*day + time.Hour))), true, "The token is good until"},
		"5 days":          {jwt(claims(end(5*day + time.Hour))), true, "::warning title=Astro API token::The token in ASTRO_API_TOKEN ends on " + date(5*day+time.Hour) + ", days left: 5."},
		"expired":         {jwt(claims(end(-2 * day))), false, "::error title=Astro API token::The token in ASTRO_API_TOKEN ended on " + date(-2*day)},
		"no end":          {jwt(`{"apiTokenId":"` + rand.Text() + `"}`), true, "no end date"},
		"fraction":        {jwt(claims(end(90*day) + ".5")), true, "good until"},
		"empty":           {"", false, "is expected in the environment production. Runs for forks and for Dependabot get no secrets."},
		"a word":          {rand.Text(), false, "does not hold an Astro API token"},
		"two parts":       {rand.Text() + "." + rand.Text(), false, "does not hold an Astro API token"},
		"line end":        {jwt(claims(end(90*day))) + "\n", false, "does not hold an Astro API token"},
		"Bearer":          {"Bearer " + jwt(claims(end(90*day))), false, "does not hold an Astro API token"},
		"not JSON":        {jwt("canary " + rand.Text()), false, "does not hold an Astro API token"},
		"a JSON string":   {jwt(`"` + rand.Text() + `"`), false, "does not hold an Astro API token"},
		"end is a string": {jwt(claims(`"` + rand.Text() + `"`)), false, "does not hold an Astro API token"},
		"end is a script": {jwt(claims(`"a[$(touch ran)]"`)), false, "does not hold an Astro API token"},
		"end is huge":     {jwt(claims("1e300")), false, "does not hold an Astro API token"},
		"end is long":     {jwt(claims("123456789012345")), false, "does not hold an Astro API token"},
		"end is negative": {jwt(claims("-5")), false, "does not hold an Astro API token"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			out, ok := m.run(check, map[string]string{"secrets.ASTRO_API_TOKEN": c.token})
			if ok != c.ok || !strings.Contains(out, c.say) || strings.Count(out, "\n") != 1 {
				t.Errorf("ok %v: %s", ok, out)
			}
			m.hides(c.token, out)
			if files, _ := os.ReadDir(m.dir); len(files) != 0 {
				t.Errorf("it left %v", files)
			}
		})
	}
}

// TestCheckTokenOfAnyLength: base64 without padding has three forms.
func TestCheckTokenOfAnyLength(t *testing.T) {
	t.Parallel()
	w, _ := renderT(t)
	check := w.step(t, "Check the token")
	m := newMachine(t)
	for n := range 4 {
		token := jwt(fmt.Sprintf(`{"x":"%s>?>?ÿ","exp":%d}`, strings.Repeat("a", n), time.Now().Add(1000*time.Hour).Unix()))
		if out, ok := m.run(check, map[string]string{"secrets.ASTRO_API_TOKEN": token}); !ok || !strings.Contains(out, "good until") {
			t.Errorf("%d: %s", n, out)
		}
	}
}

func TestCheckTokenNamesTheRepository(t *testing.T) {
	t.Parallel()
	p := deployPlan()
	p.Targets[0].Address, p.Targets[0].Secret = "acme/etl", "PROD_TOKEN"
	w, _ := render(t, p)
	out, ok := newMachine(t).run(w.step(t, "Check the token"), nil)
	if ok || !strings.Contains(out, "The secret PROD_TOKEN is empty. It is expected in the secrets of the repository.") {
		t.Error(out)
	}
}

func TestInstallCLI(t *testing.T) {
	t.Parallel()
	x64, x64Sum := archive(t, "x64")
	arm, armSum := archive(t, "arm64")
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, req *http.Request) {
		asked.Add(1)
		switch req.URL.Path {
		case "/dl/v1.99.0/astro_1.99.0_linux_amd64.tar.gz":
			http.Redirect(rw, req, "/storage/x64", http.StatusFound)
		case "/storage/x64":
			_, _ = rw.Write(x64)
		case "/dl/v1.99.0/astro_1.99.0_linux_arm64.tar.gz":
			_, _ = rw.Write(arm)
		case "/away/v1.99.0/astro_1.99.0_linux_amd64.tar.gz":
			http.Redirect(rw, req, "file:///etc/hostname", http.StatusFound)
		default:
			http.NotFound(rw, req)
		}
	}))
	t.Cleanup(srv.Close)

	for name, c := range map[string]struct {
		arch string
		base string
		sums map[string]string
		want string // what the installed astro says, "" when nothing must be installed
	}{
		"X64":             {"X64", "/dl", map[string]string{"linux_amd64": x64Sum, "linux_arm64": armSum}, "x64"},
		"X64 alone":       {"X64", "/dl/", map[string]string{"linux_amd64": x64Sum}, "x64"},
		"ARM64":           {"ARM64", "/dl", map[string]string{"linux_amd64": x64Sum, "linux_arm64": armSum}, "arm64"},
		"wrong sum":       {"X64", "/dl", map[string]string{"linux_amd64": armSum, "linux_arm64": x64Sum}, ""},
		"ARM64 wrong sum": {"ARM64", "/dl", map[string]string{"linux_amd64": x64Sum, "linux_arm64": x64Sum}, ""},
		"ARM64 unknown":   {"ARM64", "/dl", map[string]string{"linux_amd64": x64Sum}, ""},
		"other machine":   {"X86", "/dl", map[string]string{"linux_amd64": x64Sum}, ""},
		"not there":       {"X64", "/none", map[string]string{"linux_amd64": x64Sum}, ""},
		"led to a file":   {"X64", "/away", map[string]string{"linux_amd64": x64Sum}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := deployPlan()
			p.Pipeline.CLI = setup.CLI{Version: "1.99.0", BaseURL: srv.URL + c.base, SHA256: c.sums}
			w, _ := render(t, p)
			m := newMachine(t)
			m.env["RUNNER_ARCH"] = c.arch
			out, ok := m.run(w.step(t, "Install the Astro CLI 1.99.0"), nil)
			folder := strings.TrimSpace(m.read(m.env["GITHUB_PATH"]))
			if c.want == "" {
				if ok || folder != "" {
					t.Fatalf("ok %v, PATH %q: %s", ok, folder, out)
				}
				if _, err := os.Stat(filepath.Join(m.temp, "astro-ci", "bin", "astro")); err == nil {
					t.Error("an astro was unpacked")
				}
				return
			}
			if !ok || !strings.HasPrefix(folder, m.temp) {
				t.Fatalf("ok %v, PATH %q: %s", ok, folder, out)
			}
			said, err := exec.CommandContext(t.Context(), filepath.Join(folder, "astro")).Output()
			if err != nil || strings.TrimSpace(string(said)) != c.want {
				t.Errorf("it says %q, %v", said, err)
			}
			if files, _ := os.ReadDir(folder); len(files) != 1 {
				t.Errorf("more than astro was unpacked: %v", files)
			}
		})
	}

	t.Run("official, https only", func(t *testing.T) {
		t.Parallel()
		w, _ := renderT(t)
		s := w.step(t, "Install the Astro CLI")
		if s.Env["CLI_URL"] != "https://github.com/astronomer/astro-cli/releases/download" {
			t.Fatalf("it comes from %s", s.Env["CLI_URL"])
		}
		own := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("plain http was used") }))
		t.Cleanup(own.Close)
		s.Env["CLI_URL"] = own.URL
		if out, ok := newMachine(t).run(s, nil); ok {
			t.Error(out)
		}
	})
}

func TestFindChanges(t *testing.T) {
	t.Parallel()
	w, _ := renderT(t)
	find := w.step(t, "Find what changed")
	for name, c := range map[string]struct {
		push func(r repo) (before string) // the commits of the push
		with map[string]string            // what differs from an ordinary push
		want string
		why  string
	}{
		"only DAGs":         {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("dags/a.py"); return b }, nil, "dags", "nothing else"},
		"DAGs, odd names":   {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("dags/ü \"x\"\n.py"); return b }, nil, "dags", "nothing else"},
		"DAG removed":       {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("-dags/first.py"); return b }, nil, "dags", "nothing else"},
		"mixed":             {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("dags/a.py", "Dockerfile"); return b }, nil, "image", "more than DAGs"},
		"other":             {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("include/x.sql"); return b }, nil, "image", "more than DAGs"},
		"similar folder":    {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("dags2/a.py"); return b }, nil, "image", "more than DAGs"},
		"dags further down": {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit("include/dags/a.py"); return b }, nil, "image", "more than DAGs"},
		"moved into dags": {func(r repo) string {
			b := r.git("rev-parse", "HEAD")
			r.git("mv", "Dockerfile", "dags/Dockerfile")
			r.commit()
			return b
		}, nil, "image", "more than DAGs"},
		"several commits, the last one only DAGs": {func(r repo) string {
			b := r.git("rev-parse", "HEAD")
			r.commit("requirements.txt")
			r.commit("dags/a.py")
			return b
		}, nil, "image", "more than DAGs"},
		"several commits, all DAGs": {func(r repo) string {
			b := r.git("rev-parse", "HEAD")
			r.commit("dags/a.py")
			r.commit("dags/b.py")
			return b
		}, nil, "dags", "nothing else"},
		"merge of a branch with more": {func(r repo) string {
			b := r.git("rev-parse", "HEAD")
			r.git("checkout", "-q", "-b", "side")
			r.commit("packages.txt")
			r.git("checkout", "-q", "main")
			r.commit("dags/a.py")
			r.git("merge", "-q", "--no-ff", "-m", "m", "side")
			return b
		}, nil, "image", "more than DAGs"},
		"undone in the same push": {func(r repo) string {
			b := r.git("rev-parse", "HEAD")
			r.commit("include/x")
			r.commit("-include/x")
			return b
		}, nil, "image", "changed no file"},
		"empty commit": {func(r repo) string { b := r.git("rev-parse", "HEAD"); r.commit(); return b }, nil, "image", "changed no file"},
		"forced push": {func(r repo) string {
			b := r.commit("Dockerfile")
			r.git("reset", "-q", "--hard", "HEAD~1")
			r.commit("dags/a.py")
			return b
		}, map[string]string{"github.event.forced": "true"}, "image", "forced"},
		"forced push, the commit is gone": {func(r repo) string { r.commit("dags/a.py"); return strings.Repeat("ab", 20) }, map[string]string{"github.event.forced": "true"}, "image", "forced"},
		"new branch":                      {func(r repo) string { r.commit("dags/a.py"); return strings.Repeat("0", 40) }, nil, "image", "branch is new"},
		"unknown commit":                  {func(r repo) string { r.commit("dags/a.py"); return strings.Repeat("ab", 20) }, nil, "image", "not known"},
		"not a commit":                    {func(r repo) string { r.commit("dags/a.py"); return "--output=x" }, nil, "image", "not known"},
		"by hand":                         {func(r repo) string { r.commit("dags/a.py"); return "" }, map[string]string{"GITHUB_EVENT_NAME": "workflow_dispatch"}, "image", "not started by a push"},
		"submodule whose changes are hidden": {func(r repo) string {
			other := repo{newMachine(r.t)}
			other.git("init", "-q", "-b", "main")
			other.commit("x")
			r.git("submodule", "-q", "add", other.dir, "vendor")
			r.git("config", "-f", ".gitmodules", "submodule.vendor.ignore", "all")
			b := r.commit()
			other.commit("y")
			r.git("-C", "vendor", "pull", "-q")
			r.git("update-index", "--cacheinfo", "160000,"+other.git("rev-parse", "HEAD")+",vendor")
			r.git("commit", "-q", "-m", "s")
			return b
		}, nil, "image", "more than DAGs"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := repo{newMachine(t)}
			r.git("init", "-q", "-b", "main")
			r.commit("Dockerfile", "dags/first.py", "dags/second.py")
			facts := map[string]string{"github.event.forced": "false", "github.event.before": c.push(r)}
			maps.Copy(facts, c.with)
			if e := c.with["GITHUB_EVENT_NAME"]; e != "" {
				r.env["GITHUB_EVENT_NAME"] = e
			}
			r.env["GITHUB_SHA"] = r.git("rev-parse", "HEAD")
			out, ok := r.run(find, facts)
			if got := r.read(r.env["GITHUB_OUTPUT"]); !ok || got != "kind="+c.want+"\n" || !strings.Contains(out, c.why) {
				t.Errorf("ok %v, output %q: %s", ok, got, out)
			}
		})
	}
}

// In a folder of a larger repository, only what changed there counts.
func TestFindChangesInAFolder(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		deploy setup.Deploy
		file   string
		want   string
	}{
		"elsewhere":          {setup.Infer, "teams/b/Dockerfile", "none"},
		"its DAGs":           {setup.Infer, "teams/a/dags/x.py", "dags"},
		"more of it":         {setup.Infer, "teams/a/packages.txt", "image"},
		"DAGs of another":    {setup.Infer, "dags/x.py", "none"},
		"fixed, elsewhere":   {setup.ImageOnly, "README.md", "none"},
		"fixed, in it":       {setup.ImageOnly, "teams/a/dags/x.py", "image-only"},
		"a name that begins": {setup.Infer, "teams/a2/x", "none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := deployPlan()
			p.Pipeline.Folder, p.Pipeline.Deploy = "teams/a", c.deploy
			w, _ := render(t, p)
			find, deploy := w.step(t, "Find what changed"), w.step(t, "Deploy to Astro")
			if find.In != "teams/a" || deploy.In != "teams/a" {
				t.Fatalf("they run in %q and %q", find.In, deploy.In)
			}
			r := repo{newMachine(t)}
			r.git("init", "-q", "-b", "main")
			r.commit("teams/a/Dockerfile", "README.md")
			facts := map[string]string{"github.event.forced": "false", "github.event.before": r.git("rev-parse", "HEAD")}
			r.commit(c.file)
			r.env["GITHUB_SHA"] = r.git("rev-parse", "HEAD")
			out, ok := r.run(find, facts)
			if got := r.read(r.env["GITHUB_OUTPUT"]); !ok || got != "kind="+c.want+"\n" {
				t.Errorf("ok %v, output %q: %s", ok, got, out)
			}
			r.program("astro", astro)
			token := jwt(`{"exp":1,"x":"` + rand.Text() + `"}`)
			out, ok = r.run(deploy, map[string]string{"secrets.ASTRO_API_TOKEN": token, "steps.changes.outputs.kind": c.want})
			if called := strings.Contains(out, "home 700"); !ok || called != (c.want != "none") {
				t.Errorf("ok %v, deployed %v: %s", ok, called, out)
			}
		})
	}
}

// stand-in for the real CLI: it keeps the token in its configuration, as that does.
const astro = `
[ -n "$ASTRO_API_TOKEN" ] || exit 9
mkdir -p "$ASTRO_HOME/.astro"
printf 'token: Bearer %s\n' "$ASTRO_API_TOKEN" > "$ASTRO_HOME/.astro/config.yaml"
stat -c 'home %a' "$ASTRO_HOME"
`

func TestDeploy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   setup.Kind
		deploy setup.Deploy
		found  string // what the step before found
		cli    string // what the stand-in does
		want   string // its arguments
		ok     bool
		say    string
	}{
		"image":                {setup.DeploymentToken, setup.Image, "", "", "deploy " + deploymentID + " --force", true, ""},
		"DAGs":                 {setup.DeploymentToken, setup.DAGs, "", "", "deploy " + deploymentID + " --force --dags", true, ""},
		"image only":           {setup.DeploymentToken, setup.ImageOnly, "", "", "deploy " + deploymentID + " --force --image", true, ""},
		"found DAGs":           {setup.DeploymentToken, setup.Infer, "dags", "", "deploy " + deploymentID + " --force --dags", true, ""},
		"found image":          {setup.DeploymentToken, setup.Infer, "image", "", "deploy " + deploymentID + " --force", true, ""},
		"found nothing":        {setup.DeploymentToken, setup.Infer, "", "", "", false, "is not a kind of deploy"},
		"Workspace token":      {setup.WorkspaceToken, setup.Image, "", "", "deploy " + deploymentID + " --force --workspace-id " + workspaceID, true, ""},
		"Organization token":   {setup.OrganizationToken, setup.DAGs, "", "", "deploy " + deploymentID + " --force --dags --workspace-id " + workspaceID, true, ""},
		"the CLI fails":        {setup.DeploymentToken, setup.Image, "", "echo no >&2; exit 3", "deploy " + deploymentID + " --force", false, "no"},
		"wrong Workspace":      {setup.WorkspaceToken, setup.Image, "", "echo Invalid workspace id x was provided through the --workspace-id flag", "deploy " + deploymentID + " --force --workspace-id " + workspaceID, false, "::error title=Deploy::Nothing was deployed"},
		"wrong, no Workspace":  {setup.DeploymentToken, setup.Image, "", "echo Invalid workspace id x was provided", "deploy " + deploymentID + " --force", false, "::error title=Deploy::Nothing was deployed"},
		"said on error output": {setup.WorkspaceToken, setup.Image, "", "echo Invalid workspace id >&2", "deploy " + deploymentID + " --force --workspace-id " + workspaceID, false, "::error title=Deploy::Nothing was deployed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := deployPlan()
			p.Credential.Kind, p.Pipeline.Deploy = c.kind, c.deploy
			w, _ := render(t, p)
			m := newMachine(t)
			m.program("astro", astro+c.cli)
			token := jwt(`{"exp":1,"x":"` + rand.Text() + `"}`)
			out, ok := m.run(w.step(t, "Deploy to Astro"), map[string]string{"secrets.ASTRO_API_TOKEN": token, "steps.changes.outputs.kind": c.found})
			if ok != c.ok || !strings.Contains(out, c.say) || c.want != "" && !strings.Contains(out, "home 700") {
				t.Errorf("ok %v: %s", ok, out)
			}
			m.called(c.want)
			m.cleaned(token, out)
		})
	}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job    setup.Job
		kind   setup.Kind
		script string // what the repository's own script does, "" for none
		want   []string
		ok     bool
		say    string
	}{
		"Deployments, Workspace":          {setup.ManageDeployments, setup.WorkspaceToken, "", []string{"deployment list --workspace-id " + workspaceID}, true, "::notice title=Deployments::Put your commands into scripts/astro-deployments.sh."},
		"Deployments, Organization":       {setup.ManageDeployments, setup.OrganizationToken, "", []string{"workspace switch " + workspaceID, "deployment list --workspace-id " + workspaceID}, true, "::notice"},
		"Deployments, own script":         {setup.ManageDeployments, setup.WorkspaceToken, `echo own "$WORKSPACE_ID"; astro deployment create`, []string{"deployment create"}, true, "own " + workspaceID},
		"Deployments, own script fails":   {setup.ManageDeployments, setup.WorkspaceToken, "exit 4", nil, false, ""},
		"users, Workspace":                {setup.ManageUsers, setup.WorkspaceToken, "", []string{"workspace user list --workspace-id " + workspaceID}, true, "::notice title=Users::Put your commands into scripts/astro-users.sh."},
		"users, Organization":             {setup.ManageUsers, setup.OrganizationToken, "", []string{"organization user list"}, true, "::notice"},
		"users, own script, Organization": {setup.ManageUsers, setup.OrganizationToken, `echo own "$ORGANIZATION_ID"; astro organization user invite`, []string{"organization user invite"}, true, "own " + organizationID},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := deployPlan()
			p.Job, p.Credential.Kind = c.job, c.kind
			w, _ := render(t, p)
			m := newMachine(t)
			m.program("astro", astro)
			if c.script != "" {
				name := map[setup.Job]string{setup.ManageDeployments: "astro-deployments.sh", setup.ManageUsers: "astro-users.sh"}[c.job]
				if err := os.Mkdir(filepath.Join(m.dir, "scripts"), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(m.dir, "scripts", name), []byte(c.script), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			token := jwt(`{"exp":1,"x":"` + rand.Text() + `"}`)
			out, ok := m.run(w.step(t, "Run the commands"), map[string]string{"secrets.ASTRO_API_TOKEN": token})
			if ok != c.ok || !strings.Contains(out, c.say) {
				t.Errorf("ok %v: %s", ok, out)
			}
			m.called(c.want...)
			m.cleaned(token, out)
		})
	}
}
