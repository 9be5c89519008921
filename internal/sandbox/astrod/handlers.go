package astrod

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// refusal is an answer that is not a success.
type refusal struct {
	status  int
	message string
	fields  []fieldError
	header  map[string]string
}

type fieldError struct {
	Code    string `json:"code"`
	Field   string `json:"field"`
	Message string `json:"message"`
}

func refuse(status int, message string) *refusal { return &refusal{status: status, message: message} }

func invalid(field, message string) *refusal {
	return &refusal{status: http.StatusBadRequest, message: "Invalid request: " + message, fields: []fieldError{{"INVALID", field, message}}}
}

var (
	errNotFound  = refuse(http.StatusNotFound, "Not found")
	errForbidden = refuse(http.StatusForbidden, "You do not have permission to perform this action")
)

// answer is what a handler gives: a body (nil: 204), or a refusal.
type answer func(c *caller, r *http.Request) (any, *refusal)

// Handler serves the API below /v1, and what the astro CLI asks for beside it.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	on := func(pattern string, a answer) { m.HandleFunc(pattern, s.guard(a)) }
	const org = "/v1/organizations/{organizationId}"
	on("GET /v1/organizations", s.listOrganizations)
	on("GET "+org, s.inOrg(s.getOrganization))
	on("GET "+org+"/workspaces", s.inOrg(s.listWorkspaces))
	on("GET "+org+"/workspaces/{workspaceId}", s.inOrg(s.getWorkspace))
	on("GET "+org+"/deployments", s.inOrg(s.listDeployments))
	on("GET "+org+"/deployments/{deploymentId}", s.inOrg(s.getDeployment))
	on("POST "+org+"/deployments/{deploymentId}/deploys", s.inOrg(s.createDeploy))
	on("GET "+org+"/deployments/{deploymentId}/deploys/{deployId}", s.inOrg(s.getDeploy))
	on("POST "+org+"/deployments/{deploymentId}/deploys/{deployId}/finalize", s.inOrg(s.finalizeDeploy))
	on("GET "+org+"/roles", s.inOrg(s.listRoles))
	on("POST "+org+"/roles", s.inOrg(s.createRole))
	on("GET "+org+"/roles/{roleId}", s.inOrg(s.getRole))
	on("DELETE "+org+"/roles/{roleId}", s.inOrg(s.deleteRole))
	on("GET "+org+"/allowed-ip-address-ranges", s.inOrg(s.listIPRanges))
	on("GET "+org+"/tokens", s.inOrg(s.listTokens))
	on("POST "+org+"/tokens", s.inOrg(s.createToken))
	on("GET "+org+"/tokens/{tokenId}", s.inOrg(s.getToken))
	on("POST "+org+"/tokens/{tokenId}", s.inOrg(s.updateToken))
	on("DELETE "+org+"/tokens/{tokenId}", s.inOrg(s.deleteToken))
	on("POST "+org+"/tokens/{tokenId}/rotate", s.inOrg(s.rotateToken))
	on("GET "+org+"/users", s.inOrg(s.listUsers))
	on("GET /v1/users/self", s.self)
	on("/", func(*caller, *http.Request) (any, *refusal) { return nil, errNotFound })
	s.identity(m)
	m.HandleFunc("PUT /upload/{deployId}", s.upload)
	return s.Faults.Wrap(m)
}

