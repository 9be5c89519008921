package all_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// plan is one of several setups of a repository: each has its own branch, Deployment and credential.
func plan(x all.Platform, name, branch string) setup.Plan {
	id := strings.Repeat("c", 24) + branch[:1]
	at := setup.Target{Store: x.Store, Address: strings.ReplaceAll(x.Place, "%s", "acme/etl"), Secret: "ASTRO_" + strings.ToUpper(branch)}
	return setup.Plan{Setup: setup.Setup{
		Name: name, Organization: setup.Ref{ID: id}, Workspace: setup.Ref{ID: id}, Deployment: setup.Ref{ID: id},
		Job: setup.DeployCode, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		Platform: x.ID, Repository: setup.Repository{Host: "github.com", Path: "acme/etl"}, Targets: []setup.Target{at},
		Pipeline: setup.Pipeline{File: x.File, Branch: branch, Deploy: setup.Image, CLI: setup.CLI{
			Version: "1.40.1", BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64)},
		}},
	}}
}

// foreign are files as people write them, with what makes them hard to add to. What stands behind
// the % is where our part has to begin.
var foreign = map[string]string{
	"circleci": `# Our tests. Do not touch the order.
version: 2.1

orbs:
    node: circleci/node@5.2.0

jobs:
    test: &test   # four spaces here
        docker:
            - image: cimg/base:2024.01
        steps:
            - checkout
            - run: |
                echo "jobs:"
                echo "workflows:"

    # This one is slow.
    lint:
        <<: *test
%
workflows:
    main:
        jobs:
            - test
            - lint
%
# The end.
`,
	"bitbucket": `image: python:3.12
pipelines:
  default:
  - step:
      script: ["make test"]
  branches:
    'feature/*':
    - step:
        script:
          - make lint
%  # pull requests come last
  pull-requests:
    '**':
    - step: {script: [make]}
definitions: {caches: {pip: ~/.cache/pip}}
`,
	"drone": `kind: pipeline
type: docker
name: test

steps:
- name: test
  image: golang:1.26
  commands: [go test ./...]
---
kind: secret
name: other
%`,
	"gitlab": `# the house rules
stages: [test, deploy]
default:
  image: python:3.12
.hidden: &hidden
  script:
  - |
    echo "astro-main:"
test:
  <<: *hidden
  stage: test
%`,
	"buildkite": `env:
  A: "1"
steps:
- label: test
  command: |
    make test
- wait
%notify: []
`,
}

func TestSetupsShareAFile(t *testing.T) {
	t.Parallel()
	shared := 0
	platforms := all.Platforms()
	for _, x := range platforms {
		if x.ID == "drone" { // its secrets outside are documents of their own
			x.Store, x.Place = "vault", "secret/astro/etl"
			platforms = append(platforms, x)
		}
	}
	for _, x := range platforms {
		made, err := x.Pipeline(plan(x, "etl", "main"))
		if err != nil {
			t.Fatal(x.ID, err)
		}
		if x.Shared != (len(made.Beside) > 0) || x.OneFile && !x.Shared {
			t.Errorf("%s says that setups can share a file: %v, and its parts can stand beside others: %v", x.ID, x.Shared, made.Beside)
		}
		if len(made.Beside) == 0 {
			continue
		}
		shared++
		t.Run(x.ID, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			files := pipeline.NewFiles(root)
			write := func(name, branch string) string {
				t.Helper()
				f, err := x.Pipeline(plan(x, name, branch))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := files.Write(f, name, false); err != nil {
					t.Fatal(err)
				}
				raw, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(x.File)))
				if err != nil {
					t.Fatal(err)
				}
				return string(raw)
			}
			first := write("etl", "main")
			both := write("etl-dev", "dev")
			if got := pipeline.Setups([]byte(both)); !slices.Equal(got, []string{"etl", "etl-dev"}) {
				t.Fatalf("the setups of the file are %q\n%s", got, both)
			}
			if again := write("etl-dev", "dev"); again != both {
				t.Errorf("a second time it becomes\n%s", again)
			}
			if again := write("etl", "main"); again != both {
				t.Errorf("the first setup a second time makes it\n%s", again)
			}
			if rest := without(both, "etl-dev"); empty.ReplaceAllString(rest, "\n") != empty.ReplaceAllString(first, "\n") {
				t.Errorf("beside the new parts it became\n%s", rest)
			}
			// One setup changes, the other stays as it is.
			changed := write("etl", "release")
			if !strings.Contains(changed, "release") || block(changed, "etl-dev") != block(both, "etl-dev") {
				t.Errorf("a change of one setup changed another:\n%s", changed)
			}
		})
		t.Run(x.ID+" beside a person's own", func(t *testing.T) {
			t.Parallel()
			text, known := foreign[x.ID]
			for _, end := range []string{"\n", "\r\n"} {
				root := t.TempDir()
				at := filepath.Join(root, filepath.FromSlash(x.File))
				if !known { // only other setups can be joined
					text = "pipeline { agent any }\n"
				}
				mine := strings.ReplaceAll(strings.ReplaceAll(text, "%", ""), "\n", end)
				if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(at, []byte(mine), 0o644); err != nil {
					t.Fatal(err)
				}
				f, err := x.Pipeline(plan(x, "etl", "main"))
				if err != nil {
					t.Fatal(err)
				}
				c, err := pipeline.NewFiles(root).Write(f, "etl", false)
				if !known {
					if h, ok := errors.AsType[*hint.Error](err); !ok || !strings.Contains(h.Next, "astro-ci render") {
						t.Errorf("a file that cannot be added to: %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				got := strings.ReplaceAll(string(c.After), end, "\n")
				if end == "\r\n" && bytes.Count(c.After, []byte("\n")) != bytes.Count(c.After, []byte(end)) {
					t.Error("line ends are mixed")
				}
				for i, part := range strings.Split(text, "%") {
					j := strings.Index(got, part)
					if j < 0 || i == 0 && j != 0 {
						t.Fatalf("part %d of the person's text is not there in one piece:\n%s", i, got)
					}
					got = got[j+len(part):]
				}
				again, err := pipeline.NewFiles(root).Write(f, "etl", false)
				if err != nil || again.Changed() {
					t.Errorf("a second time: %v\n%s", err, again.Diff())
				}
			}
		})
	}
	if shared < 5 {
		t.Errorf("only %d platforms share their file", shared)
	}
}

var empty = regexp.MustCompile(`\n+`)

// block is what a file has of a setup, without is what it has else.
func block(text, name string) string {
	mine, _ := cut(text, name)
	return mine
}

func without(text, name string) string {
	_, rest := cut(text, name)
	return rest
}

func cut(text, name string) (mine, rest string) {
	inside := false
	for line := range strings.Lines(text) {
		begins := strings.Contains(line, ">>> astro-ci setup="+name+" ")
		ends := strings.HasSuffix(strings.TrimSpace(line), "<<< astro-ci setup="+name) || strings.Contains(line, "<<< astro-ci setup="+name+" ")
		if inside = inside || begins; inside {
			mine += line
		} else {
			rest += line
		}
		inside = inside && !ends
	}
	return mine, rest
}
