package report

import (
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
)

type resultJSON struct {
	Setup    string       `json:"setup,omitempty"`
	Token    *tokenJSON   `json:"token"`
	Targets  []targetJSON `json:"targets"`
	Pipeline *fileJSON    `json:"pipeline,omitempty"`
	Actions  []actionJSON `json:"actions"`
	Exists   []string     `json:"exists,omitempty"` // after a failure: how to take back what stands
	Missing  []missJSON   `json:"missing,omitempty"`
	Error    *errorJSON   `json:"error,omitempty"`
}

type tokenJSON struct {
	ID         string    `json:"id"`
	ShortToken string    `json:"shortToken"`
	Scope      string    `json:"scope"`
	Role       string    `json:"role"`
	ExpiresAt  time.Time `json:"expiresAt"`
}

type targetJSON struct {
	Target  string `json:"target"`
	State   string `json:"state"`
	Version string `json:"version,omitempty"`
	Proof   string `json:"proof,omitempty"`
}

type fileJSON struct {
	File    string `json:"file"`
	Changed bool   `json:"changed"`
}

type actionJSON struct {
	Key   string `json:"key"`
	Say   string `json:"say"`
	State string `json:"state"`
}

type missJSON struct {
	What     string   `json:"what"`
	Flag     string   `json:"flag"`
	Variable string   `json:"variable,omitempty"`
	Key      string   `json:"key"`
	Problem  string   `json:"problem,omitempty"`
	Choices  []string `json:"choices,omitempty"`
}

type errorJSON struct {
	What string `json:"what"`
	Next string `json:"next,omitempty"`
	Link string `json:"link,omitempty"`
}

// ResultJSON prints one object: what was made, by which actions, and why it ended when it failed.
func ResultJSON(w io.Writer, r *engine.Result, actions []engine.Event, failed error) error {
	out := resultJSON{
		Setup: r.Plan.Name, Targets: []targetJSON{}, Actions: []actionJSON{},
		Pipeline: &fileJSON{r.File.Path, r.FileChanged}, Error: errorOf(failed),
	}
	if r.Token.ID != "" && !r.TokenRevoked {
		c := r.Plan.Credential
		out.Token = &tokenJSON{r.Token.ID, r.Token.ShortToken.String(), c.Kind.Scope(), c.Role, r.Token.EndAt}
	}
	for _, t := range r.Targets {
		out.Targets = append(out.Targets, targetJSON{t.Target.String(), string(t.State), t.Version, string(t.Proof)})
	}
	for _, ev := range actions {
		out.Actions = append(out.Actions, actionJSON{ev.Action.Key, ev.Action.Say, string(ev.State)})
		if failed != nil && ev.Action.Undo != nil && (ev.State == engine.Done || ev.State == engine.Failed) {
			out.Exists = append(out.Exists, ev.Action.UndoSays)
		}
	}
	return encode(w, out)
}

// ErrorJSON prints one object for an error that ended the program before anything was made; missing
// answers are listed with their flag, variable and key.
func ErrorJSON(w io.Writer, err error) error {
	out := resultJSON{Targets: []targetJSON{}, Actions: []actionJSON{}, Error: errorOf(err)}
	var missing *flow.MissingError
	if errors.As(err, &missing) {
		for _, m := range missing.Items {
			out.Missing = append(out.Missing, missing1(m))
		}
	}
	return encode(w, out)
}

func missing1(m flow.Missing) missJSON {
	out := missJSON{What: m.Step.Name, Flag: "--" + m.Step.Flag, Variable: m.Step.Env, Key: m.Step.ID}
	if m.Problem != nil {
		out.Problem = m.Problem.Error()
	}
	for _, c := range m.Choices.Items {
		out.Choices = append(out.Choices, c.Value)
	}
	return out
}

// Event prints one event as one line of JSON.
func Event(w io.Writer, ev engine.Event) {
	_ = encode(w, struct {
		Action string     `json:"action"`
		Say    string     `json:"say"`
		State  string     `json:"state"`
		Detail string     `json:"detail,omitempty"`
		Error  *errorJSON `json:"error,omitempty"`
	}{ev.Action.Key, ev.Action.Say, string(ev.State), ev.Detail, errorOf(ev.Err)})
}

func errorOf(err error) *errorJSON {
	if err == nil {
		return nil
	}
	h := hint.Of(err)
	return &errorJSON{What: err.Error(), Next: h.Next, Link: h.Link}
}

func encode(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
