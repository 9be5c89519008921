package engine

import "github.com/astro-ci/astro-ci/internal/pipeline"

// note keeps the setup in the list of the repository's setups.
func (b *builder) note() {
	n := b.Note
	if n.Path == "" {
		return
	}
	b.result.Noted.Path = n.Path
	b.change("note:write", "Note the setup in "+n.Path, func() *FileResult { return &b.result.Noted }, func() (pipeline.Change, error) {
		return b.Files.Amend(n.Path, n.Edit)
	})
}
