package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/providers"
)

func TestParseURL(t *testing.T) {
	for raw, want := range map[string]string{
		"https://github.com/o/r":                                  "github.com o/r",
		"https://github.com/o/r.git":                              "github.com o/r",
		"https://ada:pw@github.com/o/r.git/":                      "github.com o/r",
		"git@github.com:o/r.git":                                  "github.com o/r",
		"ssh://git@github.com/o/r":                                "github.com o/r",
		"ssh://git@ssh.github.com:443/o/r.git":                    "ssh.github.com o/r",
		"https://acme.ghe.com/o/r":                                "acme.ghe.com o/r",
		"git@GHE.corp:o/r":                                        "ghe.corp o/r",
		"https://gitlab.com/g/s1/s2/p.git":                        "gitlab.com g/s1/s2/p",
		"ssh://git@gl.corp:2222/g/p.git":                          "gl.corp g/p",
		"https://corp/gitlab/g/p":                                 "corp gitlab/g/p",
		"https://user@bitbucket.org/ws/r.git":                     "bitbucket.org ws/r",
		"https://org@dev.azure.com/org/my%20proj/_git/repo":       "dev.azure.com org/my proj/_git/repo",
		"git@ssh.dev.azure.com:v3/org/proj/repo":                  "ssh.dev.azure.com v3/org/proj/repo",
		"https://org.visualstudio.com/DefaultCollection/p/_git/r": "org.visualstudio.com DefaultCollection/p/_git/r",
	} {
		host, path, err := gitrepo.ParseURL(raw)
		if err != nil || host+" "+path != want {
			t.Errorf("%s: %q %q %v", raw, host, path, err)
		}
	}
	for _, raw := range []string{
		"", "https://", "https://github.com", "https://github.com/", "https://github.com/../x", "https://git\x1bhub.com/o/r", `https://github.com\@evil/o/r`,
		"https://github.com%2eevil.example/o/r", "https://gіthub.com/o/r", "ftp://github.com/o/r", "https://github.com/o%2fr/x%2f..", "https://github.com/o//r", "https://github.com/o/%zz",
	} {
		if host, path, err := gitrepo.ParseURL(raw); err == nil {
			t.Errorf("%q was read as %q %q", raw, host, path)
		}
	}
	for _, raw := range []string{"file:///srv/x", "/srv/x.git", "../x", "x", "C:/x"} {
		if _, _, err := gitrepo.ParseURL(raw); !errors.Is(err, gitrepo.ErrLocal) {
			t.Errorf("%q: %v", raw, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("https://ada:hunter2hunter2@github.com/o/r.git")
	f.Add("git@github.com:o/r")
	f.Fuzz(func(t *testing.T, raw string) {
		host, path, err := gitrepo.ParseURL(raw)
		if strings.ContainsFunc(host+path, unicode.IsControl) || (err == nil) != (host != "" && path != "") {
			t.Fatalf("%q: %q %q %v", raw, host, path, err)
		}
		if strings.Contains(host, "@") {
			t.Fatalf("%q: a user name stayed: %q", raw, host)
		}
	})
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const config = `[core]
	bare = false # a comment
[remote "fork"]
	url = gh:ada/etl
[remote "local"]
	url = ../elsewhere
[remote "upstream"]
	url = "https://github.com/acme/\
up.git" ; another comment
[Remote "origin"]
	URL = git@github.com:acme/etl.git
	fetch = +refs/heads/*:refs/remotes/origin/*
[url "ssh://git@github.com/"]
	insteadOf = gh:
`

func TestFind(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, ".git", "config"), config)
	write(t, filepath.Join(root, ".git", "HEAD"), "ref: refs/heads/feature/x\n")
	write(t, filepath.Join(root, ".git", "refs", "remotes", "origin", "HEAD"), "ref: refs/remotes/origin/main\n")
	write(t, filepath.Join(root, "dags", "x.py"), "")
	want := []providers.Remote{
		{Name: "origin", Host: "github.com", Path: "acme/etl"}, {Name: "upstream", Host: "github.com", Path: "acme/up"}, {Name: "fork", Host: "github.com", Path: "ada/etl"},
	}
	r, err := gitrepo.Find(filepath.Join(root, "dags"))
	if err != nil || r.Root != root || r.Branch != "feature/x" || r.DefaultBranch != "main" || !slices.Equal(r.Remotes, want) {
		t.Errorf("got %+v, %v", r, err)
	}

	// A worktree has a file instead of the folder, and shares the configuration.
	tree := t.TempDir()
	meta := filepath.Join(root, ".git", "worktrees", "w")
	write(t, filepath.Join(tree, ".git"), "gitdir: "+meta+"\n")
	write(t, filepath.Join(meta, "commondir"), "../..\n")
	write(t, filepath.Join(meta, "HEAD"), "0123456789012345678901234567890123456789\n")
	if r, err = gitrepo.Find(tree); err != nil || r.Root != tree || r.Branch != "" || !slices.Equal(r.Remotes, want) {
		t.Errorf("worktree: got %+v, %v", r, err)
	}
	if _, err := gitrepo.Find(t.TempDir()); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("no repository: %v", err)
	}
}
