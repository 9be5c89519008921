package github_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/hint"
	"github.com/astro-ci/astro-ci/internal/pipeline"
	"github.com/astro-ci/astro-ci/internal/providers/github"
	"github.com/astro-ci/astro-ci/internal/setup"
)

var update = flag.Bool("update", false, "write the golden files anew")

const (
	organizationID = "cm00000000000000000000org"
	workspaceID    = "cm000000000000000000works"
	deploymentID   = "cm000000000000000000deplo"
)

// deployPlan is a plan that deploys code with a Deployment API token from an environment.
func deployPlan() setup.Plan {
	return setup.Plan{
		DAGDeploys: true,
		Setup: setup.Setup{
			Name:         "etl-prod",
			Organization: setup.Ref{ID: organizationID, Name: display.Clean("Acme")},
			Workspace:    setup.Ref{ID: workspaceID, Name: display.Clean("Data")},
			Deployment:   setup.Ref{ID: deploymentID, Name: display.Clean("ETL: prod #1")},
			Job:          setup.DeployCode,
			Credential:   setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
			Platform:     "github",
			Repository:   setup.Repository{Host: "github.com", Path: "acme/etl"},
			Targets:      []setup.Target{{Store: "github", Address: "acme/etl#production", Secret: "ASTRO_API_TOKEN"}},
			Pipeline: setup.Pipeline{
				File: ".github/workflows/astro-etl-prod.yml", Branch: "main", Deploy: setup.Infer,
				CLI: setup.CLI{Version: "1.40.1", BaseURL: pipeline.ReleaseURL, SHA256: pipeline.Pins().CLI["1.40.1"]},
			},
		},
	}
}

// workflow is what the tests look at in a rendered file.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel *bool `yaml:"cancel-in-progress"`
	}
	Jobs map[string]struct {
		RunsOn      string `yaml:"runs-on"`
		Timeout     int    `yaml:"timeout-minutes"`
		Environment string
		Permissions map[string]string
		Steps       []step
	}
}

type step struct {
	Name string
	ID   string
	Uses string
	With map[string]any
	Env  map[string]string
	Run  string
	In   string `yaml:"working-directory"`
}

func render(t *testing.T, p setup.Plan) (workflow, []byte) {
	t.Helper()
	raw, err := github.Render(p)
	if err != nil {
		t.Fatal(err)
	}
	var w workflow
	if err := yaml.Unmarshal(raw, &w); err != nil {
		t.Fatalf("%v\n%s", err, raw)
	}
	return w, raw
}

// steps returns the steps of the only job.
func (w workflow) steps(t *testing.T) []step {
	t.Helper()
	if len(w.Jobs) != 1 {
		t.Fatalf("%d jobs", len(w.Jobs))
	}
	for _, j := range w.Jobs {
		return j.Steps
	}
	return nil
}

func (w workflow) step(t *testing.T, name string) step {
	t.Helper()
	for _, s := range w.steps(t) {
		if strings.HasPrefix(s.Name, name) {
			return s
		}
	}
	t.Fatalf("no step %q", name)
	return step{}
}

// everyPlan yields every combination of options that can be rendered.
func everyPlan(yield func(name string, p setup.Plan)) {
	for _, job := range []setup.Job{setup.DeployCode, setup.DeployDAGs, setup.ManageDeployments, setup.ManageUsers, setup.PreviewDeployments} {
		for _, kind := range []setup.Kind{setup.DeploymentToken, setup.WorkspaceToken, setup.OrganizationToken} {
			if !job.Deploys() && kind == setup.DeploymentToken {
				continue
			}
			for _, deploy := range []setup.Deploy{setup.Infer, setup.Image, setup.DAGs, setup.ImageOnly} {
				for _, dagDeploys := range []bool{true, false} {
					if !dagDeploys && (job == setup.DeployDAGs || deploy == setup.DAGs || deploy == setup.ImageOnly) {
						continue
					}
					for _, address := range []string{"acme/etl", "acme/etl#production", "acme/etl#Prod: \"EU\" #1 ü"} {
						for _, arm := range []bool{true, false} {
							p := deployPlan()
							p.Job, p.Credential.Kind, p.Pipeline.Deploy, p.DAGDeploys = job, kind, deploy, dagDeploys
							p.Targets[0].Address = address
							if !arm {
								delete(p.Pipeline.CLI.SHA256, "linux_arm64")
							}
							yield(fmt.Sprintf("%s/%s/%s/dags=%v/%s/arm=%v", job, kind, deploy, dagDeploys, address, arm), p)
						}
					}
				}
			}
		}
	}
}

