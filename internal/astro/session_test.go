package astro_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// ring is a keyring in memory.
type ring struct {
	mu     sync.Mutex
	values map[string]*secret.Value
	most   int // bytes that a value may have; 0: any
	locked bool
}

var errLocked = errors.New("locked")

func newRing() *ring { return &ring{values: map[string]*secret.Value{}} }

func (r *ring) Get(name string) (*secret.Value, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.locked {
		return nil, errLocked
	}
	return r.values[name], nil
}

func (r *ring) Set(name string, v *secret.Value) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.locked || r.most > 0 && v.Len() > r.most {
		return errLocked
	}
	r.values[name] = v
	return nil
}

func (r *ring) Delete(name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.locked {
		return errLocked
	}
	delete(r.values, name)
	return nil
}

// person is someone at a computer with a browser and a keyring.
type person struct {
	*world
	ring  *ring
	clock time.Time
}

func newPerson(t *testing.T) *person {
	t.Helper()
	return &person{world: newWorld(t, setup.DeploymentToken, "DEPLOYMENT_ADMIN"), ring: newRing(), clock: time.Now()}
}

func (p *person) host() astro.Host {
	h := (&machine{env: map[string]string{"ASTRO_CI_ASTRO_URL": p.base.String()}}).host()
	h.Keyring, h.Wire, h.Now = p.ring, p.wire(), func() time.Time { return p.clock }
	return h
}

// browser opens an address as a browser does and returns the last page.
func browser(t *testing.T, address string) (status int, page string) {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Error(err)
		return 0, ""
	}
	defer func() { _ = resp.Body.Close() }()
	b, _ := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b)
}

func (p *person) logIn(t *testing.T) {
	t.Helper()
	_, err := astro.LogIn(t.Context(), p.host(), func(address string) {
		go func() {
			if status, page := browser(t, address); status != http.StatusOK || !strings.Contains(page, "You are logged in") {
				t.Errorf("the browser shows %d %s", status, page)
			}
		}()
	})
	if err != nil {
		t.Fatal(err)
	}
}

// who uses the log-in that is found.
func (p *person) who(t *testing.T) (astro.Login, error) {
	t.Helper()
	l, err := astro.FindLogin(t.Context(), p.host())
	if err != nil {
		return l, err
	}
	_, err = astro.New(l.Base, l.Auth, p.wire()).Self(t.Context())
	return l, err
}

func TestLogInWithTheBrowser(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.logIn(t)
	l, err := p.who(t)
	if err != nil || l.Source != "astro-ci login" || l.User.String() != "ada@acme.example" || l.EndsAt.Before(p.clock) {
		t.Fatalf("got %+v, %v", l, err)
	}
	if len(p.ring.values) != 1 {
		t.Errorf("the keyring holds %d values", len(p.ring.values))
	}
	for _, v := range p.ring.values {
		testkit.MustNotLeak(t, v, []byte(p.log.String()))
	}
	base, had, err := astro.LogOut(p.host())
	if err != nil || !had || base.String() != p.base.String() || len(p.ring.values) != 0 {
		t.Errorf("log out: %v, %v, %d values", had, err, len(p.ring.values))
	}
	if _, had, err := astro.LogOut(p.host()); err != nil || had {
		t.Errorf("log out twice: %v, %v", had, err)
	}
	if _, err := p.who(t); !errors.Is(err, astro.ErrNoLogin) {
		t.Errorf("after the log-out: %v", err)
	}
}

// The address holds what OAuth asks for, and an answer with another state changes nothing.
func TestBrowserAnswersOfOthersAreRefused(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	_, err := astro.LogIn(t.Context(), p.host(), func(address string) {
		u, err := url.Parse(address)
		if err != nil {
			t.Error(err)
			return
		}
		q := u.Query()
		for name, want := range map[string]string{"response_type": "code", "code_challenge_method": "S256", "client_id": "sandbox", "audience": "astronomer-ee"} {
			if q.Get(name) != want {
				t.Errorf("%s is %q", name, q.Get(name))
			}
		}
		back := q.Get("redirect_uri")
		go func() {
			for _, bad := range []string{"?code=stolen&state=other", "?code=stolen", "?error=access_denied&state="} {
				if status, page := browser(t, back+bad); status != http.StatusBadRequest || !strings.Contains(page, "not the answer") {
					t.Errorf("%s: %d %s", bad, status, page)
				}
			}
			browser(t, back+"?error=access_denied&error_description=<b>no&state="+q.Get("state"))
		}()
	})
	if err == nil || !strings.Contains(err.Error(), "access_denied") {
		t.Errorf("got %v", err)
	}
	if len(p.ring.values) != 0 {
		t.Error("something was kept")
	}
}

