// Package pipeline puts pipeline files into a repository's working tree: it merges a rendered file
// into what is there, shows the difference, and writes without ever leaving half a file.
//
// The renderers themselves belong to the platforms (internal/providers/<id>/pipeline.go).
package pipeline

import "github.com/astro-ci/astro-ci/internal/providers"

// Files is a repository's working tree. All paths stay below its root.
type Files struct{ root string }

// Change is what Write did, with all that Restore needs to take it back.
type Change struct {
	Path    string
	Existed bool
	Before  []byte
	After   []byte
}

// NewFiles returns the working tree at root, an absolute path.
func NewFiles(root string) *Files { return &Files{root} }

// Root is the absolute path of the working tree.
func (f *Files) Root() string { return f.root }

// Plan merges file into what is there and returns the change without writing. setup is the name
// of the setup the file belongs to.
func (f *Files) Plan(file providers.File, setup string, replaceEdits bool) (Change, error) {
	panic("pipeline helper writes this")
}

// Check reports why Write would fail; it writes nothing.
func (f *Files) Check(file providers.File, setup string, replaceEdits bool) error {
	panic("pipeline helper writes this")
}

// Write carries out Plan.
func (f *Files) Write(file providers.File, setup string, replaceEdits bool) (Change, error) {
	panic("pipeline helper writes this")
}

// Restore puts back what was there before c, unless somebody changed the file since.
func (f *Files) Restore(c Change) error { panic("pipeline helper writes this") }

// Changed reports whether the file's content differs.
func (c Change) Changed() bool { return !c.Existed || string(c.Before) != string(c.After) }

// Summary is the change in a few words: "new file, 84 lines" or "3 lines added, 1 removed".
func (c Change) Summary() string { panic("pipeline helper writes this") }

// Diff is the change as a unified diff with three lines of context.
func (c Change) Diff() string { panic("pipeline helper writes this") }