func TestEveryWorkflowIsSound(t *testing.T) {
	t.Parallel()
	schema := workflowSchema(t)
	count := 0
	everyPlan(func(name string, p setup.Plan) {
		count++
		w, raw := render(t, p)
		lint(t, name, raw, "")
		if schema != nil {
			fits(t, name, schema, raw)
		}
		if len(w.Permissions) != 0 || !bytes.Contains(raw, []byte("\npermissions: {}\n")) {
			t.Errorf("%s: the workflow has rights", name)
		}
		if w.Concurrency.Cancel == nil || *w.Concurrency.Cancel || !strings.HasPrefix(w.Concurrency.Group, "astro-") {
			t.Errorf("%s: concurrency is %+v", name, w.Concurrency)
		}
		_, environment, _ := strings.Cut(p.Target().Address, "#")
		for _, j := range w.Jobs {
			if !maps.Equal(j.Permissions, map[string]string{"contents": "read"}) || j.Timeout != 30 || j.RunsOn != "ubuntu-24.04" || j.Environment != environment {
				t.Errorf("%s: the job is %+v", name, j)
			}
		}
		withToken := 0
		for _, s := range w.steps(t) {
			if strings.Contains(s.Run, "${{") {
				t.Errorf("%s: an expression in the shell of %q", name, s.Name)
			}
			for _, v := range s.Env {
				if strings.Contains(v, "secrets.") {
					withToken++
				}
			}
			if s.Uses != "" && s.Uses != "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1" {
				t.Errorf("%s: uses %s", name, s.Uses)
			}
			if s.Uses != "" && s.With["persist-credentials"] != false {
				t.Errorf("%s: checkout keeps its credentials", name)
			}
		}
		want := 2
		if p.Job == setup.PreviewDeployments { // one script does it all
			want = 1
		}
		if withToken != want {
			t.Errorf("%s: %d steps hold the token", name, withToken)
		}
	})
	if count < 100 {
		t.Errorf("only %d combinations", count)
	}
}

func TestKindOfDeploy(t *testing.T) {
	t.Parallel()
	const found = "${{ steps.changes.outputs.kind }}"
	for _, c := range []struct {
		job        setup.Job
		deploy     setup.Deploy
		dagDeploys bool
		want       string // "" when refused
	}{
		{setup.DeployCode, setup.Infer, true, found},
		{setup.DeployCode, setup.Infer, false, "image"},
		{setup.DeployCode, setup.Image, false, "image"},
		{setup.DeployCode, setup.DAGs, true, "dags"},
		{setup.DeployCode, setup.ImageOnly, true, "image-only"},
		{setup.DeployDAGs, setup.DAGs, true, "dags"},
		{setup.DeployDAGs, setup.Infer, true, "dags"},
		{setup.DeployDAGs, setup.DAGs, false, ""},
		{setup.DeployCode, setup.DAGs, false, ""},
		{setup.DeployCode, setup.ImageOnly, false, ""},
	} {
		p := deployPlan()
		p.Job, p.Pipeline.Deploy, p.DAGDeploys = c.job, c.deploy, c.dagDeploys
		if c.want == "" {
			if _, err := github.Render(p); err == nil || !strings.Contains(hint.Of(err).Next, deploymentID) {
				t.Errorf("%+v: %v, next %q", c, err, hint.Of(err).Next)
			}
			continue
		}
		w, raw := render(t, p)
		if got := w.step(t, "Deploy to Astro").Env["KIND"]; got != c.want {
			t.Errorf("%+v: got %s", c, got)
		}
		depth := w.step(t, "Check out").With["fetch-depth"]
		if looks := bytes.Contains(raw, []byte("Find what changed")); looks != (c.want == found) || (depth != nil) != looks {
			t.Errorf("%+v: looks for changes %v, fetch-depth %v", c, looks, depth)
		}
	}
}

