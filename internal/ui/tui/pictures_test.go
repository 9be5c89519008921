package tui

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/testkit"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// pictured are the scenes of which there is a picture, and its name.
var pictured = map[string]string{
	"setups": "rotate-setups", "replace": "rotate-plan", "draining": "rotate-waiting", "halted": "rotate-stopped", "forget": "rotate-give-up", "receipt": "rotate-done",
	"showcase": "overview", "workspaces": "overview-workspaces", "one": "overview-setup", "verify": "overview-verify",
	"remove": "remove-plan", "removed": "remove-done",
}

// showcase is an overview as a team of some size may have it.
func showcase() *house {
	x := newHouse(10, 4)
	day := 24 * time.Hour
	for i, s := range []struct {
		name, workspace, says string
		health                ui.Health
		left, used            time.Duration
	}{
		{"payments-prod", "Finance", "expired on 2026-11-21", ui.Bad, -2 * day, 3 * day},
		{"ml-features-prod", "Machine Learning", "due since 2026-11-06", ui.Due, 13 * day, 40 * time.Minute},
		{"etl-staging", "Data Platform", "due since 2026-11-19", ui.Due, 26 * day, 5 * time.Hour},
		{"etl-prod", "Data Platform", "waiting until 2026-11-23 18:00", ui.Busy, 89 * day, 20 * time.Minute},
		{"growth-reports", "Growth Analytics", "due on 2026-11-30", ui.Fine, 37 * day, 26 * time.Hour},
		{"crm-sync", "Growth Analytics", "due on 2026-12-11", ui.Fine, 48 * day, 2 * time.Hour},
		{"dbt-nightly", "Data Platform", "due on 2026-12-19", ui.Fine, 56 * day, 11 * time.Hour},
		{"ml-features-dev", "Machine Learning", "due on 2026-12-27", ui.Fine, 64 * day, 6 * day},
		{"ledger-dev", "Finance", "due on 2027-01-08", ui.Fine, 76 * day, 3 * time.Hour},
		{"previews", "Data Platform", "due on 2027-01-20", ui.Fine, 88 * day, 12 * time.Minute},
	} {
		x.setups[i] = ui.Setup{
			Name: s.name, Workspace: clean("%s", s.workspace), Credential: clean("Deployment API token"), Says: clean("%s", s.says), Health: s.health,
			Made: noon.Add(s.left - 90*day), Ends: noon.Add(s.left), Used: noon.Add(-s.used), Targets: []string{"github:acme/" + s.name + "/ASTRO_API_TOKEN"},
		}
	}
	return x
}

// The pictures of the screens are what the program draws; they are drawn anew with -update.
func TestPictures(t *testing.T) {
	t.Parallel()
	draw := func(d *desk, name string) {
		if pictured[name] == "" {
			return
		}
		const cols, rows = 116, 32
		d.size(cols, rows)
		d.still()
		file, svg := filepath.Join("..", "..", "..", "assets", "pictures", pictured[name]+".svg"), testkit.Picture(d.m.draw(), cols, rows, false)
		if *update {
			if err := os.WriteFile(file, []byte(svg), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if kept, err := os.ReadFile(file); err != nil || string(kept) != svg {
			t.Errorf("%s, %v: the picture is not what the program shows: run make pictures", name, err)
		}
	}
	turns(t, draw)
	homes(t, draw)
	ends(t, draw)
	draw(showcase().sit(t), "showcase")
}
