package cli

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// census says what an inventory is of.
type census struct {
	organization string        // name or id; "" for the only one, or the one of all setups
	setupsOnly   bool          // only the tokens of setups, by few requests
	unused       time.Duration // after which a token is unused; 0 for the usual time
}

// unasked is the inventory as far as it can be made without Astro.
func (a *app) unasked(q census) (inventory.Inventory, error) {
	setups, err := a.setups(time.Now())
	return inventory.New(inventory.Input{Now: time.Now(), Unused: q.unused, Setups: setups}), err
}

// setups are those that this computer has a journal of.
func (a *app) setups(now time.Time) (out []inventory.Setup, err error) {
	all, err := a.journals()
	for _, k := range all {
		s := inventory.Setup{Name: k.name, Plan: k.state.Setup(), Token: k.state.Last, Damaged: k.err}
		switch {
		case k.err != nil:
		case k.state.Active():
			s.Plan = k.state.Plan
			for _, t := range k.state.Tokens {
				s.Tokens = append(s.Tokens, t.ID)
			}
			s.Unfinished = "it was begun and is not finished"
			if act := rotation.Preview(k.state, now); act.Kind == rotation.Wait {
				s.Unfinished, s.Until = waiting(act), act.Until
			}
		case k.state.Last == "":
			continue // it was taken back
		}
		out = append(out, s)
	}
	return out, err
}

// inventory asks Astro what there is. It needs nothing of the world but the log-in to Astro.
func (w *world) inventory(ctx context.Context, q census) (inventory.Inventory, error) {
	now := time.Now()
	in := inventory.Input{Now: now, Unused: q.unused, Asked: true, Whole: !q.setupsOnly}
	fail := func(err error) (inventory.Inventory, error) { return inventory.Inventory{}, err }
	var err error
	if in.Setups, err = w.app.setups(now); err != nil {
		return fail(err)
	}
	if q.setupsOnly && len(in.Setups) == 0 {
		return inventory.New(in), nil
	}
	who, err := w.astro.WhoAmI(ctx, w.login)
	if err != nil {
		return fail(err)
	}
	in.Roles = who.Roles
	if in.Whole {
		if in.Organization, err = w.app.whichOrganization(ctx, q, who.Organizations, in.Setups); err != nil {
			return fail(err)
		}
		if err := w.lists(ctx, &in); err != nil {
			return fail(err)
		}
	}
	for _, s := range in.Setups {
		if in.Whole && s.Plan.Organization.ID == in.Organization.ID {
			continue
		}
		more, err := w.tokensOf(ctx, s)
		if err != nil {
			return fail(err)
		}
		in.Tokens = append(in.Tokens, more...)
	}
	return inventory.New(in), nil
}

// whichOrganization is the one that was asked for, else the one of the setups, else the only one.
func (a *app) whichOrganization(ctx context.Context, q census, all []astro.Organization, setups []inventory.Setup) (setup.Ref, error) {
	wanted := cmp.Or(q.organization, a.env.get("ASTRO_CI_ORGANIZATION"))
	var of []string
	for _, s := range setups {
		if id := s.Plan.Organization.ID; !slices.Contains(of, id) && slices.ContainsFunc(all, func(o astro.Organization) bool { return o.ID == id }) {
			of = append(of, id)
		}
	}
	if wanted == "" && len(of) == 1 {
		wanted = of[0]
	}
	id, err := pick(ctx, "organization", wanted, astro.Page[astro.Organization]{Items: all}, nil, func(o astro.Organization) (string, display.Text) { return o.ID, o.Name })
	if err != nil {
		return setup.Ref{}, err
	}
	i := slices.IndexFunc(all, func(o astro.Organization) bool { return o.ID == id })
	return setup.Ref{ID: id, Name: all[i].Name}, nil
}

// lists reads what there is in the Organization. What the log-in may not list stays nil, but for the tokens.
func (w *world) lists(ctx context.Context, in *inventory.Input) error {
	org := in.Organization.ID
	var err error
	if in.Tokens, err = w.astro.Tokens(ctx, org, "", ""); err != nil {
		return err
	}
	if in.Members, err = allowed(w.astro.Members(ctx, org)); err != nil {
		return err
	}
	if in.Workspaces, err = allowed(whole(ctx, func() (astro.Page[astro.Workspace], error) { return w.astro.Workspaces(ctx, org) })); err != nil {
		return err
	}
	in.Deployments, err = allowed(whole(ctx, func() (astro.Page[astro.Deployment], error) { return w.astro.Deployments(ctx, org, "") }))
	return err
}

func whole[T any](ctx context.Context, first func() (astro.Page[T], error)) ([]T, error) {
	page, err := first()
	if err != nil {
		return nil, err
	}
	return page.All(ctx)
}

// allowed makes nil of a list that the log-in may not read, and only of that.
func allowed[T any](all []T, err error) ([]T, error) {
	switch {
	case httpx.Status(err) == http.StatusForbidden:
		return nil, nil
	case err != nil:
		return nil, err
	}
	return append([]T{}, all...), nil
}

// tokensOf reads the tokens of one setup. Where the one in use is not there, those with its mark are looked
// for: it may have been replaced from another computer.
func (w *world) tokensOf(ctx context.Context, s inventory.Setup) (out []astro.Token, err error) {
	org := s.Plan.Organization.ID
	for _, id := range append(slices.Clone(s.Tokens), s.Token) {
		if id == "" || slices.ContainsFunc(out, func(t astro.Token) bool { return t.ID == id }) {
			continue
		}
		t, err := w.astro.Token(ctx, org, id)
		switch status := httpx.Status(err); {
		case err == nil:
			out = append(out, t)
		case status == http.StatusNotFound || status == http.StatusForbidden:
		default:
			return nil, err
		}
	}
	if s.Damaged != nil || s.Unfinished != "" || len(out) > 0 {
		return out, nil
	}
	var ws, dep string
	switch s.Plan.Credential.Kind {
	case setup.DeploymentToken:
		dep = s.Plan.Deployment.ID
	case setup.WorkspaceToken:
		ws = s.Plan.Workspace.ID
	case setup.OrganizationToken, setup.DeploymentKey:
	}
	all, err := allowed(w.astro.Tokens(ctx, org, ws, dep))
	if httpx.Status(err) == http.StatusNotFound {
		return nil, nil // the log-in does not see the Organization
	}
	for _, t := range all {
		if name, _ := setup.ParseMarker(t.Description.String()); name == s.Name {
			out = append(out, t)
		}
	}
	return out, err
}
