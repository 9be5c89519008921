package flow_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/setup"
)

func choices(values ...string) func(context.Context, setup.Plan) (flow.Choices, error) {
	return func(context.Context, setup.Plan) (flow.Choices, error) {
		var cs flow.Choices
		for _, v := range values {
			cs.Items = append(cs.Items, flow.Choice{Value: v, Label: display.Clean("the " + v)})
		}
		return cs, nil
	}
}

// story is a walk of four questions: role builds on workspace, name is quiet, branch only applies
// to the job "deploy".
func story(given map[string]string) *flow.Walk {
	return flow.NewWalk(setup.Plan{}, []flow.Step{
		{
			ID: "job", Flag: "job", Explicit: true, Load: choices("deploy", "users"),
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Job = setup.Job(c.Value); return nil },
		},
		{
			ID: "workspace", Flag: "workspace", Explicit: true, Load: choices("w1", "w2"),
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Workspace.ID = c.Value; return nil },
		},
		{
			ID: "role", Flag: "role", Explicit: true, Needs: []string{"workspace"},
			Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
				return choices("reader-"+p.Workspace.ID, "writer-"+p.Workspace.ID)(context.Background(), p)
			},
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Credential.Role = c.Value; return nil },
		},
		{
			ID: "name", Flag: "name", Kind: flow.Input, Quiet: true, Check: setup.CheckName,
			Load:  func(context.Context, setup.Plan) (flow.Choices, error) { return flow.Choices{Default: "etl"}, nil },
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Name = c.Value; return nil },
		},
		{
			ID: "branch", Flag: "branch", Kind: flow.Input, When: func(p setup.Plan) bool { return p.Job == "deploy" },
			Check: setup.CheckBranch,
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Pipeline.Branch = c.Value; return nil },
		},
	}, given)
}

// step prepares the current question and answers it with value, or lets it answer itself.
func step(t *testing.T, w *flow.Walk, wantID, value string) {
	t.Helper()
	s, ok := w.Current()
	if !ok || s.ID != wantID {
		t.Fatalf("current is %q, want %q", s.ID, wantID)
	}
	ready, err := w.Prepare(s)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if ready.Answer != nil {
		if value != "" {
			t.Fatalf("%s answered itself with %q", s.ID, ready.Answer.Value)
		}
		if err := w.Answer(s, *ready.Answer, ready.Source); err != nil {
			t.Fatal(err)
		}
		return
	}
	if value == "" {
		t.Fatalf("%s did not answer itself", s.ID)
	}
	if err := w.Answer(s, flow.Choice{Value: value}, flow.Asked); err != nil {
		t.Fatal(err)
	}
}

func TestWalkThereAndBack(t *testing.T) {
	w := story(nil)
	step(t, w, "job", "deploy")
	step(t, w, "workspace", "w1")
	step(t, w, "role", "reader-w1")
	step(t, w, "name", "")
	if !w.Back() {
		t.Fatal("no way back")
	}
	// The quiet answer is passed over.
	step(t, w, "role", "writer-w1")
	step(t, w, "branch", "main")
	if _, more := w.Current(); more {
		t.Fatal("more questions than expected")
	}
	if p := w.Plan(); p.Credential.Role != "writer-w1" || p.Name != "etl" || p.Pipeline.Branch != "main" {
		t.Errorf("plan is %+v", p)
	}
	// Back from the review goes to the last question that was asked.
	w.Back()
	if s, _ := w.Current(); s.ID != "branch" {
		t.Errorf("back from the review leads to %q", s.ID)
	}
}

func TestChangedAnswerForgetsWhatBuildsOnIt(t *testing.T) {
	w := story(nil)
	step(t, w, "job", "deploy")
	step(t, w, "workspace", "w1")
	step(t, w, "role", "reader-w1")
	step(t, w, "name", "")
	step(t, w, "branch", "main")
	w.Reopen("workspace")
	step(t, w, "workspace", "w1")
	if _, more := w.Current(); more {
		t.Error("the same answer made a question open again")
	}
	w.Reopen("workspace")
	if w.Last("workspace") != "w1" {
		t.Error("the old answer is not remembered")
	}
	step(t, w, "workspace", "w2")
	step(t, w, "role", "reader-w2")
	if p := w.Plan(); p.Pipeline.Branch != "main" {
		t.Error("an answer that does not build on it was lost")
	}
}

