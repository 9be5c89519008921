package tui

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// world is a made-up session that counts what is done to it.
type world struct {
	mu         sync.Mutex
	done       []string // keys of actions that ran, "undo:" before those taken back
	failing    map[string]error
	gate       func(key string) // called inside every action
	findErr    error
	loadErr    map[string]error // by step id
	reviewErr  error
	handErr    error
	workspaces int // how many there are
	page       int // how many of them are read at once; 0: all
	pageErr    error
	pages      int // read so far
	given      map[string]string
	walk       *flow.Walk
}

func newWorld() *world {
	return &world{failing: map[string]error{}, loadErr: map[string]error{}, workspaces: 3, given: map[string]string{}}
}

func clean(format string, args ...any) display.Text {
	return display.Clean(fmt.Sprintf(format, args...))
}

func pickFrom(cs flow.Choices) func(context.Context, setup.Plan) (flow.Choices, error) {
	return func(context.Context, setup.Plan) (flow.Choices, error) { return cs, nil }
}

func (w *world) steps() []flow.Step {
	set := func(f func(*setup.Plan, string)) func(*setup.Plan, flow.Choice) error {
		return func(p *setup.Plan, c flow.Choice) error { f(p, c.Value); return nil }
	}
	return []flow.Step{
		{
			ID: "organization", Name: "Organization", Title: "Which Organization?", Flag: "organization", Help: "Everything else is looked up inside it.",
			Load:  pickFrom(flow.Choices{Items: []flow.Choice{{Value: "org1", Label: clean("Acme")}}}),
			Apply: set(func(p *setup.Plan, v string) { p.Organization = setup.Ref{ID: v, Name: clean("Acme")} }),
		},
		{
			ID: "job", Name: "Job", Title: "What will the pipeline do?", Flag: "job", Env: "ASTRO_CI_JOB",
			Help: "The job decides which rights the token needs. It gets those and no others.",
			Load: pickFrom(flow.Choices{Default: "deploy", Items: []flow.Choice{
				{Value: "deploy", Label: clean("Deploy code"), Note: clean("image and DAGs of one Deployment")},
				{Value: "dags", Label: clean("Deploy DAGs only"), Note: clean("no image is built")},
				{Value: "deployments", Label: clean("Manage Deployments as code"), Note: clean("create, update and delete them")},
				{Value: "users", Label: clean("Manage users"), Note: clean("invite people, change roles")},
			}}),
			Apply: set(func(p *setup.Plan, v string) { p.Job = setup.Job(v) }),
		},
		{
			ID: "credential", Name: "Credential", Title: "Which credential?", Needs: []string{"job"}, Explicit: true,
			Help: "A token that reaches less can lose less. Choose the smallest one that does the job.",
			Load: pickFrom(flow.Choices{
				Default: "deployment-token", Note: clean("It reaches this one Deployment and nothing else."),
				Items: []flow.Choice{
					{Value: "deployment-token", Label: clean("Deployment API token"), Note: clean("It reaches this one Deployment and nothing else."), Recommended: true},
					{Value: "workspace-token", Label: clean("Workspace API token"), Note: clean("It reaches every Deployment of the Workspace; choose it when one pipeline serves several.")},
					{Value: "organization-token", Label: clean("Organization API token"), Note: clean("It reaches everything.")},
				},
			}),
			Apply: set(func(p *setup.Plan, v string) { p.Credential.Kind = setup.Kind(v) }),
		},
		{
			ID: "workspace", Name: "Workspace", Title: "Which Workspace?", Needs: []string{"organization", "credential"}, Explicit: true,
			Help: "Each Workspace gets a token of its own, so that a leak in one does not open the others.",
			When: func(setup.Plan) bool { return true },
			Load: func(context.Context, setup.Plan) (flow.Choices, error) {
				if err := w.loadErr["workspace"]; err != nil {
					return flow.Choices{}, err
				}
				var cs flow.Choices
				names := []string{"Data Platform", "Growth Analytics", "Sandbox"}
				for i := range w.workspaces {
					name := "Team " + strconv.Itoa(i+1)
					if i < len(names) {
						name = names[i]
					}
					cs.Items = append(cs.Items, flow.Choice{Value: "ws" + strconv.Itoa(i+1), Label: clean("%s", name)})
				}
				return w.paged(cs), nil
			},
			Apply: func(p *setup.Plan, c flow.Choice) error {
				p.Workspace = setup.Ref{ID: c.Value, Name: c.Label}
				return nil
			},
		},
		{
			ID: "deployment", Name: "Deployment", Title: "Which Deployment?", Needs: []string{"workspace", "job"},
			Help: "The pipeline deploys to this one, by its id.",
			Load: pickFrom(flow.Choices{Items: []flow.Choice{
				{Value: "dep1", Label: clean("etl-prod")},
				{Value: "dep2", Label: clean("etl-staging"), Note: clean("DAG-only deploys are off")},
			}}),
			Apply: func(p *setup.Plan, c flow.Choice) error {
				if p.Job == setup.DeployDAGs && c.Value == "dep2" {
					return hint.New("the Deployment etl-staging does not take DAG-only deploys", "Turn DAG deploys on, or choose another one.", "")
				}
				p.Deployment = setup.Ref{ID: c.Value, Name: c.Label}
				return nil
			},
		},
		{
			ID: "role", Name: "Role", Title: "Which role does the token get?", Needs: []string{"credential"}, Explicit: true, Flag: "role", Env: "ASTRO_CI_ROLE",
			Help: "The role is all that the token may do inside its scope. Choose the smallest one that does the job.",
			Load: pickFrom(flow.Choices{
				Default: "DEPLOYMENT_DEPLOYER", Note: clean("It can deploy and nothing else, which is all that this job needs."),
				Items: []flow.Choice{
					{Value: "DEPLOYMENT_ADMIN", Label: clean("DEPLOYMENT_ADMIN"), Note: clean("Manage the Deployment, its environment variables, its connections and its tokens")},
					{Value: "DEPLOYMENT_DEPLOYER", Label: clean("DEPLOYMENT_DEPLOYER"), Note: clean("custom role. Deploy images and DAGs"), Recommended: true},
				},
			}),
			Apply: set(func(p *setup.Plan, v string) { p.Credential.Role = v }),
		},
		{
			ID: "expires-in", Name: "Expiry", Title: "How many days may the token live?", Kind: flow.Input,
			Help: "Shorter is safer. The pipeline warns 14 days before the end, and a new token takes one command.",
			Load: pickFrom(flow.Choices{Default: "90"}),
			Lives: func(s string) (time.Duration, bool) {
				n, err := strconv.Atoi(s)
				return time.Duration(n) * 24 * time.Hour, err == nil
			},
			Check: func(s string) error {
				if n, err := strconv.Atoi(s); err != nil || n < 1 || n > 3650 {
					return errors.New("use 1 to 3650 days; a token without an end is not offered")
				}
				return nil
			},
			Apply: set(func(p *setup.Plan, v string) { p.Credential.ExpiresInDays, _ = strconv.Atoi(v) }),
		},
		{
			ID: "target", Name: "Secret in", Title: "Where is the secret kept?",
			Help: "An environment can ask for a review before a run may use the secret. A repository secret is open to every workflow of the repository.",
			Load: pickFrom(flow.Choices{Default: "acme/etl#production", Items: []flow.Choice{
				{Value: "acme/etl", Label: clean("Repository acme/etl"), Note: clean("every workflow can read it")},
				{Value: "acme/etl#production", Label: clean("Environment production"), Note: clean("2 reviewers"), Recommended: true},
			}}),
			Apply: set(func(p *setup.Plan, v string) {
				p.Targets = []setup.Target{{Store: "github", Address: v, Secret: "ASTRO_API_TOKEN"}}
			}),
		},
		{
			ID: "branch", Name: "Branch", Title: "Which branch starts the pipeline?", Kind: flow.Input, Quiet: true, Flag: "branch",
			Load:  pickFrom(flow.Choices{Default: "main"}),
			Check: setup.CheckBranch,
			Apply: set(func(p *setup.Plan, v string) { p.Pipeline.Branch = v }),
		},
	}
}

