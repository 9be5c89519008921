package providertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/astro-ci/astro-ci/internal/display"
	"github.com/astro-ci/astro-ci/internal/secret"
	"github.com/astro-ci/astro-ci/internal/setup"
	"github.com/astro-ci/astro-ci/internal/testkit"
)

// PipelineSubject is a renderer under test.
type PipelineSubject struct {
	Render  func(setup.Plan) ([]byte, error)
	Targets []setup.Target // one of each kind of place, without name and variable
	Fits    func(raw []byte) error
	// Job takes what a runner would execute out of a rendered file: the script, and its environment
	// with secrets and the two commits put in.
	Job func(raw []byte, secrets map[string]string, before, after string) (script string, env map[string]string, err error)
	// Before says that the platform knows the commit before a push.
	Before bool
}

const someID = "cm00000000000000000000abc"

// PipelinePlan is a plan with this type of credential, kept at the target's address.
func PipelinePlan(kind setup.Kind, at setup.Target) setup.Plan {
	p := setup.Plan{DAGDeploys: true, Setup: setup.Setup{
		Name: "etl-prod", Organization: setup.Ref{ID: someID, Name: display.Clean("Acme")}, Workspace: setup.Ref{ID: someID, Name: display.Clean("Data: #1")},
		Deployment: setup.Ref{ID: someID, Name: display.Clean("etl \"prod\"")}, Job: setup.DeployCode, Credential: setup.Credential{Kind: kind, Role: "R", ExpiresInDays: 90},
		Platform: at.Store, Repository: setup.Repository{Host: "example.com", Path: "acme/etl"},
		Pipeline: setup.Pipeline{File: "x", Branch: "main", Deploy: setup.Infer, CLI: setup.CLI{
			Version: "1.99.0", BaseURL: "https://example.com/releases", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64), "linux_arm64": strings.Repeat("b", 64)},
		}},
	}}
	if kind == setup.DeploymentKey {
		p.Credential = setup.Credential{Kind: kind}
	}
	for _, v := range kind.Variables() {
		at.Secret, at.Variable = v, v
		p.Targets = append(p.Targets, at)
	}
	return p
}

// everyPlan yields every combination of options.
func (s PipelineSubject) everyPlan(yield func(name string, p setup.Plan)) {
	for _, at := range s.Targets {
		for _, job := range []setup.Job{setup.DeployCode, setup.DeployDAGs, setup.ManageDeployments, setup.ManageUsers} {
			for _, kind := range setup.Kinds() {
				for _, deploy := range []setup.Deploy{setup.Infer, setup.Image, setup.DAGs, setup.ImageOnly} {
					for _, name := range []string{"", "PROD_TOKEN"} {
						if !job.Deploys() && (kind.Deployment() || deploy != setup.Infer) || name != "" && kind == setup.DeploymentKey {
							continue
						}
						p := PipelinePlan(kind, at)
						p.Job, p.Pipeline.Deploy = job, deploy
						if name != "" {
							p.Targets[0].Secret = name
						}
						yield(fmt.Sprintf("%s/%s/%s/%s/%s", at.Address, job, kind, deploy, name), p)
					}
				}
			}
		}
	}
}

