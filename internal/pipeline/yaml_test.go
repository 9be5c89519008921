package pipeline

import (
	"testing"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	yaml4 "go.yaml.in/yaml/v4"
)

func TestYAML(t *testing.T) {
	t.Parallel()
	got, err := YAML([]string{"Made for a test.", ""}, Map{
		{Key: "name", Value: "a: b # c"},
		{Key: "on", Value: Map{
			{Key: "branches", Value: List{"main", Plain("x")}},
			{Key: "dispatch", Value: Map{}, Above: []string{"By hand."}},
		}},
		{Key: "steps", Value: List{
			Map{{Key: "uses", Value: Plain("a/b@1"), Above: []string{"First."}, Beside: "v1"}, {Key: "n", Value: 30}},
			Map{{Key: "run", Value: Literal("echo \"a: b\"\n\nif x; then\n  y\nfi\n")}, {Key: "ok", Value: false}},
		}},
		{Key: "none", Value: List{}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `# Made for a test.
#

name: "a: b # c"

on:
  branches:
    - "main"
    - x
  # By hand.
  dispatch: {}

steps:
  # First.
  - uses: a/b@1 # v1
    n: 30

  - run: |
      echo "a: b"

      if x; then
        y
      fi
    ok: false

none: []
`
	if string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestYAMLRefuses(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]Map{
		"boolean word":         {{Key: "a", Value: Plain("Yes")}},
		"comment in plain":     {{Key: "a", Value: Plain("a #b")}},
		"mapping in plain":     {{Key: "a", Value: Plain("a: b")}},
		"line break in plain":  {{Key: "a", Value: Plain("a\nb")}},
		"alias":                {{Key: "a", Value: Plain("*a")}},
		"space at the end":     {{Key: "a", Value: Plain("a ")}},
		"null":                 {{Key: "a", Value: Plain("~")}},
		"key with a colon":     {{Key: "a: b", Value: 1}},
		"key twice":            {{Key: "a", Value: 1}, {Key: "a", Value: 2}},
		"comment with a break": {{Key: "a", Value: 1, Above: []string{"x\nb: 2"}}},
		"remark with a break":  {{Key: "a", Value: 1, Beside: "x\nb: 2"}},
		"not UTF-8":            {{Key: "a", Value: "\xff"}},
		"literal without end":  {{Key: "a", Value: Literal("a")}},
		"literal with an ESC":  {{Key: "a", Value: Literal("a\x1b\n")}},
		"literal with a tab":   {{Key: "a", Value: Literal("\ta\n")}},
		"space at line end":    {{Key: "a", Value: Literal("a \n")}},
		"list in a list":       {{Key: "a", Value: List{List{"b"}}}},
		"empty item":           {{Key: "a", Value: List{Map{}}}},
		"other type":           {{Key: "a", Value: 1.5}},
	} {
		if got, err := YAML(nil, m); err == nil {
			t.Errorf("%s: written as %q", name, got)
		}
	}
}

// FuzzYAML: any text comes back as it went in, from two readers that share no code.
func FuzzYAML(f *testing.F) {
	for _, s := range []string{"", "main", "a: b", "${{ secrets.X }}", "yes", "0x1f", "héllo 😀", "\u2028\u0085\ufeff\u00a0", "\x00\x07\x1b\t\r\n", `"'\`, "- a", "#x", "\U0010ffff\ufffd"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		raw, err := YAML(nil, Map{{Key: "a", Value: Map{{Key: "b", Value: List{s}}, {Key: "c", Value: s}}}})
		if !utf8.ValidString(s) {
			if err == nil {
				t.Fatalf("%q was written", s)
			}
			return
		}
		if err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		for name, read := range map[string]func([]byte, any) error{
			"goccy": yaml.Unmarshal,
			"yaml4": yaml4.Unmarshal,
		} {
			var back struct {
				A struct {
					B []string
					C string
				}
			}
			if err := read(raw, &back); err != nil || len(back.A.B) != 1 || back.A.B[0] != s || back.A.C != s {
				t.Fatalf("%s: %q came back as %+v, %v\n%s", name, s, back, err, raw)
			}
		}
	})
}