// paged cuts choices into pages.
func (w *world) paged(cs flow.Choices) flow.Choices {
	w.pages++
	if w.page == 0 || len(cs.Items) <= w.page {
		return cs
	}
	rest := flow.Choices{Items: cs.Items[w.page:]}
	cs.Items = cs.Items[:w.page:w.page]
	cs.More = func(context.Context) (flow.Choices, error) {
		if err := w.pageErr; err != nil {
			w.pageErr = nil
			return flow.Choices{}, err
		}
		return w.paged(rest), nil
	}
	return cs
}

// session is the session over the world.
func (w *world) session() ui.Session {
	return ui.Session{
		Title: "Set up a pipeline", Sandbox: true,
		Find: func(context.Context) ([]ui.Fact, error) {
			w.walk = flow.NewWalk(setup.Plan{}, w.steps(), w.given)
			return []ui.Fact{
				{Name: "Astro", Value: clean("ada@acme.example, from astro login")},
				{Name: "GitHub", Value: clean("gh, github.com")},
				{Name: "Repository", Value: clean("acme/etl")},
			}, w.findErr
		},
		Walk:   func() *flow.Walk { return w.walk },
		Review: func(_ context.Context, p setup.Plan) (ui.Review, error) { return w.review(p), w.reviewErr },
		HandOver: func(_ context.Context, p setup.Plan) ([]string, error) {
			w.log("hand over " + p.Workspace.ID)
			dir := "astro-ci-" + p.Workspace.ID + "/"
			return []string{dir + "README.md", dir + "astro-ci.yaml", dir + ".github/workflows/astro-etl-prod.yml"}, w.handErr
		},
	}
}

