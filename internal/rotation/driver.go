package rotation

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Quiet is how long a request without an answer may still have an effect: no try lasts longer than half
// a minute, and the service gets a minute and a half more.
const Quiet = 2 * time.Minute

// Issuer is what an operation needs from Astro.
type Issuer interface {
	CreateToken(ctx context.Context, s setup.Setup, marker string) (astro.Token, *secret.Value, error)
	Prove(ctx context.Context, s setup.Setup, t astro.Token, v *secret.Value) (detail string, err error)
	Token(ctx context.Context, organization, id string) (astro.Token, error)
	TokensAt(ctx context.Context, s setup.Setup) ([]astro.Token, error)
	DescribeToken(ctx context.Context, organization, id, description string) error
	DeleteToken(ctx context.Context, organization, id string) error
}

// Deps are the hands of an operation.
type Deps struct {
	Issuer Issuer
	Stores map[string]providers.Store // by id
	Now    func() time.Time
	// Live is told about every secret value as soon as it exists.
	Live func(*secret.Value)
	// See is told what happens; may be nil.
	See func(Event)
}

// Event is an act that begins, or that has ended.
type Event struct {
	Act    Act
	Say    string // "Write the secret github:acme/etl/ASTRO_API_TOKEN"
	Ended  bool
	Detail string
	Err    error
	Took   time.Duration
}

// Driver does what Step says.
type Driver struct {
	Deps
	*Book
	obs   Observation
	value *secret.Value // of the token that is held
	token astro.Token   // its record
	errs  []error       // of acts that failed since the last try
}

// New goes on with what a journal says.
func New(b *Book, d Deps) *Driver { return &Driver{Deps: d, Book: b, obs: Observe(d.Now())} }

// Preview is what a process that begins now would do first.
func Preview(s State, now time.Time) Act {
	o := Observe(now)
	for i := range s.Targets { // what can only be seen by asking is taken to be well
		o.Checked = checked(o.Checked, len(s.Targets), i, Unseen)
	}
	return Step(s, o).Do
}

// Halt says why an operation does not go on: it has ended, it waits, or something failed.
type Halt struct {
	Ended RecordKind // done or aborted; else ""
	Act   Act        // wait or stop
	Err   error      // of stop
}

// Go does what can be done now. After a failure it can be called again, and after a pause.
func (d *Driver) Go(ctx context.Context) Halt {
	d.obs, d.errs = d.obs.again(), nil
	for {
		d.obs.Now = d.Now()
		next := Step(d.state, d.obs)
		if err := ctx.Err(); err != nil && next.Do.Kind != None {
			return Halt{Act: Act{Kind: Stop}, Err: context.Cause(ctx)}
		}
		if err := d.Record(next.Records...); err != nil {
			return Halt{Act: Act{Kind: Stop}, Err: err}
		}
		switch next.Do.Kind {
		case None:
			return Halt{Ended: d.state.Ended}
		case Stop:
			return Halt{Act: next.Do, Err: d.failure(next.Do)}
		case Wait:
			_, d.obs = Learn(d.state, d.obs, next.Do, Answer{})
			return Halt{Act: next.Do}
		case Create, Prove, Write, Verify, Mark, List, Delete:
		}
		answer, err := d.do(ctx, next)
		if err != nil {
			return Halt{Act: Act{Kind: Stop}, Err: err}
		}
		records, o := Learn(d.state, d.obs, next.Do, answer)
		if err := d.Record(records...); err != nil {
			return Halt{Act: Act{Kind: Stop}, Err: err}
		}
		d.obs = o
	}
}

// Abort ends the operation without a trace, where no target can have got anything yet.
func (d *Driver) Abort(ctx context.Context) Halt {
	if !d.state.Untouched() {
		return Halt{Act: Act{Kind: Stop}, Err: hint.New("it cannot be taken back any more: a target may hold the new token", "Finish it: astro-ci resume "+d.state.Plan.Name, "")}
	}
	d.obs.Abort = true
	return d.Go(ctx)
}

func (d *Driver) failure(do Act) error {
	if do.Why == TooMany {
		return hint.New(fmt.Sprintf("%d tokens were made, and none could be brought to every target", MaxAttempts), "See what failed, then end it by giving the target up: astro-ci resume "+d.state.Plan.Name+" --forget-target TARGET", "")
	}
	if len(d.errs) == 0 {
		return hint.New("a target may hold an old token", "Try again: astro-ci resume "+d.state.Plan.Name, "")
	}
	return errors.Join(d.errs...)
}

// do carries an act out. The error is one of the journal; what a service says is in the answer.
func (d *Driver) do(ctx context.Context, next Decision) (Answer, error) {
	do := next.Do
	ev := Event{Act: do, Say: d.say(do)}
	d.see(ev)
	start := d.Now()
	ctx, cancel := httpx.Finish(ctx)
	defer cancel()
	var unrecorded error
	if n := len(next.Records); n > 0 && (do.Kind == Create || do.Kind == Write || do.Kind == Delete) {
		announce := d.Announce(next.Records[n-1])
		ctx = httpx.Announce(ctx, func() error {
			unrecorded = announce()
			return unrecorded
		})
	}
	answer, detail := d.ask(ctx, do)
	if unrecorded != nil {
		return answer, unrecorded
	}
	if answer.Err != nil && do.Kind != Mark {
		d.errs = append(d.errs, answer.Err)
	}
	ev.Ended, ev.Detail, ev.Err, ev.Took = true, detail, answer.Err, d.Now().Sub(start)
	d.see(ev)
	return answer, nil
}

