package githubd

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/pattern"
)

const maxSecret = 48 << 10

var (
	standardBase64 = pattern.New(`^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$`)
	validSecret    = pattern.New(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// refusal is an answer that is not a success.
type refusal struct {
	status  int
	message string
	header  map[string]string
}

func refuse(status int, message string) *refusal { return &refusal{status: status, message: message} }

var notFound = refuse(http.StatusNotFound, "Not Found")

// answer is what a handler gives: a status and a body (nil: none), or a refusal.
type answer func(r *http.Request) (status int, body any, no *refusal)

// Handler serves the API with its paths at the root, as api.github.com does.
func (s *Server) Handler() http.Handler {
	m := http.NewServeMux()
	on := func(pattern string, a answer) { m.HandleFunc(pattern, s.guard(a)) }
	on("GET /user", func(*http.Request) (int, any, *refusal) {
		return 200, account("localhost", "ada", "User"), nil
	})
	on("GET /repos/{owner}/{repo}", s.getRepo)
	on("GET /repos/{owner}/{repo}/environments", s.listEnvironments)
	on("GET /repos/{owner}/{repo}/environments/{environment}", s.getEnvironment)
	on("PUT /repos/{owner}/{repo}/environments/{environment}", s.putEnvironment)
	for base, find := range map[string]func(*http.Request, bool) (*scope, *refusal){
		"/repos/{owner}/{repo}/actions/secrets":                    s.repoScope,
		"/repos/{owner}/{repo}/environments/{environment}/secrets": s.environmentScope,
		"/orgs/{org}/actions/secrets":                              s.orgScope,
	} {
		org := strings.HasPrefix(base, "/orgs/")
		on("GET "+base, s.listSecrets(find, org))
		on("GET "+base+"/public-key", func(r *http.Request) (int, any, *refusal) {
			c, no := find(r, false)
			if no != nil {
				return 0, nil, no
			}
			return 200, c.key(), nil
		})
		on("GET "+base+"/{name}", s.getSecret(find, org))
		on("PUT "+base+"/{name}", s.putSecret(find, org))
		on("DELETE "+base+"/{name}", s.deleteSecret(find))
	}
	s.proposals(on)
	s.policies(on)
	on("POST /repos/{owner}/{repo}/actions/workflows/{file}/dispatches", s.dispatch)
	on("GET /repos/{owner}/{repo}/actions/workflows/{file}/runs", s.listRuns)
	on("GET /repos/{owner}/{repo}/actions/runs/{id}", s.getRun)
	on("GET /repos/{owner}/{repo}/actions/runs/{id}/jobs", s.listJobs)
	on("GET /repos/{owner}/{repo}/actions/jobs/{id}/logs", s.jobLog)
	on("GET /orgs/{org}/actions/secrets/{name}/repositories", s.listSelected)
	on("PUT /orgs/{org}/actions/secrets/{name}/repositories/{id}", s.addSelected)
	on("/", func(*http.Request) (int, any, *refusal) { return 0, nil, notFound })
	return s.atOnce(s.Faults.Wrap(m))
}

// guard checks what every request must bring, runs the handler under the lock, and writes.
func (s *Server) guard(a answer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
		s.mu.Lock()
		status, body, no := s.answer(w, a, r)
		s.mu.Unlock()
		if no == nil && r.Method != http.MethodGet {
			s.onChange()
		}
		if no != nil {
			for k, v := range no.header {
				w.Header().Set(k, v)
			}
			status, body = no.status, map[string]any{"message": no.message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(no.status)}
		}
		if body == nil {
			w.Header().Del("Content-Type")
			w.WriteHeader(status)
			return
		}
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	}
}

func (s *Server) answer(w http.ResponseWriter, a answer, r *http.Request) (int, any, *refusal) {
	if r.UserAgent() == "" {
		return 0, nil, refuse(http.StatusForbidden, "Request forbidden by administrative rules. Please make sure your request has a User-Agent header.")
	}
	if !s.allowed(r) {
		return 0, nil, refuse(http.StatusUnauthorized, "Bad credentials")
	}
	if no := s.limits.over(r, s.now()); no != nil {
		return 0, nil, no
	}
	if s.scopes != nil {
		w.Header().Set("X-Oauth-Scopes", strings.Join(s.scopes, ", "))
	}
	if s.ends != "" {
		w.Header().Set("GitHub-Authentication-Token-Expiration", s.ends)
	}
	status, body, no := a(r)
	if link, ok := body.(paged); ok {
		if link.next != "" {
			w.Header().Set("Link", fmt.Sprintf("<http://%s%s>; rel=\"next\"", r.Host, link.next))
		}
		body = link.body
	}
	return status, body, no
}

// repo finds the repository of a request. write asks for more than reading.
func (s *Server) repo(r *http.Request, write bool) (*repo, *refusal) {
	x := s.state.Repos[strings.ToLower(r.PathValue("owner")+"/"+r.PathValue("repo"))]
	if x == nil || s.scopes != nil && !slices.Contains(s.scopes, "repo") {
		return nil, notFound
	}
	if x.MovedTo != "" {
		to := s.state.Repos[strings.ToLower(x.MovedTo)]
		if to == nil {
			return nil, notFound
		}
		no := refuse(http.StatusMovedPermanently, "Moved Permanently")
		no.header = map[string]string{"Location": fmt.Sprintf("http://%s/repositories/%d", r.Host, to.ID)}
		return nil, no
	}
	if write && x.Archived {
		return nil, refuse(http.StatusForbidden, "Repository was archived so is read-only.")
	}
	return x, nil
}

func forbidden(permission string) *refusal {
	no := refuse(http.StatusForbidden, "Resource not accessible by personal access token")
	no.header = map[string]string{"X-Accepted-Github-Permissions": permission}
	return no
}

func (s *Server) repoScope(r *http.Request, write bool) (*scope, *refusal) {
	x, no := s.repo(r, write)
	if no != nil {
		return nil, no
	}
	if x.Permission == "pull" {
		return nil, forbidden("secrets=write")
	}
	return x.Secrets, nil
}

func (s *Server) environmentScope(r *http.Request, write bool) (*scope, *refusal) {
	x, no := s.repo(r, write)
	if no != nil {
		return nil, no
	}
	e := x.Environments[strings.ToLower(r.PathValue("environment"))]
	switch {
	case e == nil:
		return nil, notFound
	case x.Permission == "pull":
		return nil, forbidden("environments=write")
	}
	return e.Secrets, nil
}

func (s *Server) orgScope(r *http.Request, _ bool) (*scope, *refusal) {
	o := s.state.Orgs[strings.ToLower(r.PathValue("org"))]
	if o == nil {
		return nil, notFound
	}
	if s.scopes != nil && !slices.Contains(s.scopes, "admin:org") {
		return nil, refuse(http.StatusForbidden, "Must have admin rights to Repository.")
	}
	return o, nil
}

func (s *Server) getRepo(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	return 200, s.repoBody(x, r.Host), nil
}

func (s *Server) listEnvironments(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	all := slices.SortedFunc(maps.Values(x.Environments), func(a, b *envir) int { return a.ID - b.ID })
	items, next, no := page(r, all, 30)
	if no != nil {
		return 0, nil, no
	}
	out := []any{}
	for _, e := range items {
		out = append(out, e.body(x))
	}
	return 200, paged{map[string]any{"total_count": len(all), "environments": out}, next}, nil
}

func (s *Server) getEnvironment(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, false)
	if no != nil {
		return 0, nil, no
	}
	e := x.Environments[strings.ToLower(r.PathValue("environment"))]
	if e == nil {
		return 0, nil, notFound
	}
	return 200, e.body(x), nil
}

