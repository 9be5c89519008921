package pipeline_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
)

const file = ".github/workflows/astro-etl.yml"

func rendered(content string) providers.File {
	return providers.File{Path: file, Content: []byte(content)}
}

func tree(t *testing.T) (*pipeline.Files, string) {
	t.Helper()
	root := t.TempDir()
	return pipeline.NewFiles(root), filepath.Join(root, filepath.FromSlash(file))
}

func write(t *testing.T, at, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func content(t *testing.T, at string) string {
	t.Helper()
	raw, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// names lists everything below the root, so that nothing is left behind unseen.
func names(t *testing.T, f *pipeline.Files) string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(f.Root(), func(p string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(f.Root(), p); rel != "." {
			all = append(all, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, " ")
}

func TestWriteNewFile(t *testing.T) {
	t.Parallel()
	f, at := tree(t)
	want := rendered("a: 1\nb: 2\n")

	if err := f.Check(want, "etl", false); err != nil {
		t.Fatal(err)
	}
	planned, err := f.Plan(want, "etl", false)
	if err != nil || !planned.Changed() || planned.Existed {
		t.Fatalf("plan: %+v, %v", planned, err)
	}
	if got := names(t, f); got != "" {
		t.Fatalf("looking at it left %s", got)
	}

	done, err := f.Write(want, "etl", false)
	if err != nil {
		t.Fatal(err)
	}
	if string(done.After) != string(planned.After) || content(t, at) != string(planned.After) {
		t.Error("what was written is not what was planned")
	}
	if info, _ := os.Stat(at); info.Mode().Perm()&0o600 != 0o600 || info.Mode().Perm()&0o111 != 0 {
		t.Errorf("mode is %v", info.Mode())
	}
	if got := names(t, f); got != ".github .github/workflows "+file {
		t.Errorf("the tree holds %s", got)
	}
	if done.Summary() != "new file, 4 lines" {
		t.Errorf("summary: %s", done.Summary())
	}

	again, err := f.Write(want, "etl", false)
	if err != nil || again.Changed() || again.Summary() != "no change" || again.Diff() != "" {
		t.Errorf("the second time: changed %v, %v", again.Changed(), err)
	}

	if err := f.Restore(done); err != nil {
		t.Fatal(err)
	}
	if got := names(t, f); got != "" {
		t.Errorf("taking it back left %s", got)
	}
	if err := f.Restore(done); err != nil {
		t.Errorf("taking it back twice: %v", err)
	}
}

func TestWriteIntoExistingFile(t *testing.T) {
	t.Parallel()
	f, at := tree(t)
	if _, err := f.Write(rendered("a: 1\n"), "etl", false); err != nil {
		t.Fatal(err)
	}
	before := "# mine\n" + content(t, at) + "  mine: too\n"
	write(t, at, before, 0o644)
	if err := os.Chmod(at, 0o640); err != nil {
		t.Fatal(err)
	}

	c, err := f.Write(rendered("a: 2\n"), "etl", false)
	if err != nil {
		t.Fatal(err)
	}
	after := content(t, at)
	if !strings.HasPrefix(after, "# mine\n") || !strings.HasSuffix(after, "  mine: too\n") || !strings.Contains(after, "\na: 2\n") {
		t.Errorf("got\n%s", after)
	}
	if info, _ := os.Stat(at); info.Mode().Perm() != 0o640 {
		t.Errorf("mode became %v", info.Mode())
	}
	if c.Summary() != "2 lines added, 2 removed" {
		t.Errorf("summary: %s", c.Summary())
	}
	for _, want := range []string{"--- a/" + file, "+++ b/" + file, "-a: 1", "+a: 2", "   mine: too"} {
		if !strings.Contains(c.Diff(), want) {
			t.Errorf("%q is not in the diff\n%s", want, c.Diff())
		}
	}

	write(t, at, after+"# more\n", 0o644)
	if err := f.Restore(c); err == nil || content(t, at) != after+"# more\n" {
		t.Errorf("a file that was changed since was put back: %v", err)
	}
	write(t, at, after, 0o644)
	if err := f.Restore(c); err != nil || content(t, at) != before {
		t.Errorf("it was not put back: %v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	t.Parallel()
	ours := func(t *testing.T, setup string) string {
		f, at := tree(t)
		if _, err := f.Write(rendered("a: 1\n"), setup, false); err != nil {
			t.Fatal(err)
		}
		return content(t, at)
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, f *pipeline.Files, at string)
		next    string // part of the hint, or ""
	}{
		"foreign file": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, at, "name: mine\n", 0o644)
		}, "--pipeline-file .github/workflows/astro-etl-2.yml"},
		"another setup": {func(t *testing.T, f *pipeline.Files, at string) {
			write(t, at, ours(t, "other"), 0o644)
			write(t, filepath.Join(f.Root(), ".github/workflows/astro-etl-2.yml"), "x", 0o644)
		}, "--pipeline-file .github/workflows/astro-etl-3.yml"},
		"edited": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, at, strings.Replace(ours(t, "etl"), "a: 1", "a: mine", 1), 0o644)
		}, "--replace-edits"},
		"damaged": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, at, ours(t, "etl")+"# <<< astro-ci\n", 0o644)
		}, "Remove what is left"},
		"link": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, at+".real", ours(t, "etl"), 0o644)
			if err := os.Symlink(filepath.Base(at)+".real", at); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"dangling link": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, filepath.Join(filepath.Dir(at), "x"), "", 0o644)
			if err := os.Symlink("nowhere", at); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"folder is a link out": {func(t *testing.T, f *pipeline.Files, _ string) {
			if err := os.Symlink(t.TempDir(), filepath.Join(f.Root(), ".github")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"folder is a link inside": {func(t *testing.T, f *pipeline.Files, _ string) {
			write(t, filepath.Join(f.Root(), "elsewhere", "x"), "", 0o644)
			if err := os.Symlink("elsewhere", filepath.Join(f.Root(), ".github")); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"folder is a file": {func(t *testing.T, f *pipeline.Files, _ string) {
			write(t, filepath.Join(f.Root(), ".github"), "", 0o644)
		}, ""},
		"is a folder": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, filepath.Join(at, "x"), "", 0o644)
		}, ""},
		"too large": {func(t *testing.T, _ *pipeline.Files, at string) {
			write(t, at, ours(t, "etl")+strings.Repeat("#\n", 1<<20), 0o644)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, at := tree(t)
			c.prepare(t, f, at)
			before := names(t, f)
			for how, err := range map[string]error{
				"check": f.Check(rendered("a: 2\n"), "etl", false),
				"write": func() error { _, err := f.Write(rendered("a: 2\n"), "etl", false); return err }(),
			} {
				if err == nil {
					t.Fatalf("%s accepts it", how)
				}
				if h := hint.Of(err); !strings.Contains(h.Next, c.next) {
					t.Errorf("%s: %v; next: %q", how, err, h.Next)
				}
				if !strings.Contains(err.Error(), file) {
					t.Errorf("%s: the error does not name the file: %v", how, err)
				}
			}
			if got := names(t, f); got != before {
				t.Errorf("it left %s, there was %s", got, before)
			}
		})
	}
}

