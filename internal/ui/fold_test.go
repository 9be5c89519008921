package ui_test

import (
	"slices"
	"testing"

	"github.com/astro-ci/astro-ci/internal/ui"
)

func TestFold(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"":                                {""},
		"a name-with-hyphens stays":       {"a", "name-with-hyphens", "stays"},
		"until 2027-02-21, then":          {"until 2027-02-21,", "then"},
		"github:acme/etl/ASTRO_API_TOKEN": {"github:acme/etl/", "ASTRO_API_TOKEN"},
		"a hyphen\u2011that is another":   {"a hyphen\u2011that is", "another"},
		"two\nlines":                      {"two", "lines"},
	} {
		if got := ui.Fold(text, 18); !slices.Equal(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
