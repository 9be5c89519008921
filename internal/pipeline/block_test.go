package pipeline

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/astro-ci/astro-ci/internal/providers"
)

const content = "name: a\non: push\n"

// alone is a file for one setup alone.
func alone(content string) providers.File { return providers.File{Content: []byte(content)} }

func written(t testing.TB, setup, content string) string {
	t.Helper()
	raw, err := merge(nil, false, alone(content), setup, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestMerge(t *testing.T) {
	t.Parallel()
	block := written(t, "etl", content)
	bare := strings.TrimSuffix(block, "\n")
	next := "name: b\n"
	replaced := strings.TrimSuffix(written(t, "etl", next), "\n")
	edited := strings.Replace(block, "name: a", "name: mine", 1)
	crlf := func(s string) string { return strings.ReplaceAll(s, "\n", "\r\n") }

	for name, c := range map[string]struct {
		before  string
		replace bool
		want    string
		err     error
	}{
		"only the block":                {before: block, want: replaced + "\n"},
		"text around it":                {before: "# mine\n\n" + block + "\n  other: job\n", want: "# mine\n\n" + replaced + "\n\n  other: job\n"},
		"no line end at the end":        {before: bare, want: replaced},
		"byte order mark":               {before: "\ufeff" + block, want: "\ufeff" + replaced + "\n"},
		"CRLF":                          {before: crlf("a: 1\n" + block + "b: 2\n"), want: crlf("a: 1\n" + replaced + "\nb: 2\n")},
		"CRLF outside, LF inside":       {before: "a: 1\r\n" + block + "b: 2\r\n", want: "a: 1\r\n" + replaced + "\nb: 2\r\n"},
		"edited":                        {before: edited, err: errEdited},
		"edited, to be replaced":        {before: edited, replace: true, want: replaced + "\n"},
		"edited to what is wanted":      {before: strings.Replace(block, content, next, 1), want: replaced + "\n"},
		"empty file":                    {before: "", err: errForeign},
		"foreign":                       {before: content, err: errForeign},
		"foreign, to be replaced":       {before: content, replace: true, err: errForeign},
		"another setup":                 {before: written(t, "other", content), err: errOther},
		"two blocks":                    {before: block + block, err: errMarkers},
		"two setups":                    {before: written(t, "other", content) + block, want: written(t, "other", content) + replaced + "\n"},
		"no end":                        {before: block[:strings.LastIndex(block, "# <<<")], err: errMarkers},
		"no begin":                      {before: block[strings.Index(block, "\n")+1:], err: errMarkers},
		"end of another setup":          {before: strings.Replace(block, "# <<< astro-ci setup=etl", "# <<< astro-ci setup=x", 1), err: errMarkers},
		"indented begin":                {before: "  " + block, err: errMarkers},
		"begin twice":                   {before: block[:strings.Index(block, "\n")+1] + block, err: errMarkers},
		"damaged sum":                   {before: strings.Replace(block, "sha256=", "sha256=x", 1), err: errMarkers},
		"damaged, to be replaced":       {before: strings.Replace(block, "sha256=", "sha256=x", 1), replace: true, err: errMarkers},
		"end line with something after": {before: bare + " x\n", err: errMarkers},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := merge([]byte(c.before), true, alone(next), "etl", c.replace)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if err == nil && string(got) != c.want {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
		})
	}
}

func TestMergeRefusesContentThatLooksLikeAMarker(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"a: 1\n# <<< astro-ci setup=etl\nb: 2\n", written(t, "etl", content)} {
		if got, err := merge(nil, false, alone(bad), "etl", true); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
	if _, err := merge(nil, false, alone(content), "not a name", false); err == nil {
		t.Error("a name that cannot be found again was accepted")
	}
}

// FuzzMerge: whatever stands around the block stays, and what astro-ci wrote it finds again.
func FuzzMerge(f *testing.F) {
	f.Add("", "", "x: 1\n", "y: 2\n")
	f.Add("# mine\r\n", "\r\n  job: x", "x: 1", "\n\n")
	f.Add("\ufeff", "# >>> astro-ci", "a", "a")
	f.Fuzz(func(t *testing.T, above, below, first, second string) {
		made, err := merge(nil, false, alone(first), "etl", false)
		if err != nil {
			return // content that looks like a marker
		}
		if above != "" && above != "\ufeff" {
			above += "\n"
		}
		file := append([]byte(above), made...)
		file = append(file, below...)
		if b, err := findBlocks(file); err != nil || len(b) != 1 {
			return // the text around it holds a marker, or joins it to a longer line
		}
		got, err := merge(file, true, alone(second), "etl", false)
		if err != nil {
			if _, refused := merge(nil, false, alone(second), "etl", false); refused != nil {
				return
			}
			t.Fatalf("our own block is refused: %v", err)
		}
		if !bytes.HasPrefix(got, []byte(above)) || !bytes.HasSuffix(got, []byte("\n"+below)) {
			t.Fatalf("what stood around the block changed: %q", got)
		}
		again, err := merge(got, true, alone(second), "etl", false)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("the second time differs: %v\n%q\n%q", err, got, again)
		}
	})
}

// Any sequence of renderings ends where the last one alone would, and repeating it changes nothing.
func TestMergeIsIdempotent(t *testing.T) {
	t.Parallel()
	line := rapid.StringMatching(`[ a-z:#-]{0,12}`)
	text := rapid.Custom(func(t *rapid.T) string {
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		return strings.Join(append(rapid.SliceOfN(line, 0, 6).Draw(t, "lines"), ""), end)
	})
	rapid.Check(t, func(t *rapid.T) {
		above, below := text.Draw(t, "above"), text.Draw(t, "below")
		first, err := merge(nil, false, alone(text.Draw(t, "first")), "etl", false)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "crlf") {
			first = bytes.ReplaceAll(first, []byte("\n"), []byte("\r\n"))
		}
		file := []byte(above + string(first) + below)
		for _, next := range rapid.SliceOfN(text, 1, 4).Draw(t, "renderings") {
			if file, err = merge(file, true, alone(next), "etl", false); err != nil {
				t.Fatal(err)
			}
			again, err := merge(file, true, alone(next), "etl", false)
			if err != nil || !bytes.Equal(file, again) {
				t.Fatalf("%v\n%q\n%q", err, file, again)
			}
			if s := string(file); !strings.HasPrefix(s, above) || !strings.HasSuffix(s, below) {
				t.Fatalf("what stood around the block changed: %q", file)
			}
		}
	})
}
