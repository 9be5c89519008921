package steps_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

func id(n string) string { return "c" + strings.Repeat("0", 24-len(n)) + n }

// acme is an Organization with two Workspaces; one of its Deployments takes no DAG-only deploys.
type acme struct{}

func (acme) Organizations(context.Context) ([]astro.Organization, error) {
	return []astro.Organization{{ID: id("o"), Name: display.Clean("Acme")}}, nil
}

func (acme) Workspaces(context.Context, string) ([]astro.Workspace, error) {
	return []astro.Workspace{{ID: id("w1"), Name: display.Clean("Data")}, {ID: id("w2"), Name: display.Clean("ML")}}, nil
}

func (acme) Deployments(_ context.Context, _, workspace string) ([]astro.Deployment, error) {
	if workspace == id("w1") {
		return []astro.Deployment{{ID: id("d1"), Name: display.Clean("etl"), DAGDeploys: true, Status: "HEALTHY"}}, nil
	}
	return []astro.Deployment{{ID: id("d2"), Name: display.Clean("Ünï ml/dev"), Status: "HEALTHY"}, {ID: id("d3"), Name: display.Clean("ml-prod"), DAGDeploys: true, Status: "HEALTHY"}}, nil
}

func (acme) Roles(context.Context, string) ([]astro.Role, error) {
	return []astro.Role{
		{Name: "DEPLOYMENT_ADMIN", ScopeType: "DEPLOYMENT", Permissions: []string{"deployment.get", "deployment.deploys.create"}},
		{Name: "WORKSPACE_OWNER", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create", "more"}},
		{Name: "WORKSPACE_AUTHOR", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create"}},
		{Name: "ORGANIZATION_OWNER", ScopeType: "ORGANIZATION"},
	}, nil
}

// hub is a platform with one repository and one environment.
type hub struct{ providers.Platform }

func (hub) Info() providers.Info { return providers.Info{ID: "github", Name: "GitHub Actions"} }

func (hub) ParseRepo(text string) (setup.Repository, error) {
	if !strings.Contains(text, "/") {
		return setup.Repository{}, errors.New("not a repository")
	}
	return setup.Repository{Host: "github.com", Path: strings.TrimPrefix(text, "github.com/")}, nil
}

func (hub) Repo(_ context.Context, r setup.Repository) (providers.Repo, error) {
	return providers.Repo{Repository: r, DefaultBranch: "trunk"}, nil
}

func (hub) Places(_ context.Context, r setup.Repository) ([]providers.Place, error) {
	return []providers.Place{{Address: r.Path, Name: display.Clean("Repository secret")}, {Address: r.Path + "#staging", Name: display.Clean("Environment staging")}}, nil
}

func (hub) Environment(r setup.Repository, name string) (string, error) {
	return r.Path + "#" + name, nil
}

func (hub) PipelineFile(s setup.Setup) string { return ".github/workflows/" + s.Name + ".yml" }

func fill(t *testing.T, given map[string]string) (setup.Plan, error) {
	t.Helper()
	w := flow.NewWalk(setup.Plan{}, steps.SetUp(steps.Deps{
		Astro: acme{}, Platforms: []providers.Platform{hub{}}, Detected: setup.Repository{Host: "github.com", Path: "acme/etl"}, Platform: "github",
		Free: func(path, _ string) string { return path },
		Pin: func(_ context.Context, v string) (setup.CLI, string, error) {
			if v == "" {
				v = "1.40.1"
			}
			return setup.CLI{Version: v, BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64)}}, "", nil
		},
	}), given)
	err := flow.Fill(t.Context(), w)
	return w.Plan(), err
}

