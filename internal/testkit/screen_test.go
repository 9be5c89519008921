//go:build unix

package testkit_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestScreen(t *testing.T) {
	t.Parallel()
	s := testkit.StartScreen(t, exec.Command("sh", "-c", `printf '\033[?1049h\033[1;35mname?\033[m '; read x; printf '\033[?1049l<%s>\n' "$x"; exit 3`), 30, 5)
	s.WaitFor("name?")
	if !s.AltScreen() {
		t.Error("the alternate screen is not seen")
	}
	if svg := s.SVG(); !strings.Contains(svg, `font-weight="bold"`) || !strings.Contains(svg, ">name?</text>") {
		t.Errorf("the picture lacks the bold text:\n%s", svg)
	}
	s.Send("日本" + testkit.Enter)
	s.WaitFor("<日本>")
	if code := s.Wait(); code != 3 {
		t.Errorf("exit %d, want 3", code)
	}
	if s.AltScreen() || !strings.Contains(string(s.Raw()), "\x1b[?1049l") {
		t.Error("the end of the alternate screen is not seen")
	}
}

// A program that asks its terminal gets an answer, as on a real one.
func TestScreenAnswers(t *testing.T) {
	t.Parallel()
	s := testkit.StartScreen(t, exec.Command("bash", "-c", `printf '\033[6n'; read -rs -d R pos; echo "at ${pos#*[}"`), 30, 5)
	s.WaitFor("at 1;1")
	s.Wait()
}

func TestPicture(t *testing.T) {
	t.Parallel()
	const text = "\x1b[38;2;1;2;3mink\x1b[m <&>\n│ 日本\x1b[7m x\x1b[m"
	dark, light := testkit.Picture(text, 12, 2, false), testkit.Picture(text, 12, 2, true)
	for _, want := range []string{`fill="#010203"`, "&lt;&amp;&gt;", ">日</text>"} {
		if !strings.Contains(dark, want) {
			t.Errorf("the picture lacks %s:\n%s", want, dark)
		}
	}
	if strings.Contains(dark, "│") {
		t.Error("a line is drawn as a letter, which leaves gaps")
	}
	if dark == light || !strings.Contains(light, "#ffffff") {
		t.Error("the light picture is not light")
	}
}
