package gitlab_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/providers/gitlab"
	"github.com/astro-ci/astro-ci/internal/providers/providertest"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

func TestPipelines(t *testing.T) {
	t.Parallel()
	providertest.Pipelines(t, providertest.PipelineSubject{
		Render: gitlab.Render, Before: true,
		Targets: []setup.Target{{Store: "gitlab", Address: "acme/sub/etl"}, {Store: "gitlab", Address: "acme/etl#production"}, {Store: "gitlab", Address: "group:acme"}},
		Fits:    testkit.NewSchema(t, "gitlab-ci.check-jsonschema-vendored.json", nil).Fits,
		Job:     job,
	})
}

// A preview has two jobs with the same environment; the one that deletes needs no branch.
func TestPreviews(t *testing.T) {
	t.Parallel()
	p := providertest.PipelinePlan(setup.WorkspaceToken, setup.Target{Store: "gitlab", Address: "acme/etl"})
	p.Job, p.Pipeline.Folder = setup.PreviewDeployments, "project"
	raw, err := gitlab.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := testkit.NewSchema(t, "gitlab-ci.check-jsonschema-vendored.json", nil).Fits(raw); err != nil {
		t.Error(err)
	}
	var jobs map[string]struct {
		Variables   map[string]string
		Rules       []struct{ If, When string }
		Environment struct {
			Name, Action string
			OnStop       string `yaml:"on_stop"`
		}
	}
	if err := yaml.Unmarshal(raw, &jobs); err != nil {
		t.Fatal(err)
	}
	begin, end := jobs["astro-etl-prod"], jobs["astro-etl-prod-stop"]
	if begin.Environment.OnStop != "astro-etl-prod-stop" || end.Environment.Action != "stop" || begin.Environment.Name != end.Environment.Name || begin.Variables["GONE"] != "no" || end.Variables["GONE"] != "yes" || end.Variables["GIT_STRATEGY"] != "none" {
		t.Errorf("got\n%s", raw)
	}
	if len(begin.Rules) != 1 || begin.Rules[0].When != "" || end.Rules[0].When != "manual" || !strings.Contains(begin.Rules[0].If, "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_PROJECT_ID") || begin.Rules[0].If != end.Rules[0].If {
		t.Errorf("rules are %+v and %+v", begin.Rules, end.Rules)
	}
}

// job is what a runner executes.
func job(raw []byte, secrets map[string]string, before, after string) (string, map[string]string, error) {
	var doc map[string]struct {
		Variables map[string]string
		Script    []string
	}
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		return "", nil, err
	}
	job := doc["astro-etl-prod"]
	env := map[string]string{}
	maps.Copy(env, secrets) // every one is an environment variable
	for k, v := range job.Variables {
		switch {
		case v == "$CI_COMMIT_BEFORE_SHA":
			v = before
		case v == "$CI_COMMIT_SHA":
			v = after
		case v[0] == '$':
			v = secrets[v[1:]]
		}
		env[k] = v
	}
	return job.Script[0], env, nil
}

// GitLab puts the identity into the job's environment, as id_tokens says.
func TestFetches(t *testing.T) {
	t.Parallel()
	providertest.Fetches(t, providertest.FetchSubject{
		Platform: "gitlab", Render: gitlab.Render, Fits: testkit.NewSchema(t, "gitlab-ci.check-jsonschema-vendored.json", nil).Fits, Job: job,
		Vouch: func(t *testing.T, raw []byte, env map[string]string, _ string, mint func(string) string) {
			t.Helper()
			var doc map[string]struct {
				IDTokens map[string]struct{ Aud string } `yaml:"id_tokens"`
			}
			if err := yaml.Unmarshal(raw, &doc); err != nil {
				t.Fatal(err)
			}
			for name, of := range doc["astro-etl-prod"].IDTokens {
				env[name] = mint(of.Aud)
			}
		},
	})
}
