package gitlabd

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
)

const (
	maintainer = 40
	owner      = 50
)

var (
	validKey  = pattern.New(`^[A-Za-z0-9_]{1,255}$`)
	maskable  = pattern.New(`^[a-zA-Z0-9_+=/@:.~-]{8,}$`)
	rawMasked = pattern.New(`^\S{8,}$`)
)

// refusal is an answer that is not a success.
type refusal struct {
	status int
	body   any
}

func refuse(status int, message any) *refusal {
	return &refusal{status, map[string]any{"message": message}}
}

var notFound = refuse(http.StatusNotFound, "404 Not found")

// Handler serves the API below /api/v4.
func (s *Server) Handler() http.Handler {
	return s.Server.Handler(func(r *http.Request) embedded.Answer {
		header := map[string]string{}
		status, body, no := s.answer(header, r)
		if no != nil {
			status, body = no.status, no.body
		}
		if raw, ok := body.(embedded.Answer); ok {
			return raw
		}
		return embedded.Answer{Status: status, Body: body, Header: header}
	})
}

// answer takes the path apart by itself: the path of a project is one segment, with its slashes
// escaped.
func (s *Server) answer(header map[string]string, r *http.Request) (int, any, *refusal) {
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/")
	if !ok {
		return 0, nil, notFound
	}
	if !s.allowed(r) {
		return 0, nil, refuse(http.StatusUnauthorized, "401 Unauthorized")
	}
	parts := strings.Split(rest, "/")
	for i := range parts {
		parts[i], _ = url.PathUnescape(parts[i])
	}
	if len(parts) < 2 {
		return 0, nil, notFound
	}
	switch kind, sub := parts[0], parts[2:]; {
	case r.Method == http.MethodGet && rest == "personal_access_tokens/self":
		if s.oauth {
			return 0, nil, refuse(http.StatusUnauthorized, "401 Unauthorized")
		}
		out := map[string]any{"id": 1, "name": "ci", "revoked": false, "active": true, "scopes": []string{"api"}, "user_id": 1, "expires_at": nil}
		if !s.ends.IsZero() {
			out["expires_at"] = s.ends.UTC().Format(time.DateOnly)
		}
		return 200, out, nil
	case kind == "projects":
		p := s.state.Projects[parts[1]]
		if p == nil {
			return 0, nil, refuse(http.StatusNotFound, "404 Project Not Found")
		}
		return s.project(header, r, parts[1], p, sub)
	case kind == "groups" && len(sub) > 0 && sub[0] == "variables":
		g := s.state.Groups[parts[1]]
		if g == nil {
			return 0, nil, refuse(http.StatusNotFound, "404 Group Not Found")
		}
		if g.Level < owner {
			return 0, nil, refuse(http.StatusForbidden, "403 Forbidden")
		}
		return s.variables(header, r, &g.Variables, sub[1:], true)
	}
	return 0, nil, notFound
}

