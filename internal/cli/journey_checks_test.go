//go:build unix

package cli_test

import (
	"strings"
	"testing"

	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/pipeline"
)

// Somebody else writes a secret. A person is told by doctor, by verify and from the overview, on terminals of
// several widths, does what they are told, and is told then that all is well.
func TestJourneyOfChecks(t *testing.T) {
	t.Parallel()
	p, s := twice(t)
	p.program("git", "git version 2.43.0")
	p.program("astro", "Astro CLI Version: "+pipeline.Newest())
	s.GitHub().Protect("acme", "etl", "main")
	says := func(code, cols int, command string, words ...string) {
		t.Helper()
		x := p.terminalOf(cols, command)
		p.ends(x, code)
		said := string(x.Raw())
		for _, w := range words {
			if !strings.Contains(said, w) {
				t.Errorf("%s at %d columns does not say %q:\n%s", command, cols, w, said)
			}
		}
		for l := range strings.Lines(said) {
			if n := ansi.StringWidth(strings.TrimRight(l, "\r\n")); n > cols {
				t.Errorf("%s at %d columns is %d wide: %s", command, cols, n, l)
			}
		}
	}
	for _, cols := range []int{116, 60} {
		says(0, cols, "doctor", "TOOLS\r\n", "LOG-INS\r\n", "RIGHTS\r\n", "POLICIES\r\n", "DRIFT\r\n", "0 unknown, nothing needs you.\r\n")
		says(0, cols, "verify", "etl-prod\r\n", "  holds    token "+own(s)[0].ID+"\r\n", "  holds    "+hub+"\r\n", "  holds    "+safe+"\r\n")
	}

	s.Vault().Write("", "secret/astro/etl", map[string]string{"ASTRO_API_TOKEN": "another"})
	for _, cols := range []int{116, 60} {
		says(6, cols, "doctor", "! needs you etl-prod: ", "WHAT NEEDS YOU\r\n! etl-prod: "+safe+"\r\n", "-> astro-ci rotate etl-prod\r\n", "0 unknown, 1 needs you.\r\n")
		says(6, cols, "verify", "  holds    "+hub+"\r\n", "! changed  "+safe+"\r\n", "-> astro-ci rotate etl-prod\r\n")
	}
	x := p.terminal()
	x.WaitFor("v verify")
	x.Send("v")
	x.WaitFor("What Astro and the stores say of etl-prod")
	x.WaitFor("it was written by somebody else since")
	x.WaitFor("astro-ci rotate etl-prod")
	x.Send("q")
	p.ends(x, 0)

	x = p.terminal("rotate", "etl-prod", "--drain", "1ms")
	begin(x)
	x.WaitFor("Every target holds the new token, and it is the only one")
	x.Send(enter)
	p.ends(x, 0)
	if err := sound(p, s, 2); err != nil {
		t.Error(err)
	}
	says(0, 116, "doctor", "0 unknown, nothing needs you.\r\n")
	says(0, 116, "verify", "  holds    "+safe+"\r\n")
}
