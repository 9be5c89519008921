// Package gitrepo reads the git repository that one stands in: its root, remotes and branches. It
// reads git's own files and needs no git program.
package gitrepo

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
)

// ErrNone says that there is no repository here.
var ErrNone = errors.New("this is not a git repository")

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
		git := filepath.Join(dir, ".git")
		info, err := os.Stat(git)
		switch {
		case err == nil && info.IsDir():
			return read(dir, git)
		case err == nil:
			// A worktree or submodule: the file names the real folder.
			raw, err := os.ReadFile(git)
			if err != nil {
				return nil, err
			}
			to, ok := strings.CutPrefix(strings.TrimSpace(string(raw)), "gitdir: ")
			if !ok {
				return nil, fmt.Errorf("%s: not a git file", git)
			}
			if !filepath.IsAbs(to) {
				to = filepath.Join(dir, to)
			}
			return read(dir, to)
		}
		up := filepath.Dir(dir)
		if up == dir {
			return nil, ErrNone
		}
		dir = up
	}
}

func read(root, git string) (*Repo, error) {
	r := &Repo{Root: root}
	common := git
	if raw, err := os.ReadFile(filepath.Join(git, "commondir")); err == nil {
		if common = strings.TrimSpace(string(raw)); !filepath.IsAbs(common) {
			common = filepath.Join(git, common)
		}
	}
	config, err := os.ReadFile(filepath.Join(common, "config"))
	if err != nil {
		return nil, fmt.Errorf("read git's configuration: %w", err)
	}
	r.Remotes = remotes(parseConfig(string(config)))
	r.Branch = symref(filepath.Join(git, "HEAD"), "refs/heads/")
	r.DefaultBranch = symref(filepath.Join(common, "refs", "remotes", "origin", "HEAD"), "refs/remotes/origin/")
	return r, nil
}

func symref(file, prefix string) string {
	raw, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	ref, _ := strings.CutPrefix(strings.TrimSpace(string(raw)), "ref: ")
	name, ok := strings.CutPrefix(ref, prefix)
	if !ok {
		return ""
	}
	return name
}

func remotes(config []entry) (out []providers.Remote) {
	for _, e := range config {
		if e.section != "remote" || e.key != "url" || e.subsection == "" {
			continue
		}
		host, path, err := ParseURL(insteadOf(config, e.value))
		if err != nil || slices.ContainsFunc(out, func(r providers.Remote) bool { return r.Name == e.subsection }) {
			continue
		}
		out = append(out, providers.Remote{Name: e.subsection, Host: host, Path: path})
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
	slices.SortStableFunc(out, func(a, b providers.Remote) int { return strings.Compare(rank(a.Name), rank(b.Name)) })
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
	if best == "" {
		return raw
	}
	return base + raw[len(best):]
}
