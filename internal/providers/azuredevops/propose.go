package azuredevops

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsPermissions = "https://learn.microsoft.com/azure/devops/organizations/security/permissions#git-repository-object-level"
	docsBranches    = "https://learn.microsoft.com/azure/devops/repos/git/delete-git-branch"

	heads    = "refs/heads/"
	noCommit = "0000000000000000000000000000000000000000"
)

// ofRequest are the paths that a request takes.
var ofRequest = pattern.New(`/_apis/git/repositories/[^/]+/(refs|items|pushes|pullrequests)(/|$)`)

// repositoryPath is where the API has the repository.
func repositoryPath(r setup.Repository) (string, error) {
	organization, project, name, err := split(r.Path)
	return address{organization: organization, project: project}.in("/git/repositories/" + url.PathEscape(name)), err
}

// tip is the newest commit of a branch; the error is fs.ErrNotExist when there is no such branch.
func (p *Provider) tip(ctx context.Context, at, branch string) (string, error) {
	type ref struct {
		Name   string `json:"name"`
		Commit string `json:"objectId"`
	}
	all, err := pages[ref](ctx, p.api, at+"/refs", url.Values{"filter": {"heads/" + branch}}) // and all that begin so
	for _, x := range all {
		if x.Name == heads+branch {
			return x.Commit, nil
		}
	}
	if err == nil {
		err = fs.ErrNotExist
	}
	return "", err
}

// policy is a rule for branches, or for whatever is pushed to the repository.
type policy struct {
	Enabled  bool `json:"isEnabled"`
	Blocking bool `json:"isBlocking"`
	Deleted  bool `json:"isDeleted"`
	Settings struct {
		Scope []struct {
			Ref   string `json:"refName"`
			Match string `json:"matchKind"`
		} `json:"scope"`
	} `json:"settings"`
}

// takesRequests reports whether the policy refuses pushes. One without a branch is about sizes or names
// of files, and a push that keeps to it is taken.
func (x policy) takesRequests() bool {
	ofBranch := false
	for _, s := range x.Settings.Scope {
		ofBranch = ofBranch || s.Ref != "" || s.Match == "DefaultBranch"
	}
	return ofBranch && x.Enabled && x.Blocking && !x.Deleted
}

// Protected reports whether a policy refuses pushes to the branch. Who may bypass it does not show.
func (p *Provider) Protected(ctx context.Context, r setup.Repository, branch string) (bool, error) {
	organization, project, name, err := split(r.Path)
	if err != nil {
		return false, err
	}
	a := address{organization: organization, project: project}
	repo, err := p.api.repository(ctx, a, name)
	if httpx.Status(err) == http.StatusNotFound { // the code lies elsewhere
		return false, nil
	}
	if err != nil {
		return false, err
	}
	all, err := pages[policy](ctx, p.api, a.in("/git/policy/configurations"), url.Values{"repositoryId": {repo.ID}, "refName": {heads + branch}})
	if httpx.Status(err) == http.StatusForbidden { // what the log-in may not see is not known
		return false, nil
	}
	if err != nil || !slices.ContainsFunc(all, policy.takesRequests) {
		return false, err
	}
	at, err := repositoryPath(r)
	if err != nil {
		return false, err
	}
	_, err = p.tip(ctx, at, branch)
	if errors.Is(err, fs.ErrNotExist) { // nothing can be merged into it
		return false, nil
	}
	return err == nil, err
}

// Content reads a file of a branch.
func (p *Provider) Content(ctx context.Context, r setup.Repository, branch, path string) ([]byte, error) {
	at, err := repositoryPath(r)
	if err != nil {
		return nil, err
	}
	commit, err := p.tip(ctx, at, branch)
	if err != nil {
		return nil, err
	}
	return p.file(ctx, at, commit, path)
}

// file reads a file of a commit as it is: inside of JSON, Azure DevOps shows it as the text that it
// takes it for.
func (p *Provider) file(ctx context.Context, at, commit, path string) ([]byte, error) {
	var text string
	err := p.api.do(ctx, httpx.Call{
		Method: http.MethodGet, Path: at + "/items", Text: &text, Header: map[string]string{"Accept": "application/octet-stream"},
		Query: url.Values{"path": {"/" + path}, "versionDescriptor.versionType": {"commit"}, "versionDescriptor.version": {commit}},
	})
	if httpx.Status(err) == http.StatusNotFound {
		err = fs.ErrNotExist
	}
	return []byte(text), err
}

