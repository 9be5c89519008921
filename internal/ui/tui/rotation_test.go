package tui

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui"
)

// Times on the screen are those of the person's zone; in tests, of one zone everywhere.
var _ = func() bool { time.Local = time.UTC; return true }()

// turning is a made-up rotation that counts what is done to it.
type turning struct {
	*world
	setups         []ui.Setup
	findErr        error
	planErr        error
	leaked, begun  bool
	first          bool
	giveUp, forgot []string
	used           time.Time
	halts          []ui.Halt // why each Go ends; the last one again and again
	went           int       // how often it went on
}

func newTurning(n int) *turning {
	x := &turning{world: newWorld(), used: noon.Add(-26 * time.Hour)}
	for i := range n {
		days := time.Duration(3+i*7) * 24 * time.Hour
		s := ui.Setup{
			Name: fmt.Sprintf("etl-%03d", i), Workspace: clean("Data Platform"), Credential: clean("Deployment API token"),
			Made: noon.Add(days - 90*24*time.Hour), Ends: noon.Add(days), Used: noon.Add(-time.Duration(i*i) * time.Hour),
			Targets: []string{fmt.Sprintf("github:acme/etl-%03d/ASTRO_API_TOKEN", i), "vault:secret/astro/etl/ASTRO_API_TOKEN"},
			Says:    clean("due on %s", noon.Add(days-30*24*time.Hour).Format(time.DateOnly)),
		}
		switch {
		case i == 0:
			s.Health, s.Says = ui.Busy, clean("waiting until 2026-11-23 18:00")
		case i < 4:
			s.Health, s.Says = ui.Due, clean("due since %s", noon.Add(days-30*24*time.Hour).Format(time.DateOnly))
		}
		x.setups = append(x.setups, s)
	}
	if n > 1 {
		x.setups[1].Name = "a-setup-with-a-name-that-is-longer-than-most-columns-can-show"
	}
	x.halts = []ui.Halt{draining(), finished()}
	return x
}

func draining() ui.Halt {
	return ui.Halt{
		Says: "Waiting for runs that may still use the old token", Since: noon, Until: noon.Add(6 * time.Hour),
		Why:    "Every target has held the new token since 2026-11-23 12:00. A run that began before may have read the old one, so both work until then. Nothing stops working.",
		Resume: "astro-ci resume etl-000", Status: "astro-ci status",
	}
}

func inUse() ui.Halt {
	h := draining()
	h.InUse, h.Says = true, "The old token is still being used"
	h.Why = "It was used after every target had the new one, at 2026-11-23 12:00. Something may hold a copy: a long run, another pipeline, a person. It is kept until it has not been used for 6h."
	return h
}

func stuck() ui.Halt {
	return ui.Halt{
		Err:   hint.Wrap(errors.New("403"), "vault: write secret/astro/etl", "Ask for the policy that may write there.", "https://developer.hashicorp.com/vault"),
		Stuck: []string{"vault:secret/astro/etl/ASTRO_API_TOKEN"}, Resume: "astro-ci resume etl-000", Status: "astro-ci status",
	}
}

func finished() ui.Halt {
	return ui.Halt{Facts: []ui.Fact{
		{Name: "Setup", Value: clean("etl-000")},
		{Name: "Token", Value: clean("clx0000000000000000000002, the only one of this setup")},
		{Name: "Secret", Value: clean("github:acme/etl-000/ASTRO_API_TOKEN")},
		{Value: clean("written; the store's own record confirms the time")},
		{Name: "Deleted", Value: clean("clx0000000000000000000001")},
	}}
}

func (x *turning) rotation() ui.Rotation {
	return ui.Rotation{
		Title: "Replace a token", Sandbox: true, None: "Nothing is unfinished.",
		Find: func(context.Context) ([]ui.Setup, error) { return x.setups, x.findErr },
		Plan: func(_ context.Context, name string) (*ui.Replacement, error) { return x.plan(name), x.planErr },
	}
}

