package woodpecker

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var part = pattern.New(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$`)

// split is what an address names: OWNER/NAME is a repository, OWNER an organization.
func split(address string) (isRepo bool, err error) {
	parts := strings.Split(address, "/")
	for _, x := range parts {
		if !part.MatchString(x) || len(parts) > 2 {
			return false, hint.New(fmt.Sprintf("woodpecker: %q is not an address", display.Clean(address)), "Write OWNER/NAME for a repository, or OWNER for an organization.", docsSecrets)
		}
	}
	return len(parts) == 2, nil
}

// Detect proposes the repository of a remote; the Woodpecker on host has it under the same name.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	isRepo, err := split(r.Path)
	return setup.Repository{Host: host, Path: r.Path}, err == nil && isRepo
}

// Detect proposes the repository of a remote.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads OWNER/NAME, with or without the host.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimPrefix(strings.TrimSpace(text), p.host+"/")
	if isRepo, err := split(path); err != nil || !isRepo {
		return setup.Repository{}, hint.New(fmt.Sprintf("woodpecker: %q is not a repository", display.Clean(text)), "Write it as OWNER/NAME, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}