func TestTriggers(t *testing.T) {
	t.Parallel()
	for branch, want := range map[string]string{"main": "main", "release/1.0": "release/1.0", "a+b": `a\+b`, "!x": `\!x`, "héllo": "héllo", `a"b: 'c'#`: `a"b: 'c'#`, "a]b": "a]b"} {
		p := deployPlan()
		p.Pipeline.Branch = branch
		if strings.Contains(branch, " ") {
			if _, err := github.Render(p); err == nil {
				t.Errorf("%q was accepted", branch)
			}
			continue
		}
		w, raw := render(t, p)
		push, _ := w.On["push"].(map[string]any)
		if got := fmt.Sprint(push["branches"]); got != "["+want+"]" {
			t.Errorf("%s: got %s", branch, got)
		}
		if _, ok := w.On["workflow_dispatch"]; len(w.On) != 2 || !ok {
			t.Errorf("%s: started by %v", branch, w.On)
		}
		lint(t, branch, raw, "")
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*setup.Plan){
		"expression in the branch":      func(p *setup.Plan) { p.Pipeline.Branch = "${{secrets.X}}" },
		"expression in the environment": func(p *setup.Plan) { p.Targets[0].Address = "acme/etl#${{ secrets.X }}" },
		"line break in the environment": func(p *setup.Plan) { p.Targets[0].Address = "acme/etl#a\nb" },
		"expression in the address":     func(p *setup.Plan) { p.Pipeline.CLI.BaseURL = "https://example.com/${{x}}" },
		"query in the address":          func(p *setup.Plan) { p.Pipeline.CLI.BaseURL = "https://example.com/x?y" },
		"name in the address":           func(p *setup.Plan) { p.Pipeline.CLI.BaseURL = "https://a:b@example.com/x" },
		"expression in the secret":      func(p *setup.Plan) { p.Targets[0].Secret = "X }} ${{ Y" },
		"not an id":                     func(p *setup.Plan) { p.Deployment.ID = "$(reboot)" },
		"no Workspace": func(p *setup.Plan) {
			p.Credential.Kind, p.Workspace = setup.OrganizationToken, setup.Ref{}
		},
		"another store":     func(p *setup.Plan) { p.Targets[0].Store = "vault" },
		"no sum":            func(p *setup.Plan) { p.Pipeline.CLI.SHA256 = nil },
		"nothing filled in": func(p *setup.Plan) { *p = setup.Plan{} },
	} {
		p := deployPlan()
		spoil(&p)
		raw, err := github.Render(p)
		if err == nil || raw != nil {
			t.Errorf("%s: rendered\n%s", name, raw)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "github: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNamesThatLookLikeExpressionsAreLeftOut(t *testing.T) {
	t.Parallel()
	p := deployPlan()
	p.Deployment.Name = display.Clean("${{ secrets.X }}")
	if _, raw := render(t, p); bytes.Contains(raw, []byte("secrets.X ")) {
		t.Error("the name stands in the file")
	}
}

func TestConcurrencyFollowsTheTarget(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*setup.Plan){
		"astro-deployment-" + deploymentID: func(p *setup.Plan) { p.Credential.Kind = setup.OrganizationToken },
		"astro-workspace-" + workspaceID: func(p *setup.Plan) {
			p.Job, p.Credential.Kind = setup.ManageDeployments, setup.OrganizationToken
		},
		"astro-organization-" + organizationID: func(p *setup.Plan) {
			p.Job, p.Credential.Kind = setup.ManageUsers, setup.OrganizationToken
		},
	} {
		p := deployPlan()
		change(&p)
		if w, _ := render(t, p); w.Concurrency.Group != want {
			t.Errorf("got %s, want %s", w.Concurrency.Group, want)
		}
	}
}

func TestPipelineFile(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"etl-prod": ".github/workflows/astro-etl-prod.yml",
		"a.b_c":    ".github/workflows/astro-a.b_c.yml",
		"../../x":  ".github/workflows/astro-..-..-x.yml",
		"A b":      ".github/workflows/astro-a-b.yml",
		"":         ".github/workflows/astro.yml",
	} {
		got := (&github.Provider{}).PipelineFile(setup.Setup{Name: name})
		if got != want || setup.CheckFile(got) != nil {
			t.Errorf("%q: got %s", name, got)
		}
	}
}

