package steps_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/astro"
	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/flow"
	"github.com/astro-ci/astro-ci/internal/httpx"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/steps"
)

func id(n string) string { return "c" + strings.Repeat("0", 24-len(n)) + n }

// acme is an Organization with two Workspaces; one of its Deployments takes no DAG-only deploys.
type acme struct {
	enterprise bool
	noRoles    bool // Astro does not show the roles
}

func (acme) Organizations(context.Context) (astro.Page[astro.Organization], error) {
	return astro.Page[astro.Organization]{Items: []astro.Organization{{ID: id("o"), Name: display.Clean("Acme")}}}, nil
}

func (a acme) Organization(context.Context, string) (o astro.Organization, err error) {
	if a.enterprise {
		err = json.Unmarshal([]byte(`{"productPlans":[{"productPlanName":"ENTERPRISE"}]}`), &o)
	}
	return o, err
}

func (acme) Rights(_ context.Context, roles []astro.Role) (astro.Rights, error) {
	return astro.RightsOf(roles, astro.TokenRole{Role: "ORGANIZATION_OWNER", EntityID: id("o")}), nil
}

// Workspaces come in two pages.
func (acme) Workspaces(context.Context, string) (astro.Page[astro.Workspace], error) {
	return astro.Page[astro.Workspace]{Items: []astro.Workspace{{ID: id("w1"), Name: display.Clean("Data")}}, Next: func(context.Context) (astro.Page[astro.Workspace], error) {
		return astro.Page[astro.Workspace]{Items: []astro.Workspace{{ID: id("w2"), Name: display.Clean("ML")}}}, nil
	}}, nil
}

func (acme) Deployments(_ context.Context, _, workspace string) (astro.Page[astro.Deployment], error) {
	if workspace == id("w1") {
		return astro.Page[astro.Deployment]{Items: []astro.Deployment{{ID: id("d1"), Name: display.Clean("etl"), DAGDeploys: true, Status: "HEALTHY"}}}, nil
	}
	return astro.Page[astro.Deployment]{Items: []astro.Deployment{{ID: id("d2"), Name: display.Clean("Ünï ml/dev"), Status: "HEALTHY"}, {ID: id("d3"), Name: display.Clean("ml-prod"), DAGDeploys: true, Status: "HEALTHY"}}}, nil
}

func (a acme) Roles(context.Context, string) ([]astro.Role, error) {
	if a.noRoles {
		return nil, &httpx.StatusError{Status: 403}
	}
	return []astro.Role{
		{Name: "DEPLOYMENT_ADMIN", ScopeType: "DEPLOYMENT", Permissions: []string{"deployment.get", "deployment.deploys.create", "deployment.update"}},
		{Name: "WORKSPACE_OWNER", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create", "more"}},
		{Name: "WORKSPACE_AUTHOR", ScopeType: "WORKSPACE", Permissions: []string{"deployment.get", "deployment.deploys.create"}},
		{Name: "ORGANIZATION_OWNER", ScopeType: "ORGANIZATION"},
	}, nil
}

// hub is a platform with one repository and one environment.
type hub struct {
	providers.Platform
	providers.Store
	secrets map[string][]string // by address
}

func (hub) PipelineGlobs() []string { return []string{"*.yml"} }

func (h hub) List(_ context.Context, t setup.Target) ([]string, error) {
	return h.secrets[t.Address], nil
}

func (hub) Modernize(b []byte, _ setup.Target) ([]byte, error) { return b, nil }

func (hub) Info() providers.Info {
	return providers.Info{ID: "github", Name: "GitHub Actions", Environments: true}
}

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

func (hub) Scheduled() providers.Scheduled { return providers.Scheduled{Issues: true} }

func (hub) As(*secret.Value) providers.Store { return nil }

func (hub) PipelineFile(s setup.Setup) string { return ".github/workflows/" + s.Name + ".yml" }

// place is where a set-up is run.
type place struct {
	acme  acme
	hub   hub
	files map[string]string
	key   setup.Key
}

func fill(t *testing.T, given map[string]string) (setup.Plan, error) {
	t.Helper()
	return place{}.fill(t, given)
}

func (x place) fill(t *testing.T, given map[string]string) (setup.Plan, error) {
	t.Helper()
	w := x.walk(given)
	err := flow.Fill(t.Context(), w)
	return w.Plan(), err
}

func (x place) walk(given map[string]string) *flow.Walk {
	return flow.NewWalk(setup.Plan{Key: x.key}, steps.SetUp(steps.Deps{
		KeyGiven: x.key.Given(),
		Files: func([]string) (out []pipeline.Found, err error) {
			for p, c := range x.files {
				out = append(out, pipeline.Found{Path: p, Content: []byte(c)})
			}
			return out, nil
		},
		Astro: x.acme, Platforms: []steps.Platform{{ID: "github", Name: "GitHub Actions", Globs: []string{"*.yml"}}},
		Open:   func(context.Context, string) (providers.Platform, error) { return x.hub, nil },
		Opened: func(string) providers.Platform { return x.hub }, Repos: map[string]setup.Repository{"github": {Host: "github.com", Path: "acme/etl"}}, Platform: "github",
		Projects: func() []string { return nil }, Free: func(path, _ string, _ bool) string { return path },
		LoginGiven: true,
		Program: func(_ context.Context, v string) (setup.CLI, string, error) {
			return setup.CLI{Version: cmp.Or(v, "0.1.0"), BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("b", 64)}}, "", nil
		},
		Pin: func(_ context.Context, v string) (setup.CLI, string, error) {
			if v == "" {
				v = "1.40.1"
			}
			return setup.CLI{Version: v, BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64)}}, "", nil
		},
	}), given)
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
		"copies": {map[string]string{"credential": "deployment-token", "workspace": "Data", "also": "vault:secret/a,age:b=OTHER"}, func(p setup.Plan) bool {
			return len(p.Targets) == 3 && p.Targets[2].Secret == "OTHER"
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
			for _, own := range []bool{false, true} {
				if own {
					p.Pipeline = setup.Pipeline{Own: true, Branch: p.Pipeline.Branch}
				}
				again, err := fill(t, steps.Answers(p))
				if err != nil || !reflect.DeepEqual(again.Setup, p.Setup) {
					t.Errorf("its answers make another setup:\n%+v\n%+v\n%v", p.Setup, again.Setup, err)
				}
			}
		})
	}
}

