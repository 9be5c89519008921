package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/rotation"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/setupfile"
)

// candidate is a setup whose token can be replaced.
type candidate struct {
	name  string
	state rotation.State
	plan  setup.Plan
	old   []astro.Token // that targets may hold, the newest one last; empty when it is gone
	// carried is what the marks on Astro say, where no journal here knows the newest token; else nil.
	carried *rotation.Carried
	// unfinished says that a rotation elsewhere has left something over, as far as the marks tell.
	unfinished bool
	// strange are tokens with the mark of this setup that are none of its own.
	strange []astro.Token
	// quiet says that nothing is told while it is worked on.
	quiet bool
	err   error // what stands in astro-ci.yaml cannot be done; then nothing but the name is known
}

// anew has a new token made, whatever a rotation elsewhere has left over.
func (c *candidate) anew() {
	if c.carried != nil {
		c.carried, c.unfinished = &rotation.Carried{}, false
	}
}

// token is the one in use; the zero one when it is gone.
func (c candidate) token() (t astro.Token) {
	if n := len(c.old); n > 0 {
		t = c.old[n-1]
	}
	return t
}

// candidates are the setups that were named, or all of which there is a journal here or an entry in
// astro-ci.yaml, with those that renew them. The latter come last: what they log in with is replaced after
// what they replace. Of setups that nobody named, what fails can keep none of the others back: it is their err.
func (w *world) candidates(ctx context.Context, f rotateFlags, names []string, spare bool) (out []candidate, err error) {
	all, err := w.app.journals()
	if err != nil {
		return nil, err
	}
	file, fileErr := w.setupsApart()
	add := func(name string, c candidate, err error) error {
		switch {
		case err == nil && c.name != "":
			out = append(out, c)
		case err != nil && spare && len(names) == 0 && ctx.Err() == nil:
			out = append(out, candidate{name: name, state: c.state, err: err})
		default:
			return err
		}
		return nil
	}
	here := map[string]bool{}
	for _, k := range all {
		if len(names) > 0 && !slices.Contains(names, k.name) || k.err == nil && k.state.Last == "" && !k.state.Active() { // it was taken back
			continue
		}
		here[k.name] = true
		c, err := w.fromJournal(ctx, k)
		if err := add(k.name, c, err); err != nil {
			return nil, err
		}
	}
	wanted := names
	if len(names) == 0 {
		wanted = slices.Concat(file.Names(), renewals(file))
	}
	if fileErr != nil && len(names) == 0 {
		if err := add(setupfile.Name, candidate{}, fileErr); err != nil {
			return nil, err
		}
	}
	for _, name := range wanted {
		if here[name] {
			continue
		}
		if fileErr != nil && len(names) > 0 {
			return nil, fileErr
		}
		c, err := w.fromFileOrMarks(ctx, f, file, name)
		if err == nil && c.name == "" && len(names) > 0 {
			err = usageError{hint.New("the setup "+name+" has no token on Astro yet", "Make it: astro-ci setup --like "+name, "")}
		}
		if err := add(name, c, err); err != nil {
			return nil, err
		}
	}
	renewing := map[string]bool{}
	for _, c := range out {
		renewing[setup.RenewalName(c.name)] = true
	}
	last := func(c candidate) int {
		if c.plan.Job.Scheduled() || renewing[c.name] { // marks say nothing of the job
			return 1
		}
		return 0
	}
	slices.SortStableFunc(out, func(a, b candidate) int { return last(a) - last(b) })
	if len(out) == 0 {
		return nil, usageError{hint.New("this computer knows no setup", "Name the setup; its tokens on Astro carry the name. Or make one: astro-ci setup", "")}
	}
	return out, nil
}

// fromJournal is the setup of a journal here.
func (w *world) fromJournal(ctx context.Context, k known) (candidate, error) {
	if k.err != nil {
		return candidate{}, k.err
	}
	c := candidate{name: k.name, state: k.state, plan: k.state.Plan}
	if !k.state.Active() {
		c.plan = k.state.Setup()
	}
	err := w.look(ctx, &c)
	return c, err
}

// fromFileOrMarks is a setup without a journal: the one of astro-ci.yaml, which is the zero one as long as it has
// no token, else what the marks on Astro tell.
func (w *world) fromFileOrMarks(ctx context.Context, f rotateFlags, file setupfile.File, name string) (c candidate, err error) {
	p, ok, err := w.entry(ctx, file, name)
	switch {
	case err != nil:
		return c, err
	case !ok:
		return w.marked(ctx, f, name)
	}
	c.plan = p
	if err := w.look(ctx, &c); err != nil || len(c.old) == 0 {
		return candidate{}, err
	}
	return c, nil
}

// look finds the tokens of a setup on Astro.
func (w *world) look(ctx context.Context, c *candidate) error {
	all, err := w.astro.Tokens(ctx, c.plan.Organization.ID, "", "")
	if err == nil {
		*c, err = w.find(ctx, c.plan, c.state, all)
	}
	return err
}