func TestPipelineKeepsThePath(t *testing.T) {
	t.Parallel()
	p := deployPlan()
	p.Pipeline.File = ".github/workflows/mine.yml"
	file, err := (&github.Provider{}).Pipeline(p)
	want, _ := github.Render(p)
	if err != nil || file.Path != p.Pipeline.File || !bytes.Equal(file.Content, want) {
		t.Errorf("got %s, %v", file.Path, err)
	}
	if again, _ := github.Render(p); !bytes.Equal(again, want) {
		t.Error("two renderings differ")
	}
}

// A secret that the workflow cannot read, and a file that GitHub never runs, are refused before
// anything is made.
func TestWorkflowsThatWouldNeverWork(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*setup.Plan){
		"another repository's secret":    func(p *setup.Plan) { p.Targets[0].Address = "acme/other#production" },
		"another organization's secret":  func(p *setup.Plan) { p.Targets[0].Address = "other" },
		"a folder that is not looked at": func(p *setup.Plan) { p.Pipeline.File = "ci/astro.yml" },
		"a folder below":                 func(p *setup.Plan) { p.Pipeline.File = ".github/workflows/sub/astro.yml" },
		"another ending":                 func(p *setup.Plan) { p.Pipeline.File = ".github/workflows/astro.txt" },
	} {
		p := deployPlan()
		change(&p)
		if _, err := github.Render(p); err == nil || hint.Of(err).Next == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := deployPlan()
	p.Targets[0].Address = "ACME"
	if _, err := github.Render(p); err != nil {
		t.Errorf("the organization's secret: %v", err)
	}
}

func TestGolden(t *testing.T) {
	t.Parallel()
	shellcheck, _ := exec.LookPath("shellcheck")
	for name, change := range map[string]func(*setup.Plan){
		"deploy-infer": func(*setup.Plan) {},
		"deploy-dags": func(p *setup.Plan) {
			p.Job, p.Pipeline.Deploy, p.Credential.Kind = setup.DeployDAGs, setup.DAGs, setup.WorkspaceToken
			p.Targets[0].Address = "acme/etl"
		},
		"deploy-image-without-dag-deploys": func(p *setup.Plan) {
			p.DAGDeploys, p.Credential.Kind = false, setup.OrganizationToken
			delete(p.Pipeline.CLI.SHA256, "linux_arm64")
		},
		"manage-deployments": func(p *setup.Plan) { p.Job, p.Credential.Kind = setup.ManageDeployments, setup.OrganizationToken },
		"deploy-with-a-key": func(p *setup.Plan) {
			p.Credential = setup.Credential{Kind: setup.DeploymentKey}
			p.Targets = []setup.Target{
				{Store: "github", Address: "acme/etl", Secret: "ASTRONOMER_KEY_ID", Variable: setup.KeyIDVariable},
				{Store: "github", Address: "acme/etl", Secret: "ASTRONOMER_KEY_SECRET", Variable: setup.KeySecretVariable},
			}
		},
		"manage-users": func(p *setup.Plan) { p.Job, p.Credential.Kind = setup.ManageUsers, setup.WorkspaceToken },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := deployPlan()
			change(&p)
			_, got := render(t, p)
			lint(t, name, got, shellcheck)
			path := filepath.Join("testdata", "workflows", name+".yml")
			if *update {
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, bytes.ReplaceAll(want, []byte("\r\n"), []byte("\n"))) {
				t.Errorf("%s differs, %v; look at it after: go test -run TestGolden -update", path, err)
			}
		})
	}
}
