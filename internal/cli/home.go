package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/ui"
	"github.com/astro-ci/astro-ci/internal/ui/tui"
)

// begin is astro-ci alone: the overview where there is something to see, else the set-up.
func (a *app) begin(ctx context.Context) error {
	if a.frontEnd() == wizard && !a.yes && !a.dryRun {
		if all, err := a.journals(); err == nil && slices.ContainsFunc(all, known.lives) {
			return a.overview(ctx)
		}
	}
	return a.runSetup(ctx)
}

// lives reports whether there is something of the setup: it was not taken back.
func (k known) lives() bool { return k.err != nil || k.state.Active() || k.state.Last != "" }

// home is the overview and what is done from it.
type home struct {
	app    *app
	w      *world
	all    map[string]candidate
	guides []*guide
}

// overview shows the setups until the person leaves, or wants something that has a screen of its own.
func (a *app) overview(ctx context.Context) error {
	h := &home{app: a}
	next, out, err := tui.Home(ctx, ui.Home{
		Title: "Overview", Sandbox: a.sandbox, Find: h.find, Rotation: h.rotation, Verify: h.verify, SetUp: a.setupFor,
	}, a.screen())
	var done []outcome
	for _, g := range h.guides {
		done = append(done, g.out...)
	}
	err = errors.Join(err, h.w.close())
	switch {
	case err != nil:
		return errors.Join(err, a.outcomes(done))
	case next != nil:
		return errors.Join(a.outcomes(done), next(ctx))
	case len(done) == 0:
		return out.Err
	}
	return a.outcomes(done)
}

// setupFor sets up once for each of these Workspaces, or once for one that is asked for.
func (a *app) setupFor(ctx context.Context, workspaces []setup.Ref) error {
	if len(workspaces) == 0 {
		return a.runSetup(ctx)
	}
	for _, ws := range workspaces {
		*a.setup.answers["workspace"] = ws.ID
		if err := a.runSetup(ctx); err != nil {
			return err
		}
	}
	return nil
}

// find reads the journals, and asks Astro once for the tokens and the Workspaces of each Organization.
func (h *home) find(ctx context.Context) (out ui.Overview, err error) {
	if h.w == nil {
		if h.w, err = h.app.discover(ctx); err != nil {
			return out, err
		}
	}
	all, err := h.app.journals()
	if err != nil {
		return out, err
	}
	h.all = map[string]candidate{}
	tokens := map[string][]astro.Token{} // by Organization
	covered := map[string]bool{}         // Workspaces
	for _, k := range all {
		c := candidate{name: k.name, state: k.state, plan: k.state.Plan}
		org := c.plan.Organization.ID
		switch {
		case k.err != nil:
			out.Setups = append(out.Setups, ui.Setup{Name: k.name, Health: ui.Bad, Says: display.Clean(hint.Of(k.err).Error())})
			continue
		case !k.lives():
			continue
		case tokens[org] == nil:
			if tokens[org], err = h.w.astro.Tokens(ctx, org, "", ""); err != nil {
				return out, err
			}
		}
		for _, t := range tokens[org] {
			if t.ID == c.state.Last {
				c.old = append(c.old, t)
			}
		}
		h.all[k.name], covered[c.plan.Workspace.ID] = c, true
		out.Setups = append(out.Setups, entry(c))
	}
	slices.SortStableFunc(out.Setups, func(a, b ui.Setup) int {
		return cmp.Or(cmp.Compare(b.Health, a.Health), a.Ends.Compare(b.Ends), cmp.Compare(a.Name, b.Name))
	})
	for org, all := range tokens {
		for _, t := range all {
			for _, r := range t.Roles {
				covered[r.EntityID] = true
			}
		}
		page, err := h.w.astro.Workspaces(ctx, org)
		if status := httpx.Status(err); status == http.StatusForbidden || status == http.StatusNotFound {
			continue // who may not see them can set none up either
		}
		if err != nil {
			return out, err
		}
		workspaces, err := page.All(ctx)
		if err != nil {
			return out, err
		}
		for _, ws := range workspaces {
			if !covered[ws.ID] {
				out.Without = append(out.Without, setup.Ref{ID: ws.ID, Name: ws.Name})
			}
		}
	}
	return out, nil
}

// rotation is the one of a setup, in the same world.
func (h *home) rotation(name string) ui.Rotation {
	g := h.app.newGuide(rotateFlags{}, []string{name}, h.all[name].state.Active())
	g.w = h.w
	h.guides = append(h.guides, g)
	return g.rotation()
}

// verify asks Astro for the token of a setup, and each store for the last write.
func (h *home) verify(ctx context.Context, name string) (out []ui.Fact, err error) {
	c, ok := h.all[name]
	if !ok {
		return nil, hint.New("the journal of "+name+" cannot be read", "Its token and its secrets stay as they are. Put the journal back from a backup, or set it up anew.", "")
	}
	say := func(name, format string, args ...any) {
		out = append(out, ui.Fact{Name: name, Value: display.Clean(fmt.Sprintf(format, args...))})
	}
	t, err := h.w.astro.Token(ctx, c.plan.Organization.ID, c.state.Last)
	switch {
	case c.state.Last == "":
		say("Token", "none yet: the set-up is not finished")
	case httpx.Status(err) == http.StatusNotFound:
		say("Token", "%s is no longer on Astro", c.state.Last)
	case err != nil:
		return nil, err
	default:
		say("Token", "%s is on Astro, role %s", t.ID, t.On().Role)
		words, _ := why(t, time.Now())
		say("", "%s", words)
		if t.LastUsedAt.IsZero() {
			say("Last used", "never")
		} else {
			say("Last used", "%s", clock(t.LastUsedAt))
		}
	}
	stores, err := h.w.stores(ctx, c.plan)
	if err != nil {
		return nil, err
	}
	for i, target := range c.plan.Targets {
		if c.state.Targets[i].Forgotten {
			continue
		}
		say("Target", "%s", target)
		st, err := stores[target.Store].Stat(ctx, target)
		switch mark := c.state.Targets[i].Version; {
		case err != nil:
			say("", "could not be asked: %v", hint.Of(err))
		case !st.Exists:
			say("", "is missing; astro-ci rotate %s writes it anew", name)
		case mark == "" || st.Version == "":
			say("", "is there; the store shows nothing by which its last write could be told")
		case mark == st.Version:
			say("", "holds what astro-ci wrote last")
		default:
			say("", "was written by somebody else since; astro-ci rotate %s writes it anew", name)
		}
	}
	return out, nil
}
