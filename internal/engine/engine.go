package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/parallel"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Issuer is what the engine needs from Astro.
type Issuer interface {
	// CheckCreate asks whether the caller may create such a token, without creating one.
	CheckCreate(ctx context.Context, p setup.Plan) (note string, err error)
	// CreateRole makes a custom role for Deployments, or finds the one that is there.
	CreateRole(ctx context.Context, organization, name string, permissions []string) (r astro.Role, created bool, err error)
	DeleteRole(ctx context.Context, organization, id string) error
	// ProveKey shows that a Deployment API key works.
	ProveKey(ctx context.Context, s setup.Setup, k setup.Key) (detail string, err error)
	CreateToken(ctx context.Context, s setup.Setup, marker string) (astro.Token, *secret.Value, error)
	// Prove calls Astro with the new token itself and compares what Astro recorded with s.
	Prove(ctx context.Context, s setup.Setup, t astro.Token, v *secret.Value) (detail string, err error)
	// FindTokens lists the tokens for the place of s whose description is exactly marker.
	FindTokens(ctx context.Context, s setup.Setup, marker string) ([]astro.Token, error)
	// DeleteToken deletes a token; one that is gone already is no error.
	DeleteToken(ctx context.Context, organization, id string) error
}

// Deps are the hands of the engine.
type Deps struct {
	Issuer Issuer
	Stores map[string]providers.Store // by provider id
	Files  *pipeline.Files            // the repository's working tree
	// NewID returns an identifier that no other run has: it marks this run's token, so that a
	// token whose answer was lost can be found again.
	NewID func() string
	// Book opens the journal of a setup; nil for none.
	Book func(setup string) (*rotation.Book, error)
	// Quiet is how long a request without an answer may still have an effect.
	Quiet time.Duration
	// Live is told about every secret value as soon as it exists (for the redacting writers).
	Live func(*secret.Value)
	// Note keeps the setup in the file that lists those of the repository; the zero one keeps it nowhere.
	Note Note
}

// Note is a change of a file that lists setups.
type Note struct {
	Path string // slash-separated, relative to the repository's root
	Edit func([]byte) ([]byte, error)
}

// TargetResult is what happened to one target.
type TargetResult struct {
	Target  setup.Target
	State   State
	Version string
	Proof   providers.Proof
	Note    display.Text // as in providers.Receipt
}

// Result is what a set-up left behind.
type Result struct {
	Plan         setup.Plan
	Token        astro.Token // zero until it was created
	Targets      []TargetResult
	Files        []FileResult // the pipeline files: the one that is written, or those that are changed
	Noted        FileResult   // the file that lists the setups; its path is "" when there is none
	TokenRevoked bool
	Renewal      *Result // of the setup that renews the token by itself; nil for none
	// LoginEnds is the end of the log-in by which scheduled runs write secrets; zero when that is not known.
	LoginEnds time.Time
}

// Written are all files that the set-up is about.
func (r *Result) Written() []FileResult {
	out := slices.Clone(r.Files)
	if r.Noted.Path != "" {
		out = append(out, r.Noted)
	}
	return out
}

// FileResult is what happened to one file.
type FileResult struct {
	Path    string // slash-separated, relative to the repository's root
	Changed bool
	Gone    bool   // it is deleted
	Say     string // what a person does with the file; "" for one that a run reads
	Request string // where the request to merge it is seen; "" for a file in the working tree
}

// SetUp builds the actions of a first set-up and the result they fill in. It validates the whole
// plan again and refuses one with faults, so that no front end has to be trusted.
func SetUp(p setup.Plan, platform providers.Platform, d Deps) ([]Action, *Result, error) {
	actions, result, err := setUp(p, platform, d, runsLogin{})
	if err == nil && !p.SelfRotation.IsZero() {
		actions, err = renewal(p, platform, d, actions, result)
	}
	return actions, result, err
}

// runsLogin is what the scheduled runs of a setup write secrets with, and what they have to be able to write.
type runsLogin struct {
	value  *secret.Value
	writes []setup.Target
}

