package handover_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/handover"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/all"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

func id(n string) string { return "c" + strings.Repeat("0", 24-len(n)) + n }

// subject is the hand-over of a setup on a platform, as the command line composes it.
func subject(t *testing.T, platform, host, repo string, target setup.Target, change func(*setup.Plan)) handover.Subject {
	t.Helper()
	i := slices.IndexFunc(all.Platforms(), func(p all.Platform) bool { return p.ID == platform })
	x := all.Platforms()[i]
	target.Secret = "ASTRO_API_TOKEN"
	p := setup.Plan{Setup: setup.Setup{
		Name: "etl-prod", Job: setup.DeployCode, Platform: platform, Repository: setup.Repository{Host: host, Path: repo},
		Organization: setup.Ref{ID: id("o"), Name: display.Clean("Acme")}, Workspace: setup.Ref{ID: id("w"), Name: display.Clean("Data | Platform")}, Deployment: setup.Ref{ID: id("d"), Name: display.Clean("etl-prod")},
		Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90}, Targets: []setup.Target{target},
		Pipeline: setup.Pipeline{File: x.File, Branch: "main", Deploy: setup.Infer, CLI: setup.CLI{Version: pipeline.Newest(), BaseURL: pipeline.ReleaseURL, SHA256: pipeline.Pins().CLI[pipeline.Newest()]}},
	}}
	if change != nil {
		change(&p)
	}
	s := handover.Subject{Plan: p, Platform: x.Info, Runs: "https://" + host + "/" + repo + "/runs", Astro: astro.Manual(p, astro.Web("api.astronomer.io")), Setups: handover.File{Path: "astro-ci.yaml", Content: []byte("version: 1\n")}}
	if !p.Pipeline.Own {
		f, err := x.Pipeline(p)
		if err != nil {
			t.Fatal(err)
		}
		s.Pipeline = handover.File{Path: f.Path, Content: f.Content}
	}
	if p.Fetches() {
		f, say, err := fetch.Grant(p)
		if err != nil {
			t.Fatal(err)
		}
		s.Grant = handover.File{Path: f.Path, Content: f.Content, Say: say}
	}
	for _, x := range p.Targets {
		place := handover.Place{Target: x}
		store, guide := all.Store(x.Store)
		if place.Store = store; guide != nil {
			place.Manual = guide.Manual(p, x)
		}
		s.Places = append(s.Places, place)
	}
	return s
}

func subjects(t *testing.T) map[string]handover.Subject {
	t.Helper()
	return map[string]handover.Subject{
		"github":             subject(t, "github", "github.com", "acme/etl", setup.Target{Store: "github", Address: "acme/etl"}, nil),
		"github-environment": subject(t, "github", "git.acme.example", "acme/etl", setup.Target{Store: "github", Address: "acme/etl#it's live"}, nil),
		"github-organization": subject(t, "github", "github.com", "acme/etl", setup.Target{Store: "github", Address: "acme"}, func(p *setup.Plan) {
			p.Credential.Role, p.NewRole = "CI_Deploy", astro.DeployPermissions()
		}),
		"gitlab": subject(t, "gitlab", "gitlab.com", "acme/data/etl", setup.Target{Store: "gitlab", Address: "acme/data/etl#staging"}, nil),
		"gitlab-group": subject(t, "gitlab", "gitlab.acme.example", "acme/etl", setup.Target{Store: "gitlab", Address: "group:acme"}, func(p *setup.Plan) {
			p.Credential.Kind, p.Credential.Role = setup.WorkspaceToken, "WORKSPACE_AUTHOR"
		}),
		"azure-devops":          subject(t, "azure-devops", "dev.azure.com", "acme/data/etl", setup.Target{Store: "azure-devops", Address: "acme/data/group:astro-etl"}, nil),
		"azure-devops-pipeline": subject(t, "azure-devops", "dev.azure.com", "acme/data/etl", setup.Target{Store: "azure-devops", Address: "acme/data/pipeline:etl"}, nil),
		"vault": subject(t, "github", "github.com", "acme/etl", setup.Target{Store: "vault", Address: "secret/astro/etl"}, func(p *setup.Plan) {
			p.Pipeline.Reader = setup.Reader{Server: "https://vault.acme.example:8200", Namespace: "data", Role: "jwt/astro-ci-etl-prod"}
		}),
		"own-pipeline": subject(t, "bitbucket", "bitbucket.org", "acme/etl", setup.Target{Store: "bitbucket", Address: "acme/etl"}, func(p *setup.Plan) {
			p.Credential.Kind, p.Credential.Role = setup.OrganizationToken, "ORGANIZATION_OWNER"
			p.Pipeline = setup.Pipeline{Own: true, Branch: "main"}
		}),
	}
}

