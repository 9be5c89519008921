package report

import (
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
)

// object is what --json prints, exactly one, on one line.
type object struct {
	Setup    string        `json:"setup"`
	Token    *token        `json:"token"` // null: there is none, or it was taken back
	Targets  []target      `json:"targets"`
	Pipeline *file         `json:"pipeline"`          // the first of the files
	Files    []file        `json:"files,omitempty"`   // all of them, when there are several
	Renewal  *renewal      `json:"renewal,omitempty"` // the setup that renews the token by itself
	Noted    *file         `json:"noted,omitempty"`   // the file that lists the setups
	Actions  []action      `json:"actions"`
	Error    *ErrorObject  `json:"error,omitempty"`
	Exists   []string      `json:"exists,omitempty"`  // with an error: what stands in the world
	Missing  []missingItem `json:"missing,omitempty"` // with an error: the answers that are needed
}

// renewal is the setup whose schedule renews the token.
type renewal struct {
	Setup       string     `json:"setup"`
	Cron        string     `json:"cron"` // in UTC
	Token       *token     `json:"token"`
	Targets     []target   `json:"targets"`
	Files       []file     `json:"files"`
	LoginEndsAt *time.Time `json:"loginEndsAt,omitempty"` // of the log-in by which its runs write secrets, where that is told
}

type token struct {
	ID         string     `json:"id"`
	ShortToken string     `json:"shortToken"`
	Scope      string     `json:"scope"`
	Role       string     `json:"role"`
	ExpiresAt  *time.Time `json:"expiresAt"` // null: never
}

type target struct {
	Target  string `json:"target"`
	State   string `json:"state"`
	Version string `json:"version"`
	Proof   string `json:"proof"`
	Note    string `json:"note,omitempty"`
}

type file struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
	Request string `json:"request,omitempty"` // address of the pull or merge request
}

type action struct {
	Key   string `json:"key"`
	Say   string `json:"say"`
	State string `json:"state"`
}

// event is one line of --json=events.
type event struct {
	action
	Detail  string       `json:"detail,omitempty"`
	Seconds float64      `json:"seconds,omitempty"`
	Error   *ErrorObject `json:"error,omitempty"`
}

// ErrorObject is an error as JSON shows it.
type ErrorObject struct {
	What string `json:"what"`
	Next string `json:"next"`
	Link string `json:"link"`
}

type missingItem struct {
	What     string          `json:"what"`
	Flag     string          `json:"flag"`
	Variable string          `json:"variable"`
	Key      string          `json:"key"`
	Problem  string          `json:"problem,omitempty"`
	Choices  []missingChoice `json:"choices,omitempty"`
}

type missingChoice struct {
	Value string `json:"value"`
	Label string `json:"label"`
}

// ResultJSON prints one object: what was made, by which actions, and, when the run failed, why and
// what it left. Before a run it is the preview: every action is planned and there is no token.
func ResultJSON(w io.Writer, r *engine.Result, actions []engine.Event, failed error) error {
	out := object{Setup: r.Plan.Name, Actions: []action{}, Error: ErrorOf(failed)}
	out.Token, out.Targets, out.Files = parts(r)
	if len(out.Files) > 0 {
		out.Pipeline = &out.Files[0]
	}
	if len(out.Files) == 1 {
		out.Files = nil
	}
	if x := r.Renewal; x != nil {
		out.Renewal = &renewal{Setup: x.Plan.Name, Cron: x.Plan.Pipeline.Cron, LoginEndsAt: timeOf(x.LoginEnds.UTC())}
		out.Renewal.Token, out.Renewal.Targets, out.Renewal.Files = parts(x)
	}
	if n := r.Noted; n.Path != "" {
		out.Noted = &file{File: n.Path, Changed: n.Changed}
	}
	for _, ev := range actions {
		out.Actions = append(out.Actions, actionOf(ev))
	}
	if failed != nil {
		out.Exists = Exists(r, actions)
	}
	return encode(w, out)
}

// parts are the token, the targets and the files of a result.
func parts(r *engine.Result) (t *token, targets []target, files []file) {
	targets = []target{}
	for _, f := range r.Files {
		files = append(files, file{f.Path, f.Changed, f.Request})
	}
	if tokenStands(r) {
		c := r.Plan.Credential
		t = &token{ID: r.Token.ID, ShortToken: r.Token.ShortToken.String(), Scope: c.Kind.Scope(), Role: c.Role}
		if !r.Token.EndAt.IsZero() {
			t.ExpiresAt = &r.Token.EndAt
		}
	}
	for _, x := range r.Targets {
		targets = append(targets, target{x.Target.String(), string(x.State), x.Version, string(x.Proof), x.Note.String()})
	}
	return t, targets, files
}

// ErrorJSON prints one object for an error that ended the program before anything was made.
func ErrorJSON(w io.Writer, err error) error {
	out := object{Targets: []target{}, Actions: []action{}, Error: ErrorOf(err)}
	if missing, ok := errors.AsType[*flow.MissingError](err); ok {
		out.Missing = missingItems(missing.Items)
	}
	return encode(w, out)
}

func missingItems(items []flow.Missing) (out []missingItem) {
	for _, m := range items {
		i := missingItem{What: m.Step.Name, Flag: "--" + m.Step.Flag, Variable: m.Step.Env, Key: m.Step.ID}
		if m.Problem != nil {
			i.Problem = missingNote(m)
		}
		for _, c := range m.Choices.Items {
			i.Choices = append(i.Choices, missingChoice{c.Value, c.Label.String()})
		}
		out = append(out, i)
	}
	return out
}

// Event prints one event as one line of JSON.
func Event(w io.Writer, ev engine.Event) {
	_ = encode(w, event{actionOf(ev), oneLine(ev.Detail), ev.Took.Round(time.Millisecond).Seconds(), ErrorOf(ev.Err)})
}

func actionOf(ev engine.Event) action {
	return action{ev.Action.Key, ev.Action.Say, string(ev.State)}
}

// ErrorOf is err in one object; of several errors the words follow one another.
func ErrorOf(err error) *ErrorObject {
	if err == nil {
		return nil
	}
	var out ErrorObject
	var what, next []string
	for _, p := range explain(err) {
		what = append(what, p.sentence())
		if p.next != "" && !slices.Contains(next, p.next) {
			next = append(next, p.next)
		}
		if out.Link == "" {
			out.Link = p.link
		}
	}
	out.What, out.Next = strings.Join(what, "; "), strings.Join(next, " ")
	return &out
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
