package pipeline_test

import (
	"path/filepath"
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
)

func TestProjects(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	for path, text := range map[string]string{
		"README.md":                        "",
		"web/Dockerfile":                   "FROM nginx\n",
		"teams/a/.astro/config.yaml":       "project:\n  name: a\n",
		"teams/a/plugins/Dockerfile":       "FROM astrocrpublic.azurecr.io/runtime:3.0-10\n",
		"teams/b/Dockerfile":               "# ours\nfrom quay.io/astronomer/astro-runtime:12.1.0 as x\n",
		"node_modules/c/Dockerfile":        "FROM quay.io/astronomer/astro-runtime:12.1.0\n",
		".cache/d/.astro/config.yaml":      "",
		"1/2/3/4/5/6/7/.astro/config.yaml": "",
	} {
		write(t, filepath.Join(root, filepath.FromSlash(path)), text, 0o644)
	}
	if got := pipeline.NewFiles(root).Projects(); !slices.Equal(got, []string{"teams/a", "teams/b"}) {
		t.Errorf("got %q", got)
	}
	write(t, filepath.Join(root, "Dockerfile"), "FROM quay.io/astronomer/astro-runtime:12.1.0\n", 0o644)
	if got := pipeline.NewFiles(root).Projects(); !slices.Equal(got, []string{".", "teams/a", "teams/b"}) {
		t.Errorf("with one at the root: %q", got)
	}
	if got := pipeline.NewFiles(filepath.Join(root, "none")).Projects(); got != nil {
		t.Errorf("no folder: %q", got)
	}
}
