// Package jenkins stores secret texts in the credentials of Jenkins, and renders Jenkinsfiles.
//
// A target's address is system for the store of the whole Jenkins, or folder:PATH (folder:team/etl)
// for that of a folder, a multibranch project or an organization folder.
package jenkins

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/vault"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

const (
	docsCredentials = "https://www.jenkins.io/doc/book/using/using-credentials/"
	docsLogin       = "https://www.jenkins.io/doc/book/using/remote-access-api/"
	maxValue        = 32_000 // our own limit: Jenkins names none
)

const id = "jenkins"

var info = providers.Info{
	Backends: fetch.For(id),
	Rights:   "Credentials View, Create and Update in the store, and the plugins credentials, plain-credentials and credentials-binding; folders need cloudbees-folder. A request that creates nothing shows whether you may create. Runs need Job Read and Build.",
	Login:    "`JENKINS_URL`, `JENKINS_USER_ID` and `JENKINS_API_TOKEN`, or `USER:TOKEN` in the last one alone. A password works too; then a crumb is fetched.",
	Address:  "`system` for the whole Jenkins, `folder:PATH` for a folder, a multibranch project or an organization folder.",
	Limits:   "Jenkins answers an update with 200 even when the store did not take it; so each write leaves a mark in the description, and the mark is read again. A credential in a folder is seen by jobs in it only. What a schedule starts stands in a file of its own, `Jenkinsfile.SETUP`, and is a job of its own, which a person makes and deletes; its agent has to run Linux, and its runs need the address of Jenkins in its configuration (`JENKINS_URL`).",
	ID:       id, Shared: true, Name: "Jenkins", Docs: docsCredentials, MaxValue: maxValue,
	Proof: providers.Metadata, ProofNote: "Jenkins never shows a secret text again; each write leaves a mark of its own in the description, which is read again",
}

// Provider is one Jenkins, seen with one log-in.
type Provider struct {
	host    string
	page    string // where a person sees it: the host, and the path below which Jenkins is served
	api     *client
	options providers.Options
}

// New returns a provider; it makes no request.
func New(o providers.Options) *Provider {
	return &Provider{
		host: cmp.Or(o.Host, o.Server.Host), page: cmp.Or(o.Host, o.Server.Host+strings.TrimSuffix(o.Server.EscapedPath(), "/")), api: newClient(o), options: o,
	}
}

// Info describes the provider.
func (p *Provider) Info() providers.Info { return info }

// CheckTarget refuses, without a request, a target that cannot be one.
func (*Provider) CheckTarget(t setup.Target) error {
	_, err := parseTarget(t)
	return err
}

// parseTarget reads the address of what can be a target.
func parseTarget(t setup.Target) (string, error) {
	at, err := store(t.Address)
	if err == nil {
		err = providers.CheckSecretName("jenkins", "id of the credential", t.Secret, docsCredentials)
	}
	return at, err
}

// Check asks whether the target can be written: a request to create that holds nothing is refused for
// its form only after the right has been looked at.
func (p *Provider) Check(ctx context.Context, t setup.Target) (providers.Access, error) {
	at, err := parseTarget(t)
	if err != nil {
		return providers.Access{}, err
	}
	found, err := p.api.find(ctx, at, t.Secret)
	if err != nil {
		return providers.Access{}, err
	}
	if err := p.api.mayCreate(ctx, at); err != nil {
		return providers.Access{}, err
	}
	switch {
	case found == nil:
		return providers.Access{}, nil
	case found.Type != secretText:
		return providers.Access{}, hint.New(fmt.Sprintf("jenkins: %s is there already, and no secret text but: %s", t, found.Type), "Choose another name for the secret, with --secret-name.", docsCredentials)
	}
	return providers.Access{Note: text("it is there and is updated; whether you may shows only then")}, nil
}

// Put writes the credential. Jenkins has no upsert, and answers an update with 200 even when it did
// not happen: each write leaves a mark in the description, and the mark is read again.
func (p *Provider) Put(ctx context.Context, t setup.Target, v *secret.Value, m providers.Meta) (providers.Receipt, error) {
	at, err := store(t.Address)
	if err != nil {
		return providers.Receipt{}, err
	}
	if err := providers.CheckValue(v, maxValue); err != nil {
		return providers.Receipt{}, fmt.Errorf("jenkins: credential %s: %w", t.Secret, err)
	}
	before, err := p.api.find(ctx, at, t.Secret)
	if err != nil {
		return providers.Receipt{}, err
	}
	c := credential{ID: t.Secret, Description: describe(m)}
	done := providers.Receipt{Created: before == nil, Proof: providers.Metadata}
	if before == nil {
		// A second one of the same id is refused: the request may be sent again.
		err = p.api.write(ctx, at+"/createCredentials", c, v)
		if httpx.Status(err) != http.StatusConflict {
			if err != nil {
				return providers.Receipt{}, err
			}
			return done, p.marked(ctx, at, c)
		}
		if now, looked := p.api.find(ctx, at, t.Secret); looked != nil || now == nil {
			return providers.Receipt{}, err // the id is free: the domain is missing, says the same status
		}
	}
	// The whole credential is sent: what was read has its secret blacked out.
	if err := p.api.write(ctx, at+"/credential/"+t.Secret+"/config.xml", c, v); err != nil {
		return providers.Receipt{}, err
	}
	return done, p.marked(ctx, at, c)
}

