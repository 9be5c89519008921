package steps

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// newRole is the answer that makes the custom role first.
const newRole = "new:" + astro.DeployRole

func role(d Deps) flow.Step {
	return flow.Step{
		ID: "role", Name: "Role", Flag: "role", Env: env("role"), Explicit: true,
		Needs: []string{"organization", "job", "credential"},
		Title: "Which role does the token get?",
		Help:  "The role is all that the token may do inside its scope. Choose the smallest one that does the job.",
		More: "Roles of Astro go from looking to owning. The recommended one is the least that the job needs. Roles that your Organization has made are offered as well; " +
			"what they may do, Astro knows. Nobody can give a token more than their own role.",
		When: func(p setup.Plan) bool { return p.Credential.Kind != setup.DeploymentKey },
		Load: func(ctx context.Context, p setup.Plan) (flow.Choices, error) {
			all, err := d.Astro.Roles(ctx, p.Organization.ID)
			if httpx.Status(err) == http.StatusForbidden {
				return documentedRoles(p.Credential.Kind), nil
			}
			if err != nil {
				return documentedRoles(p.Credential.Kind), err
			}
			best := astro.BestRole(p.Job, p.Credential.Kind, all)
			cs := flow.Choices{Default: best.Role, Note: text("%s", best.Reason), Settled: best.Role != ""}
			for _, r := range all {
				if r.ScopeType != p.Credential.Kind.Scope() {
					continue
				}
				c := flow.Choice{Value: r.Name, Label: text("%s", r.Name), Note: r.Description, Recommended: r.Name == best.Role}
				if r.Custom {
					c.Note = text("custom role. %s", r.Description)
				}
				cs.Items = append(cs.Items, c)
			}
			if p.Credential.Kind == setup.DeploymentToken && p.Job.Deploys() && !best.Exact {
				offer, err := d.mayMakeRole(ctx, p, all)
				if err != nil {
					return flow.Choices{}, err
				}
				if offer {
					cs = smallest(cs)
				}
			}
			return cs, nil
		},
		// Where Astro does not show the roles, one can still be named, and Astro decides.
		Parse: func(ctx context.Context, p setup.Plan, s string) (flow.Choice, error) {
			all, err := d.Astro.Roles(ctx, p.Organization.ID)
			if err != nil && setup.CheckRole(s) {
				return flow.Choice{Value: s, Label: text("%s", s)}, nil
			}
			var names []string
			for _, r := range all {
				if r.ScopeType == p.Credential.Kind.Scope() {
					names = append(names, r.Name)
				}
			}
			return flow.Choice{}, hint.Wrap(errors.New("there is no such role for a "+p.Credential.Kind.String()), "role", "Choose one of: "+strings.Join(names, ", ")+".", "")
		},
		Apply: func(p *setup.Plan, c flow.Choice) error {
			p.Credential.Role, p.NewRole = c.Value, nil
			if c.Value == newRole {
				p.Credential.Role, p.NewRole = astro.DeployRole, astro.DeployPermissions()
			}
			return nil
		},
	}
}

// mayMakeRole reports whether the Organization has custom roles and the person may make one.
func (d Deps) mayMakeRole(ctx context.Context, p setup.Plan, all []astro.Role) (bool, error) {
	if slices.ContainsFunc(all, func(r astro.Role) bool { return r.Name == astro.DeployRole }) {
		return false, nil // somebody gave the name to a role that can do more
	}
	return d.mayMakeRoles(ctx, p, all)
}

// mayMakeRoles is the same without regard to the role's name.
func (d Deps) mayMakeRoles(ctx context.Context, p setup.Plan, all []astro.Role) (bool, error) {
	org, err := d.Astro.Organization(ctx, p.Organization.ID)
	if err != nil || !org.CustomRoles() {
		return false, err
	}
	mine, err := d.Astro.Rights(ctx, all)
	return mine.Known && mine.MayCreateRoles(p.Organization.ID), err
}

// smallest puts a new custom role before all others.
func smallest(cs flow.Choices) flow.Choices {
	for i := range cs.Items {
		cs.Items[i].Recommended = false
	}
	wider := cs.Default
	cs.Items = slices.Insert(cs.Items, 0, flow.Choice{
		Value: newRole, Label: text("A new custom role, %s", astro.DeployRole), Recommended: true,
		Note: text("exactly %s", strings.Join(astro.DeployPermissions(), " and ")),
	})
	cs.Default, cs.Settled = newRole, false
	cs.Note = text("It can deploy and nothing else, the documented minimum of astro deploy. The next wider choice is %s.", wider)
	return cs
}

// documentedRoles are the built-in roles by name, for a person to whom Astro does not show them.
func documentedRoles(kind setup.Kind) flow.Choices {
	names := map[setup.Kind][]string{
		setup.DeploymentToken:   {"DEPLOYMENT_ADMIN"},
		setup.WorkspaceToken:    {"WORKSPACE_AUTHOR", "WORKSPACE_OPERATOR", "WORKSPACE_OWNER", "WORKSPACE_MEMBER", "WORKSPACE_ACCESSOR"},
		setup.OrganizationToken: {"ORGANIZATION_MEMBER", "ORGANIZATION_BILLING_ADMIN", "ORGANIZATION_OWNER"},
	}
	cs := flow.Choices{Note: text("Astro does not show you the roles and what they allow. These are the built-in ones.")}
	for _, n := range names[kind] {
		cs.Items = append(cs.Items, flow.Choice{Value: n, Label: text("%s", n)})
	}
	return cs
}