// setUp is SetUp without the setup that renews. login is for a plan that is that setup.
func setUp(p setup.Plan, platform providers.Platform, d Deps, login runsLogin) ([]Action, *Result, error) {
	if err := p.Validate(); err != nil {
		return nil, nil, hint.Wrap(err, "check the plan", "Correct the answers named above.", "")
	}
	b := &builder{plan: p, platform: platform, Deps: d, result: &Result{Plan: p}}
	legacy := p.Credential.Kind == setup.DeploymentKey
	if legacy && !p.Key.Given() {
		return nil, nil, hint.New("the Deployment API key is not known", "Give its id and its secret.", "")
	}
	makes := p.Job != setup.RemindOfEnd // a token
	if !legacy && makes {
		b.add(Action{
			Key: "check:astro", Read: true, Beside: true, Say: fmt.Sprintf("Check that you may create a %s with role %s", p.Credential.Kind, p.Credential.Role),
			Do: func(ctx context.Context) (string, error) { return d.Issuer.CheckCreate(ctx, p) },
		})
	}
	if err := b.checks(); err != nil {
		return nil, nil, err
	}
	if !login.value.Empty() {
		b.tryLogin(login)
		b.keepLogin(login.value)
	}
	switch {
	case !makes:
	case legacy:
		b.key()
	default:
		b.role()
		b.token()
	}
	if makes {
		b.secrets()
	}
	switch {
	case p.Pipeline.Own:
	case p.PullRequest:
		b.propose()
	default:
		b.file()
	}
	if b.policy.Path != "" {
		b.change("policy:write", "Write "+b.policy.Path+", the right that a run needs", b.newFile(b.policy.Path), func() (pipeline.Change, error) {
			return b.Files.Write(b.policy, p.Name, p.ReplaceEdits)
		})
		b.result.Files[len(b.result.Files)-1].Say = b.policySays
	}
	b.schedule()
	b.note()
	b.retire()
	if d.Book != nil && !legacy && makes {
		b.add(Action{
			Key: "journal:done", Say: "Record the set-up, for its rotation",
			Do: func(context.Context) (string, error) {
				return "", b.book.Record(rotation.Record{Kind: rotation.RecDone, Token: b.result.Token.ID})
			},
		})
	}
	return b.actions, b.result, nil
}

// Rest is what a set-up does after the secrets: its files. It is for a set-up that was broken off, and
// whose token another process brought to its targets.
func Rest(p setup.Plan, platform providers.Platform, d Deps) ([]Action, *Result, error) {
	actions, result, err := setUp(p, platform, d, runsLogin{})
	return slices.DeleteFunc(actions, func(a Action) bool {
		kind, _, _ := strings.Cut(a.Key, ":")
		return !slices.Contains([]string{"pipeline", "policy", "schedule", "note", "legacy"}, kind)
	}), result, err
}

// builder collects the actions of one set-up.
type builder struct {
	Deps
	plan       setup.Plan
	platform   providers.Platform
	actions    []Action
	result     *Result
	rendered   providers.File
	policy     providers.File // what a person gives the pipeline; its path is "" when nothing is needed
	policySays string
	value      *secret.Value // of the new token
	writes     []*write
	book       *rotation.Book
	began      bool // something was made before the token
}

func (b *builder) add(a Action) { b.actions = append(b.actions, a) }

// checks asks, before anything exists, whether everything can be stored and written.
func (b *builder) checks() error {
	p := b.plan
	for i, t := range p.Targets {
		store, ok := b.Stores[t.Store]
		if !ok {
			return hint.New(fmt.Sprintf("store %q is not known", t.Store), "Run astro-ci setup --help for the list.", "")
		}
		b.add(Action{
			Key: "check:" + t.String(), Read: true, Beside: true, Say: "Check that " + t.String() + " can be written",
			Do: func(ctx context.Context) (string, error) {
				var acc providers.Access
				err := parallel.Do(
					func() (err error) { acc, err = store.Check(ctx, t); return err },
					func() error { return b.before(ctx, i) },
				)
				return acc.Note.String(), err
			},
		})
	}
	if !p.Pipeline.Own {
		var err error
		if b.rendered, err = b.platform.Pipeline(p); err != nil {
			return err
		}
		b.add(Action{
			Key: "check:file", Read: true, Beside: true, Say: "Check that " + b.rendered.Path + " can be written",
			Do: func(ctx context.Context) (string, error) {
				if p.PullRequest {
					_, err := Proposed(ctx, b.platform, b.rendered, p)
					return "", err
				}
				return "", b.Files.Check(b.rendered, p.Name, p.ReplaceEdits)
			},
		})
	}
	var err error
	if b.policy, b.policySays, err = Grant(b.platform, p); err != nil {
		return err
	}
	if b.policy.Path != "" {
		b.add(Action{
			Key: "check:policy", Read: true, Beside: true, Say: "Check that " + b.policy.Path + " can be written",
			Do: func(context.Context) (string, error) { return "", b.Files.Check(b.policy, p.Name, p.ReplaceEdits) },
		})
	}
	if n := b.Note; n.Path != "" {
		b.add(Action{
			Key: "check:note", Read: true, Beside: true, Say: "Check that " + n.Path + " can be written",
			Do: func(context.Context) (string, error) {
				_, err := b.Files.PlanAmend(n.Path, n.Edit)
				return "", err
			},
		})
	}
	for _, path := range p.Retire.Files {
		b.add(Action{
			Key: "check:file:" + path, Read: true, Beside: true, Say: "Check that the key in " + path + " can be replaced",
			Do: func(context.Context) (string, error) {
				_, err := b.Files.PlanEdit(path, b.modernize)
				return "", err
			},
		})
	}
	return nil
}

