package cli

import (
	"context"
	"slices"
	"time"

	"github.com/astro-ci/astro-ci/internal/apply"
	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/doctor"
	"github.com/astro-ci/astro-ci/internal/engine"
	"github.com/astro-ci/astro-ci/internal/inventory"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// drift compares astro-ci.yaml, the journals, the stores and Astro.
func (x *examination) drift(ctx context.Context) (out []doctor.Row) {
	found, err := x.findings(ctx)
	if err != nil {
		out = append(out, doctor.Failed(doctor.Drift, "tokens of the setups", err))
	}
	rows := make([][]doctor.Row, len(x.all))
	each(ctx, indexes(x.all), func(i int) {
		s := x.all[i]
		switch {
		case s.journal && s.err != nil && err == nil: // the finding says why
			rows[i] = []doctor.Row{doctor.Finding(s.name, found[s.name])}
		case s.err != nil:
			rows[i] = []doctor.Row{doctor.Failed(doctor.Drift, s.name, s.err)}
		default:
			if s.journal && err == nil {
				rows[i] = append(rows[i], doctor.Finding(s.name, found[s.name]))
			}
			if !s.journal {
				token := x.w.verifyToken(ctx, s.candidate)
				rows[i] = append(rows[i], token.Row(doctor.Drift, s.name+": token"))
				if token.Subject == "" {
					return // nothing of it has been made
				}
			}
			rows[i] = slices.Concat(rows[i], x.kept(ctx, s), x.entry(ctx, s), x.files(ctx, s))
		}
	})
	out = append(out, slices.Concat(rows...)...)
	if x.w.noLogin == nil {
		out = append(out, x.strays(ctx)...)
	}
	return out
}

// findings are what the inventory says of the setups of this computer.
func (x *examination) findings(ctx context.Context) (map[string][]inventory.Finding, error) {
	v, err := x.w.app.unasked(census{})
	if x.w.noLogin == nil {
		v, err = x.w.inventory(ctx, census{setupsOnly: true})
	}
	out := map[string][]inventory.Finding{}
	for _, i := range v.Items {
		if i.Whose == inventory.Ours {
			out[i.Setup] = append(out[i.Setup], i.Findings...)
		}
	}
	return out, err
}

// kept looks at the targets, and into them where that was asked for.
func (x *examination) kept(ctx context.Context, s *subject) (out []doctor.Row) {
	add := func(c doctor.Checked) {
		if c.Subject != "" {
			out = append(out, c.Row(doctor.Drift, s.name+": "+c.Subject))
		}
	}
	for i, t := range s.plan.Targets {
		c := x.w.verifyTarget(ctx, s.candidate, i, x.values)
		if x.values && c.Err == nil && c.Subject != "" && t.Feeds() == setup.TokenVariable {
			c = s.helps(x.look(ctx, s, t, c))
		}
		add(c)
	}
	add(x.w.verifyLogin(ctx, s.candidate))
	return out
}

// look reads the value of a target where its store shows values, and compares the token that it names with
// the one that the target should hold. Nothing of the value goes further.
func (x *examination) look(ctx context.Context, s *subject, t setup.Target, c doctor.Checked) doctor.Checked {
	store, err := x.w.store(ctx, s.plan, t.Store)
	if err != nil {
		return c
	}
	readable, ok := store.(providers.Historian)
	if !ok {
		return c
	}
	st, err := store.Stat(ctx, t)
	if err != nil || !st.Exists || st.Version == "" {
		return c
	}
	v, err := readable.Earlier(ctx, t, st.Version)
	if err != nil {
		return c.Read(s.name, "", s.inUse(), err)
	}
	x.w.app.redactor.Add(v)
	claims, _ := astro.ReadClaims(v) // what has another form names no token
	return c.Read(s.name, claims.TokenID, s.inUse(), nil)
}

// entry compares a setup with what astro-ci.yaml says of it.
func (x *examination) entry(ctx context.Context, s *subject) []doctor.Row {
	switch {
	case s.fileErr != nil:
		return []doctor.Row{doctor.Failed(doctor.Drift, s.name+": astro-ci.yaml", s.fileErr)}
	case s.file == nil && (len(x.file.Setups) == 0 || !x.here(s.plan) || x.w.note(s.plan).Path == ""):
		return nil
	case s.file == nil:
		return []doctor.Row{doctor.Entry(s.name, apply.Decision{Verdict: apply.Orphan})}
	}
	list, err := x.tokens(ctx, s.file.Organization.ID)
	if err != nil {
		return []doctor.Row{doctor.Failed(doctor.Drift, s.name+": astro-ci.yaml", err)}
	}
	c, err := x.w.find(ctx, *s.file, s.state, list)
	if err != nil {
		return []doctor.Row{doctor.Failed(doctor.Drift, s.name+": astro-ci.yaml", err)}
	}
	return s.resumes(doctor.Entry(s.name, apply.Decide(*s.file, apply.Have{Journal: s.state, Tokens: c.old, Unfinished: c.unfinished, Swept: c.sweeps()}, time.Now())))
}

// resumes is a row whose help is to go on, where something was begun on the setup.
func (s *subject) resumes(r doctor.Row) []doctor.Row {
	r.Next = s.goesOn(r.Next)
	return []doctor.Row{r}
}

// here reports whether a plan is for the repository that one stands in.
func (x *examination) here(p setup.Plan) bool { return x.w.repos[p.Platform] == p.Repository }

// files compares the files of the pipeline with what would be written now.
func (x *examination) files(ctx context.Context, s *subject) (out []doctor.Row) {
	p := s.rendered()
	unknown := func(reason string) []doctor.Row {
		return []doctor.Row{{Group: doctor.Drift, Subject: s.name + ": pipeline", State: doctor.Unknown, Reason: reason}}
	}
	platform, err := x.w.openAt(ctx, p.Platform, p.Repository.Host)
	switch {
	case err != nil:
		return unknown("there is no log-in to its platform")
	case !x.here(p):
		return unknown("its repository is not the one of this folder: " + p.Repository.String())
	}
	renewal, entry := "", s.name
	if p.Job.Scheduled() {
		entry = p.Pipeline.Renews
	}
	if !p.SelfRotation.IsZero() && of(x.all, setup.RenewalName(p.Name)) != nil { // it has rows of its own
		renewal = engine.Renewal(p, platform).Pipeline.File
	}
	changes, err := x.changes(ctx, p, platform)
	if err != nil {
		return []doctor.Row{doctor.File(s.name, entry, pipeline.Change{}, err)}
	}
	for _, c := range changes {
		if c.Path != renewal {
			out = append(out, s.resumes(doctor.File(s.name, entry, c, nil))...)
		}
	}
	if v := p.Pipeline.CLI.Version; v != "" && !p.Pipeline.Own && !p.Job.Scheduled() {
		out = append(out, doctor.Pin(s.name, v, pipeline.Newest()))
	}
	return out
}

// rendered is the plan by which the files would be written now: that of astro-ci.yaml, or of the journal. What
// is done once is left out.
func (s *subject) rendered() setup.Plan {
	p := s.plan.Clone()
	if s.file != nil {
		p = s.file.Clone()
	}
	p = programOf(p, s.plan)
	p.Retire, p.ReplaceEdits = setup.Legacy{}, false
	return p
}

// changes looks at the working tree, and for what is missing there on the branch that a request was for.
func (x *examination) changes(ctx context.Context, p setup.Plan, platform providers.Platform) ([]pipeline.Change, error) {
	request := p.PullRequest
	p.PullRequest = false
	here, err := x.w.changes(ctx, p, platform, false)
	if !request || !slices.ContainsFunc(here, func(c pipeline.Change) bool { return !c.Existed }) {
		return here, err
	}
	p.PullRequest = true
	return x.w.changes(ctx, p, platform, false)
}

// strays are the tokens of setups that are not known.
func (x *examination) strays(ctx context.Context) (out []doctor.Row) {
	var orgs, names, here []string
	for _, s := range x.all {
		names = append(names, s.name, setup.RenewalName(s.name))
		if org := s.plan.Organization.ID; s.err == nil && !slices.Contains(orgs, org) {
			orgs = append(orgs, org)
		}
	}
	for id, r := range x.w.repos {
		here = append(here, id+" "+r.Path)
	}
	var all []astro.Token
	for _, org := range orgs {
		list, err := x.tokens(ctx, org)
		if err != nil {
			r := doctor.Failed(doctor.Drift, "other tokens", err)
			r.State = doctor.Unknown
			out = append(out, r)
		}
		all = append(all, list...)
	}
	return append(out, doctor.Strays(all, names, here, time.Now())...)
}
