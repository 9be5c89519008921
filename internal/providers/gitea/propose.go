package gitea

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsProtected = "https://docs.gitea.com/usage/access-control/protected-branches"
	docsRequests  = "https://docs.gitea.com/usage/issues-prs/pull-request"
)

// ofRequest are the paths that a request takes.
var ofRequest = pattern.New(`^/api/v1/repos/[^/]+/[^/]+/(branches|contents|pulls)(/|$)`)

func repositoryPath(r setup.Repository) string { return "/api/v1/repos/" + r.Path }

// escaped is the name of a branch or the path of a file in a path of the API, where a slash stays one.
func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}

// branch is a branch as the log-in sees it.
type branch struct {
	Protected bool `json:"protected"`
	CanPush   bool `json:"user_can_push"`
}

// branch looks a branch up; the error is fs.ErrNotExist when there is none.
func (p *Provider) branch(ctx context.Context, r setup.Repository, name string) (x branch, err error) {
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/branches/" + escaped(name), Out: &x})
	if httpx.Status(err) == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return x, err
}

// Protected reports whether a rule keeps the log-in from pushing to the branch.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, name string) (bool, error) {
	x, err := p.branch(ctx, r, name)
	if errors.Is(err, fs.ErrNotExist) { // a new repository has no branch
		return false, nil
	}
	return x.Protected && !x.CanPush, err
}

// file reads a file of a branch, and the mark by which it can be replaced.
func (p *Provider) file(ctx context.Context, r setup.Repository, branch, path string) (raw []byte, sha string, err error) {
	var answer json.RawMessage // a list for a folder
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/contents/" + escaped(path), Query: url.Values{"ref": {branch}}, Out: &answer})
	// Older servers answer an empty list when the repository has no commit yet.
	if httpx.Status(err) == http.StatusNotFound || err == nil && string(answer) == "[]" {
		return nil, "", fs.ErrNotExist
	}
	if err != nil {
		return nil, "", err
	}
	var x struct {
		Type     string `json:"type"`
		Encoding string `json:"encoding"`
		Content  string `json:"content"`
		SHA      string `json:"sha"`
	}
	if json.Unmarshal(answer, &x) != nil || x.Type != "file" || x.Encoding != "base64" {
		return nil, "", hint.New("gitea: "+path+" is not a file that can be read", "Choose another file with --pipeline-file.", docsWorkflows)
	}
	if raw, err = base64.StdEncoding.DecodeString(x.Content); err != nil {
		return nil, "", fmt.Errorf("gitea: content of %s: %w", path, err)
	}
	return raw, x.SHA, nil
}

// Content reads a file of a branch.
func (p *Provider) Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error) {
	raw, _, err := p.file(ctx, r, branch, path)
	return raw, err
}

// Propose commits the file to the proposal's branch and opens a pull request. The branch is made by a
// request of its own, which is answered by what is in the way of its name; a commit on a new branch is not.
func (p *Provider) Propose(ctx context.Context, r setup.Repository, x providers.Proposal) (providers.Request, error) {
	if err := p.fork(ctx, r, x); err != nil {
		return providers.Request{}, err
	}
	if err := p.commit(ctx, r, x); err != nil {
		return providers.Request{}, err
	}
	number, err := p.opened(ctx, r, x)
	if err != nil || number != 0 {
		return p.request(r, number, false), err
	}
	var made pullRequest
	// A second POST for the same branches is refused: it may be sent again.
	err = p.do(ctx, httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/pulls", Repeatable: true, Out: &made, Body: map[string]any{
		"title": x.Title, "body": x.Body, "head": x.Branch, "base": x.Base,
	}})
	if httpx.Status(err) == http.StatusConflict {
		if number, look := p.opened(ctx, r, x); look == nil && number != 0 {
			return p.request(r, number, true), nil
		}
	}
	return p.request(r, made.Number, true), err
}

// fork makes the proposal's branch from its base, unless it is there.
func (p *Provider) fork(ctx context.Context, r setup.Repository, x providers.Proposal) error {
	_, err := p.branch(ctx, r, x.Branch)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	// The base goes by its older name, which every server knows.
	err = p.do(ctx, httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/branches", Repeatable: true, Body: map[string]any{
		"new_branch_name": x.Branch, "old_branch_name": x.Base,
	}})
	switch httpx.Status(err) {
	case http.StatusNotFound:
		return hint.New("gitea: there is no branch "+x.Base+" to merge into", "Push it first, or choose another one with --branch.", "")
	case http.StatusConflict: // an earlier try may have made it
		if _, look := p.branch(ctx, r, x.Branch); look == nil {
			return nil
		}
	}
	return err
}