func act(say string, s engine.State, detail string) engine.Event {
	ev := engine.Event{Action: engine.Action{Key: say, Say: say, Read: strings.HasPrefix(say, "Look")}, State: s, Detail: detail}
	if s == engine.Done || s == engine.Failed {
		ev.Took = 300 * time.Millisecond
	}
	return ev
}

// The acts of the made-up rotation.
const (
	making  = "Create a Deployment API token for etl-prod: role DEPLOYMENT_ADMIN, 90 days"
	writing = "Write the secret github:acme/etl-000/ASTRO_API_TOKEN"
	looking = "Look whether github:acme/etl-000/ASTRO_API_TOKEN still holds it"
	pausing = "Wait until no run can still use the old token"
	killing = "Delete the token clx0000000000000000000001"
)

func (x *turning) plan(name string) *ui.Replacement {
	p := &ui.Replacement{Setup: ui.Setup{Name: name, Made: noon.Add(-60 * 24 * time.Hour), Ends: noon.Add(30 * 24 * time.Hour), Health: ui.Due}, Begun: x.begun, First: x.first, Leaked: x.leaked, GiveUp: x.giveUp}
	for _, f := range [][2]string{
		{"Why", "two thirds of its life are over; it ends on 2026-12-23"},
		{"Old token", "clx0000000000000000000001, last used 2026-11-22 10:00"},
		{"New token", "Deployment API token for etl-prod, role DEPLOYMENT_ADMIN, 90 days"},
		{"Target", "github:acme/etl-000/ASTRO_API_TOKEN"},
		{"", "last written 2026-09-24 12:00; its record of the write can be seen, not the value"},
		{"Waiting", "6h, as long as a run may go on with the token that it has read; --drain changes it"},
		{"Left alone", "clx0000000000000000000009 has the mark of this setup and is not in its journal"},
	} {
		p.Facts = append(p.Facts, ui.Fact{Name: f[0], Value: clean("%s", f[1])})
	}
	for _, say := range []string{making, writing, looking, pausing, killing} {
		p.Course = append(p.Course, act(say, engine.Planned, ""))
	}
	var halt ui.Halt
	p.Go = func(ctx context.Context) iter.Seq[engine.Event] {
		return func(yield func(engine.Event) bool) {
			halt = x.halts[min(x.went, len(x.halts)-1)]
			x.went++
			for _, ev := range x.acts(halt) {
				if x.gate != nil {
					x.gate(ev.Action.Key)
				}
				x.log(ev.Action.Key)
				started := ev
				started.State, started.Took, started.Detail = engine.Started, 0, ""
				if !yield(started) || ev.State != engine.Started && !yield(ev) {
					return
				}
				if ctx.Err() != nil {
					halt = ui.Halt{Err: engine.ErrCancelled, Resume: "astro-ci resume " + name}
					return
				}
			}
		}
	}
	p.Halt = func() ui.Halt { return halt }
	p.Used = func(context.Context) (time.Time, error) { return x.used, nil }
	p.Forget = func(_ context.Context, target string) error {
		x.forgot = append(x.forgot, target)
		return nil
	}
	return p
}

func (x *turning) acts(h ui.Halt) []engine.Event {
	look := act(looking, engine.Done, "it does")
	first := []engine.Event{act(making, engine.Done, "clx0000000000000000000002, expires 2027-02-21"), act(writing, engine.Done, "written; the store's own record confirms the time"), look}
	switch {
	case h.Err != nil:
		return []engine.Event{first[0], act("Write the secret "+x.halts[0].Stuck[0], engine.Failed, "")}
	case h.Waits() && x.went == 1:
		return append(first, act(pausing, engine.Started, ""))
	case h.Waits():
		return []engine.Event{look, act(pausing, engine.Started, "")}
	}
	return []engine.Event{look, act(pausing, engine.Done, ""), act(killing, engine.Done, "")}
}

func (x *turning) sit(t testing.TB) *desk {
	return seat(t, x.world, forRotation(t.Context(), x.rotation(), Options{}))
}

