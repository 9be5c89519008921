package github

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cli/go-gh/v2/pkg/api"
	"golang.org/x/crypto/nacl/box"

	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/secret"
)

// apiVersion is the version of the REST API that the requests are written for.
const apiVersion = "2022-11-28"

// client speaks to the REST API through go-gh's client on our own transport, which is bound to the
// API's origin, puts the credential on, retries, and follows no redirect.
type client struct {
	rest *api.RESTClient
	base string
	keys sync.Map // of publicKey, by the path of the secrets
}

func newClient(o Options) (*client, error) {
	rest, err := api.NewRESTClient(api.ClientOptions{
		Host: o.APIURL.Hostname(),
		// go-gh gets no token: our transport is the only one that puts it on a request. The placeholder
		// keeps go-gh from looking for a log-in by itself.
		AuthToken: "none",
		Headers: map[string]string{
			"Authorization": "", "Accept": "application/vnd.github+json", "X-GitHub-Api-Version": apiVersion, "Time-Zone": "UTC",
		},
		Transport: httpx.NewTransport(httpx.Options{
			Service: "github", Origin: o.APIURL, Auth: httpx.Bearer(o.Token), Base: o.Base, Agent: o.Agent,
			Jitter: o.Jitter, Waiting: o.Waiting, Debug: o.Debug, Hosts: o.Hosts, Limits: limits(o.Host),
		}),
		LogIgnoreEnv:  true,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	})
	if err != nil {
		return nil, fmt.Errorf("github: %w", err)
	}
	return &client{rest: rest, base: strings.TrimSuffix(o.APIURL.String(), "/")}, nil
}

// limits are what GitHub allows one user: 80 writes a minute and 500 an hour, and 900 points a minute, of
// which a write takes five and a read one. Of the 5,000 requests an hour the reads get what the writes leave.
// A server of one's own has no such limits unless somebody turns them on.
func limits(host string) []httpx.Limit {
	if host = strings.ToLower(host); host != "github.com" && !strings.HasSuffix(host, ".ghe.com") {
		return nil
	}
	return []httpx.Limit{
		{Of: httpx.Writes, N: 80, Per: time.Minute},
		{Of: httpx.Writes, N: 500, Per: time.Hour},
		{Of: httpx.Reads, N: 500, Per: time.Minute},
		{Of: httpx.Reads, N: 4500, Per: time.Hour},
	}
}

// do performs one request and decodes a JSON answer into out, which may be nil.
func (c *client) do(ctx context.Context, method, path string, in, out any) (status int, header http.Header, err error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, nil, fmt.Errorf("github: encode: %w", err)
		}
		body = bytes.NewReader(raw)
	}
	resp, err := c.rest.RequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return 0, nil, explain(err, method, path)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, fmt.Errorf("github: %s %s: answer cut: %w", method, path, err)
	}
	if out != nil && resp.StatusCode != http.StatusNoContent {
		if err := json.Unmarshal(raw, out); err != nil {
			return 0, nil, fmt.Errorf("github: %s %s: the answer is not the expected JSON", method, path)
		}
	}
	return resp.StatusCode, resp.Header, nil
}

// repository is a repository as the API describes it.
type repository struct {
	ID            int    `json:"id"`
	DefaultBranch string `json:"default_branch"`
	Private       bool   `json:"private"`
	Archived      bool   `json:"archived"`
	Owner         struct {
		Type string `json:"type"`
	} `json:"owner"`
	Permissions *struct {
		Admin bool `json:"admin"`
		Push  bool `json:"push"`
	} `json:"permissions"`

	scopes []string  // of a classic token; nil when the token shows none
	ends   time.Time // of the token; zero when that is not told
}

func (c *client) repo(ctx context.Context, owner, name string) (r repository, err error) {
	_, header, err := c.do(ctx, http.MethodGet, "/repos/"+owner+"/"+name, nil, &r)
	if s, ok := header["X-Oauth-Scopes"]; ok && len(s) > 0 {
		for scope := range strings.SplitSeq(s[0], ",") {
			r.scopes = append(r.scopes, strings.TrimSpace(scope))
		}
	}
	for _, form := range []string{"2006-01-02 15:04:05 MST", "2006-01-02 15:04:05 -0700"} { // both are seen
		if t, err := time.Parse(form, header.Get("GitHub-Authentication-Token-Expiration")); err == nil {
			r.ends = t
		}
	}
	return r, err
}

// environment is a deployment environment as the API describes it.
type environment struct {
	Name  string `json:"name"`
	Rules []struct {
		Reviewers []any `json:"reviewers"`
	} `json:"protection_rules"`
	Branches *struct {
		Protected bool `json:"protected_branches"`
	} `json:"deployment_branch_policy"` // nil: every branch
}

func (e environment) reviewers() (n int) {
	for _, r := range e.Rules {
		n += len(r.Reviewers)
	}
	return n
}

func (a address) environmentPath() string {
	return "/repos/" + a.owner + "/" + a.repo + "/environments/" + url.PathEscape(a.environment)
}

// secretsPath is where the secrets of an address live.
func (a address) secretsPath() string {
	switch {
	case a.repo == "":
		return "/orgs/" + a.owner + "/actions/secrets"
	case a.environment != "":
		return a.environmentPath() + "/secrets"
	}
	return "/repos/" + a.owner + "/" + a.repo + "/actions/secrets"
}

func (c *client) environmentExists(ctx context.Context, a address) (bool, error) {
	_, there, err := c.environment(ctx, a)
	return there, err
}

