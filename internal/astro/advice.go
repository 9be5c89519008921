package astro

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/parallel"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// Advice is what the founding rule, least permissions, says about one credential type for a job.
type Advice struct {
	Kind        setup.Kind
	Recommended bool
	Reason      string // one sentence, for people
}

// Kinds lists the credential types that can do the job, the least privileged first.
func Kinds(job setup.Job) []Advice {
	workspace := Advice{Kind: setup.WorkspaceToken}
	organization := Advice{Kind: setup.OrganizationToken, Reason: "Reaches every Workspace. Prefer one Workspace token for each Workspace."}
	if job.Deploys() {
		workspace.Reason = "The next wider choice: reaches every Deployment of one Workspace, for a pipeline that deploys to several."
		return []Advice{
			{Kind: setup.DeploymentToken, Recommended: true, Reason: "Reaches one Deployment and nothing else. It is the least that can deploy."},
			workspace, organization,
			{Kind: setup.DeploymentKey, Reason: "A key that you have already. " + KeysEnded},
		}
	}
	workspace.Recommended = true
	workspace.Reason = "Reaches one Workspace and nothing else. A Deployment token cannot do this job."
	return []Advice{workspace, organization}
}

// DeployRole is the custom role that deploys code and nothing else: the documented minimum of
// `astro deploy`.
const DeployRole = "CI_Deploy"

// DeployPermissions are the permissions of DeployRole.
func DeployPermissions() []string { return []string{"deployment.get", "deployment.deploys.create"} }

// needs are the permissions that a job uses, as patterns over the API's own names; a role has to
// give at least one permission for each pattern.
func needs(job setup.Job, kind setup.Kind) (out []*regexp.Regexp) {
	var patterns []string
	switch job {
	case setup.DeployCode, setup.DeployDAGs:
		for _, p := range DeployPermissions() {
			patterns = append(patterns, regexp.QuoteMeta(p))
		}
	case setup.PreviewDeployments:
		patterns = []string{`(workspace\.deployments|deployment)\.create`, `deployment\.get`, `deployment\.deploys\.create`, `deployment\.delete`}
	case setup.ManageDeployments:
		patterns = []string{`(workspace\.deployments|deployment)\.create`, `deployment\.update`, `deployment\.delete`}
	case setup.ManageUsers:
		patterns = []string{strings.ToLower(kind.Scope()) + `\.user(s|Roles)\.(create|update|access)`}
	case setup.RotateTokens, setup.RemindOfEnd: // see Rotator
	}
	for _, p := range patterns {
		out = append(out, regexp.MustCompile("^"+p+"$"))
	}
	return out
}

// allows reports whether the role's permissions are enough for a job.
func (r Role) allows(needed []*regexp.Regexp) bool {
	return !slices.ContainsFunc(needed, func(n *regexp.Regexp) bool { return !slices.ContainsFunc(r.Permissions, n.MatchString) })
}

// RoleAdvice is the smallest role for a job and the next one.
type RoleAdvice struct {
	Role   string // "" when no role fits
	Reason string // why, and what the next wider role adds
	Exact  bool   // the role gives what the job needs and nothing else
}

// BestRole picks, among roles as Astro lists them, the one with the fewest permissions that allows
// the job with this type of credential.
func BestRole(job setup.Job, kind setup.Kind, roles []Role) RoleAdvice {
	needed := needs(job, kind)
	var fit []Role
	for _, r := range roles {
		if r.ScopeType == kind.Scope() && len(r.Permissions) > 0 && r.allows(needed) {
			fit = append(fit, r)
		}
	}
	if len(fit) == 0 {
		return RoleAdvice{Reason: "Astro lists no role that is known to be enough for this."}
	}
	slices.SortStableFunc(fit, func(a, b Role) int { return len(a.Permissions) - len(b.Permissions) })
	best := fit[0]
	out := RoleAdvice{Role: best.Name, Exact: len(best.Permissions) == len(needed)}
	out.Reason = fmt.Sprintf("%s is the smallest role that can do it, with %d permissions.", best.Name, len(best.Permissions))
	if len(fit) > 1 {
		wider := fit[1]
		if added := missing(best.Permissions, wider.Permissions); len(added) > 0 {
			out.Reason += fmt.Sprintf(" The next wider one, %s, adds %s.", wider.Name, few(added))
		}
	}
	return out
}

// missing lists what is in want and not in have.
func missing(have, want []string) (out []string) {
	for _, p := range want {
		if !slices.Contains(have, p) {
			out = append(out, p)
		}
	}
	return out
}