func (d *Driver) see(ev Event) {
	if d.See != nil {
		d.See(ev)
	}
}

func (d *Driver) target(do Act) setup.Target { return d.state.Plan.Targets[do.Target] }

// say is an act in words.
func (d *Driver) say(do Act) string {
	switch do.Kind {
	case Create:
		c := d.state.Plan.Credential
		return fmt.Sprintf("Create a %s for %s: role %s, %d days", c.Kind, d.state.Plan.Entity(), c.Role, c.ExpiresInDays)
	case Prove:
		return "Ask Astro with the new token itself"
	case Write:
		return "Write the secret " + d.target(do).String()
	case Verify:
		return "Look whether " + d.target(do).String() + " still holds it"
	case Mark:
		return "Note on Astro that every target holds the new token"
	case List:
		return "List the tokens on Astro"
	case Delete:
		return "Delete the token " + d.state.Tokens[do.Token].ID
	case Wait:
		return do.Why.Say()
	case None, Stop:
	}
	return ""
}

func (d *Driver) ask(ctx context.Context, do Act) (a Answer, detail string) {
	p, org := d.state.Plan, d.state.Plan.Organization.ID
	switch do.Kind {
	case Create:
		t, v, err := d.Issuer.CreateToken(ctx, p.Setup, d.state.Marker(do.Attempt))
		if err != nil {
			return Answer{Err: err, Refused: httpx.Refused(err)}, ""
		}
		d.token, d.value = t, v
		if d.Live != nil {
			d.Live(v)
		}
		return Answer{ID: t.ID}, fmt.Sprintf("%s, expires %s", t.ID, display.Day(t.EndAt))
	case Prove:
		detail, err := d.Issuer.Prove(ctx, p.Setup, d.token, d.value)
		return Answer{Err: err, Unfit: err != nil && unfit(err)}, detail
	case Write:
		meta := providers.Meta{Setup: p.Name, Repository: p.Repository, Branch: p.ReadBy(), Scheduled: p.Job.Scheduled(), File: p.Pipeline.File, TokenID: d.token.ID, ExpiresAt: d.token.EndAt}
		r, err := d.store(do).Put(ctx, d.target(do), d.value, meta)
		return Answer{Err: err, Version: r.Version}, r.Said()
	case Verify:
		st, err := d.store(do).Stat(ctx, d.target(do))
		a := Answer{Err: err, Check: d.state.Compare(do.Target, st.Exists, st.Version)}
		return a, map[Check]string{Same: "it does", Differs: "it holds something else", Unseen: "the store does not show it"}[a.Check]
	case Mark:
		return Answer{Err: d.Issuer.DescribeToken(ctx, org, d.state.Tokens[do.Token].ID, d.state.mark(do.Token).String())}, ""
	case List:
		return d.list(ctx, org)
	case Delete:
		return Answer{Err: d.Issuer.DeleteToken(ctx, org, d.state.Tokens[do.Token].ID)}, ""
	case None, Wait, Stop:
	}
	return Answer{}, ""
}

func (d *Driver) store(do Act) providers.Store { return d.Stores[d.target(do).Store] }

// unfit reports whether an error of the proof is about the token, not about the way to Astro.
func unfit(err error) bool {
	switch httpx.Status(err) {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound:
		return true
	}
	return httpx.Status(err) == 0 && hint.Of(err).Err == nil
}

// list finds the tokens of this operation. One that is known and not in the list is asked for by itself,
// because a list may be late, and an old one may be for another place; one that has expired is gone.
func (d *Driver) list(ctx context.Context, org string) (Answer, string) {
	all, err := d.Issuer.TokensAt(ctx, d.state.Plan.Setup)
	if err != nil {
		return Answer{Err: err}, ""
	}
	attempts := map[string]int{}
	for n := 1; n <= d.state.Attempts; n++ {
		attempts[AttemptName(d.state.Op, n)] = n
	}
	out, there := []Found{}, map[string]bool{}
	take := func(t astro.Token) {
		there[t.ID] = true
		i := d.state.index(t.ID)
		n := 0
		if m := setup.ParseMark(t.Description.String()); m.Setup == d.state.Plan.Name {
			n = attempts[m.Operation]
		}
		if (i >= 0 || n > 0) && (i >= 0 && i < len(d.state.Old) || !t.Expired(d.Now())) {
			out = append(out, Found{ID: t.ID, Attempt: n, LastUsed: t.LastUsedAt})
		}
	}
	for _, t := range all {
		take(t)
	}
	for _, known := range d.state.Tokens {
		if known.Dead || there[known.ID] {
			continue
		}
		t, err := d.Issuer.Token(ctx, org, known.ID)
		switch {
		case err == nil:
			take(t)
		case httpx.Status(err) != http.StatusNotFound:
			return Answer{Err: err}, ""
		}
	}
	return Answer{Tokens: out}, fmt.Sprintf("%d of this setup", len(out))
}