func TestAnswerThatNoLongerAppliesLeavesNoTrace(t *testing.T) {
	w := story(nil)
	step(t, w, "job", "deploy")
	step(t, w, "workspace", "w1")
	step(t, w, "role", "reader-w1")
	step(t, w, "name", "")
	step(t, w, "branch", "main")
	w.Reopen("job")
	step(t, w, "job", "users")
	if p := w.Plan(); p.Pipeline.Branch != "" {
		t.Errorf("branch %q stayed in the plan", p.Pipeline.Branch)
	}
	if slices.ContainsFunc(w.Answers(), func(a flow.Answered) bool { return a.Step.ID == "branch" }) {
		t.Error("the answer is still listed")
	}
}

func TestReopenedQuietQuestionIsAsked(t *testing.T) {
	w := story(map[string]string{"workspace": "w2"})
	step(t, w, "job", "users")
	step(t, w, "workspace", "") // given
	step(t, w, "role", "reader-w2")
	step(t, w, "name", "")
	w.Reopen("name")
	step(t, w, "name", "other")
	w.Reopen("workspace")
	step(t, w, "workspace", "w1")
}

func TestRefusedAnswerChangesNothing(t *testing.T) {
	w := flow.NewWalk(setup.Plan{}, []flow.Step{{
		ID: "a", Load: choices("x", "y"),
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Name = c.Value
			if c.Value == "y" {
				return errors.New("not y")
			}
			return nil
		},
	}}, nil)
	s, _ := w.Current()
	if w.Answer(s, flow.Choice{Value: "y"}, flow.Asked) == nil {
		t.Fatal("accepted")
	}
	if _, open := w.Current(); !open || w.Plan().Name != "" {
		t.Error("the refused answer left something behind")
	}
}

