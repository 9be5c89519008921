package steps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// byHand is the answer that no schedule renews the token.
const byHand = "no"

// rotates reports whether scheduled runs replace the token.
func rotates(p setup.Plan) bool { return p.SelfRotation.Every.Rotates() }

const docsSelfRotation = "https://github.com/astro-ci/astro-ci/blob/main/docs/self-rotate.md"

// noSchedule says why a platform offers no schedule, or not this one, for the token of a plan.
func noSchedule(x providers.Platform, p setup.Plan, every setup.Cadence) string {
	name := x.Info().Name
	if _, ok := x.(providers.Scheduler); !ok {
		return "schedules on " + name + " cannot be made from here"
	}
	for i, t := range p.Targets {
		if t.Store != p.Platform && (i == 0 || every.Rotates()) {
			return "a scheduled run reaches secrets of " + name + " alone, and " + t.String() + " is elsewhere"
		}
	}
	return "a run on " + name + " cannot open an issue by itself"
}

// renewing are the questions for a token that is renewed without a person.
func renewing(d Deps) []flow.Step {
	return []flow.Step{selfRotate(d), rotationRole(d), platformToken(d), program(d)}
}

func selfRotate(d Deps) flow.Step {
	return flow.Step{
		ID: "self-rotate", Name: "Renewed by", Flag: "self-rotate", Env: env("self-rotate"), Quiet: true,
		Needs: []string{"credential", "role", "job", "repo", "target", "environment", "legacy-key", "also"},
		Words: words(byHand, string(setup.Weekly), string(setup.Daily), string(setup.Reminder)),
		Title: "Who renews the token?",
		Help: "Runs that do it hold a credential that can make credentials: whoever changes the pipeline or reads its secrets could make more. " +
			"A reminder holds none: it opens an issue when the end is near, and a person renews the token with one command.",
		More: "Weekly or daily says how often a run looks whether the token is due; it renews the token then, and leaves it alone otherwise. Such runs are a pipeline " +
			"of their own, with two more secrets.\n\nWithout a schedule, status and the pipeline itself say when the time has come.",
		When: func(p setup.Plan) bool { return ourPipeline(p) && p.Credential.Kind != setup.DeploymentKey },
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			cs := flow.Choices{Default: byHand, Items: []flow.Choice{{Value: byHand, Label: text("A person"), Note: text("astro-ci rotate; the pipeline warns 14 days before the end")}}}
			x, err := d.platformOf(p)
			if err != nil {
				return cs, err
			}
			can, ok := x.(providers.Scheduler)
			if !ok || p.Target().Store != p.Platform {
				why := noSchedule(x, p, setup.Weekly)
				cs.Note = text("%s.", strings.ToUpper(why[:1])+why[1:])
				return cs, nil
			}
			if !slices.ContainsFunc(p.Targets, func(t setup.Target) bool { return t.Store != p.Platform }) {
				cs.Items = append(cs.Items,
					flow.Choice{Value: string(setup.Weekly), Label: text("A schedule, every week"), Note: text("for tokens of %d days or more", setup.Weekly.ShortestLife())},
					flow.Choice{Value: string(setup.Daily), Label: text("A schedule, every day"), Note: text("for tokens of %d days or more", setup.Daily.ShortestLife())})
			}
			if can.Scheduled().Issues {
				cs.Items = append(cs.Items, flow.Choice{Value: string(setup.Reminder), Label: text("A person, reminded by an issue"), Note: text("a schedule without a credential of its own opens it")})
			}
			return cs, nil
		},
		// What is not among the choices: it is said why.
		Parse: func(_ context.Context, p setup.Plan, s string) (flow.Choice, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choice{}, err
			}
			every := setup.Cadence(s)
			if !every.Rotates() && every != setup.Reminder {
				return flow.Choice{}, fmt.Errorf("%q is none of no, weekly, daily and reminder", s)
			}
			return flow.Choice{}, hint.New(noSchedule(x, p, every), "Leave it out. Any scheduler that reaches the secret can run: astro-ci rotate --due --no-input --yes", docsSelfRotation)
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.SelfRotation.Every = ""
			if c.Value != byHand {
				p.SelfRotation.Every = setup.Cadence(c.Value)
			}
			return nil
		},
	}
}

