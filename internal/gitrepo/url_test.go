package gitrepo_test

import (
	"errors"
	"strings"
	"testing"
	"unicode"

	"github.com/astro-ci/astro-ci/internal/gitrepo"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		"https://github.com/o/r":                                   "github.com o/r",
		"https://github.com/o/r.git":                               "github.com o/r",
		"HTTPS://ada:pw@GitHub.com/o/r.git/":                       "github.com o/r",
		"git@github.com:o/r.git":                                   "github.com o/r",
		"github.com:/o/r.git":                                      "github.com o/r",
		"ssh://git@github.com/o/r":                                 "github.com o/r",
		"ssh://git@ssh.github.com:443/o/r.git":                     "ssh.github.com o/r",
		"https://acme.ghe.com/o/r":                                 "acme.ghe.com o/r",
		"https://ghe.corp/o/r":                                     "ghe.corp o/r",
		"git@GHE.corp:o/r":                                         "ghe.corp o/r",
		"git@github_work:o/r":                                      "github_work o/r",
		"https://gitlab.com/g/s1/s2/p.git":                         "gitlab.com g/s1/s2/p",
		"git@gitlab.com:g/s1/s2/p.git":                             "gitlab.com g/s1/s2/p",
		"https://gitlab.com/g/s1/s2/s3/s4/s5/p":                    "gitlab.com g/s1/s2/s3/s4/s5/p",
		"ssh://git@gl.corp:2222/g/p.git":                           "gl.corp g/p",
		"ssh://git@altssh.gitlab.com:443/g/p.git":                  "altssh.gitlab.com g/p",
		"https://corp/gitlab/g/p":                                  "corp gitlab/g/p",
		"https://user@bitbucket.org/ws/r.git":                      "bitbucket.org ws/r",
		"git@bitbucket.org:ws/r.git":                               "bitbucket.org ws/r",
		"ssh://git@altssh.bitbucket.org:443/ws/r":                  "altssh.bitbucket.org ws/r",
		"https://host/scm/PRJ/r.git":                               "host scm/PRJ/r",
		"ssh://git@host:7999/prj/r.git":                            "host prj/r",
		"https://dev.azure.com/org/proj/_git/repo":                 "dev.azure.com org/proj/_git/repo",
		"https://org@dev.azure.com/org/my%20proj/_git/repo":        "dev.azure.com org/my proj/_git/repo",
		"git@ssh.dev.azure.com:v3/org/my%20proj/repo":              "ssh.dev.azure.com v3/org/my proj/repo",
		"ssh://git@ssh.dev.azure.com/v3/org/proj/repo":             "ssh.dev.azure.com v3/org/proj/repo",
		"https://org.visualstudio.com/DefaultCollection/p/_git/r":  "org.visualstudio.com DefaultCollection/p/_git/r",
		"https://org.visualstudio.com/_git/repo":                   "org.visualstudio.com _git/repo",
		"org@vs-ssh.visualstudio.com:v3/org/proj/repo":             "vs-ssh.visualstudio.com v3/org/proj/repo",
		"ssh://org@vs-ssh.visualstudio.com/proj/_ssh/repo":         "vs-ssh.visualstudio.com proj/_ssh/repo",
		"https://tfs.corp/tfs/Coll/proj/_git/repo":                 "tfs.corp tfs/Coll/proj/_git/repo",
		"https://github.com/o/r%2520x":                             "github.com o/r%20x",
		"https://github.com.evil.example/o/r":                      "github.com.evil.example o/r",
		"https://github.com/o/日本":                                  "github.com o/日本",
		"git://git.example/o/r":                                    "git.example o/r",
		"https://github.com:443/o/r":                               "github.com o/r",
		"https://aVeryLongNameOfSomebody:x-oauth@github.com/o/r.x": "github.com o/r.x",
	} {
		host, path, err := gitrepo.ParseURL(raw)
		if err != nil || host+" "+path != want {
			t.Errorf("%s: %q %q %v", raw, host, path, err)
		}
	}
}