// Propose commits the file to the proposal's branch and opens a pull request.
func (p *Provider) Propose(ctx context.Context, r setup.Repository, x providers.Proposal) (providers.Request, error) {
	at, err := repositoryPath(r)
	if err != nil {
		return providers.Request{}, err
	}
	tip, err := p.tip(ctx, at, x.Branch)
	if errors.Is(err, fs.ErrNotExist) {
		tip, err = p.tip(ctx, at, x.Base)
		if errors.Is(err, fs.ErrNotExist) {
			return providers.Request{}, hint.New("azure-devops: there is no branch "+x.Base+" to merge into", "Push it first, or choose another one with --branch.", "")
		}
	}
	if err != nil {
		return providers.Request{}, err
	}
	before, err := p.file(ctx, at, tip, x.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return providers.Request{}, err
	}
	if err != nil || !bytes.Equal(before, x.Content) {
		change := "edit"
		if err != nil {
			change = "add"
		}
		if err := p.commit(ctx, at, tip, change, x); err != nil {
			// A commit without an answer, sent again, is refused: what counts is what is there.
			if now, look := p.Content(ctx, r, x.Branch, x.Path); look != nil || !bytes.Equal(now, x.Content) {
				return providers.Request{}, err
			}
		}
	}
	number, err := p.opened(ctx, at, x)
	if err != nil || number != 0 {
		return p.request(r, number, false), err
	}
	var made pullRequest
	// A second one for the same branches is refused: it may be sent again.
	err = p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at + "/pullrequests", Repeatable: true, Out: &made, Body: map[string]any{
		"sourceRefName": heads + x.Branch, "targetRefName": heads + x.Base, "title": x.Title, "description": x.Body,
	}})
	if httpx.Status(err) == http.StatusConflict {
		if number, look := p.opened(ctx, at, x); look == nil && number != 0 {
			return p.request(r, number, !httpx.Refused(err)), nil // refused at once, it is somebody else's
		}
	}
	return p.request(r, made.Number, true), err
}

// commit puts the file on top of the commit tip, which has to be the newest of the branch unless the
// branch is not there yet, and is made.
func (p *Provider) commit(ctx context.Context, at, tip, change string, x providers.Proposal) error {
	return p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at + "/pushes", Repeatable: true, Body: map[string]any{
		"refUpdates": []any{map[string]any{"name": heads + x.Branch, "oldObjectId": tip}},
		"commits": []any{map[string]any{"comment": x.Title, "changes": []any{map[string]any{
			"changeType": change, "item": map[string]any{"path": "/" + x.Path},
			"newContent": map[string]any{"content": base64.StdEncoding.EncodeToString(x.Content), "contentType": "base64Encoded"},
		}}}},
	}})
}

type pullRequest struct {
	Number int       `json:"pullRequestId"`
	Fork   *struct{} `json:"forkSource"`
}

func (p *Provider) request(r setup.Repository, number int, isNew bool) providers.Request {
	organization, project, name, _ := split(r.Path) // a repository that is none came to no request
	link := fmt.Sprintf("%s/%s/%s/_git/%s/pullrequest/%d", p.web, url.PathEscape(organization), url.PathEscape(project), url.PathEscape(name), number)
	return providers.Request{Link: link, Number: number, New: isNew}
}

// opened is the number of the open pull request from the proposal's branch, 0 when there is none. One
// from a branch of the same name in a fork is somebody else's.
func (p *Provider) opened(ctx context.Context, at string, x providers.Proposal) (int, error) {
	var page struct {
		Value []pullRequest `json:"value"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/pullrequests", Out: &page, Query: url.Values{
		"searchCriteria.status": {"active"}, "searchCriteria.sourceRefName": {heads + x.Branch}, "searchCriteria.targetRefName": {heads + x.Base},
	}})
	for _, q := range page.Value {
		if q.Fork == nil {
			return q.Number, nil
		}
	}
	return 0, err
}

// Withdraw abandons the pull request and deletes its branch. Only an open one can be abandoned, so it is
// looked for whatever its number.
func (p *Provider) Withdraw(ctx context.Context, r setup.Repository, x providers.Proposal, _ providers.Request) error {
	at, err := repositoryPath(r)
	if err != nil {
		return err
	}
	number, err := p.opened(ctx, at, x)
	if err != nil {
		return err
	}
	if number != 0 {
		err := p.api.do(ctx, httpx.Call{
			Method: http.MethodPatch, Path: at + "/pullrequests/" + strconv.Itoa(number), Repeatable: true, Body: map[string]any{"status": "abandoned"},
		})
		if err != nil { // one that is abandoned already is refused
			if left, look := p.opened(ctx, at, x); look != nil || left != 0 {
				return err
			}
		}
	}
	tip, err := p.tip(ctx, at, x.Branch)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return p.remove(ctx, at, x.Branch, tip)
}

// remove deletes a branch whose newest commit is tip. A refusal is an answer like any other: what was
// done with each branch stands in it.
func (p *Provider) remove(ctx context.Context, at, branch, tip string) error {
	var done struct {
		Value []struct {
			Success bool   `json:"success"`
			Status  string `json:"updateStatus"`
		} `json:"value"`
	}
	err := p.api.do(ctx, httpx.Call{Method: http.MethodPost, Path: at + "/refs", Repeatable: true, Out: &done, Body: []any{
		map[string]any{"name": heads + branch, "oldObjectId": tip, "newObjectId": noCommit},
	}})
	if err != nil || len(done.Value) == 1 && done.Value[0].Success {
		return err
	}
	_, err = p.tip(ctx, at, branch)
	if errors.Is(err, fs.ErrNotExist) { // the first answer was lost
		return nil
	}
	if err != nil {
		return err
	}
	status, next := "", "Delete it in Azure Repos, or ask somebody who may."
	if len(done.Value) == 1 {
		status = done.Value[0].Status
	}
	if status == "staleOldObjectId" {
		next = "Somebody else changed it at the same time. Try again."
	}
	return hint.New(fmt.Sprintf("azure-devops: the branch %s was not deleted (%s)", branch, text("%s", status)), next, docsBranches)
}