// find finds the tokens of a setup among those of its Organization that the log-in sees. Where none is of the
// setup, those for its place are asked for: only who may list these can tell that there is none.
func (w *world) find(ctx context.Context, p setup.Plan, s rotation.State, all []astro.Token) (candidate, error) {
	c := found(p, s, all, time.Now())
	if len(c.old) > 0 || p.Credential.Kind == setup.DeploymentKey { // which is no token
		return c, nil
	}
	all, err := w.around(ctx, p.Setup, all)
	return found(p, s, all, time.Now()), err
}

// around adds the tokens for the place of a setup to those of its Organization that the log-in sees.
func (w *world) around(ctx context.Context, s setup.Setup, all []astro.Token) ([]astro.Token, error) {
	there, err := w.astro.TokensAt(ctx, s)
	more := slices.DeleteFunc(there, func(t astro.Token) bool {
		return slices.ContainsFunc(all, func(x astro.Token) bool { return x.ID == t.ID })
	})
	all = slices.Concat(all, more)
	slices.SortStableFunc(all, func(x, y astro.Token) int { return x.CreatedAt.Compare(y.CreatedAt) })
	return all, err
}

// found sorts the tokens of an Organization, oldest first, for a setup. The plan may come from anywhere:
// a journal, a file, the marks. The state is what the journal here says; the zero one when there is none.
func found(p setup.Plan, s rotation.State, all []astro.Token, now time.Time) candidate {
	c := candidate{name: p.Name, state: s, plan: p}
	var own []astro.Token
	for _, t := range all {
		switch {
		case t.ID == s.Last, isOf(t, p.Setup):
			own = append(own, t)
		case setup.ParseMark(t.Description.String()).Setup == p.Name && !t.Expired(now): // of a setup with the same name for another place
			c.strange = append(c.strange, t)
		}
	}
	if len(own) == 0 {
		return c
	}
	newest := own[len(own)-1].ID
	own = slices.DeleteFunc(own, func(t astro.Token) bool { return t.ID != newest && t.Expired(now) })
	if newest == s.Last || s.Active() {
		for _, t := range own {
			if t.ID == s.Last {
				c.old = append(c.old, t)
			} else if !s.Knows(t.ID) {
				c.strange = append(c.strange, t)
			}
		}
		return c
	}
	carried, unfinished := rotation.FromMarks(own)
	if s.Last != "" && !carried.Since.After(s.Began) { // the token of the journal here is gone
		carried, unfinished = rotation.Carried{}, true
	}
	c.old, c.carried, c.unfinished = own, &carried, unfinished
	return c
}

// isOf reports whether a token has the mark of a setup and is for its place.
func isOf(t astro.Token, s setup.Setup) bool {
	return setup.ParseMark(t.Description.String()).Setup == s.Name && t.Name.String() == display.Clean(s.TokenName()).String()
}

// sweeps reports whether a token that every target holds is there already: what is left is to delete the
// others in time.
func (c candidate) sweeps() bool { return c.unfinished && c.carried.Held != "" }

// working is a token that somebody made a moment ago, and who may be at work with it; the zero one when
// there is none.
func (c candidate) working(now time.Time, busy time.Duration) (t astro.Token) {
	made := c.strange
	if c.unfinished && !c.sweeps() {
		made = slices.Concat(made, c.old)
	}
	for _, x := range made {
		if now.Sub(x.CreatedAt) < busy {
			t = x
		}
	}
	return t
}

// marked finds a setup by nothing but the marks of its tokens.
func (w *world) marked(ctx context.Context, f rotateFlags, name string) (c candidate, err error) {
	page, err := w.astro.Organizations(ctx)
	org, err := pick(ctx, "organization", cmp.Or(f.at.organization, w.app.env.get("ASTRO_CI_ORGANIZATION")), page, err, func(o astro.Organization) (string, display.Text) { return o.ID, o.Name })
	if err != nil {
		return c, err
	}
	all, err := w.astro.Tokens(ctx, org, "", "")
	if err != nil {
		return c, err
	}
	p, err := w.planOf(ctx, f, name, org, all)
	if err != nil {
		return c, err
	}
	return found(p, rotation.State{}, all, time.Now()), nil
}

