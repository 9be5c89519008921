package buildkite

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Host is where people see pipelines.
const Host = "buildkite.com"

var (
	slug    = pattern.New(`^[a-z0-9][a-z0-9-]{0,99}$`)
	cluster = pattern.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	notSlug = pattern.New(`[^a-z0-9]+`)
)

// split takes ORGANIZATION/CLUSTER apart.
func split(address string) (organization, id string, err error) {
	organization, id, _ = strings.Cut(address, "/")
	if !slug.MatchString(organization) || !cluster.MatchString(id) {
		return "", "", hint.New(fmt.Sprintf("buildkite: %q is not an address", display.Clean(address)), "Write ORGANIZATION/CLUSTER, with the UUID of the cluster.", docsSecrets)
	}
	return organization, id, nil
}

func isPipeline(path string) bool {
	organization, name, ok := strings.Cut(path, "/")
	return ok && slug.MatchString(organization) && slug.MatchString(name)
}

// Detect proposes a pipeline of the repository's name; a remote does not say which one builds it.
func Detect(r providers.Remote, organization string) (setup.Repository, bool) {
	owner, name, _ := strings.Cut(strings.ToLower(r.Path), "/")
	path := cmp.Or(organization, owner) + "/" + strings.Trim(notSlug.ReplaceAllString(name, "-"), "-")
	return setup.Repository{Host: Host, Path: path}, isPipeline(path)
}

// Detect proposes a pipeline of the repository's name.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) {
	out, ok := Detect(r, p.organization)
	out.Host = p.host
	return out, ok
}

// ParseRepo reads ORGANIZATION/PIPELINE, with or without the host, or the one that a remote is taken to mean.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimSpace(text), "https://"), p.host+"/"), Host+"/")
	if !isPipeline(path) {
		return setup.Repository{}, hint.New(fmt.Sprintf("buildkite: %q is not a pipeline", display.Clean(text)), "Write it as ORGANIZATION/PIPELINE, as in its address, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}
