package jenkins

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// secretText is what Jenkins calls the kind of credential that holds one text.
const secretText = "Secret text"

// client speaks to the remote API.
type client struct {
	http *httpx.Client

	mu    sync.Mutex
	crumb map[string]string // headers against forged requests; a password needs them, a token does not
}

func newClient(o providers.Options) *client {
	wire := o.Wire
	wire.Service, wire.Auth = info.ID, httpx.Basic(o.Login.User, o.Login.Value)
	return &client{http: httpx.NewClient(o.Server, wire)}
}

func (c *client) do(ctx context.Context, call httpx.Call) error {
	_, err := c.http.Do(ctx, call)
	return explain(err)
}

// send sends a request that changes something, with a crumb when Jenkins wants one: it refuses a
// request without, and names no missing right then. It returns the headers of the answer.
func (c *client) send(ctx context.Context, call httpx.Call) (http.Header, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.Header = c.crumb
	answer, err := c.http.Do(ctx, call)
	s, ok := errors.AsType[*httpx.StatusError](err)
	if !ok || s.Status != http.StatusForbidden || s.Header.Get("X-Required-Permission") != "" || c.crumb != nil {
		return answer, explain(err)
	}
	var issued struct {
		Field string `json:"crumbRequestField"`
		Crumb string `json:"crumb"`
	}
	header, failed := c.http.Do(ctx, httpx.Call{Method: http.MethodGet, Path: "/crumbIssuer/api/json", Out: &issued})
	if failed != nil || issued.Field == "" {
		return answer, explain(err)
	}
	c.crumb = map[string]string{issued.Field: issued.Crumb}
	if cookie, err := http.ParseSetCookie(header.Get("Set-Cookie")); err == nil { // the crumb holds in its session only
		c.crumb["Cookie"] = cookie.Name + "=" + cookie.Value
	}
	call.Header = c.crumb
	answer, err = c.http.Do(ctx, call)
	return answer, explain(err)
}

// credential is one as the list shows it.
type credential struct {
	ID          string `json:"id"`
	Description string `json:"description"`
	Type        string `json:"typeName"`
}

func (c *client) credentials(ctx context.Context, at string) ([]credential, error) {
	var out struct {
		Credentials []credential `json:"credentials"`
	}
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: at + "/api/json", Query: url.Values{"tree": {"credentials[id,description,typeName]"}}, Out: &out})
	return out.Credentials, err
}

// find looks for a credential by its id; nil when there is none.
func (c *client) find(ctx context.Context, at, id string) (*credential, error) {
	all, err := c.credentials(ctx, at)
	for _, x := range all {
		if x.ID == id {
			return &x, err
		}
	}
	return nil, err
}

// mayCreate sends a request that creates nothing: the right is looked at first, the form after.
func (c *client) mayCreate(ctx context.Context, at string) error {
	_, err := c.send(ctx, httpx.Call{Method: http.MethodPost, Path: at + "/createCredentials", Raw: []byte{}})
	if s := httpx.Status(err); s == http.StatusBadRequest || s == http.StatusInternalServerError {
		return nil
	}
	return err
}

// write sends a credential as XML.
func (c *client) write(ctx context.Context, path string, x credential, v *secret.Value) error {
	return v.Use(func(b []byte) error {
		var body bytes.Buffer
		element := func(name, text string) {
			body.WriteString("<" + name + ">")
			_ = xml.EscapeText(&body, []byte(text)) // a buffer takes everything
			body.WriteString("</" + name + ">")
		}
		const kind = "org.jenkinsci.plugins.plaincredentials.impl.StringCredentialsImpl"
		body.WriteString("<" + kind + ">")
		element("scope", "GLOBAL")
		element("id", x.ID)
		element("description", x.Description)
		element("secret", string(b))
		body.WriteString("</" + kind + ">")
		_, err := c.send(ctx, httpx.Call{Method: http.MethodPost, Path: path, Raw: body.Bytes(), Type: "application/xml", Repeatable: true})
		return err
	})
}

// kind is the class of a job or folder.
func (c *client) kind(ctx context.Context, path string) (string, error) {
	var out struct {
		Class string `json:"_class"`
	}
	err := c.do(ctx, httpx.Call{Method: http.MethodGet, Path: jobPath(path) + "/api/json", Query: url.Values{"tree": {"fullName"}}, Out: &out})
	return out.Class, err
}

// keepsCredentials reports whether a class is a folder of some kind.
func keepsCredentials(class string) bool {
	return strings.HasSuffix(class, "Folder") || strings.HasSuffix(class, "MultiBranchProject")
}

// subject is what a path is about, in words.
func subject(path string) string {
	if strings.HasPrefix(path, "/queue/") {
		return "the queue of Jenkins"
	}
	if rest, ok := strings.CutPrefix(path, "/job/"); ok {
		rest, _, _ = strings.Cut(rest, "/credentials/")
		rest, _, _ = strings.Cut(rest, "/api/")
		if name, err := url.PathUnescape(strings.ReplaceAll(rest, "/job/", "/")); err == nil {
			return name
		}
	}
	return "the credentials of Jenkins"
}
