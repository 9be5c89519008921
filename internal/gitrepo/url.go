package gitrepo

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/pattern"
)

// ErrLocal says that a remote is a local folder.
var ErrLocal = errors.New("the remote is a local folder")

// No error shows the address: it may hold a password.
var errURL = errors.New("the remote's address cannot be read")

var (
	drive   = pattern.New(`^[A-Za-z]:`)
	scpLike = pattern.New(`^(?:[^@/:%]+@)?([^@/:]+):(/*[^/:].*)$`)
	// Host names are plain ASCII, so that none only looks like another. The check comes before
	// lower-casing: the Kelvin sign is a "k" afterwards.
	hostOK = pattern.New(`^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$`)
	portOK = pattern.New(`^[0-9]{0,5}$`)
)

// ParseURL splits a remote's address into host (lower case, without port) and path (without
// leading slash and ".git", %xx decoded once in each segment). It reads https, http, ssh and git
// URLs and git@host:path. User names and passwords are dropped and never appear in an error. A
// folder of this machine is ErrLocal; an address that is not plain is refused.
func ParseURL(raw string) (host, path string, err error) {
	if raw == "" || hidden(raw) {
		return "", "", errURL
	}
	if scheme, rest, ok := strings.Cut(raw, "://"); ok {
		if host, path, err = splitURL(strings.ToLower(scheme), rest); err != nil {
			return "", "", err
		}
	} else {
		m := scpLike.FindStringSubmatch(raw)
		switch colon, slash := strings.Index(raw, ":"), strings.Index(raw, "/"); {
		case drive.MatchString(raw) || colon < 0 || slash >= 0 && slash < colon:
			return "", "", ErrLocal
		case m == nil: // also TRANSPORT::ADDRESS, which starts a program
			return "", "", errURL
		}
		host, path = m[1], m[2]
	}
	if !hostOK.MatchString(host) || strings.Contains(host, "..") {
		return "", "", errURL
	}
	if path, err = cleanPath(path); err != nil {
		return "", "", err
	}
	return strings.ToLower(host), path, nil
}

func splitURL(scheme, rest string) (host, path string, err error) {
	switch scheme {
	case "https", "http", "ssh", "git", "git+ssh", "ssh+git":
	case "file":
		return "", "", ErrLocal
	default:
		return "", "", errURL
	}
	authority, path, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(authority, `%\`) {
		return "", "", errURL
	}
	if _, after, ok := strings.Cut(authority, "@"); ok {
		authority = after
	}
	host, port, _ := strings.Cut(authority, ":")
	if !portOK.MatchString(port) {
		return "", "", errURL
	}
	return host, path, nil
}

func cleanPath(path string) (string, error) {
	path = strings.TrimSuffix(strings.Trim(path, "/"), ".git")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		d, err := url.PathUnescape(s)
		// An "@" is the rest of a password that held a slash.
		if err != nil || d == "" || d == "." || d == ".." || strings.ContainsAny(d, `/\?#@`) || hidden(d) {
			return "", errURL
		}
		segments[i] = d
	}
	return strings.Join(segments, "/"), nil
}

// hidden reports text with characters that print nothing or act on a terminal.
func hidden(s string) bool {
	return !utf8.ValidString(s) || strings.ContainsFunc(s, func(r rune) bool {
		return r == unicode.ReplacementChar || display.Acts(r)
	})
}
