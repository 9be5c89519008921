package fetch

import (
	"fmt"
	"strings"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pattern"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// voucher is a platform that vouches for its runs. The part identity-ID of the portable script gets the
// identity of a run.
type voucher struct {
	who func(setup.Plan) (providers.Identity, error)
	// varies says that the subject of a run differs from that of the next; claims, that the identity says
	// by other words which runs they are.
	varies, claims bool
	// unbranched says that the subject of a run does not name its branch.
	unbranched bool
	// ids is how the platform's own ids of the runs are written; "" where names suffice.
	ids string
}

var vouchers = map[string]voucher{
	"github":    {who: onGitHub},
	"gitlab":    {who: onGitLab},
	"buildkite": {who: onBuildkite, varies: true},
	"circleci":  {who: onCircleCI, varies: true, claims: true, ids: circleForm},
	"bitbucket": {who: onBitbucket, varies: true, claims: true, unbranched: true, ids: bucketForm},
}

func onGitHub(p setup.Plan) (providers.Identity, error) {
	issuer := "https://token.actions.githubusercontent.com"
	if host := p.Repository.Host; host != "" && host != "github.com" {
		issuer = "https://" + host + "/_services/token"
		if strings.HasSuffix(host, ".ghe.com") {
			issuer = "https://token.actions." + host
		}
	}
	if p.Job == setup.PreviewDeployments {
		return providers.Identity{Issuer: issuer, Subject: "repo:" + p.Repository.Path + ":pull_request", Who: "runs of " + p.Repository.Path + " on GitHub for pull requests"}, nil
	}
	return providers.Identity{Issuer: issuer, Subject: "repo:" + p.Repository.Path + ":ref:refs/heads/" + p.Pipeline.Branch, Who: "runs of " + p.Repository.Path + " on GitHub, on the branch " + p.Pipeline.Branch}, nil
}

func onGitLab(p setup.Plan) (providers.Identity, error) {
	id := providers.Identity{Issuer: "https://" + p.Repository.Host, Subject: "project_path:" + p.Repository.Path + ":ref_type:branch:ref:" + p.Pipeline.Branch, Who: "jobs of " + p.Repository.Path + " on GitLab, on the branch " + p.Pipeline.Branch}
	if p.Job == setup.PreviewDeployments { // they run for the branch of the request
		id.Subject, id.Who = "project_path:"+p.Repository.Path+":ref_type:branch:ref:*", "jobs of "+p.Repository.Path+" on GitLab, on every branch"
	}
	return id, nil
}

func onBuildkite(p setup.Plan) (providers.Identity, error) {
	organization, pipeline, _ := strings.Cut(p.Repository.Path, "/")
	return providers.Identity{
		Issuer:  "https://agent.buildkite.com",
		Subject: "organization:" + organization + ":pipeline:" + pipeline + ":ref:refs/heads/" + p.Pipeline.Branch + ":*", // the commit and the step follow
		Who:     "builds of " + p.Repository.Path + " on Buildkite, on the branch " + p.Pipeline.Branch,
	}, nil
}

const (
	circleForm = "ORGANIZATION/PROJECT/ORIGIN, two ids and where the code is, like 11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222/github.com/acme/etl"
	bucketForm = "WORKSPACE/REPOSITORY, two ids without braces, like 11111111-1111-4111-8111-111111111111/22222222-2222-4222-8222-222222222222"

	uuid    = `[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}`
	anyUUID = "????????-????-????-????-????????????"
)

var (
	circleIDs = pattern.New(`^(` + uuid + `)/(` + uuid + `)/([a-z0-9.-]+(?:/[A-Za-z0-9_.-]+)+)$`)
	bucketIDs = pattern.New(`^(` + uuid + `)/(` + uuid + `)$`)
)

// onCircleCI are jobs by the claims of the second kind of identity, CIRCLE_OIDC_TOKEN_V2. Its subject names
// who started a job, whose id has one length: nothing that a branch is called can make up for another one.
func onCircleCI(p setup.Plan) (id providers.Identity, err error) {
	if host := p.Repository.Host; host != "" && host != "circleci.com" {
		return id, hint.New("it is not known as whom a CircleCI Server vouches for its jobs", "Keep the secret on "+host+".", "https://circleci.com/docs/guides/permissions-authentication/openid-connect-tokens/")
	}
	m := circleIDs.FindStringSubmatch(p.Pipeline.Reader.Runs)
	if m == nil {
		return id, unknownRuns(p, circleForm)
	}
	organization, project, origin, ref := m[1], m[2], m[3], "refs/heads/"+p.Pipeline.Branch
	return providers.Identity{
		Issuer: "https://oidc.circleci.com/org/" + organization, Audience: organization,
		Subject: "org/" + organization + "/project/" + project + "/user/" + anyUUID + "/vcs-origin/" + origin + "/vcs-ref/" + ref,
		Claims: []providers.Claim{
			{Name: "oidc.circleci.com/org-id", Value: organization},
			{Name: "oidc.circleci.com/project-id", Value: project},
			{Name: "oidc.circleci.com/vcs-origin", Value: origin},
			{Name: "oidc.circleci.com/vcs-ref", Value: ref},
		},
		Who: "jobs of " + p.Repository.Path + " on CircleCI, for " + origin + " on the branch " + p.Pipeline.Branch,
	}, nil
}

// onBitbucket are steps; their subject names the repository, and the step itself.
func onBitbucket(p setup.Plan) (id providers.Identity, err error) {
	m := bucketIDs.FindStringSubmatch(p.Pipeline.Reader.Runs)
	if m == nil {
		return id, unknownRuns(p, bucketForm)
	}
	workspace, _, _ := strings.Cut(p.Repository.Path, "/")
	id = providers.Identity{
		Issuer: "https://api.bitbucket.org/2.0/workspaces/" + workspace + "/pipelines-config/identity/oidc", Audience: "ari:cloud:bitbucket::workspace/" + m[1],
		Subject: "{" + m[2] + "}:*",
		Claims:  []providers.Claim{{Name: "workspaceUuid", Value: "{" + m[1] + "}"}, {Name: "repositoryUuid", Value: "{" + m[2] + "}"}, {Name: "branchName", Value: p.Pipeline.Branch}},
		Who:     "steps of " + p.Repository.Path + " on Bitbucket, on the branch " + p.Pipeline.Branch,
	}
	if b, _ := find(p.Target().Store); !b.claims {
		id.Who = "steps of " + p.Repository.Path + " on Bitbucket, on every branch, which " + b.id + " cannot tell apart"
	}
	return id, nil
}

func unknownRuns(p setup.Plan, form string) error {
	return hint.New(fmt.Sprintf("%s has to be told the runs by the ids of %s; %q is not them", p.Target().Store, p.Platform, display.Clean(p.Pipeline.Reader.Runs)), "Give them with --reader-runs, as "+form+".", "")
}
