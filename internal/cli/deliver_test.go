package cli_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/sandbox/azured"
	"github.com/astro-ci/astro-ci/internal/sandbox/bitbucketd"
	"github.com/astro-ci/astro-ci/internal/sandbox/embedded"
	"github.com/astro-ci/astro-ci/internal/sandbox/fault"
	"github.com/astro-ci/astro-ci/internal/sandbox/gitead"
	"github.com/astro-ci/astro-ci/internal/setup"
)

// The pipeline file goes to the repository as a request with only itself, on wish or where the branch
// is protected; the working tree stays as it is.
func TestPullRequest(t *testing.T) {
	t.Parallel()
	for _, protected := range []bool{false, true} {
		p, s := online(t)
		args := append(real(), "--json")
		if protected {
			s.GitHub().Protect("acme", "etl", "main")
		} else {
			args = append(args, "--deliver", "pull-request")
		}
		stdout, stderr, code := p.run(args...)
		if code != 0 {
			t.Fatalf("protected %v: exit %d: %s", protected, code, stderr)
		}
		const file = ".github/workflows/astro-etl-prod.yml"
		all := s.GitHub().Pulls("acme", "etl")
		if len(all) != 1 || !all[0].Open || all[0].Base != "main" || len(all[0].Files) != 1 || !strings.Contains(all[0].Files[file], "astro deploy") {
			t.Fatalf("protected %v: requests are %+v", protected, all)
		}
		if _, err := os.Stat(filepath.Join(p.dir, file)); err == nil {
			t.Error("the file was written to the working tree as well")
		}
		if r := decode(t, stdout); r.Pipeline.Request != "https://github.com/acme/etl/pull/1" || !r.Pipeline.Changed {
			t.Errorf("got %s", stdout)
		}
		// Again: the open request is found, and nothing new is opened.
		if stdout, stderr, code := p.run(args...); code != 0 || len(s.GitHub().Pulls("acme", "etl")) != 1 {
			t.Errorf("again: exit %d: %s%s", code, stdout, stderr)
		}
		// Once it is merged, there is nothing left to propose.
		s.GitHub().Commit("acme", "etl", "main", file, all[0].Files[file])
		if stdout, _, code := p.run(args...); code != 0 || decode(t, stdout).Pipeline.Changed {
			t.Errorf("merged: exit %d: %s", code, stdout)
		}
	}
}

// What is taken back takes the request with it, and a platform that keeps no repositories says so.
func TestPullRequestRefused(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Commit("acme", "etl", "main", ".github/workflows/astro-etl-prod.yml", "on: push\n")
	if _, stderr, code := p.run(append(real(), "--deliver", "pull-request")...); code == 0 || !strings.Contains(stderr, "another pipeline is there already") || len(s.Astro().Tokens()) != 0 {
		t.Errorf("a person's file on the branch: exit %d: %s", code, stderr)
	}
	if _, stderr, code := p.run("setup", "--no-input", "--yes", "--platform", "drone", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR", "--deliver", "pull-request"); code != 2 || !strings.Contains(stderr, "deliver") {
		t.Errorf("drone: exit %d: %s", code, stderr)
	}
}

func TestPullRequestTakenBack(t *testing.T) {
	t.Parallel()
	p, s := online(t)
	s.GitHub().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/repos/acme/etl/pulls", Status: 403, Body: `{"message":"no"}`, Times: 9})
	_, stderr, code := p.run(real("--deliver", "pull-request", "--on-failure", "undo")...)
	if code != 4 || len(s.Astro().Tokens()) != 0 || s.GitHub().HasBranch("acme", "etl", "astro-ci/etl-prod") {
		t.Errorf("exit %d, %d tokens, the branch is there: %v: %s", code, len(s.Astro().Tokens()), s.GitHub().HasBranch("acme", "etl", "astro-ci/etl-prod"), stderr)
	}
}