// The page, for each kind of place.
func TestGolden(t *testing.T) {
	t.Parallel()
	for name, s := range subjects(t) {
		if name == "vault" {
			s.Unseen = []string{"Branch, Delivered as: there was no log-in to github.com"}
		}
		got, file := s.Files()[0].Content, filepath.Join("testdata", name+".md")
		if *update {
			if err := os.WriteFile(file, got, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs, %v; look at it after: go test -update\n%s", file, err, got)
		}
	}
}

var blocks = regexp.MustCompile("(?s)```sh\n(.*?)\n```")

// commands are the lines of sh on a page.
func commands(t *testing.T, page []byte) (out []string) {
	t.Helper()
	for _, m := range blocks.FindAllSubmatch(page, -1) {
		out = append(out, string(m[1]))
	}
	if len(out) < 2 {
		t.Fatalf("the page has %d commands", len(out))
	}
	return out
}

func TestEveryCommandIsShell(t *testing.T) {
	t.Parallel()
	for name, s := range subjects(t) {
		for _, c := range commands(t, s.Files()[0].Content) {
			cmd := exec.CommandContext(t.Context(), "sh", "-n")
			cmd.Stdin = strings.NewReader(c)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s\n%s", name, err, out, c)
			}
		}
	}
}

// spies are programs that write down what they were called with, and what they read.
const spy = `#!/bin/sh
printf '%s\n' "$0 $*" >>"$SPY/called"
case "$*" in *"variable-group list"*) echo 7; exit ;; esac
case "${0##*/} $*" in
  "stty "*|"astro "*|*" create --org "*"variable-group create"*) ;;
  *) cat >>"$SPY/read" ;;
esac
`

// A value that is typed gets to the tool of the store by its standard input, and into no argument.
func TestValuesAreNoArguments(t *testing.T) {
	t.Parallel()
	for name, s := range subjects(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, tool := range []string{"gh", "glab", "az", "vault", "stty"} {
				if err := os.WriteFile(filepath.Join(dir, tool), []byte(spy), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			value := testkit.Canary(t)
			for _, x := range s.Places {
				if x.Manual.Command == "" {
					continue
				}
				_ = value.Use(func(b []byte) error {
					command := x.Manual.Command
					if i := strings.Index(command, "\n\n"); i >= 0 { // what comes before is for a group that is not there
						command = command[i:]
					}
					cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
					cmd.Env = []string{"PATH=" + dir + ":/usr/bin:/bin", "SPY=" + dir}
					cmd.Stdin = bytes.NewReader(append(bytes.Clone(b), '\n'))
					if out, err := cmd.CombinedOutput(); err != nil || bytes.Contains(out, b) {
						t.Errorf("%v: %s", err, out)
					}
					read, _ := os.ReadFile(filepath.Join(dir, "read"))
					if string(bytes.TrimSuffix(read, []byte("\n"))) != string(b) {
						t.Errorf("the tool read %q", read)
					}
					return nil
				})
				called, err := os.ReadFile(filepath.Join(dir, "called"))
				if err != nil || !bytes.Contains(called, []byte("ASTRO_API_TOKEN")) {
					t.Errorf("called: %s, %v", called, err)
				}
				testkit.MustNotLeak(t, value, called)
			}
		})
	}
}

// Whatever Astro's things are called, a page stays a page, and its commands stay commands.
func TestAnyName(t *testing.T) {
	t.Parallel()
	base := subjects(t)["github"]
	rapid.Check(t, func(r *rapid.T) {
		s := base
		s.Plan.Workspace.Name = display.Clean(rapid.String().Draw(r, "workspace"))
		s.Plan.Deployment.Name = display.Clean(rapid.String().Draw(r, "deployment"))
		s.Astro = astro.Manual(s.Plan, astro.Web(""))
		page := s.Files()[0].Content
		if got, want := len(blocks.FindAll(page, -1)), len(blocks.FindAll(base.Files()[0].Content, -1)); got != want {
			r.Fatalf("%d commands, want %d", got, want)
		}
		if n := bytes.Count(page, []byte("\n")); n != bytes.Count(base.Files()[0].Content, []byte("\n")) {
			r.Fatalf("%d lines", n)
		}
	})
}

// The text has every file, whole.
func TestTextHoldsTheFiles(t *testing.T) {
	t.Parallel()
	s := subjects(t)["vault"]
	s.Setups.Content = []byte("a: |\n  ```\n  b\n  ```\n")
	text := s.Text()
	for _, f := range s.Files()[1:] {
		if !bytes.Contains(text, bytes.TrimRight(f.Content, "\n")) || !bytes.Contains(text, []byte("### `"+f.Path+"`")) {
			t.Errorf("%s is not there", f.Path)
		}
	}
	if !bytes.Contains(text, []byte("````\na: |")) {
		t.Error("a fence inside a file ends it")
	}
}
