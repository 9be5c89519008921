package circleci

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// client speaks to the API, version 2.
type client struct{ http *httpx.Client }

func newClient(o providers.Options) *client {
	wire := o.Wire
	wire.Service, wire.Auth = info.ID, func(r *http.Request) error {
		return o.Login.Value.Use(func(b []byte) error {
			r.Header.Set("Circle-Token", string(b))
			return nil
		})
	}
	return &client{httpx.NewClient(o.Server.JoinPath("api", "v2"), wire)}
}

func (c *client) do(ctx context.Context, call httpx.Call) error {
	_, err := c.http.Do(ctx, call)
	return explain(err)
}

type project struct {
	ID             string `json:"id"`
	Organization   string `json:"organization_slug"`
	OrganizationID string `json:"organization_id"`
	VCS            struct {
		URL    string `json:"vcs_url"`
		Branch string `json:"default_branch"`
	} `json:"vcs_info"`
}

func (c *client) project(ctx context.Context, slug string) (p project, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/project/" + url.PathEscape(slug), Out: &p})
	return p, err
}

type found struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

func (c *client) contexts(ctx context.Context, organization string) ([]found, error) {
	return pages[found](ctx, c, "/context", url.Values{"owner-slug": {organization}})
}

func (c *client) createContext(ctx context.Context, organization, name string) (id string, err error) {
	var out found
	err = c.do(ctx, httpx.Call{Method: http.MethodPost, Path: "/context", Out: &out, Body: map[string]any{
		"name": name, "owner": map[string]any{"slug": organization, "type": "organization"},
	}})
	return out.ID, err
}

// place is where variables are: a context or a project.
type place interface {
	path() string // of its variables
	put(ctx context.Context, name string, v *secret.Value) error
}

// variable is one of either place; a project says less about its own.
type variable struct {
	Name      string    `json:"name"`     // of a project's
	Variable  string    `json:"variable"` // of a context's
	UpdatedAt time.Time `json:"updated_at"`
	Ending    string    `json:"truncated_value"`
}

func (v variable) name() string { return v.Name + v.Variable }

// endsLike reports whether the end that CircleCI shows is the end of the value; no end is not.
func (v variable) endsLike(value *secret.Value) (same bool) {
	end := strings.TrimLeft(v.Ending, "*.…")
	_ = value.Use(func(b []byte) error {
		same = end != "" && len(end) <= 4 && strings.HasSuffix(string(b), end)
		return nil
	})
	return same
}

func (c *client) variables(ctx context.Context, at place) ([]variable, error) {
	return pages[variable](ctx, c, at.path(), nil)
}

// variable looks for one in the list: a context has no other way.
func (c *client) variable(ctx context.Context, at place, name string) (v variable, exists bool, err error) {
	all, err := c.variables(ctx, at)
	for _, v := range all {
		if v.name() == name {
			return v, true, err
		}
	}
	return variable{}, false, err
}

// mayWrite deletes a variable that nobody has: who may not write is refused, and nothing changes.
func (c *client) mayWrite(ctx context.Context, at place) error {
	return c.remove(ctx, at, "ASTRO_CI_MAY_I_WRITE_HERE")
}

func (c *client) remove(ctx context.Context, at place, name string) error {
	err := c.do(ctx, httpx.Call{Method: http.MethodDelete, Path: at.path() + "/" + name})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

type contextVariables struct {
	*client
	id string
}

func (c contextVariables) path() string {
	return "/context/" + url.PathEscape(c.id) + "/environment-variable"
}

func (c contextVariables) put(ctx context.Context, name string, v *secret.Value) error {
	body := map[string]any{}
	return providers.WithValue(v, body, "value", func() error {
		return c.do(ctx, httpx.Call{Method: http.MethodPut, Path: c.path() + "/" + name, Body: body})
	})
}

type projectVariables struct {
	*client
	slug string
}

func (p projectVariables) path() string { return "/project/" + url.PathEscape(p.slug) + "/envvar" }

// put writes a variable of a project. Whether an existing one is replaced or refused is told both
// ways; a refusal that names the variable is answered by deleting it first. Sending it again after an
// unclear answer ends in one of the two.
func (p projectVariables) put(ctx context.Context, name string, v *secret.Value) error {
	body := map[string]any{"name": name}
	return providers.WithValue(v, body, "value", func() error {
		call := httpx.Call{Method: http.MethodPost, Path: p.path(), Body: body, Repeatable: true}
		err := p.do(ctx, call)
		if httpx.Status(err) != http.StatusBadRequest && httpx.Status(err) != http.StatusConflict {
			return err
		}
		if _, exists, looked := p.variable(ctx, p, name); looked != nil || !exists {
			return err
		}
		if err := p.remove(ctx, p, name); err != nil {
			return err
		}
		return p.do(ctx, call)
	})
}

// pages reads a list to its last page.
func pages[T any](ctx context.Context, c *client, path string, query url.Values) (out []T, err error) {
	if query == nil {
		query = url.Values{}
	}
	for {
		var page struct {
			Items []T    `json:"items"`
			Next  string `json:"next_page_token"`
		}
		if err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: query, Out: &page}); err != nil {
			return nil, err
		}
		out = append(out, page.Items...)
		if page.Next == "" || page.Next == query.Get("page-token") {
			return out, nil
		}
		query.Set("page-token", page.Next)
	}
}

func isContext(path string) bool { return strings.HasPrefix(path, "/context") }

// subject is what a path is about, in words.
func subject(path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	switch {
	case isContext(path):
		return "the contexts"
	case len(parts) > 1:
		if name, err := url.PathUnescape(parts[1]); err == nil {
			return "the project " + name
		}
	}
	return "the API"
}