// before finds out what a target holds before anything is written to it.
func (b *builder) before(ctx context.Context, target int) error {
	if target < len(b.writes) {
		return b.writes[target].look(ctx)
	}
	return nil // nothing will be
}

// Grant is the right that the plan's runs need to read the secret, as a file, and what a person does with
// it; its path is "" when they need none.
func Grant(platform providers.Platform, p setup.Plan) (file providers.File, say string, err error) {
	if p.Fetches() {
		return fetch.Grant(p)
	}
	if g, ok := platform.(providers.Granter); ok {
		file, say = g.Policy(p)
	}
	return file, say, nil
}

// key proves the Deployment API key that was given.
func (b *builder) key() {
	b.add(Action{
		Key: "key:prove", Read: true, Say: "Exchange the Deployment API key at Astro and use it",
		Do: func(ctx context.Context) (string, error) { return b.Issuer.ProveKey(ctx, b.plan.Setup, b.plan.Key) },
	})
}

// token creates the token and proves it.
func (b *builder) token() {
	p, res := b.plan, b.result
	op := b.NewID()
	attempts := 0
	marker := func(n int) string { return p.Marker(rotation.AttemptName(op, n)) }
	// orphans deletes what an earlier, ambiguous create may have left. No target can hold such a
	// token: its value never arrived.
	orphans := func(ctx context.Context, except string) (n int, err error) {
		for i := 1; i <= attempts; i++ {
			found, err := b.Issuer.FindTokens(ctx, p.Setup, marker(i))
			if err != nil {
				return n, err
			}
			for _, t := range found {
				if t.ID == except {
					continue
				}
				if err := b.Issuer.DeleteToken(ctx, p.Organization.ID, t.ID); err != nil {
					return n, err
				}
				n++
			}
		}
		return n, nil
	}
	// open: a create got no clear answer, so its token may exist, or come into being yet. unsure: the
	// last one did, or is under way.
	var open, unsure atomic.Bool
	b.add(Action{
		Key:      "token:create",
		Say:      fmt.Sprintf("Create a %s for %s: role %s, %d days", p.Credential.Kind, p.Entity(), p.Credential.Role, p.Credential.ExpiresInDays),
		UndoSays: "Take the new token back",
		Stands:   func() bool { return open.Load() || unsure.Load() },
		Do: func(ctx context.Context) (string, error) {
			if open.Load() {
				if _, err := orphans(ctx, ""); err != nil {
					return "", err
				}
			}
			if err := b.begin(op); err != nil {
				return "", err
			}
			attempts++
			intent := rotation.Record{Kind: rotation.RecIntent, Attempt: attempts}
			if err := b.book.Record(intent); err != nil {
				return "", err
			}
			unsure.Store(true)
			t, v, err := b.Issuer.CreateToken(httpx.Announce(ctx, b.book.Announce(intent)), p.Setup, marker(attempts))
			unsure.Store(!httpx.Refused(err))
			if err != nil {
				if unsure.Load() {
					open.Store(true)
					return "", err
				}
				refused := b.book.Record(rotation.Record{Kind: rotation.RecRefused, Attempt: attempts})
				if refused == nil && !open.Load() && !b.began { // nothing was made: there is nothing to go on with
					refused, attempts = b.aborted(), 0
				}
				return "", errors.Join(err, refused)
			}
			if err := b.book.Record(rotation.Record{Kind: rotation.RecCreated, Attempt: attempts, Token: t.ID}); err != nil {
				open.Store(true)
				return "", err
			}
			res.Token, b.value, res.TokenRevoked = t, v, false
			if open.Load() { // the one without an answer may have come meanwhile
				if _, err := orphans(ctx, t.ID); err != nil {
					return "", err
				}
			}
			if b.Live != nil {
				b.Live(v)
			}
			return fmt.Sprintf("%s, expires %s", t.ID, display.Day(t.EndAt)), nil
		},
		Undo: func(ctx context.Context) (string, error) {
			if res.Token.ID == "" {
				n, err := orphans(ctx, "")
				if n == 0 && err == nil {
					return "none was found on Astro; should one appear later, its description is: " + marker(attempts), b.aborted()
				}
				return fmt.Sprintf("%d found on Astro and deleted", n), cmp.Or(err, b.aborted())
			}
			for _, w := range b.writes {
				if err := w.mayHold(ctx); err != nil {
					return "", err
				}
			}
			gone := rotation.Record{Kind: rotation.RecDeleting, Token: res.Token.ID}
			if err := b.book.Record(gone); err != nil {
				return "", err
			}
			if err := b.Issuer.DeleteToken(httpx.Announce(ctx, b.book.Announce(gone)), p.Organization.ID, res.Token.ID); err != nil {
				return "", err
			}
			res.TokenRevoked = true
			if open.Load() {
				if _, err := orphans(ctx, ""); err != nil {
					return res.Token.ID, err
				}
			}
			return res.Token.ID, cmp.Or(b.book.Record(rotation.Record{Kind: rotation.RecDeleted, Token: res.Token.ID}), b.aborted())
		},
	})
	b.add(Action{
		Key: "token:prove", Read: true, Say: "Ask Astro with the new token itself",
		Do: func(ctx context.Context) (string, error) { return b.Issuer.Prove(ctx, p.Setup, res.Token, b.value) },
	})
}

