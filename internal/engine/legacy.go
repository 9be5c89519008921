package engine

import (
	"context"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// retire puts the token into the place of a Deployment API key: in the repository's own pipeline
// files first, then the key's secrets go. Their values cannot be read, so that is not undone.
func (b *builder) retire() {
	for _, path := range b.plan.Retire.Files {
		b.change("legacy:"+path, "Replace the Deployment API key in "+path, b.newFile(path), func() (pipeline.Change, error) {
			return b.Files.Edit(path, b.modernize)
		})
	}
	for _, t := range b.plan.Retire.Secrets {
		b.add(Action{
			Key: "legacy:" + t.String(), Say: "Remove the old secret " + t.String() + ", for good",
			Do: func(ctx context.Context) (string, error) {
				rm, ok := b.Stores[t.Store].(providers.Remover)
				if !ok {
					return "", hint.New("secrets of "+t.Store+" cannot be removed from here", "Remove it by hand.", "")
				}
				return "", rm.Remove(ctx, t)
			},
		})
	}
}

// modernize puts the new token's secret into the place of a Deployment API key.
func (b *builder) modernize(content []byte) ([]byte, error) {
	m, ok := b.platform.(providers.Modernizer)
	if !ok {
		return nil, hint.New("pipeline files of "+b.plan.Platform+" cannot be changed from here", "Replace the key by hand.", "")
	}
	return m.Modernize(content, b.plan.Target())
}
