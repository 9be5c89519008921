// Package dopplerd is an embedded Doppler, as far as the secrets of configs go. It refuses what the real one
// refuses: a change of what is not there, names that are Doppler's own, and both ways of a change at once.
package dopplerd

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// Project and Config are those that there are, beside a second config, dev.
const (
	Project = "etl"
	Config  = "prd"
)

// Server is one embedded Doppler.
type Server struct {
	embedded.Server
	restricted bool // secrets cannot be read
	state      state
}

type state struct {
	Key     embedded.Key                 `json:"key"`
	Configs map[string]map[string][]byte `json:"configs"` // sealed values by name, by PROJECT/CONFIG
}

// New starts a server with the data of o.State, or with two empty configs.
func New(o embedded.Options) (*Server, error) {
	s := &Server{}
	return s, s.Init(o, "dp.st.prd.", &s.state, func() {
		s.state = state{Key: embedded.NewKey(), Configs: map[string]map[string][]byte{Project + "/" + Config: {}, Project + "/dev": {}}}
	})
}

// Restrict makes all secrets unreadable, as a visibility does.
func (s *Server) Restrict() { s.Do(func() { s.restricted = true }) }

// Open reads a secret of a config, PROJECT/CONFIG.
func (s *Server) Open(config, name string) (v *secret.Value, err error) {
	err = errors.New("no such secret")
	s.Do(func() {
		if sealed, ok := s.state.Configs[config][name]; ok {
			v, err = secret.New([]byte(s.state.Key.Open(sealed))), nil
		}
	})
	return v, err
}

func fail(status int, messages ...string) embedded.Answer {
	return embedded.Answer{Status: status, Body: map[string]any{"success": false, "messages": messages}}
}

// Handler serves the API.
func (s *Server) Handler() http.Handler {
	return s.Routes(func(r *http.Request) (embedded.Answer, bool) {
		v, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		return fail(401, "Invalid Auth token"), ok && s.Accepts(v)
	}, fail(404, "Could not find requested resource"), map[string]embedded.Action{
		"GET /v3/me":                           s.me,
		"GET /v3/configs/config/secrets/names": s.in(s.names),
		"GET /v3/configs/config/secret":        s.in(s.get),
		"POST /v3/configs/config/secrets":      s.in(s.set),
	})
}

func (s *Server) me(*http.Request) embedded.Answer {
	return embedded.OK(map[string]any{"workplace": map[string]string{"name": "Acme", "slug": "acme"}, "type": "service_token", "token_preview": "dp.st.prd.…", "name": "ci"})
}

// in finds the config of a request.
func (s *Server) in(act func(r *http.Request, c map[string][]byte) embedded.Answer) embedded.Action {
	return func(r *http.Request) embedded.Answer {
		q := r.URL.Query()
		c := s.state.Configs[q.Get("project")+"/"+q.Get("config")]
		if c == nil {
			return fail(404, "Could not find requested config '"+q.Get("config")+"'")
		}
		return act(r, c)
	}
}

func (s *Server) names(_ *http.Request, c map[string][]byte) embedded.Answer {
	names := []string{"DOPPLER_CONFIG", "DOPPLER_ENVIRONMENT", "DOPPLER_PROJECT"}
	for n := range c {
		names = append(names, n)
	}
	slices.Sort(names)
	return embedded.OK(map[string]any{"names": names, "success": true})
}

func (s *Server) get(r *http.Request, c map[string][]byte) embedded.Answer {
	name := r.URL.Query().Get("name")
	sealed, ok := c[name]
	if !ok {
		return fail(404, "Could not find requested secret: "+name)
	}
	value := map[string]any{"raw": s.state.Key.Open(sealed), "computed": s.state.Key.Open(sealed), "note": "", "rawVisibility": "masked"}
	if s.restricted {
		value = map[string]any{"raw": nil, "computed": nil, "note": "", "rawVisibility": "restricted"}
	}
	return embedded.OK(map[string]any{"name": name, "value": value, "success": true})
}

var validName = pattern.New(`^[A-Z_][A-Z0-9_]*$`)

func (s *Server) set(r *http.Request, c map[string][]byte) embedded.Answer {
	var in struct {
		Secrets map[string]*string `json:"secrets"`
		Changes []struct {
			Name     string  `json:"name"`
			Original *string `json:"originalName"`
			Value    *string `json:"value"`
			Delete   bool    `json:"shouldDelete"`
		} `json:"change_requests"`
	}
	switch {
	case !embedded.Read(r, &in) || (in.Secrets == nil) == (in.Changes == nil):
		return fail(400, "Either secrets or change_requests is required")
	case s.Denied():
		return fail(403, "This token does not have access to requested config")
	}
	for name, v := range in.Secrets {
		if !validName.MatchString(name) || strings.HasPrefix(name, "DOPPLER_") || v == nil {
			return fail(400, "Invalid secret name "+name)
		}
	}
	for _, x := range in.Changes {
		if _, there := c[x.Name]; x.Original == nil || *x.Original != x.Name || !there || !x.Delete || x.Value != nil {
			return fail(400, "Secret "+x.Name+" could not be changed")
		}
	}
	for name, v := range in.Secrets {
		c[name] = s.state.Key.Seal(*v)
	}
	for _, x := range in.Changes {
		delete(c, x.Name)
	}
	return embedded.OK(map[string]any{"secrets": map[string]any{}, "success": true})
}
