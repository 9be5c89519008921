package github

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsContents = "https://docs.github.com/en/rest/repos/contents"

// Protected reports whether rules guard the branch.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, branch string) (bool, error) {
	var x struct {
		Protected bool `json:"protected"`
	}
	_, _, err := p.api.do(ctx, http.MethodGet, "/repos/"+r.Path+"/branches/"+url.PathEscape(branch), nil, &x)
	if httpx.Status(err) == http.StatusNotFound { // a new repository has no branch
		return false, nil
	}
	return x.Protected, err
}

type content struct {
	Type     string `json:"type"`
	Encoding string `json:"encoding"`
	Content  string `json:"content"`
	SHA      string `json:"sha"`
}

// escaped is a path with each of its parts escaped.
func escaped(path string) string {
	parts := strings.Split(path, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// file reads a file and the mark by which it can be replaced.
func (p *Provider) file(ctx context.Context, r setup.Repository, branch, path string) (raw []byte, sha string, err error) {
	var x content
	_, _, err = p.api.do(ctx, http.MethodGet, "/repos/"+r.Path+"/contents/"+escaped(path)+"?ref="+url.QueryEscape(branch), nil, &x)
	switch {
	case httpx.Status(err) == http.StatusNotFound:
		return nil, "", fs.ErrNotExist
	case err != nil:
		return nil, "", err
	case x.Type != "file" || x.Encoding != "base64":
		return nil, "", hint.New("github: "+path+" is not a file that can be read", "Choose another file with --pipeline-file.", docsContents)
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
	at := "/repos/" + r.Path
	var ref struct{ Object struct{ SHA string } }
	if _, _, err := p.api.do(ctx, http.MethodGet, at+"/git/ref/heads/"+escaped(x.Base), nil, &ref); err != nil {
		return providers.Request{}, err
	}
	_, _, err := p.api.do(ctx, http.MethodPost, at+"/git/refs", map[string]any{"ref": "refs/heads/" + x.Branch, "sha": ref.Object.SHA}, nil)
	if err != nil && httpx.Status(err) != http.StatusUnprocessableEntity { // the branch is there
		return providers.Request{}, err
	}
	before, sha, err := p.file(ctx, r, x.Branch, x.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return providers.Request{}, err
	}
	if err != nil || !bytes.Equal(before, x.Content) {
		body := map[string]any{"message": x.Title, "content": base64.StdEncoding.EncodeToString(x.Content), "branch": x.Branch}
		if sha != "" {
			body["sha"] = sha
		}
		_, _, err := p.api.do(ctx, http.MethodPut, at+"/contents/"+escaped(x.Path), body, nil)
		if s, ok := errors.AsType[*httpx.StatusError](err); ok && (s.Status == http.StatusNotFound || s.Status == http.StatusForbidden) {
			err = hint.Wrap(s, "github: commit "+x.Path, "A classic token needs the scope workflow: gh auth refresh --scopes workflow. A fine-grained one needs Contents: write and Workflows: write.", docsContents)
		}
		if err != nil {
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
	_, _, err = p.api.do(ctx, http.MethodPost, at+"/pulls", map[string]any{"title": x.Title, "body": x.Body, "head": x.Branch, "base": x.Base}, &made)
	return p.request(r, made.Number, true), err
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	return providers.Request{Link: fmt.Sprintf("https://%s/pull/%d", r, number), Number: number, New: isNew}
}

// opened is the number of the open pull request from the proposal's branch, 0 when there is none.
func (p *Provider) opened(ctx context.Context, r setup.Repository, x providers.Proposal) (int, error) {
	owner, _, _ := strings.Cut(r.Path, "/")
	var all []struct{ Number int }
	query := url.Values{"state": {"open"}, "head": {owner + ":" + x.Branch}, "base": {x.Base}}
	_, _, err := p.api.do(ctx, http.MethodGet, "/repos/"+r.Path+"/pulls?"+query.Encode(), nil, &all)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	return all[0].Number, nil
}

// Withdraw closes the pull request and deletes its branch.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, q providers.Request) error {
	at := "/repos/" + r.Path
	number := q.Number
	if number == 0 { // its answer may have been lost
		var err error
		if number, err = p.opened(ctx, r, x); err != nil {
			return err
		}
	}
	if number != 0 {
		if _, _, err := p.api.do(ctx, http.MethodPatch, fmt.Sprintf("%s/pulls/%d", at, number), map[string]any{"state": "closed"}, nil); err != nil {
			return err
		}
	}
	_, _, err := p.api.do(ctx, http.MethodDelete, at+"/git/refs/heads/"+escaped(x.Branch), nil, nil)
	if s := httpx.Status(err); s == http.StatusNotFound || s == http.StatusUnprocessableEntity { // it is gone
		return nil
	}
	return err
}
