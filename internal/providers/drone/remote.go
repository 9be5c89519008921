package drone

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

// path is the path of the secrets at an address.
func path(address string) (string, error) {
	parts := strings.Split(address, "/")
	for _, x := range parts {
		if !part.MatchString(x) || x == ".." {
			parts = nil
			break
		}
	}
	switch len(parts) {
	case 1:
		return "/api/secrets/" + parts[0], nil
	case 2:
		return "/api/repos/" + parts[0] + "/" + parts[1] + "/secrets", nil
	}
	return "", hint.New(fmt.Sprintf("drone: %q is not an address", display.Clean(address)), "Write NAMESPACE/NAME for a repository, or NAMESPACE for an organization.", docsSecrets)
}

func isRepo(s string) bool {
	at, err := path(s)
	return err == nil && strings.HasPrefix(at, "/api/repos/")
}

// Detect proposes the repository of a remote; the Drone on host has it under the same name.
func Detect(r providers.Remote, host string) (setup.Repository, bool) {
	return setup.Repository{Host: host, Path: r.Path}, isRepo(r.Path)
}

// Detect proposes the repository of a remote.
func (p *Provider) Detect(r providers.Remote) (setup.Repository, bool) { return Detect(r, p.host) }

// ParseRepo reads NAMESPACE/NAME, with or without the host.
func (p *Provider) ParseRepo(text string) (setup.Repository, error) {
	path := strings.TrimPrefix(strings.TrimSpace(text), p.host+"/")
	if !isRepo(path) {
		return setup.Repository{}, hint.New(fmt.Sprintf("drone: %q is not a repository", display.Clean(text)), "Write it as NAMESPACE/NAME, for example acme/etl.", "")
	}
	return setup.Repository{Host: p.host, Path: path}, nil
}
