package cli_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// changing is what differs from one run to the next: times, dates, ids, ports.
var changing = regexp.MustCompile(`c[a-z0-9]{24}|\b[A-Za-z0-9]{6}\b|[0-9]+`)

// kept compares what matters of a picture with the one in the repository, or draws that one anew.
func kept(t *testing.T, name, svg string, matters func(svg string) string) {
	t.Helper()
	file := "../../assets/pictures/" + name + ".svg"
	if *update {
		if err := os.WriteFile(file, []byte(svg), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if strings.Contains(svg, os.TempDir()) {
		t.Errorf("%s shows a path of this machine", name)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if matters(string(old)) != matters(svg) {
		t.Errorf("%s is not what the program shows: run make pictures", name)
	}
}

// words are the texts of a picture, as far as they do not change.
func words(svg string) string {
	var out []string
	for _, m := range regexp.MustCompile(`<text[^>]*>([^<]*)</text>`).FindAllStringSubmatch(svg, -1) {
		out = append(out, m[1])
	}
	return changing.ReplaceAllString(strings.Join(out, "\n"), "0")
}

// The pictures in the README are the real program; they are drawn anew with -update.
func TestPictures(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.screen(116, 32)
	var cast testkit.Cast
	// A screen is drawn from its top, and the keys last: when they have changed and changed back, all of it is there.
	drawn := func(text string) {
		t.Helper()
		s.WaitFor(text)
		s.Send("?")
		s.WaitFor("close help")
		s.Send("?")
		s.WaitGone("close help")
		s.WaitFor("? help")
	}
	drawn("ada@acme.example")
	cast.Record(s, 4)
	for _, next := range []string{"What will the pipeline do?", "Which credential?", "Which Workspace?", "How long", "Where is the secret"} {
		s.Send(enter)
		drawn(next)
		cast.Record(s, 2)
	}
	s.Send(enter)
	drawn("Do all of this now?")
	cast.Record(s, 4)
	kept(t, "review", s.SVG(), func(svg string) string { return svg })
	s.Send("d")
	drawn("esc close")
	cast.Record(s, 4)
	s.Send("d")
	drawn("Do all of this now?")
	s.Send("y")
	drawn("› Yes")
	cast.Record(s, 1.5)
	s.Send(enter)
	s.WaitFor("What is left to you")
	drawn("enter leave")
	cast.Record(s, 6)
	kept(t, "first-run", cast.SVG(), words)
	s.Send(enter)
	s.Wait()
}
