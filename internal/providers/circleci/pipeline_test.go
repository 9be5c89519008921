package circleci_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/fetch"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/providers/circleci"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: circleci.Render, Before: true,
		Targets: []setup.Target{{Store: "circleci", Address: "gh/acme/etl"}, {Store: "circleci", Address: "context:gh/acme/astro prod"}},
		Fits:    testkit.NewSchema(t, "circleci-yaml-language-server.schema.json", nil).Fits,
		Job:     job,
	})
}

// job is what a runner executes: every secret is an environment variable.
func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	var doc struct {
		Jobs map[string]struct {
			Environment map[string]string
			Steps       []any
		}
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	job := doc.Jobs["astro-etl-prod"]
	env := map[string]string{}
	maps.Copy(env, secrets)
	for k, v := range job.Environment {
		env[k] = strings.NewReplacer("<< pipeline.git.base_revision >>", before, "<< pipeline.git.revision >>", after).Replace(v)
	}
	run, _ := job.Steps[1].(map[string]any)["run"].(map[string]any)
	script, _ := run["command"].(string)
	return script, env, nil
}

const (
	organization = "11111111-1111-4111-8111-111111111111"
	project      = "22222222-2222-4222-8222-222222222222"
	stranger     = "33333333-3333-4333-8333-333333333333"
)

// says is what CircleCI puts into the second kind of identity.
func says(other bool, branch string) map[string]string {
	id, origin, ref := project, "github.com/acme/etl", "refs/heads/"+branch
	if other {
		id, origin = stranger, "github.com/acme/other"
	}
	return map[string]string{
		"sub":                      "org/" + organization + "/project/" + id + "/user/" + stranger + "/vcs-origin/" + origin + "/vcs-ref/" + ref,
		"oidc.circleci.com/org-id": organization, "oidc.circleci.com/project-id": id, "oidc.circleci.com/vcs-origin": origin, "oidc.circleci.com/vcs-ref": ref,
	}
}

// CircleCI puts two identities into the environment of every job, for the organization.
func TestFetches(t *testing.T) {
	t.Parallel()
	if got := fetch.For("circleci"); slices.Contains(got, "azure-key-vault") || len(got) != 4 {
		t.Errorf("it reads from %v; Azure takes no subject that differs from job to job", got)
	}
	providertest.Fetches(t, providertest.FetchSubject{
		Platform: "circleci", Render: circleci.Render, Fits: testkit.NewSchema(t, "circleci-yaml-language-server.schema.json", nil).Fits, Job: job,
		Repository: setup.Repository{Host: "circleci.com", Path: "gh/acme/etl"}, Runs: organization + "/" + project + "/github.com/acme/etl", Says: says,
		Vouch: func(_ *testing.T, _ []byte, env map[string]string, _ string, mint func(string) string) {
			env["CIRCLE_OIDC_TOKEN_V2"], env["CIRCLE_OIDC_TOKEN"] = mint(organization), "the first kind"
		},
	})
}

// A CircleCI Server, and ids that are none, are refused before anything is made.
func TestUnknownRuns(t *testing.T) {
	t.Parallel()
	p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "vault", Address: "secret/etl"})
	p.Platform, p.Repository = "circleci", setup.Repository{Host: "circleci.com", Path: "gh/acme/etl"}
	p.Pipeline.Reader = setup.Reader{Server: "https://vault.example.com", Role: "jwt/etl", Runs: organization + "/" + project + "/github.com/acme/etl"}
	if _, err := circleci.Render(p); err != nil {
		t.Fatal(err)
	}
	for _, runs := range []string{"", organization + "/" + project, organization + "/" + project + "/", organization + "/" + project + "/github.com/*", "acme/etl/github.com/acme/etl", "x\n" + organization + "/" + project + "/github.com/acme/etl"} {
		bad := p.Clone()
		bad.Pipeline.Reader.Runs = runs
		if _, err := circleci.Render(bad); err == nil || !strings.Contains(hint.Of(err).Next, "--reader-runs") {
			t.Errorf("%q: %v", runs, err)
		}
	}
	p.Repository.Host = "circleci.example.com"
	if _, err := circleci.Render(p); err == nil || !strings.Contains(err.Error(), "Server") {
		t.Errorf("a server: %v", err)
	}
}
