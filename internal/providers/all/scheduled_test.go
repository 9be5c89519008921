package all_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Where a platform reads one file, the job that renews the token stands in it beside the one that deploys,
// and can be taken out again.
func TestRenewalSharesTheFile(t *testing.T) {
	t.Parallel()
	tried := 0
	for _, x := range all.Platforms() {
		if x.Scheduled == nil || !x.OneFile {
			continue
		}
		tried++
		deploys := plan(x, "etl", "main")
		deploys.SelfRotation = setup.SelfRotation{Every: setup.Weekly, Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "R", ExpiresInDays: setup.DefaultDays}, Program: deploys.Pipeline.CLI}
		renews := deploys.Renewal()
		renews.Pipeline.File = x.File
		root := t.TempDir()
		files, at := pipeline.NewFiles(root), filepath.Join(root, filepath.FromSlash(x.File))
		now := func() string {
			raw, err := os.ReadFile(at)
			if err != nil {
				t.Fatal(err)
			}
			return string(raw)
		}
		write := func(p setup.Plan) string {
			t.Helper()
			f, err := x.Pipeline(p)
			if err == nil {
				_, err = files.Write(f, p.Name, false)
			}
			if err != nil {
				t.Fatalf("%s: %v", x.ID, err)
			}
			return now()
		}
		alone := write(deploys)
		both := write(renews)
		if got := pipeline.Setups([]byte(both)); !slices.Equal(got, []string{"etl", "etl-rotation"}) || block(both, "etl") != block(alone, "etl") {
			t.Errorf("%s: %v\n%s", x.ID, got, both)
		}
		if again := write(renews); again != both {
			t.Errorf("%s: a second time it becomes\n%s", x.ID, again)
		}
		f, err := x.Pipeline(renews)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := files.Cut(f, renews.Name, false); err != nil {
			t.Errorf("%s: %v", x.ID, err)
		}
		if rest := now(); empty.ReplaceAllString(rest, "\n") != empty.ReplaceAllString(alone, "\n") {
			t.Errorf("%s: without it the file is\n%s", x.ID, rest)
		}
	}
	if tried == 0 {
		t.Error("no platform was tried")
	}
}