// putEnvironment does what makes the real one dangerous: an existing environment loses the
// protection that the request does not repeat.
func (s *Server) putEnvironment(r *http.Request) (int, any, *refusal) {
	x, no := s.repo(r, true)
	if no != nil {
		return 0, nil, no
	}
	if x.Permission != "admin" {
		return 0, nil, forbidden("administration=write")
	}
	name := r.PathValue("environment")
	if name == "" || len(name) > 255 {
		return 0, nil, refuse(http.StatusUnprocessableEntity, "Validation Failed")
	}
	key := strings.ToLower(name)
	if x.Environments[key] == nil {
		x.Environments[key] = &envir{ID: s.id(), Name: name, CreatedAt: s.now().UTC(), Secrets: newScope(100)}
	}
	x.Environments[key].Reviewers = 0
	return 200, x.Environments[key].body(x), nil
}

type scopeOf = func(*http.Request, bool) (*scope, *refusal)

func (s *Server) listSecrets(find scopeOf, org bool) answer {
	return func(r *http.Request) (int, any, *refusal) {
		c, no := find(r, false)
		if no != nil {
			return 0, nil, no
		}
		all := slices.SortedFunc(maps.Values(c.Secrets), func(a, b *sealed) int { return strings.Compare(a.Name, b.Name) })
		items, next, no := page(r, all, 30)
		if no != nil {
			return 0, nil, no
		}
		out := []any{}
		for _, x := range items {
			out = append(out, x.body(r, org))
		}
		return 200, paged{map[string]any{"total_count": len(all), "secrets": out}, next}, nil
	}
}