func (s *Server) project(header map[string]string, r *http.Request, at string, p *project, sub []string) (int, any, *refusal) {
	switch {
	case len(sub) == 0 && r.Method == http.MethodGet:
		out := map[string]any{
			"id": p.ID, "path_with_namespace": at, "default_branch": s.Trunk(), "visibility": "private", "archived": p.Archived,
			"namespace":   map[string]any{"kind": "group", "full_path": path.Dir(at)},
			"permissions": map[string]any{"project_access": map[string]any{"access_level": p.Level}, "group_access": nil},
		}
		if !s.oldest {
			out["ci_allow_fork_pipelines_to_run_in_parent_project"] = !p.NoForks
		}
		return 200, out, nil
	case len(sub) == 1 && sub[0] == "environments" && r.Method == http.MethodGet:
		var all []any
		for _, e := range p.Environments {
			all = append(all, map[string]any{"name": e})
		}
		return s.page(header, r, all)
	case len(sub) == 2 && sub[0] == "protected_branches" && r.Method == http.MethodGet:
		if !slices.Contains(p.Protected, sub[1]) {
			return 0, nil, notFound
		}
		return 200, map[string]any{"name": sub[1]}, nil
	case len(sub) == 1 && sub[0] == "pipeline" && r.Method == http.MethodPost:
		return s.start(at, p, r)
	case len(sub) >= 2 && (sub[0] == "pipelines" || sub[0] == "jobs") && p.run(sub[1]) != nil && r.Method == http.MethodGet:
		switch x := p.run(sub[1]); {
		case sub[0] == "jobs" && len(sub) == 3 && sub[2] == "trace":
			return 200, x.trace(), nil
		case len(sub) == 3 && sub[2] == "jobs":
			return s.page(header, r, x.jobs())
		case len(sub) == 2 && sub[0] == "pipelines":
			return s.look(at, p, x)
		}
	case len(sub) >= 1 && (sub[0] == "repository" || sub[0] == "merge_requests"):
		if status, body, no, ok := p.repository(r, sub); ok {
			return status, body, no
		}
	case len(sub) >= 1 && sub[0] == "pipeline_schedules":
		return s.schedules(header, r, p, sub[1:])
	case len(sub) >= 1 && sub[0] == "variables":
		if p.Level < maintainer {
			return 0, nil, refuse(http.StatusForbidden, "403 Forbidden")
		}
		return s.variables(header, r, &p.Variables, sub[1:], false)
	}
	return 0, nil, notFound
}

// page cuts a page out of a list.
func (s *Server) page(header map[string]string, r *http.Request, all []any) (int, any, *refusal) {
	n := func(name string, usual int) int {
		if v, err := strconv.Atoi(r.URL.Query().Get(name)); err == nil && v > 0 {
			return v
		}
		return usual
	}
	size, number := min(n("per_page", 20), 100), n("page", 1)
	from := min((number-1)*size, len(all))
	to := min(from+size, len(all))
	next := ""
	if to < len(all) {
		next = strconv.Itoa(number + 1)
	}
	header["X-Next-Page"] = next
	return 200, append([]any{}, all[from:to]...), nil
}

// input is the body of a write.
type input struct {
	Key             *string `json:"key"`
	Value           *string `json:"value"`
	Protected       *bool   `json:"protected"`
	Masked          *bool   `json:"masked"`
	MaskedAndHidden *bool   `json:"masked_and_hidden"`
	Raw             *bool   `json:"raw"`
	Type            *string `json:"variable_type"`
	Environment     *string `json:"environment_scope"`
	Description     *string `json:"description"`
	Filter          struct {
		Environment *string `json:"environment_scope"`
	} `json:"filter"`
}

func (s *Server) variables(header map[string]string, r *http.Request, in *[]*variable, sub []string, group bool) (int, any, *refusal) {
	var body input
	if r.Method == http.MethodPost || r.Method == http.MethodPut {
		if r.URL.RawQuery != "" {
			return 0, nil, refuse(http.StatusBadRequest, "a value in the address ends up in logs")
		}
		d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
		d.DisallowUnknownFields()
		if err := d.Decode(&body); err != nil {
			return 0, nil, &refusal{http.StatusBadRequest, map[string]any{"error": "the body is not valid for this operation"}}
		}
	}
	switch {
	case len(sub) == 0 && r.Method == http.MethodGet:
		var all []any
		for _, v := range *in {
			all = append(all, s.shown(v))
		}
		return s.page(header, r, all)
	case len(sub) == 0 && r.Method == http.MethodPost:
		return s.create(in, body, group)
	case len(sub) != 1:
		return 0, nil, notFound
	}
	want := r.URL.Query().Get("filter[environment_scope]")
	if body.Filter.Environment != nil {
		want = *body.Filter.Environment
	}
	var found []*variable
	for _, v := range *in {
		if v.Key == sub[0] && (group || want == "" || v.Environment == want) {
			found = append(found, v)
		}
	}
	switch {
	case len(found) == 0:
		return 0, nil, refuse(http.StatusNotFound, "404 Variable Not Found")
	case len(found) > 1:
		return 0, nil, refuse(http.StatusConflict, "There are multiple variables with provided parameters. Please use 'filter[environment_scope]'.")
	}
	v := found[0]
	switch r.Method {
	case http.MethodGet:
		return 200, s.shown(v), nil
	case http.MethodDelete:
		*in = slices.DeleteFunc(*in, func(x *variable) bool { return x == v })
		return http.StatusNoContent, nil, nil
	case http.MethodPut:
		changed := *v
		if v.Hidden && body.Masked != nil && *body.Masked != v.Masked {
			return 0, nil, refuse(http.StatusBadRequest, map[string]any{"masked": []string{"Updating masked attribute is not allowed on updates for hidden variables."}})
		}
		if body.MaskedAndHidden != nil || body.Key != nil {
			return 0, nil, &refusal{http.StatusBadRequest, map[string]any{"error": "masked_and_hidden, key is invalid"}}
		}
		if no := s.set(&changed, body); no != nil {
			return 0, nil, no
		}
		*v = changed
		return 200, s.shown(v), nil
	}
	return 0, nil, notFound
}