// Pipelines runs the suite.
func Pipelines(t *testing.T, s PipelineSubject) {
	t.Run("every combination fits the platform", func(t *testing.T) {
		n, bad := 0, 0
		s.everyPlan(func(name string, p setup.Plan) {
			n++
			raw, err := s.Render(p)
			if err == nil {
				err = s.Fits(raw)
			}
			if err != nil {
				if bad++; bad <= 3 { // the first ones tell enough
					t.Errorf("%s: %v\n%s", name, err, raw)
				}
				return
			}
			if again, err := s.Render(p); err != nil || string(again) != string(raw) {
				t.Errorf("%s: two renderings differ: %v", name, err)
			}
		})
		if n < 30 {
			t.Errorf("only %d combinations were tried", n)
		}
	})
	t.Run("hostile branches are text or refused", func(t *testing.T) {
		for _, branch := range []string{"feature/a+b", "it's", `say"hi"`, "a$b", "a#b", "x&&y", "${{x}}", "$(x)", "<<x>>", "release-1.0", "yes", "a;touch-ran"} {
			p := PipelinePlan(setup.DeploymentToken, s.Targets[0])
			p.Pipeline.Branch = branch
			raw, err := s.Render(p)
			if err != nil {
				continue
			}
			if err := s.Fits(raw); err != nil {
				t.Errorf("%q: %v\n%s", branch, err, raw)
			}
			if script, _, err := s.Job(raw, nil, "", ""); err != nil || strings.Contains(script, branch) && len(branch) > 3 {
				t.Errorf("%q reached the script: %v", branch, err)
			}
		}
	})
	t.Run("it runs", func(t *testing.T) {
		r := testkit.NewRunner(t)
		token := testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour))
		for _, at := range s.Targets {
			for _, name := range []string{setup.TokenVariable, "PROD_TOKEN"} {
				p := PipelinePlan(setup.WorkspaceToken, at)
				p.Targets[0].Secret = name
				p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": r.Sum, "linux_arm64": r.Sum}
				raw, err := s.Render(p)
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(raw), "find-changes") || strings.Contains(string(raw), "merge-base") != s.Before {
					t.Errorf("%s: what a push changed is looked at: %v", at.Address, !s.Before)
				}
				// The project is no git repository: everything is deployed.
				script, env, err := s.Job(raw, map[string]string{name: token}, strings.Repeat("a", 40), strings.Repeat("b", 40))
				if err != nil {
					t.Fatalf("%v\n%s", err, raw)
				}
				out, ok := r.Run([]string{"sh"}, script, env)
				if called := r.Called(); !ok || called != "deploy "+someID+" --force --workspace-id "+someID {
					t.Errorf("%s with %s: %v, called %q: %s", at.Address, name, ok, called, out)
				}
				testkit.MustNotLeak(t, secret.New([]byte(token)), []byte(out))
				if out, ok := r.Run([]string{"sh"}, script, without(env, token)); ok || r.Called() != "" || !strings.Contains(out, "The secret "+name) {
					t.Errorf("%s without a token: %v %s", at.Address, ok, out)
				}
			}
			key := PipelinePlan(setup.DeploymentKey, at)
			key.Pipeline.CLI.BaseURL, key.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": r.Sum, "linux_arm64": r.Sum}
			raw, err := s.Render(key)
			if err != nil {
				t.Fatal(err)
			}
			script, env, err := s.Job(raw, map[string]string{setup.KeyIDVariable: "an-id", setup.KeySecretVariable: "a-secret"}, "", "")
			if err != nil {
				t.Fatal(err)
			}
			if out, ok := r.Run([]string{"sh"}, script, env); !ok || r.Called() != "deploy "+someID+" --force" {
				t.Errorf("a key: %v %s", ok, out)
			}
		}
	})
	t.Run("a project in a folder", func(t *testing.T) {
		r := testkit.NewRunner(t)
		p := PipelinePlan(setup.DeploymentToken, s.Targets[0])
		p.Pipeline.Folder, p.Pipeline.Deploy = "teams/etl", setup.Image
		p.Pipeline.CLI.BaseURL, p.Pipeline.CLI.SHA256 = r.URL, map[string]string{"linux_amd64": r.Sum, "linux_arm64": r.Sum}
		raw, err := s.Render(p)
		if err == nil {
			err = s.Fits(raw)
		}
		if err != nil {
			t.Fatalf("%v\n%s", err, raw)
		}
		r.Git("init", "-q")
		r.Git("commit", "-q", "--allow-empty", "-m", "x")
		run := func(before, after string) (string, bool) {
			t.Helper()
			script, env, err := s.Job(raw, map[string]string{setup.TokenVariable: testkit.AstroToken(time.Now().Add(90 * 24 * time.Hour))}, before, after)
			if err != nil {
				t.Fatal(err)
			}
			return r.Run([]string{"sh"}, script, env)
		}
		head := r.Git("rev-parse", "HEAD")
		if out, ok := run(head, head); ok || r.Called() != "" || !strings.Contains(out, "no folder teams/etl") {
			t.Errorf("without the folder: %v %s", ok, out)
		}
		if out, ok := run(r.Commit("teams/etl/Dockerfile")); !ok || r.Called() == "" || r.CalledIn() != "teams/etl" {
			t.Errorf("a change in the folder: %v, in %q: %s", ok, r.CalledIn(), out)
		}
		out, ok := run(r.Commit("teams/other/Dockerfile"))
		if called := r.Called(); !ok || (called == "") != s.Before || s.Before && !strings.Contains(out, "Nothing to deploy") {
			t.Errorf("a change elsewhere: %v, called %q: %s", ok, called, out)
		}
	})
	t.Run("every name of a setup", func(t *testing.T) {
		for _, name := range []string{"a.b", "0", "on", "x_y-z", strings.Repeat("n", 63)} {
			p := PipelinePlan(setup.DeploymentToken, s.Targets[0])
			p.Name = name
			raw, err := s.Render(p)
			if err == nil {
				err = s.Fits(raw)
			}
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("a Deployment that takes no DAG-only deploys", func(t *testing.T) {
		p := PipelinePlan(setup.DeploymentToken, s.Targets[0])
		p.DAGDeploys, p.Pipeline.Deploy = false, setup.DAGs
		if _, err := s.Render(p); err == nil {
			t.Error("it is rendered all the same")
		}
	})
}

func without(env map[string]string, value string) map[string]string {
	out := map[string]string{}
	for k, v := range env {
		if v != value {
			out[k] = v
		}
	}
	return out
}
