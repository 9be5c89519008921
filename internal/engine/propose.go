package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Proposed works out what the pipeline file becomes on the plan's branch, as the platform has it.
func Proposed(ctx context.Context, platform providers.Platform, file providers.File, p setup.Plan) (pipeline.Change, error) {
	x, ok := platform.(providers.Proposer)
	if !ok {
		return pipeline.Change{}, hint.New("a pull request on "+platform.Info().Name+" cannot be opened from here", "Leave --deliver out: the file is written to this folder, and you open the request.", "")
	}
	before, err := x.Content(ctx, p.Repository, p.Pipeline.Branch, file.Path)
	existed := err == nil
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return pipeline.Change{}, err
	}
	return pipeline.Merge(file, before, existed, p.Name, p.ReplaceEdits)
}

// propose puts the pipeline file on a branch of its own and opens a request for it.
func (b *builder) propose() {
	p, i := b.plan, len(b.result.Files)
	b.result.Files = append(b.result.Files, FileResult{Path: b.rendered.Path})
	var proposal providers.Proposal
	var request providers.Request
	begun, about := false, "Deploy to Astro"
	if p.Job.Scheduled() {
		about = "Renew the Astro API token"
	}
	b.add(Action{
		Key: "pipeline:propose", Say: fmt.Sprintf("Open a request to merge %s into %s", b.rendered.Path, p.Pipeline.Branch),
		UndoSays: "Close the request and delete its branch",
		Do: func(ctx context.Context) (string, error) {
			c, err := Proposed(ctx, b.platform, b.rendered, p)
			if err != nil || !c.Changed() {
				return "already as it should be", err
			}
			proposal = providers.Proposal{
				Base: p.Pipeline.Branch, Branch: "astro-ci/" + p.Name, Path: c.Path, Content: c.After,
				Title: about + " (" + p.Name + ")",
				Body:  "It was made by astro-ci for the setup " + p.Name + "; the secret that it reads is in place.",
			}
			begun = true
			x, _ := b.platform.(providers.Proposer)
			if request, err = x.Propose(ctx, p.Repository, proposal); err != nil {
				return "", err
			}
			b.result.Files[i].Changed, b.result.Files[i].Request = true, request.Link
			return request.Link, nil
		},
		Undo: func(ctx context.Context) (string, error) {
			switch {
			case !begun:
				return "it was not opened", nil
			case request.Number != 0 && !request.New:
				return "it was open before; " + request.Link, nil
			}
			b.result.Files[i].Changed, b.result.Files[i].Request = false, ""
			x, _ := b.platform.(providers.Proposer)
			return "", x.Withdraw(ctx, p.Repository, proposal, request)
		},
	})
}
