package pipeline

import (
	"bytes"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

// How far Projects looks: deeper than any team nests its projects, and no further than a moment.
const (
	maxDepth   = 4
	maxFolders = 5000
)

// fromRuntime is the line of a Dockerfile by which it builds on the Astro Runtime.
var fromRuntime = pattern.New(`(?im)^FROM\s+\S*(astrocrpublic|astronomer|astro-runtime)\S*`)

// Projects finds the folders that hold an Astro project, slash-separated, "." for the root. It only
// helps to propose an answer, so what cannot be read holds none.
func (f *Files) Projects() (out []string) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil
	}
	defer func() { _ = root.Close() }()
	seen := 0
	_ = fs.WalkDir(root.FS(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil //nolint:nilerr // a folder that cannot be read holds no project
		}
		name := d.Name()
		if path != "." && (strings.HasPrefix(name, ".") || slices.Contains([]string{"node_modules", "venv", "vendor", "__pycache__"}, name) || strings.Count(path, "/") >= maxDepth) {
			return fs.SkipDir
		}
		if seen++; seen > maxFolders {
			return fs.SkipAll
		}
		if isProject(root, path) {
			out = append(out, path)
			if path != "." {
				return fs.SkipDir // no project stands in another
			}
		}
		return nil
	})
	return out
}

func isProject(root *os.Root, folder string) bool {
	at := func(name string) string { return strings.TrimPrefix(folder+"/"+name, "./") }
	if _, err := root.Lstat(at(".astro/config.yaml")); err == nil {
		return true
	}
	raw, _, err := read(root, at("Dockerfile"))
	return err == nil && fromRuntime.Match(bytes.TrimSpace(raw))
}
