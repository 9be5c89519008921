package astro

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// early is how long before its end a log-in is renewed.
const early = 5 * time.Minute

// Keyring keeps secrets for the person, as the operating system does it.
type Keyring interface {
	// Get returns nil when there is nothing under this name.
	Get(name string) (*secret.Value, error)
	Set(name string, v *secret.Value) error
	// Delete of what is not there is no error.
	Delete(name string) error
}

// kept is how a session stands in the keyring.
type kept struct {
	Access  string       `json:"access,omitempty"`
	Refresh string       `json:"refresh,omitempty"`
	EndsAt  time.Time    `json:"endsAt"`
	User    display.Text `json:"user"`
}

// Keep puts the session into the keyring, under the host of the Astro it belongs to. A keyring that
// holds little gets what renews the session, without the token of the moment.
func (s Session) Keep(ring Keyring, host string) error {
	v, err := s.encode(true)
	if err != nil {
		return err
	}
	if err = ring.Set(host, v); err == nil || s.Refresh.Empty() {
		return err
	}
	if v, err = s.encode(false); err != nil {
		return err
	}
	return ring.Set(host, v)
}

func (s Session) encode(whole bool) (*secret.Value, error) {
	k := kept{EndsAt: s.EndsAt, User: s.User}
	if !s.Refresh.Empty() {
		_ = s.Refresh.Use(func(b []byte) error { k.Refresh = string(b); return nil })
	}
	if whole {
		_ = s.Access.Use(func(b []byte) error { k.Access = string(b); return nil })
	}
	raw, err := json.Marshal(k)
	if err != nil {
		return nil, errors.New("the log-in cannot be written down")
	}
	return secret.New(raw), nil
}

// KeptSession reads the session of an Astro from the keyring; ok is false when there is none.
func KeptSession(ring Keyring, host string) (s Session, ok bool, err error) {
	v, err := ring.Get(host)
	if err != nil || v.Empty() {
		return s, false, err
	}
	err = v.Use(func(b []byte) error {
		var k kept
		if json.Unmarshal(b, &k) != nil {
			return errors.New("the log-in in the keyring cannot be read")
		}
		s = Session{EndsAt: k.EndsAt, User: k.User}
		if k.Access != "" {
			s.Access = secret.New([]byte(k.Access))
		}
		if k.Refresh != "" {
			s.Refresh = secret.New([]byte(k.Refresh))
		}
		return nil
	})
	return s, err == nil, err
}

// keeper puts a session on requests and renews it before it ends.
type keeper struct {
	mu        sync.Mutex
	session   Session
	ring      Keyring
	base      *url.URL
	authority func(context.Context) (*Authority, error)
	now       func() time.Time
	live      func(*secret.Value)
}

// auth is an httpx.Auth.
func (k *keeper) auth(r *http.Request) error {
	v, err := k.fresh(r.Context())
	if err != nil {
		return err
	}
	return httpx.Bearer(v)(r)
}

// fresh returns a token that lives for some minutes more, where that can be had.
func (k *keeper) fresh(ctx context.Context) (*secret.Value, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if left := k.session.EndsAt.Sub(k.now()); !k.session.Access.Empty() && left > early {
		return k.session.Access, nil
	}
	err := k.renew(ctx)
	if err != nil && !k.session.Access.Empty() && k.now().Before(k.session.EndsAt) {
		err = nil // it still lives
	}
	return k.session.Access, err
}

// renew asks for a new token. Another astro-ci may have done so meanwhile, which makes our refresh
// token worthless: then what that one has kept is taken.
func (k *keeper) renew(ctx context.Context) error {
	ended := func(cause error) error {
		return hint.Wrap(errors.Join(ErrNoLogin, cause), "the log-in of astro-ci has ended", "Log in again with: astro-ci login", docsAPI)
	}
	if k.session.Refresh.Empty() {
		return ended(nil)
	}
	a, err := k.authority(ctx)
	if err != nil {
		return err
	}
	form := url.Values{"grant_type": {"refresh_token"}, "client_id": {a.ClientID}}
	_ = k.session.Refresh.Use(func(b []byte) error { form.Set("refresh_token", string(b)); return nil })
	s, err := a.grant(ctx, form)
	if httpx.Refused(err) {
		if other, ok, _ := KeptSession(k.ring, host(k.base)); ok && !other.Access.Empty() && other.EndsAt.Sub(k.now()) > early {
			k.take(other)
			return nil
		}
		return ended(err)
	}
	if err != nil {
		return hint.Wrap(err, "renew the log-in", "Check the network, then try again. Or log in again with: astro-ci login", docsAPI)
	}
	s.User = k.session.User
	if s.Refresh.Empty() {
		s.Refresh = k.session.Refresh
	}
	k.take(s)
	_ = s.Keep(k.ring, host(k.base)) // this run goes on; the next one has to log in again
	return nil
}

func (k *keeper) take(s Session) {
	k.session = s
	for _, v := range []*secret.Value{s.Access, s.Refresh} {
		if !v.Empty() {
			k.live(v)
		}
	}
}

// host is the name under which a session is kept.
func host(base *url.URL) string { return strings.ToLower(base.Host) }
