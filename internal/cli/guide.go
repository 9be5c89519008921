package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

// guided reports whether rotate and resume lead a person through, on the screen or line by line.
func (a *app) guided(f rotateFlags) bool {
	return a.frontEnd() != flagsOnly && !a.yes && !a.dryRun && f.confirm == "" && !f.abort
}

// guide leads a person through rotations. The driver of each is made when it begins.
type guide struct {
	app    *app
	flags  rotateFlags
	names  []string
	resume bool // only what was begun goes on
	w      *world
	all    map[string]candidate
	none   bool      // there was nothing to do when it was last looked
	out    []outcome // what became of the setups that were worked on
}

func (a *app) newGuide(f rotateFlags, names []string, resume bool) *guide {
	return &guide{app: a, flags: f, names: names, resume: resume}
}

// rotation is the guide as the front ends see it.
func (g *guide) rotation() ui.Rotation {
	r := ui.Rotation{Title: "Replace a token", None: "No token is due.", Sandbox: g.app.sandbox, Find: g.find, Plan: g.plan}
	switch {
	case g.resume:
		r.Title, r.None = "Go on with what was begun", "Nothing is unfinished."
	case g.flags.leaked:
		r.Title = "Replace a leaked token"
	}
	return r
}

// rotateByAsking leads a person through a rotation, or through what was broken off.
func (a *app) rotateByAsking(ctx context.Context, f rotateFlags, names []string, resume bool) (err error) {
	g := a.newGuide(f, names, resume)
	defer func() { err = errors.Join(err, g.w.close()) }()
	var out ui.Outcome
	if a.frontEnd() == wizard {
		a.inWizard.Store(true)
		out, err = tui.Rotate(ctx, g.rotation(), a.screen())
		a.inWizard.Store(false)
	} else {
		out, err = line.Rotate(ctx, g.rotation(), a.lines())
	}
	switch {
	case len(g.out) > 0:
		return a.both(a.outcomes(g.out), err)
	case err != nil:
		return err
	case out.Err != nil:
		return out.Err
	case g.none:
		a.tell("%s", g.rotation().None)
		return nil
	}
	_, _ = fmt.Fprintln(a.err, "Nothing was done.")
	return engine.ErrCancelled
}

// screen says what the full screen has to know about its terminal.
func (a *app) screen() tui.Options {
	return tui.Options{In: a.in, Out: a.rawOut, Environ: a.env.list(), ASCII: !a.env.utf8(), Grace: a.env.grace(), Typed: a.asTyped}
}

// lines says where the line mode asks.
func (a *app) lines() line.Options { return line.Options{In: a.in, Out: a.out, Width: a.cells()} }

// find looks for the setups, those first that need it most.
func (g *guide) find(ctx context.Context) ([]ui.Setup, error) {
	if g.w == nil {
		w, err := g.app.discover(ctx)
		if err != nil {
			return nil, err
		}
		g.w = w
	}
	all, err := g.w.candidates(ctx, g.flags, g.names, true)
	if err != nil {
		return nil, err
	}
	g.all = map[string]candidate{}
	var out []ui.Setup
	var failed error
	for _, c := range all {
		if c.err != nil && g.resume && c.state.Op != "" && !c.state.Active() {
			continue // nothing of it is to be gone on with
		}
		if c.err != nil {
			failed = cmp.Or(failed, c.err)
			if g.all[c.name] = c; !g.resume {
				out = append(out, ui.Setup{Name: c.name, Health: ui.Bad, Says: display.Clean(hint.Of(c.err).Error())})
			}
			continue
		}
		_, due := rotation.Due(c.token(), time.Now())
		if g.resume && !c.state.Active() || g.flags.due && !due && !c.state.Active() && !c.unfinished {
			continue
		}
		g.all[c.name] = c
		out = append(out, entry(c))
	}
	if failed != nil && !slices.ContainsFunc(out, func(x ui.Setup) bool { return g.all[x.Name].err == nil }) {
		return nil, failed // nothing else is left to choose
	}
	g.none = len(out) == 0
	slices.SortStableFunc(out, gravest)
	return out, nil
}

// gravest orders setups: those first that need somebody, then those whose token ends first.
func gravest(a, b ui.Setup) int {
	return cmp.Or(cmp.Compare(b.Health, a.Health), a.Ends.Compare(b.Ends), cmp.Compare(a.Name, b.Name))
}

