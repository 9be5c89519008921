package line_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
)

// house is an overview made of fakes, over rotations of the same kind.
type house struct {
	*turning
	all     []ui.Setup
	without []setup.Ref
	fails   map[string]int // how often something cannot be loaded: "find", "verify", "rotation", "plan"
	bare    bool           // nothing but rotations can be done
	begun   []string       // what follows the overview, in words
}

// newHouse has one setup of each kind first, then fine ones.
func newHouse(setups, workspaces int) *house {
	x := &house{turning: &turning{setups: 1}, fails: map[string]int{}}
	day, now := 24*time.Hour, time.Now()
	for i := range setups {
		s := ui.Setup{
			Name: fmt.Sprintf("etl-%d", i+1), Workspace: text("Data Platform"), Credential: text("Deployment API token"),
			Made: now.Add(-30 * day), Ends: now.Add(60 * day), Used: now.Add(-2 * time.Hour), Says: text("due on 2000-01-31"),
			Targets: []string{"github:acme/etl/ASTRO_API_TOKEN", place},
		}
		switch i {
		case 0:
			s.Health, s.Says, s.Made, s.Ends, s.Used = ui.Bad, text("its token is gone"), time.Time{}, time.Time{}, time.Time{}
		case 1:
			s.Health, s.Says, s.Ends, s.Used = ui.Due, text("due since 1999-12-31"), now.Add(20*time.Hour), time.Time{}
		case 2:
			s.Health, s.Says = ui.Busy, text("begun and not finished; it goes on")
		}
		x.all = append(x.all, s)
	}
	for i := range workspaces {
		x.without = append(x.without, setup.Ref{ID: fmt.Sprintf("ws%d", i+1), Name: text("Team %d", i+1)})
	}
	return x
}

func (x *house) failing(what string) error {
	if x.fails[what]--; x.fails[what] < 0 {
		return nil
	}
	return hint.New("no answer to "+what, "Look at the network.", "")
}

func (x *house) home() ui.Home {
	h := ui.Home{
		Title: "Overview", Sandbox: true,
		Find: func(context.Context) (ui.Overview, error) {
			return ui.Overview{Setups: x.all, Without: x.without}, x.failing("find")
		},
		Rotation: func(name string) ui.Rotation {
			r := x.rotation()
			r.Find = func(context.Context) ([]ui.Setup, error) { return []ui.Setup{{Name: name}}, x.failing("rotation") }
			r.Plan = func(context.Context, string) (*ui.Replacement, error) { return x.plan(name), x.failing("plan") }
			return r
		},
	}
	if x.bare {
		return h
	}
	begin := func(what string) func(context.Context, string) error {
		return func(_ context.Context, name string) error {
			x.begun = append(x.begun, what+" "+name)
			return nil
		}
	}
	h.Verify = func(_ context.Context, name string) (ui.Verified, error) {
		return ui.Verified{Facts: []ui.Fact{{Name: "Token", Value: text("clx1 of %s is on Astro", name)}, {Name: "Target", Value: text(place)}, {Value: text("it holds what was written")}}}, x.failing("verify")
	}
	h.SetUp = func(_ context.Context, all []setup.Ref) error {
		x.begun = append(x.begun, fmt.Sprint("set up ", all))
		return nil
	}
	h.Again, h.Removal = begin("again"), x.removal
	return h
}

// visit shows the overview with this script, and does what follows it.
func (x *house) visit(ctx context.Context, t testing.TB, term *terminal) (ui.Outcome, error) {
	t.Helper()
	next, out, err := line.Home(ctx, x.home(), line.Options{In: term, Out: term})
	term.close()
	term.plain(t)
	if !out.Confirmed && len(x.did) > 0 {
		t.Errorf("%v happened without a yes", x.did)
	}
	if next != nil {
		if err != nil {
			t.Errorf("something follows %v", err)
		}
		err = next(ctx)
	}
	return out, err
}

// says runs a script and wants these words in what is printed.
func (x *house) says(t *testing.T, script []string, words ...string) (ui.Outcome, error) {
	t.Helper()
	term := newTerminal(script...)
	out, err := x.visit(t.Context(), t, term)
	for _, w := range words {
		if !strings.Contains(term.printed.String(), w) {
			t.Errorf("%q is not said in:\n%s", w, term.transcript.String())
		}
	}
	return out, err
}

// round is a long look at the overview: everything that can be mistyped, a rotation that is left and one that is
// brought to its end, a look at Astro, and what follows.
var round = []string{
	"?", "b", "x", "99", "1 2", "1 5", "0", "",
	"1", "?", "9", "b", // a setup is looked at
	"2", "1", "no", "b", // its rotation is not begun
	"etl-2", "1", "YES", "w", "x", "", // it is
	"2", "2", "", // verify
	"3", "4", "?", "no", "b", "3", "4", "etl-3", "x", "", // remove
	"3", "3", // again
}

