package inventory_test

import (
	"os"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/inventory"
)

// The page that people read names every finding, in the order of gravity.
func TestThePageNamesEveryFinding(t *testing.T) {
	page, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	rest := string(page)
	for _, k := range inventory.Keys() {
		_, after, ok := strings.Cut(rest, "\n| `"+string(k)+"` |")
		if !ok {
			t.Fatalf("docs/status.md lacks %s, or has it elsewhere", k)
		}
		rest = after
	}
}