func TestParseURLRefuses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"", "https://", "https://github.com", "https://github.com/", "https:///o/r", "https://github.com/.git", "ftp://github.com/o/r", "javascript://x/y",
		"https://github.com/../x", "https://github.com/o/..", "https://github.com/o/%2e%2e/x", "https://github.com/./x", "https://github.com/o//r",
		"https://git\x1bhub.com/o/r", "https://github.com/o/r\n", "https://github.com/o/r%0a", "https://github.com/o/\u202er", "https://github.com/o/%e2%80%ae", "https://github.com/o/%ff",
		`https://github.com\@evil/o/r`, `https://github.com/o\r`, "https://github.com/o%5cr/x", "https://github.com/o%2fr/x",
		"https://github.com%2eevil.example/o/r", "https://github.com%2f@evil.example/o/r", "git%20@github.com:o/r", "https://github.com/o/%zz",
		"https://gіthub.com/o/r", "https://bitbuc\u212aet.org/o/r", "https://github。com/o/r", "git@bitbuc\u212aet.org:o/r", // a Cyrillic i, the Kelvin sign, a wide dot
		"https://-oProxyCommand=x/o/r", "git@-oProxyCommand:o/r", "https://github..com/o/r", "https://github.com./o/r", "https://[::1]/o/r",
		"https://github.com:x/o/r", "https://github.com:123456/o/r", "https://a@b@github.com/o/r", "https://user:pa/ss@github.com/o/r", "https://user:12/34@github.com/o/r",
		"https://github.com/o/r?x=y", "https://github.com/o/r#x", "ext::sh -c x", "git@github.com::o/r", "user:pw@github.com:o/r", "git@github.com:", "git@:o/r",
	} {
		if host, path, err := gitrepo.ParseURL(raw); err == nil || errors.Is(err, gitrepo.ErrLocal) || host+path != "" {
			t.Errorf("%q was read as %q %q, %v", raw, host, path, err)
		}
	}
	for _, raw := range []string{"file:///srv/x", "FILE://host/x", "/srv/x.git", "../x", "./a:b", "x", "~/x", "C:/x", "c:x"} {
		if host, path, err := gitrepo.ParseURL(raw); !errors.Is(err, gitrepo.ErrLocal) || !strings.Contains(err.Error(), "local") || host+path != "" {
			t.Errorf("%q: %q %q %v", raw, host, path, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("https://github.com/o/r.git", "hunter2hunter2")
	f.Add("git@github.com:o/r", "a/b@c:d")
	f.Add("https://org@dev.azure.com/org/my%20proj/_git/repo", "%2f%2f%2f%2f%2f")
	f.Fuzz(func(t *testing.T, raw, password string) {
		host, path, err := gitrepo.ParseURL(raw)
		if strings.ContainsFunc(host+path, unicode.IsControl) || (err == nil) != (host != "" && path != "") || (err == nil) == (host+path == "") {
			t.Fatalf("%q: %q %q %v", raw, host, path, err)
		}
		if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII || r == '@' || unicode.IsUpper(r) }) {
			t.Fatalf("%q: host %q", raw, host)
		}
		for s := range strings.SplitSeq(path, "/") {
			if err == nil && (s == "" || s == "." || s == "..") {
				t.Fatalf("%q: path %q", raw, path)
			}
		}
		const said = "github.com acme/etl the remote's address cannot be read" // without any password
		if len(password) < 4 || strings.Contains(said, password) {
			return
		}
		for _, address := range []string{"https://ada:" + password + "@github.com/acme/etl", "ssh://" + password + "@github.com/acme/etl"} {
			host, path, err = gitrepo.ParseURL(address)
			shown := host + " " + path
			if err != nil {
				shown += err.Error()
			}
			if strings.Contains(shown, password) {
				t.Fatalf("%q: the password is shown: %s", address, shown)
			}
		}
	})
}
