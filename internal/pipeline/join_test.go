package pipeline

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
)

// shares is a file whose jobs and flows can stand beside those of others.
func shares() providers.File {
	return providers.File{
		Content: []byte("version: 2\n\njobs:\n  a:\n    - x\n\nflows:\n  a:\n    runs: a\n"),
		Beside:  []string{"jobs", "flows"},
	}
}

func TestJoin(t *testing.T) {
	t.Parallel()
	jobs := "# >>> astro-ci setup=etl part=jobs sha256=SUM: managed, edits between these lines are replaced\na:\n  - x\n# <<< astro-ci setup=etl part=jobs\n"
	flows := "# >>> astro-ci setup=etl part=flows sha256=SUM: managed, edits between these lines are replaced\na:\n  runs: a\n# <<< astro-ci setup=etl part=flows\n"
	in := func(text string, by int) string { return string(dent([]byte(text), strings.Repeat(" ", by))) }
	for name, c := range map[string]struct{ before, want, refused string }{
		"empty":            {before: "", want: "jobs:\n" + in(jobs, 2) + "flows:\n" + in(flows, 2)},
		"only a comment":   {before: "# mine\n", want: "# mine\njobs:\n" + in(jobs, 2) + "flows:\n" + in(flows, 2)},
		"no key yet":       {before: "other: 1\n", want: "other: 1\njobs:\n" + in(jobs, 2) + "flows:\n" + in(flows, 2)},
		"no line end":      {before: "other: 1", want: "other: 1\njobs:\n" + in(jobs, 2) + "flows:\n" + in(flows, 2)},
		"a key, no value":  {before: "jobs:\nflows:\n    b: 1\n", want: "jobs:\n" + in(jobs, 2) + "flows:\n    b: 1\n" + in(flows, 4)},
		"one space":        {before: "jobs:\n b: 1\n", want: "jobs:\n b: 1\n" + in(jobs, 1) + "flows:\n" + in(flows, 2)},
		"text below":       {before: "jobs:\n  b: |\n    jobs:\n\n    end\n\n# about other\nother: 1\n", want: "jobs:\n  b: |\n    jobs:\n\n    end\n" + in(jobs, 2) + "\n# about other\nother: 1\nflows:\n" + in(flows, 2)},
		"comment above":    {before: "jobs:\n  # first\n  b: 1\nother: 1\n", want: "jobs:\n  # first\n  b: 1\n" + in(jobs, 2) + "other: 1\nflows:\n" + in(flows, 2)},
		"quoted key":       {before: "\"jobs\":\n  b: 1\n", want: "\"jobs\":\n  b: 1\n" + in(jobs, 2) + "flows:\n" + in(flows, 2)},
		"flow style":       {before: "jobs: {b: 1}\n", refused: "not written as one line for each entry"},
		"flow document":    {before: "{jobs: 1}\n", refused: "its root is not written as a mapping"},
		"a scalar":         {before: "jobs: none\n", refused: "not written as one line for each entry"},
		"an alias":         {before: "x: &x\n  b: 1\njobs: *x\n", refused: "not written as one line for each entry"},
		"a list":           {before: "jobs:\n  - b\n", refused: "does not fit"},
		"the name is used": {before: "jobs:\n  a: 1\n", refused: "it has jobs.a already"},
		"twice the key":    {before: "jobs:\n  b: 1\njobs:\n  c: 1\n", refused: "not YAML"},
		"two documents":    {before: "jobs:\n  b: 1\n---\nx: 1\n", refused: "more than one document"},
		"not YAML":         {before: "jobs: [\n", refused: "not YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := merge([]byte(c.before), true, shares(), "etl", false)
			if c.refused != "" {
				if _, ok := errors.AsType[*joinError](err); !ok || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v\n%s", err, got)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got = regexp.MustCompile(`sha256=[0-9a-f]{16}`).ReplaceAll(got, []byte("sha256=SUM"))
			if string(got) != c.want {
				t.Errorf("got\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

// A part that is no longer rendered goes.
func TestAPartLessIsTakenOut(t *testing.T) {
	t.Parallel()
	before, err := merge([]byte("other: 1\n"), true, shares(), "etl", false)
	if err != nil {
		t.Fatal(err)
	}
	less := providers.File{Content: []byte("jobs:\n  a:\n    - x\n"), Beside: []string{"jobs"}}
	got, err := merge(before, true, less, "etl", false)
	if err != nil || strings.Contains(string(got), "part=flows") || strings.Contains(string(got), "runs: a") || !strings.Contains(string(got), "part=jobs") {
		t.Errorf("%v\n%s", err, got)
	}
}

// FuzzJoin: what is joined into any file is found again, and a second time changes nothing.
func FuzzJoin(f *testing.F) {
	for _, seed := range []string{"", "jobs:\n  b: |\n    x\n\n# c\n", "jobs:\n- a\n", "a: &a\n  b: 1\nflows:\n  <<: *a\n", "jobs:\r\n  b: 1\r\n", "\ufeffjobs:\n", "--- \njobs:\n...\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, before string) {
		if blocks, err := findBlocks([]byte(before)); err != nil || len(blocks) > 0 {
			return
		}
		after, err := merge([]byte(before), true, shares(), "etl", false)
		if err != nil {
			return
		}
		if blocks, err := findBlocks(after); err != nil || len(blocks) != 2 {
			t.Fatalf("%d parts are found again: %v\n%q", len(blocks), err, after)
		}
		again, err := merge(after, true, shares(), "etl", false)
		if err != nil || !bytes.Equal(again, after) {
			t.Fatalf("%v\n%q\n%q", err, after, again)
		}
	})
}