// begin opens the journal and notes what is about to be done, once.
func (b *builder) begin(op string) (err error) {
	if b.Book == nil || b.book.State().Active() {
		return nil
	}
	if b.book == nil {
		if b.book, err = b.Book(b.plan.Name); err != nil {
			return err
		}
	}
	return b.book.Begin(rotation.Begin{Op: op, Mode: rotation.FirstSetup, Plan: b.plan, Quiet: b.Quiet})
}

// aborted notes that nothing of the operation is left.
func (b *builder) aborted() error { return b.book.Record(rotation.Record{Kind: rotation.RecAborted}) }

// secrets writes the credential to every target.
func (b *builder) secrets() {
	p, res := b.plan, b.result
	b.writes = make([]*write, len(p.Targets))
	res.Targets = make([]TargetResult, len(p.Targets))
	for i, t := range p.Targets {
		res.Targets[i] = TargetResult{Target: t, State: Planned}
		b.writes[i] = &write{store: b.Stores[t.Store], result: &res.Targets[i], index: i, of: b}
		b.add(b.writes[i].action(func() (*secret.Value, providers.Meta) {
			meta := providers.Meta{Setup: p.Name, Repository: p.Repository, Branch: p.ReadBy(), Scheduled: p.Job.Scheduled(), File: p.Pipeline.File, TokenID: res.Token.ID, ExpiresAt: res.Token.EndAt}
			switch t.Feeds() {
			case setup.KeyIDVariable:
				return p.Key.ID, meta
			case setup.KeySecretVariable:
				return p.Key.Secret, meta
			}
			return b.value, meta
		}))
	}
}

// file writes the pipeline file.
func (b *builder) file() {
	p := b.plan
	b.change("pipeline:write", "Write "+b.rendered.Path, b.newFile(b.rendered.Path), func() (pipeline.Change, error) {
		return b.Files.Write(b.rendered, p.Name, p.ReplaceEdits)
	})
}

// newFile adds a file to the result.
func (b *builder) newFile(path string) func() *FileResult {
	i := len(b.result.Files)
	b.result.Files = append(b.result.Files, FileResult{Path: path})
	return func() *FileResult { return &b.result.Files[i] }
}

// change adds the action that changes one file, whose result is at of.
func (b *builder) change(key, say string, of func() *FileResult, do func() (pipeline.Change, error)) {
	path := of().Path
	var written pipeline.Change
	b.add(Action{
		Key: key, Say: say, UndoSays: "Put " + path + " back as it was",
		Do: func(context.Context) (string, error) {
			c, err := do()
			written = c // also after a failure: the file may have been replaced all the same
			if err != nil {
				return "", err
			}
			of().Changed = c.Changed()
			if !c.Changed() {
				return "already as it should be", nil
			}
			return c.Summary(), nil
		},
		Undo: func(context.Context) (string, error) {
			if !written.Changed() {
				return "it was not changed", nil
			}
			of().Changed = false
			return path, b.Files.Restore(written)
		},
	})
}

// Tell drains the events of a run into see and returns the first failure.
func Tell(events func(func(Event) bool), see func(Event)) error {
	var failed error
	for ev := range events {
		if see != nil {
			see(ev)
		}
		if ev.State == Failed {
			failed = errors.Join(failed, ev.Err)
		}
	}
	return failed
}
