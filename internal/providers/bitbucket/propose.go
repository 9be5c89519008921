package bitbucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"mime/multipart"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const docsSource = "https://developer.atlassian.com/cloud/bitbucket/rest/api-group-source/"

// ofRequest are the paths that a request takes.
var ofRequest = pattern.New(`^/repositories/[^/]+/[^/]+/(src|refs|pullrequests)(/|$)`)

func repositoryPath(r setup.Repository) string { return "/repositories/" + r.Path }

// escaped is the name of a branch or the path of a file in a path of the API, where a slash stays one.
func escaped(name string) string {
	parts := strings.Split(name, "/")
	for i, s := range parts {
		parts[i] = url.PathEscape(s)
	}
	return strings.Join(parts, "/")
}

// tip is the newest commit of a branch; the error is fs.ErrNotExist when there is no such branch.
func (p *Provider) tip(ctx context.Context, r setup.Repository, branch string) (string, error) {
	var x struct {
		Target struct{ Hash string } `json:"target"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/refs/branches/" + escaped(branch), Out: &x})
	if httpx.Status(err) == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return x.Target.Hash, err
}

// restriction says who may do something to the branches that match.
type restriction struct {
	Kind    string     `json:"kind"`
	Match   string     `json:"branch_match_kind"`
	Type    string     `json:"branch_type"`
	Pattern string     `json:"pattern"`
	Users   []named    `json:"users"`
	Groups  []struct{} `json:"groups"`
}

// Protected reports whether the log-in may not push to the branch, as far as it may know: restrictions
// show to administrators only, and the members of a group to nobody. What is not known is no.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, branch string) (bool, error) {
	all, err := pages[restriction](ctx, p.api, repositoryPath(r)+"/branch-restrictions")
	for _, x := range all {
		if x.Kind != "push" || len(x.Groups) > 0 {
			continue
		}
		applies, err := p.applies(ctx, r, x, branch)
		if err == nil && applies {
			_, err = p.tip(ctx, r, branch)
			if errors.Is(err, fs.ErrNotExist) { // nothing can be merged into it
				return false, nil
			}
			return err == nil, err
		}
		if err != nil && !hidden(err) {
			return false, err
		}
	}
	if hidden(err) {
		return false, nil
	}
	return false, err
}

// hidden reports whether the log-in may not see what it asked for.
func hidden(err error) bool {
	s := httpx.Status(err)
	return s == http.StatusForbidden || s == http.StatusUnauthorized
}

// applies reports whether a restriction is about the branch and does not name the log-in.
func (p *Provider) applies(ctx context.Context, r setup.Repository, x restriction, branch string) (bool, error) {
	matches, err := p.matches(ctx, r, x, branch)
	if err != nil || !matches || len(x.Users) == 0 {
		return matches, err
	}
	var me named
	err = p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/user", Out: &me})
	return !slices.ContainsFunc(x.Users, func(u named) bool { return u.ID == me.ID }), err
}

// matches reports whether a restriction is about the branch.
func (p *Provider) matches(ctx context.Context, r setup.Repository, x restriction, branch string) (bool, error) {
	if x.Match != "branching_model" { // "*" is any text, a slash too, and nothing else is special
		return regexp.MatchString("^"+strings.ReplaceAll(regexp.QuoteMeta(x.Pattern), `\*`, ".*")+"$", branch)
	}
	var model struct {
		Development named `json:"development"`
		Production  named `json:"production"`
		Types       []struct {
			Kind   string `json:"kind"`
			Prefix string `json:"prefix"`
		} `json:"branch_types"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/effective-branching-model", Out: &model})
	switch x.Type {
	case "development":
		return model.Development.Name == branch, err
	case "production":
		return model.Production.Name == branch, err
	}
	for _, t := range model.Types {
		if t.Kind == x.Type {
			return strings.HasPrefix(branch, t.Prefix), err
		}
	}
	return false, err
}

// Content reads a file of a branch.
func (p *Provider) Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error) {
	commit, err := p.tip(ctx, r, branch)
	if err != nil {
		return nil, err
	}
	return p.file(ctx, r, commit, path)
}

// file reads a file of a commit: where a commit is asked for, the name of a branch must not have a slash.
func (p *Provider) file(ctx context.Context, r setup.Repository, commit, path string) ([]byte, error) {
	var text string
	err := p.api.do(ctx, httpx.Call{
		Method: http.MethodGet, Path: repositoryPath(r) + "/src/" + url.PathEscape(commit) + "/" + escaped(path), Text: &text,
		Header: map[string]string{"Accept": "*/*"},
	})
	if httpx.Status(err) == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return []byte(text), err
}