// environment reads one; there is false when there is none.
func (c *client) environment(ctx context.Context, a address) (e environment, there bool, err error) {
	_, _, err = c.do(ctx, http.MethodGet, a.environmentPath(), nil, &e)
	if httpx.Status(err) == http.StatusNotFound {
		return e, false, nil
	}
	return e, err == nil, err
}

func (c *client) createEnvironment(ctx context.Context, a address) error {
	_, _, err := c.do(ctx, http.MethodPut, a.environmentPath(), struct{}{}, nil)
	return err
}

func (c *client) environments(ctx context.Context, a address) (out []environment, err error) {
	return all[environment](ctx, c, "/repos/"+a.owner+"/"+a.repo+"/environments", "environments")
}

// all reads every page of a list. The pages are counted by us: the address of a next page is not
// followed with a credential.
func all[T any](ctx context.Context, c *client, path, key string) (out []T, err error) {
	for page := 1; ; page++ {
		var body map[string]json.RawMessage
		_, _, err := c.do(ctx, http.MethodGet, path+"?per_page=100&page="+strconv.Itoa(page), nil, &body)
		if err != nil {
			return nil, err
		}
		var items []T
		var total int
		if json.Unmarshal(body[key], &items) != nil || json.Unmarshal(body["total_count"], &total) != nil {
			return nil, fmt.Errorf("github: GET %s: the answer lacks %q or total_count", path, key)
		}
		out = append(out, items...)
		if len(items) == 0 || len(out) >= total {
			return out, nil
		}
	}
}

// publicKey is the key that secrets of one scope are sealed with.
type publicKey struct {
	ID  string `json:"key_id"`
	Key string `json:"key"`
}

// publicKey asks for the key of an address, and keeps it: GitHub refuses what is sealed with one that it has
// replaced.
func (c *client) publicKey(ctx context.Context, a address) (k publicKey, err error) {
	if _, _, err = c.do(ctx, http.MethodGet, a.secretsPath()+"/public-key", nil, &k); err == nil {
		c.keys.Store(a.secretsPath(), k)
	}
	return k, err
}

// sealer is the key of an address as it was last seen, or as GitHub says now.
func (c *client) sealer(ctx context.Context, a address, anew bool) (publicKey, error) {
	if k, ok := c.keys.Load(a.secretsPath()); ok && !anew {
		return k.(publicKey), nil //nolint:forcetypeassert // nothing else is kept there
	}
	return c.publicKey(ctx, a)
}

// seal encrypts v so that only the holder of the scope's private key can read it.
func (k publicKey) seal(v *secret.Value) (sealed string, err error) {
	raw, err := base64.StdEncoding.DecodeString(k.Key)
	if err != nil || len(raw) != 32 {
		return "", errors.New("github: the public key is not 32 bytes of base64")
	}
	err = v.Use(func(plain []byte) error {
		b, err := box.SealAnonymous(nil, plain, (*[32]byte)(raw), rand.Reader)
		sealed = base64.StdEncoding.EncodeToString(b)
		return err
	})
	return sealed, err
}

// putSealed writes the secret and returns the time of the answer. A key that was replaced in the
// meantime is fetched again once.
func (c *client) putSealed(ctx context.Context, a address, name string, v *secret.Value, more map[string]any) (created bool, at time.Time, err error) {
	for again := range 2 {
		key, err := c.sealer(ctx, a, again > 0)
		if err != nil {
			return false, at, err
		}
		sealed, err := key.seal(v)
		if err != nil {
			return false, at, err
		}
		body := map[string]any{"encrypted_value": sealed, "key_id": key.ID}
		maps.Copy(body, more)
		status, header, err := c.do(ctx, http.MethodPut, a.secretsPath()+"/"+name, body, nil)
		if httpx.Status(err) == http.StatusUnprocessableEntity && again == 0 {
			continue
		}
		at, _ = http.ParseTime(header.Get("Date"))
		return status == http.StatusCreated, at, err
	}
	return false, at, errors.New("unreachable")
}

// metadata is what the API tells about a secret.
type metadata struct {
	UpdatedAt  time.Time `json:"updated_at"`
	Visibility string    `json:"visibility"`
}

func (c *client) secret(ctx context.Context, a address, name string) (m metadata, exists bool, err error) {
	_, _, err = c.do(ctx, http.MethodGet, a.secretsPath()+"/"+name, nil, &m)
	if httpx.Status(err) == http.StatusNotFound {
		return m, false, nil
	}
	return m, err == nil, err
}

// secretNames lists the names of the secrets at an address.
func (c *client) secretNames(ctx context.Context, a address) (names []string, err error) {
	secrets, err := all[struct {
		Name string `json:"name"`
	}](ctx, c, a.secretsPath(), "secrets")
	if httpx.Status(err) == http.StatusNotFound && a.environment != "" {
		return nil, nil // the environment is not there yet
	}
	for _, s := range secrets {
		names = append(names, s.Name)
	}
	return names, err
}

func (c *client) deleteSecret(ctx context.Context, a address, name string) error {
	_, _, err := c.do(ctx, http.MethodDelete, a.secretsPath()+"/"+name, nil, nil)
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// selected lists the ids of the repositories that may use an organization secret.
func (c *client) selected(ctx context.Context, a address, name string) (ids []int, err error) {
	repos, err := all[struct {
		ID int `json:"id"`
	}](ctx, c, a.secretsPath()+"/"+name+"/repositories", "repositories")
	for _, r := range repos {
		ids = append(ids, r.ID)
	}
	return ids, err
}
