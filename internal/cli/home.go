package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/line"
	"github.com/astro-ci/astro-ci/internal/ui/report"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

// begin is astro-ci alone: the overview where there is something to see and somebody to ask, else the set-up.
func (a *app) begin(ctx context.Context) error {
	if a.frontEnd() != flagsOnly && !a.yes && !a.dryRun {
		if all, err := a.journals(); err == nil && slices.ContainsFunc(all, known.lives) {
			return a.fromOverview(ctx)
		}
	}
	return a.runSetup(ctx)
}

// fromOverview shows the overview, and shows it again after a set-up that was begun there.
func (a *app) fromOverview(ctx context.Context) (all error) {
	given, workspace := a.setup, *a.setup.answers["workspace"]
	for {
		a.setup, *a.setup.answers["workspace"] = given, workspace
		if a.fullScreen() {
			a.setup.from = "overview"
		}
		all = errors.Join(all, a.overview(ctx))
		if !a.setup.ended.Back {
			return all
		}
	}
}

// lives reports whether there is something of the setup: it was not taken back.
func (k known) lives() bool { return k.err != nil || k.state.Active() || k.state.Last != "" }

// home is the overview and what is done from it.
type home struct {
	app    *app
	w      *world
	all    map[string]candidate
	guides []*guide
	ends   []*removing
}

// overview shows the setups until the person leaves, or wants something that has a screen of its own.
func (a *app) overview(ctx context.Context) error {
	h := &home{app: a}
	all := ui.Home{
		Title: "Overview", Sandbox: a.sandbox, Find: h.find, Rotation: h.rotation, Verify: h.verify, SetUp: a.setupFor,
		Again: func(ctx context.Context, name string) error {
			a.setup.like, a.setup.title = name, "Like "+name+", for another Workspace"
			return a.runSetup(ctx)
		},
		Removal: h.removal,
	}
	var next func(context.Context) error
	var out ui.Outcome
	var err error
	full := a.fullScreen()
	if full {
		a.inWizard.Store(true)
		next, out, err = tui.Home(ctx, all, a.screen())
		a.inWizard.Store(false)
	} else {
		next, out, err = line.Home(ctx, all, a.lines())
	}
	var done []outcome
	for _, g := range h.guides {
		for _, o := range g.out { // what was left waiting may have gone on since
			done = append(slices.DeleteFunc(done, func(x outcome) bool { return x.Setup == o.Setup }), o)
		}
	}
	var ended error
	for i, x := range h.ends { // a removal that failed may have been begun once more
		if later := h.ends[i+1:]; x.begun() && !slices.ContainsFunc(later, func(y *removing) bool { return y.name == x.name && y.begun() }) {
			ended = errors.Join(ended, x.became(full, out.Err))
		}
	}
	became := func() error { return errors.Join(ended, a.outcomes(done)) }
	err = errors.Join(err, h.w.close())
	switch {
	case err != nil:
		return a.both(became(), err)
	case next != nil:
		return a.both(became(), next(ctx))
	case len(done) == 0 && ended == nil && out.Err != nil && !full: // the line mode has said it already
		return errors.Join(errShown, out.Err)
	case len(done) == 0 && ended == nil:
		return out.Err
	}
	return became()
}

// both joins what became of rotations with how it went on; that one was shown hides nothing of the other.
func (a *app) both(became, then error) error {
	if errors.Is(became, errShown) && then != nil && !errors.Is(then, errShown) {
		report.Error(a.err, then)
	}
	return errors.Join(became, then)
}

// setupFor sets up once for each of these Workspaces, or once for one that is asked for.
func (a *app) setupFor(ctx context.Context, workspaces []setup.Ref) error {
	if len(workspaces) == 0 {
		return a.runSetup(ctx)
	}
	for i, ws := range workspaces {
		*a.setup.answers["workspace"] = ws.ID
		a.setup.title = "Set up " + display.Clean(ws.String()).String()
		if n := len(workspaces); n > 1 {
			a.setup.title += fmt.Sprintf(", %d of %d", i+1, n)
			a.setup.then = map[bool]string{true: "next Workspace"}[i+1 < n]
		}
		err := a.runSetup(ctx)
		if on := a.setup.ended.Back && a.setup.ended.Confirmed; err != nil || a.setup.from != "" && !on {
			for _, left := range workspaces[i+1:] {
				a.tell("%s was not begun.", display.Clean(left.String()))
			}
			return err
		}
	}
	return nil
}

// find takes the inventory, and of it what is of the setups here and the Workspaces without a credential.
func (h *home) find(ctx context.Context) (out ui.Overview, err error) {
	if h.w == nil {
		if h.w, err = h.app.discover(ctx); err != nil {
			return out, err
		}
	}
	v, err := h.w.inventory(ctx, census{})
	if err != nil {
		return out, err
	}
	all, err := h.app.journals()
	if err != nil {
		return out, err
	}
	tokens, found := map[string]*astro.Token{}, map[string][]inventory.Finding{}
	for _, i := range v.Items {
		if i.Token != nil {
			tokens[i.Token.ID] = i.Token
		}
		if i.Whose == inventory.Ours {
			found[i.Setup] = append(found[i.Setup], i.Findings...)
		}
	}
	h.all = map[string]candidate{}
	for _, k := range all {
		if !k.lives() {
			continue
		}
		x := ui.Setup{Name: k.name}
		if k.err == nil {
			c := candidate{name: k.name, state: k.state, plan: k.state.Plan}
			if t := tokens[k.state.Last]; t != nil {
				c.old = append(c.old, *t)
			}
			h.all[k.name], x = c, entry(c)
			if x.Begun && k.state.Untouched() {
				x.TakeBack = h.app.again("resume " + k.name + " --abort")
			}
		}
		judge(&x, found[k.name])
		out.Setups = append(out.Setups, x)
	}
	slices.SortStableFunc(out.Setups, gravest)
	out.Without = v.Bare
	return out, nil
}

// judge says of a setup what the inventory found, the gravest first.
func judge(x *ui.Setup, found []inventory.Finding) {
	if len(found) == 0 || x.Health == ui.Busy && !found[0].Person {
		return
	}
	f := found[0]
	switch {
	case f.Person && f.Key != inventory.Unfinished:
		x.Health, x.Says = ui.Bad, display.Clean(f.Say)
	case x.Health == ui.Fine:
		x.Says = display.Clean(f.Say)
	}
}

// rotation is the one of a setup, in the same world.
func (h *home) rotation(name string) ui.Rotation {
	g := h.app.newGuide(rotateFlags{}, []string{name}, h.all[name].state.Active())
	g.w = h.w
	h.guides = append(h.guides, g)
	return g.rotation()
}

// removal is the end of a setup, in the same world.
func (h *home) removal(name string) ui.Removal {
	x := &removing{app: h.app, w: h.w, name: name}
	h.ends = append(h.ends, x)
	return x.removal()
}

// verify asks Astro for the token of a setup, and each store for the last write.
func (h *home) verify(ctx context.Context, name string) (ui.Verified, error) {
	c, ok := h.all[name]
	if !ok {
		return ui.Verified{}, hint.New("the journal of "+name+" cannot be read", "Its token and its secrets stay as they are. Put the journal back from a backup, or set it up anew.", "")
	}
	return verified(h.w.verify(ctx, c)), nil
}
