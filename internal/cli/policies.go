package cli

import (
	"context"
	"fmt"
	"slices"

	"github.com/astro-ci/astro-ci/internal/doctor"
	"github.com/astro-ci/astro-ci/internal/providers"
)

// policies asks the platforms for their rules around the pipelines, each once.
func (x *examination) policies(ctx context.Context) []doctor.Row {
	var all []*subject
	seen := map[string]bool{}
	for _, s := range x.known() {
		key := fmt.Sprint(s.plan.Platform, s.plan.Repository, s.plan.ReadBy(), s.plan.Job.Scheduled(), s.plan.Targets)
		if !seen[key] {
			seen[key] = true
			all = append(all, s)
		}
	}
	rows := make([][]doctor.Row, len(all))
	each(ctx, indexes(all), func(i int) { rows[i] = x.policiesOf(ctx, all[i]) })
	return slices.Concat(rows...)
}

func (x *examination) policiesOf(ctx context.Context, s *subject) (out []doctor.Row) {
	name := x.names[s.plan.Platform]
	subject := name + ": rules of " + s.plan.Repository.Path
	platform, err := x.w.openAt(ctx, s.plan.Platform, s.plan.Repository.Host)
	if err != nil {
		return []doctor.Row{{Group: doctor.Policies, Subject: subject, State: doctor.Unknown, Reason: "there is no log-in to ask with"}}
	}
	p, ok := platform.(providers.Policer)
	if !ok {
		return []doctor.Row{{
			Group: doctor.Policies, Subject: subject, State: doctor.Unknown, Reason: "astro-ci does not know how to ask " + name + " for them",
			Next: "Look there whether the branch that deploys is protected, and whether forks get secrets.",
		}}
	}
	all, err := p.Policies(ctx, s.plan)
	if err != nil {
		return []doctor.Row{doctor.Failed(doctor.Policies, subject, err)}
	}
	for _, q := range all {
		out = append(out, doctor.Policy(name, q))
	}
	return out
}

// organizations asks Astro for the rules of the Organizations and Deployments of the setups.
func (x *examination) organizations(ctx context.Context) []doctor.Row {
	if x.w.noLogin != nil {
		return nil // the log-ins say it
	}
	var asks []func() doctor.Row
	seen := map[string]bool{}
	first := func(id string) bool {
		again := seen[id]
		seen[id] = true
		return id != "" && !again
	}
	for _, s := range x.known() {
		if org := s.plan.Organization; first(org.ID) {
			asks = append(asks, func() doctor.Row {
				o, err := x.w.astro.Organization(ctx, org.ID)
				return judged("Astro: IP access list, "+org.String(), err, func() doctor.Row { return doctor.IPList(o) })
			})
		}
	}
	for _, s := range x.known() {
		if p := s.plan; first(p.Deployment.ID) {
			asks = append(asks, func() doctor.Row {
				d, err := x.w.astro.Deployment(ctx, p.Organization.ID, p.Deployment.ID)
				return judged("Astro: CI/CD enforcement, "+p.Deployment.String(), err, func() doctor.Row { return doctor.Enforcement(d) })
			})
		}
	}
	rows := make([]doctor.Row, len(asks))
	each(ctx, indexes(asks), func(i int) { rows[i] = asks[i]() })
	return rows
}

func judged(subject string, err error, judge func() doctor.Row) doctor.Row {
	if err != nil {
		return doctor.Failed(doctor.Policies, subject, err)
	}
	return judge()
}
