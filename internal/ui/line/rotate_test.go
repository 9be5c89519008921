package line_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// turning is a rotation made of fakes: it waits once, or fails until a target is given up.
type turning struct {
	setups int
	leaked bool
	begun  bool
	stuck  bool
	first  bool // a set-up, which is taken back in the end
	giveUp []string
	did    []string
}

func (x *turning) rotation() ui.Rotation {
	return ui.Rotation{
		Title: "Replace a token", Sandbox: true, None: "Nothing is unfinished.",
		Find: func(context.Context) (out []ui.Setup, err error) {
			for i := range x.setups {
				out = append(out, ui.Setup{Name: []string{"etl-prod", "etl-dev"}[i], Says: text("due since 2026-11-03")})
			}
			return out, nil
		},
		Plan: func(_ context.Context, name string) (*ui.Replacement, error) { return x.plan(name), nil },
	}
}

const place = "vault:secret/astro/etl/ASTRO_API_TOKEN"

func (x *turning) plan(name string) *ui.Replacement {
	event := func(say string, s engine.State) engine.Event {
		return engine.Event{Action: engine.Action{Key: say, Say: say}, State: s}
	}
	halts := []ui.Halt{
		{Says: "Waiting for runs that may still use the old token", Why: "Nothing stops working.", Since: time.Now(), Until: time.Now().Add(6 * time.Hour), Resume: "astro-ci resume " + name, Status: "astro-ci status"},
		{Facts: []ui.Fact{{Name: "Token", Value: text("clx2")}, {Value: text("the only one")}}},
	}
	if x.stuck {
		halts[0] = ui.Halt{Err: hint.New("vault: write "+place, "Ask for the policy.", ""), Stuck: []string{place}}
	}
	if x.first {
		halts[1] = ui.Halt{TakenBack: true, Facts: []ui.Fact{{Name: "Setup", Value: text("etl-prod")}}}
	}
	p := &ui.Replacement{
		Setup: ui.Setup{Name: name}, First: x.first, Begun: x.begun, Leaked: x.leaked, GiveUp: x.giveUp,
		Facts:  []ui.Fact{{Name: "Why", Value: text("it is due")}, {Name: "Target", Value: text(place)}, {Value: text("there")}},
		Course: []engine.Event{event("Create a token", engine.Planned), event("Delete the token clx1", engine.Planned)},
	}
	now := -1
	p.Go = func(context.Context) iter.Seq[engine.Event] {
		return func(yield func(engine.Event) bool) {
			now++
			say := []string{"Create a token", "Delete the token clx1"}[now]
			x.did = append(x.did, say)
			_ = yield(event(say, engine.Started)) && yield(event(say, engine.Done))
		}
	}
	p.Halt = func() ui.Halt { return halts[now] }
	p.Forget = func(_ context.Context, target string) error {
		x.did = append(x.did, "forget "+target)
		return nil
	}
	return p
}

func (x *turning) run(t *testing.T, script ...string) (*terminal, ui.Outcome, error) {
	term := newTerminal(script...)
	out, err := line.Rotate(t.Context(), x.rotation(), line.Options{In: term, Out: term})
	term.close()
	if !out.Confirmed && len(x.did) > 0 {
		t.Errorf("%v happened without a yes", x.did)
	}
	return term, out, err
}

// A rotation is picked, refused, confirmed, waited for, and brought to its end.
func TestRotation(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := &turning{setups: 2}
		term, out, err := x.run(t, "7", "2", "b", "etl-prod", "", "?", "yes", "x", "w", "1", "q")
		if err != nil || !out.Confirmed || !slices.Equal(x.did, []string{"Create a token", "Delete the token clx1"}) {
			t.Errorf("outcome %+v, %v, did %v", out, err, x.did)
		}
		golden(t, "rotation", term.transcript.String())
	})
}

// A leaked token takes the name of the setup; what was begun takes nothing more.
func TestLeakedAndBegun(t *testing.T) {
	t.Parallel()
	x := &turning{setups: 1, leaked: true}
	if _, out, err := x.run(t, "yes", "q"); err != nil || out.Confirmed {
		t.Errorf("yes is not enough: %+v, %v", out, err)
	}
	if _, out, err := x.run(t, "etl-prod", "q"); err != nil || !out.Confirmed || len(x.did) != 1 {
		t.Errorf("outcome %+v, %v, did %v", out, err, x.did)
	}
	x = &turning{setups: 1, begun: true, giveUp: []string{place}}
	if _, out, err := x.run(t, "no", "etl-prod", "q"); err != nil || !out.Confirmed || !slices.Equal(x.did, []string{"forget " + place, "Create a token"}) {
		t.Errorf("outcome %+v, %v, did %v", out, err, x.did)
	}
	if _, out, err := (&turning{}).run(t); err != nil || out.Confirmed {
		t.Errorf("nothing to do: %+v, %v", out, err)
	}
}

// After a failure one tries again or gives a target up.
func TestStuck(t *testing.T) {
	t.Parallel()
	x := &turning{setups: 1, stuck: true}
	term, out, err := x.run(t, "yes", "5", "1", "etl-prod")
	if err != nil || !out.Confirmed || !slices.Equal(x.did, []string{"Create a token", "forget " + place, "Delete the token clx1"}) {
		t.Errorf("outcome %+v, %v, did %v", out, err, x.did)
	}
	golden(t, "stuck", term.transcript.String())
	x = &turning{setups: 1, stuck: true, begun: true, first: true}
	if term, _, err = x.run(t, "1", "etl-prod"); err != nil {
		t.Error(err)
	}
	said := term.transcript.String()
	for _, want := range []string{"The set-up then goes on without it; with no target left, it is taken back.", "The set-up of etl-prod is taken back; nothing of it is left."} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing:\n%s", want, said)
		}
	}
	if strings.Contains(said, "Every target") || strings.Contains(said, "Commit and push") {
		t.Errorf("it is said to be done:\n%s", said)
	}
	x = &turning{setups: 1, stuck: true}
	if _, _, err := x.run(t, "yes"); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("the input ended: %v", err)
	}
}