func (w *world) log(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.done = append(w.done, key)
}

func (w *world) ran() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]string(nil), w.done...)
}

func (w *world) review(p setup.Plan) ui.Review {
	const file = ".github/workflows/astro-etl-prod.yml"
	res := &engine.Result{Plan: p, Files: []engine.FileResult{{Path: file}}}
	action := func(key, say, undo, detail string, read bool, do func()) engine.Action {
		a := engine.Action{Key: key, Say: say, Read: read, UndoSays: undo, Do: func(context.Context) (string, error) {
			if w.gate != nil {
				w.gate(key)
			}
			w.log(key)
			if err := w.failing[key]; err != nil {
				return "", err
			}
			if do != nil {
				do()
			}
			return detail, nil
		}}
		if undo != "" {
			a.Undo = func(context.Context) (string, error) {
				w.log("undo:" + key)
				return "", w.failing["undo:"+key]
			}
		}
		return a
	}
	target := p.Target()
	actions := []engine.Action{
		action("check:astro", fmt.Sprintf("Check that you may create a %s with role %s", p.Credential.Kind, p.Credential.Role), "", "", true, nil),
		action("token:create", fmt.Sprintf("Create a %s for %s: role %s, %d days", p.Credential.Kind, p.Entity(), p.Credential.Role, p.Credential.ExpiresInDays),
			"Take the new token back", "clx0000000000000000000001, expires 2027-02-21", false, func() {
				res.Token = astro.Token{ID: "clx0000000000000000000001", EndAt: time.Date(2027, 2, 21, 0, 0, 0, 0, time.UTC)}
			}),
		action("token:prove", "Ask Astro with the new token itself", "", "role and scope are as planned", true, nil),
		action("secret:put", "Write the secret "+target.String(), "Remove the secret "+target.String(), "created, proof: metadata", false, func() {
			res.Targets = []engine.TargetResult{{Target: target, State: engine.Done, Proof: providers.Metadata}}
		}),
		action("pipeline:write", "Write "+file, "Put "+file+" back as it was", "new file, 6 lines", false, func() { res.Files[0].Changed = true }),
	}
	return ui.Review{
		Actions: actions, Run: engine.NewRun(actions), Result: res,
		Warnings: []display.Text{clean("The repository is public: anyone can read the workflow, and nobody can read the secret.")},
		Changes:  []pipeline.Change{{Path: file, After: []byte("name: astro\non:\n  push:\n    branches: [main]\npermissions: {}\n# a long line that does not fit a narrow window: " + fmt.Sprint(p.Credential.Role, " ", p.Pipeline.Branch) + "\n")}},
		Next: func() []ui.NextStep {
			return []ui.NextStep{
				{Say: "Commit the workflow file", Command: "git add " + file + " && git commit -m 'Deploy to Astro from GitHub Actions'"},
				{Say: "Push it, or open a pull request into main", Command: "git push"},
				{Say: "Then watch the first run", Link: "https://github.com/acme/etl/actions"},
			}
		},
	}
}