func (s *Server) getSecret(find scopeOf, org bool) answer {
	return func(r *http.Request) (int, any, *refusal) {
		c, no := find(r, false)
		if no != nil {
			return 0, nil, no
		}
		x := c.Secrets[strings.ToUpper(r.PathValue("name"))]
		if x == nil {
			return 0, nil, notFound
		}
		return 200, x.body(r, org), nil
	}
}

func (s *Server) putSecret(find scopeOf, org bool) answer {
	return func(r *http.Request) (int, any, *refusal) {
		c, no := find(r, true)
		if no != nil {
			return 0, nil, no
		}
		var in struct {
			EncryptedValue *string `json:"encrypted_value"`
			KeyID          *string `json:"key_id"`
			Visibility     string  `json:"visibility"`
			Selected       []int   `json:"selected_repository_ids"`
		}
		raw, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil || json.Unmarshal(raw, &in) != nil {
			return 0, nil, refuse(http.StatusBadRequest, "Problems parsing JSON")
		}
		invalid := func(what string) (int, any, *refusal) {
			return 0, nil, refuse(http.StatusUnprocessableEntity, "Invalid request.\n\n"+what)
		}
		name := strings.ToUpper(r.PathValue("name"))
		switch {
		case in.EncryptedValue == nil:
			return invalid(`"encrypted_value" wasn't supplied.`)
		case in.KeyID == nil:
			return invalid(`"key_id" wasn't supplied.`)
		case org && !slices.Contains([]string{"all", "private", "selected"}, in.Visibility):
			return invalid(`"visibility" wasn't supplied.`)
		case !standardBase64.MatchString(*in.EncryptedValue):
			return invalid(`encrypted_value does not match /^(?:[A-Za-z0-9+\/]{4})*(?:[A-Za-z0-9+\/]{2}==|[A-Za-z0-9+\/]{3}=)?$/.`)
		case !validSecret.MatchString(name) || strings.HasPrefix(name, "GITHUB_"):
			return 0, nil, refuse(http.StatusUnprocessableEntity, "Secret names can only contain alphanumeric characters ([a-z], [A-Z], [0-9]) or underscores (_). Spaces are not allowed. Must start with a letter ([a-z], [A-Z]) or underscores (_).")
		}
		boxed, _ := base64.StdEncoding.DecodeString(*in.EncryptedValue)
		plain, ok := c.decrypt(boxed)
		switch {
		case *in.KeyID != c.KeyID || !ok:
			return 0, nil, refuse(http.StatusUnprocessableEntity, "Bad request - validation failed due to an improperly encrypted secret")
		case len(plain) > maxSecret:
			return 0, nil, refuse(http.StatusUnprocessableEntity, "Secret value is too large")
		}
		now := s.now().UTC().Truncate(time.Second)
		x := c.Secrets[name]
		status, body := http.StatusNoContent, any(nil)
		if x == nil {
			if len(c.Secrets) >= c.Limit {
				return 0, nil, refuse(http.StatusUnprocessableEntity, "The maximum number of secrets has been reached")
			}
			x = &sealed{Name: name, CreatedAt: now}
			c.Secrets[name] = x
			status, body = http.StatusCreated, map[string]any{}
		}
		x.Box, x.UpdatedAt = boxed, now
		if org {
			x.Visibility, x.Selected = in.Visibility, in.Selected
		}
		return status, body, nil
	}
}