// later lets time go by and the countdown see it.
func (d *desk) later(by time.Duration) {
	d.clock = d.clock.Add(by)
	d.send(tagged{d.m.gen, tickMsg{}})
	d.settle()
}

// turns are the screens of a rotation, each in the state that people see first.
func turns(t *testing.T, show func(d *desk, name string)) {
	x := newTurning(12)
	d := x.sit(t)
	d.press("down")
	show(d, "setups")
	d.press("/")
	d.write("etl-01")
	show(d, "setups-filter")
	d.press("enter")
	show(d, "replace")
	x.gate = func(key string) {
		if key == looking && x.went == 1 {
			show(d, "rotating")
		}
	}
	d.press("y", "enter")
	d.later(47 * time.Minute)
	show(d, "draining")
	x.halts[1] = inUse()
	x.used = noon
	d.press("r")
	d.later(time.Minute)
	show(d, "in-use")
	x.halts = append(x.halts, finished())
	d.later(6 * time.Hour)
	show(d, "receipt")

	x = newTurning(1)
	x.leaked = true
	d = x.sit(t)
	d.write("etl-0")
	show(d, "leaked")

	x = newTurning(1)
	x.halts[0] = stuck()
	d = x.sit(t)
	d.press("y", "enter")
	show(d, "halted")
	d.press("down", "enter")
	d.write("etl")
	show(d, "forget")

	x = newTurning(0)
	show(x.sit(t), "setups-none")
}

func TestRotation(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	d := x.sit(t)
	d.wants("Replace the token of etl-000", "1 Create a Deployment API token", "5 "+killing, "Left alone", "› No")
	d.press("enter")
	d.wants("Nothing was done")
	if len(x.ran()) > 0 {
		t.Fatalf("ran %v without a confirm", x.ran())
	}
	d.press("right", "enter")
	d.wants("✓ "+making, "● "+pausing, "○ "+killing, "Waiting for runs", "5 h 59 min", "until 18:00:00", "last used 26 hours ago", "astro-ci resume etl-000")
	d.later(time.Hour)
	if x.went != 1 {
		t.Error("it went on before the time was over")
	}
	d.wants("4 h 59 min")
	d.later(5 * time.Hour)
	d.wants("✓ Every target holds the new token", "clx0000000000000000000002", "Deleted")
	d.press("enter")
	if !d.quit || !d.m.out.Confirmed || d.m.out.Err != nil || x.went != 2 {
		t.Errorf("quit %v, outcome %+v, went %d", d.quit, d.m.out, x.went)
	}
}

// A token that is still used is named as such, and looking again shows what is new.
func TestStillInUse(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	x.halts = []ui.Halt{draining(), inUse(), finished()}
	d := x.sit(t)
	d.press("y", "enter", "r")
	d.wants("! The old token is still being used", "after every target had the new one")
	x.used = d.clock
	d.later(2 * time.Minute)
	d.wants("last used 2 minutes ago")
	d.later(6 * time.Hour)
	d.wants("✓ Every target holds the new token")
}

func TestLeakedTakesTheName(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	x.leaked = true
	d := x.sit(t)
	d.wants("Replace the leaked token of etl-000", "fail until they have the new one")
	d.write("etl-00")
	d.press("enter")
	d.wants("Nothing was done")
	if len(x.ran()) > 0 {
		t.Fatalf("ran %v without the name", x.ran())
	}
	d.write("0")
	d.press("enter")
	d.wants("✓ " + making)
}

// q in the middle of an act lets it end, begins no other, and leaves.
func TestLeavingARotation(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	d := x.sit(t)
	x.gate = func(key string) {
		if key == writing {
			d.send(stroke("q"))
			d.wants("Leaving as soon as")
		}
	}
	d.press("y", "enter")
	if ran := x.ran(); !d.quit || len(ran) != 2 || ran[1] != writing {
		t.Errorf("quit %v, ran %v", d.quit, ran)
	}
	x = newTurning(1)
	d = x.sit(t)
	d.press("y", "enter", "ctrl+c")
	if !d.quit || x.went != 1 {
		t.Errorf("waiting: quit %v, went %d", d.quit, x.went)
	}
}

