package github_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var token = setup.Target{Store: "github", Address: "acme/etl", Secret: "PROD_TOKEN"}

func TestModernize(t *testing.T) {
	t.Parallel()
	before := "name: deploy # mine\non: push\njobs:\n  deploy:\n    env:\n      ## the key\n      ASTRONOMER_KEY_ID: ${{ secrets.ASTRONOMER_KEY_ID }}\r\n" +
		"      ASTRONOMER_KEY_SECRET: ${{ secrets.OTHER }}\r\n      X: 1\n    steps:\n    - run: astro deploy\n"
	want := "name: deploy # mine\non: push\njobs:\n  deploy:\n    env:\n      ## the key\n      ASTRO_API_TOKEN: ${{ secrets.PROD_TOKEN }}\r\n" +
		"      X: 1\n    steps:\n    - run: astro deploy\n"
	got, err := (&github.Provider{}).Modernize([]byte(before), token)
	if err != nil || string(got) != want {
		t.Errorf("%v\n%s", err, got)
	}
	if again, err := (&github.Provider{}).Modernize(got, token); err != nil || !bytes.Equal(again, got) {
		t.Errorf("a second time: %v\n%s", err, again)
	}
	for name, text := range map[string]string{
		"in a shell line":    "run: export ASTRONOMER_KEY_ID=$X\n",
		"half of it":         "env:\n  ASTRONOMER_KEY_ID: x\n",
		"the other half":     "env:\n  ASTRONOMER_KEY_SECRET: x\n",
		"in a flow mapping":  "env: {ASTRONOMER_KEY_ID: x, ASTRONOMER_KEY_SECRET: y}\n",
		"passed as an input": "with:\n  key: ${{ secrets.ASTRONOMER_KEY_ID }}\n",
	} {
		if _, err := (&github.Provider{}).Modernize([]byte(text), token); err == nil || !strings.Contains(hint.Of(err).Next, "--legacy-key keep") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever a file holds: it is refused, or no line but those of the key has changed.
func FuzzModernize(f *testing.F) {
	f.Add("env:\n  ASTRONOMER_KEY_ID: a\n  ASTRONOMER_KEY_SECRET: b\n")
	f.Add("a: b\r\n")
	f.Add("ASTRONOMER_KEY_")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := (&github.Provider{}).Modernize([]byte(text), token)
		if err != nil {
			return
		}
		var kept, now []string
		for l := range strings.SplitSeq(text, "\n") {
			if !strings.Contains(l, "ASTRONOMER_KEY_ID") && !strings.Contains(l, "ASTRONOMER_KEY_SECRET") || strings.HasPrefix(strings.TrimSpace(l), "#") {
				kept = append(kept, l)
			}
		}
		for l := range strings.SplitSeq(string(got), "\n") {
			if !strings.Contains(l, "ASTRO_API_TOKEN: ${{ secrets.PROD_TOKEN }}") || strings.Contains(text, l) {
				now = append(now, l)
			}
		}
		if strings.Join(kept, "\n") != strings.Join(now, "\n") {
			t.Errorf("%q became %q", text, got)
		}
		var a any
		if yaml.Unmarshal([]byte(text), &a) == nil && !strings.Contains(text, "ASTRONOMER_KEY_") && string(got) != text {
			t.Errorf("%q became %q", text, got)
		}
	})
}