func TestAnswersMakeAValidPlan(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		given map[string]string
		check func(setup.Plan) bool
	}{
		"the least": {map[string]string{"credential": "deployment-token", "workspace": "Data"}, func(p setup.Plan) bool {
			return p.Deployment.ID == id("d1") && p.Credential.Role == "DEPLOYMENT_ADMIN" && p.Credential.ExpiresInDays == 90 && p.Pipeline.Deploy == setup.Infer &&
				p.Pipeline.Branch == "trunk" && p.Name == "etl" && p.Target().String() == "github:acme/etl/ASTRO_API_TOKEN" && p.Pipeline.CLI.Version == "1.40.1"
		}},
		"everything said": {map[string]string{
			"credential": "workspace-token", "workspace": "ML", "deployment": id("d3"), "role": "WORKSPACE_AUTHOR", "expires-in": "45d", "repo": "acme/other",
			"target": "environment", "environment": "production", "secret-name": "PROD_TOKEN", "deploy": "image", "branch": "main", "name": "x", "pipeline-file": "a/b.yml", "cli-version": "1.39.0",
		}, func(p setup.Plan) bool {
			return p.Credential.ExpiresInDays == 45 && p.Target().String() == "github:acme/other#production/PROD_TOKEN" && p.Pipeline.Deploy == setup.Image &&
				p.Pipeline.Branch == "main" && p.Name == "x" && p.Pipeline.File == "a/b.yml" && p.Pipeline.CLI.Version == "1.39.0"
		}},
		"a target in its own notation": {map[string]string{"credential": "deployment-token", "workspace": "Data", "target": "github:acme/etl#qa"}, func(p setup.Plan) bool {
			return p.Target().Address == "acme/etl#qa"
		}},
		"DAGs only": {map[string]string{"credential": "deployment-token", "workspace": "Data", "job": "dags"}, func(p setup.Plan) bool { return p.Pipeline.Deploy == setup.DAGs }},
		"without DAG deploys the image is sent": {map[string]string{"credential": "deployment-token", "workspace": "ML", "deployment": id("d2")}, func(p setup.Plan) bool {
			return p.Pipeline.Deploy == setup.Image && p.Name == "n-ml-dev"
		}},
		"users need no Workspace with an Organization token": {map[string]string{"credential": "organization-token", "job": "users"}, func(p setup.Plan) bool {
			return p.Workspace.IsZero() && p.Deployment.IsZero() && p.Entity().ID == id("o")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, err := fill(t, tc.given)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Validate(); err != nil {
				t.Errorf("the plan is not valid: %v", err)
			}
			if !tc.check(p) {
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestWrongAnswers(t *testing.T) {
	t.Parallel()
	base := map[string]string{"credential": "deployment-token", "workspace": "ML", "deployment": "ml-prod"}
	for field, value := range map[string]string{
		"credential": "password", "workspace": "Nope", "deployment": "Nope", "expires-in": "0", "repo": "nope", "target": "vault:x", "deploy": "later",
		"branch": "a..b", "name": "A b", "pipeline-file": "../x", "secret-name": "GITHUB_X", "job": "dance",
	} {
		given := map[string]string{}
		maps.Copy(given, base)
		given[field] = value
		_, err := fill(t, given)
		var m *flow.MissingError
		if !errors.As(err, &m) || !slices.ContainsFunc(m.Items, func(i flow.Missing) bool { return i.Step.ID == field && i.Problem != nil }) {
			t.Errorf("%s=%s: %v", field, value, err)
		}
	}
	// A Deployment without DAG deploys cannot get a DAGs-only pipeline; the refusal says what to do.
	_, err := fill(t, map[string]string{"credential": "deployment-token", "workspace": "ML", "deployment": id("d2"), "job": "dags"})
	if err == nil || !strings.Contains(err.Error(), "DAG-only") {
		t.Errorf("got %v", err)
	}
}

// Every question can be answered without a terminal, and no two share a key.
func TestEveryQuestionHasAFlag(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, s := range steps.SetUp(steps.Deps{}) {
		if s.Flag == "" || !strings.HasPrefix(s.Env, "ASTRO_CI_") || s.Title == "" || s.Help == "" || s.Name == "" || s.Apply == nil {
			t.Errorf("%s is incomplete: %+v", s.ID, s)
		}
		if seen[s.ID] {
			t.Errorf("%s is there twice", s.ID)
		}
		for _, need := range s.Needs {
			if !seen[need] {
				t.Errorf("%s builds on %s, which is not asked before it", s.ID, need)
			}
		}
		seen[s.ID] = true
	}
}