func TestReplaceEdits(t *testing.T) {
	t.Parallel()
	f, at := tree(t)
	if _, err := f.Write(rendered("a: 1\n"), "etl", false); err != nil {
		t.Fatal(err)
	}
	write(t, at, strings.Replace(content(t, at), "a: 1", "a: mine", 1), 0o644)
	c, err := f.Write(rendered("a: 1\n"), "etl", true)
	if err != nil || !strings.Contains(c.Diff(), "-a: mine") || strings.Contains(content(t, at), "mine") {
		t.Errorf("%v\n%s", err, c.Diff())
	}
}

func TestPathsOutside(t *testing.T) {
	t.Parallel()
	f, _ := tree(t)
	for _, bad := range []string{"", "../a.yml", "/etc/a.yml", "a/../../b.yml", ".git/config", `a\b.yml`} {
		if _, err := f.Write(providers.File{Path: bad, Content: []byte("a: 1\n")}, "etl", false); err == nil {
			t.Errorf("%q was written", bad)
		}
	}
	if got := names(t, f); got != "" {
		t.Errorf("it left %s", got)
	}
}

func TestFree(t *testing.T) {
	t.Parallel()
	f, at := tree(t)
	if got := f.Free(file, "etl", false); got != file {
		t.Errorf("nothing there: %s", got)
	}
	if _, err := f.Write(rendered("a: 1\n"), "etl", false); err != nil {
		t.Fatal(err)
	}
	if got := f.Free(file, "etl", false); got != file {
		t.Errorf("our own: %s", got)
	}
	if got := f.Free(file, "other", false); got != ".github/workflows/astro-etl-2.yml" {
		t.Errorf("another setup's: %s", got)
	}
	if got := f.Free(file, "other", true); got != file {
		t.Errorf("another setup's, which can be shared: %s", got)
	}
	write(t, at, "name: mine\n", 0o644)
	if got := f.Free(file, "etl", true); got != ".github/workflows/astro-etl-2.yml" {
		t.Errorf("a person's: %s", got)
	}
}

