package gitea

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsPulls = "https://docs.gitea.com/usage/pull-request"

// escaped is a path with each of its parts escaped; the server takes the slashes of branches as they are.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

func of(r setup.Repository, path string) string { return "/api/v1/repos/" + r.Path + path }

// Protected reports whether the branch takes no push from the log-in.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, branch string) (bool, error) {
	var x struct {
		Protected bool `json:"protected"`
		Push      bool `json:"user_can_push"`
	}
	err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: of(r, "/branches/"+escaped(branch)), Out: &x})
	if httpx.Status(err) == http.StatusNotFound { // a new repository has no branch
		return false, nil
	}
	return x.Protected && !x.Push, err
}

// file reads a file and the mark by which it can be replaced.
func (p *Provider) file(ctx context.Context, r setup.Repository, branch, path string) (raw []byte, sha string, err error) {
	var x struct {
		Type     string `json:"type"`
		Encoding string `json:"encoding"`
		Content  string `json:"content"`
		SHA      string `json:"sha"`
	}
	err = p.do(ctx, httpx.Call{Method: http.MethodGet, Path: of(r, "/contents/"+escaped(path)), Query: url.Values{"ref": {branch}}, Out: &x})
	switch {
	case httpx.Status(err) == http.StatusNotFound:
		return nil, "", fs.ErrNotExist
	case err != nil:
		return nil, "", err
	case x.Type != "file" || x.Encoding != "base64":
		return nil, "", hint.New("gitea: "+path+" is not a file that can be read", "Choose another file with --pipeline-file.", docsPulls)
	}
	raw, err = base64.StdEncoding.DecodeString(strings.ReplaceAll(x.Content, "\n", ""))
	return raw, x.SHA, err
}

// Content reads a file of a branch.
func (p *Provider) Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error) {
	raw, _, err := p.file(ctx, r, branch, path)
	return raw, err
}

// Propose commits the file to the proposal's branch and opens a pull request.
func (p *Provider) Propose(ctx context.Context, r setup.Repository, x providers.Proposal) (providers.Request, error) {
	err := p.do(ctx, httpx.Call{Method: http.MethodPost, Path: of(r, "/branches"), Repeatable: true, Body: map[string]any{"new_branch_name": x.Branch, "old_branch_name": x.Base}})
	if err != nil && httpx.Status(err) != http.StatusConflict { // the branch is there
		return providers.Request{}, err
	}
	before, sha, err := p.file(ctx, r, x.Branch, x.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return providers.Request{}, err
	}
	if err != nil || !bytes.Equal(before, x.Content) {
		if err := p.commit(ctx, r, x, sha); err != nil {
			// A commit without an answer, sent again, is refused: what counts is what is there.
			if now, _, look := p.file(ctx, r, x.Branch, x.Path); look != nil || !bytes.Equal(now, x.Content) {
				return providers.Request{}, err
			}
		}
	}
	number, err := p.opened(ctx, r, x)
	if err != nil || number != 0 {
		return p.request(r, number, false), err
	}
	var made struct{ Number int }
	// A second one for the same branches is refused: it may be sent again.
	err = p.do(ctx, httpx.Call{Method: http.MethodPost, Path: of(r, "/pulls"), Repeatable: true, Out: &made, Body: map[string]any{"title": x.Title, "body": x.Body, "head": x.Branch, "base": x.Base}})
	if httpx.Status(err) == http.StatusConflict {
		if number, look := p.opened(ctx, r, x); look == nil && number != 0 {
			return p.request(r, number, !httpx.Refused(err)), nil
		}
	}
	return p.request(r, made.Number, true), err
}

// commit puts the file on the proposal's branch; sha is the mark of the file that is there, "" for none.
func (p *Provider) commit(ctx context.Context, r setup.Repository, x providers.Proposal, sha string) error {
	call := httpx.Call{Method: http.MethodPost, Path: of(r, "/contents/"+escaped(x.Path)), Repeatable: true}
	body := map[string]any{"message": x.Title, "content": base64.StdEncoding.EncodeToString(x.Content), "branch": x.Branch}
	if sha != "" {
		call.Method, body["sha"] = http.MethodPut, sha
	}
	call.Body = body
	return p.do(ctx, call)
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	return providers.Request{Link: fmt.Sprintf("https://%s/%s/pulls/%d", p.host, r.Path, number), Number: number, New: isNew}
}

// opened is the number of the open pull request from the proposal's branch, 0 when there is none. One from
// a branch of the same name in a fork is somebody else's.
func (p *Provider) opened(ctx context.Context, r setup.Repository, x providers.Proposal) (int, error) {
	type end struct {
		Ref  string
		Repo *struct {
			Path string `json:"full_name"`
		}
	}
	first := 0
	for page := 1; ; page++ {
		var some []struct {
			Number     int
			Head, Base end
		}
		err := p.do(ctx, httpx.Call{Method: http.MethodGet, Path: of(r, "/pulls"), Query: url.Values{"state": {"open"}, "page": {strconv.Itoa(page)}, "limit": {strconv.Itoa(pageSize)}}, Out: &some})
		if err != nil || len(some) == 0 || some[0].Number == first {
			return 0, err
		}
		if first == 0 {
			first = some[0].Number
		}
		for _, q := range some {
			if q.Head.Ref == x.Branch && q.Base.Ref == x.Base && q.Head.Repo != nil && strings.EqualFold(q.Head.Repo.Path, r.Path) {
				return q.Number, nil
			}
		}
	}
}

// Withdraw closes the pull request and deletes its branch.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, q providers.Request) error {
	number := q.Number
	if number == 0 { // its answer may have been lost
		var err error
		if number, err = p.opened(ctx, r, x); err != nil {
			return err
		}
	}
	if number != 0 {
		if err := p.do(ctx, httpx.Call{Method: http.MethodPatch, Path: of(r, "/pulls/"+strconv.Itoa(number)), Repeatable: true, Body: map[string]any{"state": "closed"}}); err != nil {
			return err
		}
	}
	err := p.do(ctx, httpx.Call{Method: http.MethodDelete, Path: of(r, "/branches/"+escaped(x.Branch))})
	if httpx.Status(err) == http.StatusNotFound { // it is gone
		return nil
	}
	return err
}
