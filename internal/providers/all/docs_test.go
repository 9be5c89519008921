package all_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/fetch"
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
	say("## Renewed by a schedule\n")
	if x := p.Scheduled; x == nil {
		say("Not from here: `--self-rotate` is not offered. `astro-ci rotate --due` does it from anywhere; see [unattended rotation](../self-rotate.md).\n")
	} else {
		say("`--self-rotate weekly` or `daily`; see [unattended rotation](../self-rotate.md). The log-in by which the runs write secrets: %s It is made at <%s>.\n", x.Right, x.Link)
		if x.Then != "" {
			say("What a person does then: %s.\n", x.Then)
		}
		if x.Issues {
			say("`--self-rotate reminder` opens an issue when the end is near, and needs no log-in.\n")
		}
	}
	if len(p.Backends) > 0 {
		say("## Secrets backends\n")
		say("Pipelines can read the secret from:\n")
		for _, id := range p.Backends {
			how := "the platform hands it to the pipeline"
			if fetch.Possible(p.ID, id) {
				how = "the run logs in by an identity that the platform gives it, and the platform keeps no secret"
			}
			if fetch.Branchless(p.ID, id) {
				how += "; runs on every branch of the repository can read it"
			}
			say("- [%s](../backends/%s.md): %s", id, id, how)
		}
		say("")
	}
	say("Read more: <%s>", p.Docs)
	return b.String()
}

// backendPage is what docs/backends says about a secrets backend.
func backendPage(x all.Backend) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("<!-- Made from the code. After a change there: go test ./internal/providers/all -update -->\n")
	say("# %s\n", x.Name)
	say("`--target %s:ADDRESS`, or `--also` for a copy.\n", x.ID)
	for _, part := range [][2]string{{"Rights", x.Rights}, {"Log-in", x.Login}, {"Where the secret is kept", x.Address}} {
		say("## %s\n\n%s\n", part[0], part[1])
	}
	say("## What \"verified\" can mean\n")
	say("The best rung is *%s*; %s.\n", rungs[x.Proof], x.ProofNote)
	say("## Limits\n\n%s A value may have %d bytes.\n", x.Limits, x.MaxValue)
	say("## Which pipelines read it\n")
	n := 0
	for _, p := range all.Platforms() {
		if slices.Contains(p.Backends, x.ID) {
			limit := ""
			if fetch.Branchless(p.ID, x.ID) {
				limit = ": runs on every branch of the repository; " + x.Name + " cannot tell its branches apart"
			}
			say("- [%s](../providers/%s.md)%s", p.Name, p.ID, limit)
			n++
		}
	}
	if n == 0 {
		say("None by themselves: it is a place for a copy (`--also`).")
	}
	if fetch.Possible("bitbucket", x.ID) {
		say("\nAs whom CircleCI and Bitbucket vouch for their runs is taken from what they write about it; no identity of theirs was seen.")
	}
	say("\n## What it was tried against\n\nIn the tests: %s No real account was used.\n", x.Tested)
	say("Read more: <%s>", x.Docs)
	return b.String()
}

// The pages of the backends say what the code does, and each backend that a platform names is one.
func TestBackendPages(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, x := range all.Backends() {
		known[x.ID] = true
		for what, s := range map[string]string{"rights": x.Rights, "log-in": x.Login, "address": x.Address, "limits": x.Limits, "note": x.ProofNote, "docs": x.Docs, "evidence": x.Tested} {
			if s == "" {
				t.Errorf("%s: no %s", x.ID, what)
			}
		}
	}
	pages := map[string]string{}
	for _, x := range all.Backends() {
		pages[x.ID] = backendPage(x)
	}
	same(t, filepath.Join("..", "..", "..", "docs", "backends"), pages)
	for _, p := range all.Platforms() {
		for _, id := range p.Backends {
			if !known[id] {
				t.Errorf("%s names %s, which is no backend", p.ID, id)
			}
		}
	}
}

// same compares pages, by name, with the files of a folder, which holds no others.
func same(t *testing.T, dir string, pages map[string]string) {
	t.Helper()
	for id, want := range pages {
		path := filepath.Join(dir, id+".md")
		if *update {
			if err := os.MkdirAll(dir, 0o750); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(want), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != want {
			t.Errorf("%s is stale, %v; write it anew with: go test ./internal/providers/all -update", path, err)
		}
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Error(err)
	}
	for _, f := range files {
		if _, ok := pages[strings.TrimSuffix(f.Name(), ".md")]; !ok {
			t.Errorf("%s/%s is of nothing that there is", dir, f.Name())
		}
	}
}

// The pages say what the code does: one that is stale fails.
func TestPages(t *testing.T) {
	t.Parallel()
	pages := map[string]string{}
	for _, p := range all.Platforms() {
		for what, s := range map[string]string{"rights": p.Rights, "log-in": p.Login, "address": p.Address, "limits": p.Limits, "note": p.ProofNote, "docs": p.Docs} {
			if s == "" {
				t.Errorf("%s: no %s", p.ID, what)
			}
		}
		if rungs[p.Proof] == "" {
			t.Errorf("%s: %q is no rung of proof", p.ID, p.Proof)
		}
		pages[p.ID] = page(p)
	}
	same(t, filepath.Join("..", "..", "..", "docs", "providers"), pages)
}
