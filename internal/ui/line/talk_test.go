package line_test

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

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

var update = flag.Bool("update", false, "write the golden files anew")

// terminal plays a person: whenever a prompt appears it types the next line of the script. What was
// printed and what was typed stand together in the transcript.
type terminal struct {
	script     []string
	typed      chan string
	over       bool
	rest       string
	transcript strings.Builder
	printed    strings.Builder
	end        func()       // what happens when the script is over; nil: the input ends
	see        func(string) // is told what was just printed; may be nil
}

func newTerminal(script ...string) *terminal {
	return &terminal{script: script, typed: make(chan string, len(script)+1)}
}

func (t *terminal) Write(p []byte) (int, error) {
	t.printed.Write(p)
	t.transcript.Write(p)
	if t.see != nil {
		t.see(string(p))
	}
	if strings.HasSuffix("\n"+t.transcript.String(), "\n> ") {
		switch {
		case len(t.script) > 0:
			t.transcript.WriteString(t.script[0] + "\n")
			t.typed <- t.script[0] + "\n"
			t.script = t.script[1:]
		case t.end != nil:
			t.end()
		default:
			t.close()
		}
	}
	return len(p), nil
}

func (t *terminal) close() {
	if !t.over {
		t.over = true
		close(t.typed)
	}
}

func (t *terminal) Read(p []byte) (int, error) {
	if t.rest == "" {
		text, ok := <-t.typed
		if !ok {
			return 0, io.EOF
		}
		t.rest = text
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// run leads through the session with this script. It checks what holds for every run: the output
// has no control characters, and nothing happens without a yes.
func (t *terminal) run(ctx context.Context, tb testing.TB, w *world) (ui.Outcome, error) {
	tb.Helper()
	out, err := line.Run(ctx, w.session(), line.Options{In: t, Out: t})
	t.close()
	t.plain(tb)
	if !out.Confirmed && len(w.did) > 0 {
		tb.Errorf("%v happened without a yes", w.did)
	}
	return out, err
}

// plain checks that nothing was printed but text.
func (t *terminal) plain(tb testing.TB) {
	tb.Helper()
	for i, r := range t.printed.String() {
		if r < 0x20 && r != '\n' || r >= 0x7f && r < 0xa0 || r == '\u202e' {
			tb.Errorf("character %U at %d of the output", r, i)
			break
		}
	}
}

// world is a session made of fakes.
type world struct {
	given      map[string]string
	find       func() error
	loadRole   func() error
	check      func() error     // the review
	fail       map[string]error // by key of an action, "undo " before it for the way back
	passes     bool             // a failure does not happen twice
	workspaces int
	wait       time.Duration // how long an action takes
	did        []string
	refuse     string // job that cannot be applied
}

func text(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

func choice(value, label, note string) flow.Choice {
	return flow.Choice{Value: value, Label: text("%s", label), Note: text("%s", note)}
}

func (w *world) steps() []flow.Step {
	static := func(cs flow.Choices) func(context.Context, setup.Plan) (flow.Choices, error) {
		return func(context.Context, setup.Plan) (flow.Choices, error) { return cs, nil }
	}
	many := flow.Choices{}
	for i := range w.workspaces {
		many.Items = append(many.Items, choice(fmt.Sprintf("id-%d", i+1), fmt.Sprintf("Team %d", i+1), ""))
	}
	many.Items = append(many.Items, choice("id-prod", "Production", "CI/CD is enforced"))
	return []flow.Step{
		{
			ID: "organization", Name: "Organization", Flag: "organization", Title: "Which Organization?", Explicit: true,
			Load:  static(flow.Choices{Items: []flow.Choice{choice("org", "Acme", "")}}),
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Organization.Name = c.Label; return nil },
		},
		{
			ID: "job", Name: "Job", Flag: "job", Title: "What will the pipeline do?", Help: "The job decides which rights the token needs.",
			Load: static(flow.Choices{Default: "deploy", Items: []flow.Choice{choice("deploy", "Deploy code", "image and DAGs"), choice("users", "Manage users", "")}}),
			Apply: func(p *setup.Plan, c flow.Choice) error {
				if c.Value == w.refuse {
					return hint.New("this job cannot be done here", "Choose another one.", "")
				}
				p.Job = setup.Job(c.Value)
				return nil
			},
		},
		{
			ID: "workspace", Name: "Workspace", Flag: "workspace", Title: "Which Workspace?", Help: "Each Workspace gets a token of its own.", Explicit: true,
			Load:  static(many),
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Workspace.Name = c.Label; return nil },
		},
		{
			ID: "role", Name: "Role", Flag: "role", Title: "What may the token do?", Explicit: true, Needs: []string{"workspace"},
			Load: func(context.Context, setup.Plan) (flow.Choices, error) {
				if w.loadRole != nil {
					if err := w.loadRole(); err != nil {
						return flow.Choices{}, err
					}
				}
				author := choice("WORKSPACE_AUTHOR", "WORKSPACE_AUTHOR", "can deploy")
				author.Recommended = true
				return flow.Choices{Default: author.Value, Note: text("It is the smallest role that can deploy."), Items: []flow.Choice{choice("WORKSPACE_OWNER", "WORKSPACE_OWNER", "can do everything"), author}}, nil
			},
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Credential.Role = c.Value; return nil },
		},
		{
			ID: "branch", Name: "Branch", Flag: "branch", Kind: flow.Input, Title: "Which branch starts the pipeline?", Help: "A push to it runs the pipeline.",
			Load: static(flow.Choices{Default: "main"}), Check: setup.CheckBranch,
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Pipeline.Branch = c.Value; return nil },
		},
		{
			ID: "name", Name: "Setup name", Flag: "name", Kind: flow.Input, Quiet: true, Title: "What is this setup called?",
			Load:  static(flow.Choices{Default: "etl"}),
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Name = c.Value; return nil },
		},
	}
}