// Propose commits the file to the proposal's branch and opens a pull request.
func (p *Provider) Propose(ctx context.Context, r setup.Repository, x providers.Proposal) (providers.Request, error) {
	tip, err := p.tip(ctx, r, x.Branch)
	if errors.Is(err, fs.ErrNotExist) {
		tip, err = p.tip(ctx, r, x.Base)
		if errors.Is(err, fs.ErrNotExist) {
			return providers.Request{}, hint.New("bitbucket: there is no branch "+x.Base+" to merge into", "Push it first, or choose another one with --branch.", "")
		}
	}
	if err != nil {
		return providers.Request{}, err
	}
	before, err := p.file(ctx, r, tip, x.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return providers.Request{}, err
	}
	if err != nil || !bytes.Equal(before, x.Content) {
		if err := p.commit(ctx, r, tip, x); err != nil {
			return providers.Request{}, err
		}
	}
	number, err := p.opened(ctx, r, x)
	if err != nil || number != 0 {
		return p.request(r, number, false), err
	}
	var made pullRequest
	// A second POST for the same branches changes the open request: it may be sent again.
	err = p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/pullrequests", Repeatable: true, Out: &made, Body: map[string]any{
		"type": "pullrequest", "title": x.Title, "description": x.Body, "close_source_branch": true,
		"source": end(x.Branch), "destination": end(x.Base),
	}})
	return p.request(r, made.Number, true), err
}

// end is one of the two branches of a request.
func end(branch string) map[string]any {
	return map[string]any{"branch": map[string]any{"name": branch}}
}

// commit puts the file on top of the commit tip, which has to be the newest of the branch unless the
// branch is not there yet. As a part of several, the file arrives byte for byte; a form would be text.
func (p *Provider) commit(ctx context.Context, r setup.Repository, tip string, x providers.Proposal) error {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	err := errors.Join(form.WriteField("message", x.Title), form.WriteField("branch", x.Branch), form.WriteField("parents", tip))
	if err != nil {
		return fmt.Errorf("bitbucket: commit: %w", err)
	}
	file, err := form.CreateFormFile("/"+x.Path, path.Base(x.Path)) // with the slash it is never taken for one of the fields above
	if err != nil {
		return fmt.Errorf("bitbucket: commit: %w", err)
	}
	_, err = file.Write(x.Content)
	if err := errors.Join(err, form.Close()); err != nil {
		return fmt.Errorf("bitbucket: commit: %w", err)
	}
	return p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/src", Raw: body.Bytes(), Type: form.FormDataContentType()})
}

type pullRequest struct {
	Number int `json:"id"`
	Source struct {
		Repository struct {
			Path string `json:"full_name"`
		} `json:"repository"`
	} `json:"source"`
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	return providers.Request{Link: fmt.Sprintf("https://%s/pull-requests/%d", r, number), Number: number, New: isNew}
}

// opened is the number of the open pull request from the proposal's branch, 0 when there is none. One
// from a branch of the same name in a fork is somebody else's.
func (p *Provider) opened(ctx context.Context, r setup.Repository, x providers.Proposal) (int, error) {
	var page struct {
		Values []pullRequest `json:"values"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: repositoryPath(r) + "/pullrequests", Out: &page, Query: url.Values{
		"state": {"OPEN"}, "pagelen": {"50"}, // more are refused here
		"q": {"source.branch.name=" + quoted(x.Branch) + " AND destination.branch.name=" + quoted(x.Base)},
	}})
	for _, q := range page.Values {
		if strings.EqualFold(q.Source.Repository.Path, r.Path) {
			return q.Number, nil
		}
	}
	return 0, err
}

// quoted is a text in the language of filters.
func quoted(s string) string { return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` }

// Withdraw declines the pull request and deletes its branch. Only an open one can be declined, so it is
// looked for whatever its number.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, _ providers.Request) error {
	number, err := p.opened(ctx, r, x)
	if err != nil {
		return err
	}
	if number != 0 {
		// One that is declined already is refused: it may be sent again.
		err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: repositoryPath(r) + "/pullrequests/" + strconv.Itoa(number) + "/decline", Repeatable: true})
		if err != nil {
			if left, looked := p.opened(ctx, r, x); looked != nil || left != 0 {
				return err
			}
		}
	}
	err = p.api.do(ctx, httpx.Call{Method: http.MethodDelete, Path: repositoryPath(r) + "/refs/branches/" + escaped(x.Branch)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}
