package display_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/astro-ci/astro-ci/internal/display"
)

func TestClean(t *testing.T) {
	for raw, want := range map[string]string{
		"Data Platform":                   "Data Platform",
		"  two\n lines\t":                 "two lines",
		"\x1b[31mred\x1b[0m":              "[31mred[0m",
		"\u009b2J":                        "2J",
		"abc\u202edef\u2066":              "abcdef",
		"zero\u200bwidth\ufeff":           "zerowidth",
		"bad\xff":                         "bad\ufffd",
		"日本語 🚀":                           "日本語 🚀",
		"a\u2028b":                        "a b",
		"tag\U000e0041":                   "tag",
		"e" + strings.Repeat("\u0301", 9): "e" + strings.Repeat("\u0301", 4),
		strings.Repeat("x", 10_000):       strings.Repeat("x", display.MaxRunes) + "…",
	} {
		if got := display.Clean(raw).String(); got != want {
			t.Errorf("Clean(%.20q) = %q, want %q", raw, got, want)
		}
	}
}

func TestDecodingCleans(t *testing.T) {
	var v struct{ Name display.Text }
	if err := json.Unmarshal([]byte(`{"name":"a\u001b]0;x\u0007b"}`), &v); err != nil {
		t.Fatal(err)
	}
	if v.Name.String() != "a]0;xb" {
		t.Errorf("got %q", v.Name)
	}
	if err := json.Unmarshal([]byte(`{"name":7}`), &v); err == nil {
		t.Error("a number was taken for a name")
	}
}

func FuzzClean(f *testing.F) {
	f.Add("a\x1b[2J\u202e\u200bb")
	f.Add(strings.Repeat("a", display.MaxRunes-1) + " bc")
	f.Fuzz(func(t *testing.T, raw string) {
		got := display.Clean(raw).String()
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > display.MaxRunes+1 {
			t.Fatalf("%q is not valid or too long", got)
		}
		for _, r := range got {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Cs, unicode.Co) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
		if again := display.Clean(got).String(); again != got && utf8.RuneCountInString(got) <= display.MaxRunes {
			t.Fatalf("cleaning twice changes %q to %q", got, again)
		}
	})
}
