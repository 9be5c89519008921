package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/doctor"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
	"github.com/astro-ci/astro-ci/internal/steps"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/report"
)

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify [SETUP...]", Short: "Ask Astro and the stores whether everything is as it was written",
		Long: "Asks Astro for the token of each setup, and each store for its mark of the last write: whether the secret\n" +
			"holds what astro-ci wrote, is missing, or was written by somebody else. Some stores show no such mark; then\n" +
			"it is said that it cannot be told. No value is looked at and nothing is changed. Without a name, all setups of\n" +
			"this computer and of " + setupfile.Name + " are asked for.\n\n" +
			"Exit code 6 says that something needs a person, 4 or 1 that something could not be asked.",
		Example: "  astro-ci verify\n  astro-ci verify etl-prod --json",
		Args:    cobra.ArbitraryArgs,
		RunE:    func(c *cobra.Command, args []string) error { return a.verify(c.Context(), args) },
	}
}

func (a *app) verify(ctx context.Context, names []string) (err error) {
	w, err := a.discover(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.close()) }()
	file, err := w.setupsApart()
	if err != nil {
		return err
	}
	all, err := w.subjects(ctx, file, names)
	if err != nil {
		return err
	}
	out := make([]doctor.Verified, len(all))
	each(ctx, indexes(all), func(i int) {
		if out[i] = (doctor.Verified{Setup: all[i].name, Err: all[i].err}); all[i].err == nil {
			out[i] = w.verify(ctx, all[i].candidate)
		}
	})
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if a.json != "" {
		if err := report.VerifiedJSON(a.out, out); err != nil {
			return err
		}
	} else {
		report.Verified(a.out, out, a.width())
	}
	if slices.ContainsFunc(out, doctor.Verified.Person) {
		return errors.Join(errShown, errPerson)
	}
	for _, v := range out {
		if failed := v.Failures(); len(failed) > 0 {
			return errors.Join(append(failed, errShown)...)
		}
	}
	return nil
}

func indexes[T any](all []T) (out []int) {
	for i := range all {
		out = append(out, i)
	}
	return out
}

// subject is a setup that is looked at.
type subject struct {
	candidate
	journal bool        // there is a journal of it here
	file    *setup.Plan // what astro-ci.yaml says of it; nil where it says nothing
	err     error       // why it cannot be looked at
	fileErr error       // why what astro-ci.yaml says of it cannot be made out
}

// subjects are the setups that were named, or all: those of the journals, then those that only astro-ci.yaml
// names.
func (w *world) subjects(ctx context.Context, file setupfile.File, names []string) (out []*subject, err error) {
	all, err := w.app.journals()
	if err != nil {
		return nil, err
	}
	wanted := func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }
	for _, k := range all {
		if wanted(k.name) && k.lives() {
			out = append(out, &subject{candidate: candidate{name: k.name, state: k.state, plan: k.state.Plan}, journal: true, err: k.err})
		}
	}
	for _, name := range file.Names() {
		if wanted(name) && of(out, name) == nil {
			out = append(out, &subject{candidate: candidate{name: name}})
		}
	}
	for _, name := range names {
		if of(out, name) == nil {
			return nil, usageError{hint.New(fmt.Sprintf("there is no setup %q: no journal on this computer, and no entry in %s", display.Clean(name), setupfile.Name), "astro-ci status lists those that there are.", setupfile.Docs)}
		}
	}
	w.fromFile(ctx, file, out)
	return out, nil
}