// entry is a setup as a list shows it.
func entry(c candidate) ui.Setup {
	t := c.token()
	now := time.Now()
	x := ui.Setup{
		Name: c.name, Workspace: display.Clean(c.plan.Workspace.String()), Credential: display.Clean(c.plan.Credential.Kind.String()),
		Made: t.CreatedAt, Ends: t.EndAt, Used: t.Used(), Begun: c.state.Active(), Says: display.Clean("due on " + display.Day(rotation.DueAt(t))),
	}
	for _, t := range c.plan.Targets {
		x.Targets = append(x.Targets, t.String())
	}
	switch {
	case c.state.Active() && len(c.state.Old) > 0 && t.ID == "":
		x.Health, x.Says = ui.Bad, display.Clean("its token is gone; what was begun goes on with a new one")
	case c.state.Active():
		x.Health, x.Says = ui.Busy, display.Clean("begun and not finished")
		if halt := rotation.Preview(c.state, now); halt.Kind == rotation.Wait {
			x.Says = display.Clean("waiting until " + display.Minute(halt.Until))
		}
	case c.unfinished:
		x.Health, x.Says = ui.Busy, display.Clean("left unfinished elsewhere")
	case t.ID == "":
		x.Health, x.Says = ui.Bad, display.Clean("its token is gone")
	case t.Expired(now):
		x.Health, x.Says = ui.Bad, display.Clean("expired on "+display.Day(t.EndAt))
	case t.EndAt.IsZero():
		x.Health, x.Says = ui.Due, display.Clean("never expires")
	case !now.Before(rotation.DueAt(t)):
		x.Health, x.Says = ui.Due, display.Clean("due since "+display.Day(rotation.DueAt(t)))
	}
	return x
}

// plan checks that a setup's token can be replaced and says how.
func (g *guide) plan(ctx context.Context, name string) (*ui.Replacement, error) {
	c, known := g.all[name]
	if !known {
		return nil, hint.New(fmt.Sprintf("there is no setup %q", display.Clean(name)), "astro-ci status lists those that this computer knows.", "")
	}
	begun := c.state.Active()
	switch {
	case c.err != nil:
		return nil, c.err
	case begun && g.flags.leaked && c.state.Mode != rotation.Leaked:
		return nil, hint.New("a rotation of "+name+" is not finished, and its old token still works",
			"Finish it first: astro-ci resume "+name+". Or delete the old token at once: astro-ci token revoke "+c.token().ID, "")
	case begun && len(g.flags.add) > 0:
		return nil, g.app.notFinished(name, c.state)
	case len(g.flags.add) > 0:
		var err error
		if c.plan, err = withTargets(c.plan, g.flags.add); err != nil {
			return nil, err
		}
	}
	login, err := g.w.newLogin(ctx, g.flags, c)
	if err != nil {
		return nil, err
	}
	r := &replacing{g: g, c: c, login: login, wrote: map[int]rotation.Event{}}
	out := &ui.Replacement{
		Setup: entry(c), Begun: begun, First: begun && c.state.Mode == rotation.FirstSetup, Leaked: g.flags.leaked && !begun,
		Go: r.goOn, Halt: func() ui.Halt { return r.halt }, Used: r.used, Forget: r.forget,
		Resume: g.app.again("resume " + name),
	}
	for _, a := range login {
		out.Course = append(out.Course, engine.Event{Action: a, State: engine.Planned})
	}
	if begun {
		out.Course = append(out.Course, course(c.state)...)
		for _, name := range g.flags.forget {
			if _, err := targetOf(c.plan, name); err != nil {
				return nil, err
			}
			out.GiveUp = append(out.GiveUp, name)
		}
		return out, nil
	}
	if _, due := rotation.Due(c.token(), time.Now()); !c.unfinished || due || g.flags.leaked || len(g.flags.add) > 0 {
		c.anew()
	}
	if err := g.w.preflight(ctx, c); err != nil {
		return nil, err
	}
	r.c, r.begin = c, g.app.operation(c, g.flags)
	out.Course = append(out.Course, engine.Event{Action: engine.Action{Key: checking, Say: checking, Read: true}, State: engine.Planned})
	if len(g.flags.add) > 0 {
		if r.note, err = g.w.noteTargets(c.plan); err != nil {
			return nil, err
		}
	}
	for _, a := range r.note {
		out.Course = append(out.Course, engine.Event{Action: a, State: engine.Planned})
	}
	out.Course = append(out.Course, course(rotation.Fold([]rotation.Record{{Kind: rotation.RecPlanned, Begin: &r.begin}}))...)
	out.Facts, err = g.facts(ctx, c, r.begin)
	return out, err
}

