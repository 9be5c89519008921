package bitbucket

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// api is the path of version 2 of the API.
const api = "/2.0"

// client speaks to the API.
type client struct{ http *httpx.Client }

func newClient(o providers.Options) *client {
	wire := o.Wire
	wire.Service, wire.Auth = info.ID, httpx.Bearer(o.Login.Value)
	if o.Login.User != "" {
		wire.Auth = httpx.Basic(o.Login.User, o.Login.Value)
	}
	return &client{httpx.NewClient(o.Server.JoinPath(api), wire)}
}

func (c *client) do(ctx context.Context, call httpx.Call) error {
	_, err := c.http.Do(ctx, call)
	return explain(err)
}

type repository struct {
	ID      string `json:"uuid"` // in braces
	Private bool   `json:"is_private"`
	Main    struct {
		Name string `json:"name"`
	} `json:"mainbranch"`
}

func (c *client) repository(ctx context.Context, path string) (r repository, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/repositories/" + path, Out: &r})
	return r, err
}

// workspace is the id of a workspace, in braces.
func (c *client) workspace(ctx context.Context, name string) (string, error) {
	var out named
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/workspaces/" + name, Out: &out})
	return out.ID, err
}

// enabled reports whether Pipelines are switched on.
func (c *client) enabled(ctx context.Context, path string) (bool, error) {
	var out struct {
		Enabled bool `json:"enabled"`
	}
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/repositories/" + path + "/pipelines_config", Out: &out})
	return out.Enabled, err
}

type variable struct {
	ID  string `json:"uuid"` // in braces
	Key string `json:"key"`
}

type named struct {
	ID   string `json:"uuid"`
	Name string `json:"name"`
}

// variables is the path of the variables at an address. That of an environment needs its id: one that
// is not there is made, or the path is "".
func (c *client) variables(ctx context.Context, a address, create bool) (string, error) {
	if a.environment == "" {
		return a.variables(), nil
	}
	path := "/repositories/" + a.path() + "/environments"
	id, err := c.environment(ctx, path, a.environment)
	if err == nil && id == "" && create {
		var made named
		// A second POST of the same name is refused: it may be sent again.
		err = c.do(ctx, httpx.Call{Method: http.MethodPost, Path: path, Repeatable: true, Out: &made, Body: map[string]any{
			"type": "deployment_environment", "name": a.environment, "environment_type": map[string]any{"type": "deployment_environment_type", "name": "Production"},
		}})
		if id = made.ID; httpx.Status(err) == http.StatusConflict {
			id, err = c.environment(ctx, path, a.environment)
		}
	}
	if err != nil || id == "" {
		return "", err
	}
	return "/repositories/" + a.path() + "/deployments_config/environments/" + url.PathEscape(id) + "/variables", nil
}

// environment is the id of an environment, "" when there is none of the name.
func (c *client) environment(ctx context.Context, path, name string) (string, error) {
	all, err := pages[named](ctx, c, path)
	for _, e := range all {
		if strings.EqualFold(e.Name, name) {
			return e.ID, err
		}
	}
	return "", err
}

// find looks for the variable of a name in all pages; nil when there is none.
func (c *client) find(ctx context.Context, at, key string) (*variable, error) {
	all, err := pages[variable](ctx, c, at)
	for _, v := range all {
		if v.Key == key {
			return &v, err
		}
	}
	return nil, err
}

// mayWrite deletes a variable that nobody has: who may not write is refused, and nothing changes.
func (c *client) mayWrite(ctx context.Context, a address) error {
	err := c.do(ctx, httpx.Call{Method: http.MethodDelete, Path: a.variables() + "/" + url.PathEscape("{00000000-0000-0000-0000-000000000000}")})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// pages reads a list to its last page. The next page is named by an address, of which only the
// question is taken: the credential goes nowhere else.
func pages[T any](ctx context.Context, c *client, path string) (out []T, err error) {
	query := url.Values{"pagelen": {"100"}}
	for {
		var page struct {
			Values []T    `json:"values"`
			Next   string `json:"next"`
		}
		if err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: query, Out: &page}); err != nil {
			return nil, err
		}
		out = append(out, page.Values...)
		if page.Next == "" {
			return out, nil
		}
		next, err := url.Parse(page.Next)
		if err != nil || next.RawQuery == "" || next.Query().Encode() == query.Encode() {
			return nil, errors.New("bitbucket: GET " + path + ": the next page is not one")
		}
		query = next.Query()
	}
}

// subject is what a path is about, in words.
func subject(path string) string {
	kind, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	parts := strings.Split(rest, "/")
	if kind == "repositories" && len(parts) > 1 {
		return "the repository " + parts[0] + "/" + parts[1]
	}
	return "the workspace " + parts[0]
}
