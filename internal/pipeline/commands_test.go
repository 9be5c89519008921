package pipeline_test

import (
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func TestJobOfAPipelineFile(t *testing.T) {
	t.Parallel()
	id := "c" + strings.Repeat("0", 24)
	for name, tc := range map[string]struct {
		text string
		job  setup.Job // "": none
		line int
	}{
		"a deploy":                  {"run: |\n  astro deploy " + id + " -f\n", setup.DeployCode, 2},
		"DAGs only":                 {"- astro deploy --dags\n", setup.DeployDAGs, 1},
		"the widest counts":         {"astro deploy --dags\nastro deploy\nastro deployment create --name x\n", setup.ManageDeployments, 3},
		"users":                     {"sh 'astro workspace user add a@b'\n", setup.ManageUsers, 1},
		"dbt":                       {"astro dbt deploy x\n", setup.DeployCode, 1},
		"Astro's action":            {"steps:\n- uses: \"astronomer/deploy-action@v0.4\"\n", setup.DeployCode, 2},
		"somebody else's action":    {"- uses: me/astronomer/deploy-action@v1\n", "", 0},
		"looking is no job":         {"astro deployment list\nastro workspace list\n", "", 0},
		"what astro-ci wrote":       {"# >>> astro-ci setup=a sha256=0123456789abcdef: managed, edits between these lines are replaced\nastro deployment create\n# <<< astro-ci setup=a\nastro deploy --dags\n", setup.DeployDAGs, 4},
		"a comment":                 {"# astro deploy\n", "", 0},
		"a word that only looks so": {"astronomer deploy; my-astro deploy\n", "", 0},
	} {
		job, by, ok := pipeline.JobOf(pipeline.Commands([]pipeline.Found{{Path: "f", Content: []byte(tc.text)}}))
		if job != tc.job || by.Line != tc.line || ok != (tc.job != "") {
			t.Errorf("%s: %q by line %d", name, job, by.Line)
		}
	}
	if all := pipeline.Commands([]pipeline.Found{{Content: []byte("astro deploy x 2>&1 | tee log\n")}}); len(all) != 1 || all[0].String() != "astro deploy x" {
		t.Errorf("commands are %q", all)
	}
	if all := pipeline.Commands([]pipeline.Found{{Content: []byte("- uses: astronomer/deploy-action@v0.4 # x\n")}}); len(all) != 1 || all[0].String() != "astronomer/deploy-action@v0.4" || !all[0].Deploys() {
		t.Errorf("commands are %q", all)
	}
	if ids := pipeline.IDs([]pipeline.Found{{Content: []byte("x: " + id + "\ny: " + id + " " + id + "0")}}); len(ids) != 1 || ids[0] != id {
		t.Errorf("ids are %q", ids)
	}
}

// A secret is named by its whole name, in what people wrote.
func TestNames(t *testing.T) {
	t.Parallel()
	const ours = "# >>> astro-ci setup=a sha256=0123456789abcdef: managed, edits between these lines are replaced\nA_TOKEN\n# <<< astro-ci setup=a\n"
	for text, want := range map[string]bool{
		"run: x\n  env: {T: \"${{ secrets.A_TOKEN }}\"}\n": true, "A_TOKEN=x": true, "x: $A_TOKEN # why\n": true,
		"x: $A_TOKEN_2\n": false, "x: $MY_A_TOKEN\n": false, "x: 1\n  # A_TOKEN\n": false, ours: false, ours + "x: $A_TOKEN\n": true,
	} {
		if pipeline.Names([]byte(text), "A_TOKEN") != want {
			t.Errorf("%q: not %v", text, want)
		}
	}
}

// Whatever stands in a file, reading its commands does not fail.
func FuzzCommands(f *testing.F) {
	f.Add("astro deploy\n")
	f.Add("sh \"astro deployment create; astro deploy | tee\"")
	f.Fuzz(func(t *testing.T, text string) {
		for _, c := range pipeline.Commands([]pipeline.Found{{Content: []byte(text)}}) {
			if len(c.Words) == 0 || c.Line < 1 {
				t.Errorf("%q gave %+v", text, c)
			}
		}
	})
}
