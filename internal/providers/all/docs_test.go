package all_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/providers/all"
)

var update = flag.Bool("update", false, "write the pages anew")

var rungs = map[providers.Proof]string{
	providers.Written:  "written: the service accepted the write",
	providers.Metadata: "metadata: the service's own record of the write was seen",
	providers.ReadBack: "read back: the value was read again and is equal",
}

// page is what docs/providers says about a platform; all of it is in the code.
func page(p all.Platform) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("<!-- Made from the code. After a change there: go test ./internal/providers/all -update -->\n")
	say("# %s\n", p.Name)
	say("`--platform %s`. The pipeline file is `%s`.\n", p.ID, p.File)
	for _, part := range [][2]string{{"Rights", p.Rights}, {"Log-in", p.Login}, {"Where the secret is kept", p.Address}} {
		say("## %s\n\n%s\n", part[0], part[1])
	}
	say("## What \"verified\" can mean\n")
	say("Without a run, the best rung is *%s*.", rungs[p.Proof])
	say("The reason: %s.\n", p.ProofNote)
	say("*Run*: `astro-ci run` starts the pipeline, follows it, and has Astro itself say when the token was used.\n")
	say("## Limits\n\n%s A value may have %d bytes.\n", p.Limits, p.MaxValue)
	say("Read more: <%s>", p.Docs)
	return b.String()
}

// The pages say what the code does: one that is stale fails.
func TestPages(t *testing.T) {
	t.Parallel()
	dir := filepath.Join("..", "..", "..", "docs", "providers")
	known := map[string]bool{}
	for _, p := range all.Platforms() {
		known[p.ID+".md"] = true
		for what, s := range map[string]string{"rights": p.Rights, "log-in": p.Login, "address": p.Address, "limits": p.Limits, "note": p.ProofNote, "docs": p.Docs} {
			if s == "" {
				t.Errorf("%s: no %s", p.ID, what)
			}
		}
		if rungs[p.Proof] == "" {
			t.Errorf("%s: %q is no rung of proof", p.ID, p.Proof)
		}
		path, want := filepath.Join(dir, p.ID+".md"), page(p)
		if *update {
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is stale, %v; write it anew with: go test ./internal/providers/all -update", path, err)
		}
	}
	files, err := os.ReadDir(dir)
	for _, f := range files {
		if !known[f.Name()] {
			t.Errorf("%s is of no platform", f.Name())
		}
	}
	if err != nil {
		t.Error(err)
	}
}