func TestOverview(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		x := newHouse(4, 3)
		term := newTerminal(round...)
		out, err := x.visit(t.Context(), t, term)
		if err != nil || !out.Confirmed || out.Err != nil || !slices.Equal(x.did, []string{"Create a token", "Delete the token clx1", "Remove the secret", "Delete the token"}) || !slices.Equal(x.begun, []string{"again etl-3"}) {
			t.Errorf("outcome %+v, %v, did %v, began %v", out, err, x.did, x.begun)
		}
		golden(t, "overview", term.transcript.String())
	})
}

// Wherever the input ends, the person leaves or the program has to end, nothing follows.
func TestOverviewEnds(t *testing.T) {
	t.Parallel()
	for n := range round {
		x, term := newHouse(4, 3), newTerminal(round[:n]...)
		synctest.Test(t, func(t *testing.T) {
			if _, err := x.visit(t.Context(), t, term); err == nil || err.Error() != "the input ended before all questions were answered" || hint.Of(err).Next == "" {
				t.Errorf("after %d answers: %v", n, err)
			}
		})
		left, q := newHouse(4, 3), newTerminal(append(slices.Clone(round[:n]), "q")...)
		synctest.Test(t, func(t *testing.T) {
			if out, err := left.visit(t.Context(), t, q); err != nil || out.Err != nil {
				t.Errorf("left after %d answers: %v", n, err)
			}
		})
		gone, ends := newHouse(4, 3), newTerminal(round[:n]...)
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			ends.end = cancel // and the input stays open
			if _, err := gone.visit(ctx, t, ends); !errors.Is(err, context.Canceled) {
				t.Errorf("cancelled after %d answers: %v", n, err)
			}
		})
		if len(x.begun)+len(left.begun)+len(gone.begun) > 0 {
			t.Errorf("after %d answers: began %v %v %v", n, x.begun, left.begun, gone.begun)
		}
	}
}

// Workspaces are picked by number, several at once, or by name.
func TestPickingWorkspaces(t *testing.T) {
	t.Parallel()
	for typed, want := range map[string]string{
		"n": "set up []", "3": "set up [Team 1]", "5 3 5": "set up [Team 1 Team 3]", "4,5": "set up [Team 2 Team 3]", "team 2": "set up [Team 2]", "ws3": "set up [Team 3]",
	} {
		x := newHouse(2, 3)
		if _, err := x.says(t, []string{typed}, "3 Workspaces without a credential:", "5. Team 3", "like 3 4"); err != nil || !slices.Equal(x.begun, []string{want}) {
			t.Errorf("%q: began %v, %v", typed, x.begun, err)
		}
	}
	x := newHouse(2, 3)
	if _, err := x.says(t, []string{"1", "3"}, "3. Again"); err != nil || !slices.Equal(x.begun, []string{"again etl-1"}) {
		t.Errorf("began %v, %v", x.begun, err)
	}
	if _, err := newHouse(0, 1).says(t, []string{"q"}, "There is no setup yet.", "1. Team 1", "Type the number of the Workspace to set it up, n for a new set-up, or q to leave."); err != nil {
		t.Error(err)
	}
}

// What cannot be done is neither offered nor done.
func TestActionsThatAreNotThere(t *testing.T) {
	t.Parallel()
	x := newHouse(2, 2)
	x.bare = true
	term := newTerminal("n", "3", "1", "2", "b", "q")
	if _, err := x.visit(t.Context(), t, term); err != nil || len(x.begun) > 0 {
		t.Errorf("began %v, %v", x.begun, err)
	}
	for _, words := range []string{"Team", "new set-up", "Verify", "Again", "Remove"} {
		if strings.Contains(term.printed.String(), words) {
			t.Errorf("%q is offered:\n%s", words, term.printed.String())
		}
	}
}

// What cannot be loaded is tried again, gone back from, or left; leaving it is no success.
func TestOverviewErrors(t *testing.T) {
	t.Parallel()
	x := newHouse(2, 0)
	x.fails = map[string]int{"find": 2, "verify": 2, "rotation": 2, "plan": 2}
	out, err := x.says(t, []string{
		"x", "b", "r", "r", // there is nothing to go back to
		"2", "2", "r", "b", // verify
		"2", "1", "r", "b", // which setups
		"2", "1", "r", "b", // the plan
		"2", "1", "b", "q",
	}, "no answer to find", "no answer to verify", "no answer to rotation", "no answer to plan", "Replace the token of etl-2")
	if err != nil || out.Err != nil {
		t.Errorf("%+v, %v", out, err)
	}
	for what, script := range map[string][]string{"find": {"q"}, "rotation": {"2", "1", "q"}, "plan": {"2", "1", "q"}} {
		x = newHouse(2, 0)
		x.fails[what] = 1
		if out, err := x.says(t, script); err != nil || out.Err == nil || !strings.Contains(out.Err.Error(), what) {
			t.Errorf("%s: %+v, %v", what, out, err)
		}
	}
	x.fails["find"] = 1
	if _, err := x.says(t, nil); err == nil || err.Error() != "no answer to find" {
		t.Errorf("nobody is there: %v", err)
	}
}