// An answer can be given before, or after, those that it builds on are there: a question that is reopened
// is taken out of the plan while others still stand.
func TestAnswersStandAlone(t *testing.T) {
	t.Parallel()
	full, err := fill(t, map[string]string{"credential": "workspace-token", "workspace": "Data", "role": "WORKSPACE_OWNER"})
	if err != nil {
		t.Fatal(err)
	}
	bare := full
	bare.Targets = nil
	for _, st := range steps.SetUp(steps.Deps{Opened: func(string) providers.Platform { return hub{} }}) {
		for _, p := range []setup.Plan{{}, bare} {
			p = p.Clone()
			if st.When != nil {
				st.When(p)
			}
			for _, answer := range []string{"", "x", "github:acme/etl", "vault:secret/a,age:b"} {
				_ = st.Apply(&p, flow.Text(answer)) // it may refuse
			}
		}
	}
}

// Another credential asks again for what depends on it, and for nothing else.
func TestAnotherCredential(t *testing.T) {
	t.Parallel()
	w := place{}.walk(map[string]string{"credential": "deployment-token", "workspace": "Data", "expires-in": "45d"})
	if err := flow.Fill(t.Context(), w); err != nil {
		t.Fatal(err)
	}
	w.Reopen("credential")
	s, _ := w.Current()
	if err := w.Answer(s, flow.Choice{Value: string(setup.WorkspaceToken)}, flow.Asked); err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, a := range w.Answers() {
		has[a.Step.ID] = true
	}
	if !has["expires-in"] || has["role"] || w.Plan().Credential.ExpiresInDays != 45 {
		t.Errorf("answered are %v, %d days", has, w.Plan().Credential.ExpiresInDays)
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
		if s.Flag == "" || !strings.HasPrefix(s.Env, "ASTRO") || s.Title == "" || s.Help == "" || s.Name == "" || s.Apply == nil {
			t.Errorf("%s is incomplete: %+v", s.ID, s)
		}
		if (!s.Quiet || s.ID == "self-rotate") && s.Kind == flow.Select && len(s.More) < 100 {
			t.Errorf("%s does not say what its answers mean", s.ID)
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

// Where the plan has custom roles, one with exactly the rights to deploy is the proposed choice.
func TestANewCustomRoleIsOffered(t *testing.T) {
	t.Parallel()
	given := map[string]string{"credential": "deployment-token", "workspace": "Data", "role": "new:CI_Deploy"}
	p, err := place{acme: acme{enterprise: true}}.fill(t, given)
	if err != nil || p.Credential.Role != astro.DeployRole || !slices.Equal(p.NewRole, astro.DeployPermissions()) {
		t.Errorf("role %s, %v, %v", p.Credential.Role, p.NewRole, err)
	}
	if _, err := fill(t, given); err == nil {
		t.Error("a plan without custom roles got one")
	}
	given["role"] = "DEPLOYMENT_ADMIN"
	if p, err = (place{acme: acme{enterprise: true}}).fill(t, given); err != nil || p.NewRole != nil {
		t.Errorf("a role that exists is made: %v, %v", p.NewRole, err)
	}
}

// A person to whom Astro does not show the roles can still name one.
func TestRolesThatCannotBeSeen(t *testing.T) {
	t.Parallel()
	for _, role := range []string{"DEPLOYMENT_ADMIN", "ci deploy"} {
		p, err := place{acme: acme{noRoles: true}}.fill(t, map[string]string{"credential": "deployment-token", "workspace": "Data", "role": role})
		if err != nil || p.Credential.Role != role {
			t.Errorf("%s: got %q, %v", role, p.Credential.Role, err)
		}
	}
}

// What an existing pipeline does is proposed.
func TestProposalsFromThePipelineFiles(t *testing.T) {
	t.Parallel()
	x := place{files: map[string]string{"ci.yml": "run: |\n  astro deploy " + id("d3") + " --dags -f\n"}}
	p, err := x.fill(t, map[string]string{"credential": "deployment-token", "workspace": "ML", "deployment": "ml-prod"})
	if err != nil || p.Job != setup.DeployDAGs {
		t.Errorf("job %s, %v", p.Job, err)
	}
}

func TestDeploymentKey(t *testing.T) {
	t.Parallel()
	given := map[string]string{"credential": "deployment-key", "workspace": "Data"}
	_, err := fill(t, given)
	var missing *flow.MissingError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "--key-stdin") {
		t.Errorf("without a key: %v", err)
	}
	key := setup.Key{ID: secret.New([]byte("an id")), Secret: secret.New([]byte("a secret"))}
	p, err := place{key: key}.fill(t, given)
	if err != nil || len(p.Targets) != 2 || p.Targets[0].Feeds() != setup.KeyIDVariable || p.Targets[1].Secret != setup.KeySecretVariable || p.Credential.Role != "" {
		t.Errorf("got %+v, %v", p.Targets, err)
	}
	if err := p.Validate(); err != nil {
		t.Error(err)
	}
}

// A Deployment API key that is in use is found, and what becomes of it has to be said.
func TestLegacyKey(t *testing.T) {
	t.Parallel()
	file := map[string]string{"deploy.yml": "env:\n  ASTRONOMER_KEY_ID: x\n"}
	stored := hub{secrets: map[string][]string{"acme/etl": {"OTHER", "ASTRONOMER_KEY_ID", "PROD_ASTRONOMER_KEY_SECRET"}}}
	given := func(more ...string) map[string]string {
		out := map[string]string{"credential": "deployment-token", "workspace": "Data"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	if _, err := (place{hub: stored}).fill(t, given()); err == nil || !strings.Contains(err.Error(), "--legacy-key") {
		t.Errorf("nobody asked: %v", err)
	}
	p, err := place{hub: stored, files: file}.fill(t, given("legacy-key", "replace"))
	if err != nil || !p.Pipeline.Own || !slices.Equal(p.Retire.Files, []string{"deploy.yml"}) || len(p.Retire.Secrets) != 2 || p.Validate() != nil {
		t.Errorf("replace: %+v, %v, %v", p.Retire, err, p.Validate())
	}
	p, err = place{hub: stored}.fill(t, given("legacy-key", "replace"))
	if err != nil || p.Pipeline.Own || p.Pipeline.File == "" || len(p.Retire.Secrets) != 2 {
		t.Errorf("secrets only: %+v, %v", p.Retire, err)
	}
	p, err = place{hub: stored, files: file}.fill(t, given("legacy-key", "keep"))
	if err != nil || !p.Retire.IsZero() || p.Pipeline.Own {
		t.Errorf("keep: %+v, %v", p.Retire, err)
	}
	// The job that uses the key would not see the secrets of an environment.
	if _, err = (place{hub: stored, files: file}).fill(t, given("legacy-key", "replace", "target", "github:acme/etl#staging")); err == nil {
		t.Error("the token was put where the job does not see it")
	}
	// Another repository than the one we stand in: its files are not known.
	p, err = place{hub: hub{secrets: map[string][]string{"acme/other": {"ASTRONOMER_KEY_ID"}}}, files: file}.fill(t, given("legacy-key", "replace", "repo", "acme/other"))
	if err != nil || len(p.Retire.Files) != 0 {
		t.Errorf("another repository: %+v, %v", p.Retire, err)
	}
}

// Nobody is asked whether a schedule renews the token; who wants it gets the least that can do it.
func TestSelfRotate(t *testing.T) {
	t.Parallel()
	given := func(more ...string) map[string]string {
		out := map[string]string{"credential": "deployment-token", "workspace": "Data", "role": "DEPLOYMENT_ADMIN"}
		for i := 0; i < len(more); i += 2 {
			out[more[i]] = more[i+1]
		}
		return out
	}
	p, err := fill(t, given())
	if err != nil || !p.SelfRotation.IsZero() {
		t.Errorf("by default: %+v, %v", p.SelfRotation, err)
	}
	p, err = fill(t, given("self-rotate", "daily", "astro-ci-version", "0.2.0"))
	if s := p.SelfRotation; err != nil || s.Every != setup.Daily || s.Credential.Role != "WORKSPACE_OWNER" || s.Credential.Kind != setup.WorkspaceToken || s.Program.Version != "0.2.0" || p.Validate() != nil {
		t.Errorf("daily: %+v, %v, %v", s, err, p.Validate())
	}
	p, err = place{acme: acme{enterprise: true}}.fill(t, given("role", "new:CI_Deploy", "self-rotate", "weekly"))
	if s := p.SelfRotation; err != nil || s.Credential.Role != astro.RotateRole || s.Credential.Kind != setup.DeploymentToken || len(s.NewRole) != 5 {
		t.Errorf("with custom roles: %+v, %v", s, err)
	}
	p, err = place{acme: acme{noRoles: true}}.fill(t, given("self-rotate", "weekly"))
	if s := p.SelfRotation; err != nil || s.Credential.Role != "WORKSPACE_OWNER" {
		t.Errorf("roles that cannot be seen: %+v, %v", s, err)
	}
	p, err = place{acme: acme{noRoles: true}}.fill(t, given("self-rotate", "weekly", "rotation-role", "CI_Rotate"))
	if s := p.SelfRotation; err != nil || s.Credential.Role != "CI_Rotate" || s.Credential.Kind != setup.DeploymentToken {
		t.Errorf("a run that reads its setup and cannot see the roles: %+v, %v", s, err)
	}
	p, err = fill(t, given("self-rotate", "reminder"))
	if s := p.SelfRotation; err != nil || s.Every != setup.Reminder || s.Credential.Role != "" || s.Program.Version != "" {
		t.Errorf("a reminder has a credential: %+v, %v", s, err)
	}
	for _, wrong := range []map[string]string{given("self-rotate", "hourly"), given("self-rotate", "weekly", "also", "age:secrets/astro"), given("self-rotate", "weekly", "rotation-role", "ORGANIZATION_OWNER")} {
		if _, err := fill(t, wrong); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}

// The second Workspace takes one answer: what builds on the Workspace is found anew, the rest stays.
func TestLike(t *testing.T) {
	t.Parallel()
	first, err := fill(t, map[string]string{"credential": "deployment-token", "workspace": "Data", "expires-in": "45", "target": "github:acme/etl#staging", "branch": "main", "also": "vault:secret/x"})
	if err != nil {
		t.Fatal(err)
	}
	all := steps.SetUp(steps.Deps{})
	p, err := fill(t, flow.Like(all, steps.Answers(first), map[string]string{"workspace": "ML", "deployment": "ml-prod"}, "workspace"))
	if err != nil || p.Name != "ml-prod" || p.Deployment.ID != id("d3") || p.Credential != first.Credential || p.Target().Address != "acme/etl#staging" || p.Pipeline.Branch != "main" || len(p.Targets) != 1 {
		t.Errorf("got %+v, %v", p, err)
	}
	again := flow.Like(all, steps.Answers(first), nil, "workspace")
	if again["workspace"] != "" || again["deployment"] != "" || again["name"] != "" || again["pipeline-file"] != "" || again["role"] == "" {
		t.Errorf("with nothing said: %v", again)
	}
	if other := flow.Like(all, steps.Answers(first), map[string]string{"branch": "develop"}, "workspace"); other["workspace"] != id("w1") || other["name"] != "etl" {
		t.Errorf("another branch: %v", other)
	}
}
