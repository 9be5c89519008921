package cli_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

type handedOver struct {
	Setup, Folder string
	Files, Unseen []string
}

// Who lacks a right hands the set-up over, and who has it carries it out with one command.
func TestHandOver(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Change("acme", "etl", "pull", false, "")
	_, stderr, code := p.run(real()...)
	if code == 0 || !strings.Contains(stderr, "--hand-over FOLDER") {
		t.Errorf("exit %d, and the flag is not named: %s", code, stderr)
	}
	args := append(slices.DeleteFunc(real(), func(a string) bool { return a == "--yes" }), "--hand-over", "pack")
	stdout, stderr, code := p.run(args...)
	var out handedOver
	if err := json.Unmarshal([]byte(stdout), &out); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s", code, err, stderr)
	}
	var found []string
	for _, f := range out.Files {
		if p.read("pack/"+f) != "" {
			found = append(found, f)
		}
	}
	if len(found) != 3 || found[0] != "README.md" || found[1] != "astro-ci.yaml" || !strings.HasPrefix(found[2], ".github/workflows/") {
		t.Errorf("the files are %q", found)
	}
	if len(out.Unseen) != 1 || !strings.Contains(out.Unseen[0], "may only read acme/etl") {
		t.Errorf("what stood in the way is %q", out.Unseen)
	}
	page := p.read("pack/README.md")
	for _, want := range append(out.Unseen, "Write access to the repository acme/etl", "gh secret set ASTRO_API_TOKEN --repo acme/etl", "Workspace Owner of the Workspace Data Platform", "https://github.com/acme/etl/settings/secrets/actions") {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if _, err := os.Stat(p.path("astro-ci.yaml")); err == nil || len(s.Astro().Tokens()) != 0 || s.GitHub().Faults.Count(http.MethodPut, "*") != 0 {
		t.Errorf("something else was made: %v", err)
	}
	testkit.ScanDir(t, s.GitHub().Token(), p.path("pack"))
	assertNoToken(t, p, stdout, stderr)

	s.GitHub().Change("acme", "etl", "push", false, "")
	p.write(found[2], p.read("pack/"+found[2])) // as the page says, by hand
	_, stderr, code = p.run("apply", "-f", "pack/astro-ci.yaml", "--no-input", "--yes")
	if code != 0 || len(s.Astro().Tokens()) != 1 {
		t.Errorf("apply: exit %d, %d tokens: %s", code, len(s.Astro().Tokens()), stderr)
	}
	if v, err := s.GitHub().OpenRepo("acme", "etl", "ASTRO_API_TOKEN"); err != nil || !s.Astro().Accepts(v, s.Astro().Tokens()[0].ID) {
		t.Errorf("what is stored is not the token: %v", err)
	}
	if p.read(found[2]) != p.read("pack/"+found[2]) {
		t.Errorf("the pipeline became\n%s", p.read(found[2]))
	}
}

