package bitbucket

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Host is the one host of Bitbucket Cloud. A Bitbucket Data Center has no Pipelines.
const Host = "bitbucket.org"

var (
	part        = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)
	environment = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}$`)
)

// address is a target's address, taken apart.
type address struct{ workspace, repository, environment string }

// path is WORKSPACE/REPOSITORY.
func (a address) path() string { return a.workspace + "/" + a.repository }

// variables is the path of the variables of the repository or the workspace.
func (a address) variables() string {
	if a.repository == "" {
		return "/workspaces/" + a.workspace + "/pipelines-config/variables"
	}
	return "/repositories/" + a.path() + "/pipelines_config/variables"
}

func parseAddress(s string) (address, error) {
	if w, ok := strings.CutPrefix(s, "workspace:"); ok && part.MatchString(w) {
		return address{workspace: w}, nil
	}
	path, env, has := strings.Cut(s, "#")
	if !isPath(path) || has && (!environment.MatchString(env) || strings.TrimSpace(env) != env) {
		return address{}, hint.New(fmt.Sprintf("bitbucket: %q is not an address", display.Clean(s)), "Write WORKSPACE/REPOSITORY, WORKSPACE/REPOSITORY#ENVIRONMENT, or workspace:WORKSPACE.", docsVariables)
	}
	w, r, _ := strings.Cut(path, "/")
	return address{w, r, env}, nil
}

func isPath(s string) bool {
	w, r, ok := strings.Cut(s, "/")
	return ok && part.MatchString(w) && part.MatchString(r)
}

// DataCenter reports whether a remote looks like one of a Bitbucket that a company runs itself. That one
// has no Pipelines: something else builds its repositories.
func DataCenter(r providers.Remote) bool { return r.Host != Host && strings.HasPrefix(r.Path, "scm/") }

// Detect reports whether a remote is a repository of Bitbucket Cloud.
func Detect(r providers.Remote, _ string) (setup.Repository, bool) {
	ours := r.Host == Host || r.Host == "altssh.bitbucket.org"
	return setup.Repository{Host: Host, Path: r.Path}, ours && isPath(r.Path)
}

// Detect reports whether a remote is a repository of Bitbucket Cloud.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, Host) }

// ParseRepo reads WORKSPACE/REPOSITORY, with or without the host.
func (p *Provider) ParseRepo(s string) (setup.Repository, error) {
	path := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "https://"), "/"), ".git")
	path = strings.TrimPrefix(path, Host+"/")
	if !isPath(path) {
		return setup.Repository{}, hint.New(fmt.Sprintf("bitbucket: %q is not a repository", display.Clean(s)), "Write it as WORKSPACE/REPOSITORY, for example acme/etl.", "")
	}
	return setup.Repository{Host: Host, Path: path}, nil
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{"bitbucket-pipelines.yml"} }

// PipelineFile is the file that Bitbucket reads.
func (p *Provider) PipelineFile(setup.Setup) string { return "bitbucket-pipelines.yml" }

// Runs is the page of the repository's pipelines.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	return "https://" + Host + "/" + r.Path + "/pipelines"
}
