// Package pipeline puts pipeline files into a repository's working tree: it merges a rendered file
// into what is there, shows the difference, and writes without ever leaving half a file.
//
// astro-ci owns only the lines between its two markers (block.go); everything around them belongs
// to the person and is kept byte for byte. The package also knows the releases that pipelines
// install (pins.go, release.go) and how to write YAML (yaml.go). The renderers themselves belong
// to the platforms (internal/providers/<id>/pipeline.go).
package pipeline

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// maxSize is the size in bytes above which a file is not taken for a pipeline file.
const maxSize = 1 << 20

// Files is a repository's working tree. All paths stay below its root. Several setups may be at work on it
// at the same time.
type Files struct {
	root string
	one  sync.Mutex // a file is read and written in one go
}

// Change is what Write did, with all that Restore needs to take it back.
type Change struct {
	Path    string
	Existed bool
	Before  []byte
	After   []byte
	Gone    bool // the file is deleted

	mode    fs.FileMode // of the file before; 0 when there was none
	folders []string    // that Write had to make, the outermost first
}

// NewFiles returns the working tree at root, an absolute path.
func NewFiles(root string) *Files { return &Files{root: root} }

// Root is the absolute path of the working tree.
func (f *Files) Root() string { return f.root }

// Plan merges file into what is there and returns the change without writing. setup is the name
// of the setup the file belongs to. It refuses a file that astro-ci did not write, one that belongs
// to another setup, and, unless replaceEdits is set, one whose block was edited by hand.
func (f *Files) Plan(file providers.File, setup string, replaceEdits bool) (Change, error) {
	var c Change
	err := f.in(file.Path, func(root *os.Root) (err error) {
		c, err = f.plan(root, file, setup, replaceEdits)
		return err
	})
	return c, err
}

// Check reports why Write would fail; it writes nothing.
func (f *Files) Check(file providers.File, setup string, replaceEdits bool) error {
	return f.in(file.Path, func(root *os.Root) error {
		c, err := f.plan(root, file, setup, replaceEdits)
		if err != nil || !c.Changed() {
			return err
		}
		return writable(root, file.Path)
	})
}

// Write carries out Plan. A file that is already as it should be is not touched.
func (f *Files) Write(file providers.File, setup string, replaceEdits bool) (Change, error) {
	f.one.Lock()
	defer f.one.Unlock()
	var c Change
	err := f.in(file.Path, func(root *os.Root) (err error) {
		if c, err = f.plan(root, file, setup, replaceEdits); err != nil || !c.Changed() {
			return err
		}
		c.folders, err = makeFolders(root, path.Dir(c.Path))
		if err == nil {
			err = replace(root, c.Path, c.After, c.mode)
		}
		if err != nil {
			err = errors.Join(err, removeFolders(root, c.folders))
		}
		return err
	})
	return c, err
}

// PlanEdit works out what edit makes of an existing file, without writing.
func (f *Files) PlanEdit(file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	err = f.in(file, func(root *os.Root) (err error) {
		c, err = f.edit(root, file, edit)
		return err
	})
	return c, err
}

// Edit changes an existing file, which may belong to a person. An edit that returns nil deletes it.
func (f *Files) Edit(file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	return f.edited(file, f.edit, edit)
}

// PlanAmend works out what edit makes of a file that may be missing, without writing. edit gets nil then.
func (f *Files) PlanAmend(file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	err = f.in(file, func(root *os.Root) (err error) {
		c, err = f.amend(root, file, edit)
		return err
	})
	return c, err
}

// Amend changes a file, or makes it.
func (f *Files) Amend(file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	return f.edited(file, f.amend, edit)
}

func (f *Files) edited(file string, plan func(*os.Root, string, func([]byte) ([]byte, error)) (Change, error), edit func([]byte) ([]byte, error)) (c Change, err error) {
	f.one.Lock()
	defer f.one.Unlock()
	err = f.in(file, func(root *os.Root) (err error) {
		if c, err = plan(root, file, edit); err != nil || !c.Changed() {
			return err
		}
		return put(root, c)
	})
	return c, err
}

func (f *Files) amend(root *os.Root, file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	c, err = f.edit(root, file, edit)
	if errors.Is(err, fs.ErrNotExist) {
		c.Existed = false
		c.After, err = edit(nil)
	}
	return c, err
}

func (f *Files) edit(root *os.Root, file string, edit func([]byte) ([]byte, error)) (c Change, err error) {
	c = Change{Path: file, Existed: true}
	if c.Before, c.mode, err = read(root, file); err != nil {
		return c, err
	}
	c.After, err = edit(c.Before)
	c.Gone = err == nil && c.After == nil
	return c, err
}

// Found is one file of the repository.
type Found struct {
	Path    string // slash-separated, relative to the root
	Content []byte
}

// Find reads the files whose paths fit one of the patterns (path.Match). What cannot be read is no
// pipeline file.
func (f *Files) Find(globs []string) (out []Found, err error) {
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return nil, fmt.Errorf("open the repository: %w", err)
	}
	defer func() { _ = root.Close() }()
	for _, g := range globs {
		paths, err := fs.Glob(root.FS(), g)
		if err != nil {
			return nil, err
		}
		for _, p := range paths {
			if raw, _, err := read(root, p); err == nil {
				out = append(out, Found{p, raw})
			}
		}
	}
	return out, nil
}

