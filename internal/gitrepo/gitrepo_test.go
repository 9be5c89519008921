package gitrepo_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/gitrepo"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
)

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
	pushurl = https://example.com/elsewhere/x
[remote "local"]
	url = ../elsewhere
	url = https://github.com/acme/second
[remote "upstream"]
	url = "https://github.com/acme/\
up.git" ; another comment
[Remote "origin"] URL = git@github.com:acme/etl.git
	fetch = +refs/heads/*:refs/remotes/origin/*
	# no continuation \
[remote "a]b"]
	url = https://ada:hunter2@github.com/acme/odd
[remote.old]
	url = https://github.com/acme/old
[url "ssh://git@github.com/"]
	insteadOf = gh:
	pushInsteadOf = https://github.com/
[url "https://short.example/"]
	insteadOf = g
[include]
	path = ../more
`

var want = []providers.Remote{
	{Name: "origin", Host: "github.com", Path: "acme/etl"},
	{Name: "upstream", Host: "github.com", Path: "acme/up"},
	{Name: "a]b", Host: "github.com", Path: "acme/odd"},
	{Name: "fork", Host: "github.com", Path: "ada/etl"},
	{Name: "old", Host: "github.com", Path: "acme/old"},
}

// repository writes a repository by hand and returns its root.
func repository(t *testing.T, config string) string {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, ".git", "HEAD"), "ref: refs/heads/feature/x\n")
	write(t, filepath.Join(root, ".git", "config"), config)
	return root
}

func TestFind(t *testing.T) {
	t.Parallel()
	root := repository(t, strings.Replace(config, "insteadOf = g\n", "insteadOf = nothing\n", 1))
	write(t, filepath.Join(root, ".git", "refs", "remotes", "origin", "HEAD"), "ref: refs/remotes/origin/main\n")
	write(t, filepath.Join(root, "dags", "x.py"), "")
	if err := os.Mkdir(filepath.Join(root, "dags", ".git"), 0o700); err != nil { // not a repository: no HEAD
		t.Fatal(err)
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
	if r, err = gitrepo.Find(tree); err != nil || r.Root != tree || r.Branch != "" || r.DefaultBranch != "main" || !slices.Equal(r.Remotes, want) {
		t.Errorf("worktree: got %+v, %v", r, err)
	}

	// A submodule's file is relative, and its configuration is its own.
	write(t, filepath.Join(root, "sub", ".git"), "gitdir: ../.git/modules/sub\n")
	write(t, filepath.Join(root, ".git", "modules", "sub", "HEAD"), "ref: refs/heads/trunk\n")
	write(t, filepath.Join(root, ".git", "modules", "sub", "config"), "[remote \"origin\"]\nurl = https://gitlab.com/g/s/p\n")
	r, err = gitrepo.Find(filepath.Join(root, "sub"))
	if err != nil || r.Branch != "trunk" || !slices.Equal(r.Remotes, []providers.Remote{{Name: "origin", Host: "gitlab.com", Path: "g/s/p"}}) {
		t.Errorf("submodule: got %+v, %v", r, err)
	}
	if _, err := gitrepo.Find(t.TempDir()); !errors.Is(err, gitrepo.ErrNone) {
		t.Errorf("no repository: %v", err)
	}
}

func TestBareFacts(t *testing.T) {
	t.Parallel()
	root := repository(t, "")
	if err := os.Remove(filepath.Join(root, ".git", "config")); err != nil {
		t.Fatal(err)
	}
	for head, branch := range map[string]string{
		"ref: refs/heads/main\n":      "main",
		"ref:\trefs/heads/a b\n":      "a b",
		"ref: refs/heads/.invalid\n":  "", // the reftable format
		"ref: refs/heads/a\x1b[2J\n":  "",
		"ref: refs/remotes/origin/x ": "",
		"":                            "",
	} {
		write(t, filepath.Join(root, ".git", "HEAD"), head)
		if r, err := gitrepo.Find(root); err != nil || r.Branch != branch || len(r.Remotes) != 0 {
			t.Errorf("HEAD %q: got %+v, %v", head, r, err)
		}
	}
}

func TestBrokenRepositoryIsSaid(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(root string){
		"config": func(root string) { write(t, filepath.Join(root, ".git", "config"), "[core]\n\tx = \"open\n") },
		"config large": func(root string) {
			write(t, filepath.Join(root, ".git", "config"), strings.Repeat("# comment\n", 200_000))
		},
		"config folder": func(root string) {
			write(t, filepath.Join(root, ".git", "config", "x"), "")
		},
		"file":   func(root string) { write(t, filepath.Join(root, ".git"), "gitdir:\n") },
		"folder": func(root string) { write(t, filepath.Join(root, ".git"), "gitdir: nowhere\n") },
	} {
		root := t.TempDir()
		if strings.HasPrefix(name, "config") {
			write(t, filepath.Join(root, ".git", "HEAD"), "ref: refs/heads/main\n")
		}
		spoil(root)
		r, err := gitrepo.Find(root)
		if r != nil || err == nil || errors.Is(err, gitrepo.ErrNone) || hint.Of(err).Next == "" {
			t.Errorf("%s: got %+v, %v", name, r, err)
		}
	}
}

func TestEmptyURLForgetsThoseBefore(t *testing.T) {
	t.Parallel()
	r, err := gitrepo.Find(repository(t, "[remote \"origin\"]\nurl = https://github.com/a/b\nurl =\nurl = https://github.com/c/d\n[remote \"gone\"]\nurl = https://github.com/a/b\nurl\n"))
	if err != nil || !slices.Equal(r.Remotes, []providers.Remote{{Name: "origin", Host: "github.com", Path: "c/d"}}) {
		t.Errorf("got %+v, %v", r, err)
	}
}
