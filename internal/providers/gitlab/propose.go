package gitlab

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsCommits = "https://docs.gitlab.com/api/commits/"

// branch is a branch as the API describes it.
type branch struct {
	Protected bool `json:"protected"`
	CanPush   bool `json:"can_push"`
}

func (p *Provider) branch(ctx context.Context, r setup.Repository, name string) (x branch, err error) {
	err = p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: projectPath(r) + "/repository/branches/" + url.PathEscape(name), Out: &x})
	if httpx.Status(err) == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return x, err
}

func projectPath(r setup.Repository) string { return "/projects/" + url.PathEscape(r.Path) }

// Protected reports whether the log-in may not push to the branch.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, name string) (bool, error) {
	x, err := p.branch(ctx, r, name)
	if errors.Is(err, fs.ErrNotExist) { // a new project has no branch
		return false, nil
	}
	return x.Protected && !x.CanPush, err
}

// Content reads a file of a branch.
func (p *Provider) Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error) {
	var x struct {
		Encoding string `json:"encoding"`
		Content  string `json:"content"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: projectPath(r) + "/repository/files/" + url.PathEscape(path), Query: url.Values{"ref": {branch}}, Out: &x})
	switch {
	case httpx.Status(err) == http.StatusNotFound:
		return nil, fs.ErrNotExist
	case err != nil:
		return nil, err
	case x.Encoding != "base64":
		return nil, hint.New("gitlab: "+path+" is not a file that can be read", "Choose another file with --pipeline-file.", docsCommits)
	}
	return base64.StdEncoding.DecodeString(x.Content)
}

// Propose commits the file to the proposal's branch and opens a merge request.
func (p *Provider) Propose(ctx context.Context, r setup.Repository, x providers.Proposal) (providers.Request, error) {
	commit := map[string]any{"branch": x.Branch, "commit_message": x.Title}
	from := x.Branch
	if _, err := p.branch(ctx, r, x.Branch); errors.Is(err, fs.ErrNotExist) {
		from = x.Base
		commit["start_branch"] = x.Base
	} else if err != nil {
		return providers.Request{}, err
	}
	before, err := p.Content(ctx, r, from, x.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return providers.Request{}, err
	}
	if err != nil || !bytes.Equal(before, x.Content) {
		action := "update"
		if err != nil {
			action = "create"
		}
		commit["actions"] = []any{map[string]any{"action": action, "file_path": x.Path, "content": string(x.Content)}}
		if err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: projectPath(r) + "/repository/commits", Body: commit}); err != nil {
			return providers.Request{}, err
		}
	}
	number, err := p.opened(ctx, r, x)
	if err != nil || number != 0 {
		return p.request(r, number, false), err
	}
	var made struct {
		Number int `json:"iid"`
	}
	err = p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: projectPath(r) + "/merge_requests", Out: &made, Body: map[string]any{
		"source_branch": x.Branch, "target_branch": x.Base, "title": x.Title, "description": x.Body, "remove_source_branch": true,
	}})
	return p.request(r, made.Number, true), err
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	return providers.Request{Link: fmt.Sprintf("https://%s/-/merge_requests/%d", r, number), Number: number, New: isNew}
}

// opened is the number of the open merge request from the proposal's branch, 0 when there is none.
func (p *Provider) opened(ctx context.Context, r setup.Repository, x providers.Proposal) (int, error) {
	var all []struct {
		Number int `json:"iid"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: projectPath(r) + "/merge_requests", Out: &all, Query: url.Values{
		"state": {"opened"}, "source_branch": {x.Branch}, "target_branch": {x.Base},
	}})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0].Number, nil
}

// Withdraw closes the merge request and deletes its branch.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, q providers.Request) error {
	number := q.Number
	if number == 0 { // its answer may have been lost
		var err error
		if number, err = p.opened(ctx, r, x); err != nil {
			return err
		}
	}
	if number != 0 {
		if err := p.api.do(ctx, httpx.Call{Method: http.MethodPut, Path: fmt.Sprintf("%s/merge_requests/%d", projectPath(r), number), Body: map[string]any{"state_event": "close"}}); err != nil {
			return err
		}
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodDelete, Path: projectPath(r) + "/repository/branches/" + url.PathEscape(x.Branch)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}
