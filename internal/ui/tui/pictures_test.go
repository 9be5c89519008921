package tui

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/astro-ci/astro-ci/internal/testkit"
)

// pictured are the scenes of which there is a picture, and its name.
var pictured = map[string]string{
	"setups": "rotate-setups", "replace": "rotate-plan", "draining": "rotate-waiting", "halted": "rotate-stopped", "forget": "rotate-give-up", "receipt": "rotate-done",
}

// The pictures of the screens are what the program draws; they are drawn anew with -update.
func TestPictures(t *testing.T) {
	t.Parallel()
	turns(t, func(d *desk, name string) {
		if pictured[name] == "" {
			return
		}
		const cols, rows = 116, 32
		d.size(cols, rows)
		file, svg := filepath.Join("..", "..", "..", "assets", "pictures", pictured[name]+".svg"), testkit.Picture(d.m.draw(), cols, rows, false)
		if *update {
			if err := os.WriteFile(file, []byte(svg), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != svg {
			t.Errorf("%s, %v: the picture is not what the program shows: run make pictures", name, err)
		}
	})
}