// few names the first two of a list, and how many more there are.
func few(all []string) string {
	if len(all) <= 3 {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:2], ", "), len(all)-2)
}

// Remarks are what a careful colleague would say about a credential.
type Remarks struct {
	Say     []string
	Earlier []Token // living tokens of a setup with this name, or for the same target
}

// Advise looks at the credential of p. It asks Astro for the Organization and for the tokens that there are
// already.
func (c *Client) Advise(ctx context.Context, p setup.Plan, now time.Time) (out Remarks, err error) {
	var org Organization
	var tokens []Token
	var unknown error
	token := p.Credential.Kind != setup.DeploymentKey
	_ = parallel.Do(
		func() error { org, unknown = c.Organization(ctx, p.Organization.ID); return nil },
		func() error {
			if token {
				tokens, err = c.Tokens(ctx, p.Organization.ID, p.Workspace.ID, p.Deployment.ID)
			}
			return nil
		},
	)
	if unknown != nil {
		return out, unknown
	}
	out.Say = Warnings(p, org)
	if token {
		switch {
		case httpx.Refused(err):
			out.Say = append(out.Say, "Your log-in may not list tokens, so it is not known whether there is one for the same place already.")
		case err != nil:
			return out, err
		}
		out.Earlier = earlier(p.Setup, tokens, now)
		for _, t := range out.Earlier {
			out.Say = slices.Insert(out.Say, 0, fmt.Sprintf("A token of %s is there already: %s, %s. It goes on working beside the new one. To renew it, leave here and use: astro-ci rotate %s",
				p.Name, t.ID, lasts(t), p.Name))
		}
	}
	if ahead := c.ClockAhead(); ahead.Abs() > skew {
		word := "ahead of"
		if ahead < 0 {
			word = "behind"
		}
		out.Say = append(out.Say, fmt.Sprintf("This computer's clock is %s %s Astro's. Dates on these screens are off by as much.", ahead.Abs().Round(time.Second), word))
	}
	return out, nil
}

// lasts says until when a token lives.
func lasts(t Token) string {
	if t.EndAt.IsZero() {
		return "which never expires"
	}
	return "until " + display.Day(t.EndAt)
}

// earlier are the living tokens of a setup with the name of s, and those without a setup that were made for the same
// target and reach the same thing.
func earlier(s setup.Setup, tokens []Token, now time.Time) (out []Token) {
	for _, t := range tokens {
		same := t.Name.String() == s.TokenName() && t.Scope == s.Credential.Kind.Scope() && t.On().EntityID == s.Entity().ID
		of := setup.ParseMark(t.Description.String()).Setup
		if (same && of == "" || of == s.Name) && !t.Expired(now) {
			out = append(out, t)
		}
	}
	return out
}

// Warnings says what there is to say about the credential of p without asking Astro anything more.
func Warnings(p setup.Plan, org Organization) []string {
	var out []string
	if p.Credential.Kind == setup.DeploymentKey {
		out = append(out, KeysEnded)
	}
	if p.Credential.Kind == setup.OrganizationToken && p.Job != setup.ManageUsers {
		out = append(out, "An Organization API token reaches every Workspace. A separate Workspace token for each Workspace limits what a leak can do.")
	}
	if strings.HasSuffix(p.Credential.Role, "_OWNER") && p.Job != setup.ManageUsers {
		out = append(out, p.Credential.Role+" can also manage users and tokens; the pipeline does not need that.")
	}
	if p.SelfRotation.Every.Rotates() {
		out = append(out, "The scheduled runs hold a credential that can make credentials: whoever changes the pipeline or reads its secrets could make more. A reminder holds none.")
	}
	if p.Credential.ExpiresInDays > 365 {
		out = append(out, fmt.Sprintf("%d days is long. A leaked token stays usable until it ends or is deleted.", p.Credential.ExpiresInDays))
	}
	if org.HasIPAllowList {
		out = append(out, "The Organization has an IP access list. A hosted runner outside of it will be refused by Astro.")
	}
	if p.CICDEnforced {
		out = append(out, "The Deployment enforces CI/CD: only API tokens may deploy to it, so this pipeline becomes the only way.")
	}
	if p.CICDDefault && (p.Job == setup.ManageDeployments || p.Job == setup.PreviewDeployments) {
		out = append(out, "The Workspace enforces CI/CD for new Deployments: only API tokens will be able to deploy to them.")
	}
	return out
}