// checking is the first act of a rotation.
const checking = "Check that the new token can be made and stored"

// course is a rotation's acts as the front ends show them.
func course(s rotation.State) (out []engine.Event) {
	for _, ev := range rotation.Course(s) {
		out = append(out, acted(ev))
	}
	return out
}

func acted(ev rotation.Event) engine.Event {
	out := engine.Event{Action: engine.Action{Key: ev.Say, Say: ev.Say}, State: engine.Planned, Detail: ev.Detail, Err: ev.Err, Took: ev.Took}
	out.Action.Read = ev.Act.Kind == rotation.Prove || ev.Act.Kind == rotation.Verify || ev.Act.Kind == rotation.List || ev.Act.Kind == rotation.Wait
	switch {
	case ev.Err != nil:
		out.State, out.Detail = engine.Failed, display.Clean(hint.Of(ev.Err).Error()).String()
	case ev.Ended:
		out.State = engine.Done
	}
	return out
}

// facts say what is replaced by what, where it is kept, and how sure that will be.
func (g *guide) facts(ctx context.Context, c candidate, b rotation.Begin) (out []ui.Fact, err error) {
	say := func(name, format string, args ...any) {
		out = append(out, ui.Fact{Name: name, Value: display.Clean(fmt.Sprintf(format, args...))})
	}
	words, due := rotation.Due(c.token(), time.Now())
	switch {
	case c.sweeps():
		words = "a rotation was begun elsewhere and is not finished"
	case c.unfinished:
		words = "a rotation elsewhere was broken off: which token is where is not known"
	case !due:
		words = "you ask for it; otherwise " + words
	}
	say("Why", "%s", words)
	old := slices.DeleteFunc(slices.Clone(c.old), func(t astro.Token) bool { return c.sweeps() && t.ID == c.carried.Held })
	for i, t := range old {
		last := ui.LastUsed(t.Used())
		say(map[bool]string{true: "Old token"}[i == 0], "%s, %s", t.ID, last)
	}
	if len(old) == 0 {
		say("Old token", "none is left")
	}
	if cr := c.plan.Credential; c.sweeps() {
		say("New token", "none; every target was seen to hold %s on %s", c.carried.Held, display.Minute(c.carried.Since))
	} else {
		say("New token", "%s for %s, role %s, %d days", cr.Kind, c.plan.Entity(), cr.Role, cr.ExpiresInDays)
	}
	stores, err := g.w.stores(ctx, c.plan)
	if err != nil {
		return nil, err
	}
	for i, t := range c.plan.Targets {
		say(map[bool]string{true: "Target"}[i == 0], "%s", t)
		info := stores[t.Store].Info()
		st, err := stores[t.Store].Stat(ctx, t)
		if err != nil {
			return nil, err
		}
		say("", "%s; %s", shows(st.Exists, st.UpdatedAt), provable(string(info.Proof)))
	}
	switch {
	case b.Mode == rotation.Leaked:
		say("Waiting", "none: the old token is deleted first, and pipelines fail until they have the new one")
	case len(old) > 0:
		say("Waiting", "%s, as long as a run may go on with the token that it has read; --drain changes it", short(b.Drain))
	}
	for _, t := range c.strange {
		say("Left alone", "%s has the mark of this setup and is none of its own", t.ID)
	}
	return out, nil
}

// shows is what a store tells of a secret now.
func shows(exists bool, at time.Time) string {
	switch {
	case !exists:
		return "not there yet"
	case at.IsZero():
		return "there"
	}
	return "last written " + display.Minute(at)
}

// provable says how sure a write will be.
func provable(proof string) string {
	switch proof {
	case "metadata":
		return "its record of the write can be seen, not the value"
	case "read-back":
		return "the value is read back and compared"
	}
	return "that it was accepted is all that can be seen"
}
