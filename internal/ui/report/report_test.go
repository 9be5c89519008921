package report_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	forbidden = hint.Wrap(errors.New("status 403"), "write secret ASTRO_API_TOKEN of acme/etl", "Ask an owner of acme/etl for admin rights.", "https://docs.github.com/")
	long      = hint.Wrap(fmt.Errorf("github: %w", hint.Wrap(errors.New("PUT /repos/acme/etl/actions/secrets/ASTRO_API_TOKEN: 403 Forbidden: Resource not accessible by personal access token\nrequest 1"),
		"read the key of acme/etl", "Give the token the right to write secrets.", "https://docs.github.com/")), "write secret ASTRO_API_TOKEN", "not this one", "")
	faults = hint.Wrap(setup.Setup{Name: "A b", Platform: "github"}.Validate(), "check the plan", "Correct the answers named above.", "")
)

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

// missing is one of each: with choices, without, too many of them, wrong, and without a variable.
func missing() *flow.MissingError {
	var many []flow.Choice
	for i := range 12 {
		many = append(many, flow.Choice{Value: fmt.Sprintf("id%d", i+1), Label: text("Team %d", i+1)})
	}
	return &flow.MissingError{Items: []flow.Missing{
		{
			Step:    flow.Step{ID: "credential", Name: "Credential", Flag: "credential", Env: "ASTRO_CI_CREDENTIAL", Title: "Which credential?"},
			Choices: flow.Choices{Items: []flow.Choice{{Value: "workspace-token", Label: text("Workspace API token")}, {Value: "other", Label: text("other")}}},
		},
		{Step: flow.Step{ID: "workspace", Name: "Workspace", Flag: "workspace", Env: "ASTRO_CI_WORKSPACE"}, Choices: flow.Choices{Items: many}},
		{Step: flow.Step{ID: "role", Name: "Role", Flag: "role", Env: "ASTRO_CI_ROLE", Title: "What may the token do?"}},
		{
			Step:    flow.Step{ID: "expires-in", Name: "Expiry", Flag: "expires-in", Env: "ASTRO_CI_EXPIRES_IN"},
			Problem: hint.Wrap(errors.New("use a number of days, like 90 or 90d"), `--expires-in "never"`, "Give another value.", ""),
		},
		{Step: flow.Step{ID: "yes", Name: "Confirmation", Flag: "yes", Title: "Do it?"}},
	}}
}

func wrong() *flow.MissingError {
	return &flow.MissingError{Items: []flow.Missing{missing().Items[3]}}
}

// run is a review whose actions were performed up to the one that fails; "" fails none, "all" runs
// none.
func run(t *testing.T, fail string) ui.Review {
	t.Helper()
	at := setup.Target{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}
	p := setup.Plan{Setup: setup.Setup{
		Name: "etl", Workspace: setup.Ref{ID: "ws1", Name: text("Data Platform")}, Targets: []setup.Target{at},
		Credential: setup.Credential{Kind: setup.WorkspaceToken, Role: "WORKSPACE_AUTHOR", ExpiresInDays: 90},
	}}
	res := &engine.Result{Plan: p, Files: []engine.FileResult{{Path: ".github/workflows/etl.yml"}}, Targets: []engine.TargetResult{{Target: at, State: engine.Planned}}}
	do := func(key string, then func()) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			if key == fail {
				return "", forbidden
			}
			then()
			return "", nil
		}
	}
	undo := func(context.Context) (string, error) { return "", nil }
	actions := []engine.Action{
		{Key: "check:astro", Say: "Check that you may create it", Do: do("check:astro", func() {})},
		{Key: "token:create", Say: "Create a Workspace API token", UndoSays: "Take the new token back", Undo: undo, Do: do("token:create", func() {
			res.Token = astro.Token{ID: "tok1", ShortToken: text("abc…xyz"), Scope: "WORKSPACE", EndAt: time.Date(2027, 2, 21, 8, 0, 0, 0, time.UTC)}
		})},
		{Key: "secret:" + at.String(), Say: "Write the secret " + at.String(), UndoSays: "Remove the secret " + at.String(), Undo: undo, Do: do("secret", func() {
			res.Targets[0].State, res.Targets[0].Proof, res.Targets[0].Version = engine.Done, providers.Metadata, "2026-11-23T22:00:00Z"
		})},
		{Key: "pipeline:write", Say: "Write .github/workflows/etl.yml", Undo: undo, Do: do("file", func() { res.Files[0].Changed = true })},
	}
	r := ui.Review{
		Actions: actions, Run: engine.NewRun(actions), Result: res,
		Warnings: []display.Text{text("The secret is there already and will be replaced.")},
		Changes:  []pipeline.Change{{Path: ".github/workflows/etl.yml", After: []byte("on: push\n")}},
	}
	if fail != "all" {
		_ = engine.Tell(r.Run.Go(t.Context()), nil)
	}
	return r
}

