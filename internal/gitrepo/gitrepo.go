// Package gitrepo reads the git repository that one stands in: its root, remotes and branches. It
// reads git's own files and needs no git program.
package gitrepo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// ErrNone says that there is no repository here.
var ErrNone = errors.New("this is not a git repository")

// maxSize is the size in bytes above which a file is not taken for one of git's.
const maxSize = 1 << 20

// Repo is one working tree.
type Repo struct {
	Root          string             // absolute path of the working tree
	Remotes       []providers.Remote // origin first, then upstream, then by name; local folders are left out
	Branch        string             // the present branch, or "" when none is checked out
	DefaultBranch string             // what origin calls its default, as far as this clone knows; may be ""
}

// Find walks up from dir to the next working tree. It returns ErrNone when there is none.
func Find(dir string) (*Repo, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	for {
		git, err := gitFolder(dir)
		if err == nil && git != "" {
			var r *Repo
			if r, err = read(dir, git); err == nil {
				return r, nil
			}
		}
		if err != nil {
			return nil, hint.Wrap(err, "read the git repository", "Look at it with git status, or change into another folder.", "")
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil, ErrNone
		}
		dir = up
	}
}

// gitFolder is the folder with git's files for the working tree dir, or "" when dir is none.
func gitFolder(dir string) (string, error) {
	git := filepath.Join(dir, ".git")
	info, err := os.Stat(git)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case info.IsDir():
		if _, err := os.Lstat(filepath.Join(git, "HEAD")); err != nil {
			return "", nil // git does not take it for a repository either
		}
		return git, nil
	}
	// A worktree or a submodule: the file names the real folder.
	raw, err := readFile(git)
	if err != nil {
		return "", err
	}
	to, ok := strings.CutPrefix(strings.TrimRight(raw, "\r\n"), "gitdir: ")
	if !ok || to == "" {
		return "", errors.New("the file .git names no folder")
	}
	return under(dir, to), nil
}

func read(root, git string) (*Repo, error) {
	head, err := readFile(filepath.Join(git, "HEAD"))
	if err != nil {
		return nil, err
	}
	common := git
	if raw, err := readFile(filepath.Join(git, "commondir")); err == nil {
		common = under(git, strings.TrimRight(raw, "\r\n"))
	}
	text, err := readFile(filepath.Join(common, "config"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	config, err := parseConfig(text)
	if err != nil {
		return nil, err
	}
	r := &Repo{Root: root, Remotes: remotes(config), Branch: symref(head, "refs/heads/")}
	// Git never packs symbolic references, so there is one place to look.
	if raw, err := readFile(filepath.Join(common, "refs", "remotes", "origin", "HEAD")); err == nil {
		r.DefaultBranch = symref(raw, "refs/remotes/origin/")
	}
	return r, nil
}

// under is to, which may be relative to dir.
func under(dir, to string) string {
	if filepath.IsAbs(to) {
		return filepath.Clean(to)
	}
	return filepath.Join(dir, to)
}

// readFile reads one of git's small files; a pipe or a device would block or never end.
func readFile(file string) (string, error) {
	info, err := os.Stat(file)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxSize {
		return "", fmt.Errorf("%s is not one of git's files", filepath.Base(file))
	}
	raw, err := os.ReadFile(file)
	return string(raw), err
}

// symref is the branch that a symbolic reference names, or "". The name ".invalid" stands in HEAD
// where git keeps its references in another format.
func symref(raw, prefix string) string {
	ref, ok := strings.CutPrefix(raw, "ref:")
	name, under := strings.CutPrefix(strings.TrimSpace(ref), prefix)
	if !ok || !under || name == ".invalid" || hidden(name) {
		return ""
	}
	return name
}

// remotes lists the remotes that can be read, each with the first of its addresses.
func remotes(config []entry) (out []providers.Remote) {
	urls := map[string][]string{}
	for _, e := range config {
		if e.section != "remote" || e.key != "url" {
			continue
		}
		if e.value == "" { // git: forget what was set so far
			delete(urls, e.subsection)
			continue
		}
		urls[e.subsection] = append(urls[e.subsection], e.value)
	}
	for name, all := range urls {
		host, path, err := ParseURL(insteadOf(config, all[0]))
		if err != nil || name == "" || hidden(name) {
			continue
		}
		out = append(out, providers.Remote{Name: name, Host: host, Path: path})
	}
	rank := func(name string) string {
		switch name {
		case "origin":
			return "0"
		case "upstream":
			return "1"
		}
		return "2" + name
	}
	slices.SortFunc(out, func(a, b providers.Remote) int { return strings.Compare(rank(a.Name), rank(b.Name)) })
	return out
}

// insteadOf rewrites an address as git does: the longest matching url.<base>.insteadOf wins.
func insteadOf(config []entry, raw string) string {
	best, base := "", ""
	for _, e := range config {
		if e.section == "url" && e.key == "insteadof" && strings.HasPrefix(raw, e.value) && len(e.value) > len(best) {
			best, base = e.value, e.subsection
		}
	}
	return base + raw[len(best):]
}