// The same on Bitbucket, where a restriction of the branch is what protects it.
func TestPullRequestOnBitbucket(t *testing.T) {
	t.Parallel()
	const file, branch = "bitbucket-pipelines.yml", "astro-ci/etl-prod"
	args := []string{"setup", "--no-input", "--yes", "--json", "--platform", "bitbucket", "--repo", "acme/etl", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
	for _, protected := range []bool{false, true} {
		p, s := online(t)
		args := slices.Clone(args)
		if protected {
			s.Bitbucket().Restrict("acme/etl", bitbucketd.Restriction{Pattern: "main"})
		} else {
			args = append(args, "--deliver", "pull-request")
		}
		s.Bitbucket().Commit("acme/etl", "main", file, "pipelines:\n  custom:\n    mine:\n      - step:\n          script: [make]\n")
		stdout, stderr, code := p.run(args...)
		if code != 0 {
			t.Fatalf("protected %v: exit %d: %s", protected, code, stderr)
		}
		all := s.Bitbucket().Pulls("acme/etl")
		if len(all) != 1 || !all[0].Open || all[0].Target != "main" || len(all[0].Files) != 1 || !strings.Contains(all[0].Files[file], "astro deploy") || !strings.Contains(all[0].Files[file], "    mine:\n") {
			t.Fatalf("protected %v: requests are %+v", protected, all)
		}
		if _, err := os.Stat(filepath.Join(p.dir, file)); err == nil {
			t.Error("the file was written to the working tree as well")
		}
		if r := decode(t, stdout); r.Pipeline.Request != "https://bitbucket.org/acme/etl/pull-requests/1" || !r.Pipeline.Changed {
			t.Errorf("got %s", stdout)
		}
		if stdout, stderr, code := p.run(args...); code != 0 || len(s.Bitbucket().Pulls("acme/etl")) != 1 {
			t.Errorf("again: exit %d: %s%s", code, stdout, stderr)
		}
		s.Bitbucket().Commit("acme/etl", "main", file, all[0].Files[file])
		if stdout, _, code := p.run(args...); code != 0 || decode(t, stdout).Pipeline.Changed {
			t.Errorf("merged: exit %d: %s", code, stdout)
		}
	}
	p, s := online(t)
	s.Bitbucket().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/2.0/repositories/acme/etl/pullrequests", Status: 403, Body: `{"type":"error","error":{"message":"no"}}`, Times: 9})
	_, stderr, code := p.run(append(args, "--deliver", "pull-request", "--on-failure", "undo")...)
	if code != 4 || !strings.Contains(stderr, "write:pullrequest:bitbucket") || len(s.Astro().Tokens()) != 0 || s.Bitbucket().HasBranch("acme/etl", branch) {
		t.Errorf("taken back: exit %d, %d tokens, the branch is there: %v: %s", code, len(s.Astro().Tokens()), s.Bitbucket().HasBranch("acme/etl", branch), stderr)
	}
}

// The same on Azure Repos, where a policy of the branch is what protects it. The pipeline that is made for
// the file runs once the request is merged.
func TestPullRequestOnAzure(t *testing.T) {
	t.Parallel()
	const repo, file, branch = "acme/data/etl", "azure-pipelines-etl-prod.yml", "astro-ci/etl-prod"
	args := []string{"setup", "--no-input", "--yes", "--json", "--platform", "azure-devops", "--repo", repo, "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
	for _, protected := range []bool{false, true} {
		p, s := online(t)
		args := slices.Clone(args)
		if protected {
			s.AzureDevOps().Require(repo, azured.Policy{Ref: "refs/heads/main", Match: "Exact"})
		} else {
			args = append(args, "--deliver", "pull-request")
		}
		stdout, stderr, code := p.run(args...)
		if code != 0 {
			t.Fatalf("protected %v: exit %d: %s", protected, code, stderr)
		}
		all := s.AzureDevOps().Pulls(repo)
		if len(all) != 1 || !all[0].Open || all[0].Target != "main" || len(all[0].Files) != 1 || !strings.Contains(all[0].Files[file], "astro deploy") {
			t.Fatalf("protected %v: requests are %+v", protected, all)
		}
		if _, err := os.Stat(filepath.Join(p.dir, file)); err == nil {
			t.Error("the file was written to the working tree as well")
		}
		if r := decode(t, stdout); !strings.HasSuffix(r.Pipeline.Request, fmt.Sprintf("/acme/data/_git/etl/pullrequest/%d", all[0].Number)) || !r.Pipeline.Changed {
			t.Errorf("got %s", stdout)
		}
		if stdout, stderr, code := p.run(args...); code != 0 || len(s.AzureDevOps().Pulls(repo)) != 1 {
			t.Errorf("again: exit %d: %s%s", code, stdout, stderr)
		}
		s.AzureDevOps().Commit(repo, "main", file, all[0].Files[file])
		s.AzureDevOps().Push(repo, file, embedded.Job{Secret: setup.TokenVariable, In: "astro-etl"})
		if stdout, _, code := p.run(args...); code != 0 || decode(t, stdout).Pipeline.Changed {
			t.Errorf("merged: exit %d: %s", code, stdout)
		}
		s.Astro().Age()
		stdout, stderr, code = p.run("run", "--every", "1ms", "--json", "--platform", "azure-devops", "--repo", repo, "--pipeline-file", file)
		if r := decodeRun(t, stdout); code != 0 || r.State != "passed" {
			t.Errorf("run: exit %d: %s%s", code, stdout, stderr)
		}
	}
	p, s := online(t)
	s.AzureDevOps().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/acme/data/_apis/git/repositories/etl/pullrequests", Status: 403, Body: `{"message":"no"}`, Times: 9})
	_, stderr, code := p.run(append(args, "--deliver", "pull-request", "--on-failure", "undo")...)
	if code != 4 || !strings.Contains(stderr, "Contribute to pull requests") || len(s.Astro().Tokens()) != 0 || s.AzureDevOps().HasBranch(repo, branch) {
		t.Errorf("taken back: exit %d, %d tokens, the branch is there: %v: %s", code, len(s.Astro().Tokens()), s.AzureDevOps().HasBranch(repo, branch), stderr)
	}
}

// The same on Gitea, where a rule for the branch protects it.
func TestPullRequestOnGitea(t *testing.T) {
	t.Parallel()
	const file, branch = ".gitea/workflows/astro-etl-prod.yaml", "astro-ci/etl-prod"
	args := []string{"setup", "--no-input", "--yes", "--json", "--platform", "gitea", "--repo", "acme/etl", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_AUTHOR"}
	for _, protected := range []bool{false, true} {
		p, s := online(t)
		args := slices.Clone(args)
		if protected {
			s.Gitea().Protect("acme/etl", gitead.Rule{Pattern: "main"})
		} else {
			args = append(args, "--deliver", "pull-request")
		}
		stdout, stderr, code := p.run(args...)
		if code != 0 {
			t.Fatalf("protected %v: exit %d: %s", protected, code, stderr)
		}
		all := s.Gitea().Pulls("acme/etl")
		if len(all) != 1 || !all[0].Open || all[0].Base != "main" || len(all[0].Files) != 1 || !strings.Contains(all[0].Files[file], "astro deploy") {
			t.Fatalf("protected %v: requests are %+v", protected, all)
		}
		if _, err := os.Stat(filepath.Join(p.dir, file)); err == nil {
			t.Error("the file was written to the working tree as well")
		}
		if r := decode(t, stdout); !strings.HasPrefix(r.Pipeline.Request, "https://") || !strings.HasSuffix(r.Pipeline.Request, "/acme/etl/pulls/1") || !r.Pipeline.Changed {
			t.Errorf("got %s", stdout)
		}
		if stdout, stderr, code := p.run(args...); code != 0 || len(s.Gitea().Pulls("acme/etl")) != 1 {
			t.Errorf("again: exit %d: %s%s", code, stdout, stderr)
		}
		s.Gitea().Merge("acme/etl")
		if stdout, _, code := p.run(args...); code != 0 || decode(t, stdout).Pipeline.Changed {
			t.Errorf("merged: exit %d: %s", code, stdout)
		}
	}
	p, s := online(t)
	s.Gitea().Faults.Add(fault.Fault{Method: http.MethodPost, Path: "/api/v1/repos/acme/etl/pulls", Status: 403, Body: `{"message":"no"}`, Times: 9})
	_, stderr, code := p.run(append(args, "--deliver", "pull-request", "--on-failure", "undo")...)
	if code != 4 || !strings.Contains(stderr, "write:repository") || len(s.Astro().Tokens()) != 0 || s.Gitea().HasBranch("acme/etl", branch) {
		t.Errorf("taken back: exit %d, %d tokens, the branch is there: %v: %s", code, len(s.Astro().Tokens()), s.Gitea().HasBranch("acme/etl", branch), stderr)
	}
}

// Previews of requests: a token that may make and delete Deployments, and a pipeline for requests. Where
// nobody tells when a request is closed, nothing is made.
func TestPreviews(t *testing.T) {
	t.Parallel()
	for id, c := range map[string]struct{ file, says string }{
		"github": {".github/workflows/astro-etl-prod-previews.yml", "types:"}, "gitlab": {".gitlab-ci.yml", "on_stop:"}, "circleci": {"", ""},
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			p, s := online(t)
			if id == "gitlab" {
				p, s = atGitLab(t)
			}
			stdout, stderr, code := p.run("setup", "--no-input", "--yes", "--json", "--platform", id, "--job", "previews", "--credential", "workspace-token", "--workspace", "Data Platform", "--deployment", "etl-prod", "--role", "WORKSPACE_OPERATOR")
			if c.file == "" {
				if code == 0 || !strings.Contains(stderr, "previews of requests") || len(s.Astro().Tokens()) != 0 {
					t.Errorf("exit %d, %d tokens: %s", code, len(s.Astro().Tokens()), stderr)
				}
				return
			}
			if code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if r := decode(t, stdout); r.Pipeline.File != c.file || !strings.Contains(p.read(c.file), c.says) || !strings.Contains(p.read(c.file), "astro deployment delete") {
				t.Errorf("got %s\n%s", stdout, p.read(c.file))
			}
			if id == "gitlab" {
				if _, flags, err := s.GitLab().Open("acme/etl", "*", "ASTRO_API_TOKEN", false); err != nil || flags.Protected {
					t.Errorf("a protected variable never reaches a request: %+v, %v", flags, err)
				}
			}
		})
	}
}
