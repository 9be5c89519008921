package pipeline_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// What a setup wrote can be taken out again, whoever else has a part in the file; what a person wrote stays.
func TestCut(t *testing.T) {
	t.Parallel()
	whole := func(name string) providers.File {
		return providers.File{Path: "x/" + name + ".yml", Content: []byte("on: push\n# " + name + "\n")}
	}
	part := func(name string) providers.File {
		return providers.File{Path: "ci.yml", Content: []byte("version: 1\n\njobs:\n  " + name + ":\n    run: x\n"), Beside: []string{"jobs"}}
	}
	flat := providers.File{Path: "ci.yml", Content: []byte("a:\n  script: x\n"), Beside: []string{"."}}
	deep := providers.File{Path: "ci.yml", Content: []byte("jobs:\n  deep:\n    a:\n      run: x\n"), Beside: []string{"jobs.deep"}}
	for name, tc := range map[string]struct {
		before string // written by a person
		write  []providers.File
		cut    providers.File
		want   string // "" for no file
	}{
		"a file of its own":        {write: []providers.File{whole("a")}, cut: whole("a")},
		"the only part":            {write: []providers.File{part("a")}, cut: part("a")},
		"one of two":               {write: []providers.File{part("a"), part("b")}, cut: part("b"), want: "a"},
		"the first of two":         {write: []providers.File{part("a"), part("b")}, cut: part("a"), want: "b"},
		"beside a person's":        {before: "jobs:\n  mine:\n    run: y # keep\n", write: []providers.File{part("a")}, cut: part("a"), want: "jobs:\n  mine:\n    run: y # keep\n"},
		"after a person's":         {before: "lint:\n  script: y\n", write: []providers.File{flat}, cut: flat, want: "lint:\n  script: y\n"},
		"after an empty line":      {before: "lint:\n  script: y\n\n", write: []providers.File{flat}, cut: flat, want: "lint:\n  script: y\n\n"},
		"below keys of its own":    {before: "jobs:\n  mine: 1\n# end\n", write: []providers.File{deep}, cut: deep, want: "jobs:\n  mine: 1\n# end\n"},
		"all keys are its own":     {before: "mine: 1\r\n", write: []providers.File{deep}, cut: deep, want: "mine: 1\r\n"},
		"one that is not there":    {before: "jobs:\n  mine: 1\n", cut: part("a"), want: "jobs:\n  mine: 1\n"},
		"a file that is not there": {cut: part("a")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := pipeline.NewFiles(dir)
			path := filepath.Join(dir, filepath.FromSlash(tc.cut.Path))
			if tc.before != "" {
				if err := os.WriteFile(path, []byte(tc.before), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			setupOf := func(x providers.File) string {
				if strings.Contains(string(x.Content), "  b:") {
					return "b"
				}
				return "a"
			}
			var states []string
			for _, x := range tc.write {
				raw, _ := os.ReadFile(path)
				states = append(states, string(raw))
				if _, err := f.Write(x, setupOf(x), false); err != nil {
					t.Fatal(err)
				}
			}
			planned, err := f.PlanCut(tc.cut, setupOf(tc.cut), false)
			if err != nil {
				t.Fatal(err)
			}
			done, err := f.Cut(tc.cut, setupOf(tc.cut), false)
			if err != nil || done.Gone != planned.Gone || string(done.After) != string(planned.After) {
				t.Fatalf("%v, done %+v, planned %+v", err, done, planned)
			}
			got, err := os.ReadFile(path)
			switch {
			case tc.want == "":
				if err == nil {
					t.Errorf("the file is still there:\n%s", got)
				}
			case len(tc.want) == 1:
				if s := pipeline.Setups(got); len(s) != 1 || s[0] != tc.want || strings.Contains(string(got), "\n\n\n") {
					t.Errorf("left: %v\n%s", s, got)
				}
				if tc.want == "a" && string(got) != states[1] {
					t.Errorf("got\n%s\nbefore the second\n%s", got, states[1])
				}
			case string(got) != tc.want:
				t.Errorf("got\n%s\nwant\n%s", got, tc.want)
			}
		})
	}
	dir := t.TempDir()
	f := pipeline.NewFiles(dir)
	if _, err := f.Write(whole("a"), "a", false); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x", "a.yml")
	raw, _ := os.ReadFile(path)
	if err := os.WriteFile(path, []byte(strings.Replace(string(raw), "on: push", "on: mine", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Cut(whole("a"), "a", false); err == nil || !strings.Contains(err.Error(), "edited by hand") {
		t.Errorf("a part that was edited by hand went: %v", err)
	}
	if c, err := f.Cut(whole("a"), "a", true); err != nil || !c.Gone {
		t.Errorf("with leave: %v, %+v", err, c)
	}
}

// A file that goes takes the folders with it that are empty then, and no other; never the repository's own.
func TestFoldersGoWithTheirLastFile(t *testing.T) {
	t.Parallel()
	file := func(path string) providers.File { return providers.File{Path: path, Content: []byte("on: push\n")} }
	for name, tc := range map[string]struct {
		path, beside string
		left         string // folders
	}{
		"all of them":      {".github/workflows/a.yml", "", ""},
		"a file beside it": {".github/workflows/a.yml", ".github/workflows/mine.yml", ".github .github/workflows"},
		"a file above it":  {".github/workflows/a.yml", ".github/CODEOWNERS", ".github"},
		"at the root":      {".ci.yml", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			f := pipeline.NewFiles(dir)
			if _, err := f.Write(file(tc.path), "a", false); err != nil {
				t.Fatal(err)
			}
			if tc.beside != "" {
				write(t, filepath.Join(dir, tc.beside), "x", 0o600)
			}
			if c, err := f.Cut(file(tc.path), "a", false); err != nil || !c.Gone {
				t.Fatalf("%+v, %v", c, err)
			}
			var left []string
			err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if rel, _ := filepath.Rel(dir, path); err == nil && d.IsDir() && rel != "." {
					left = append(left, filepath.ToSlash(rel))
				}
				return err
			})
			if got := strings.Join(left, " "); err != nil || got != tc.left {
				t.Errorf("left %q, %v", got, err)
			}
		})
	}
}

// An edit that leaves nothing deletes the file.
func TestAnEditThatLeavesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := pipeline.NewFiles(dir)
	write(t, filepath.Join(dir, "list.yaml"), "x\n", 0o600)
	nothing := func([]byte) ([]byte, error) { return nil, nil }
	if c, err := f.PlanEdit("list.yaml", nothing); err != nil || !c.Gone || c.Summary() != "the file is deleted" {
		t.Fatalf("%+v, %v", c, err)
	}
	if c, err := f.Edit("list.yaml", nothing); err != nil || !c.Gone {
		t.Fatalf("%+v, %v", c, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "list.yaml")); !os.IsNotExist(err) {
		t.Errorf("it is still there: %v", err)
	}
}