// marked looks for the mark of a write.
func (p *Provider) marked(ctx context.Context, at string, c credential) error {
	now, err := p.api.find(ctx, at, c.ID)
	if err != nil {
		return err
	}
	if now == nil || now.Description != c.Description {
		return hint.New("jenkins: the credential "+c.ID+" was accepted and is not there", "The store may be read-only, or managed by configuration as code. Ask an administrator of Jenkins.", docsCredentials)
	}
	return nil
}

// describe is what a person reads beside the credential; the end makes each write another one.
func describe(m providers.Meta) string {
	out := "astro-ci"
	if m.Setup != "" {
		out += ", setup " + m.Setup
	}
	if m.TokenID != "" {
		out += ", token " + m.TokenID
	}
	if !m.ExpiresAt.IsZero() {
		out += ", ends " + m.ExpiresAt.UTC().Format(time.DateOnly)
	}
	return out + ", write " + rand.Text()[:8]
}

// Stat says whether the credential is there.
func (p *Provider) Stat(ctx context.Context, t setup.Target) (providers.State, error) {
	at, err := store(t.Address)
	if err != nil {
		return providers.State{}, err
	}
	found, err := p.api.find(ctx, at, t.Secret)
	return providers.State{Exists: found != nil}, err
}

// Remove deletes the credential.
func (p *Provider) Remove(ctx context.Context, t setup.Target) error {
	at, err := store(t.Address)
	if err != nil {
		return err
	}
	_, err = p.api.send(ctx, httpx.Call{Method: http.MethodDelete, Path: at + "/credential/" + t.Secret + "/config.xml"})
	if httpx.Status(err) == http.StatusNotFound {
		return nil
	}
	return err
}

// List names the credentials at the target's address.
func (p *Provider) List(ctx context.Context, t setup.Target) (out []string, err error) {
	at, err := store(t.Address)
	if err != nil {
		return nil, err
	}
	all, err := p.api.credentials(ctx, at)
	for _, c := range all {
		out = append(out, c.ID)
	}
	return out, err
}

// Repo looks the job up. The credential can be stored before there is a job.
func (p *Provider) Repo(ctx context.Context, r setup.Repository) (providers.Repo, error) {
	out := providers.Repo{Repository: r, Private: true}
	_, err := p.api.kind(ctx, r.Path)
	if httpx.Status(err) == http.StatusNotFound {
		out.Notes = append(out.Notes, text("There is no job %s that you can see. Make a Multibranch Pipeline of this name for the repository; it reads the Jenkinsfile.", r.Path))
		return out, nil
	}
	return out, err
}

// Places lists the folders that the job is in, the nearest first, and the whole Jenkins.
func (p *Provider) Places(ctx context.Context, r setup.Repository) (out []providers.Place, err error) {
	for path := r.Path; path != ""; path = path[:max(0, strings.LastIndex(path, "/"))] {
		kind, err := p.api.kind(ctx, path)
		if httpx.Status(err) == http.StatusNotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		if keepsCredentials(kind) {
			out = append(out, providers.Place{Address: "folder:" + path, Name: text("Credentials of the folder %s", path), Note: text("only jobs in it can use it")})
		}
	}
	return append(out, providers.Place{Address: "system", Name: text("Credentials of the whole Jenkins"), Note: text("every job can use it")}), nil
}

// Policy is the right that the log-in of Jenkins to Vault needs; a secret of Jenkins itself needs none.
func (p *Provider) Policy(plan setup.Plan) (file providers.File, say string) {
	if plan.Target().Store == id {
		return file, ""
	}
	name := "astro-ci-" + plan.Name + "-policy.hcl"
	return providers.File{Path: name, Content: vault.Policy(plan), Whole: true},
		"Give the log-in of Jenkins to Vault the policy in " + name + "; the plugin hashicorp-vault-plugin has to be there"
}

// Environment is refused: Jenkins has none.
func (p *Provider) Environment(setup.Repository, string) (string, error) {
	return "", hint.New("jenkins: there are no environments", "Keep the secret in a folder, or in the whole Jenkins.", docsCredentials)
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// explain adds to an error what to do about it.
func explain(err error) error {
	return providers.Explain(err, info, func(s *httpx.StatusError) (a providers.Advice) {
		a.Doing = "use " + subject(s.Path)
		right := s.Header.Get("X-Required-Permission")
		credentials := strings.Contains(s.Path, "/credentials/store/")
		switch {
		case s.Status == http.StatusUnauthorized:
			a.Next, a.Link = "The log-in is wrong. Set JENKINS_USER_ID and JENKINS_API_TOKEN, an API token of your user page.", docsLogin
		case s.Status == http.StatusForbidden && right != "":
			a.Next = "The right is missing: " + display.Clean(right).String() + ". Ask an administrator of Jenkins."
		case !credentials: // a job or a run: the words that fit everywhere
			a.Link = docsRuns
		case s.Status == http.StatusForbidden:
			a.Next = "It takes the rights Credentials View, Create and Update there. Ask an administrator of Jenkins."
		case s.Status == http.StatusNotFound:
			a.Next = "It does not exist, or your log-in cannot see it. Folders keep credentials with the plugins credentials and cloudbees-folder."
		case s.Status == http.StatusConflict:
			a.Next = "Jenkins has no global domain there, or somebody made the credential at the same time. Try again."
		case s.Status == http.StatusInternalServerError:
			a.Next = "Jenkins could not read the request. It needs the plugin plain-credentials; if that is there, look into its log."
		}
		return a
	})
}