// of is the subject of this name, or nil.
func of(all []*subject, name string) *subject {
	if i := slices.IndexFunc(all, func(s *subject) bool { return s.name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// fromFile makes out what astro-ci.yaml says of the setups. Where there is no journal of one, its tokens are
// found by their marks.
func (w *world) fromFile(ctx context.Context, file setupfile.File, all []*subject) {
	keep, tokens := steps.NewKept(), w.listed()
	each(ctx, all, func(s *subject) {
		answers, ok := file.Answers(s.name)
		if !ok {
			return
		}
		p, err := setup.Plan{}, cmp.Or(file.Err(s.name), w.noLogin)
		if err == nil {
			p, err = w.fill(ctx, answers, keep)
		}
		switch {
		case err != nil:
			s.fileErr = err
			if !s.journal {
				s.err = err
			}
			return
		case s.journal:
			s.file = &p
			return
		}
		s.file = &p
		list, err := tokens(ctx, p.Organization.ID)
		if err == nil {
			s.candidate, err = w.find(ctx, p, rotation.State{}, list)
		}
		s.err = err
	})
}

// verify asks Astro for the token of a setup, and each store for the last write, side by side.
func (w *world) verify(ctx context.Context, c candidate) doctor.Verified {
	n := len(c.plan.Targets)
	v := doctor.Verified{Setup: c.name, Targets: make([]doctor.Checked, n+1)}
	each(ctx, append([]int{-1}, indexes(v.Targets)...), func(i int) {
		switch i {
		case -1:
			v.Token = w.verifyToken(ctx, c)
		case n:
			v.Targets[n] = w.verifyLogin(ctx, c)
		default:
			v.Targets[i] = w.verifyTarget(ctx, c, i, false)
		}
	})
	v.Targets = slices.DeleteFunc(v.Targets, func(x doctor.Checked) bool { return x.Subject == "" })
	return v
}

func (w *world) verifyToken(ctx context.Context, c candidate) doctor.Checked {
	id := c.inUse()
	var t astro.Token
	var err error
	if id != "" {
		t, err = w.astro.Token(ctx, c.plan.Organization.ID, id)
	}
	return c.helps(doctor.Token(c.name, id, t, err, time.Now()))
}

// helps makes what helps the going on with an operation, where one is at work.
func (c candidate) helps(x doctor.Checked) doctor.Checked {
	x.Next = c.goesOn(x.Next)
	return x
}

// goesOn is the command that helps a setup: another one as long as an operation is at work. "" stays so.
func (c candidate) goesOn(next string) string {
	if c.state.Active() && next != "" {
		return "astro-ci resume " + c.name
	}
	return next
}

// inUse is the id of the token that the targets should hold, as far as it is known.
func (c candidate) inUse() string {
	if c.state.Op == "" {
		return c.token().ID
	}
	if c.state.Active() {
		for _, t := range slices.Backward(c.state.Tokens) {
			if !t.Dead {
				return t.ID
			}
		}
	}
	return c.state.Last
}

// listed lists the tokens of an Organization, once for each.
func (w *world) listed() func(ctx context.Context, org string) ([]astro.Token, error) {
	var mu sync.Mutex
	lists := map[string]func() ([]astro.Token, error){}
	return func(ctx context.Context, org string) ([]astro.Token, error) {
		mu.Lock()
		if lists[org] == nil {
			lists[org] = sync.OnceValues(func() ([]astro.Token, error) { return w.astro.Tokens(ctx, org, "", "") })
		}
		list := lists[org]
		mu.Unlock()
		return list()
	}
}

// verifyTarget compares the store's mark of the last write with the journal, or with the marks on Astro. The
// zero value stands for a target that was given up. No value is read unless values says so.
func (w *world) verifyTarget(ctx context.Context, c candidate, i int, values bool) doctor.Checked {
	t := c.plan.Targets[i]
	if c.state.Op != "" && c.state.Targets[i].Forgotten {
		return doctor.Checked{}
	}
	st, beside, err := w.glance(ctx, c, t, values)
	return c.helps(doctor.Target(c.name, t.String(), st, err, func(version string) rotation.Check {
		got := rotation.Unseen
		switch {
		case c.state.Op != "":
			got = c.state.Compare(i, st.Exists, version)
		case c.carried != nil && c.carried.Held != "":
			got = c.carried.Compare(t, st.Exists, version)
		}
		if beside && got == rotation.Differs {
			return rotation.Unseen
		}
		return got
	}))
}

// verifyLogin looks whether the log-in is there by which scheduled runs write secrets. The zero value stands for a
// setup without such runs.
func (w *world) verifyLogin(ctx context.Context, c candidate) doctor.Checked {
	if c.plan.Job != setup.RotateTokens {
		return doctor.Checked{}
	}
	t, next := c.plan.LoginTarget(), "Set "+setup.LoginSecret+" to another one, and run: astro-ci rotate "+c.name+". "
	st, _, err := w.glance(ctx, c, t, false)
	if x, ok := w.platformAt(c.plan.Platform).(providers.Scheduler); ok {
		next += x.Scheduled().Right
	}
	return doctor.RunsLogin(t.String(), strings.TrimSpace(next), st, err)
}

// glance asks a store for a target; without values no value of it is read. beside says that the answer may be of
// something beside it.
func (w *world) glance(ctx context.Context, c candidate, t setup.Target, values bool) (st providers.State, beside bool, err error) {
	store, err := w.store(ctx, c.plan, t.Store)
	if err != nil {
		return st, false, err
	}
	if x, ok := store.(providers.Glancer); ok && !values {
		return x.Glance(ctx, t)
	}
	st, err = store.Stat(ctx, t)
	return st, false, err
}

// verified is what was verified, as the overview shows it.
func verified(v doctor.Verified) (out ui.Verified) {
	say := func(name, text string) {
		out.Facts = append(out.Facts, ui.Fact{Name: name, Value: display.Clean(text)})
	}
	tell := func(name string, c doctor.Checked) {
		switch {
		case c.Verdict.Person():
			out.Wrong++
		case c.Verdict == doctor.Unclear:
			out.Untold++
		}
		if c.Subject != "" {
			say(name, c.Subject)
			name = ""
		}
		if c.Verdict.Person() {
			say(name, "! "+c.Reason) // as the tables mark what needs somebody
		} else {
			say(name, c.Reason)
		}
		if c.Next != "" {
			say("", strings.TrimSuffix(c.Next, "."))
		}
	}
	tell("Token", v.Token)
	for _, c := range v.Targets {
		tell("Target", c)
	}
	return out
}
