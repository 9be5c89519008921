package azuredevops

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

const (
	version = "7.1"
	preview = "7.1-preview.1" // of what has no other version yet
)

// client speaks to the REST API.
type client struct {
	http  *httpx.Client
	token func(context.Context) (*secret.Value, error) // of the az CLI; nil for one that does not end
}

func newClient(o providers.Options) *client {
	wire := o.Wire
	auth := httpx.Basic("", o.Login.Value) // a personal access token
	switch {
	case o.Login.Token != nil:
		auth = providers.TokenAuth
	case o.Login.User == entra:
		auth = httpx.Bearer(o.Login.Value)
	}
	wire.Service, wire.Auth = info.ID, func(r *http.Request) error {
		// Else a wrong log-in is answered with a page to sign in.
		r.Header.Set("X-TFS-FedAuthRedirect", "Suppress")
		return auth(r)
	}
	return &client{httpx.NewClient(o.Server, wire), o.Login.Token}
}

// send performs a call with a token that works now.
func (c *client) send(ctx context.Context, call httpx.Call) (http.Header, error) {
	ctx, err := providers.WithToken(ctx, c.token)
	if err != nil {
		return nil, err
	}
	return c.http.Do(ctx, call)
}

func (c *client) do(ctx context.Context, call httpx.Call) error {
	if call.Query == nil {
		call.Query = url.Values{}
	}
	if call.Query.Get("api-version") == "" {
		call.Query.Set("api-version", version)
	}
	_, err := c.send(ctx, call)
	return explain(err)
}

// in is the path of an API of the address's project.
func (a address) in(path string) string {
	return "/" + url.PathEscape(a.organization) + "/" + url.PathEscape(a.project) + "/_apis" + path
}

// of is the path of an API of the address's organization.
func (a address) of(path string) string {
	return "/" + url.PathEscape(a.organization) + "/_apis" + path
}

type named struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (c *client) project(ctx context.Context, a address) (p named, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.of("/projects/" + url.PathEscape(a.project)), Out: &p})
	return p, err
}

type repository struct {
	ID       string `json:"id"`
	Branch   string `json:"defaultBranch"`
	Disabled bool   `json:"isDisabled"`
}

func (c *client) repository(ctx context.Context, a address, name string) (r repository, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.in("/git/repositories/" + url.PathEscape(name)), Out: &r})
	return r, err
}

type list struct {
	Value []object `json:"value"`
}

// pages lists all of what comes in pages.
func pages[T any](ctx context.Context, c *client, path string, query url.Values) (out []T, err error) {
	query.Set("api-version", version)
	for {
		var page struct {
			Value []T `json:"value"`
		}
		header, err := c.send(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: query, Out: &page})
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, page.Value...)
		next := header.Get("X-Ms-Continuationtoken")
		if next == query.Get("continuationToken") || next == "" {
			return out, nil
		}
		query.Set("continuationToken", next)
	}
}

const groupsPath = "/distributedtask/variablegroups"

// groups lists the variable groups of the project that allow an action ("" for any); those of the
// address's name when it has one.
func (c *client) groups(ctx context.Context, a address, action string) ([]object, error) {
	query := url.Values{}
	if a.group != "" {
		query.Set("groupName", a.group)
	}
	if action != "" {
		query.Set("actionFilter", action)
	}
	all, err := pages[object](ctx, c, a.in(groupsPath), query)
	return slices.DeleteFunc(all, func(g object) bool {
		name, _ := g["name"].(string)
		return a.group != "" && !strings.EqualFold(name, a.group)
	}), err
}

func (c *client) createGroup(ctx context.Context, a address, g object) error {
	// A second one of the same name is refused: it may be sent again.
	return c.do(ctx, httpx.Call{Method: http.MethodPost, Path: a.of(groupsPath), Body: g, Repeatable: true})
}

func (c *client) putGroup(ctx context.Context, a address, g object) error {
	return c.do(ctx, httpx.Call{Method: http.MethodPut, Path: a.of(groupsPath + "/" + id(g["id"])), Body: g})
}

func (c *client) deleteGroup(ctx context.Context, a address, g object) error {
	p, err := c.project(ctx, a)
	if err != nil {
		return err
	}
	return c.do(ctx, httpx.Call{Method: http.MethodDelete, Path: a.of(groupsPath + "/" + id(g["id"])), Query: url.Values{"projectIds": {p.ID}}})
}

// authorize lets one pipeline use a group.
func (c *client) authorize(ctx context.Context, a address, group, pipeline any) error {
	return c.do(ctx, httpx.Call{
		Method: http.MethodPatch, Path: a.in("/pipelines/pipelinepermissions/variablegroup/" + id(group)), Query: url.Values{"api-version": {preview}}, Repeatable: true,
		Body: map[string]any{"pipelines": []any{map[string]any{"id": pipeline, "authorized": true}}},
	})
}

// definitions lists the pipelines of a repository.
func (c *client) definitions(ctx context.Context, a address, repository string) ([]object, error) {
	var out list
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.in("/build/definitions"), Out: &out, Query: url.Values{
		"repositoryId": {repository}, "repositoryType": {"TfsGit"}, "includeAllProperties": {"true"},
	}})
	return out.Value, err
}

// definition is the pipeline of a name, whole; nil when there is none.
func (c *client) definition(ctx context.Context, a address, name string) (object, error) {
	var found list
	if err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.in("/build/definitions"), Query: url.Values{"name": {name}}, Out: &found}); err != nil {
		return nil, err
	}
	for _, d := range found.Value {
		if n, _ := d["name"].(string); strings.EqualFold(n, name) {
			var out object
			err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.in("/build/definitions/" + id(d["id"])), Out: &out})
			return out, err
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

func (c *client) putDefinition(ctx context.Context, a address, d object) error {
	return c.do(ctx, httpx.Call{Method: http.MethodPut, Path: a.in("/build/definitions/" + id(d["id"])), Body: d})
}

// createPipeline makes a pipeline that runs a file of a repository of Azure Repos.
func (c *client) createPipeline(ctx context.Context, a address, name, file, repository string) error {
	return c.do(ctx, httpx.Call{Method: http.MethodPost, Path: a.in("/pipelines"), Body: map[string]any{
		"name": name, "folder": `\`, "configuration": map[string]any{
			"type": "yaml", "path": "/" + file, "repository": map[string]any{"id": repository, "type": "azureReposGit"},
		},
	}})
}

// id is a number as it came from JSON, for a path.
func id(v any) string {
	if n, ok := v.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return "0"
}

// subject is what a path is about, in words.
func subject(path string) string {
	before, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/_apis")
	if name, err := url.PathUnescape(before); err == nil {
		return name
	}
	return before
}
