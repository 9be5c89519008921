package cli_test

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/aymanbagabas/go-udiff"

	"github.com/astro-ci/astro-ci/internal/ui/report"
)

// cause is one reason for which something fails, and how a person is told.
type cause struct {
	name string
	tell func(t *testing.T) string
}

// officialDocs are the sites that an error may send somebody to.
var officialDocs = []string{
	"astronomer.io", "docs.github.com", "cli.github.com", "docs.gitlab.com", "circleci.com", "jenkins.io", "learn.microsoft.com", "support.atlassian.com",
	"developer.atlassian.com", "docs.aws.amazon.com", "docs.drone.io", "buildkite.com", "woodpecker-ci.org", "docs.gitea.com", "forgejo.org",
	"developer.hashicorp.com", "cloud.google.com", "docs.doppler.com", "developer.1password.com", "getsops.io", "age-encryption.org",
	"github.com/astro-ci/astro-ci", "github.com/FiloSottile/age", "githubstatus.com", "status.gitlab.com",
}

var (
	// varying is what is different on each machine and each time.
	varying = []struct {
		re   *regexp.Regexp
		with string
	}{
		{regexp.MustCompile(`127\.0\.0\.1:\d+`), "127.0.0.1:PORT"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`), "TIME"},
		{regexp.MustCompile(`\d{4}-\d\d-\d\d`), "DAY"},
		{regexp.MustCompile(`\bcm[0-9a-z]{20,}\b`), "ID"},
		{regexp.MustCompile(`/vaults/[a-z2-7]{26}/`), "/vaults/ID/"},
		{regexp.MustCompile(`\(request [\w-]+\)`), "(request ID)"},
	}
	// ofGo is text that belongs into a programmer's log.
	ofGo = regexp.MustCompile(`%!|0x[0-9a-f]{4}|\*\w+\.\w+|goroutine|strconv\.|syscall\.|<nil>|map\[|panic|&\{|\s(json|yaml|time|strconv): |unexpected EOF|dial tcp|x509:|tls:`)
	// ofService is what a service said, behind the number of its answer.
	ofService = regexp.MustCompile(`(: [45]\d\d [A-Z][A-Za-z ]+): .*`)
	// blame is how nobody likes to be spoken to.
	blame = regexp.MustCompile(`(?i)\b(you (must|should|forgot|failed|did not)|your (mistake|fault)|illegal|invalid|bad|oops|sorry|please|fatal)\b`)
	// commands begin a sentence in their own spelling.
	commands = []string{"astro-ci ", "gh ", "glab ", "az ", "GITHUB_", "gcloud "}
)

// Whatever fails, a person is told what failed, what to do and where to read, in that order; the golden
// file holds every word of it.
func TestErrors(t *testing.T) {
	t.Parallel()
	causes := slices.Concat(causesOfUse(), causesOfAstro(), causesOfFiles(), causesOfSetups(), causesOfStores())
	told := make([]string, len(causes))
	t.Run("told", func(t *testing.T) {
		for i, c := range causes {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				told[i] = c.tell(t)
				lookAtError(t, told[i])
			})
		}
	})
	names := map[string]bool{}
	var all strings.Builder
	for i, c := range causes {
		if names[c.name] {
			t.Errorf("%s is there twice", c.name)
		}
		names[c.name] = true
		all.WriteString("## " + c.name + "\n" + told[i] + "\n")
	}
	if len(names) < 60 {
		t.Errorf("only %d causes", len(names))
	}
	golden(t, "errors.txt", all.String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	at := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(at, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the texts have changed; when that is meant: go test ./internal/cli -run TestErrors -update\n%s", udiff.Unified("want", "got", string(want), got))
	}
}

// lookAtError holds one error to the rules that all of them have.
func lookAtError(t *testing.T, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	what, ok := strings.CutPrefix(lines[0], "error: ")
	if !ok || strings.TrimSpace(what) == "" {
		t.Errorf("it does not begin with what failed:\n%s", text)
	}
	var order []string
	for _, l := range lines {
		key, value, _ := strings.Cut(strings.TrimSpace(l), ": ")
		switch key {
		case "error":
			order = order[:0]
		case "what to do":
			if first := []rune(value); len(first) == 0 || !unicode.IsUpper(first[0]) && !unicode.IsDigit(first[0]) && !slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(value, c) }) {
				t.Errorf("what to do is no sentence: %q", value)
			}
		case "read":
			lookAtLink(t, value)
		case "cause":
		default:
			continue
		}
		order = append(order, key)
	}
	if !slices.Contains([]string{"error,what to do", "error,what to do,read", "error,what to do,cause", "error,what to do,read,cause"}, strings.Join(order, ",")) {
		t.Errorf("the parts are %v:\n%s", order, text)
	}
	before, _, _ := strings.Cut(text, "\n  cause: ") // whoever made it has its own words
	before = ofService.ReplaceAllString(before, "$1")
	for name, no := range map[string]*regexp.Regexp{"Go's own words": ofGo, "blame": blame} {
		if found := no.FindString(before); found != "" {
			t.Errorf("%s: %q in\n%s", name, found, text)
		}
	}
	if strings.Contains(before, "!") || jwt.MatchString(text) || strings.Contains(text, "canary") || strings.Contains(text, os.TempDir()) {
		t.Errorf("an exclamation mark, a secret or a path of this machine:\n%s", text)
	}
}

func lookAtLink(t *testing.T, link string) {
	t.Helper()
	if strings.HasPrefix(link, "astro-ci help ") {
		return // it is built in
	}
	u, err := url.Parse(link)
	if err != nil {
		t.Errorf("%q: %v", link, err)
		return
	}
	official := slices.ContainsFunc(officialDocs, func(site string) bool {
		host, path, _ := strings.Cut(site, "/")
		return (u.Hostname() == host || strings.HasSuffix(u.Hostname(), "."+host)) && strings.HasPrefix(strings.TrimPrefix(u.Path, "/"), path)
	})
	if u.Scheme != "https" || u.User != nil || !official {
		t.Errorf("%q is no page of an official documentation", link)
	}
}

// toldOf is what a person sees of an error.
func toldOf(t *testing.T, err error, places ...string) string {
	t.Helper()
	if err == nil {
		t.Fatal("it did not fail")
	}
	var out bytes.Buffer
	if err := report.ErrorJSON(&out, err); err != nil {
		t.Fatal(err)
	}
	said := decode(t, out.String()).Error
	out.Reset()
	report.Error(&out, err)
	if said.What == "" || said.Next == "" || !strings.Contains(out.String(), said.Next) || !strings.Contains(out.String(), said.Link) {
		t.Errorf("as JSON it is %+v", said)
	}
	return steady(out.String(), places...)
}

// steady takes out of a text what changes from run to run.
func steady(text string, places ...string) string {
	for _, p := range places {
		text = strings.ReplaceAll(text, p, "HOME")
	}
	for _, c := range varying {
		text = c.re.ReplaceAllString(text, c.with)
	}
	return text
}

// fails runs the program and returns the error that it ends with.
func (p *place) fails(args ...string) string {
	p.t.Helper()
	_, stderr, code := p.run(args...)
	at := strings.Index("\n"+stderr, "\nerror: ")
	if code == 0 || at < 0 {
		p.t.Fatalf("%v: exit %d: %s", args, code, stderr)
	}
	return steady(stderr[at:], p.home)
}

// of is a cause of a new computer: prepare makes it, the program runs into it.
func of(name string, prepare func(p *place), args ...string) cause {
	return cause{name, func(t *testing.T) string {
		p := newPlace(t)
		if prepare != nil {
			prepare(p)
		}
		return p.fails(args...)
	}}
}
