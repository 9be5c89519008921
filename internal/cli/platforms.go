package cli

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/keyring"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/azuredevops"
	"github.com/astro-ci/astro-ci/internal/providers/bitbucket"
	"github.com/astro-ci/astro-ci/internal/providers/buildkite"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/codebuild"
	"github.com/astro-ci/astro-ci/internal/providers/drone"
	"github.com/astro-ci/astro-ci/internal/providers/gitea"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/jenkins"
	"github.com/astro-ci/astro-ci/internal/providers/woodpecker"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

// platform is one CI platform that the wizard works with.
type platform struct {
	steps.Platform
	host   string                           // the one that its log-in is for, unless something says otherwise
	known  func(w *world, host string) bool // a host of its own that may get a token; nil: the code lies elsewhere
	detect func(providers.Remote, string) (setup.Repository, bool)
	open   func(ctx context.Context, w *world, host string) (p providers.Platform, source string, err error)
}

// all lists the platforms; the first one that claims a remote gets it.
func (w *world) all() []platform {
	hubHost, labHost, circleHost := "github.com", "gitlab.com", circleci.Cloud
	if w.sandbox == nil {
		hubHost, labHost, circleHost = github.DefaultHost(w.app.env.get), gitlab.DefaultHost(w.app.env.get), "" // its log-in says which
	}
	return []platform{
		{
			Platform: steps.Platform{ID: "github", Name: "GitHub Actions", Globs: (*github.Provider)(nil).PipelineGlobs()},
			host:     hubHost, detect: github.Detect, open: openGitHub,
			known: func(w *world, host string) bool { return github.KnownHost(host, w.app.env.get) },
		},
		{
			Platform: steps.Platform{ID: "gitlab", Name: "GitLab CI", Globs: (*gitlab.Provider)(nil).PipelineGlobs()},
			host:     labHost, detect: gitlab.Detect, open: openGitLab,
			known: func(w *world, host string) bool { return gitlab.KnownHost(host, w.app.host()) },
		},
		{
			Platform: steps.Platform{ID: "circleci", Name: "CircleCI", Globs: (*circleci.Provider)(nil).PipelineGlobs()},
			host:     circleHost, detect: circleci.Detect, open: opener("circleci", "CIRCLE_HOST", circleci.FindLogin, func(o providers.Options) providers.Platform { return circleci.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "bitbucket", Name: "Bitbucket Pipelines", Globs: (*bitbucket.Provider)(nil).PipelineGlobs()},
			host:     bitbucket.Host, known: func(_ *world, host string) bool { return host == bitbucket.Host || host == "altssh."+bitbucket.Host },
			detect: bitbucket.Detect, open: opener("bitbucket", "BITBUCKET_API_BASE_URL", bitbucket.FindLogin, func(o providers.Options) providers.Platform { return bitbucket.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "jenkins", Name: "Jenkins", Globs: (*jenkins.Provider)(nil).PipelineGlobs()},
			detect:   jenkins.Detect, open: opener("jenkins", "JENKINS_URL", jenkins.FindLogin, func(o providers.Options) providers.Platform { return jenkins.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "azure-devops", Name: "Azure DevOps", Globs: (*azuredevops.Provider)(nil).PipelineGlobs()},
			host:     azuredevops.Host, known: func(_ *world, host string) bool { return azuredevops.Known(host) },
			detect: azuredevops.Detect, open: opener("azure-devops", "AZDO_ORG_SERVICE_URL", azuredevops.FindLogin, func(o providers.Options) providers.Platform { return azuredevops.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "codebuild", Name: "AWS CodeBuild", Globs: (*codebuild.Provider)(nil).PipelineGlobs()},
			detect:   codebuild.Detect, open: openCodeBuild,
		},
		{
			Platform: steps.Platform{ID: "drone", Name: "Drone", Globs: (*drone.Provider)(nil).PipelineGlobs()},
			detect:   drone.Detect, open: opener("drone", "DRONE_SERVER", drone.FindLogin, func(o providers.Options) providers.Platform { return drone.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "buildkite", Name: "Buildkite", Globs: (*buildkite.Provider)(nil).PipelineGlobs()},
			detect: func(r providers.Remote, _ string) (setup.Repository, bool) {
				return buildkite.Detect(r, w.app.env.get("BUILDKITE_ORGANIZATION_SLUG"))
			},
			open: opener("buildkite", "BUILDKITE_REST_API_ENDPOINT", buildkite.FindLogin, func(o providers.Options) providers.Platform { return buildkite.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "woodpecker", Name: "Woodpecker", Globs: (*woodpecker.Provider)(nil).PipelineGlobs()},
			detect:   woodpecker.Detect, open: opener("woodpecker", "WOODPECKER_SERVER", woodpecker.FindLogin, func(o providers.Options) providers.Platform { return woodpecker.New(o) }),
		},
		{
			Platform: steps.Platform{ID: "gitea", Name: "Gitea and Forgejo Actions", Globs: (*gitea.Provider)(nil).PipelineGlobs()},
			known:    func(w *world, host string) bool { return gitea.KnownHost(host, w.app.env.get) },
			detect:   gitea.Detect, open: opener("gitea", "GITEA_SERVER_URL", gitea.FindLogin, func(o providers.Options) providers.Platform { return gitea.New(o) }),
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

// detect finds the platform to which a remote of the repository belongs, and what each platform would
// call the repository. Only hosts that are known count: a token is never sent to a host that looks
// like one. Where pipeline files of just one platform lie in the repository, it is that one.
func (w *world) detect() (repos map[string]setup.Repository, platform string) {
	repos = map[string]setup.Repository{}
	var used []string
	for _, p := range w.all() {
		for _, r := range w.remotes() {
			if repo, ok := p.detect(r, w.hostOf(p)); ok {
				repos[p.ID] = repo
				if p.known != nil && repo.Host != "" && platform == "" {
					platform = p.ID
				}
				break
			}
		}
		if files, err := w.files.Find(p.Globs); err == nil && len(files) > 0 {
			used = append(used, p.ID)
		}
	}
	if len(used) == 1 && !repos[used[0]].IsZero() {
		platform = used[0]
	}
	return repos, platform
}

// hostOf is the host on which a platform is used: the one that --repo names, else a known one of a
// remote, else the usual one.
func (w *world) hostOf(p platform) string {
	given := w.app.setup.given(w.app.env, steps.SetUp(steps.Deps{}))
	named, _, _ := strings.Cut(strings.TrimPrefix(given["repo"], "https://"), "/")
	if named = strings.ToLower(named); strings.Contains(named, ".") && strings.Contains(given["repo"], "/") && (given["platform"] == p.ID || p.known != nil && p.known(w, named)) {
		return named
	}
	if w.sandbox != nil {
		return p.host
	}
	for _, r := range w.remotes() {
		if p.known != nil && p.known(w, r.Host) {
			if repo, ok := p.detect(r, github.Canonical(gitlab.Canonical(r.Host))); ok {
				return repo.Host
			}
		}
	}
	return p.host
}

// open makes a platform ready: it finds the log-in and builds the provider, once.
func (w *world) open(ctx context.Context, id string) (providers.Platform, error) {
	return w.openAt(ctx, id, "")
}

// platformAt is the platform that was made ready first, or nil.
func (w *world) platformAt(id string) providers.Platform {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.opened[id]
}

// openAt is the same for a host that is known already; "" looks for it. Where a platform serves the code too,
// each host is another service: what is meant for one never goes to the other.
func (w *world) openAt(ctx context.Context, id, host string) (providers.Platform, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := w.opened[id]
	for _, p := range w.all() {
		if p.ID != id {
			continue
		}
		if host == "" || p.known == nil {
			if first != nil {
				return first, nil
			}
			host = w.hostOf(p)
		}
		if x := w.opened[id+" "+host]; x != nil {
			return x, nil
		}
		x, source, err := p.open(ctx, w, host)
		if err != nil {
			return nil, err
		}
		w.opened[id+" "+host] = x
		if first == nil {
			w.sources[id] = strings.TrimSuffix(source+", "+host, ", ")
			w.fact(strings.Fields(p.Name)[0], "%s", w.sources[id])
			w.opened[id] = x
		}
		return x, nil
	}
	return nil, usageError{hint.New(fmt.Sprintf("there is no platform %q", display.Clean(id)), "Choose another one: astro-ci setup --help", "")}
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
		sandbox, login.Value = w.sandbox.GitHubURL(), w.sandbox.GitHub().Token()
	}
	if o.APIURL, err = w.service("ASTRO_CI_GITHUB_URL", sandbox); err != nil {
		return nil, "", err
	}
	wire := w.app.wire(w.base)
	if w.sandbox == nil {
		if login, err = github.FindLogin(ctx, host, w.app.env.get); err != nil && !w.without(&wire, &login.Value, err) {
			return nil, "", err
		}
	}
	w.app.redactor.Add(login.Value)
	o.Token, o.Base, o.Agent, o.Jitter, o.Hosts, o.Waiting, o.Debug = login.Value, wire.Base, wire.Agent, wire.Jitter, wire.Hosts, wire.Waiting, wire.Debug
	p, err := github.New(o)
	return p, login.Source, err
}

func openGitLab(_ context.Context, w *world, host string) (providers.Platform, string, error) {
	o := gitlab.Options{Host: host, Wire: w.app.wire(w.base), Login: gitlab.Login{Source: "the sandbox"}}
	sandbox := ""
	var err error
	if w.sandbox != nil {
		sandbox, o.Login.Value = w.sandbox.GitLabURL(), w.sandbox.GitLab().Token()
	}
	if o.APIURL, err = w.service("ASTRO_CI_GITLAB_URL", sandbox); err != nil {
		return nil, "", err
	}
	if w.sandbox == nil {
		if o.Login, err = gitlab.FindLogin(host, w.app.host()); err != nil && !w.without(&o.Wire, &o.Login.Value, err) {
			return nil, "", err
		}
	}
	w.app.redactor.Add(o.Login.Value)
	return gitlab.New(o), o.Login.Source, nil
}

// without reports whether the work goes on without the log-in that err says is missing: nothing is sent
// then, and every look-up fails with err.
func (w *world) without(wire *httpx.Options, login **secret.Value, err error) bool {
	if !w.handsOver || !errors.Is(err, providers.ErrNoLogin) {
		return false
	}
	wire.Base, *login = httpx.Unsent(err), secret.New([]byte(rand.Text())) // which never leaves
	return true
}

// opener opens a platform that has an address and a log-in of its own, whatever hosts the code.
func opener(id, variable string, find func(providers.Host) (string, providers.Login, error), build func(providers.Options) providers.Platform) func(context.Context, *world, string) (providers.Platform, string, error) {
	return func(_ context.Context, w *world, host string) (providers.Platform, string, error) {
		var server string
		var err error
		o := providers.Options{Wire: w.app.wire(w.base)}
		if w.sandbox != nil {
			server, o.Login.User, o.Login.Value = w.sandbox.Service(id)
			o.Login.Source = "the sandbox"
			if o.Host = host; host == "" { // nothing of the sandbox is shown as if it were real
				o.Host = id + ".example"
			}
		} else if server, o.Login, err = find(w.app.host()); w.without(&o.Wire, &o.Login.Value, err) {
			server = w.app.env.get(variable)
			if o.Host = host; server == "" {
				o.Host = cmp.Or(host, id+".example")
				server = "https://" + o.Host
			}
		} else if err != nil {
			return nil, "", err
		}
		if o.Server, err = apiURL(variable, server); err != nil {
			return nil, "", err
		}
		hosted := host == "" || host == bitbucket.Host || host == azuredevops.Host // wherever its API is
		if at := o.Server.Host; o.Host == "" && !hosted && at != host && o.Server.Hostname() != host {
			return nil, "", hint.New(fmt.Sprintf("your log-in is for %s, and this is on %s", at, host), "Set "+variable+" and the log-in to those of "+host+".", "")
		}
		w.app.redactor.Add(o.Login.Value)
		o.Login.Token = w.app.noted(o.Login.Token)
		source := o.Login.Source
		if host == "" {
			source += ", " + cmp.Or(o.Host, o.Server.Host)
		}
		return build(o), source, nil
	}
}

// host is what the search for a log-in may look at.
func (a *app) host() providers.Host {
	return providers.Host{
		Run: a.az(), Getenv: a.env.get, Home: a.env.home(), User: a.env.user(), ReadFile: os.ReadFile,
		Keyring: func(service, user string) *secret.Value {
			v, _ := keyring.Ring{Service: service}.Get(user) // no keyring at all is no log-in
			return v
		},
	}
}