// commit puts the file on the proposal's branch, unless it is there as it should be.
func (p *Provider) commit(ctx context.Context, r setup.Repository, x providers.Proposal) error {
	before, sha, err := p.file(ctx, r, x.Branch, x.Path)
	if err == nil && bytes.Equal(before, x.Content) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	body := map[string]any{"message": x.Title, "content": base64.StdEncoding.EncodeToString(x.Content), "branch": x.Branch}
	call := httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/contents/" + escaped(x.Path), Repeatable: true, Body: body}
	if err == nil {
		call.Method, body["sha"] = http.MethodPut, sha
	}
	if err = p.do(ctx, call); err != nil {
		// A commit without an answer, sent again, is refused: what counts is what is there.
		if now, _, look := p.file(ctx, r, x.Branch, x.Path); look == nil && bytes.Equal(now, x.Content) {
			return nil
		}
	}
	return err
}

// pullRequest is a pull request; the label of an end is its branch, even when that is gone.
type pullRequest struct {
	Number int    `json:"number"`
	Head   oneEnd `json:"head"`
	Base   oneEnd `json:"base"`
}

type oneEnd struct {
	Branch     string `json:"label"`
	Repository int64  `json:"repo_id"`
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	return providers.Request{Link: fmt.Sprintf("https://%s/pulls/%d", r, number), Number: number, New: isNew}
}

// opened is the number of the open pull request from the proposal's branch, 0 when there is none. One
// from a branch of the same name in a fork is somebody else's. All are gone through: older servers
// filter by nothing, and the way to ask for one by its branches finds closed ones as well.
func (p *Provider) opened(ctx context.Context, r setup.Repository, x providers.Proposal) (int, error) {
	for page := 1; ; page++ {
		var some []pullRequest
		err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/pulls", Out: &some, Query: url.Values{
			"state": {"open"}, "page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(pageSize)},
		}})
		if err != nil || len(some) == 0 { // a server may give fewer at a time than was asked for
			return 0, err
		}
		for _, q := range some {
			if q.Head.Branch == x.Branch && q.Base.Branch == x.Base && q.Head.Repository == q.Base.Repository {
				return q.Number, nil
			}
		}
	}
}

// Withdraw closes the pull request and deletes its branch. One that is merged cannot be closed, so the
// open one is looked for whatever its number.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, _ providers.Request) error {
	number, err := p.opened(ctx, r, x)
	if err != nil {
		return err
	}
	if number != 0 {
		// One that is closed can be closed again.
		err := p.do(ctx, httpx.Call{Method: http.MethodPatch, Path: repositoryPath(r) + "/pulls/" + strconv.Itoa(number), Repeatable: true, Body: map[string]any{"state": "closed"}})
		if err != nil {
			return err
		}
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: repositoryPath(r) + "/branches/" + escaped(x.Branch)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// refused is what to do about a refusal on the way to a request; "" for the usual.
func refused(of string, status int) (next, link string) {
	switch {
	case status == http.StatusForbidden:
		return "A request takes write access to the code, a token with the scope write:repository, and no rule that protects its branch from you. Or give --deliver file, and open the request yourself.", docsProtected
	case status == http.StatusNotFound && of == "pulls":
		return "Pull requests are off in the repository, or your log-in cannot see it. Turn them on in its settings, or give --deliver file.", docsRequests
	case status == http.StatusConflict && of == "branches":
		return "A tag of this name, or a branch whose name is a part of it, is in the way. Delete that, or choose another name for the setup with --name.", docsRequests
	case status == http.StatusUnprocessableEntity && of == "contents":
		return "Somebody else may have changed the branch at the same time. Try again; otherwise the message says what is wrong.", docsRequests
	case status == http.StatusLocked:
		return "The repository is archived. Unarchive it, or choose another one.", docsRequests
	case status == http.StatusInternalServerError && of == "branches": // a push that a rule refuses ends so
		return "A rule may protect branches of this name. Let the log-in push to them, or give --deliver file.", docsProtected
	}
	return "", ""
}
