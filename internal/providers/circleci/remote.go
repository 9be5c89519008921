package circleci

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var (
	part = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)
	// name is what a context may be called here: what YAML and a shell take for text.
	name = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_. -]{0,199}$`)
)

// address is a target's address, taken apart: a project, or a context of an organization.
type address struct{ project, organization, context string }

func parseAddress(s string) (address, error) {
	rest, isContext := strings.CutPrefix(s, "context:")
	i := strings.LastIndex(rest, "/")
	switch {
	case isContext && i > 0 && isSlug(rest[:i], 2) && name.MatchString(rest[i+1:]):
		return address{organization: rest[:i], context: rest[i+1:]}, nil
	case !isContext && isSlug(rest, 3):
		return address{project: rest}, nil
	}
	return address{}, hint.New(fmt.Sprintf("circleci: %q is not an address", display.Clean(s)), "Write context:gh/ORGANIZATION/NAME, or the project's slug, for example gh/acme/etl.", docsContexts)
}

// isSlug reports whether s is a slug of so many parts. The first names where the code is: gh, bb, or
// circleci for what CircleCI itself keeps.
func isSlug(s string, parts int) bool {
	all := strings.Split(s, "/")
	if len(all) != parts || all[0] != "gh" && all[0] != "bb" && all[0] != "circleci" {
		return false
	}
	for _, p := range all {
		if !part.MatchString(p) {
			return false
		}
	}
	return true
}

// hosts are the code hosts whose repositories have slugs that follow from their names.
var hosts = map[string]string{"github.com": "gh", "ssh.github.com": "gh", "bitbucket.org": "bb", "altssh.bitbucket.org": "bb"}

// Detect proposes the project of a repository. Projects of CircleCI's GitHub App have other slugs.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// Detect is the method without a log-in, for the CircleCI on host.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	slug := hosts[r.Host] + "/" + r.Path
	return setup.Repository{Host: host, Path: slug}, isSlug(slug, 3)
}

// ParseRepo reads a project's slug, with or without the host; github/ and bitbucket/ count too.
func (p *Provider) ParseRepo(s string) (setup.Repository, error) {
	slug := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(s), "https://"), "/")
	slug = strings.TrimPrefix(slug, p.host+"/")
	for long, short := range map[string]string{"github/": "gh/", "bitbucket/": "bb/"} {
		if rest, ok := strings.CutPrefix(slug, long); ok {
			slug = short + rest
		}
	}
	if !isSlug(slug, 3) {
		return setup.Repository{}, hint.New(fmt.Sprintf("circleci: %q is not a project", display.Clean(s)), "Write its slug, for example gh/acme/etl; it stands in Project Settings, Overview.", docsProject)
	}
	return setup.Repository{Host: p.host, Path: slug}, nil
}

// PipelineGlobs are the paths of pipeline files.
func (p *Provider) PipelineGlobs() []string { return []string{".circleci/config.yml"} }

// PipelineFile is the file that CircleCI reads.
func (p *Provider) PipelineFile(setup.Setup) string { return ".circleci/config.yml" }

// Runs is the page of the project's pipelines.
func (p *Provider) Runs(r setup.Repository, _ string) string {
	if p.host == Cloud {
		return "https://app.circleci.com/pipelines/" + r.Path
	}
	return "https://" + p.host + "/pipelines/" + r.Path
}
