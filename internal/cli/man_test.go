package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every command has a page with its flags, and the formatter finds nothing wrong with any of them.
func TestManualPages(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	if _, stderr, code := p.run("man", "pages"); code != 0 {
		t.Fatal(stderr)
	}
	files, err := filepath.Glob(p.path("pages/*"))
	if err != nil || len(files) < 25 {
		t.Fatalf("%d pages, %v", len(files), err)
	}
	setup := p.read("pages/astro-ci-setup.1")
	for _, want := range []string{".SH NAME\nastro\\-ci\\-setup \\- Create a token", "\\fB\\-\\-workspace\\fR", "\\fB\\-\\-sandbox\\fR", ".SH EXAMPLES", "\\fBastro\\-ci\\fR(1)"} {
		if !strings.Contains(setup, want) {
			t.Errorf("the page of setup lacks %q", want)
		}
	}
	if !strings.Contains(p.read("pages/astro-ci.1"), "astro\\-ci\\-astro\\-ci.yaml\\fR(7)") {
		t.Error("the page of astro-ci does not lead to the one of astro-ci.yaml")
	}
	known := []string{".TH ", ".SH ", ".TP", ".B ", ".nf", ".fi", ".\\\" "}
	groff, _ := exec.LookPath("groff")
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for i, l := range strings.Split(string(raw), "\n") {
			ok := !strings.HasPrefix(l, ".") && !strings.HasPrefix(l, "'")
			for _, k := range known {
				ok = ok || strings.HasPrefix(l, k)
			}
			if !ok {
				t.Errorf("%s, line %d would be taken for a command: %q", filepath.Base(f), i+1, l)
			}
		}
		if groff == "" {
			continue // the rest is what a formatter says, where there is one
		}
		cmd := exec.CommandContext(t.Context(), groff, "-man", "-ww", "-K", "utf8", "-T", "utf8", "-z", f)
		cmd.Env = []string{"PATH=/usr/bin:/bin", "MANWIDTH=100"}
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("%s: %v: %s", filepath.Base(f), err, out)
		}
	}
	if _, stderr, code := p.run("man"); code != 2 || !strings.Contains(stderr, "takes one folder") {
		t.Errorf("without a folder: exit %d: %s", code, stderr)
	}
}
