package pipeline

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/astro-ci/astro-ci/assets"
	"github.com/astro-ci/astro-ci/internal/pattern"
)

// Table holds the releases that were looked at when the program was built.
type Table struct {
	// CLI maps a version of the Astro CLI to the SHA-256 (64 hex digits) of its archive per "os_arch".
	CLI map[string]map[string]string `json:"cli"`
	// Actions maps the name of a GitHub action ("actions/checkout") to its pin.
	Actions map[string]Action `json:"actions"`
	// Images maps the name of a container image ("docker-cli") to a reference with its digest.
	Images map[string]string `json:"images"`
}

// Action is one release of a GitHub action.
type Action struct {
	Tag    string `json:"tag"`    // v7.0.1
	Commit string `json:"commit"` // 40 hex digits
}

// Pins returns the table that is built into the program (assets/pins.json); the caller may change
// what it gets.
func Pins() Table {
	var t Table
	if err := json.Unmarshal(assets.Pins(), &t); err != nil {
		panic(fmt.Sprintf("pipeline: the built-in table of pins: %v", err))
	}
	return t
}

// Newest is the newest version of the Astro CLI in the built-in table.
func Newest() string {
	newest := ""
	for v := range Pins().CLI {
		if Newer(v, newest) {
			newest = v
		}
	}
	return newest
}

// finalOne matches a final release of the 1.x line: 2.x refuses 1.x projects.
var finalOne = pattern.New(`^1\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})$`)

// Newer reports whether the final 1.x release a is newer than b; "" is older than any.
func Newer(a, b string) bool {
	x, y := finalOne.FindStringSubmatch(a), finalOne.FindStringSubmatch(b)
	if x == nil || y == nil {
		return x != nil
	}
	for i := 1; i < len(x); i++ {
		m, _ := strconv.Atoi(x[i])
		n, _ := strconv.Atoi(y[i])
		if m != n {
			return m > n
		}
	}
	return false
}