func (w *world) session() ui.Session {
	var walk *flow.Walk
	return ui.Session{
		Title: "Set up a pipeline", Sandbox: true,
		Find: func(context.Context) ([]ui.Fact, error) {
			if w.find != nil {
				if err := w.find(); err != nil {
					return nil, err
				}
			}
			walk = flow.NewWalk(setup.Plan{}, w.steps(), w.given)
			return []ui.Fact{{Name: "Astro", Value: text("ada@acme.example")}}, nil
		},
		Walk: func() *flow.Walk { return walk },
		Review: func(_ context.Context, p setup.Plan) (ui.Review, error) {
			if w.check != nil {
				if err := w.check(); err != nil {
					return ui.Review{}, err
				}
			}
			return w.review(p), nil
		},
	}
}

func (w *world) review(p setup.Plan) ui.Review {
	const file = ".github/workflows/astro-etl.yml"
	at := setup.Target{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}
	p.Credential.Kind, p.Workspace.ID = setup.WorkspaceToken, "ws"
	res := &engine.Result{Plan: p, Files: []engine.FileResult{{Path: file}}, Targets: []engine.TargetResult{{Target: at, State: engine.Planned}}}
	do := func(key, detail string, then func()) func(context.Context) (string, error) {
		return func(context.Context) (string, error) {
			if w.wait > 0 {
				<-time.After(w.wait)
			}
			if err := w.fail[key]; err != nil {
				if w.passes {
					delete(w.fail, key)
				}
				return "", err
			}
			w.did = append(w.did, key)
			then()
			return detail, nil
		}
	}
	actions := []engine.Action{
		{Key: "check", Say: "Check that github:acme/etl/ASTRO_API_TOKEN can be written", Read: true, Do: func(context.Context) (string, error) { return "", nil }},
		{
			Key: "token", Say: "Create a Workspace API token for " + p.Workspace.String(), UndoSays: "Take the new token back",
			Do: do("token", "tok1, expires 2027-02-21", func() {
				res.Token.ID, res.TokenRevoked, res.Token.EndAt = "tok1", false, time.Date(2027, 2, 21, 0, 0, 0, 0, time.UTC)
			}),
			Undo: do("undo token", "tok1", func() { res.TokenRevoked = true }),
		},
		{
			Key: "secret", Say: "Write the secret github:acme/etl/ASTRO_API_TOKEN", UndoSays: "Remove the secret github:acme/etl/ASTRO_API_TOKEN",
			Do:   do("secret", "created", func() { res.Targets[0].State, res.Targets[0].Proof = engine.Done, providers.Metadata }),
			Undo: do("undo secret", "", func() { res.Targets[0].State = engine.Undone }),
		},
		{
			Key: "file", Say: "Write " + file, UndoSays: "Put " + file + " back as it was",
			Do:   do("file", "new file, 2 lines", func() { res.Files[0].Changed = true }),
			Undo: do("undo file", "", func() { res.Files[0].Changed = false }),
		},
	}
	return ui.Review{
		Actions: actions, Run: engine.NewRun(actions), Result: res,
		Warnings: []display.Text{text("The secret is there already and will be replaced.")},
		Changes:  []pipeline.Change{{Path: file, After: []byte("on: push\njobs:\n\trun: \x1b[2J\n")}},
		Next: func() []ui.NextStep {
			return []ui.NextStep{{Say: "Commit the workflow file", Command: "git add " + file}, {Say: "Watch the first run", Link: "https://github.com/acme/etl/actions"}}
		},
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

var errBoom = hint.Wrap(errors.New("status 403"), "write secret ASTRO_API_TOKEN of acme/etl", "Ask an owner of acme/etl for admin rights.", "https://docs.github.com/")