// What was begun goes on without another confirm; a target is given up by the setup's name alone.
func TestGoingOn(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	x.begun, x.giveUp = true, []string{"vault:secret/astro/etl/ASTRO_API_TOKEN"}
	d := x.sit(t)
	d.wants("Give up vault:secret/astro/etl/ASTRO_API_TOKEN", "will stop working")
	d.press("enter")
	d.wants("Nothing was done")
	if len(x.forgot)+len(x.ran()) > 0 {
		t.Fatal("it was given up without the name")
	}
	d.write("etl-000")
	d.press("enter")
	d.wants("Waiting for runs")
	if len(x.forgot) != 1 {
		t.Errorf("given up: %v", x.forgot)
	}
}

func TestARotationThatFails(t *testing.T) {
	t.Parallel()
	x := newTurning(3)
	x.halts = []ui.Halt{stuck(), stuck(), finished()}
	d := x.sit(t)
	d.press("enter", "y", "enter")
	d.wants("✗ Failed: vault: write secret/astro/etl", "Ask for the policy", "Where it stands", "✓ "+making, "› Try again", "Other setups")
	if d.m.out.Err == nil {
		t.Error("the outcome holds no failure")
	}
	d.press("enter", "down", "enter")
	d.wants("Give up vault:secret/astro/etl/ASTRO_API_TOKEN")
	d.press("esc")
	d.wants("› Try again")
	d.press("down", "enter")
	d.write("etl-000")
	d.press("enter")
	d.wants("✓ Every target holds the new token")
	if len(x.forgot) != 1 || d.m.out.Err != nil {
		t.Errorf("given up %v, error %v", x.forgot, d.m.out.Err)
	}
	d.press("enter")
	d.wants("Which setup?")
}

// A set-up whose only target was given up is taken back, and nothing says that a token is left.
func TestASetUpThatIsTakenBack(t *testing.T) {
	t.Parallel()
	x := newTurning(1)
	x.first, x.begun = true, true
	x.halts = []ui.Halt{stuck(), {TakenBack: true, Facts: []ui.Fact{{Name: "Setup", Value: clean("etl-000")}}}}
	d := x.sit(t)
	d.press("down", "enter")
	d.wants("The set-up then", "with no target left, it is taken back.")
	d.write("etl-000")
	d.press("enter")
	d.wants("✓ The set-up of etl-000 is taken back; nothing of it is left")
	if said := d.text(); strings.Contains(said, "Every target") || strings.Contains(said, "Commit and push") {
		t.Errorf("it is said to be done:\n%s", said)
	}
}

func TestRotationErrors(t *testing.T) {
	t.Parallel()
	x := newTurning(2)
	x.findErr = hint.New("no log-in", "Log in first.", "")
	d := x.sit(t)
	d.wants("✗ No log-in", "Log in first.")
	x.findErr, x.planErr = nil, hint.New("somebody else works on it", "Wait.", "")
	d.press("r", "enter")
	d.wants("✗ Somebody else works on it")
	d.press("esc")
	d.wants("Which setup?")
	x.planErr = nil
	d.press("enter")
	d.wants("Begin now?")
	d.press("esc")
	d.wants("Which setup?")
	d.press("q")
	if !d.quit || d.m.out.Confirmed || d.m.out.Err != nil {
		t.Errorf("quit %v, outcome %+v", d.quit, d.m.out)
	}
}

// The filter narrows, the cursor keeps to its row, and esc shows all again.
func TestFilterOfSetups(t *testing.T) {
	t.Parallel()
	d := newTurning(30).sit(t)
	d.press("/")
	d.send(tea.PasteMsg{Content: "ETL-02"})
	d.wants("10 of 30", "etl-020")
	d.press("down")
	d.press("esc")
	d.wants("› ✓ etl-021", "22 of 30")
	d.press("end")
	d.wants("30 of 30")
	d.press("/")
	d.write("nothing like it")
	d.wants("Nothing fits.")
	d.press("enter")
	d.wants("Nothing fits.")
}