func rotationRole(d Deps) flow.Step {
	return flow.Step{
		ID: "rotation-role", Name: "Renewed with", Flag: "rotation-role", Env: env("rotation-role"), Explicit: true,
		Needs: []string{"self-rotate", "role", "credential", "organization"},
		Title: "Which credential do the scheduled runs get on Astro?",
		Help:  "It is the least that can make, list and delete the token. It is kept as a secret of its own, ends after 90 days, and is renewed by the same runs, last.",
		More:  "Where you may make a role, the runs get one that can see, make and delete tokens of this one scope and nothing else. Elsewhere they get the least role of Astro that can.",
		When:  rotates,
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Roles(ctx, p.Organization.ID)
			if err != nil && httpx.Status(err) != http.StatusForbidden {
				return flow.Choices{}, err
			}
			custom := false
			if p.Credential.Kind == setup.DeploymentToken && len(all) > 0 {
				if custom, err = d.mayMakeRoles(ctx, p, all); err != nil {
					return flow.Choices{}, err
				}
			}
			a := astro.Rotator(p, all, custom)
			c := flow.Choice{Value: a.Credential.Role, Label: text("%s, role %s", a.Credential.Kind, a.Credential.Role), Recommended: true, Note: text("%s", a.Reason), Data: a}
			if len(a.NewRole) > 0 {
				c.Label = text("%s, a new custom role %s", a.Credential.Kind, a.Credential.Role)
			}
			return flow.Choices{Default: c.Value, Items: []flow.Choice{c}, Note: text("%s", a.Reason)}, nil
		},
		// A run that reads its setup from a file may not see the roles: the name tells.
		Parse: func(ctx context.Context, p setup.Plan, s string) (flow.Choice, error) {
			if _, err := d.Astro.Roles(ctx, p.Organization.ID); httpx.Status(err) != http.StatusForbidden {
				return flow.Choice{}, errors.New("the least role that can do it is chosen; leave it out")
			}
			a := astro.RotationAdvice{Credential: setup.Credential{Kind: setup.DeploymentToken, Role: s, ExpiresInDays: setup.DefaultDays}}
			for prefix, kind := range map[string]setup.Kind{"WORKSPACE_": setup.WorkspaceToken, "ORGANIZATION_": setup.OrganizationToken} {
				if strings.HasPrefix(s, prefix) {
					a.Credential.Kind = kind
				}
			}
			return flow.Choice{Value: s, Label: text("%s, role %s", a.Credential.Kind, s), Data: a}, nil
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			a, ok := c.Data.(astro.RotationAdvice)
			if !ok {
				return hint.New("no credential is known for the scheduled runs", "Leave --rotation-role out: the least one is chosen.", "")
			}
			p.SelfRotation.Credential, p.SelfRotation.NewRole = a.Credential, a.NewRole
			return nil
		},
	}
}

func platformToken(d Deps) flow.Step {
	return flow.Step{
		ID: "platform-token", Name: "Writes secrets with", Flag: "platform-token-stdin", Env: setup.LoginSecret, Kind: flow.Secret, Needs: []string{"self-rotate", "repo"},
		Title: "With which log-in do the runs write secrets?",
		Help:  "What you type is not shown. It is stored as a secret of its own. It has an end of its own too, and only a person can renew it.",
		When:  func(p setup.Plan) bool { return rotates(p) && !d.LoginGiven },
		Load: func(_ context.Context, p setup.Plan) (flow.Choices, error) {
			x, err := d.platformOf(p)
			if err != nil {
				return flow.Choices{}, err
			}
			can, ok := x.(providers.Scheduler)
			if !ok {
				return flow.Choices{}, nil
			}
			return flow.Choices{Note: text("%s It is made at %s", can.Scheduled().Right, can.Scheduled().Link)}, nil
		},
		Check: notEmpty,
		Apply: func(p *setup.Plan, c flow.Choice) error {
			if c.Secret.Empty() {
				return setup.ErrEmpty
			}
			if d.Live != nil {
				d.Live(c.Secret)
			}
			p.SelfRotation.Login = c.Secret
			return nil
		},
	}
}

func program(d Deps) flow.Step {
	return flow.Step{
		ID: "astro-ci-version", Name: "astro-ci", Flag: "astro-ci-version", Env: env("astro-ci-version"), Quiet: true, Needs: []string{"self-rotate"},
		Title: "Which version of astro-ci do the scheduled runs install?",
		Help:  "They install exactly this one and check its SHA-256.",
		When:  rotates,
		Load: func(ctx context.Context, _ setup.Plan) (flow.Choices, error) {
			pin, note, err := d.Program(ctx, "")
			return flow.Choices{Default: pin.Version, Items: []flow.Choice{{Value: pin.Version, Label: text("%s", pin.Version), Note: text("%s", note), Data: pin}}}, err
		},
		Parse: func(ctx context.Context, _ setup.Plan, s string) (flow.Choice, error) {
			pin, note, err := d.Program(ctx, s)
			return flow.Choice{Value: pin.Version, Label: text("%s", pin.Version), Note: text("%s", note), Data: pin}, err
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			pin, ok := c.Data.(setup.CLI)
			if !ok {
				return errors.New("no release of astro-ci is known for " + cmp.Or(c.Value, "this"))
			}
			p.SelfRotation.Program = pin
			return nil
		},
	}
}
