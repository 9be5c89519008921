package cli

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
)

// git is what git says of files of the repository, without writing any of its own; ok is false where it cannot say.
func (w *world) git(ctx context.Context, paths []string, args ...string) (said string, ok bool) {
	git, err := exec.LookPath("git")
	if err != nil || w.repo == nil || len(paths) == 0 {
		return "", false
	}
	out, err := w.app.program(git, w.files.Root())(ctx, nil, slices.Concat([]string{"--no-optional-locks"}, args, []string{"--"}, paths)...)
	return string(out), err == nil
}

// tracked are those of the files that git knows. Where it cannot say, known is nil and they all may be.
func (w *world) tracked(ctx context.Context, paths []string) (known map[string]bool) {
	said, ok := w.git(ctx, paths, "ls-files", "-z")
	if !ok {
		return nil
	}
	known = map[string]bool{}
	for path := range strings.SplitSeq(said, "\x00") {
		known[path] = true
	}
	return known
}

// there leads a shell to the files of the repository, where it stands elsewhere.
func (w *world) there() string {
	if here, err := os.Getwd(); err != nil || !same(here, w.files.Root()) {
		return "cd " + w.app.shown(w.files.Root()) + " && "
	}
	return ""
}

// uncommitted are those of the files that git does not have as they are; none where git cannot say.
func (w *world) uncommitted(ctx context.Context, paths []string) (out []string) {
	said, _ := w.git(ctx, paths, "status", "--porcelain", "-z", "--untracked-files=all")
	for _, path := range paths {
		if strings.Contains("\x00"+said, " "+path+"\x00") {
			out = append(out, path)
		}
	}
	return out
}

// same reports whether two paths are one folder.
func same(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// shown is a folder as a word for a shell; below the home folder as people write it.
func (a *app) shown(dir string) string {
	if runtime.GOOS == "windows" {
		return word(dir)
	}
	if rest, ok := strings.CutPrefix(dir, a.env.home()+string(filepath.Separator)); ok && a.env.home() != "" {
		return "~/" + providers.ShellWord(filepath.ToSlash(rest))
	}
	return providers.ShellWord(dir)
}