// guard checks what every request must bring, runs the handler under the lock, and writes.
func (s *Server) guard(a answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		body, no := s.answer(a, r)
		now := s.now()
		s.state.NextID++
		request := fmt.Sprintf("req-%d", s.state.NextID)
		s.mu.Unlock()
		if no == nil && r.Method != http.MethodGet {
			s.onChange()
		}
		w.Header().Set("Date", now.UTC().Format(http.TimeFormat))
		if no == nil && body == nil {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if no != nil {
			for k, v := range no.header {
				w.Header().Set(k, v)
			}
			w.WriteHeader(no.status)
			out := map[string]any{"message": no.message, "requestId": request, "statusCode": no.status}
			if len(no.fields) > 0 {
				out["fieldErrors"] = no.fields
			}
			body = out
		}
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (s *Server) answer(a answer, r *http.Request) (any, *refusal) {
	scheme, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "bearer") {
		return nil, refuse(http.StatusUnauthorized, "Unauthorized")
	}
	c, err := s.authenticate(value)
	if err != nil {
		return nil, refuse(http.StatusUnauthorized, "Unauthorized: "+err.Error())
	}
	if s.limited(c.id(), r.Method) {
		return nil, refuse(http.StatusTooManyRequests, "Too many requests")
	}
	return a(c, r)
}

// inOrg answers 404 for an Organization that the caller does not belong to.
func (s *Server) inOrg(a answer) answer {
	return func(c *caller, r *http.Request) (any, *refusal) {
		if !s.member(c.grants, r.PathValue("organizationId")) {
			return nil, errNotFound
		}
		return a(c, r)
	}
}

// member reports whether one of the grants lies in the Organization.
func (s *Server) member(grants []grant, org string) bool {
	return slices.ContainsFunc(grants, func(g grant) bool {
		of, _, _ := s.lineage(g.EntityID)
		return of == org
	})
}

// decode reads a JSON body and refuses fields that the API does not know.
func decode(r *http.Request, into any) *refusal {
	d := json.NewDecoder(io.LimitReader(r.Body, 1<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return refuse(http.StatusBadRequest, "Invalid request: the body is not valid JSON for this operation")
	}
	return nil
}

// list cuts a page out of items and wraps it as the API does. sortable are the fields that sorts
// may name; key gives the value to sort by.
func list[T any](r *http.Request, name string, items []T, body func(T) any, maxLimit int, key func(T, string) string) (map[string]any, *refusal) {
	q := r.URL.Query()
	limit, offset := 20, 0
	for param, to := range map[string]*int{"limit": &limit, "offset": &offset} {
		if v := q.Get(param); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || param == "limit" && maxLimit > 0 && n > maxLimit {
				return nil, invalid(param, param+" is out of range")
			}
			*to = n
		}
	}
	items = slices.Clone(items)
	for _, by := range slices.Backward(q["sorts"]) {
		field, direction, ok := strings.Cut(by, ":")
		if !ok || direction != "asc" && direction != "desc" || len(items) > 0 && key(items[0], field) == "\x00" {
			return nil, invalid("sorts", "cannot sort by "+by)
		}
		type keyed struct {
			item T
			key  string
		}
		sorted := make([]keyed, len(items))
		for i, x := range items {
			sorted[i] = keyed{x, key(x, field)}
		}
		slices.SortStableFunc(sorted, func(a, b keyed) int {
			n := strings.Compare(a.key, b.key)
			if direction == "desc" {
				return -n
			}
			return n
		})
		for i, x := range sorted {
			items[i] = x.item
		}
	}
	out := []any{}
	for _, x := range items[min(offset, len(items)):min(offset+limit, len(items))] {
		out = append(out, body(x))
	}
	return map[string]any{name: out, "limit": limit, "offset": offset, "totalCount": len(items)}, nil
}

// wanted reports whether a repeatable filter lets the value pass.
func wanted(q url.Values, name, value string) bool {
	return len(q[name]) == 0 || slices.Contains(q[name], value)
}

func (s *Server) listOrganizations(c *caller, r *http.Request) (any, *refusal) {
	var mine []organization
	for _, o := range s.state.Organizations {
		if slices.ContainsFunc(c.grants, func(g grant) bool { of, _, _ := s.lineage(g.EntityID); return of == o.ID }) {
			mine = append(mine, o)
		}
	}
	return list(r, "organizations", mine, func(o organization) any { return organizationBody(o) }, 1000, func(o organization, f string) string {
		return byName(f, o.Name)
	})
}

func (s *Server) getOrganization(_ *caller, r *http.Request) (any, *refusal) {
	for _, o := range s.state.Organizations {
		if o.ID == r.PathValue("organizationId") {
			return organizationBody(o), nil
		}
	}
	return nil, errNotFound
}

// sees reports whether the caller sees a Workspace: by a role on it, above it, or inside it.
func (s *Server) sees(c *caller, ws string) bool {
	org, _, _ := s.lineage(ws)
	return slices.ContainsFunc(c.grants, func(g grant) bool {
		_, in, _ := s.lineage(g.EntityID)
		return in == ws || g.EntityID == org && s.may([]grant{g}, "workspace.get", org, "", "")
	})
}

func (s *Server) listWorkspaces(c *caller, r *http.Request) (any, *refusal) {
	q := r.URL.Query()
	var mine []workspace
	for _, w := range s.state.Workspaces {
		if w.Organization == r.PathValue("organizationId") && s.sees(c, w.ID) && wanted(q, "workspaceIds", w.ID) && wanted(q, "names", w.Name) {
			mine = append(mine, w)
		}
	}
	return list(r, "workspaces", mine, func(w workspace) any { return s.workspaceBody(w) }, 1000, func(w workspace, f string) string { return byName(f, w.Name) })
}

func (s *Server) getWorkspace(c *caller, r *http.Request) (any, *refusal) {
	for _, w := range s.state.Workspaces {
		if w.ID == r.PathValue("workspaceId") && s.sees(c, w.ID) {
			return s.workspaceBody(w), nil
		}
	}
	return nil, errNotFound
}

func (s *Server) listDeployments(c *caller, r *http.Request) (any, *refusal) {
	q := r.URL.Query()
	var mine []deployment
	for _, d := range s.state.Deployments {
		org, ws, _ := s.lineage(d.ID)
		if org == r.PathValue("organizationId") && s.may(c.grants, "deployment.get", org, ws, d.ID) &&
			wanted(q, "deploymentIds", d.ID) && wanted(q, "names", d.Name) && wanted(q, "workspaceIds", d.Workspace) {
			mine = append(mine, d)
		}
	}
	return list(r, "deployments", mine, func(d deployment) any { return s.deploymentBody(d) }, 0, func(d deployment, f string) string { return byName(f, d.Name) })
}

// deployment finds a Deployment that the caller may use in this way.
func (s *Server) deployment(c *caller, r *http.Request, permission string) (deployment, *refusal) {
	for _, d := range s.state.Deployments {
		org, ws, _ := s.lineage(d.ID)
		switch {
		case d.ID != r.PathValue("deploymentId") || org != r.PathValue("organizationId"):
		case !s.may(c.grants, "deployment.get", org, ws, d.ID):
			return d, errNotFound
		case !s.may(c.grants, permission, org, ws, d.ID):
			return d, errForbidden
		default:
			return d, nil
		}
	}
	return deployment{}, errNotFound
}

func (s *Server) getDeployment(c *caller, r *http.Request) (any, *refusal) {
	d, no := s.deployment(c, r, "deployment.get")
	if no != nil {
		return nil, no
	}
	return s.deploymentBody(d), nil
}

func (s *Server) createDeploy(c *caller, r *http.Request) (any, *refusal) {
	d, no := s.deployment(c, r, "deployment.deploys.create")
	if no != nil {
		return nil, no
	}
	var in struct {
		Type        string `json:"type"`
		Description string `json:"description"`
		Git         any    `json:"git"`
	}
	if no := decode(r, &in); no != nil {
		return nil, no
	}
	switch {
	case !slices.Contains([]string{"IMAGE_AND_DAG", "IMAGE_ONLY", "DAG_ONLY"}, in.Type):
		return nil, invalid("type", "type is not a kind of deploy")
	case in.Type == "DAG_ONLY" && !d.DAGDeploys:
		return nil, invalid("type", "DAG-only deploys are not enabled for this Deployment")
	case d.CICDEnforced && c.user != nil:
		return nil, refuse(http.StatusForbidden, "This Deployment enforces CI/CD: only API tokens can deploy to it")
	}
	x := deploy{ID: s.id(), Deployment: d.ID, Type: in.Type, Status: "INITIALIZED", CreatedAt: s.now().UTC()}
	s.state.Deploys = append(s.state.Deploys, x)
	return deployBody(x, d, r.Host), nil
}

func (s *Server) findDeploy(id string) *deploy {
	for i := range s.state.Deploys {
		if s.state.Deploys[i].ID == id {
			return &s.state.Deploys[i]
		}
	}
	return nil
}

func (s *Server) getDeploy(c *caller, r *http.Request) (any, *refusal) {
	d, no := s.deployment(c, r, "deployment.deploys.get")
	x := s.findDeploy(r.PathValue("deployId"))
	if no != nil || x == nil || x.Deployment != d.ID {
		return nil, errNotFound
	}
	return deployBody(*x, d, r.Host), nil
}

func (s *Server) finalizeDeploy(c *caller, r *http.Request) (any, *refusal) {
	d, no := s.deployment(c, r, "deployment.deploys.create")
	if no != nil {
		return nil, no
	}
	var in struct {
		DAGTarballVersion    string `json:"dagTarballVersion"`
		BundleTarballVersion string `json:"bundleTarballVersion"`
	}
	if no := decode(r, &in); no != nil {
		return nil, no
	}
	x := s.findDeploy(r.PathValue("deployId"))
	switch {
	case x == nil || x.Deployment != d.ID:
		return nil, errNotFound
	case x.Type != "IMAGE_ONLY" && d.DAGDeploys && (in.DAGTarballVersion == "" || in.DAGTarballVersion != x.Version):
		return nil, invalid("dagTarballVersion", "no such DAG upload")
	}
	x.Status = "DEPLOYED"
	return deployBody(*x, d, r.Host), nil
}

// upload takes the DAGs as the blob storage behind dagsUploadUrl does.
func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	n, _ := io.Copy(io.Discard, io.LimitReader(r.Body, 1<<30))
	s.mu.Lock()
	defer s.mu.Unlock()
	x := s.findDeploy(r.PathValue("deployId"))
	if x == nil || n == 0 {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	x.Version = s.now().UTC().Format("2006-01-02T15:04:05.0000000Z")
	w.Header().Set("X-Ms-Version-Id", x.Version)
	w.WriteHeader(http.StatusCreated)
}

func (s *Server) listRoles(_ *caller, r *http.Request) (any, *refusal) {
	q := r.URL.Query()
	var custom []role
	for _, x := range s.state.CustomRoles {
		if wanted(q, "scopeTypes", x.Scope) {
			custom = append(custom, x)
		}
	}
	out, no := list(r, "roles", custom, func(x role) any { return s.customRoleBody(x) }, 0, func(x role, f string) string { return byName(f, x.Name) })
	if no == nil && q.Get("includeDefaultRoles") == "true" {
		defaults := []any{}
		for _, x := range builtin() {
			if wanted(q, "scopeTypes", x.Scope) {
				defaults = append(defaults, map[string]any{"name": x.Name, "description": descriptions[x.Name], "permissions": x.Permissions, "scopeType": x.Scope})
			}
		}
		out["defaultRoles"] = defaults
	}
	return out, no
}

func (s *Server) listIPRanges(c *caller, r *http.Request) (any, *refusal) {
	if !s.may(c.grants, "organization.allowedIpAddressRanges.get", r.PathValue("organizationId"), "", "") {
		return nil, errForbidden
	}
	return list(r, "allowedIpAddressRanges", []any{}, func(x any) any { return x }, 1000, func(any, string) string { return "" })
}

func (s *Server) self(c *caller, _ *http.Request) (any, *refusal) {
	if c.user == nil {
		return nil, errForbidden
	}
	roles := []any{}
	for _, g := range c.user.Roles {
		roles = append(roles, map[string]any{"role": g.Role, "scope": map[string]any{"type": g.EntityType, "entityId": g.EntityID}})
	}
	return map[string]any{
		"id": c.user.ID, "username": c.user.Username, "fullName": c.user.FullName, "avatarUrl": "", "status": "ACTIVE", "roles": roles,
		"createdAt": stamp, "updatedAt": stamp,
	}, nil
}

func byName(field, name string) string {
	switch field {
	case "name":
		return strings.ToLower(name)
	case "createdAt", "updatedAt":
		return ""
	}
	return "\x00"
}

// stamp is the made-up time at which the default data came into being.
const stamp = "2024-01-15T09:00:00Z"

func at(t time.Time) string { return t.UTC().Format(time.RFC3339) }
