package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/astro-ci/astro-ci/internal/filelock"
	"github.com/astro-ci/astro-ci/internal/sandbox"
)

// causesOfFiles are those that lie in files: astro-ci.yaml, the repository, the state.
func causesOfFiles() []cause {
	yaml := func(text string) func(p *place) {
		return func(p *place) {
			p.write(".git/HEAD", "ref: refs/heads/main\n")
			p.write(".git/config", "[remote \"origin\"]\n\turl = https://github.com/acme/etl.git\n")
			p.write("astro-ci.yaml", text)
		}
	}
	state := func(p *place) string { return filepath.Join(p.home, ".local", "state", "astro-ci") }
	return []cause{
		of("astro-ci.yaml is torn", yaml("version: 1\nsetups:\n  etl: {creden"), "apply", "--sandbox", "--dry-run"),
		of("astro-ci.yaml says what it cannot", yaml("version: 2\nsetups:\n  etl:\n    colour: red\n    expires-in: soon\n  \"e t l\":\n    role: {}\nmore: 1\n"), "apply", "--sandbox", "--dry-run"),
		of("astro-ci.yaml has a setup twice", yaml("version: 1\nsetups:\n  etl:\n    role: A\n  etl:\n    role: B\n"), "apply", "--sandbox", "--dry-run"),
		of("astro-ci.yaml has no setup", yaml("version: 1\n"), "apply", "--sandbox", "--dry-run"),
		of("astro-ci.yaml does not name the setup", yaml("version: 1\nsetups:\n  etl:\n    credential: workspace-token\n"), "apply", "--sandbox", "--dry-run", "nope"),
		of("astro-ci.yaml is not there", nil, "apply", "--sandbox", "--dry-run"),
		of("a file of setups that is not there", nil, "apply", "--sandbox", "-f", "nope.yaml", "--dry-run"),
		of("git's own files are damaged", func(p *place) {
			p.write(".git/HEAD", "ref: refs/heads/main\n")
			p.write(".git/config", "[remote \"origin\n\turl\n")
		}, "setup", "--sandbox", "--no-input"),
		of("the state folder is a file", func(p *place) { p.write("state", "") }, with("--state-dir", "state")...),
		of("the sandbox's state is torn", func(p *place) {
			at := filepath.Join(state(p), "sandbox", "state.json")
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				p.t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(`{"astro":`), 0o600); err != nil {
				p.t.Fatal(err)
			}
		}, card[:len(card)-1]...),
		{"the sandbox is in use", func(t *testing.T) string {
			p := newPlace(t)
			hold(t, filepath.Join(state(p), "sandbox", "lock"))
			return p.fails(with()...)
		}},
		{"the sandbox that is reset is in use", func(t *testing.T) string {
			p := newPlace(t)
			hold(t, filepath.Join(state(p), "sandbox", "lock"))
			return p.fails("sandbox", "reset")
		}},
		{"a pipeline file of somebody else", func(t *testing.T) string {
			p, _ := onlineAround(t, nil)
			p.write(".github/workflows/own.yml", "on: push\njobs: {}\n")
			return p.fails(real("--pipeline-file", ".github/workflows/own.yml")...)
		}},
		of("the branch has its pipeline already", func(p *place) {
			p.write(".git/HEAD", "ref: refs/heads/main\n")
			p.write(".git/config", "[remote \"origin\"]\n\turl = git@bitbucket.org:acme/etl.git\n")
			p.write("bitbucket-pipelines.yml", "pipelines:\n  branches:\n    main:\n      - step: {script: [make]}\n")
		}, with("--platform", "bitbucket")...),
		{"the pipeline was edited by hand", func(t *testing.T) string {
			p, _ := onlineAround(t, nil)
			file := p.setUp(real()...)
			p.write(file, strings.Replace(p.read(file), "runs-on: ubuntu", "runs-on: our-ubuntu", 1))
			return p.fails(real()...)
		}},
		{"a link that leads out of the repository", func(t *testing.T) string {
			p, _ := onlineAround(t, nil)
			if err := os.Symlink(t.TempDir(), p.path(".github")); err != nil {
				t.Fatal(err)
			}
			return p.fails(real()...)
		}},
	}
}

// hold takes the lock of a file until the test is over.
func hold(t *testing.T, at string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := filelock.Take(at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Release() })
}