func TestDiffIsSafeToPrint(t *testing.T) {
	t.Parallel()
	c := pipeline.Change{Path: "a.yml", Existed: true, Before: []byte("a: \x1b[2J\u202e\r\nb: 1\r\n"), After: []byte("a: \x1b[2J\u202e\r\nb: 2\r\n")}
	if d := c.Diff(); strings.ContainsAny(d, "\x1b\r\u202e") || !strings.Contains(d, "+b: 2\n") {
		t.Errorf("%q", d)
	}
}

func TestEditOfAPersonsFile(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	f := pipeline.NewFiles(root)
	at := filepath.Join(root, "ci.yml")
	if err := os.WriteFile(at, []byte("a\r\nb\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	upper := func(b []byte) ([]byte, error) { return bytes.ToUpper(b), nil }
	planned, err := f.PlanEdit("ci.yml", upper)
	if err != nil || string(planned.After) != "A\r\nB\n" {
		t.Fatalf("planned %q, %v", planned.After, err)
	}
	c, err := f.Edit("ci.yml", upper)
	if got, _ := os.ReadFile(at); err != nil || string(got) != "A\r\nB\n" {
		t.Fatalf("holds %q, %v", got, err)
	}
	for range 2 { // what is back already is no fault
		if err := f.Restore(c); err != nil {
			t.Error(err)
		}
	}
	if got, _ := os.ReadFile(at); string(got) != "a\r\nb\n" {
		t.Errorf("restored to %q", got)
	}
	if _, err := f.Edit("missing.yml", upper); err == nil {
		t.Error("a file that is not there was edited")
	}
	if _, err := f.Edit("../ci.yml", upper); err == nil {
		t.Error("a file outside was edited")
	}
	files, err := f.Find([]string{"*.yml", ".github/workflows/*.yml"})
	if err != nil || len(files) != 1 || files[0].Path != "ci.yml" || string(files[0].Content) != "a\r\nb\n" {
		t.Errorf("found %v, %v", files, err)
	}
}

func TestSummary(t *testing.T) {
	t.Parallel()
	for want, c := range map[string]pipeline.Change{
		"new file, 1 line":        {After: []byte("a\n")},
		"1 line added":            {Existed: true, Before: []byte("a\n"), After: []byte("a\nb\n")},
		"2 lines removed":         {Existed: true, Before: []byte("a\nb\nc\n"), After: []byte("a\n")},
		"1 line added, 1 removed": {Existed: true, Before: []byte("a\n"), After: []byte("b\n")},
	} {
		c.Path = "a"
		if got := c.Summary(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
