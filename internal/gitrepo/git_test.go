package gitrepo_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// git runs the git program in dir without any configuration but the repository's own.
func git(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_CEILING_DIRECTORIES="+filepath.Dir(dir))
	out, err := cmd.Output()
	return strings.TrimRight(string(out), "\n"), err
}

func must(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := git(t, dir, args...)
	if err != nil {
		t.Fatalf("git %s: %v", strings.Join(args, " "), err)
	}
	return out
}

func TestLikeGit(t *testing.T) {
	testkit.Need(t, "git")
	t.Parallel()
	root := t.TempDir()
	must(t, root, "init", "-q", "-b", "work")
	must(t, root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	for i, name := range []string{"core.x", "remote.none.fetch"} {
		must(t, root, "config", name, fmt.Sprint(i))
	}
	for name, url := range map[string]string{
		"origin": "gh:acme/etl", "zeta": "https://ada:hunter2@gitlab.com/g/s/p.git", "up.stream": "ghx:a/b", `quo"ted\`: "git@ssh.dev.azure.com:v3/o/my%20p/r", "Upper": " https://host/a/b ; c",
	} {
		must(t, root, "config", "remote."+name+".url", url)
		must(t, root, "config", "--add", "remote."+name+".url", "https://second.example/a/b")
	}
	must(t, root, "config", "url.ssh://git@github.com/.insteadOf", "gh:")
	must(t, root, "config", "url.https://long.example/.insteadOf", "ghx:")
	must(t, root, "config", "url.https://push.example/.pushInsteadOf", "https://")

	r, err := gitrepo.Find(root)
	if err != nil {
		t.Fatal(err)
	}
	if got := must(t, root, "symbolic-ref", "--short", "HEAD"); r.Branch != got {
		t.Errorf("branch is %q, git says %q", r.Branch, got)
	}
	if r.DefaultBranch != "main" {
		t.Errorf("default branch is %q", r.DefaultBranch)
	}
	var fromGit []providers.Remote
	for name := range strings.FieldsSeq(must(t, root, "remote")) {
		host, path, err := gitrepo.ParseURL(must(t, root, "remote", "get-url", name))
		if err == nil {
			fromGit = append(fromGit, providers.Remote{Name: name, Host: host, Path: path})
		}
	}
	byName := func(a, b providers.Remote) int { return strings.Compare(a.Name, b.Name) }
	got := slices.SortedFunc(slices.Values(r.Remotes), byName)
	slices.SortFunc(fromGit, byName)
	if !slices.Equal(got, fromGit) || len(got) != 4 {
		t.Errorf("got %+v\ngit %+v", got, fromGit)
	}

	tree := filepath.Join(t.TempDir(), "tree")
	must(t, root, "-c", "user.name=ada", "-c", "user.email=ada@acme.example", "commit", "-q", "--allow-empty", "-m", "first")
	must(t, root, "worktree", "add", "-q", "-b", "other", tree)
	w, err := gitrepo.Find(tree)
	if err != nil || w.Branch != "other" || w.DefaultBranch != "main" || !slices.Equal(w.Remotes, r.Remotes) {
		t.Errorf("worktree: got %+v, %v", w, err)
	}
}

// What git makes of a configuration is what Find makes of it, down to what is refused.
func TestConfigLikeGit(t *testing.T) {
	testkit.Need(t, "git")
	t.Parallel()
	const head = "[remote \"origin\"]\n\turl = "
	for _, text := range []string{
		head + "https://a.example/o/r",
		head + "https://a.example/o/r # c\n",
		head + "https://a.example/o/r#c\n",
		head + "\"https://a.example/o/r;x\"\n",
		head + "\"https://a.example/o/r\n",
		head + "https://a.example/o\\\n/r\n",
		head + "https://a.example/o\\\r\n/r\r\n",
		head + "https://a.example/\"o/\"r \t\n",
		head + "https://a.example/o\\x/r\n",
		head + "https://a.example/o\\\\/r\n",
		head + "https://a.example/o/r\n\turl2\n\tkey value\n",
		head + "https://a.example/o/r\n[core] bare = false # x\n; c \\\n[core]x=1\n",
		head + "https://a.example/o/r\n\t1x = 2\n",
		head + "https://a.example/o/r\n\tx_y = 2\n",
		"[REMOTE \"origin\"]URL=https://a.example/o/r",
		"[remote.Origin]\nurl = https://a.example/o/r\n[remote \"x\\\"\\y\"]\nurl = https://b.example/o/r\n",
		"[remote \"origin\" ]\nurl = https://a.example/o/r\n",
		"[ remote \"origin\"]\nurl = https://a.example/o/r\n",
		"[remote\"origin\"]\nurl = https://a.example/o/r\n",
		"[remote   \t\"origin\"]\nurl\t = \t https://a.example/o/r\n",
		"[remote \"ori\ngin\"]\nurl = https://a.example/o/r\n",
		"[remote \"origin]\nurl = https://a.example/o/r\n",
		"[remote origin]\nurl = https://a.example/o/r\n",
		"[]\nurl = https://a.example/o/r\n",
		"[remote\nurl = x\n",
		"\ufeff[remote \"origin\"]\nurl = https://a.example/o/r\n",
		"url = https://a.example/o/r\n",
		"[a]b=\\\n",
		"[a]b=\\",
		"[a]b=\"\\\"\n[remote \"c\"]url=https://a.example/o/r\"\n",
		"[remote \"origin\"]\nurl = https://a.example/o/r\\t\n",
		"[remote \"origin\"]\nurl = https://a.example/o r/x  y \n",
	} {
		root := repository(t, text)
		list, refused := git(t, root, "config", "--null", "--file", filepath.Join(".git", "config"), "--list")
		var want []providers.Remote
		for item := range strings.SplitSeq(list, "\x00") {
			key, value, _ := strings.Cut(item, "\n")
			name, isURL := strings.CutSuffix(strings.TrimPrefix(key, "remote."), ".url")
			if host, path, err := gitrepo.ParseURL(value); isURL && err == nil {
				want = append(want, providers.Remote{Name: name, Host: host, Path: path})
			}
		}
		r, err := gitrepo.Find(root)
		switch {
		case (err != nil) != (refused != nil):
			t.Errorf("%q: got %v, git says %v", text, err, refused)
		case err == nil && !slices.Equal(r.Remotes, want):
			t.Errorf("%q: got %v, git says %v", text, r.Remotes, want)
		}
	}
}