var next = []ui.NextStep{{Say: "Commit the workflow file", Command: "git add .github"}, {Say: "Watch the first run", Link: "https://github.com/acme/etl/actions"}}

func TestText(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(io.Writer){
		"error":       func(w io.Writer) { report.Error(w, forbidden) },
		"error-plain": func(w io.Writer) { report.Error(w, errors.New("no network")) },
		"error-long":  func(w io.Writer) { report.Error(w, long) },
		"error-usage": func(w io.Writer) {
			report.Error(w, fmt.Errorf("%w\nsee astro-ci setup --help", errors.New("unknown flag: --nope")))
		},
		"error-faults": func(w io.Writer) { report.Error(w, faults) },
		"error-joined": func(w io.Writer) {
			report.Error(w, part{errors.Join(forbidden, errors.Join(long, errors.New("no network")))})
		},
		"error-hostile":  func(w io.Writer) { report.Error(w, fmt.Errorf("read \x1b[2J\u202e\tx: %w", errors.New("\x07\u009b"))) },
		"cancelled":      func(w io.Writer) { report.Error(w, fmt.Errorf("%w before: Create a token", engine.ErrCancelled)) },
		"missing":        func(w io.Writer) { report.Error(w, fmt.Errorf("set up: %w", missing())) },
		"missing-wrong":  func(w io.Writer) { report.Error(w, wrong()) },
		"preview":        func(w io.Writer) { report.Preview(w, run(t, "all")) },
		"result":         func(w io.Writer) { report.Result(w, run(t, "").Result, next) },
		"result-only":    func(w io.Writer) { r := run(t, "").Result; r.Files[0].Changed = false; report.Result(w, r, nil) },
		"failure":        func(w io.Writer) { report.Failure(w, run(t, "secret"), forbidden) },
		"failure-token":  func(w io.Writer) { report.Failure(w, run(t, "token:create"), forbidden) },
		"failure-file":   func(w io.Writer) { report.Failure(w, run(t, "file"), forbidden) },
		"failure-before": func(w io.Writer) { report.Failure(w, run(t, "check:astro"), forbidden) },
		"failure-undone": func(w io.Writer) {
			r := run(t, "secret")
			_ = engine.Tell(r.Run.Undo(t.Context()), nil)
			r.Result.TokenRevoked = true
			report.Failure(w, r, forbidden)
		},
		"progress": func(w io.Writer) {
			for _, ev := range events {
				report.Progress(w, ev)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			show(&out)
			got := out.String()
			if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
				t.Errorf("control characters in %q", got)
			}
			golden(t, name, got)
		})
	}
}

// part is a wrapper that adds no words, as the command line uses for its exit codes.
type part struct{ error }

func (p part) Unwrap() error { return p.error }

var events = []engine.Event{
	{Action: engine.Action{Key: "token:create", Say: "Create a token"}, State: engine.Started},
	{Action: engine.Action{Key: "token:create", Say: "Create a token"}, State: engine.Done, Detail: "tok1\x1b[2J", Took: 440 * time.Millisecond},
	{Action: engine.Action{Key: "secret", Say: "Write the secret"}, State: engine.Failed, Err: forbidden, Took: 20 * time.Millisecond},
	{Action: engine.Action{Key: "token:create", Say: "Create a token", UndoSays: "Take the token back"}, State: engine.Undone, Undo: true, Took: time.Second},
}

// Whatever its kind, a token that nothing holds is deleted with our own command, which is known in the sandbox too.
func TestDeleteCommand(t *testing.T) {
	t.Parallel()
	for _, kind := range []setup.Kind{setup.DeploymentToken, setup.WorkspaceToken, setup.OrganizationToken} {
		r := run(t, "secret")
		r.Result.Plan.Credential.Kind = kind
		var out strings.Builder
		report.Failure(&out, r, forbidden)
		if want := "  astro-ci token revoke tok1\n"; !strings.HasSuffix(out.String(), want) {
			t.Errorf("%s: %q is not at the end of\n%s", kind, want, out.String())
		}
	}
}

func TestProofIsNotOverstated(t *testing.T) {
	t.Parallel()
	said := map[string]bool{}
	for _, p := range []providers.Proof{"", providers.Written, providers.Metadata, providers.ReadBack, providers.Run} {
		said[report.InWords(p)] = true
	}
	if len(said) != 5 || report.InWords("anything else") != report.InWords("") {
		t.Errorf("rungs share their words: %v", said)
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.MkdirAll("testdata", 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil || got != string(want) {
		t.Errorf("%s differs, %v; look at it after: go test -update\n%s", file, err, got)
	}
}