// setUp makes a setup and returns its pipeline file.
func (p *place) setUp(args ...string) string {
	p.t.Helper()
	out, stderr, code := p.run(args...)
	if code != 0 {
		p.t.Fatalf("exit %d: %s", code, stderr)
	}
	return decode(p.t, out).Pipeline.File
}

// causesOfSetups are those of what comes after the set-up, and of its journal.
func causesOfSetups() []cause {
	journals := func(p *place, name string) string {
		return filepath.Join(p.home, ".local", "state", "astro-ci", "journals", name)
	}
	// after is a cause of a computer that has made a setup.
	after := func(name string, prepare func(p *place, s *sandbox.Sandbox), args ...string) cause {
		return cause{name, func(t *testing.T) string {
			p, s := onlineAround(t, nil)
			p.setUp(append(slices.Clone(byFlags), "--json")...)
			if prepare != nil {
				prepare(p, s)
			}
			return p.fails(args...)
		}}
	}
	full := func(n int) func(p *place, _ *sandbox.Sandbox) {
		return func(p *place, _ *sandbox.Sandbox) {
			p.set("ASTRO_CI_TEST_DISK", fmt.Sprintf("write %d %d", syscall.ENOSPC, n))
		}
	}
	rotate := []string{"rotate", "etl-prod", "--yes", "--no-input"}
	return []cause{
		on("nothing to rotate", func(*place, *sandbox.Sandbox) {}, "rotate", "--yes", "--no-input"),
		on("rotate what is not there", func(*place, *sandbox.Sandbox) {}, "rotate", "nope", "--yes", "--no-input"),
		on("remove what is not there", func(*place, *sandbox.Sandbox) {}, "remove", "nope", "--yes"),
		on("verify what is not there", func(*place, *sandbox.Sandbox) {}, "verify", "nope"),
		on("targets of what is not there", func(*place, *sandbox.Sandbox) {}, "targets", "nope"),
		on("the disk is full when a setup begins", full(1), byFlags...),
		after("the disk is full in the middle of a rotation", full(2), rotate...),
		after("the journal is damaged", func(p *place, _ *sandbox.Sandbox) {
			at := journals(p, "etl-prod.journal")
			raw, err := os.ReadFile(at)
			if err != nil {
				p.t.Fatal(err)
			}
			raw[40] ^= 1
			if err := os.WriteFile(at, raw, 0o600); err != nil {
				p.t.Fatal(err)
			}
		}, rotate...),
		after("somebody else works on the setup", func(p *place, _ *sandbox.Sandbox) { hold(p.t, journals(p, "etl-prod.lock")) }, rotate...),
		after("the setup was begun and is not finished", func(p *place, s *sandbox.Sandbox) {
			full(2)(p, s)
			if _, _, code := p.run(rotate...); code == 0 {
				p.t.Fatal("the disk was not full")
			}
			p.unset("ASTRO_CI_TEST_DISK")
		}, "remove", "etl-prod", "--yes"),
		after("the secret cannot be written any more", func(_ *place, s *sandbox.Sandbox) { s.GitHub().Change("acme", "etl", "pull", false, "") }, rotate...),
		after("a rotation without a confirmation", nil, "rotate", "etl-prod", "--no-input"),
		after("a leaked token without a confirmation", nil, "rotate", "etl-prod", "--leaked", "--no-input"),
		after("remove without a confirmation", nil, "remove", "etl-prod", "--no-input"),
		after("apply without a confirmation", func(p *place, _ *sandbox.Sandbox) {
			p.write("astro-ci.yaml", strings.Replace(p.read("astro-ci.yaml"), "etl-prod:", "etl-prod-2:", 1))
		}, "apply", "--no-input"),
		after("a target that the setup does not have", nil, "targets", "remove", "etl-prod", "github:acme/nope/X", "--yes"),
		after("the target that the pipeline reads", nil, "targets", "remove", "etl-prod", "github:acme/etl/ASTRO_API_TOKEN", "--yes"),
		after("a target that is there already", nil, "targets", "add", "etl-prod", "github:acme/etl", "--yes"),
		after("a target without an address", nil, "targets", "add", "etl-prod", "nope", "--yes"),
		after("the workflow is not on the default branch", nil, "run", "--yes"),
	}
}
