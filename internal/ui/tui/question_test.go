package tui

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
)

func (d *desk) wants(texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		if !strings.Contains(d.text(), text) {
			d.t.Errorf("the screen does not show %q:\n%s", text, d.text())
		}
	}
}

func (d *desk) wantAt(id string) {
	d.t.Helper()
	if d.at() != id {
		d.t.Fatalf("at %q, want %q:\n%s", d.at(), id, d.text())
	}
}

func TestWalk(t *testing.T) {
	t.Parallel()
	d := sit(t, newWorld())
	d.wants("Nothing is created before you confirm.", "ada@acme.example", "[sandbox]")
	d.press("enter")
	d.wantAt("job") // the Organization is the only one
	d.wants("Acme", "What will the pipeline do?")
	d.press("enter", "enter")
	d.wantAt("workspace")
	d.press("down", "enter")
	if got := d.w.walk.Plan().Workspace.ID; got != "ws2" {
		t.Errorf("workspace %q, want ws2", got)
	}
	d.press("enter")
	d.wantAt("role")
	d.press("enter")
	if got := d.w.walk.Plan().Credential.Role; got != "DEPLOYMENT_DEPLOYER" {
		t.Errorf("the list did not start on the recommended role: %q", got)
	}
	d.wantAt("expires-in")
	d.press("backspace", "backspace")
	d.write("30")
	d.press("enter")
	if got := d.w.walk.Plan().Credential.ExpiresInDays; got != 30 {
		t.Errorf("%d days, want 30", got)
	}
	d.press("enter")
	if _, ok := d.m.screen.(*review); !ok {
		t.Fatalf("not on the review:\n%s", d.text())
	}
	if got := d.w.walk.Plan().Pipeline.Branch; got != "main" {
		t.Errorf("the quiet branch is %q", got)
	}
	if len(d.w.ran()) > 0 {
		t.Errorf("actions ran before the confirm: %v", d.w.ran())
	}
}

// Four Enters in a moment are one answer, whatever messages lie between them.
func TestBounce(t *testing.T) {
	t.Parallel()
	for _, between := range []time.Duration{0, 5 * time.Millisecond, 150 * time.Millisecond} {
		for _, pumped := range []bool{false, true} {
			d := begin(t, newWorld())
			d.wantAt("job")
			d.clock = d.clock.Add(time.Second)
			for range 4 {
				d.send(stroke("enter"))
				d.clock = d.clock.Add(between)
				if pumped {
					d.settle()
				}
			}
			d.settle()
			d.wantAt("credential")
		}
	}
}

// A message of a screen that is gone changes nothing.
func TestStaleMessagesAreDropped(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	old := d.m.gen
	d.clock = d.clock.Add(time.Second)
	d.send(stroke("enter"))
	late := slices.Clone(d.queue) // huh's own messages, kept back
	d.settle()
	d.wantAt("credential")
	d.queue = append(d.queue, late...)
	d.settle()
	d.send(tagged{old, preparedMsg{err: errors.New("too late")}})
	d.send(tagged{old, eventMsg{}})
	d.settle()
	d.wantAt("credential")
}

func TestBack(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"esc", "shift+tab", "ctrl+b"} {
		d := begin(t, newWorld())
		d.press(name)
		d.wants("Give a pipeline its own token for Astro")
		d.press("enter")
		d.wantAt("job")
		d.press("down", "enter", "enter")
		d.wantAt("workspace")
		d.press(name)
		d.wantAt("credential")
		d.press(name)
		d.wantAt("job")
		if got := d.m.screen.(*question).field.hovered(); got.Value != "dags" {
			t.Errorf("%s: the list starts on %q, not on the last answer", name, got.Value)
		}
	}
}

func TestBackOutOfAnInvalidInput(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("enter", "enter", "enter", "enter", "enter")
	d.wantAt("expires-in")
	d.press("backspace", "backspace", "enter")
	d.wantAt("expires-in")
	d.wants("✗ Use 1 to 3650 days")
	d.press("esc")
	d.wantAt("role")
	d.press("enter")
	d.wantAt("expires-in")
	d.wants("› 90")
}

func TestTypedAnswersAreTrimmed(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("enter", "enter", "enter", "enter", "enter", "backspace", "backspace")
	d.send(tea.PasteMsg{Content: "\t60 \n"})
	d.press("enter")
	if got := d.w.walk.Plan().Credential.ExpiresInDays; got != 60 {
		t.Errorf("%d days, want 60", got)
	}
}

func TestQuestionMarkIsTextInAnInput(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("?")
	d.wants("ASTRO_CI_JOB", "The same without a terminal")
	d.press("esc")
	d.press("enter", "enter", "enter", "enter", "enter", "?")
	d.wants("› 90?")
	d.press("f1")
	d.wants("close help")
}

func TestRefusedAnswerStays(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("down", "enter", "enter", "enter", "down", "enter")
	d.wantAt("deployment")
	d.wants("does not take DAG-only deploys", "choose another one")
	d.press("up", "enter")
	d.wantAt("role")
}

func TestGivenAnswers(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.given = map[string]string{"job": "deploy", "role": "OWNER"}
	d := begin(t, w)
	d.wantAt("credential")
	d.press("enter", "enter", "enter")
	d.wantAt("role")
	d.wants(`--role "OWNER" is not among the choices`, "Choose one of: DEPLOYMENT_ADMIN, DEPLOYMENT_DEPLOYER.")
	d.size(140, 40)
	d.wants("Deploy code · given")
}