// Without any log-in the answers stand as they are given, and nothing is sent.
func TestHandOverWithoutLogIns(t *testing.T) {
	t.Parallel()
	var sent atomic.Int64
	p, s := onlineAround(t, func(service string, h http.Handler) http.Handler {
		if service != "astro" && service != "github" && service != "gitlab" {
			return h
		}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			sent.Add(1)
			h.ServeHTTP(w, r)
		})
	})
	p.unset("ASTRO_API_TOKEN", "GH_TOKEN", "GITLAB_TOKEN", "VAULT_TOKEN")
	org, ws, dep := s.Astro().Find("Data Platform", "etl-prod")
	args := []string{
		"setup", "--no-input", "--hand-over", "pack", "--credential", "deployment-token", "--role", "DEPLOYMENT_ADMIN", "--platform", "gitlab", "--repo", "acme/etl", "--branch", "main",
		"--target", "vault:secret/astro/etl", "--reader", "jwt/astro-ci-etl", "--reader-server", "https://vault.acme.example",
	}
	ids := []string{"--organization", org, "--workspace", ws, "--deployment", dep}
	if _, stderr, code := p.run(append(args, "--organization", org, "--workspace", ws, "--deployment", "etl-prod")...); code != 2 || !strings.Contains(stderr, "give ids instead of names") {
		t.Errorf("a name: exit %d: %s", code, stderr)
	}
	stdout, stderr, code := p.run(append(args, ids...)...)
	if code != 0 || !strings.Contains(stdout, filepath.Join("pack", "README.md")) {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	page := p.read("pack/README.md")
	for _, want := range []string{
		"- Organization, Workspace, Deployment, Role", ": there was no log-in to Astro", ": there was no log-in to Vault", ": there was no log-in to gitlab.com", "vault kv patch", "astro deployment token create --deployment-id " + dep,
		`sh "$PACK/astro-ci-` + dep + `-grant.sh"`,
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	if !strings.Contains(p.read("pack/astro-ci-"+dep+"-grant.sh"), "vault policy write") || !strings.Contains(p.read("pack/.gitlab-ci.yml"), dep) {
		t.Error("the grant or the pipeline is not whole")
	}
	if n := sent.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}

	// Once more is fine; a folder of something else is not touched.
	if _, stderr, code := p.run(append(args, ids...)...); code != 0 {
		t.Errorf("again: exit %d: %s", code, stderr)
	}
	p.write("other/notes.txt", "mine")
	args[3] = "other"
	if _, stderr, code := p.run(append(args, ids...)...); code != 2 || !strings.Contains(stderr, "holds something else") {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if all, err := os.ReadDir(p.path("other")); err != nil || len(all) != 1 {
		t.Errorf("%d files, %v", len(all), err)
	}

	args[3] = "-"
	stdout, stderr, code = p.run(append(args, ids...)...)
	if code != 0 || !strings.Contains(stdout, "### `astro-ci.yaml`") || !strings.Contains(stdout, "### `.gitlab-ci.yml`") {
		t.Errorf("as one text: exit %d: %s", code, stderr)
	}
	for _, more := range []string{"--dry-run", "--json"} {
		if _, stderr, code := p.run(append(append(slices.Clone(args), ids...), more)...); code != 2 {
			t.Errorf("%s: exit %d: %s", more, code, stderr)
		}
	}
}

// What a hand-over still has to be told is listed at once.
func TestHandOverLacksAnswers(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	stdout, stderr, code := p.run("setup", "--no-input", "--json", "--hand-over", "pack", "--platform", "github", "--repo", "acme/etl")
	var flags []string
	for _, m := range decode(t, stdout).Missing {
		flags = append(flags, m.Flag)
	}
	if want := []string{"--organization", "--credential", "--workspace", "--deployment", "--role", "--branch"}; code != 3 || !slices.Equal(flags, want) {
		t.Errorf("exit %d, missing %v, want %v: %s", code, flags, want, stderr)
	}
	if _, err := os.Stat(p.path("pack")); err == nil {
		t.Error("a folder was made")
	}
}

// After a person was led to a missing right, the command that hands over what they answered is printed.
func TestHandOverAfterAsking(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Change("acme", "etl", "pull", false, "")
	args := slices.DeleteFunc(real("--plain"), func(a string) bool { return a == "--no-input" || a == "--yes" || a == "--json" })
	stdout, stderr, code := p.runWith("\n\nq\n", args...)
	_, command, ok := strings.Cut(stderr, "somebody who may has to do:\n  ")
	if code != 130 || !ok || !strings.Contains(stdout, "h to write it down for somebody") {
		t.Fatalf("exit %d: %s%s", code, stdout, stderr)
	}
	command, _, _ = strings.Cut(command, "\n")
	words := strings.Fields(command)
	if _, stderr, code := p.run(words[1:]...); code != 0 || !strings.Contains(p.read("astro-ci-etl-prod/astro-ci.yaml"), "WORKSPACE_AUTHOR") {
		t.Errorf("%s: exit %d: %s", command, code, stderr)
	}
	if len(s.Astro().Tokens()) != 0 {
		t.Error("a token was made")
	}
}

// It can be handed over on the spot, in the wizard and by numbered questions.
func TestHandOverWhereTheRightIsMissing(t *testing.T) {
	t.Parallel()
	const page = "astro-ci-etl-prod/README.md"
	for what, ask := range map[string]func(p *place, args []string) (said string, code int){
		"plain": func(p *place, args []string) (string, int) {
			stdout, stderr, code := p.runWith("\n\nh\n", append(args, "--plain")...)
			return stdout + stderr, code
		},
		"wizard": func(p *place, args []string) (string, int) {
			p.env = append(p.env, "ASTRO_CI_KEY_GRACE=1ns")
			screen := testkit.StartScreen(p.t, p.command(args...), 100, 30)
			for _, next := range []string{"enter begin", "What will the pipeline do?", "Where is the secret kept?", "hand it over"} {
				screen.WaitFor(next)
				if next != "hand it over" {
					screen.Send(enter)
				}
			}
			screen.Send("h")
			screen.WaitFor(page)
			screen.Send(enter)
			code := screen.Wait()
			return string(screen.Raw()), code
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			s.GitHub().Change("acme", "etl", "pull", false, "")
			args := slices.DeleteFunc(real(), func(a string) bool { return a == "--no-input" || a == "--yes" || a == "--json" })
			said, code := ask(p, args)
			if code != 0 || !strings.Contains(said, page) || !strings.Contains(p.read(page), "acme/etl") || len(s.Astro().Tokens()) != 0 || len(p.workflows()) != 0 {
				t.Errorf("exit %d: %s", code, said)
			}
			assertNoToken(t, p, said)
		})
	}
}
