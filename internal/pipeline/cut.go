package pipeline

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// PlanCut works out what Cut would do.
func (f *Files) PlanCut(file providers.File, setup string, replaceEdits bool) (c Change, err error) {
	err = f.in(file.Path, func(root *os.Root) (err error) {
		c, err = cutOut(root, file, setup, replaceEdits)
		return err
	})
	return c, err
}

// Cut takes the part of a setup out of a pipeline file. file is the rendered one: when nothing but its
// frame would be left, the file is deleted, and so are the folders above it that are empty then. A file that is
// not there, or has no such part, stays as it is.
func (f *Files) Cut(file providers.File, setup string, replaceEdits bool) (c Change, err error) {
	f.one.Lock()
	defer f.one.Unlock()
	err = f.in(file.Path, func(root *os.Root) (err error) {
		if c, err = cutOut(root, file, setup, replaceEdits); err != nil || !c.Changed() {
			return err
		}
		return put(root, c)
	})
	return c, err
}

func cutOut(root *os.Root, file providers.File, setup string, replaceEdits bool) (c Change, err error) {
	before, mode, err := read(root, file.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return Change{}, nil
	}
	if err != nil {
		return Change{}, err
	}
	c = Change{Path: file.Path, Existed: true, Before: before, mode: mode}
	if c.After, c.Gone, err = cut(before, file, setup, replaceEdits); err != nil {
		err = hint.Wrap(err, "take the part of "+setup+" out of "+file.Path, "Take it out by hand, or allow edits to be dropped with --replace-edits.", "")
	}
	return c, err
}

// cut is what is left of a file without a setup, and whether that is nothing.
func cut(before []byte, file providers.File, setup string, replaceEdits bool) (after []byte, gone bool, err error) {
	if file.Whole {
		if !bytes.Equal(lf(before), lf(file.Content)) && !replaceEdits {
			return nil, false, errEdited
		}
		return nil, true, nil
	}
	after, left, err := withoutBlocks(before, setup, replaceEdits)
	if err != nil || len(after) == len(before) {
		return after, false, err
	}
	wanted, err := pieces(file)
	if err != nil {
		return nil, false, err
	}
	comment := cmp.Or(file.Comment, "#")
	if left == 0 {
		whole, err := fresh(file, wanted, comment, setup)
		if err != nil {
			return nil, false, err
		}
		frame, _, err := withoutBlocks(whole, setup, true)
		if err != nil || bytes.Equal(bytes.TrimSpace(lf(after)), bytes.TrimSpace(frame)) {
			return after, err == nil, err
		}
	}
	if comment == "#" {
		for _, p := range wanted {
			after = emptied(after, p.path())
		}
	}
	return after, false, nil
}

// emptied takes the last key of a path out of a YAML file when nothing stands below it any more, and then
// those above it: no platform takes a key without a value.
func emptied(raw []byte, path []string) []byte {
	for ; len(path) > 0; path = path[:len(path)-1] {
		file, err := parser.ParseBytes(lf(raw), 0)
		if err != nil || len(file.Docs) != 1 {
			return raw
		}
		body, line := file.Docs[0].Body, 0
		for _, key := range path {
			entries, _ := mapping(body)
			i := slices.IndexFunc(entries, func(e *ast.MappingValueNode) bool { return e.Key.GetToken().Value == key })
			if i < 0 {
				return raw
			}
			body, line = entries[i].Value, entries[i].Key.GetToken().Position.Line
		}
		begin := 0
		for range line - 1 {
			begin = lineEnd(raw, begin)
		}
		end := lineEnd(raw, begin)
		if _, null := body.(*ast.NullNode); !null || string(bytes.TrimSpace(raw[begin:end])) != path[len(path)-1]+":" {
			return raw
		}
		raw = slices.Delete(bytes.Clone(raw), begin, end)
	}
	return raw
}

// withoutBlocks takes the blocks of a setup out, each with its line end and the empty line that sets it
// apart from the one before. left is how many blocks others have.
func withoutBlocks(raw []byte, setup string, edits bool) (after []byte, left int, err error) {
	blocks, err := findBlocks(raw)
	if err != nil {
		return nil, 0, err
	}
	after = bytes.Clone(raw)
	for i, b := range slices.Backward(blocks) {
		if b.setup != setup {
			left++
			continue
		}
		if sum(b.content) != b.sum && !edits {
			return nil, 0, errEdited
		}
		start := b.start
		for _, empty := range []string{"\n\r\n", "\n\n"} {
			if (i > 0 || b.indent == "") && bytes.HasSuffix(after[:start], []byte(empty)) {
				start -= len(empty) - 1
				break
			}
		}
		after = slices.Delete(after, start, lineEnd(after, b.end))
	}
	return after, left, nil
}
