package pipeline_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// deployments makes the stand-in keep Deployments: a file for each, with its name in it.
const deployments = `
case "$1 $2" in
  "deployment inspect")
    case "$*" in
      *--template*)
        [ ! -e STATE/broken ] || exit 0
        printf 'deployment:\n    environment_variables:\n        - is_secret: false\n          key: A\n    configuration:\n        name: base\n        description: x\n    worker_queues:\n        - name: default\n' ;;
      *) [ -e "STATE/$4" ] && cat "STATE/$4" || { echo "no Deployment $4" >&2; exit 1; } ;;
    esac ;;
  "deployment create")
    for f in "$@"; do :; done
    grep -q -- '- name: default' "$f" || exit 7
    n=$(grep '^        name: ' "$f" | cut -d: -f2 | tr -d ' ')
    echo cm0000000000000000preview > "STATE/$n" ;;
  "deployment delete")
    for f in STATE/*; do [ "$(cat "$f")" != "$3" ] || rm "$f"; done ;;
esac
`

func TestPreviews(t *testing.T) {
	t.Parallel()
	const preview = "cm0000000000000000preview"
	for name, shell := range shells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := testkit.NewRunner(t)
			state := t.TempDir()
			if err := os.WriteFile(r.Calls+".program", []byte(strings.ReplaceAll(deployments, "STATE", state)), 0o600); err != nil {
				t.Fatal(err)
			}
			p := portablePlan(r.URL, r.Sum)
			p.Job, p.Pipeline.Folder = setup.PreviewDeployments, "project"
			if err := os.Mkdir(r.Dir+"/project", 0o755); err != nil {
				t.Fatal(err)
			}
			x, err := pipeline.NewPreviews(p, "the variables of acme/etl")
			if err != nil {
				t.Fatal(err)
			}
			run := func(number, gone string) (called, out string, ok bool) {
				t.Helper()
				env := map[string]string{"ASTRO_API_TOKEN": testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour)), "NUMBER": number, "GONE": gone}
				for _, pair := range x.Env {
					env[pair.Key], _ = pair.Value.(string)
				}
				out, ok = r.Run(shell, string(x.Script), env)
				return r.Called(), out, ok
			}
			there := func() bool { _, err := os.Stat(state + "/pr-etl-12"); return err == nil }

			called, out, ok := run("12", "no")
			if !ok || !there() || !strings.Contains(called, "deployment create --workspace-id "+anID) || !strings.HasSuffix(called, "deploy "+preview+" --force --workspace-id "+anID) || r.CalledIn() != "project" {
				t.Errorf("opened: %v, called\n%s\n%s", ok, called, out)
			}
			if called, out, ok := run("12", "no"); !ok || strings.Contains(called, "create") || !strings.Contains(called, "deploy "+preview) {
				t.Errorf("pushed to: %v, called\n%s\n%s", ok, called, out)
			}
			if err := os.Remove(r.Dir + "/project"); err != nil { // nothing is checked out
				t.Fatal(err)
			}
			if called, out, ok := run("12", "yes"); !ok || there() || !strings.Contains(called, "deployment delete "+preview+" --workspace-id "+anID+" --force") || strings.Contains(called, "\ndeploy ") {
				t.Errorf("closed: %v, called\n%s\n%s", ok, called, out)
			}
			if called, out, ok := run("12", "yes"); !ok || strings.Contains(called, "delete") {
				t.Errorf("closed again: %v, called\n%s\n%s", ok, called, out)
			}
			for _, bad := range []string{"", "1;2", "../x", "12 "} {
				if called, out, ok := run(bad, "yes"); ok || called != "" {
					t.Errorf("the number %q: %v, called\n%s\n%s", bad, ok, called, out)
				}
			}
			if err := os.WriteFile(state+"/broken", nil, 0o600); err != nil {
				t.Fatal(err)
			}
			if called, out, ok := run("13", "no"); ok || strings.Contains(called, "create") || !strings.Contains(out, "no template") {
				t.Errorf("no template: %v, called\n%s\n%s", ok, called, out)
			}
			// The Deployment that is copied is never deleted, whatever it is called.
			if err := os.WriteFile(state+"/pr-etl-14", []byte(anID+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			if called, out, ok := run("14", "yes"); ok || strings.Contains(called, "delete") {
				t.Errorf("the copied one: %v, called\n%s\n%s", ok, called, out)
			}
		})
	}
}

func TestPreviewsNeedAPlatformThatTellsTheEnd(t *testing.T) {
	t.Parallel()
	p := portablePlan("https://example.com", strings.Repeat("a", 64))
	p.Job = setup.PreviewDeployments
	if _, err := pipeline.NewPortable(p, "x", true); err == nil {
		t.Error("no error")
	}
}
