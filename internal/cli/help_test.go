package cli_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// Help says what there is: every flag of the set-up once and with a sentence, every topic, and what is not there
// is wrong use.
func TestHelp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	said, _, code := p.run("setup", "--help")
	if code != 0 {
		t.Fatal(code)
	}
	seen := map[string]string{}
	for line := range strings.Lines(said) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if !strings.HasPrefix(name, "--") || !strings.HasPrefix(line, "      --") {
			continue
		}
		if seen[name] != "" {
			t.Errorf("%s is shown twice", name)
		}
		_, seen[name], _ = strings.Cut(strings.TrimSpace(rest), " ")
		if len(strings.Fields(seen[name])) < 2 {
			t.Errorf("%s is not explained: %q", name, line)
		}
	}
	if len(seen) < 45 {
		t.Errorf("only %d flags are shown", len(seen))
	}
	main, _, _ := p.run("--help")
	_, topics, _ := strings.Cut(main, "\nTopics")
	topics, _, _ = strings.Cut(topics, "\n\n")
	lines := strings.Split(topics, "\n")[1:]
	for _, line := range lines {
		topic := strings.Fields(line)[0]
		if page, stderr, code := p.run("help", topic); code != 0 || len(page) < 500 || page == main {
			t.Errorf("help %s: exit %d, %q %s", topic, code, page, stderr)
		}
	}
	if len(lines) < 6 {
		t.Errorf("only %d topics are shown", len(lines))
	}
	for _, args := range [][]string{{"nosuch"}, {"token", "nosuch"}, {"exit-codes", "nosuch"}} {
		if out, stderr, code := p.run(append([]string{"help"}, args...)...); code != 2 || out != "" || !strings.Contains(stderr, "nosuch") || !strings.Contains(stderr, "astro-ci --help") {
			t.Errorf("help %v: exit %d, %q %q", args, code, out, stderr)
		}
	}
	out, _, _ := p.run("help", "token", "list")
	if again, _, _ := p.run("token", "list", "--help"); out != again || !strings.Contains(out, "astro-ci token list") {
		t.Errorf("help token list says something else than token list --help:\n%s", out)
	}
	if offered, _, _ := p.run("__complete", "help", "e"); !slices.Contains(strings.Fields(offered), "exit-codes") {
		t.Errorf("completed to %q", offered)
	}
}

// On a narrow terminal no line of help is longer than the terminal.
func TestNarrowHelp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	for _, args := range [][]string{{"--help"}, {"setup", "--help"}, {"help", "log-ins"}, {"help", "stores"}, {"help", "files"}, {"help", "credentials"}, {"help", "exit-codes"}} {
		s := testkit.StartScreen(t, p.command(args...), 60, 200)
		if code := s.Wait(); code != 0 || len(s.Raw()) < 500 {
			t.Errorf("%v: exit %d, %q", args, code, s.Raw())
		}
		for line := range strings.SplitSeq(strings.ReplaceAll(string(s.Raw()), "\r", ""), "\n") {
			if w := ansi.StringWidth(line); w > 60 && !strings.Contains(line, "'Data Platform'") && !strings.Contains(line, "--platform github") {
				t.Errorf("%v: %d cells: %q", args, w, line)
			}
		}
	}
}