// planOf is the plan of a setup, as far as its newest token tells.
func (w *world) planOf(ctx context.Context, f rotateFlags, name, org string, all []astro.Token) (p setup.Plan, err error) {
	var t astro.Token
	for _, x := range all {
		switch {
		case setup.ParseMark(x.Description.String()).Setup != name || x.Expired(time.Now()):
		case t.ID != "" && t.Name != x.Name:
			return p, hint.New(fmt.Sprintf("tokens of the setup %q are for different places: %s, and %s", name, t.Name, x.Name), "Rotate it on the computer that has its journal, or revoke those that nothing uses.", "")
		default:
			t = x
		}
	}
	if t.ID == "" {
		return p, usageError{hint.New(fmt.Sprintf("there is no setup %q: no journal here, and your log-in sees no token with its mark on Astro", display.Clean(name)), "See what there is: astro-ci token list. Or make it: astro-ci setup", "")}
	}
	p.Name, p.Organization = name, setup.Ref{ID: org}
	platform, address, _ := strings.Cut(t.Name.String(), " ")
	kind, ok := setup.KindOf(t.Scope)
	if !ok || address == "" || t.Days == 0 {
		return p, hint.New("the token "+t.ID+" does not say enough about the setup "+name, "Set it up anew: astro-ci setup --name "+name, "")
	}
	p.Credential = setup.Credential{Kind: kind, Role: t.On().Role, ExpiresInDays: t.Days}
	p.Platform, p.Pipeline.Own = platform, true
	if p.Repository = w.repos[platform]; p.Repository.IsZero() {
		p.Repository.Path, _, _ = strings.Cut(address, "#")
	}
	if err := w.locate(ctx, &p, t.On().EntityID); err != nil {
		return p, err
	}
	at := setup.Target{Store: platform, Address: address, Secret: cmp.Or(f.secretName, setup.TokenVariable)}
	if id, rest, ok := strings.Cut(address, ":"); ok && slices.ContainsFunc(w.backends(), func(b backend) bool { return b.id == id }) {
		at.Store, at.Address = id, rest
	}
	p.Targets = []setup.Target{at}
	if err := alone(p, all, f.secretName != ""); err != nil {
		return p, err
	}
	store, err := w.store(ctx, p, at.Store)
	if err != nil {
		return p, err
	}
	st, err := store.Stat(ctx, p.Target())
	if err == nil && !st.Exists {
		err = hint.New("there is no secret "+p.Target().String(), "Give its name with --secret-name.", "")
	}
	return p, err
}

// alone is an error unless the one target of a plan made from marks is all that its tokens are in, as far as they
// tell: what is written elsewhere is another setup's, and a target that is left out keeps a token that gets
// deleted. Where no token says it, because the setup was never rotated, a person has to name the secret.
func alone(p setup.Plan, all []astro.Token, named bool) error {
	var seals, beside []string
	for _, t := range all {
		m := setup.ParseMark(t.Description.String())
		switch {
		case t.Expired(time.Now()) || t.Name.String() != display.Clean(p.TokenName()).String():
		case m.Setup == p.Name && !m.Held.IsZero():
			seals = m.Seals
		case m.Setup != "" && m.Setup != p.Name:
			beside = append(beside, m.Setup)
		}
	}
	const next = "Give the name of its secret with --secret-name."
	switch {
	case len(seals) > 1:
		return hint.New(fmt.Sprintf("the setup %s keeps its token in %d places, and Astro does not say which", p.Name, len(seals)), "Rotate it on the computer that has its journal, or in a checkout whose "+setupfile.Name+" names it.", setupfile.Docs)
	case len(seals) == 1 && !setup.SameTarget(seals[0], setup.Seal(p.Target(), "")):
		return hint.New("the token of "+p.Name+" is not kept in "+p.Target().String(), next, "")
	case len(seals) > 0 || named:
	case len(beside) > 0:
		slices.Sort(beside)
		return hint.New("which secret is that of "+p.Name+" is not known: at its place there are those of "+strings.Join(slices.Compact(beside), ", "), next, "")
	default: // it was never rotated, so nothing tells of copies
		return hint.New("where the token of "+p.Name+" is kept is not known", "Rotate it on the computer that has its journal, or in a checkout whose "+setupfile.Name+" names it. If its secret is in one place only: "+next, setupfile.Docs)
	}
	return nil
}

// locate fills in what the credential is for, by its id.
func (w *world) locate(ctx context.Context, p *setup.Plan, id string) error {
	switch p.Credential.Kind {
	case setup.WorkspaceToken:
		p.Workspace.ID = id
	case setup.DeploymentToken:
		p.Deployment.ID = id
	case setup.OrganizationToken, setup.DeploymentKey:
		return nil
	}
	page, err := w.astro.Workspaces(ctx, p.Organization.ID)
	if err != nil {
		return err
	}
	all, err := page.All(ctx)
	if err != nil {
		return err
	}
	for _, ws := range all {
		if ws.ID == p.Workspace.ID {
			p.Workspace.Name = ws.Name
			return nil
		}
		if p.Deployment.ID == "" {
			continue
		}
		page, err := w.astro.Deployments(ctx, p.Organization.ID, ws.ID)
		if err != nil {
			return err
		}
		deployments, err := page.All(ctx)
		if err != nil {
			return err
		}
		for _, d := range deployments {
			if d.ID == p.Deployment.ID {
				p.Workspace, p.Deployment.Name = setup.Ref{ID: ws.ID, Name: ws.Name}, d.Name
				return nil
			}
		}
	}
	return nil
}
