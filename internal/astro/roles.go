package astro

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/httpx"
)

// Role is a built-in or custom role with the permissions it gives.
type Role struct {
	ID          string       `json:"id"` // of a custom role
	Name        string       `json:"name"`
	Description display.Text `json:"description"`
	Permissions []string     `json:"permissions"`
	ScopeType   string       `json:"scopeType"` // DEPLOYMENT, WORKSPACE, ORGANIZATION, DAG, SYSTEM
	Custom      bool         `json:"-"`
}

// Roles lists the built-in and custom roles with their permissions. The list tells those of the
// built-in ones only; every custom role is asked for by itself.
func (c *Client) Roles(ctx context.Context, org string) ([]Role, error) {
	const doing = "list the roles"
	path := orgPath(org) + "/roles"
	var builtin, custom []Role
	for {
		var body struct {
			DefaultRoles []Role `json:"defaultRoles"`
			Roles        []Role `json:"roles"`
			Total        int    `json:"totalCount"`
		}
		q := url.Values{"includeDefaultRoles": {"true"}, "limit": {strconv.Itoa(pageSize)}, "offset": {strconv.Itoa(len(custom))}}
		if _, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path, Query: q, Out: &body}); err != nil {
			return nil, explain(err, doing)
		}
		builtin = body.DefaultRoles
		custom = append(custom, body.Roles...)
		if len(custom) >= body.Total {
			break
		}
		if len(body.Roles) == 0 {
			return nil, explain(fmt.Errorf("astro: GET %s: the list ends after %d of %d", path, len(custom), body.Total), doing)
		}
	}
	errs := make([]error, len(custom))
	var wait sync.WaitGroup // the limiter of the client sets the pace
	for i := range custom {
		wait.Go(func() {
			_, err := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: path + "/" + url.PathEscape(custom[i].ID), Out: &custom[i]})
			custom[i].Custom = true
			if httpx.Status(err) == http.StatusNotFound { // deleted meanwhile: it allows nothing
				err = nil
			}
			errs[i] = err
		})
	}
	wait.Wait()
	return append(builtin, custom...), explain(errors.Join(errs...), doing)
}

// CreateRole makes a custom role for Deployments with exactly these permissions. Where a role of
// this name has exactly these permissions already, that one is returned.
func (c *Client) CreateRole(ctx context.Context, org, name string, permissions []string) (r Role, created bool, err error) {
	doing := "create the custom role " + name
	existing, err := c.Roles(ctx, org)
	if err != nil {
		return r, false, err
	}
	for _, x := range existing {
		if x.Name == name && x.ScopeType == "DEPLOYMENT" && same(x.Permissions, permissions) {
			return x, false, nil
		}
	}
	_, err = c.http.Do(ctx, httpx.Call{Method: http.MethodPost, Path: orgPath(org) + "/roles", Out: &r, Body: map[string]any{
		"name": name, "description": "made by astro-ci: exactly what a pipeline needs", "scopeType": "DEPLOYMENT", "permissions": permissions,
	}})
	if err == nil && !same(r.Permissions, permissions) {
		err = fmt.Errorf("astro: the new role has other permissions: %v", r.Permissions)
	}
	return r, true, explain(err, doing)
}

// DeleteRole deletes a custom role; one that is gone already is no error.
func (c *Client) DeleteRole(ctx context.Context, org, id string) error {
	_, err := c.http.Do(ctx, httpx.Call{Method: http.MethodDelete, Path: orgPath(org) + "/roles/" + url.PathEscape(id)})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return explain(err, "delete the custom role "+id)
}

func same(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// Rights are what the caller may do, as far as Astro tells.
type Rights struct {
	Known  bool // false: the caller is an API token, and Astro tells nothing about those
	grants []right
}

type right struct {
	role, entity string
	permissions  []string
}

// Rights asks who is logged in and looks the permissions of that person's roles up in roles.
func (c *Client) Rights(ctx context.Context, roles []Role) (Rights, error) {
	mine, known, err := c.held(ctx)
	if err != nil || !known {
		return Rights{}, err
	}
	return RightsOf(roles, mine...), nil
}

// held are the roles of the caller; not known where Astro does not tell them.
func (c *Client) held(ctx context.Context) (mine []TokenRole, known bool, err error) {
	me, err := c.Self(ctx)
	if s := httpx.Status(err); s == http.StatusForbidden || s == http.StatusNotFound {
		return nil, false, nil
	}
	for _, r := range me.Roles {
		mine = append(mine, TokenRole{EntityType: r.Scope.Type, EntityID: r.Scope.EntityID, Role: r.Role})
	}
	return mine, err == nil, err
}

// RightsOf are the rights of someone who has these roles; roles says what each of them allows.
func RightsOf(roles []Role, mine ...TokenRole) Rights {
	out := Rights{Known: true}
	for _, m := range mine {
		g := right{role: m.Role, entity: m.EntityID}
		for _, r := range roles {
			if r.Name == m.Role {
				g.permissions = r.Permissions
			}
		}
		out.grants = append(out.grants, g)
	}
	return out
}

// May returns the caller's role that gives a permission on one of the entities, which are a thing
// and what it lies in; "" when there is none.
func (r Rights) May(permission string, entities ...string) (role string) {
	for _, g := range r.grants {
		if slices.Contains(entities, g.entity) && slices.Contains(g.permissions, permission) {
			return g.role
		}
	}
	return ""
}

// holds reports whether the caller has a role on one of the entities, whatever it allows.
func (r Rights) holds(role string, entities ...string) bool {
	return slices.ContainsFunc(r.grants, func(g right) bool { return g.role == role && slices.Contains(entities, g.entity) })
}
