package pipeline_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/pipeline"
)

// Each rule finds what it is for, on its line, and leaves what is right alone.
func TestCheck(t *testing.T) {
	t.Parallel()
	const (
		hub     = ".github/workflows/x.yml"
		jenkins = "Jenkinsfile"
		azure   = "azure-pipelines.yml"
	)
	commit := strings.Repeat("a1", 20)
	for rule, tc := range map[string]struct {
		file      string
		bad, good []string
	}{
		"unpinned-install": {
			hub,
			[]string{"run: curl -sSL install.astronomer.io | sudo bash -s", "run: curl -fsSL https://x/y.sh | sh", "run: wget -qO- https://x | bash"},
			[]string{"run: curl -o astro.tar.gz https://x/astro.tar.gz", "run: cat a | sort"},
		},
		"secret-in-clear": {
			hub,
			[]string{"ASTRO_API_TOKEN: eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.abc", "ASTRO_API_TOKEN: abcdefghijklmnopqrstuvwxyz", "export ASTRONOMER_KEY_SECRET=abcdefghijklmnopqrstuvwxyz"},
			[]string{"ASTRO_API_TOKEN: ${{ secrets.ASTRO_API_TOKEN }}", "ASTRO_API_TOKEN: $PROD", `ASTRO_API_TOKEN: "$(ASTRO_API_TOKEN)"`},
		},
		"pull-request-target": {hub, []string{"on: pull_request_target"}, []string{"on: pull_request"}},
		"action-not-pinned":   {hub, []string{"- uses: actions/checkout@v4", "uses: astronomer/deploy-action@main"}, []string{"uses: actions/checkout@" + commit + " # v4", "uses: ./local"}},
		"expression-in-shell": {
			hub,
			[]string{"run: echo ${{ github.head_ref }}", "  astro deploy ${{ inputs.id }} -f", "run: git log ${{ github.event.issue.title }}"},
			[]string{"  BEFORE: ${{ github.event.before }}", "run: echo ${{ runner.os }}"},
		},
		"deploy-without-force": {hub, []string{"run: astro deploy cm1", "astro deploy $ID --dags"}, []string{"astro deploy cm1 -f", "astro deploy cm1 --force", "astro deployment list"}},
		"deploy-without-id":    {hub, []string{"run: astro deploy -f", "astro deploy --dags --force"}, []string{"astro deploy cm1 -f", "astro deploy $ID --force", "astro deploy -f $ID"}},
		"legacy-key":           {hub, []string{"ASTRONOMER_KEY_ID: ${{ secrets.ASTRONOMER_KEY_ID }}"}, []string{"ASTRO_API_TOKEN: ${{ secrets.X }}"}},
		"last-commit-only":     {hub, []string{"git diff --name-only HEAD~1", "if git diff-tree --no-commit-id --name-only -r HEAD", "git diff HEAD^ HEAD"}, []string{`git diff "$BEFORE" "$AFTER"`, "git rev-parse HEAD"}},
		"moving-image":         {".gitlab-ci.yml", []string{"image: docker:latest", "  - name: docker:dind", "image: debian", "    - docker:dind"}, []string{"image: docker:28.2.2-cli", "name: deploy", "- name: docker", "- docker"}},
		"deploy-is-cut-off":    {hub, []string{"  cancel-in-progress: true"}, []string{"  cancel-in-progress: false"}},
		"secret-is-printed":    {hub, []string{"run: echo $ASTRO_API_TOKEN", `echo "token ${ASTRO_API_TOKEN}"`, "set -x", "set -eux"}, []string{`printf %s "$ASTRO_API_TOKEN" | cut -d. -f2`, "set -eu", "echo done"}},
		"debug-log":            {hub, []string{"astro deploy cm1 -f --verbosity debug"}, []string{"astro deploy cm1 -f"}},
		"everything-allowed":   {hub, []string{"permissions: write-all"}, []string{"permissions: {}"}},
		"quotes-hide-a-variable": {
			jenkins, []string{"sh 'astro deploy ${env.ID} -f'", "sh 'astro deploy env.ASTRONOMER_DEPLOYMENT_ID -f'"}, []string{"sh 'astro deploy $ID -f'", `sh "astro deploy ${env.ID} -f"`},
		},
		"groovy-sees-the-secret":  {jenkins, []string{`sh "curl -H $ASTRO_API_TOKEN"`, `sh("x ${env.PROD_TOKEN}")`}, []string{"sh 'x $ASTRO_API_TOKEN'", `sh "make ${TARGET}"`}},
		"secret-not-mapped":       {azure, []string{"- bash: astro deploy cm1 -f"}, []string{"- bash: astro deploy cm1 -f\n  env:\n    ASTRO_API_TOKEN: $(ASTRO_API_TOKEN)", "- bash: make"}},
		"deploy-of-pull-requests": {"bitbucket-pipelines.yml", []string{"  pull-requests:\n    dev:\n      - step: {script: [astro deploy cm1 -f]}"}, []string{"  branches:\n    main:\n      - step: {script: [astro deploy cm1 -f]}"}},
		"no-such-key":             {".drone.yml", []string{"  depends-on: [a]"}, []string{"  depends_on: [a]"}},
		"broken-yaml":             {".circleci/config.yml", []string{"jobs: {}\njobs: {}"}, []string{"jobs: {}"}},
	} {
		rules := func(text string) (out []string) {
			for _, f := range pipeline.Check(pipeline.Found{Path: tc.file, Content: []byte("# first\n" + text + "\n")}) {
				if f.Why == "" || f.Fix == "" || f.Line < 2 {
					t.Errorf("%s: the finding is incomplete: %+v", rule, f)
				}
				out = append(out, f.Rule)
			}
			return out
		}
		for _, text := range tc.bad {
			if got := rules(text); !slices.Contains(got, rule) {
				t.Errorf("%s: %q is not found, but %v", rule, text, got)
			}
		}
		for _, text := range tc.good {
			if got := rules(text); slices.Contains(got, rule) {
				t.Errorf("%s: %q is found", rule, text)
			}
		}
		comment := "# "
		if tc.file == jenkins {
			comment = "// "
		}
		if got := rules(comment + tc.bad[0]); !strings.Contains(tc.bad[0], "\n") && len(got) != 0 {
			t.Errorf("%s: a comment is found: %v", rule, got)
		}
	}
	tested := 0
	for _, r := range pipeline.Rules() {
		if r.ID != "" {
			tested++
		}
	}
	if tested != 19 {
		t.Errorf("there are %d rules; each one needs a line above", tested)
	}
}

// Whatever a file holds, checking it does not fail.
func FuzzCheck(f *testing.F) {
	f.Add("Jenkinsfile", "sh 'x'")
	f.Add(".drone.yml", "a: [")
	f.Add("azure-pipelines.yml", "astro deploy")
	f.Fuzz(func(t *testing.T, file, text string) {
		for _, x := range pipeline.Check(pipeline.Found{Path: file, Content: []byte(text)}) {
			if x.Line < 1 || x.Rule == "" {
				t.Errorf("%q gave %+v", text, x)
			}
		}
	})
}
