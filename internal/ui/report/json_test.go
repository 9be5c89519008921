package report_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

type fault struct{ What, Next, Link string }

// object is the whole of what may be printed: the decoder refuses any other field.
type object struct {
	Setup    string
	Token    *struct{ ID, ShortToken, Scope, Role, ExpiresAt string }
	Targets  []struct{ Target, State, Version, Proof string }
	Pipeline *struct {
		File    string
		Changed bool
	}
	Actions []struct{ Key, Say, State string }
	Error   *fault
	Exists  []string
	Missing []struct {
		What, Flag, Variable, Key, Problem string
		Choices                            []struct{ Value, Label string }
	}
}

// decode reads exactly one object on one line.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if strings.Count(text, "\n") != 1 || !strings.HasSuffix(text, "\n") || strings.Contains(text, "\x1b") {
		t.Errorf("not one line: %q", text)
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		t.Fatalf("%v: %s", err, text)
	}
}

func result(t *testing.T, fail string, err error) (o object, text string) {
	t.Helper()
	r := run(t, fail)
	var out strings.Builder
	if err := report.ResultJSON(&out, r.Result, r.Run.Actions(), err); err != nil {
		t.Fatal(err)
	}
	decode(t, out.String(), &o)
	return o, out.String()
}

func states(o object) (out []string) {
	for _, a := range o.Actions {
		out = append(out, a.State)
	}
	return out
}

func TestResultJSON(t *testing.T) {
	t.Parallel()
	o, _ := result(t, "", nil)
	if o.Setup != "etl" || o.Token.ID != "tok1" || o.Token.ShortToken != "abc…xyz" || o.Token.Scope != "WORKSPACE" || o.Token.Role != "WORKSPACE_AUTHOR" || o.Token.ExpiresAt != "2027-02-21T08:00:00Z" {
		t.Errorf("got %+v, token %+v", o, o.Token)
	}
	if len(o.Targets) != 1 || o.Targets[0].Target != "github:acme/etl/ASTRO_API_TOKEN" || o.Targets[0].State != "done" || o.Targets[0].Proof != "metadata" || o.Targets[0].Version == "" {
		t.Errorf("targets are %+v", o.Targets)
	}
	if o.Pipeline.File != ".github/workflows/etl.yml" || !o.Pipeline.Changed || !slices.Equal(states(o), []string{"done", "done", "done", "done"}) {
		t.Errorf("got %+v", o)
	}
	if o.Error != nil || o.Exists != nil || o.Missing != nil {
		t.Errorf("a fault without a failure: %+v", o)
	}
}

func TestDryRunJSON(t *testing.T) {
	t.Parallel()
	o, text := result(t, "all", nil)
	if !strings.Contains(text, `"token":null`) || o.Pipeline.Changed || !slices.Equal(states(o), []string{"planned", "planned", "planned", "planned"}) || o.Targets[0].State != "planned" {
		t.Errorf("got %s", text)
	}
}

func TestFailedResultJSON(t *testing.T) {
	t.Parallel()
	o, _ := result(t, "secret", part{errors.Join(forbidden, errors.New("and more"))})
	if o.Token == nil || !slices.Equal(states(o), []string{"done", "done", "failed", "planned"}) {
		t.Errorf("got %+v", o)
	}
	if want := (fault{"write secret ASTRO_API_TOKEN of acme/etl: status 403; and more", "Ask an owner of acme/etl for admin rights.", "https://docs.github.com/"}); *o.Error != want {
		t.Errorf("error is %+v", o.Error)
	}
	if len(o.Exists) != 2 || !strings.Contains(o.Exists[0], "tok1") || !strings.Contains(o.Exists[1], "not certain") {
		t.Errorf("what exists is %q", o.Exists)
	}

	// A token that was taken back is not there any more, and one without an end has none.
	r := run(t, "secret")
	r.Result.TokenRevoked = true
	var out strings.Builder
	_ = report.ResultJSON(&out, r.Result, r.Run.Actions(), forbidden)
	r.Result.TokenRevoked, r.Result.Token.EndAt = false, r.Result.Token.CreatedAt
	if !strings.Contains(out.String(), `"token":null`) || strings.Contains(out.String(), "tok1") {
		t.Errorf("got %s", out.String())
	}
	out.Reset()
	_ = report.ResultJSON(&out, r.Result, r.Run.Actions(), forbidden)
	if !strings.Contains(out.String(), `"expiresAt":null`) {
		t.Errorf("got %s", out.String())
	}
}

func TestErrorJSON(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := report.ErrorJSON(&out, missing()); err != nil {
		t.Fatal(err)
	}
	var o object
	decode(t, out.String(), &o)
	if o.Token != nil || o.Pipeline != nil || len(o.Missing) != 5 || !strings.Contains(out.String(), `"targets":[],`) || !strings.Contains(out.String(), `"actions":[],`) {
		t.Errorf("got %s", out.String())
	}
	if m := o.Missing[0]; m.What != "Credential" || m.Flag != "--credential" || m.Variable != "ASTRO_CI_CREDENTIAL" || m.Key != "credential" || m.Problem != "" || len(m.Choices) != 2 || m.Choices[0].Label != "Workspace API token" {
		t.Errorf("first is %+v", m)
	}
	if m := o.Missing[3]; !strings.Contains(m.Problem, "like 90 or 90d") || !strings.Contains(m.Problem, "Give another value.") {
		t.Errorf("wrong one is %+v", m)
	}

	out.Reset()
	_ = report.ErrorJSON(&out, faults)
	o = object{}
	decode(t, out.String(), &o)
	if !strings.HasPrefix(o.Error.What, "check the plan: name: ") || !strings.Contains(o.Error.What, "; organization: ") || o.Error.Next != "Correct the answers named above." {
		t.Errorf("error is %+v", o.Error)
	}
}

func TestEventJSON(t *testing.T) {
	t.Parallel()
	var got []string
	for _, ev := range events {
		var out strings.Builder
		report.Event(&out, ev)
		var o struct {
			Key, Say, State, Detail string
			Seconds                 float64
			Error                   *fault
		}
		decode(t, out.String(), &o)
		got = append(got, o.State)
		if o.Key != ev.Action.Key || o.Say != ev.Action.Say || o.Seconds != ev.Took.Seconds() || (o.Error != nil) != (ev.State == engine.Failed) {
			t.Errorf("got %+v of %+v", o, ev)
		}
	}
	if !slices.Equal(got, []string{"started", "done", "failed", "undone"}) {
		t.Errorf("states are %v", got)
	}
}
