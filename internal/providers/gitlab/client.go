package gitlab

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// client speaks to the REST API, version 4.
type client struct{ http *httpx.Client }

func newClient(o Options) *client {
	wire := o.Wire
	wire.Service, wire.Auth = "gitlab", o.Login.auth
	return &client{httpx.NewClient(o.APIURL, wire)}
}

func (c *client) do(ctx context.Context, call httpx.Call) error {
	_, err := c.http.Do(ctx, call)
	return explain(err)
}

// project is a project as the API describes it.
type project struct {
	DefaultBranch string `json:"default_branch"`
	Visibility    string `json:"visibility"`
	Archived      bool   `json:"archived"`
	ForksRun      *bool  `json:"ci_allow_fork_pipelines_to_run_in_parent_project"` // nil: the server does not say
	Namespace     struct {
		Kind string `json:"kind"`
		Path string `json:"full_path"`
	} `json:"namespace"`
	Permissions struct {
		Project *access `json:"project_access"`
		Group   *access `json:"group_access"`
	} `json:"permissions"`
}

type access struct {
	Level int `json:"access_level"`
}

// level is the higher one of the two roles that a member can have.
func (p project) level() (level int) {
	for _, a := range []*access{p.Permissions.Project, p.Permissions.Group} {
		if a != nil {
			level = max(level, a.Level)
		}
	}
	return level
}

func (c *client) project(ctx context.Context, path string) (p project, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/projects/" + url.PathEscape(path), Out: &p})
	return p, err
}

// loginEnds is the day at whose begin, in UTC, the access token of the log-in ends; zero when it has no end, and for
// what is no access token, as one of OAuth.
func (c *client) loginEnds(ctx context.Context) (time.Time, error) {
	var token struct {
		Ends string `json:"expires_at"`
	}
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/personal_access_tokens/self", Out: &token})
	if s := httpx.Status(err); s >= 400 && s < 500 && s != http.StatusTooManyRequests {
		return time.Time{}, nil
	}
	ends, _ := time.Parse(time.DateOnly, token.Ends) // what is told in another form is not known
	return ends, err
}

// variable is a CI/CD variable; a hidden one has no value.
type variable struct {
	Key         string `json:"key"`
	Value       value  `json:"value"`
	Hidden      bool   `json:"hidden"`
	Environment string `json:"environment_scope"`
}

// value decodes a value straight into a secret; null is none.
type value struct{ v *secret.Value }

func (x *value) UnmarshalJSON(b []byte) error {
	var s string
	if err := json.Unmarshal(b, &s); err != nil {
		return errors.New("not a string")
	}
	x.v = secret.New([]byte(s))
	return nil
}

// variables is the path of the variables at an address.
func (a address) variables() string {
	if a.group {
		return "/groups/" + url.PathEscape(a.path) + "/variables"
	}
	return "/projects/" + url.PathEscape(a.path) + "/variables"
}

// filter names the variable of exactly this environment scope; without it a name that is there
// twice is refused.
func (a address) filter() url.Values {
	if a.group {
		return nil
	}
	return url.Values{"filter[environment_scope]": {a.scope()}}
}

// scope is the environment scope, * for all.
func (a address) scope() string {
	if a.environment == "" {
		return "*"
	}
	return a.environment
}

func (c *client) variable(ctx context.Context, a address, name string) (v variable, exists bool, err error) {
	err = c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.variables() + "/" + name, Query: a.filter(), Out: &v})
	if httpx.Status(err) == http.StatusNotFound {
		return variable{}, false, nil
	}
	return v, err == nil, err
}

// mayList shows that the log-in may see variables, which takes the right to write them.
func (c *client) mayList(ctx context.Context, a address) error {
	return c.do(ctx, httpx.Call{Method: http.MethodGet, Path: a.variables(), Query: url.Values{"per_page": {"1"}}})
}

// create makes the variable; created is false when it is there already. The request may be repeated:
// GitLab refuses to make a variable twice.
func (c *client) create(ctx context.Context, a address, name string, v *secret.Value, protected bool) (created bool, err error) {
	for _, hiding := range []string{"masked_and_hidden", "masked"} {
		body := map[string]any{"key": name, hiding: true, "raw": true, "protected": protected, "variable_type": "env_var"}
		if !a.group {
			body["environment_scope"] = a.scope()
		}
		err = providers.WithValue(v, body, "value", func() error {
			return c.do(ctx, httpx.Call{Method: http.MethodPost, Path: a.variables(), Body: body, Repeatable: true})
		})
		s, ok := errors.AsType[*httpx.StatusError](err)
		refused := ok && s.Status == http.StatusBadRequest
		switch {
		case err == nil:
			return true, nil
		case refused && strings.Contains(s.Message.String(), "taken"):
			return false, nil
		case refused && strings.Contains(s.Message.String(), "hidden"): // before 17.4 there are no hidden ones
			continue
		}
		return false, err
	}
	return false, err
}

// update gives the variable another value. What is hidden stays so: GitLab refuses to change that.
func (c *client) update(ctx context.Context, a address, name string, v *secret.Value, protected, hidden bool) error {
	body := map[string]any{"raw": true, "protected": protected, "variable_type": "env_var"}
	if !hidden {
		body["masked"] = true
	}
	if !a.group {
		body["filter"] = map[string]any{"environment_scope": a.scope()}
	}
	return providers.WithValue(v, body, "value", func() error {
		return c.do(ctx, httpx.Call{Method: http.MethodPut, Path: a.variables() + "/" + name, Body: body})
	})
}

func (c *client) remove(ctx context.Context, a address, name string) error {
	err := c.do(ctx, httpx.Call{Method: http.MethodDelete, Path: a.variables() + "/" + name, Query: a.filter()})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

func (c *client) names(ctx context.Context, a address) (out []string, err error) {
	all, err := pages[variable](ctx, c, a.variables())
	for _, v := range all {
		if a.group || v.Environment == a.scope() {
			out = append(out, v.Key)
		}
	}
	return out, err
}

func (c *client) environments(ctx context.Context, path string) (out []string, err error) {
	all, err := pages[struct {
		Name string `json:"name"`
	}](ctx, c, "/projects/"+url.PathEscape(path)+"/environments")
	for _, e := range all {
		out = append(out, e.Name)
	}
	return out, err
}

func (c *client) branchProtected(ctx context.Context, path, branch string) (bool, error) {
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: "/projects/" + url.PathEscape(path) + "/protected_branches/" + url.PathEscape(branch)})
	if httpx.Status(err) == http.StatusNotFound {
		return false, nil
	}
	return err == nil, err
}

// pages reads a list to its last page.
func pages[T any](ctx context.Context, c *client, path string) (out []T, err error) {
	for page := "1"; page != ""; {
		var items []T
		header, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: url.Values{"per_page": {"100"}, "page": {page}}, Out: &items})
		if err != nil {
			return nil, explain(err)
		}
		out = append(out, items...)
		next := header.Get("X-Next-Page")
		if _, err := strconv.Atoi(next); err != nil && next != "" || next == page {
			return nil, errors.New("gitlab: GET " + path + ": the next page is not a number")
		}
		page = next
	}
	return out, nil
}