// Several causes do not run together: each has its own line, also where the name stands above them.
func TestCausesStandOnALineEach(t *testing.T) {
	t.Parallel()
	err := hint.Wrap(errors.Join(errors.New("none found"), errors.New("no configuration here")), "look for a log-in to Astro", "Log in.", "")
	for w, want := range map[int]string{
		80: "\nCause       none found\n            no configuration here",
		40: "\nCause\nnone found\nno configuration here",
	} {
		if got := ansi.Strip(strings.Join(newTheme(true, false).cause(err, w), "\n")); got != want {
			t.Errorf("%d columns:\n%s\nwant:\n%s", w, got, want)
		}
	}
}

func TestLoadErrorRetryAndBack(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.loadErr["workspace"] = hint.Wrap(errors.New("503"), "list Workspaces", "Try again in a minute.", "https://status.astronomer.io")
	d := begin(t, w)
	d.press("enter", "enter")
	d.wants("✗ Failed: list Workspaces", "Try again in a minute.", "https://status.astronomer.io", "503")
	d.press("r")
	d.wants("list Workspaces")
	d.press("b")
	d.wantAt("credential")
	d.press("enter")
	w.loadErr["workspace"] = nil
	d.press("r")
	d.wantAt("workspace")
}

func TestStartErrorRetryAndLeave(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.findErr = hint.New("no log-in to Astro was found", "Run astro login.", "")
	d := sit(t, w)
	d.wants("No log-in to Astro was found", "Run astro login.")
	d.press("b", "esc")
	if d.quit {
		t.Fatal("back left the program")
	}
	w.findErr = nil
	d.press("r")
	d.wants("Found")
	w.findErr = errors.New("gone")
	d = sit(t, w)
	d.press("q")
	if !d.quit || d.m.out.Confirmed {
		t.Errorf("quit %v, confirmed %v", d.quit, d.m.out.Confirmed)
	}
}

func TestLoadingShowsAndCancels(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	d.press("enter")
	d.clock = d.clock.Add(time.Second)
	d.send(stroke("enter"))
	for d.at() == "credential" {
		d.step()
	}
	if strings.Contains(d.text(), "Looking up") {
		t.Error("the spinner shows at once")
	}
	if strings.Contains(d.text(), "Which Workspace?") {
		t.Error("a question shows before it can be answered")
	}
	d.send(tagged{d.m.gen, tickMsg{}})
	d.wants("Looking up Workspace")
	d.send(stroke("enter")) // nothing to choose yet
	d.send(stroke("esc"))
	d.settle()
	d.wantAt("credential")
}

func TestFilter(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces = 40
	d := begin(t, w)
	d.press("enter", "enter")
	d.wants("40 choices")
	d.press("/")
	d.write("TEAM 3")
	d.wants("10 of 40", "› Team 30")
	d.write("x")
	d.wants("Nothing fits.", "0 of 40")
	d.press("enter", "backspace")
	d.wants("10 of 40")
	d.press("shift+tab") // not a way back while filtering
	d.wantAt("workspace")
	d.press("down", "enter")
	if got := w.walk.Plan().Workspace.Name.String(); got != "Team 31" {
		t.Errorf("chose %q, want Team 31", got)
	}
	d.press("esc")
	d.wantAt("workspace")
	d.wants("› Team 31")
	d.press("/")
	d.write("growth")
	d.press("esc")
	d.wants("40 choices")
	d.wantAt("workspace")
	d.press("esc")
	d.wantAt("credential")
}

func TestTheEndOfTheListSurvivesAResize(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces = 40
	d := begin(t, w)
	d.press("enter", "enter", "end")
	d.size(70, 18)
	d.wants("› Team 40")
	d.press("enter")
	if got := w.walk.Plan().Workspace.Name.String(); got != "Team 40" {
		t.Errorf("chose %q", got)
	}
}

func TestManyChoicesKeepTheLastAnswerInTheList(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces = 3000
	d := begin(t, w)
	d.press("enter", "enter", "/")
	d.write("Team 2999")
	d.press("enter", "esc")
	d.wants("3000 choices", "› Team 2999")
}

func TestThemeFollowsTheTerminal(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	dark := d.m.draw()
	d.send(tea.BackgroundColorMsg{Color: white{}})
	if d.m.draw() == dark {
		t.Error("a light terminal looks like a dark one")
	}
	if !strings.Contains(d.m.screen.(*question).field.list.View(), "91;52;218") { // the accent for light terminals
		t.Errorf("the field kept the colours of a dark terminal: %q", d.m.screen.(*question).field.list.View())
	}
}

type white struct{}

func (white) RGBA() (r, g, b, a uint32) { return 0xffff, 0xffff, 0xffff, 0xffff }

func TestOutlineLeavesOutWhatMayNotCome(t *testing.T) {
	t.Parallel()
	d := begin(t, newWorld())
	if strings.Contains(d.text(), "Workspace") || strings.Contains(d.text(), "Branch") {
		t.Errorf("the list of steps tells what nobody knows yet:\n%s", d.text())
	}
	d.size(40, 20)
	d.wants("Question 1")
	d.press("enter", "enter")
	d.wants("Question 3")
	if got := flow.Asked.String(); got != "" {
		t.Errorf("an asked answer says %q", got)
	}
}

// A filter that is left chooses nothing.
func TestALeftFilterChoosesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.workspaces = 40
	d := begin(t, w)
	d.press("enter", "enter")
	d.wantAt("workspace")
	before := d.m.screen.(*question).field.value()
	d.press("/", "3", "7", "esc")
	if got := d.m.screen.(*question).field.value(); d.at() != "workspace" || got != before {
		t.Errorf("%s was chosen, and before %s", got, before)
	}
}