func (s *Server) create(in *[]*variable, body input, group bool) (int, any, *refusal) {
	if body.Key == nil || body.Value == nil {
		return 0, nil, &refusal{http.StatusBadRequest, map[string]any{"error": "key is missing, value is missing"}}
	}
	v := &variable{Key: strings.TrimSpace(*body.Key), Type: "env_var", Environment: "*"}
	if body.MaskedAndHidden != nil && *body.MaskedAndHidden {
		if s.oldest {
			return 0, nil, &refusal{http.StatusBadRequest, map[string]any{"error": "masked_and_hidden is invalid"}}
		}
		v.Masked, v.Hidden = true, true
	}
	if body.Environment != nil && group {
		return 0, nil, refuse(http.StatusBadRequest, map[string]any{"environment_scope": []string{"needs a licence"}})
	}
	if !validKey.MatchString(v.Key) {
		return 0, nil, refuse(http.StatusBadRequest, map[string]any{"key": []string{"can contain only letters, digits and '_'."}})
	}
	if no := s.set(v, body); no != nil {
		return 0, nil, no
	}
	for _, x := range *in {
		if x.Key == v.Key && x.Environment == v.Environment {
			return 0, nil, refuse(http.StatusBadRequest, map[string]any{"key": []string{fmt.Sprintf("(%s) has already been taken", v.Key)}})
		}
	}
	*in = append(*in, v)
	return http.StatusCreated, s.shown(v), nil
}

// set takes over what the body names, and refuses what could not be masked.
func (s *Server) set(v *variable, body input) *refusal {
	value := ""
	if body.Value != nil {
		value = *body.Value
	} else if len(v.Sealed) > 0 {
		value = s.state.Key.Open(v.Sealed)
	}
	for _, x := range []struct {
		from, to *bool
	}{{body.Protected, &v.Protected}, {body.Masked, &v.Masked}, {body.Raw, &v.Raw}} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	for _, x := range []struct {
		from, to *string
	}{{body.Type, &v.Type}, {body.Environment, &v.Environment}, {body.Description, &v.Description}} {
		if x.from != nil {
			*x.to = *x.from
		}
	}
	pattern := maskable
	if v.Raw {
		pattern = rawMasked
	}
	switch {
	case v.Type != "env_var" && v.Type != "file":
		return &refusal{http.StatusBadRequest, map[string]any{"error": "variable_type does not have a valid value"}}
	case v.Masked && !pattern.MatchString(value):
		return refuse(http.StatusBadRequest, map[string]any{"value": []string{"is invalid"}})
	case len(value) > 10_000:
		return refuse(http.StatusBadRequest, map[string]any{"value": []string{"is too long (maximum is 10000 characters)"}})
	}
	v.Sealed = s.state.Key.Seal(value)
	return nil
}

// shown is the variable as the API shows it; a hidden one has no value.
func (s *Server) shown(v *variable) map[string]any {
	out := map[string]any{
		"variable_type": v.Type, "key": v.Key, "value": s.state.Key.Open(v.Sealed), "hidden": v.Hidden, "protected": v.Protected, "masked": v.Masked, "raw": v.Raw,
		"environment_scope": v.Environment, "description": v.Description,
	}
	if v.Hidden {
		out["value"] = nil
	}
	return out
}