func TestFill(t *testing.T) {
	w := story(map[string]string{"job": "DEPLOY", "workspace": "the W2", "role": "writer-w2", "branch": "main"})
	err := flow.Fill(t.Context(), w)
	var m *flow.MissingError
	if !errors.As(err, &m) || len(m.Items) != 1 || m.Items[0].Step.ID != "job" || !m.Wrong() {
		t.Fatalf("a wrong value is not the one fault: %v", err)
	}
	w = story(map[string]string{"job": "deploy", "workspace": "the W2", "role": "writer-w2", "branch": "main"})
	if err := flow.Fill(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	if p := w.Plan(); p.Workspace.ID != "w2" || p.Name != "etl" || p.Credential.Role != "writer-w2" {
		t.Errorf("plan is %+v", p)
	}
}

func TestFillListsEverythingAtOnce(t *testing.T) {
	err := flow.Fill(t.Context(), story(map[string]string{"name": "Not Good"}))
	var m *flow.MissingError
	if !errors.As(err, &m) {
		t.Fatalf("got %v", err)
	}
	var ids []string
	for _, i := range m.Items {
		ids = append(ids, i.Step.ID)
	}
	// branch does not apply as long as the job is not known.
	if want := []string{"job", "workspace", "role", "name"}; !slices.Equal(ids, want) {
		t.Errorf("missing %v, want %v", ids, want)
	}
	for _, want := range []string{"--job", "--workspace", "--role", `"Not Good"`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
}

func TestFillStopsWhenChoicesCannotBeLoaded(t *testing.T) {
	boom := errors.New("no network")
	w := flow.NewWalk(setup.Plan{}, []flow.Step{{ID: "a", Load: func(context.Context, setup.Plan) (flow.Choices, error) { return flow.Choices{}, boom }}}, nil)
	if err := flow.Fill(t.Context(), w); !errors.Is(err, boom) {
		t.Errorf("got %v", err)
	}
}

// What a person chose is not replaced by what a flag said, whatever is asked again.
func TestAPersonsAnswerBeatsAFlag(t *testing.T) {
	w := story(map[string]string{"job": "users", "role": "writer-w1"})
	step(t, w, "job", "")
	step(t, w, "workspace", "w1")
	step(t, w, "role", "")
	if !w.Reopen("role") {
		t.Fatal("the role cannot be reopened")
	}
	step(t, w, "role", "reader-w1")
	if !w.Reopen("workspace") {
		t.Fatal("the Workspace cannot be reopened")
	}
	step(t, w, "workspace", "w2")
	s, _ := w.Current()
	ready, err := w.Prepare(s)(t.Context())
	if err != nil || s.ID != "role" || ready.Answer != nil || ready.Refused != nil {
		t.Errorf("%s answered itself: %+v, %v", s.ID, ready.Answer, err)
	}
}

// An old answer that goes anyway does not refuse a new one.
func TestAnOldAnswerDoesNotStandInTheWay(t *testing.T) {
	w := flow.NewWalk(setup.Plan{}, []flow.Step{
		{ID: "job", Load: choices("deploy", "dags"), Apply: func(p *setup.Plan, c flow.Choice) error { p.Job = setup.Job(c.Value); return nil }},
		{ID: "deployment", Needs: []string{"job"}, Load: choices("d1", "d2"), Apply: func(p *setup.Plan, c flow.Choice) error {
			if p.Job == "dags" && c.Value == "d1" {
				return errors.New("d1 takes no DAGs")
			}
			p.Deployment.ID = c.Value
			return nil
		}},
	}, nil)
	step(t, w, "job", "deploy")
	step(t, w, "deployment", "d1")
	w.Reopen("job")
	step(t, w, "job", "dags")
	step(t, w, "deployment", "d2")
	if p := w.Plan(); p.Job != "dags" || p.Deployment.ID != "d2" {
		t.Errorf("the plan is %+v", p)
	}
}

// A list that comes in parts is read to its end before it is said what it does not hold.
func TestListsInParts(t *testing.T) {
	load := func(context.Context, setup.Plan) (flow.Choices, error) {
		return flow.Choices{Items: []flow.Choice{{Value: "gone"}}, More: func(context.Context) (flow.Choices, error) {
			return flow.Choices{Anew: true, Items: []flow.Choice{{Value: "a"}}, More: func(context.Context) (flow.Choices, error) {
				return flow.Choices{Items: []flow.Choice{{Value: "b"}}}, nil
			}}, nil
		}}, nil
	}
	s := flow.Step{ID: "x", Flag: "x", Load: load}
	if ready, err := flow.Prepare(t.Context(), s, setup.Plan{}, "", false); err != nil || ready.Answer != nil || len(ready.Choices.Items) != 2 {
		t.Errorf("the first of a part was taken for the only one: %+v, %v", ready.Answer, err)
	}
	if ready, err := flow.Prepare(t.Context(), s, setup.Plan{}, "b", false); err != nil || ready.Answer == nil || ready.Answer.Value != "b" {
		t.Errorf("b: %+v, %v", ready.Answer, err)
	}
	if ready, err := flow.Prepare(t.Context(), s, setup.Plan{}, "c", false); err != nil || ready.Refused == nil {
		t.Errorf("c: %+v, %v", ready.Answer, err)
	}
	boom := errors.New("boom")
	s.Load = func(context.Context, setup.Plan) (flow.Choices, error) {
		return flow.Choices{Items: []flow.Choice{{Value: "a"}}, More: func(context.Context) (flow.Choices, error) { return flow.Choices{}, boom }}, nil
	}
	if _, err := flow.Prepare(t.Context(), s, setup.Plan{}, "", false); !errors.Is(err, boom) {
		t.Errorf("half a list was taken for a list: %v", err)
	}
}

// A question that does not arise leaves no trace in the summary.
func TestMootQuestion(t *testing.T) {
	w := flow.NewWalk(setup.Plan{}, []flow.Step{{
		ID: "x", Load: func(context.Context, setup.Plan) (flow.Choices, error) { return flow.Choices{Moot: true}, nil },
		Apply: func(_ *setup.Plan, c flow.Choice) error {
			if c.Value != "" {
				return errors.New("a value")
			}
			return nil
		},
	}}, nil)
	if err := flow.Fill(t.Context(), w); err != nil || len(w.Answers()) != 0 {
		t.Errorf("%v, %v", w.Answers(), err)
	}
	if _, open := w.Current(); open {
		t.Error("it is still asked")
	}
}

// What was settled is not asked on a terminal; without one, an explicit answer has to be given all the same.
func TestSettled(t *testing.T) {
	t.Parallel()
	for _, explicit := range []bool{false, true} {
		w := flow.NewWalk(setup.Plan{}, []flow.Step{{
			ID: "role", Flag: "role", Explicit: explicit,
			Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
				cs, err := choices("reader", "writer")(ctx, p)
				cs.Default, cs.Settled = "reader", true
				return cs, err
			},
			Apply: func(p *setup.Plan, c flow.Choice) error { p.Credential.Role = c.Value; return nil },
		}}, nil)
		s, _ := w.Current()
		ready, err := w.Prepare(s)(t.Context())
		if err != nil || ready.Answer == nil || ready.Answer.Value != "reader" || ready.Source != flow.Default {
			t.Errorf("explicit %v: asked: %+v, %v", explicit, ready, err)
		}
		var missing *flow.MissingError
		if err := flow.Fill(t.Context(), w); errors.As(err, &missing) != explicit {
			t.Errorf("explicit %v: without a terminal: %v", explicit, err)
		}
	}
}

// A choice that leaves the rest to the question after it is followed by that question each time that it is chosen,
// and the answer is told in the words of the rest. One that was only looked at stays, with all that builds on it.
func TestAChoiceWithARest(t *testing.T) {
	t.Parallel()
	number := func(p *setup.Plan, c flow.Choice) error {
		p.Credential.ExpiresInDays, _ = strconv.Atoi(c.Value)
		return nil
	}
	life := flow.Step{
		ID: "life", Apply: number, Load: func(context.Context, setup.Plan) (flow.Choices, error) { return flow.Choices{}, nil },
		Says: func(p setup.Plan, _ flow.Choice) display.Text {
			return display.Clean(fmt.Sprint(p.Credential.ExpiresInDays, " days"))
		},
	}
	days := flow.Step{ID: "days", Kind: flow.Input, Needs: []string{"life"}, Apply: number, When: func(p setup.Plan) bool { return p.Credential.ExpiresInDays == 0 }}
	w := flow.NewWalk(setup.Plan{}, []flow.Step{life, days, {ID: "end", Kind: flow.Input, Apply: func(*setup.Plan, flow.Choice) error { return nil }}}, nil)
	other := flow.Choice{Value: "other", Rest: true}
	answer := func(s flow.Step, c flow.Choice) {
		t.Helper()
		if err := w.Answer(s, c, flow.Asked); err != nil {
			t.Fatal(err)
		}
	}
	at := func(id string, number int) {
		t.Helper()
		if s, _ := w.Current(); s.ID != id || id != "" && w.Number() != number {
			t.Fatalf("at %q, question %d", s.ID, w.Number())
		}
	}
	at("life", 1)
	answer(life, other)
	at("days", 2)
	answer(days, flow.Choice{Value: "45"})
	at("end", 3)
	was := w.Answers()
	if len(was) != 1 || was[0].Choice.Label.String() != "45 days" {
		t.Errorf("answers %+v", was)
	}
	w.Reopen("life")
	if err := w.Restore(was[0]); err != nil {
		t.Fatal(err)
	}
	at("end", 3)
	w.Reopen("life")
	answer(life, other)
	at("days", 2)
	if w.Last("days") != "45" {
		t.Errorf("it starts with %q", w.Last("days"))
	}
}

// What makes a question impossible can be answered anew, also where a flag gave it; what was the only choice cannot.
func TestBackToWhatItBuildsOn(t *testing.T) {
	w := story(map[string]string{"workspace": "w1"})
	step(t, w, "job", "users")
	step(t, w, "workspace", "")
	role, _ := w.Current()
	if role.ID != "role" || !w.BackTo(role) {
		t.Fatalf("there is no way back from %s", role.ID)
	}
	if s, _ := w.Current(); s.ID != "workspace" {
		t.Errorf("back leads to %s", s.ID)
	}
	step(t, w, "workspace", "w2")
	if s, _ := w.Current(); s.ID != "role" {
		t.Errorf("then comes %s", s.ID)
	}
	if w.BackTo(w.Steps()[0]) {
		t.Error("the first question builds on something")
	}
}