// desk drives a model without a terminal: its commands run one after the other, in the order they
// were given, and time stands still unless it is moved.
type desk struct {
	t     testing.TB
	m     *model
	w     *world
	clock time.Time
	queue []tea.Cmd
	quit  bool
}

func sit(t testing.TB, w *world) *desk {
	return seat(t, w, forSetUp(t.Context(), w.session(), Options{}))
}

// seat sits before any model.
func seat(t testing.TB, w *world, m *model) *desk {
	d := &desk{t: t, w: w, m: m, clock: noon}
	d.m.now = func() time.Time { return d.clock }
	d.m.tick = func() tea.Cmd { return nil }
	d.m.second = d.m.tick
	d.m.signals = func() tea.Msg { return nil }
	d.m.ended = func() tea.Msg { return nil }
	d.size(120, 40)
	d.queue = append(d.queue, d.m.Init())
	d.settle()
	return d
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// begin sits down and passes the start screen.
func begin(t testing.TB, w *world) *desk {
	d := sit(t, w)
	d.press("enter")
	return d
}

// send delivers a message and queues what it asks for.
func (d *desk) send(msg tea.Msg) {
	_, cmd := d.m.Update(msg)
	d.queue = append(d.queue, cmd)
	_ = d.m.draw() // a view that panics fails every test
}

// step runs the oldest command.
func (d *desk) step() bool {
	for len(d.queue) > 0 {
		cmd := d.queue[0]
		d.queue = d.queue[1:]
		if cmd == nil {
			continue
		}
		switch msg := cmd().(type) {
		case nil:
		case tea.QuitMsg:
			d.quit = true
		case tea.BatchMsg:
			d.queue = append(d.queue, msg...)
		default:
			d.send(msg)
		}
		return true
	}
	return false
}

func (d *desk) settle() {
	for d.step() {
	}
}

// press types keys as a calm person does: each after the grace period, on a finished screen.
func (d *desk) press(names ...string) {
	d.t.Helper()
	for _, name := range names {
		d.clock = d.clock.Add(time.Second)
		d.send(stroke(name))
		d.settle()
	}
}

// write types text.
func (d *desk) write(text string) {
	for _, r := range text {
		d.send(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
	d.settle()
}

// stroke is a key by the name that Bubble Tea gives it.
func stroke(name string) tea.KeyPressMsg {
	named := map[string]tea.KeyPressMsg{
		"enter": {Code: tea.KeyEnter}, "esc": {Code: tea.KeyEscape}, "tab": {Code: tea.KeyTab}, "shift+tab": {Code: tea.KeyTab, Mod: tea.ModShift},
		"up": {Code: tea.KeyUp}, "down": {Code: tea.KeyDown}, "left": {Code: tea.KeyLeft}, "right": {Code: tea.KeyRight},
		"home": {Code: tea.KeyHome}, "end": {Code: tea.KeyEnd}, "pgup": {Code: tea.KeyPgUp}, "pgdown": {Code: tea.KeyPgDown},
		"backspace": {Code: tea.KeyBackspace}, "f1": {Code: tea.KeyF1}, "space": {Code: tea.KeySpace, Text: " "},
		"ctrl+c": {Code: 'c', Mod: tea.ModCtrl}, "ctrl+b": {Code: 'b', Mod: tea.ModCtrl}, "ctrl+u": {Code: 'u', Mod: tea.ModCtrl},
	}
	if k, ok := named[name]; ok {
		return k
	}
	r := []rune(name)
	return tea.KeyPressMsg{Code: r[0], Text: name}
}

// text is what can be seen.
func (d *desk) text() string { return ansi.Strip(d.m.draw()) }

func (d *desk) size(w, h int) { d.send(tea.WindowSizeMsg{Width: w, Height: h}) }

// at is the id of the question on the screen, or "".
func (d *desk) at() string {
	if q, ok := d.m.screen.(*question); ok {
		return q.step.ID
	}
	return ""
}

// toReview answers everything with what is proposed.
func (d *desk) toReview() {
	d.t.Helper()
	for range 20 {
		switch d.m.screen.(type) {
		case *review, *failure: // of the review
			return
		}
		d.press("enter")
	}
	d.t.Fatalf("the review did not come:\n%s", d.text())
}
