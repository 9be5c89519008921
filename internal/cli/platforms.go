package cli

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

// platform is one CI platform that the wizard works with.
type platform struct {
	steps.Platform
	host   string                           // the one that its log-in is for, unless something says otherwise
	known  func(w *world, host string) bool // a host that may get a token
	detect func(providers.Remote, string) (setup.Repository, bool)
	open   func(ctx context.Context, w *world, host string) (p providers.Platform, source string, err error)
}

// all lists the platforms; the first one that claims a remote gets it.
func (w *world) all() []platform {
	hubHost, labHost := "github.com", "gitlab.com"
	if w.sandbox == nil {
		hubHost, labHost = github.DefaultHost(w.app.env.get), gitlab.DefaultHost(w.app.env.get)
	}
	return []platform{
		{
			steps.Platform{ID: "github", Name: "GitHub Actions", Globs: (*github.Provider)(nil).PipelineGlobs()},
			hubHost,
			func(w *world, host string) bool { return github.KnownHost(host, w.app.env.get) }, github.Detect, openGitHub,
		},
		{
			steps.Platform{ID: "gitlab", Name: "GitLab CI", Globs: (*gitlab.Provider)(nil).PipelineGlobs()},
			labHost,
			func(w *world, host string) bool { return gitlab.KnownHost(host, w.app.gitlabHost()) }, gitlab.Detect, openGitLab,
		},
		{
			steps.Platform{ID: "drone", Name: "Drone", Globs: (*drone.Provider)(nil).PipelineGlobs()},
			"",
			func(*world, string) bool { return false }, unclaimed, openDrone,
		},
	}
}

// platforms lists what can be chosen.
func (w *world) platforms() (out []steps.Platform) {
	for _, p := range w.all() {
		out = append(out, p.Platform)
	}
	return out
}

// detect finds the platform to which a remote of the repository belongs. Only hosts that are known
// count: a token is never sent to a host that looks like one.
func (w *world) detect() (setup.Repository, string) {
	for _, r := range w.remotes() {
		for _, p := range w.all() {
			host := w.hostOf(p)
			if repo, ok := p.detect(r, host); ok {
				return repo, p.ID
			}
		}
	}
	return setup.Repository{}, ""
}

// hostOf is the host on which a platform is used: the one that --repo names, else a known one of a
// remote, else the usual one.
func (w *world) hostOf(p platform) string {
	given := w.app.setup.given(w.app.env, steps.SetUp(steps.Deps{}))
	named, _, _ := strings.Cut(strings.TrimPrefix(given["repo"], "https://"), "/")
	if named = strings.ToLower(named); strings.Contains(named, ".") && strings.Contains(given["repo"], "/") && (given["platform"] == p.ID || p.known(w, named)) {
		return named
	}
	if w.sandbox != nil {
		return p.host
	}
	for _, r := range w.remotes() {
		if p.known(w, r.Host) {
			if repo, ok := p.detect(r, github.Canonical(gitlab.Canonical(r.Host))); ok {
				return repo.Host
			}
		}
	}
	return p.host
}

// open makes a platform ready: it finds the log-in and builds the provider, once.
func (w *world) open(ctx context.Context, id string) (providers.Platform, error) {
	if p := w.opened[id]; p != nil {
		return p, nil
	}
	for _, p := range w.all() {
		if p.ID != id {
			continue
		}
		host := w.hostOf(p)
		x, source, err := p.open(ctx, w, host)
		if err != nil {
			return nil, err
		}
		w.fact(strings.Fields(p.Name)[0], "%s", strings.TrimSuffix(source+", "+host, ", "))
		w.opened[id] = x
		return x, nil
	}
	return nil, fmt.Errorf("platform %q is not known", id)
}

// service is where a platform's API is served: in the sandbox, at the address that a variable
// names, or, nil, at its usual place.
func (w *world) service(variable, sandbox string) (*url.URL, error) {
	if w.sandbox != nil {
		return url.Parse(sandbox)
	}
	if raw := w.app.env.get(variable); raw != "" {
		return apiURL(variable, raw)
	}
	return nil, nil //nolint:nilnil // the usual place
}

func openGitHub(ctx context.Context, w *world, host string) (providers.Platform, string, error) {
	o := github.Options{Host: host}
	login := github.Login{Source: "the sandbox"}
	sandbox := ""
	var err error
	if w.sandbox != nil {
		sandbox, login.Value = w.sandbox.GitHubURL(), w.sandbox.GitHubToken()
	}
	if o.APIURL, err = w.service("ASTRO_CI_GITHUB_URL", sandbox); err != nil {
		return nil, "", err
	}
	if w.sandbox == nil {
		if login, err = github.FindLogin(ctx, host, w.app.env.get); err != nil {
			return nil, "", err
		}
	}
	w.app.redactor.Add(login.Value)
	wire := w.app.wire(w.base)
	o.Token, o.Base, o.Agent, o.Jitter, o.Waiting, o.Debug = login.Value, wire.Base, wire.Agent, wire.Jitter, wire.Waiting, wire.Debug
	p, err := github.New(o)
	return p, login.Source, err
}

func openGitLab(_ context.Context, w *world, host string) (providers.Platform, string, error) {
	o := gitlab.Options{Host: host, Wire: w.app.wire(w.base), Login: gitlab.Login{Source: "the sandbox"}}
	sandbox := ""
	var err error
	if w.sandbox != nil {
		sandbox, o.Login.Value = w.sandbox.GitLabURL(), w.sandbox.GitLabToken()
	}
	if o.APIURL, err = w.service("ASTRO_CI_GITLAB_URL", sandbox); err != nil {
		return nil, "", err
	}
	if w.sandbox == nil {
		if o.Login, err = gitlab.FindLogin(host, w.app.gitlabHost()); err != nil {
			return nil, "", err
		}
	}
	w.app.redactor.Add(o.Login.Value)
	return gitlab.New(o), o.Login.Source, nil
}

// unclaimed is for platforms that no remote tells anything about.
func unclaimed(providers.Remote, string) (setup.Repository, bool) { return setup.Repository{}, false }

func openDrone(_ context.Context, w *world, _ string) (providers.Platform, string, error) {
	o := drone.Options{Wire: w.app.wire(w.base)}
	server, source := "", "the sandbox"
	var err error
	if w.sandbox != nil {
		server, o.Token = w.sandbox.DroneURL(), w.sandbox.DroneToken()
	} else if server, o.Token, err = drone.FindLogin(w.app.env.get); err != nil {
		return nil, "", err
	} else {
		source = "DRONE_TOKEN"
	}
	if o.Server, err = apiURL("DRONE_SERVER", server); err != nil {
		return nil, "", err
	}
	w.app.redactor.Add(o.Token)
	return drone.New(o), source, nil
}

// gitlabHost is what the search for a log-in to GitLab may look at.
func (a *app) gitlabHost() gitlab.Host {
	return gitlab.Host{Getenv: a.env.get, Home: a.env.home(), ReadFile: os.ReadFile}
}