// A code that was stolen is worth nothing without the verifier, which never leaves the program.
func TestCodesNeedTheirVerifier(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	_, err := astro.LogIn(t.Context(), p.host(), func(address string) {
		u, _ := url.Parse(address)
		q := u.Query()
		q.Set("code_challenge", strings.Repeat("x", 43)) // somebody else's
		u.RawQuery = q.Encode()
		go browser(t, u.String())
	})
	if err == nil || !strings.Contains(err.Error(), "403") {
		t.Errorf("got %v", err)
	}
}

func TestLogInNeedsAKeyring(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.ring.locked = true
	never := func(string) { t.Error("the browser was opened") }
	if _, err := astro.LogIn(t.Context(), p.host(), never); !errors.Is(err, errLocked) || !strings.Contains(hint.Of(err).Next, "never in a file") {
		t.Errorf("a locked keyring: %v", err)
	}
	h := p.host()
	h.Keyring = nil
	if _, err := astro.LogIn(t.Context(), h, never); err == nil || hint.Of(err).Next == "" {
		t.Errorf("no keyring: %v", err)
	}
}

// The log-in is renewed before it ends, in the keyring as well.
func TestRenewal(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.logIn(t)
	p.clock = p.clock.Add(8*time.Hour - 4*time.Minute)
	p.ahead.Store(int64(8*time.Hour - 4*time.Minute))
	before := p.ring.values[p.base.Host]
	l, err := p.who(t)
	if err != nil || l.EndsAt.Sub(p.clock) < 7*time.Hour {
		t.Fatalf("until %s, %v", l.EndsAt, err)
	}
	if p.ring.values[p.base.Host].Equal(before) {
		t.Error("the keyring still holds the old log-in")
	}
	if n := p.server.Refreshes(); n != 1 {
		t.Errorf("%d refresh tokens are alive", n)
	}
	// Long after its end it still renews itself, also in a client that has it already.
	c := astro.New(l.Base, l.Auth, p.wire())
	p.clock = p.clock.Add(24 * time.Hour)
	p.ahead.Add(int64(24 * time.Hour))
	if _, err := c.Self(t.Context()); err != nil {
		t.Error(err)
	}
}

// Another astro-ci has renewed the log-in, so ours is worthless: what that one kept is used.
func TestRenewalByAnother(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.logIn(t)
	l, err := p.who(t)
	if err != nil {
		t.Fatal(err)
	}
	mine := astro.New(l.Base, l.Auth, p.wire())
	p.clock = p.clock.Add(9 * time.Hour)
	p.ahead.Store(int64(9 * time.Hour))
	if _, err := p.who(t); err != nil { // the other one
		t.Fatal(err)
	}
	if _, err := mine.Self(t.Context()); err != nil {
		t.Error(err)
	}
}

// A failed renewal takes nothing away: not what is kept, and not a log-in that still lives.
func TestFailedRenewal(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.logIn(t)
	kept := p.ring.values[p.base.Host]
	p.clock = p.clock.Add(8*time.Hour - 4*time.Minute)
	p.server.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/oauth/token", Status: 500, Body: `{}`, Times: 2})
	if _, err := p.who(t); err != nil {
		t.Errorf("a log-in that still lives: %v", err)
	}
	p.clock = p.clock.Add(time.Hour)
	p.server.Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/oauth/token", Status: 403, Body: `{"error":"invalid_grant","error_description":"gone"}`, Times: 1})
	_, err := p.who(t)
	if !errors.Is(err, astro.ErrNoLogin) || !strings.Contains(hint.Of(err).Next, "astro-ci login") {
		t.Errorf("a log-in that was refused: %v", err)
	}
	if p.ring.values[p.base.Host] != kept {
		t.Error("what was kept is gone")
	}
}

// A keyring that takes only short values keeps what renews the log-in.
func TestSmallKeyring(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	p.ring.most = 200
	p.logIn(t)
	if v := p.ring.values[p.base.Host]; v.Empty() || v.Len() > 200 {
		t.Fatalf("it holds %d bytes", v.Len())
	}
	if _, err := p.who(t); err != nil {
		t.Error(err)
	}
}

// Where to log in is told by Astro; an address that is not https is not believed.
func TestAuthorityIsNotBelievedBlindly(t *testing.T) {
	t.Parallel()
	p := newPerson(t)
	for _, domain := range []string{"http://evil.example/", "https://user@evil.example/", "ftp://x/", ""} {
		p.server.Faults.Add(fault.Fault{
			Path: "/private/v1alpha1/cli/auth-config", Status: 200, Times: 1, Body: `{"clientId":"x","audience":"y","domainUrl":"` + domain + `"}`,
		})
		if _, err := astro.FindAuthority(t.Context(), p.base, p.wire(), time.Now); err == nil {
			t.Errorf("%q is believed", domain)
		}
	}
}
