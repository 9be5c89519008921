package astrod

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// claims are the claims of a token, under the names that the astro CLI reads.
type claims struct {
	Issuer      string   `json:"iss"`
	Subject     string   `json:"sub"`
	Audience    []string `json:"aud"`
	Issued      int64    `json:"iat"`
	Expires     int64    `json:"exp,omitempty"`
	Permissions []string `json:"permissions"`
	TokenID     string   `json:"apiTokenId,omitempty"`
	OrgID       string   `json:"org_id,omitempty"`
	Version     string   `json:"version,omitempty"`
	Revision    int      `json:"rev,omitempty"`
}

var raw64 = base64.RawURLEncoding

func (s *Server) sign(c claims) *secret.Value {
	c.Issuer, c.Audience = "https://auth.astronomer.io/", []string{audience}
	body, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data always encodes
	}
	head := raw64.EncodeToString([]byte(`{"alg":"EdDSA","typ":"JWT"}`)) + "." + raw64.EncodeToString(body)
	sig := ed25519.Sign(ed25519.NewKeyFromSeed(s.state.Key), []byte(head))
	return secret.New([]byte(head + "." + raw64.EncodeToString(sig)))
}

// value makes the present value of a token.
func (s *Server) value(t *token) *secret.Value {
	permissions := []string{"apiTokenId:" + t.ID, "organizationId:" + t.Organization}
	for _, g := range t.Roles {
		switch g.EntityType {
		case "WORKSPACE":
			permissions = append(permissions, "workspaceId:"+g.EntityID)
		case "DEPLOYMENT":
			_, ws, _ := s.lineage(g.EntityID)
			permissions = append(permissions, "workspaceId:"+ws, "deploymentId:"+g.EntityID)
		}
	}
	c := claims{Subject: t.ID, TokenID: t.ID, OrgID: t.Organization, Version: "1.0", Permissions: permissions, Revision: t.Revision, Issued: t.StartAt.Unix()}
	if !t.EndAt.IsZero() {
		c.Expires = t.EndAt.Unix()
	}
	return s.sign(c)
}

// caller is who sent a request.
type caller struct {
	user   *user
	token  *token
	key    string // id of a Deployment API key
	grants []grant
}

func (c *caller) id() string {
	switch {
	case c.token != nil:
		return c.token.ID
	case c.user != nil:
		return c.user.ID
	}
	return c.key
}

var errToken = errors.New("the token is invalid, expired or revoked")

// authenticate checks signature, end, id and revision.
func (s *Server) authenticate(value string) (*caller, error) {
	parts := strings.Split(value, ".")
	if len(parts) != 3 {
		return nil, errToken
	}
	sig, err := raw64.DecodeString(parts[2])
	body, err2 := raw64.DecodeString(parts[1])
	public := ed25519.NewKeyFromSeed(s.state.Key).Public().(ed25519.PublicKey)
	var c claims
	if err != nil || err2 != nil || !ed25519.Verify(public, []byte(parts[0]+"."+parts[1]), sig) || json.Unmarshal(body, &c) != nil {
		return nil, errToken
	}
	if c.Expires != 0 && s.now().Unix() >= c.Expires {
		return nil, errToken
	}
	if c.TokenID == "" {
		if i := slices.IndexFunc(s.state.Keys, func(k key) bool { return k.ID == c.Subject }); i >= 0 {
			return &caller{key: c.Subject, grants: []grant{{"DEPLOYMENT", s.state.Keys[i].Deployment, "DEPLOYMENT_ADMIN"}}}, nil
		}
		i := slices.IndexFunc(s.state.Users, func(u user) bool { return u.ID == c.Subject })
		if i < 0 {
			return nil, errToken
		}
		return &caller{user: &s.state.Users[i], grants: s.state.Users[i].Roles}, nil
	}
	t := s.token(c.TokenID)
	if t == nil || t.Revision != c.Revision {
		return nil, errToken
	}
	t.LastUsedAt = s.now().UTC().Truncate(time.Second)
	return &caller{token: t, grants: t.Roles}, nil
}

func (s *Server) token(id string) *token {
	for _, t := range s.state.Tokens {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// lineage is the Organization, Workspace and Deployment that an id stands for or lies in.
func (s *Server) lineage(id string) (org, ws, dep string) {
	for _, d := range s.state.Deployments {
		if d.ID == id {
			dep, id = id, d.Workspace
		}
	}
	for _, w := range s.state.Workspaces {
		if w.ID == id {
			ws, id = id, w.Organization
		}
	}
	for _, o := range s.state.Organizations {
		if o.ID == id {
			org = id
		}
	}
	return org, ws, dep
}

// full is how long a caller has to wait that sends more than the API allows: 25 GET, 10 POST and 5 DELETE
// a second.
func (s *Server) full(who, method string) time.Duration {
	limit := map[string]int{"GET": 25, "POST": 10, "DELETE": 5}[method]
	if !s.limited || limit == 0 {
		return 0
	}
	if s.windows[who+method] == nil {
		s.windows[who+method] = &fault.Window{}
	}
	return s.windows[who+method].Full(s.now(), 1, limit, time.Second)
}

// Use is what a pipeline's run does with its secret: it calls Astro. nil stands for an empty secret.
func (s *Server) Use(v *secret.Value) error {
	if v.Empty() {
		return errors.New("the secret is empty")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return v.Use(func(b []byte) error {
		_, err := s.authenticate(string(b))
		return err
	})
}
