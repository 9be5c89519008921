package astrod

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/secret"
)

// The identity provider: authorization code with PKCE, renewal with a refresh token that changes
// each time, and the exchange of Deployment API keys. What it hands out lives in memory only.

const (
	clientID  = "sandbox"
	audience  = "astronomer-ee"
	loginLife = 8 * time.Hour
)

// code is an authorization code; it can be used once.
type code struct {
	user, challenge, redirect string
	until                     time.Time
}

// key is a Deployment API key; its secret is not kept.
type key struct {
	ID, Deployment string
	Sum            []byte // SHA-256 of the secret
}

// AddKey makes a legacy Deployment API key in the place of the Deployment's old one; the real Astro
// makes none any more.
func (s *Server) AddKey(deployment string) (id, value *secret.Value) {
	s.mu.Lock()
	defer s.mu.Unlock()
	plain := rand.Text()
	sum := sha256.Sum256([]byte(plain))
	k := key{ID: "key" + rand.Text(), Deployment: deployment, Sum: sum[:]}
	s.state.Keys = append(slices.DeleteFunc(s.state.Keys, func(old key) bool { return old.Deployment == deployment }), k)
	return secret.New([]byte(k.ID)), secret.New([]byte(plain))
}

// Refreshes counts the refresh tokens that can still be used.
func (s *Server) Refreshes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.refresh)
}

func (s *Server) identity(m *http.ServeMux) {
	m.HandleFunc("GET /private/v1alpha1/cli/auth-config", func(w http.ResponseWriter, r *http.Request) {
		reply(w, http.StatusOK, map[string]string{"clientId": clientID, "audience": audience, "domainUrl": "http://" + r.Host + "/"})
	})
	m.HandleFunc("GET /authorize", s.authorize)
	m.HandleFunc("POST /oauth/token", s.tokenEndpoint)
	m.HandleFunc("GET /userinfo", s.userinfo)
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// authorize stands for the page on which a person logs in: here it is always the first user.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case err != nil || back.Scheme != "http" || back.Hostname() != "localhost" || back.Path != "/callback":
		http.Error(w, "redirect_uri is not registered", http.StatusBadRequest)
		return
	case q.Get("client_id") != clientID, q.Get("audience") != audience, q.Get("response_type") != "code",
		q.Get("code_challenge_method") != "S256", len(q.Get("code_challenge")) != 43, q.Get("state") == "",
		!slices.Contains(strings.Fields(q.Get("scope")), "offline_access"):
		http.Error(w, "a parameter is missing or wrong", http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	c := rand.Text()
	s.codes[c] = code{user: s.state.Users[0].ID, challenge: q.Get("code_challenge"), redirect: q.Get("redirect_uri"), until: s.now().Add(time.Minute)}
	s.mu.Unlock()
	back.RawQuery = url.Values{"code": {c}, "state": {q.Get("state")}}.Encode()
	http.Redirect(w, r, back.String(), http.StatusFound)
}

func (s *Server) tokenEndpoint(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1<<16)
	if r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ParseForm() != nil || len(r.URL.RawQuery) > 0 {
		reply(w, http.StatusBadRequest, map[string]string{"error": "invalid_request", "error_description": "a form is needed"})
		return
	}
	s.mu.Lock()
	body, status, problem := s.grant(r.PostForm)
	s.mu.Unlock()
	if problem != "" {
		reply(w, status, map[string]string{"error": problem, "error_description": map[string]string{
			"invalid_grant": "Invalid or expired authorization code or refresh token", "access_denied": "Unauthorized", "unsupported_grant_type": "Unsupported grant type",
		}[problem]})
		return
	}
	reply(w, http.StatusOK, body)
}

func (s *Server) grant(f url.Values) (body map[string]any, status int, problem string) {
	switch f.Get("grant_type") {
	case "authorization_code":
		c, ok := s.codes[f.Get("code")]
		delete(s.codes, f.Get("code"))
		sum := sha256.Sum256([]byte(f.Get("code_verifier")))
		if !ok || s.now().After(c.until) || f.Get("client_id") != clientID || f.Get("redirect_uri") != c.redirect ||
			base64.RawURLEncoding.EncodeToString(sum[:]) != c.challenge {
			return nil, http.StatusForbidden, "invalid_grant"
		}
		return s.session(c.user), 0, ""
	case "refresh_token":
		old := sha256.Sum256([]byte(f.Get("refresh_token")))
		user, ok := s.refresh[old]
		if !ok || f.Get("client_id") != clientID {
			return nil, http.StatusForbidden, "invalid_grant"
		}
		delete(s.refresh, old)
		return s.session(user), 0, ""
	case "client_credentials":
		sum := sha256.Sum256([]byte(f.Get("client_secret")))
		for _, k := range s.state.Keys {
			if k.ID == f.Get("client_id") && subtle.ConstantTimeCompare(k.Sum, sum[:]) == 1 && f.Get("audience") == audience {
				return s.access(claims{Subject: k.ID, Permissions: []string{}}, time.Hour), 0, ""
			}
		}
		return nil, http.StatusUnauthorized, "access_denied"
	}
	return nil, http.StatusForbidden, "unsupported_grant_type"
}

// access is the answer that carries a new access token.
func (s *Server) access(c claims, life time.Duration) map[string]any {
	c.Issued, c.Expires = s.now().Unix(), s.now().Add(life).Unix()
	out := map[string]any{"token_type": "Bearer", "expires_in": int(life.Seconds())}
	_ = s.sign(c).Use(func(b []byte) error { out["access_token"] = string(b); return nil })
	return out
}

func (s *Server) session(user string) map[string]any {
	out := s.access(claims{Subject: user, Permissions: []string{}}, loginLife)
	next := rand.Text()
	s.refresh[sha256.Sum256([]byte(next))] = user
	out["refresh_token"] = next
	return out
}

func (s *Server) userinfo(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	_, value, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	c, err := s.authenticate(value)
	s.mu.Unlock()
	if err != nil || c.user == nil {
		reply(w, http.StatusUnauthorized, map[string]string{"error": "invalid_token"})
		return
	}
	reply(w, http.StatusOK, map[string]string{"sub": c.user.ID, "email": c.user.Username, "name": c.user.FullName})
}
