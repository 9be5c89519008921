package setup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/astro-ci/astro-ci/internal/setup"
)

const id = "cm0000000000000000000org1"

func good() setup.Setup {
	return setup.Setup{
		Name: "etl-prod", Organization: setup.Ref{ID: id}, Workspace: setup.Ref{ID: id}, Deployment: setup.Ref{ID: id},
		Job: setup.DeployCode, Credential: setup.Credential{Kind: setup.DeploymentToken, Role: "DEPLOYMENT_ADMIN", ExpiresInDays: 90},
		Platform: "github", Repository: setup.Repository{Host: "github.com", Path: "acme/etl"},
		Targets: []setup.Target{{Store: "github", Address: "acme/etl", Secret: "ASTRO_API_TOKEN"}},
		Pipeline: setup.Pipeline{File: ".github/workflows/a.yml", Branch: "main", Deploy: setup.Infer, CLI: setup.CLI{
			Version: "1.40.1", BaseURL: "https://example.com", SHA256: map[string]string{"linux_amd64": strings.Repeat("a", 64)},
		}},
	}
}

func TestValidate(t *testing.T) {
	if err := good().Validate(); err != nil {
		t.Fatalf("a good setup is refused: %v", err)
	}
	for field, spoil := range map[string]func(*setup.Setup){
		"name":           func(s *setup.Setup) { s.Name = "A b" },
		"organization":   func(s *setup.Setup) { s.Organization.ID = "x" },
		"deployment":     func(s *setup.Setup) { s.Deployment.ID = "$(id)" },
		"workspace":      func(s *setup.Setup) { s.Credential.Kind, s.Workspace.ID = setup.WorkspaceToken, "" },
		"credential":     func(s *setup.Setup) { s.Job = setup.ManageUsers },
		"role":           func(s *setup.Setup) { s.Credential.Role = "" },
		"expires-in":     func(s *setup.Setup) { s.Credential.ExpiresInDays = 0 },
		"job":            func(s *setup.Setup) { s.Job = "other" },
		"deploy":         func(s *setup.Setup) { s.Pipeline.Deploy = "" },
		"platform":       func(s *setup.Setup) { s.Platform = "" },
		"repo":           func(s *setup.Setup) { s.Repository = setup.Repository{} },
		"target":         func(s *setup.Setup) { s.Targets = nil },
		"secret-name":    func(s *setup.Setup) { s.Targets[0].Secret = "GITHUB_X" },
		"pipeline-file":  func(s *setup.Setup) { s.Pipeline.File = "../a.yml" },
		"project-folder": func(s *setup.Setup) { s.Pipeline.Folder = "../x" },
		"branch":         func(s *setup.Setup) { s.Pipeline.Branch = "a..b" },
		"cli-version":    func(s *setup.Setup) { s.Pipeline.CLI.Version = "latest" },
		"cli-sha256":     func(s *setup.Setup) { s.Pipeline.CLI.SHA256 = nil },
		"cli-url":        func(s *setup.Setup) { s.Pipeline.CLI.BaseURL = "http://localhost:x@example.com" },
	} {
		s := good()
		spoil(&s)
		var f *setup.Fault
		if err := s.Validate(); !errors.As(err, &f) || f.Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := (setup.Setup{}).Validate(); strings.Count(err.Error(), "\n") < 8 {
		t.Errorf("not all faults are named: %v", err)
	}
}

func TestCheckBranch(t *testing.T) {
	for _, ok := range []string{"main", "release/1.0", "feature/x-y_z", "héllo", "a@b"} {
		if err := setup.CheckBranch(ok); err != nil {
			t.Errorf("%q refused: %v", ok, err)
		}
	}
	for _, bad := range []string{"", "@", "-x", "a b", "a..b", "a~1", "a^", "a:b", "a?", "a*", "a[", `a\b`, "a//b", "/a", "a/", "a.lock", "a/.b", "a@{b", "a.", "a\x00", "HEAD", "refs/heads/main"} {
		if setup.CheckBranch(bad) == nil {
			t.Errorf("%q accepted", bad)
		}
	}
}

func TestLoopback(t *testing.T) {
	for raw, want := range map[string]bool{
		"http://127.0.0.1:80/x": true, "http://localhost": true, "http://[::1]:1": true,
		"https://127.0.0.1": false, "http://localhost:x@evil.example": false, "http://127.0.0.1.evil.example": false, "": false,
	} {
		if setup.Loopback(raw) != want {
			t.Errorf("Loopback(%q) is not %v", raw, want)
		}
	}
}