func (s *Server) deleteSecret(find scopeOf) answer {
	return func(r *http.Request) (int, any, *refusal) {
		c, no := find(r, true)
		if no != nil {
			return 0, nil, no
		}
		name := strings.ToUpper(r.PathValue("name"))
		if c.Secrets[name] == nil {
			return 0, nil, notFound
		}
		delete(c.Secrets, name)
		return http.StatusNoContent, nil, nil
	}
}

func (s *Server) listSelected(r *http.Request) (int, any, *refusal) {
	c, no := s.orgScope(r, false)
	if no != nil {
		return 0, nil, no
	}
	x := c.Secrets[strings.ToUpper(r.PathValue("name"))]
	if x == nil {
		return 0, nil, notFound
	}
	items, next, no := page(r, x.Selected, 30)
	if no != nil {
		return 0, nil, no
	}
	out := []any{}
	for _, id := range items {
		for _, y := range s.state.Repos {
			if y.ID == id {
				out = append(out, y.minimal(r.Host))
			}
		}
	}
	return 200, paged{map[string]any{"total_count": len(x.Selected), "repositories": out}, next}, nil
}

func (s *Server) addSelected(r *http.Request) (int, any, *refusal) {
	c, no := s.orgScope(r, true)
	if no != nil {
		return 0, nil, no
	}
	x := c.Secrets[strings.ToUpper(r.PathValue("name"))]
	id, err := strconv.Atoi(r.PathValue("id"))
	switch {
	case x == nil || err != nil:
		return 0, nil, notFound
	case x.Visibility != "selected":
		return 0, nil, refuse(http.StatusConflict, "Conflict when visibility type is not set to selected")
	}
	if !slices.Contains(x.Selected, id) {
		x.Selected = append(x.Selected, id)
	}
	return http.StatusNoContent, nil, nil
}

// paged is a body with the address of the next page.
type paged struct {
	body any
	next string
}

// page cuts the page out that the request asks for.
func page[T any](r *http.Request, all []T, perPage int) (items []T, next string, no *refusal) {
	q := r.URL.Query()
	number := 1
	for name, to := range map[string]*int{"per_page": &perPage, "page": &number} {
		if v := q.Get(name); v != "" {
			n, err := strconv.Atoi(v)
			if err != nil || n < 1 {
				return nil, "", refuse(http.StatusUnprocessableEntity, "Invalid "+name)
			}
			*to = n
		}
	}
	perPage = min(perPage, 100)
	from := min((number-1)*perPage, len(all))
	to := min(from+perPage, len(all))
	if to < len(all) {
		q.Set("page", strconv.Itoa(number+1))
		next = (&url.URL{Path: r.URL.Path, RawQuery: q.Encode()}).String()
	}
	return all[from:to], next, nil
}