// A rotation that fails does not keep a person from the overview.
func TestStuckAtTheOverview(t *testing.T) {
	t.Parallel()
	x := newHouse(2, 0)
	x.stuck = true
	if out, err := x.says(t, []string{"2", "1", "yes", "b", "n"}, "Ask for the policy.", "b shows the overview."); err != nil || !out.Confirmed || !slices.Equal(x.begun, []string{"set up []"}) {
		t.Errorf("%+v, %v, began %v", out, err, x.begun)
	}
}

// A long list comes page by page and is searched; a number stays what it is.
func TestManySetups(t *testing.T) {
	t.Parallel()
	x := newHouse(25, 300)
	term := newTerminal("m", "eam 29", "", "etl-2", "b", "etl-25", "b", "313")
	if _, err := x.visit(t.Context(), t, term); err != nil || !slices.Equal(x.begun, []string{"set up [Team 288]"}) {
		t.Errorf("began %v, %v", x.begun, err)
	}
	seen := term.transcript.String()
	for _, words := range []string{
		"These are 1 to 20 of 325.", "20. etl-20: ", "m for more",
		"These are 21 to 40 of 325.\n25 setups, 1 needs you, 1 due, 1 unfinished:\n21. etl-21: ", "\n\n300 Workspaces without a credential:\n26. Team 1\n",
		"> eam 29\n\n300 Workspaces", "54. Team 29\n315. Team 290\n",
	} {
		if !strings.Contains(seen, words) {
			t.Errorf("%q is not said in:\n%s", words, seen)
		}
	}
	if strings.Count(seen, "These are 1 to 20") != 4 { // at first, after Enter, and from each setup
		t.Errorf("the first page is not shown again:\n%s", seen)
	}
}

// What was typed ahead of the overview's end is for what follows it.
func TestTypedAheadOfTheOverview(t *testing.T) {
	t.Parallel()
	w := &world{}
	in := strings.NewReader("n\n\n\n\nyes\netl\nrest")
	h := newHouse(1, 1).home()
	h.SetUp = func(ctx context.Context, _ []setup.Ref) error {
		_, err := line.Run(ctx, w.session(), line.Options{In: in, Out: io.Discard})
		return err
	}
	next, _, err := line.Home(t.Context(), h, line.Options{In: in, Out: io.Discard})
	if err != nil || next(t.Context()) != nil || len(w.did) != 3 {
		t.Errorf("did %v, %v", w.did, err)
	}
	if yes, err := line.Typed(t.Context(), "Type it", "etl", line.Options{In: in, Out: io.Discard}); !yes || err != nil {
		t.Errorf("%v, %v", yes, err)
	}
	if rest, err := io.ReadAll(in); string(rest) != "rest" {
		t.Errorf("%q is left, %v", rest, err)
	}
}

// Only the name is enough; a setup that is called like a command has a name as well.
func TestTyped(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		script []string
		yes    bool
		fails  bool
	}{
		{"etl", []string{"yes", "ETL", "", "etl"}, true, false},
		{"etl", []string{"yes", "q"}, false, false},
		{"etl", []string{"b", "?"}, false, true},
		{"q", []string{"=q"}, true, false},
	} {
		term := newTerminal(tc.script...)
		yes, err := line.Typed(t.Context(), "Pipelines stop working. Type the name", tc.name, line.Options{In: term, Out: term})
		term.close()
		if yes != tc.yes || (err != nil) != tc.fails || !strings.HasPrefix(term.printed.String(), "Pipelines stop working. Type the name, or q to leave.\n> ") {
			t.Errorf("%s, %q: %v, %v\n%s", tc.name, tc.script, yes, err, term.transcript.String())
		}
	}
}

// Whatever is typed, nothing begins without a yes or the name of a setup, and nothing odd is printed.
func FuzzOverview(f *testing.F) {
	f.Add(strings.Join(round, "\n"))
	f.Add("b\n=b\nm\n1,\n2 2\n-1\n99999999999999999999\n\x1b[A\n1\n1\nr")
	f.Fuzz(func(t *testing.T, typed string) {
		var script []string
		for l := range strings.SplitSeq(typed, "\n") {
			if word := strings.TrimPrefix(strings.TrimSpace(l), "="); !strings.EqualFold(word, "yes") && !strings.HasPrefix(word, "etl-") {
				script = append(script, l)
			}
		}
		if out, _ := newHouse(24, 3).visit(t.Context(), t, newTerminal(script...)); out.Confirmed {
			t.Fatalf("%+v", out)
		}
	})
}