// Restore puts back what was there before c, unless somebody changed the file since.
func (f *Files) Restore(c Change) error {
	if !c.Changed() {
		return nil
	}
	f.one.Lock()
	defer f.one.Unlock()
	return f.in(c.Path, func(root *os.Root) error {
		now, _, err := read(root, c.Path)
		if errors.Is(err, fs.ErrNotExist) && !c.Existed {
			return removeFolders(root, c.folders)
		}
		if err == nil && c.Existed && bytes.Equal(now, c.Before) {
			return nil // it never was changed, or is back already
		}
		if err == nil && !bytes.Equal(now, c.After) {
			err = errors.New("it was changed since")
		}
		if err != nil {
			return hint.Wrap(err, "put "+c.Path+" back as it was", "It was left as it is. Look at it with git diff.", "")
		}
		if c.Existed {
			return replace(root, c.Path, c.Before, c.mode)
		}
		if err := root.Remove(c.Path); err != nil {
			return err
		}
		return removeFolders(root, c.folders)
	})
}

// Free returns file, or the first of file-2, file-3 … that no person holds, and no other setup
// unless setups can share a file.
func (f *Files) Free(file, setup string, shared bool) string {
	name := file
	for i := 2; i < 100; i++ {
		raw, _, err := f.look(name)
		if errors.Is(err, fs.ErrNotExist) {
			return name
		}
		if s := Setups(raw); err == nil && (slices.Contains(s, setup) || shared && len(s) > 0) {
			return name
		}
		name = numbered(file, i)
	}
	return file
}

// numbered is file-2 for a file.
func numbered(file string, i int) string {
	ext := path.Ext(file)
	return fmt.Sprintf("%s-%d%s", strings.TrimSuffix(file, ext), i, ext)
}

func (f *Files) look(file string) (raw []byte, mode fs.FileMode, err error) {
	err = f.in(file, func(root *os.Root) error {
		raw, mode, err = read(root, file)
		return err
	})
	return raw, mode, err
}

// in opens the working tree and adds the file's path to whatever fails inside.
func (f *Files) in(file string, do func(*os.Root) error) error {
	if err := setup.CheckFile(file); err != nil {
		return hint.Wrap(err, "pipeline file", "Give a path inside the repository with --pipeline-file.", "")
	}
	root, err := os.OpenRoot(f.root)
	if err != nil {
		return hint.Wrap(err, "open the repository", "Change into a folder that exists and can be read.", "")
	}
	defer func() { _ = root.Close() }()
	if err := do(root); err != nil {
		if _, ok := errors.AsType[*hint.Error](err); ok {
			return err
		}
		return hint.Wrap(err, "pipeline file "+file, "Look at it and at the folders above it, or choose another one with --pipeline-file.", "")
	}
	return nil
}

func (f *Files) plan(root *os.Root, file providers.File, setup string, replaceEdits bool) (Change, error) {
	c := Change{Path: file.Path, Existed: true}
	before, mode, err := read(root, file.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		c.Existed = false
	case err != nil:
		return Change{}, err
	default:
		c.Before, c.mode = before, mode
	}
	return merged(c, file, setup, replaceEdits, func() string { return f.Free(file.Path, setup, false) })
}

// Merge returns what becomes of a file that lies elsewhere than in a working tree.
func Merge(file providers.File, before []byte, existed bool, setup string, replaceEdits bool) (Change, error) {
	c := Change{Path: file.Path, Existed: existed, Before: before}
	c, err := merged(c, file, setup, replaceEdits, func() string { return numbered(file.Path, 2) })
	if _, ok := errors.AsType[*hint.Error](err); err != nil && !ok {
		err = fmt.Errorf("pipeline file %s: %w", file.Path, err)
	}
	return c, err
}

// merged is the change with what comes after it. free proposes another path.
func merged(c Change, file providers.File, setup string, replaceEdits bool, free func() string) (_ Change, err error) {
	if file.Whole {
		c.After = file.Content
		if c.Existed && !bytes.Equal(c.Before, c.After) && !replaceEdits {
			return c, hint.New("the file "+file.Path+" is there and says something else", "Move it away, or allow it to be replaced with --replace-edits.", "")
		}
		return c, nil
	}
	joining := c.Existed && len(file.Beside) > 0 && !slices.Contains(Setups(c.Before), setup)
	if c.Existed && file.Fit != nil {
		var fits []byte
		if fits, err = file.Fit(file.Content, c.Before); err == nil {
			file.Content = fits
		} else if !joining {
			err = nil
		}
	}
	if err == nil {
		c.After, err = merge(c.Before, c.Existed, file, setup, replaceEdits)
	}
	cannot, misfit := errors.AsType[*joinError](err)
	switch {
	case misfit && cannot.taken:
		err = hint.Wrap(err, "add the pipeline to "+file.Path, "Choose another branch, or another name for the setup. Or correct the file; astro-ci render prints what can be added by hand.", "")
	case misfit, joining && err != nil && !errors.Is(err, errMarkers):
		err = hint.Wrap(err, "add the pipeline to "+file.Path, "Correct the file, or add by hand what astro-ci render prints.", "")
	case errors.Is(err, errMarkers):
		err = hint.Wrap(err, "write "+file.Path, "Remove what is left of that part, or choose another file, for example --pipeline-file "+free()+".", "")
	case errors.Is(err, errForeign), errors.Is(err, errOther):
		err = hint.Wrap(err, "write "+file.Path, "Choose another file, for example --pipeline-file "+free()+".", "")
	case errors.Is(err, errEdited):
		err = hint.Wrap(err, "write "+file.Path, "Move the edits below the block, or allow them to be replaced with --replace-edits.", "")
	}
	return c, err
}
