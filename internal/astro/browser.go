package astro

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	// callbackPort is part of the address to which the identity provider returns; it is registered
	// there and cannot be chosen. An Astro on this machine takes any port.
	callbackPort = 12345
	loginTime    = 5 * time.Minute
)

// LogIn lets a person log in with a browser: authorization code with PKCE (RFC 7636) on a loopback
// listener (RFC 8252). show gets the address to open in the browser.
func (a *Authority) LogIn(ctx context.Context, show func(address string)) (Session, error) {
	const doing = "log in with the browser"
	ctx, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	port := callbackPort
	if setup.Loopback(a.url.String()) {
		port = 0
	}
	listeners, port, err := listen(ctx, port)
	if err != nil {
		return Session{}, hint.Wrap(err, doing, fmt.Sprintf("Another program, perhaps another log-in, uses port %d, to which the browser has to return. End it and try again.", callbackPort), "")
	}
	state, verifier := rand.Text(), rand.Text()+rand.Text()
	redirect := "http://localhost:" + strconv.Itoa(port) + "/callback"
	challenge := sha256.Sum256([]byte(verifier))

	codes := make(chan callback, 1)
	server := &http.Server{Handler: wait(state, codes), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	for _, l := range listeners {
		go func() { _ = server.Serve(l) }()
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = server.Shutdown(end) // the browser gets the last page
	}()

	address := *a.url
	address.Path += "authorize"
	address.RawQuery = url.Values{
		"client_id": {a.ClientID}, "audience": {a.Audience}, "redirect_uri": {redirect}, "state": {state},
		"scope": {"openid profile email offline_access"}, "response_type": {"code"}, "response_mode": {"query"}, "prompt": {"login"},
		"code_challenge": {base64.RawURLEncoding.EncodeToString(challenge[:])}, "code_challenge_method": {"S256"},
	}.Encode()
	show(address.String())

	var back callback
	select {
	case back = <-codes:
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return Session{}, hint.New("the browser did not come back within five minutes", "Start again with: astro-ci login. Where no browser can reach this computer, log in with: astro login --login-link, or set ASTRO_API_TOKEN.", docsAPI)
		}
		return Session{}, ctx.Err()
	}
	if back.problem != "" {
		return Session{}, hint.New("the log-in was refused: "+back.problem, "Start again with: astro-ci login", docsAPI)
	}
	s, err := a.grant(ctx, url.Values{
		"grant_type": {"authorization_code"}, "client_id": {a.ClientID}, "code": {back.code}, "code_verifier": {verifier}, "redirect_uri": {redirect},
	})
	if err == nil {
		s.User, err = a.user(ctx, s.Access)
	}
	return s, hint.Wrap(err, doing, "Start again with: astro-ci login", docsAPI)
}

// listen listens on this machine's own addresses: a browser takes localhost for either.
func listen(ctx context.Context, port int) (out []net.Listener, got int, err error) {
	var c net.ListenConfig
	v4, err := c.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return nil, 0, err
	}
	out = append(out, v4)
	if t, ok := v4.Addr().(*net.TCPAddr); ok {
		got = t.Port
	}
	if v6, err := c.Listen(ctx, "tcp6", net.JoinHostPort("::1", strconv.Itoa(got))); err == nil {
		out = append(out, v6) // a machine without IPv6 has no such address
	}
	return out, got, nil
}

// callback is what came back from the browser.
type callback struct{ code, problem string }

// wait answers the browser's return and passes it on. A request with another state was not caused
// by this log-in; it changes nothing.
func wait(state string, codes chan<- callback) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /callback", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("Referrer-Policy", "no-referrer")
		if subtle.ConstantTimeCompare([]byte(q.Get("state")), []byte(state)) != 1 {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, page("This is not the answer to a log-in that astro-ci waits for."))
			return
		}
		back := callback{code: q.Get("code")}
		text := "You are logged in. This window can be closed; astro-ci goes on in the terminal."
		if back.code == "" {
			back.problem = display.Clean(q.Get("error") + " " + q.Get("error_description")).String()
			if back.problem == "" {
				back.problem = "no code came back"
			}
			text = "You are not logged in. Look at the terminal for the reason."
		}
		select {
		case codes <- back:
		default: // a second return, after a reload
		}
		_, _ = io.WriteString(w, page(text))
	})
	return m
}

func page(text string) string {
	return "<!doctype html><meta charset=utf-8><title>astro-ci</title><p style=\"font:1.2em sans-serif;margin:4em\">" + text + "</p>\n"
}
