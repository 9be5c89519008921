package gitrepo

import (
	"errors"
	"net/url"
	"regexp"
	"strings"
	"unicode"
)

// ErrLocal says that a remote is a folder on this machine.
var ErrLocal = errors.New("the remote is a local folder")

var (
	errURL  = errors.New("the remote's address cannot be read")
	scpLike = regexp.MustCompile(`^(?:[^@/:\s]+@)?([A-Za-z0-9._-]+):([^/].*|/.+)$`)
	hostOK  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$`)
)

// ParseURL splits a remote's address into host (lower case, without port) and path (without
// leading slash and ".git", %xx decoded once in each segment). User names and passwords are
// dropped and never appear in an error. Addresses that only look like one are refused.
func ParseURL(raw string) (host, path string, err error) {
	if raw == "" || strings.ContainsFunc(raw, func(r rune) bool { return unicode.IsControl(r) || r == '\\' || r == unicode.ReplacementChar }) {
		return "", "", errURL
	}
	switch scheme, rest, ok := strings.Cut(raw, "://"); {
	case ok && strings.EqualFold(scheme, "file"):
		return "", "", ErrLocal
	case ok:
		authority, p, _ := strings.Cut(rest, "/")
		authority = authority[strings.LastIndex(authority, "@")+1:]
		if h, port, ok := strings.Cut(authority, ":"); ok && strings.Trim(port, "0123456789") == "" {
			authority = h
		}
		switch strings.ToLower(scheme) {
		case "https", "http", "ssh", "git", "git+ssh", "ssh+git":
			host, path = authority, p
		default:
			return "", "", errURL
		}
	default:
		m := scpLike.FindStringSubmatch(raw)
		if m == nil || len(m[1]) == 1 { // C:/folder
			return "", "", ErrLocal
		}
		host, path = m[1], m[2]
	}
	host = strings.ToLower(host)
	if !hostOK.MatchString(host) || strings.Contains(host, "..") {
		return "", "", errURL
	}
	path, err = cleanPath(path)
	return host, path, err
}

func cleanPath(path string) (string, error) {
	path = strings.Trim(path, "/")
	path = strings.TrimSuffix(path, ".git")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		d, err := url.PathUnescape(s)
		if err != nil || d == "" || d == "." || d == ".." || strings.ContainsAny(d, "/\\?#") || strings.ContainsFunc(d, unicode.IsControl) {
			return "", errURL
		}
		segments[i] = d
	}
	return strings.Join(segments, "/"), nil
}
