package azuredevops

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Host is the service's own host.
const Host = "dev.azure.com"

var (
	// part is an organization, a project or a repository.
	part = pattern.New(`^[\pL\pN][\pL\pN_. -]{0,63}$`)
	// name is what a group or pipeline may be called here: what YAML takes for text.
	name = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_. -]{0,99}$`)
)

// address is a target's address, taken apart: a group or a pipeline of a project.
type address struct{ organization, project, group, pipeline string }

func parseAddress(s string) (address, error) {
	parts := strings.Split(s, "/")
	if len(parts) == 3 && part.MatchString(parts[0]) && part.MatchString(parts[1]) {
		if g, ok := strings.CutPrefix(parts[2], "group:"); ok && name.MatchString(g) {
			return address{parts[0], parts[1], g, ""}, nil
		}
		if x, ok := strings.CutPrefix(parts[2], "pipeline:"); ok && name.MatchString(x) {
			return address{parts[0], parts[1], "", x}, nil
		}
	}
	return address{}, hint.New(fmt.Sprintf("azure-devops: %q is not an address", display.Clean(s)), "Write ORGANIZATION/PROJECT/group:NAME or ORGANIZATION/PROJECT/pipeline:NAME.", docsSecrets)
}

// split takes a repository's path apart.
func split(path string) (organization, project, repository string, err error) {
	parts := strings.Split(path, "/")
	if len(parts) != 3 || !part.MatchString(parts[0]) || !part.MatchString(parts[1]) || !part.MatchString(parts[2]) {
		return "", "", "", hint.New(fmt.Sprintf("azure-devops: %q is not a repository", display.Clean(path)), "Write it as ORGANIZATION/PROJECT/REPOSITORY, for example acme/data/etl.", "")
	}
	return parts[0], parts[1], parts[2], nil
}

// Known reports whether a host of a remote is one of the service's own.
func Known(host string) bool {
	return host == Host || host == "ssh.dev.azure.com" || host == "vs-ssh.visualstudio.com" || strings.HasSuffix(host, ".visualstudio.com")
}

// Detect reports whether a remote is a repository of Azure DevOps, in one of its many shapes. host is
// the one that the log-in is for: a Server's remotes count when they lie there.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	path := r.Path
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	parts := strings.Split(path, "/")
	organization, own := strings.CutSuffix(r.Host, ".visualstudio.com")
	switch {
	case r.Host == "ssh.dev.azure.com" || r.Host == "vs-ssh.visualstudio.com":
		if len(parts) != 4 || parts[0] != "v3" { // v3/organization/project/repository
			return setup.Repository{}, false
		}
		parts = parts[1:]
	case own: // [DefaultCollection/]project/_git/repository, or _git/repository for one of the project's name
		if len(parts) > 0 && strings.EqualFold(parts[0], "DefaultCollection") {
			parts = parts[1:]
		}
		if len(parts) == 2 && parts[0] == "_git" {
			parts = []string{parts[1], "_git", parts[1]}
		}
		if len(parts) != 3 || parts[1] != "_git" {
			return setup.Repository{}, false
		}
		parts = []string{organization, parts[0], parts[2]}
	case r.Host == Host || r.Host == host: // organization/project/_git/repository; a Server may stand below a folder
		if n := len(parts); n >= 4 && (n == 4 || r.Host != Host) && parts[n-2] == "_git" {
			parts = []string{parts[n-4], parts[n-3], parts[n-1]}
		} else {
			return setup.Repository{}, false
		}
	default:
		return setup.Repository{}, false
	}
	at := host
	if Known(r.Host) {
		at = Host
	}
	out := setup.Repository{Host: at, Path: strings.Join(parts, "/")}
	_, _, _, err := split(out.Path)
	return out, err == nil
}

// Detect reports whether a remote is a repository of Azure DevOps.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads ORGANIZATION/PROJECT/REPOSITORY, with or without the host, or the address of the
// repository.
func (p *Provider) ParseRepo(s string) (setup.Repository, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "https://"), "/")
	if host, rest, ok := strings.Cut(path, "/"); ok && (host == p.host || host == Host) {
		path = rest
		if r, ok := Detect(providers.Remote{Host: host, Path: rest}, p.host); ok {
			return r, nil
		}
	}
	_, _, _, err := split(path)
	return setup.Repository{Host: p.host, Path: path}, err
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string {
	return []string{"azure-pipelines*.yml", "azure-pipelines*.yaml", ".azure-pipelines/*.yml", ".azuredevops/*.yml"}
}

// PipelineFile is the usual path of the file.
func (p *Provider) PipelineFile(s setup.Setup) string { return "azure-pipelines-" + s.Name + ".yml" }

// Runs is the page of the project's runs.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	organization, project, _, err := split(r.Path)
	if err != nil {
		return p.web
	}
	return p.web + "/" + url.PathEscape(organization) + "/" + url.PathEscape(project) + "/_build"
}

// Pipeline renders the pipeline of the plan.
func (p *Provider) Pipeline(plan setup.Plan) (providers.File, error) {
	content, err := Render(plan)
	return providers.File{Path: plan.Pipeline.File, Content: content}, err
}
